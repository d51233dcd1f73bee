"""What the messages between a worker and the broker cost."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from statistics import median

from brokers import broker_under_jobserver, child
from pytest_xdist_gnumake.connection import Connection, JobSlot
from pytest_xdist_gnumake.packets import PacketSocket
from table import Figure, beside, middle


def slot() -> list[Figure]:
    """Acquire and release of a free slot, with a message to the broker for each.

    Two processes on two CPUs that are idle in between take many times as long to wake each other as
    on one CPU, and where they run is up to the kernel: so both, and an echo by a socket beside it.
    """
    everywhere = os.sched_getaffinity(0)
    try:
        figures = _slot("CPUs as the kernel likes")
        os.sched_setaffinity(0, {min(everywhere)})  # Inherited by the broker and the echo.
        return figures + _slot("all on one CPU")
    finally:
        os.sched_setaffinity(0, everywhere)


def _slot(where: str) -> list[Figure]:
    rounds, cycles = 5, 5000

    def microseconds(cycle: Callable[[], None]) -> float:
        begin = time.perf_counter_ns()
        for _ in range(cycles):
            cycle()
        return (time.perf_counter_ns() - begin) / cycles / 1e3

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def answer() -> None:
        while message := theirs.recv(256):
            if message == b"want":
                theirs.send(b"grant")

    with ours, theirs, broker_under_jobserver(job_slots=2) as (broker, make), child(then=answer):
        job_slot = JobSlot(Connection(lambda: PacketSocket.connect(broker.address), "gw0"))

        def exchange() -> None:
            job_slot.acquire()
            job_slot.release()

        def echo() -> None:
            ours.send(b"want")
            ours.recv(256)
            ours.send(b"done")

        def direct() -> None:
            make.give(make.drain())

        rows = [[microseconds(cycle) for cycle in (exchange, echo, direct)] for _ in range(rounds)]
        job_slot.close()
    values, echoes, directs = zip(*rows, strict=True)
    return [
        Figure(
            f"acquire + release, {where}",
            middle(values, "us"),
            beside("echo by a Python process", values, echoes, "us"),
        ).at_most(30, median(values)),
        Figure("", "", beside("read + write of a fifo", values, directs, "us")),
    ]
