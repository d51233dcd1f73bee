"""Never more than N, never stuck: sessions and neighbours that share the slots of one make."""

from __future__ import annotations

import pytest
from marks import any_make, each_kind_of_make, fifo_and_pipe
from pytest_run import PytestRun
from scenario import FIFO, MAKES, SYSTEM, Make, Scenario

CLIENT_LINE = "pytest-xdist-gnumake using gnu make jobserver client"


@any_make
def test_three_neighbours_beside_a_session(scenario: Scenario, make: Make) -> None:
    scenario.suite("suite", 24, 0.1)
    scenario.makefile(
        make, a="neighbour 0.6", b="neighbour 0.6", c="neighbour 0.6", d="pytest -q -n8 suite"
    )
    outcome = scenario.make(make, 3)
    assert outcome.status == 0, outcome.output
    assert CLIENT_LINE in outcome.output
    assert len(outcome.of("test")) == 24
    assert outcome.most == 3


@pytest.mark.parametrize(
    ("make", "jobs", "sessions"),
    [*((make, 2, 3) for make in MAKES), (FIFO, 8, 2), (SYSTEM, 8, 3)],
    ids=str,
)
def test_sessions_side_by_side(scenario: Scenario, make: Make, jobs: int, sessions: int) -> None:
    names = ["one", "two", "three"][:sessions]
    for name in names:
        scenario.suite(name, 16, 0.05)
        scenario.conftest(name, 0.05)
    scenario.makefile(make, **{name: f"pytest -q -n4 {name}" for name in names})
    outcome = scenario.make(make, jobs)
    assert outcome.status == 0, outcome.output
    assert outcome.output.count(CLIENT_LINE) == sessions
    assert len(outcome.of("test")) == 16 * sessions
    assert outcome.most <= jobs


@each_kind_of_make
def test_a_session_works_on_its_implicit_slot_beside_a_long_neighbour(
    scenario: Scenario, make: Make
) -> None:
    """The neighbour ends only once the session's last test has begun."""
    last = scenario.folder / "last"
    more = f"""
def test_last():
    with span("test", "last"):
        open({str(last)!r}, "w").close()
"""
    scenario.suite("suite", 5, 0.05, more=more)
    scenario.makefile(make, a=f"neighbour {last}", b="pytest -q -n4 suite")
    outcome = scenario.make(make, 2)
    assert outcome.status == 0, outcome.output
    assert len(outcome.of("test")) == 6
    assert outcome.most == 2


def test_slow_conftest_imports_count(scenario: Scenario) -> None:
    scenario.suite("suite", 24, 0.1)
    scenario.conftest("suite", 0.3)
    scenario.makefile(
        FIFO, a="neighbour 1.5", b="neighbour 1.5", c="pytest -q -n8 --jobslots-start=all suite"
    )
    outcome = scenario.make(FIFO, 3)
    assert outcome.status == 0, outcome.output
    workers = {s.name for s in outcome.of("import")} - {"controller"}
    assert workers == {f"gw{n}" for n in range(8)}
    assert outcome.most == 3


def test_finishing_workers_count(scenario: Scenario) -> None:
    scenario.suite("suite", 16, 0.02)
    scenario.write(
        "suite/conftest.py",
        "import os, time\nfrom spans import span\n"
        "def pytest_sessionfinish(session):\n"
        "    if hasattr(session.config, 'workerinput'):\n"
        "        with span('finish', session.config.workerinput['workerid']):\n"
        "            time.sleep(0.1)\n",
    )
    scenario.makefile(FIFO, a="neighbour 2", b="pytest -q -n8 --jobslots-start=all suite")
    outcome = scenario.make(FIFO, 3)
    assert outcome.status == 0, outcome.output
    assert len(outcome.of("finish")) == 8
    assert outcome.most == 3


@fifo_and_pipe
def test_auto_means_n_of_make(scenario: Scenario, make: Make) -> None:
    scenario.suite("suite", 10, 0.02)
    scenario.makefile(make, a="pytest -n auto suite", b="pytest -n logical --maxprocesses=3 suite")
    outcome = scenario.make(make, 5)
    assert outcome.status == 0, outcome.output
    assert "created: 5/5 workers" in outcome.output
    assert "created: 3/3 workers" in outcome.output


def test_auto_heeds_the_variable_of_xdist(scenario: Scenario) -> None:
    scenario.suite("suite", 10, 0.02)
    scenario.makefile(FIFO, a="pytest -n auto suite")
    scenario.environment["PYTEST_XDIST_AUTO_NUM_WORKERS"] = "2"
    assert "created: 2/2 workers" in scenario.make(FIFO, 5).output


@pytest.mark.parametrize("jobs", [2, 4])
def test_a_make_inside_a_test_shares_the_slots(scenario: Scenario, jobs: int) -> None:
    """A fifo reaches all descendants. The inner make runs in place of the test that waits."""
    more = """
import subprocess

def test_inner():
    subprocess.run(["make", "-f", "inner.mk"], check=True)
"""
    scenario.suite("suite", 12, 0.1, more=more)
    inner = [f"i{n}" for n in range(4)]
    scenario.makefile(FIFO, **dict.fromkeys(inner, "neighbour 0.3"))
    (scenario.folder / "Makefile").rename(scenario.folder / "inner.mk")
    scenario.makefile(FIFO, a="neighbour 0.5", b="pytest -q -n4 suite")
    outcome = scenario.make(FIFO, jobs)
    assert outcome.status == 0, outcome.output
    assert len(outcome.of("neighbour", "i")) == 4
    assert len(outcome.of("test")) == 12
    assert outcome.most <= jobs


@any_make
def test_a_sub_make_passes_the_slots_on(scenario: Scenario, make: Make) -> None:
    scenario.suite("suite", 12, 0.05)
    scenario.makefile(make, a="neighbour 0.5", b="pytest -q -n4 suite")
    (scenario.folder / "Makefile").rename(scenario.folder / "sub.mk")
    scenario.makefile(make, c="neighbour 0.5", d="$(MAKE) -f sub.mk")
    outcome = scenario.make(make, 3)
    assert outcome.status == 0, outcome.output
    assert CLIENT_LINE in outcome.output
    assert len(outcome.of("test")) == 12
    assert outcome.most <= 3


@pytest.mark.parametrize("how", ["option", "ini", "variable"])
def test_no_implicit_slot(scenario: Scenario, four: PytestRun, how: str) -> None:
    """Where the jobserver was set for a whole login, the first worker needs a token too."""
    scenario.suite("suite", 20, 0.05)
    option = ["--jobslots-implicit-slot=no"] if how == "option" else []
    variable = {"JOBSLOTS_IMPLICIT_SLOT": "no"} if how == "variable" else {}
    if how == "ini":
        scenario.write("suite/pytest.ini", "[pytest]\njobslots_implicit_slot = no\n")
    outcome = scenario.end(four.start("-n4", "suite", *option, **variable))
    assert "20 passed" in outcome.output, outcome.output
    assert outcome.most == 3
