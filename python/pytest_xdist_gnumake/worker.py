"""The hooks of an xdist worker: it holds a job slot whenever it works.

A worker works from before the first conftest file is imported to the end of collection, from the
begin to the end of each test, and from the begin of the session's finish to its end. In between it
waits for the controller and holds nothing.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

from .connection import Connection, JobSlot

T = TypeVar("T")


class StartUp:
    """From the first conftest file to the end of collection."""

    def __init__(self, slot: JobSlot) -> None:
        self._slot = slot

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> Generator[None, T, T]:
        try:
            return (yield)
        finally:
            # Registered last of all plugins, and so the outermost: nothing that others do around a
            # test happens without a slot, and waiting counts towards no timeout or duration.
            work = TracedWork(self._slot) if self._slot.traced else Work(self._slot)
            session.config.pluginmanager.register(work)
            self._slot.release()


class Work:
    """The tests, and the session's finish."""

    def __init__(self, slot: JobSlot) -> None:
        self._slot = slot
        self._outcome = ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, T, T]:
        self._slot.acquire(f"test {item.nodeid}")
        self._outcome = ""
        try:
            return (yield)
        finally:
            self._slot.release(self._outcome)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, T, T]:
        # Held until pytest unconfigures, when the slot is closed.
        self._slot.acquire("finishing")
        return (yield)


class TracedWork(Work):
    """The same, and the broker is told how each test ended."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A test with a failed subtest ends with a report that says passed.
        if self._outcome not in ("failed", "error") and (
            report.when == "call" or not report.passed
        ):
            self._outcome = _outcome(report)


def _outcome(report: pytest.TestReport) -> str:
    """In the words of pytest's own summary."""
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed and report.when != "call":
        return "error"
    return report.outcome


def start_worker(config: pytest.Config, controller: int, address: str, worker_id: str) -> None:
    """Make this process hold a job slot whenever it works, beginning now."""
    connection = Connection(address, worker_id)
    try:
        connection.open()
    except Exception:
        if not _lives(controller):
            # The session was over before this worker was there: there is nothing to do, and no slot
            # to do it with. Left alone it would import and collect until execnet ends it.
            os._exit(1)
    slot = JobSlot(connection)
    config.add_cleanup(slot.close)
    config.pluginmanager.register(StartUp(slot))
    slot.acquire("starting")


def _lives(pid: int) -> bool:
    """Whether the process is there and has not ended: its parent may be slow to look."""
    if os.getppid() == pid:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
