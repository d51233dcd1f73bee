"""A recipe is one job for make, with one implicit slot, however many sessions it starts."""

from __future__ import annotations

import sys

import pytest
from marks import each_kind_of_make, fifo_and_pipe
from scenario import FIFO, NEIGHBOUR, Make, Scenario

PYTEST = f"{sys.executable} -m pytest -q"


def _write_recipe(scenario: Scenario, make: Make, *steps: str, neighbour: str = "") -> None:
    """One recipe of these shell commands, and one that is a neighbour if there is one."""
    lines = [f"all: {'neighbour ' if neighbour else ''}sessions"]
    if neighbour:
        command = f"{NEIGHBOUR} n {neighbour}"
        lines.append(f"neighbour:\n\t{command}")
    lines.append(f"sessions:\n\t{make.plus}{'; '.join(steps)}")
    scenario.write("Makefile", "\n".join(lines) + "\n")


@each_kind_of_make
def test_sessions_beside_each_other(scenario: Scenario, make: Make) -> None:
    for name in "abc":
        scenario.suite(name, 20, 0.03)
    runs = " & ".join(f"{PYTEST} -n3 {name}" for name in "abc")
    _write_recipe(scenario, make, f"{runs} & wait")
    outcome = scenario.make(make, 2)
    assert outcome.output.count("20 passed") == 3, outcome.output
    assert outcome.most <= 2


@fifo_and_pipe
def test_the_implicit_slot_passes_on(scenario: Scenario, make: Make) -> None:
    """All other slots are taken until the sessions have ended, one of them by force."""
    for name in "abc":
        scenario.suite(name, 20, 0.03)
    done = scenario.folder / "done"
    _write_recipe(
        scenario,
        make,
        f"timeout -s KILL 1 {PYTEST} -n2 a & {PYTEST} -n2 b & {PYTEST} -n2 c & wait",
        f"touch {done}",
        neighbour=str(done),
    )
    outcome = scenario.make(make, 2)
    assert outcome.status == 0, outcome.output
    assert outcome.output.count("20 passed") >= 2


def test_sessions_of_several_recipes(scenario: Scenario) -> None:
    """Each recipe has one of its own."""
    for name in "abcd":
        scenario.suite(name, 20, 0.03)
    recipe = "\t{0} -n2 {1} & {0} -n2 {2}; wait\n"
    scenario.write(
        "Makefile",
        "all: one two\none:\n"
        + recipe.format(PYTEST, "a", "b")
        + "two:\n"
        + recipe.format(PYTEST, "c", "d"),
    )
    outcome = scenario.make(FIFO, 3)
    assert outcome.output.count("20 passed") == 4, outcome.output
    assert outcome.most <= 3


@pytest.mark.parametrize("program", ["xargs", "ninja", "make"])
def test_started_by_another_program(scenario: Scenario, program: str) -> None:
    """xargs takes no slots; ninja from 1.13 on and a sub-make do, and are counted with theirs."""
    for name in "abc":
        scenario.suite(name, 20, 0.03)
    if program == "xargs":
        step = f"printf 'a\\nb\\nc\\n' | xargs -P3 -n1 {PYTEST} -n2"
    elif program == "ninja":
        scenario.ninja_file(*(f"{PYTEST} -n2 {name}" for name in "abc"))
        step = "ninja"
    else:
        rules = "".join(f"run-{name}:\n\t{PYTEST} -n2 {name}\n" for name in "abc")
        scenario.write("sub.mk", f"all: run-a run-b run-c\n{rules}")
        step = "$(MAKE) -f sub.mk"
    _write_recipe(scenario, FIFO, step)
    outcome = scenario.make(FIFO, 3)
    assert outcome.output.count("20 passed") == 3, outcome.output
    assert outcome.most <= 3


def test_started_by_a_test(scenario: Scenario) -> None:
    """It has the slot of that test, and needs no other one."""
    scenario.suite("inner", 6, 0.03)
    done = scenario.folder / "done"
    scenario.suite(
        "outer",
        more=f"""
import subprocess, sys

@pytest.mark.parametrize("n", range(6))
def test_outer(n):
    if n == 1:
        command = [sys.executable, "-m", "pytest", "-q", "-n2", {str(scenario.folder / "inner")!r}]
        assert "6 passed" in subprocess.run(command, stdout=-1, text=True).stdout
        open({str(done)!r}, "w").close()
""",
    )
    scenario.makefile(FIFO, a=f"neighbour {done}", b="pytest -q -n2 outer")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "6 passed" in outcome.output
    assert outcome.most <= 2
