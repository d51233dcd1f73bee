"""What a round of the chaos run makes: neighbours, sessions, and sessions in a sub-make."""

from __future__ import annotations

import random
import sys

from scenario import NEIGHBOUR, Scenario

#: As spans.span, but the end is logged whatever signals come, and names begin with the session.
BUSY = """
import contextlib
import os
import time
from spans import log

SESSION = os.environ["SESSION"]

@contextlib.contextmanager
def busy(kind, name):
    name = f"{SESSION}/{name}"
    try:
        log("begin", kind, name)
        yield
    finally:
        while True:
            try:
                log("end", kind, name)
                break
            except KeyboardInterrupt:
                continue
"""

_SUITE = """
import time
import pytest
from busy import busy

SECONDS = {seconds}

class TestOne:
    @pytest.mark.parametrize("number", range(0, len(SECONDS), 3))
    def test_it(self, number):
        with busy("test", number):
            time.sleep(SECONDS[number])

class TestTwo:
    @pytest.mark.parametrize("number", range(1, len(SECONDS), 3))
    def test_it(self, number):
        with busy("test", number):
            time.sleep(SECONDS[number])

@pytest.mark.parametrize("number", range(2, len(SECONDS), 3))
def test_it(number):
    with busy("test", number):
        time.sleep(SECONDS[number])
"""

_CONFTEST = """
import contextlib
import os
import time
from pathlib import Path

import pytest
from busy import busy

@pytest.fixture(scope="session", autouse=True)
def service():
    path = Path(__file__).with_name(f"service-{{os.getpid()}}")
    path.touch()
    yield
    path.unlink()

worker = os.environ.get("PYTEST_XDIST_WORKER")
with busy("import", worker or "controller") if worker or {slot} else contextlib.nullcontext():
    time.sleep({seconds})
"""


def write_targets(scenario: Scenario, choose: random.Random) -> None:
    """The Makefile, its sub-make's, and the suites, as the random numbers want it."""
    sessions = [f"s{n}" for n in range(choose.choice([2, 2, 3]))]
    neighbours = [f"n{n}" for n in range(choose.randint(1, 4))]
    targets = sessions + neighbours
    choose.shuffle(targets)
    lines = [f"all: {' '.join(targets)}", f".PHONY: {' '.join(targets)}"]
    sub_lines = []
    scenario.write("busy.py", BUSY)
    for name in neighbours:
        seconds = choose.uniform(0.05, 0.8)
        recipe = f"{NEIGHBOUR} {name}/- {seconds:.3f}"
        lines += [f"{name}:"] + [f"\t{recipe}"] * choose.randint(1, 3)
    for name in sessions:
        write_suite(scenario, choose, name)
        command = " ".join(pytest_command(choose, name))
        recipe = f"\t{choose.choice(['', '+'])}{choose.choice(['', '-'])}{command}"
        lines.append(f"{name}: export SESSION := {name}")
        if choose.random() < 0.3:
            lines += [f"{name}:", f"\t$(MAKE) -f sub.mk {name}"]
            sub_lines += [f".PHONY: {name}", f"{name}:", recipe]
        else:
            lines += [f"{name}:", recipe]
    scenario.write("Makefile", "\n".join(lines) + "\n")
    scenario.write("sub.mk", "\n".join(sub_lines) + "\n")


def write_suite(
    scenario: Scenario,
    choose: random.Random,
    name: str,
    *,
    tests: int = 40,
    more: str = "",
    controller_has_slot: bool = True,
) -> None:
    """A suite of so many short tests at most, and those in ``more``.

    What the controller does is logged where there is a slot for it.
    """
    count = choose.randint(tests // 4, tests)
    seconds = [round(choose.uniform(0.005, 0.06), 3) for _ in range(count)]
    scenario.write(f"{name}/pytest.ini", "[pytest]\naddopts = -p no:cacheprovider\n")
    scenario.write(f"{name}/test_{name}.py", _SUITE.format(seconds=seconds) + more)
    if choose.random() < 0.5:
        seconds_of_import = round(choose.uniform(0.02, 0.3), 3)
        text = _CONFTEST.format(seconds=seconds_of_import, slot=controller_has_slot)
        scenario.write(f"{name}/conftest.py", text)


def pytest_command(choose: random.Random, name: str) -> list[str]:
    """A run of the suite, with some number of workers."""
    dist = choose.choice(["load", "worksteal", "loadscope"])
    start = choose.choice(["slots", "slots", "all"])
    if dist == "loadscope":
        # Started all at once, workers are xdist's own, which hangs where one dies behind a
        # scope that it had finished.
        start = "slots"
    workers = f"-n{choose.randint(2, 4)}"
    how = ("--dist", dist, f"--jobslots-start={start}")
    return [sys.executable, "-m", "pytest", "-q", workers, *how, name]
