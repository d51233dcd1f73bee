"""Where a worker runs, as far as its specification tells (execnet's ``XSpec``)."""

from __future__ import annotations

import execnet


def is_elsewhere(spec: execnet.XSpec) -> bool:
    """Whether the worker is on another machine, for all that its specification says."""
    return not spec.popen or bool(spec.via)


def may_not_reach_broker(spec: execnet.XSpec) -> bool:
    """Also where ``python=`` is a command that enters a container."""
    return is_elsewhere(spec) or bool(spec.python)


def place(spec: execnet.XSpec) -> str:
    """Where a worker is, as the user has written it."""
    return "//".join(part for part in str(spec).split("//") if not part.startswith("execmodel="))
