"""Processes as /proc shows them, and waiting for what they do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def wait_until(condition: Callable[[], bool], limit: float = 60.0) -> None:
    """Wait for a condition that nothing reports, for at most ``limit`` seconds."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stat(pid: int) -> list[str]:
    """What follows the name in /proc/PID/stat, see proc(5); OSError where there is none."""
    return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()


def state(pid: int) -> str:
    """The letter of ps(1); Z also where the process has gone altogether."""
    try:
        return stat(pid)[0]
    except OSError:
        return "Z"


def parent(pid: int) -> int:
    return int(stat(pid)[1])


def cpu_ticks(pid: int) -> int:
    """The CPU time that it has used, of user and system, in hundredths of a second."""
    return sum(int(ticks) for ticks in stat(pid)[11:13])
