"""A pytest plugin that logs what an xdist worker does; loaded with ``-p recording.pytest_plugin``.

Waiting for a job slot is not logged, because these hooks run inside those of pytest-xdist-gnumake:
of several ``tryfirst`` wrappers the one registered last is the outermost, and ``-p`` comes first.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

from .spans import log, span

T = TypeVar("T")

#: Empty in the controller, which runs no tests.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if WORKER:  # Several sessions have a gw0 each.
    WORKER = " ".join(filter(None, (os.environ.get("SPAN_SESSION"), WORKER)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None, T, T]:
    if WORKER:
        log("begin", "start-up", "conftest files and collection", WORKER)
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, T, T]:
    try:
        return (yield)
    finally:
        if WORKER:
            log("end", "start-up", "conftest files and collection", WORKER)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, T, T]:
    with span("test", item.nodeid, WORKER or "pytest"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish() -> Generator[None, T, T]:
    if not WORKER:
        return (yield)
    with span("finish", "session", WORKER):
        return (yield)
