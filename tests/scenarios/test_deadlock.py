"""Tests that wait for each other, while there are not slots for all of them."""

from __future__ import annotations

from scenario import FIFO, Scenario

NOTHING_MOVES = "pytest-xdist-gnumake: nothing moves: "


def test_tests_that_meet(scenario: Scenario) -> None:
    """All slots but one are taken until they have met."""
    met = scenario.folder / "met"
    scenario.write(
        "suite/test_suite.py",
        f"""
from pathlib import Path
from spans import wait_for

def meet(me, other):
    Path(me).touch()
    wait_for(other)

def test_client(): meet("client", "server")
def test_server():
    meet("server", "client")
    Path({str(met)!r}).touch()
""",
    )
    scenario.makefile(FIFO, a=f"neighbour {met}", b="pytest -n2 suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "2 passed" in outcome.output
    (line,) = (line for line in outcome.output.splitlines() if NOTHING_MOVES in line)
    assert "test_suite.py::test_client" in line or "test_suite.py::test_server" in line
    assert "a job slot more was lent once, for" in outcome.output


def test_a_lock_that_is_held_from_test_to_test(scenario: Scenario) -> None:
    """Of two sessions, whose workers all want it: the knot does not tie itself again and again."""
    for name in ("one", "two"):
        for module in range(6):
            scenario.write(
                f"{name}/test_{module}.py",
                "import pytest\n"
                "@pytest.mark.parametrize('number', range(3))\n"
                "def test_it(number, board): pass\n",
            )
        scenario.write(
            f"{name}/conftest.py",
            f"""
import fcntl, pytest

@pytest.fixture(scope="module")
def board():
    with open({str(scenario.folder / "lock")!r}, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
""",
        )
    run = "pytest -p no:cacheprovider -n4 --dist loadfile"
    scenario.makefile(FIFO, one=f"{run} one", two=f"{run} two")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert outcome.output.count("18 passed") == 2
