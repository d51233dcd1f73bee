"""Two real test suites under one make, which ``tools/bench-venvs`` gets."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from statistics import median

from contenders import OTHERS, OURS, TOP
from rounds import rounds
from scenarios import FIFO, new_scenario
from table import Figure, middle

SUITES = {name: TOP / "build" / "bench-suites" / name for name in ("jinja2-3.1.6", "click-8.5.1")}


@dataclass(frozen=True)
class Way:
    """A way to run both."""

    name: str
    command: str
    #: One suite after the other.
    in_order: bool = False


WAYS = (
    Way("this version, -n2 each", OURS.pytest("-q -n2")),
    Way("-n1 each, one after the other", OURS.pytest("-q -n1", without=True), in_order=True),
    Way("-n2 each, xdist alone", OURS.pytest("-q -n2", without=True)),
    *(Way(f"{other}, -n2 each", other.pytest("-q -n2")) for other in OTHERS),
)


#: Of prctl(2).
_PR_SET_CHILD_SUBREAPER = 36

#: Seconds after which a run counts as hung: many times what any needs.
HUNG = 45


def suites() -> list[Figure]:
    """The suites of Jinja 3.1.6 (909 tests) and Click 8.5.1 (2459) under one make -j2."""
    adopt_orphans()
    results: dict[Way, list[Result | None]] = {way: [] for way in WAYS}
    for _ in rounds(3):
        for way, runs in results.items():
            if None not in runs:
                runs.append(_run(way))
    return [_figure(way, runs) for way, runs in results.items()]


@dataclass(frozen=True)
class Result:
    seconds: float
    cpu: float
    #: Start-ups, tests and finishes at the same moment.
    most: int


def _figure(way: Way, runs: list[Result | None]) -> Figure:
    ended = [run for run in runs if run]
    if len(ended) < len(runs):
        return Figure(way.name, f"hangs: no end within {HUNG} s")
    return Figure(
        way.name,
        middle([run.seconds for run in ended], "s", 2),
        f"CPU {median(run.cpu for run in ended):.1f} s,"
        f" at most {max(run.most for run in ended)} at once",
    )


def _run(way: Way) -> Result | None:
    """Nothing where it hangs."""
    with new_scenario() as scenario:
        scenario.environment["PYTHONPATH"] = str(TOP / "examples")
        options = "-p recording.pytest_plugin -p no:cacheprovider"
        scenario.environment["PYTEST_ADDOPTS"] = options
        recipes = {name: f"cd {folder} && {way.command}" for name, folder in SUITES.items()}
        scenario.makefile(FIFO, **recipes)
        begin, cpu_before = time.monotonic(), cpu_of_children()
        process = scenario.start(*FIFO.command, "-j1" if way.in_order else "-j2")
        try:
            process.wait(HUNG)
        except subprocess.TimeoutExpired:
            scenario.kill_all()
            process.communicate()
            return None
        seconds = time.monotonic() - begin
        outcome = scenario.end(process)
        cpu = cpu_of_children() - cpu_before
    if outcome.status != 0:
        raise RuntimeError(outcome.output)
    return Result(seconds, cpu, outcome.most)


def adopt_orphans() -> None:
    """A broker is nobody's child: here it is this process's, so that its CPU time is counted."""
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("prctl")


def cpu_of_children() -> float:
    """Of those that have ended: all, as a scenario leaves none."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
