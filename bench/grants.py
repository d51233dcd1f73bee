"""The broker's path: what a grant costs it, and how many it can give."""

from __future__ import annotations

import resource
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from brokers import RawWorker, broker_under_jobserver, raw_workers
from proc import run_time
from table import Figure, middle


def hand_overs() -> list[Figure]:
    """One slot and all others after it: the broker's CPU time for a grant, by number of clients."""
    counts = (8, 64, 512)
    values = [_hand_overs(count) for count in counts]
    ratio = [median(v) / median(values[0]) for v in values]
    figures = [
        Figure(f"{count} clients", middle(v, "us", 2), f"ratio to {counts[0]}: {r:.2f}")
        for count, v, r in zip(counts, values, ratio, strict=True)
    ]
    figures[-1] = figures[-1].promised("ratio below 1.5", ratio[-1] < 1.5)
    return figures


def _hand_overs(count: int) -> list[float]:
    """Microseconds of CPU for each, in some rounds."""
    grants = max(4 * count, 2000)
    values = []
    with _broker(count, job_slots=1) as (workers, pid), select.epoll() as granted:
        by_descriptor = {worker.descriptor: worker for worker in workers}
        for descriptor, worker in by_descriptor.items():
            granted.register(descriptor, select.EPOLLIN)
            worker.want()
        for _ in range(5):
            before = run_time(pid)
            for _ in range(grants):
                holder = _next_holder(granted, by_descriptor)
                holder.done()
                holder.want()
            values.append((run_time(pid) - before) / grants / 1e3)
    return values


def _next_holder(granted: select.epoll, by_descriptor: dict[int, RawWorker]) -> RawWorker:
    while True:
        ((descriptor, _),) = granted.poll(maxevents=1)
        worker = by_descriptor[descriptor]
        if worker.receive() == b"grant":  # Else it is asked to give up what it has given up.
            return worker


def bursts() -> list[Figure]:
    """Eight clients that all want a slot at the same moment, and all get one."""
    count, rounds = 8, 2000
    values, of_wall = [], []
    with _broker(count, job_slots=count) as (workers, pid):
        for _ in range(5):
            before, begin = run_time(pid), time.perf_counter()
            for _ in range(rounds):
                for worker in workers:
                    worker.want()
                for worker in workers:
                    worker.wait_for_grant()
                for worker in workers:
                    worker.done()
            of_wall.append(count * rounds / (time.perf_counter() - begin) / 1e3)
            values.append(count * rounds / ((run_time(pid) - before) / 1e9) / 1e3)
    return [
        Figure(
            "thousand grants in a second of the broker's CPU",
            middle(values),
            f"in a second of this run, driven by one Python process: {middle(of_wall)}",
        ).at_least(100, median(values))
    ]


@contextmanager
def _broker(clients: int, job_slots: int) -> Iterator[tuple[list[RawWorker], int]]:
    """A broker with so many clients, and its process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with (
        broker_under_jobserver(job_slots) as (broker, _),
        raw_workers(broker.address, clients) as workers,
    ):
        yield workers, workers[0].broker()
