"""The scenarios of ``tests/scenarios``, for benchmarks: a real make and real sessions."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "scenarios"))

from hosts import Hosts, arguments, free_port, suite_that_tells
from jobserver import Jobserver
from processes import wait_until
from scenario import FIFO, PIPE, SYSTEM, Make, Outcome, Scenario
from spans import Span

from pool import Pool

__all__ = [
    "FIFO",
    "PIPE",
    "SYSTEM",
    "WITHOUT_PLUGIN",
    "Hosts",
    "Jobserver",
    "Make",
    "Outcome",
    "Pool",
    "Scenario",
    "Span",
    "arguments",
    "free_port",
    "new_scenario",
    "run_make",
    "suite_that_tells",
    "wait_until",
    "write_mark",
]

#: The option of pytest that leaves the plugin out: xdist as it is by itself.
WITHOUT_PLUGIN = "-p no:xdist_gnumake"

# Logs with the clock of spans.py, in a millisecond: an interpreter's start is not part of the span.
MARK = r"""
# mark.sh NAME SECONDS: a span of kind "mark", at least as long as given.
log() {{
    local now=$(( ${{EPOCHREALTIME/./}} * 1000 - {offset} ))
    printf '%s\t%s\t%s\tmark\t\t%s\n' $now "$1" $$ "$2" >> "$SPAN_LOG"
}}
LC_ALL=C
log begin "$1"
[ "$2" = 0 ] || sleep "$2"
log end "$1"
"""


@contextlib.contextmanager
def new_scenario() -> Iterator[Scenario]:
    """An empty scenario; nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        scenario = Scenario(Path(folder))
        try:
            yield scenario
        finally:
            scenario.kill_all()


def run_make(scenario: Scenario, make: Make, jobs: int) -> Outcome:
    """Run ``make -jJOBS``, which must succeed."""
    outcome = scenario.make(make, jobs)
    if outcome.status != 0:
        raise RuntimeError(outcome.output)
    return outcome


def write_mark(scenario: Scenario) -> str:
    """Write a shell script that logs a span, and return the command for it: add NAME SECONDS."""
    scenario.write("mark.sh", MARK.format(offset=time.time_ns() - time.monotonic_ns()))
    return "bash mark.sh"
