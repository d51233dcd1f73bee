"""What the plugin costs in time."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from statistics import median

from brokers import broker_under_jobserver, child
from pytest_xdist_gnumake.connection import Connection, JobSlot
from scenarios import FIFO, WITHOUT_PLUGIN, new_scenario, run_make
from table import Figure, beside, middle


def slot() -> list[Figure]:
    """Acquire and release in a worker, while a slot is free.

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
        job_slot = JobSlot(Connection(broker.address, "gw0"))

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
    what = f"acquire + release of a free slot, {where}"
    return [
        Figure(what, middle(values, "us"), beside("read + write of a fifo", values, directs, "us")),
        Figure("", "", beside("echo by a Python process", values, echoes, "us")),
    ]


def total() -> list[Figure]:
    """A whole session of short tests, with and without the plugin."""
    tests, seconds = 200, 0.01

    def run(options: str) -> tuple[float, float]:
        with new_scenario() as scenario:
            scenario.suite("suite", tests, seconds)
            scenario.makefile(FIFO, session=f"pytest -q -n2 {options} suite")
            begin = time.monotonic()
            spans = run_make(scenario, FIFO, 2).of("test")
            whole = time.monotonic() - begin
        return whole, (max(s.end for s in spans) - spans[0].begin) / 1e9

    pairs = [(run(""), run(WITHOUT_PLUGIN)) for _ in range(5)]
    figures = []
    for n, what in enumerate(("make, begin to end", "first test to last")):
        values, others = [ours[n] for ours, _ in pairs], [plain[n] for _, plain in pairs]
        ratios = [value / other for value, other in zip(values, others, strict=True)]
        figures.append(
            Figure(
                f"{tests} tests of {seconds * 1e3:.0f} ms, -n2 under -j2: {what}",
                middle(values, "s", 2),
                f"without plugin {median(others):.2f} s, ratio of pairs {middle(ratios, '', 3)}",
            )
        )
    return figures
