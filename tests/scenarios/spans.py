"""Begin and end of things, logged by whoever does them, and how many there were at once.

One file for the demo, the scenarios and the benchmarks (``tests/scenarios/spans.py`` is a link).
Scenarios have a copy beside their Makefile: tests and conftest files use ``span``; as a program it
is a neighbour target that lasts for a time, or until a file appears.

A line of the log holds, between tabs: time, ``begin`` or ``end``, process, kind, lane, name. The
time is in nanoseconds of CLOCK_MONOTONIC, which is one clock for all processes of the machine.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LOG_VARIABLE = "SPAN_LOG"


@dataclass(frozen=True)
class Span:
    """One thing that ran, as long as ``begin <= time < end``."""

    kind: str
    name: str
    pid: int
    begin: int
    end: int
    #: Where it is drawn: a worker, or a program beside them.
    lane: str = ""


class Event(NamedTuple):
    """One line of the log."""

    time: int
    is_begin: bool
    pid: int
    kind: str
    lane: str
    name: str


def log(event: str, kind: str, name: str = "-", lane: str = "", at: int | None = None) -> None:
    """Write one line of the log: ``begin`` or ``end``, now or at another time."""
    moment = time.monotonic_ns() if at is None else at
    fields = [str(moment), event, str(os.getpid()), kind, lane, name]
    # Lines of several processes do not mix: each is one write to a file opened for appending.
    descriptor = os.open(os.environ[LOG_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, ("\t".join(fields) + "\n").encode())
    os.close(descriptor)


@contextlib.contextmanager
def span(kind: str, name: str = "-", lane: str = "") -> Iterator[None]:
    """Log that something runs as long as the block does."""
    log("begin", kind, name, lane)
    try:
        yield
    finally:
        log("end", kind, name, lane)


def wait_for(path: str, limit: float = 60.0) -> None:
    """Wait for a file to appear, for at most ``limit`` seconds."""
    deadline = time.monotonic() + limit
    while not Path(path).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} did not appear")
        time.sleep(0.01)


def read_events(path: Path) -> Iterator[Event]:
    """The lines of a log, in the order in which they were written."""
    for line in path.read_text().splitlines() if path.exists() else []:
        moment, event, pid, kind, lane, name = line.split("\t")
        yield Event(int(moment), event == "begin", int(pid), kind, lane, name)


def read_spans(path: Path) -> list[Span]:
    """All spans of a log. One that was cut off by a kill ends where it begins."""
    running: dict[tuple[int, str, str, str], int] = {}
    spans = []
    for event in read_events(path):
        key = (event.pid, event.kind, event.lane, event.name)
        if event.is_begin:
            running[key] = event.time
        else:
            begin = running.pop(key)
            spans.append(Span(event.kind, event.name, event.pid, begin, event.time, event.lane))
    for (pid, kind, lane, name), begin in running.items():
        spans.append(Span(kind, name, pid, begin, begin, lane))
    return sorted(spans, key=lambda s: s.begin)


def most_at_once(spans: Iterable[Span]) -> int:
    """The greatest number of things that ran at one moment."""
    # Sorted by time; of two changes at one moment the end (-1) comes first.
    changes = sorted(change for s in spans for change in ((s.begin, 1), (s.end, -1)))
    most = running = 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most


def average_at_once(spans: Iterable[Span], begin: int, end: int) -> float:
    """The number of things that ran, averaged over a time that holds all spans."""
    return sum(s.end - s.begin for s in spans) / (end - begin)


def main(kind: str, name: str, duration: str) -> None:
    with span(kind, name):
        try:
            time.sleep(float(duration))
        except ValueError:
            wait_for(duration)


if __name__ == "__main__":
    main(*sys.argv[1:])
