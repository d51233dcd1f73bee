"""Begin and end of things, logged by whoever does them, and how many there were at once.

A line of the log holds, between tabs: time, ``begin`` or ``end``, process, kind, lane, name. The
time is in nanoseconds of CLOCK_MONOTONIC, which is one clock for all processes of the machine.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LOG_VARIABLE = "RECORDING_LOG"


@dataclass(frozen=True)
class Span:
    """One thing that ran, as long as ``begin <= time < end``."""

    kind: str
    lane: str
    name: str
    begin: int
    end: int


def log(event: str, kind: str, lane: str, name: str) -> None:
    """Write one line of the log."""
    fields = [str(time.monotonic_ns()), event, str(os.getpid()), kind, lane, name]
    # Lines of several processes do not mix: each is one write to a file opened for appending.
    descriptor = os.open(os.environ[LOG_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, ("\t".join(fields) + "\n").encode())
    os.close(descriptor)


@contextlib.contextmanager
def span(kind: str, lane: str, name: str) -> Iterator[None]:
    """Log that something runs as long as the block does."""
    log("begin", kind, lane, name)
    try:
        yield
    finally:
        log("end", kind, lane, name)


def read_spans(path: Path) -> list[Span]:
    """All spans of a log. What has no end (its process was killed) lasts to the log's last line."""
    running: dict[tuple[str, ...], int] = {}
    spans = []
    last = 0
    for line in path.read_text().splitlines() if path.exists() else []:
        moment, event, *thing = line.split("\t")
        last = max(last, int(moment))
        if event == "begin":
            running[tuple(thing)] = int(moment)
        else:
            _, kind, lane, name = thing
            spans.append(Span(kind, lane, name, running.pop(tuple(thing)), int(moment)))
    for (_, kind, lane, name), begin in running.items():
        spans.append(Span(kind, lane, name, begin, last))
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
