"""What a trace costs, and how well it agrees with what the tests log of themselves."""

from __future__ import annotations

import os
import time
from statistics import median

from scenarios import FIFO, Scenario, new_scenario, run_make
from table import Figure, middle
from test_trace import read_trace

EMPTY = """
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_empty(number):
    pass
"""


def _seconds(scenario: Scenario, options: str) -> float:
    scenario.makefile(FIFO, session=f"pytest -q -n4 {options} suite")
    begin = time.monotonic()
    run_make(scenario, FIFO, 4)
    return time.monotonic() - begin


def tracing() -> list[Figure]:
    """A trace: what it costs, and how far its spans lie from those that the tests log."""
    count, rounds = 4000, 7
    with new_scenario() as scenario:
        scenario.write("suite/test_suite.py", EMPTY.format(count=count))
        scenario.write("suite/pytest.ini", "[pytest]\naddopts = -p no:cacheprovider\n")
        _seconds(scenario, "")  # Nothing is read from the disk for the first time after this.
        pairs = [
            (_seconds(scenario, "--jobslots-trace=trace.json"), _seconds(scenario, ""))
            for _ in range(rounds)
        ]
        size = (scenario.folder / "trace.json").stat().st_size
    ratios = [traced / plain for traced, plain in pairs]
    return [
        Figure(
            f"{count} empty tests, -n4 under -j4, with a trace",
            middle([traced for traced, _ in pairs], "s", 2),
            f"without {middle([plain for _, plain in pairs], 's', 2)},"
            f" ratio of pairs {middle(ratios, '', 3)}",
            "at most 1.05",
            median(ratios) <= 1.05,
        ),
        Figure("the trace's size", f"{size / 1e6:.1f} MB"),
        *_agreement(),
    ]


def _agreement() -> list[Figure]:
    # No more at once than there are CPUs: a test that waits for one has begun for the broker only.
    jobs = max(2, os.cpu_count() or 2)
    with new_scenario() as scenario:
        recipes = {}
        for suite in ("one", "two"):
            scenario.suite(suite, 200, 0.02)
            recipes[suite] = f"pytest -q -n4 --jobslots-trace={suite}.json {suite}"
        scenario.makefile(FIFO, **recipes, beside="neighbour 2")
        outcome = run_make(scenario, FIFO, jobs)
        logged = {span.name: span for span in outcome.of("test")}
        begins, ends = [], []
        for suite in recipes:
            events = read_trace(scenario.folder / f"{suite}.json")
            for span in (event.span for event in events if event.span.kind == "test"):
                own = logged[f"{suite}-{span.name.partition('[')[2].rstrip(']')}"]
                begins.append((own.begin - span.begin) / 1e6)
                ends.append((span.end - own.end) / 1e6)
    return [
        Figure(
            f"{len(values)} tests: {what}",
            middle(values, "ms", 2),
            f"within 5 ms: {sum(0 <= value <= 5 for value in values) / len(values):.1%}",
            "5 ms",
            max(values) <= 5,
        )
        for what, values in (
            ("the trace begins earlier by", begins),
            ("the trace ends later by", ends),
        )
    ]
