"""Tests that do nothing: what is left is what the plugin costs."""

from __future__ import annotations

import time
from statistics import median

from contenders import ALL, OTHERS, OURS, Contender
from rounds import rounds
from scenarios import FIFO, Scenario, new_scenario, run_make
from table import Figure, differences, in_pairs, middle, ratios

EMPTY = """
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_empty(number):
    pass
"""

# What passes between a hook that is around all others and one that is within the plugin's: that is
# registered between the import of conftest files and the loop of tests.
COST = """
import statistics
import time

import pytest

around, within = [], []

class Outermost:
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self):
        begin = time.perf_counter_ns()
        result = yield
        around.append(time.perf_counter_ns() - begin)
        return result

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol():
    begin = time.perf_counter_ns()
    result = yield
    within.append(time.perf_counter_ns() - begin)
    return result

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session):
    session.config.pluginmanager.register(Outermost())
    result = yield
    if around:
        costs = [a - w for a, w in zip(around, within, strict=True)]
        with open("costs", "a") as file:
            file.write(f"{statistics.median(costs)}\\n")
    return result
"""


def _write_empty_tests(scenario: Scenario, count: int) -> None:
    scenario.suite("suite")
    scenario.write("suite/test_suite.py", EMPTY.format(count=count))


def empty() -> list[Figure]:
    """4000 empty tests, -n2 under make -j2: pairs of a run with the plugin and one without it."""
    count = 4000

    with new_scenario() as scenario:

        def seconds(contender: Contender, options: str = "", *, without: bool = False) -> float:
            session = contender.pytest(f"-q -n2 {options} suite", without=without)
            scenario.makefile(FIFO, session=session)
            begin = time.monotonic()
            run_make(scenario, FIFO, 2)
            return time.monotonic() - begin

        _write_empty_tests(scenario, count)
        for contender in ALL:
            _check_that_it_runs(scenario, contender)
        ours: list[float] = []
        traced: list[float] = []
        plain: list[float] = []
        others = [(contender, list[float](), list[float]()) for contender in OTHERS]
        kinds = [
            (ours, "", False),
            (plain, "", True),
            (traced, "--jobslots-trace=trace.json", False),
        ]
        for number in rounds(15):
            # Who comes second finds another machine than who comes first.
            for values, options, without in kinds[:: -1 if number % 2 else 1]:
                values.append(seconds(OURS, options, without=without))
            for contender, theirs, off in others if number < 5 else []:
                theirs.append(seconds(contender))
                off.append(seconds(contender, without=True))
        size = (scenario.folder / "trace.json").stat().st_size
    return [
        in_pairs("this version", ours, plain, "s").at_most(1.03, median(ratios(ours, plain))),
        in_pairs("this version, traced", traced, plain, "s").at_most(
            1.06, median(ratios(traced, plain))
        ),
        *(in_pairs(str(contender), theirs, off, "s") for contender, theirs, off in others),
        Figure("the trace's size", f"{size / 1e6:.1f} MB"),
    ]


def cost() -> list[Figure]:
    """What a slot costs the worker at each test while nobody else waits, -n1 under make -j2."""
    count = 1000
    with new_scenario() as scenario:
        _write_empty_tests(scenario, count)
        scenario.write("suite/conftest.py", COST)
        for _ in rounds(5):
            for without in (False, True):
                session = OURS.pytest("-q -n1 suite", without=without)
                scenario.makefile(FIFO, session=session)
                run_make(scenario, FIFO, 2)
        costs = [float(line) / 1e3 for line in (scenario.folder / "costs").read_text().split()]
    ours, plain = costs[::2], costs[1::2]
    net = differences(ours, plain)
    return [
        Figure(
            "acquire + release",
            middle(net, "us"),
            f"taken off: the same hooks around nothing, {middle(plain, 'us', 2)}",
        ).at_most(2.5, median(net))
    ]


def _check_that_it_runs(scenario: Scenario, contender: Contender) -> None:
    """A comparison with a plugin that is not at work would say nothing."""
    for without in (False, True):
        command = contender.pytest("-n2 suite -k test_empty[1]", without=without)
        scenario.makefile(FIFO, session=command)
        said = contender.sign in run_make(scenario, FIFO, 2).output
        if said is without:
            raise RuntimeError(f"{contender} {'is' if said else 'is not'} at work in: {command}")
