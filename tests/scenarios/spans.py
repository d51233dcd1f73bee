"""Begin and end of everything that a scenario runs, on one clock, and what follows from them.

Copied beside each scenario's Makefile: tests and conftest files use ``span``; as a program it is a
neighbour target that lasts for a time, or until a file appears.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LOG_VARIABLE = "SCENARIO_LOG"


@dataclass(frozen=True)
class Span:
    """One thing that ran, from begin to end in nanoseconds of CLOCK_MONOTONIC."""

    kind: str
    name: str
    pid: int
    begin: int
    end: int


def _log(event: str, kind: str, name: str) -> None:
    # One write to a file opened for appending is not torn, see open(2) on O_APPEND.
    descriptor = os.open(os.environ[LOG_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    line = f"{time.monotonic_ns()} {event} {os.getpid()} {kind} {name}\n"
    os.write(descriptor, line.encode())
    os.close(descriptor)


@contextlib.contextmanager
def span(kind: str, name: str = "-") -> Iterator[None]:
    """Log that something runs as long as the block does."""
    _log("begin", kind, name)
    try:
        yield
    finally:
        _log("end", kind, name)


def wait_for(path: str, limit: float = 60.0) -> None:
    """Wait for a file to appear, for at most ``limit`` seconds."""
    deadline = time.monotonic() + limit
    while not Path(path).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} did not appear")
        time.sleep(0.01)


def read_spans(log: Path) -> list[Span]:
    """All spans of a log. One that was cut off by a kill ends where its log line begins."""
    running: dict[tuple[str, str, str], int] = {}
    spans = []
    for line in log.read_text().splitlines() if log.exists() else []:
        time_text, event, pid, kind, name = line.split(" ", 4)
        key = (pid, kind, name)
        if event == "begin":
            running[key] = int(time_text)
        else:
            spans.append(Span(kind, name, int(pid), running.pop(key), int(time_text)))
    spans += [Span(kind, name, int(pid), t, t) for (pid, kind, name), t in running.items()]
    return sorted(spans, key=lambda s: s.begin)


def most_at_once(spans: list[Span]) -> int:
    """The greatest number of things that ran at one moment."""
    changes = sorted([(s.begin, 1) for s in spans] + [(s.end, -1) for s in spans])
    most = running = 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most


def main(kind: str, name: str, duration: str) -> None:
    with span(kind, name):
        try:
            time.sleep(float(duration))
        except ValueError:
            wait_for(duration)


if __name__ == "__main__":
    main(*sys.argv[1:])
