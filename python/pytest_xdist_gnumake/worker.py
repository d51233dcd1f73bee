"""The hooks of an xdist worker: it holds a job slot whenever it works.

A worker works from before the first conftest file is imported to the end of collection, from the
begin to the end of each test, and from the begin of the session's finish to its end. Between two
tests it keeps its slot where the next one is at hand and nobody else needs the slot; where it waits
for the controller it holds nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from .connection import FINISHING, Connection, JobSlot, Packets
from .fifo_slot import PREFIX, FifoSlot
from .next_test import share_fixtures, test_at_hand
from .packets import PacketSocket
from .worker_channel import ChannelPackets, FarEnd, xdist_global

T = TypeVar("T")

#: Seconds for which a worker that finds no broker waits for the end of its channel.
_CHANNEL_LIMIT = 1.0


class StartUp:
    """From the first conftest file to the end of collection."""

    def __init__(self, slot: JobSlot | FifoSlot) -> None:
        self._slot = slot

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> Generator[None, T, T]:
        try:
            return (yield)
        finally:
            # Registered last of all plugins, and so the outermost: nothing that others do around a
            # test happens without a slot, and waiting counts towards no timeout or duration.
            kind = TracedWork if self._slot.traced else Work
            session.config.pluginmanager.register(kind(self._slot, session.config))
            self._slot.release()


class Work:
    """The tests, and the session's finish."""

    _traced = False

    def __init__(self, slot: JobSlot | FifoSlot, config: pytest.Config) -> None:
        self._slot = slot
        self._is_at_hand = test_at_hand(config)
        #: How the test has ended, for the trace.
        self._outcome = ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, T, T]:
        if not self._slot.held:
            self._slot.acquire(f"test {item.nodeid}")
        self._outcome = ""
        try:
            return (yield)
        finally:
            if nextitem is None or not self._keeps_slot(item, nextitem):
                self._slot.release(self._outcome)
            elif self._traced:
                self._slot.go_on(self._outcome, f"test {nextitem.nodeid}")

    def _keeps_slot(self, item: pytest.Item, nextitem: pytest.Item) -> bool:
        if not self._slot.is_asked_for() and self._is_at_hand():
            return True
        return self._slot.others_may_wait and share_fixtures(item, nextitem)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, T, T]:
        # Held until pytest unconfigures, when the slot is closed.
        self._slot.acquire(FINISHING)
        return (yield)


class TracedWork(Work):
    """The same, and the broker is told how each test ended."""

    _traced = True

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


def start_worker(
    config: pytest.Config, worker_id: str, address: str | None, far_end: FarEnd | None
) -> None:
    """Make this process hold a job slot whenever it works, beginning now.

    ``address`` is that of the broker's socket, or a fifo where there is no broker; ``far_end`` is
    another way to the broker. One of them is there.
    """
    if far_end and far_end.slots == "pool":
        from .far_pool import open_pool

        address = open_pool(config, far_end, worker_id)
        if address is None:
            return
    slot: JobSlot | FifoSlot
    if address is not None and address.startswith(PREFIX):
        slot = FifoSlot(address.removeprefix(PREFIX), partial(_controller_lives, 0.0))
    else:
        slot = _slot_of_broker(_way_to_broker(address, far_end), worker_id)
    config.add_cleanup(slot.close)
    config.pluginmanager.register(StartUp(slot))
    slot.acquire("starting")


def _slot_of_broker(connect: Callable[[], Packets], worker_id: str) -> JobSlot:
    connection = Connection(connect, worker_id)
    try:
        connection.open()
    except Exception:
        if not _controller_lives():
            # The session was over before this worker was there: there is nothing to do, and no slot
            # to do it with. Left alone it would import and collect until execnet ends it.
            os._exit(1)
    return JobSlot(connection, _controller_lives)


def _way_to_broker(address: str | None, far_end: FarEnd | None) -> Callable[[], Packets]:
    """The socket, where it can be reached: it may be another machine's, or outside a container."""
    if address is not None and (far_end is None or Path(address).exists()):
        if far_end:
            far_end.say_it_is_not_needed()
        return lambda: PacketSocket.connect(address)
    assert far_end
    packets = ChannelPackets(far_end.channel)
    return lambda: packets


def _controller_lives(limit: float = _CHANNEL_LIMIT) -> bool:
    """Whether the controller is at the other end of the channel that this worker runs for.

    Its process number says nothing: the worker may be in another pid namespace.
    """
    channel = xdist_global("channel")
    if channel is None:
        return True
    try:
        # The broker of a dead controller may be gone before execnet sees that it is dead.
        channel.waitclose(limit)
    except channel.TimeoutError:
        return True
    except Exception:  # It has ended with an error.
        return False
    return False
