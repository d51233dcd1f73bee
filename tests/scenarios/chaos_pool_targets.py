"""What a round of the chaos run with a pool starts: sessions, and makes with a slot of the pool."""

from __future__ import annotations

import random
from dataclasses import dataclass

from chaos_targets import BUSY, pytest_command, write_suite
from scenario import FIFO, NEIGHBOUR, Scenario

#: The session has the name of the one that it runs in, a dot, and its own.
_INNER = """
import os
import subprocess
import sys
from busy import SESSION

@pytest.mark.parametrize("number", range({count}))
def test_inner(number):
    environment = {{**os.environ, "SESSION": f"{{SESSION}}.i{{number}}"}}
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-n2", "inner"], env=environment)
"""


@dataclass(frozen=True)
class Target:
    """A command that the round starts, some time after its begin."""

    session: str
    command: list[str]
    #: In seconds.
    after: float


def write_pool_targets(scenario: Scenario, choose: random.Random) -> list[Target]:
    """Two or three commands; an inner session's own tests are its test's, which logs nothing."""
    scenario.write("busy.py", BUSY)
    write_suite(scenario, choose, "inner", tests=8, controller_has_slot=False)
    targets = []
    for number in range(choose.choice([2, 2, 3])):
        if number and choose.random() < 0.4:
            name = f"m{number}"
            command = ["jobslots", "run", "--pool", "--", *FIFO.command, "-k", "-f", f"{name}.mk"]
            _write_makefile(scenario, choose, name)
        else:
            name = f"s{number}"
            inner = _INNER.format(count=choose.randint(1, 3)) if choose.random() < 0.3 else ""
            write_suite(scenario, choose, name, more=inner, controller_has_slot=False)
            command = pytest_command(choose, name)
        targets.append(Target(name, command, choose.choice([0.0, choose.uniform(0, 1.5)])))
    return targets


def _write_makefile(scenario: Scenario, choose: random.Random, make: str) -> None:
    """Neighbours, and perhaps a session."""
    names = [f"{make}-{n}" for n in range(choose.randint(2, 6))]
    rules = []
    for name in names:
        recipe = f"{NEIGHBOUR} {make}/{name}"
        seconds = [choose.uniform(0.05, 0.6) for _ in range(choose.randint(1, 3))]
        rules += [f"{name}:", *(f"\t{recipe} {s:.3f}" for s in seconds)]
    if choose.random() < 0.5:
        suite = f"{make}s"
        write_suite(scenario, choose, suite)
        names.insert(choose.randint(0, len(names)), suite)
        rules.append(f"{suite}: export SESSION := {make}.s")
        rules += [f"{suite}:", f"\t{' '.join(pytest_command(choose, suite))}"]
    lines = [f"all: {' '.join(names)}", f".PHONY: all {' '.join(names)}", *rules]
    scenario.write(f"{make}.mk", "\n".join(lines) + "\n")
