"""Suites whose workers tell which tests they run, and what follows from that."""

from __future__ import annotations

from collections import defaultdict

from scenario import Outcome
from spans import most_at_once

#: Logs each test with the worker that runs it, and each worker's import of the conftest file.
CONFTEST = """
import os, time
import pytest
from spans import span

worker = os.environ.get("PYTEST_XDIST_WORKER", "controller")
with span("import", worker):
    time.sleep({seconds})

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if worker == "controller":
        return (yield)
    with span("ran", f"{{worker}} {{item.nodeid}}"):
        return (yield)
"""


def most(outcome: Outcome) -> int:
    """The most things at once. A test is logged twice; this counts what the conftest file logs."""
    return most_at_once([s for s in outcome.spans if s.kind != "test"])


def ran_by_worker(outcome: Outcome) -> dict[str, list[str]]:
    """The tests that each worker ran, in order."""
    ran = defaultdict(list)
    for span in outcome.of("ran"):
        worker, nodeid = span.name.split(" ", 1)
        ran[worker].append(nodeid)
    return ran
