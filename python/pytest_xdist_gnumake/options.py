"""The options of the plugin, which every pytest process must know."""

from __future__ import annotations

import pytest

_START = ("slots", "all")
_REMOTE = ("share", "pool", "free")
_IMPLICIT_SLOT = ("yes", "no")


def add_options(parser: pytest.Parser) -> None:
    """How workers are started: on the command line, or in the configuration file."""
    group = parser.getgroup("xdist", "distributed and subprocess testing")
    text = "When to start xdist workers under a jobserver: 'slots', when there is a job slot"
    text += " for them, or 'all', all at once, as xdist does"
    group.addoption("--jobslots-start", choices=_START, help=f"{text}.")
    group.addoption(
        "--jobslots-trace",
        metavar="FILE",
        help="Write what the workers do with make's job slots, and when, as a Chrome trace, which"
        " Perfetto and 'jobslots timeline' show; %%p in FILE is the number of the process.",
    )
    parser.addini("jobslots_start", f"{text} (default: slots).", default="slots")
    text = "Whose job slots workers on other machines (--tx ssh=..., socket=...) work on: 'share',"
    text += " this session's, 'pool', those of the pool of their own machine, or 'free', none"
    group.addoption("--jobslots-remote", choices=_REMOTE, help=f"{text}.")
    parser.addini("jobslots_remote", f"{text} (default: share).", default="share")
    parser.addini(
        "jobslots_remote_silence",
        "Seconds after which another machine that says nothing counts as gone (default: 60).",
        default="60",
    )
    text = "Where no make has a jobserver, take job slots from this pool: 'machine', which all that"
    text += " this user starts may share, the path of another one, or 'off'"
    group.addoption("--jobslots-pool", metavar="POOL", help=f"{text}.")
    parser.addini("jobslots_pool", f"{text} (default: the environment's JOBSLOTS_POOL).")
    text = (
        "Whether the job that started pytest has a job slot, as make's recipes have: 'yes', or 'no'"
    )
    text += " under a jobserver that was set for a whole login"
    group.addoption("--jobslots-implicit-slot", choices=_IMPLICIT_SLOT, help=f"{text}.")
    parser.addini(
        "jobslots_implicit_slot", f"{text} (default: the environment's JOBSLOTS_IMPLICIT_SLOT)."
    )


def set_slot_variables(config: pytest.Config, environment: dict[str, str]) -> None:
    """Put what the options say of the slots into the variables that ``jobslots`` reads.

    ``off`` wins, wherever it is said.
    """
    implicit_slot = "jobslots_implicit_slot"
    said = {
        "JOBSLOTS_POOL": _option(config, "jobslots_pool"),
        "JOBSLOTS_IMPLICIT_SLOT": _option(config, implicit_slot)
        and _one_of(_IMPLICIT_SLOT, config, implicit_slot),
    }
    if environment.get("JOBSLOTS_POOL") == "off" or config.getini("jobslots_pool") == "off":
        said["JOBSLOTS_POOL"] = "off"
    environment.update({name: value for name, value in said.items() if value})


def _option(config: pytest.Config, name: str) -> str:
    return str(config.getoption(f"--{name.replace('_', '-')}") or config.getini(name) or "")


def _one_of(words: tuple[str, ...], config: pytest.Config, name: str) -> str:
    value = _option(config, name)
    if value not in words:
        *others, last = map(repr, words)
        raise pytest.UsageError(f"{name} must be {', '.join(others)} or {last}, not {value!r}")
    return value


def start_of_workers(config: pytest.Config) -> str:
    """``slots`` or ``all``, see `add_options`."""
    return _one_of(_START, config, "jobslots_start")


def slots_of_remote_workers(config: pytest.Config) -> str:
    """``share``, ``pool`` or ``free``, see `add_options`."""
    return _one_of(_REMOTE, config, "jobslots_remote")


def silence_of_hosts(config: pytest.Config) -> int:
    """Seconds after which a host that says nothing counts as gone."""
    value = str(config.getini("jobslots_remote_silence"))
    if not value.isdecimal() or int(value) == 0:
        raise pytest.UsageError(
            f"jobslots_remote_silence must be a number of seconds, not {value!r}"
        )
    return int(value)
