"""How well a trace agrees with what the tests log of themselves."""

from __future__ import annotations

import os

from scenarios import FIFO, new_scenario, run_make
from table import Figure, middle
from test_trace import read_trace


def tracing() -> list[Figure]:
    """How far a trace's spans lie from those that the tests log of themselves."""
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
            f"within 5 ms: {sum(abs(value) <= 5 for value in values) / len(values):.1%}",
        ).at_most(5, max(abs(value) for value in values))
        for what, values in (
            ("the trace begins earlier by", begins),
            ("the trace ends later by", ends),
        )
    ]
