"""Slots shared between a session and the targets beside it."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from scenarios import (
    FIFO,
    PIPE,
    SYSTEM,
    WITHOUT_PLUGIN,
    Outcome,
    new_scenario,
    run_make,
    write_mark,
)
from table import Figure, beside, middle

MS = 1e6  # Spans are in nanoseconds.


def share() -> list[Figure]:
    """The share of the slots that is in use while a session runs alone."""
    jobs, tests, seconds = 4, 200, 0.05

    def run(options: str) -> Outcome:
        with new_scenario() as scenario:
            scenario.suite("suite", tests, seconds)
            scenario.makefile(FIFO, session=f"pytest -q -n{jobs} {options} suite")
            return run_make(scenario, FIFO, jobs)

    def used(outcome: Outcome) -> float:
        spans = outcome.of("test")
        whole = max(s.end for s in spans) - min(s.begin for s in spans)
        return sum(s.end - s.begin for s in spans) / (jobs * whole)

    def pauses(outcome: Outcome) -> float:
        spans = outcome.of("test")
        workers = [[s for s in spans if s.pid == pid] for pid in {s.pid for s in spans}]
        gaps = [b.begin - a.end for worker in workers for a, b in pairwise(worker)]
        return median(gaps) / MS

    outcomes = [(run(""), run(WITHOUT_PLUGIN)) for _ in range(5)]
    ours, plain = zip(*outcomes, strict=True)
    values, others = [used(o) for o in ours], [used(o) for o in plain]
    gaps, other_gaps = [pauses(o) for o in ours], [pauses(o) for o in plain]
    return [
        Figure(
            f"share of {jobs} slots in use, {tests} tests of {seconds * 1e3:.0f} ms",
            middle(values, digits=3),
            beside("without plugin", values, others),
            ">= 0.95",
            median(values) >= 0.95,
        ),
        Figure(
            "from a worker's test to its next",
            middle(gaps, "ms", 2),
            beside("without plugin", gaps, other_gaps, "ms"),
        ),
    ]


def first_test() -> list[Figure]:
    """How long a session waits for its first test while a neighbour has all slots but its own."""
    tests, neighbour = 20, 6

    def run(workers: int, *, with_neighbour: bool) -> tuple[float, float]:
        with new_scenario() as scenario:
            scenario.suite("suite", tests, 0.05)
            session = f"{write_mark(scenario)} session 0\npytest -q -n{workers} suite"
            recipes = {"session": session}
            if with_neighbour:
                recipes = {"beside": f"neighbour {neighbour}", **recipes}
            scenario.makefile(FIFO, **recipes)
            outcome = run_make(scenario, FIFO, 2)
        spans = outcome.of("test")
        end = max(s.end for s in outcome.of("neighbour") or spans)
        first = spans[0].begin - outcome.of("mark")[0].begin
        return first / MS / 1e3, (end - spans[-1].end) / MS / 1e3

    pairs = [(run(4, with_neighbour=True), run(1, with_neighbour=False)) for _ in range(3)]
    values, others = [o[0] for o, _ in pairs], [o[0] for _, o in pairs]
    left = [o[1] for o, _ in pairs]
    return [
        Figure(
            f"first test of -n4 on one slot, beside a neighbour of {neighbour} s",
            middle(values, "s", 2),
            beside("-n1 alone", values, others, "s"),
        ),
        Figure(
            f"from its last of {tests} tests to the neighbour's end",
            middle(left, "s", 2),
            "",
            "> 0 s",
            min(left) > 0,
        ),
    ]


def most() -> list[Figure]:
    """The most things at once, where conftest files take long to import."""
    jobs = 3
    figures = []
    for make in (FIFO, PIPE, SYSTEM):
        with new_scenario() as scenario:
            scenario.suite("suite", 24, 0.1)
            scenario.conftest("suite", 0.3)
            neighbours = dict.fromkeys("ab", "neighbour 1.5")
            scenario.makefile(make, **neighbours, session="pytest -q -n8 suite")
            outcome = run_make(scenario, make, jobs)
        value = outcome.most
        workers = len({s.name for s in outcome.of("import")} - {"controller"})
        what = f"most at once, {make} -j{jobs}, -n8 of which {workers} started, 2 neighbours"
        figures.append(Figure(what, str(value), "", f"<= {jobs}", value <= jobs))
    return figures


def chain() -> list[Figure]:
    """How long a slot takes from a neighbour's end to the next one that make wants to start.

    A session always has workers waiting, because it starts all of its four at once: else a gap may
    be as long as the start-up of a worker that took the slot.

    The neighbours are shell scripts that log their begin and end themselves: the start of an
    interpreter is no part of a gap, make's fork of a shell is.
    """
    links, limit = 12, 150.0

    def run(jobs: int, options: str) -> tuple[list[float], int]:
        with new_scenario() as scenario:
            go = scenario.folder / "go"
            mark = write_mark(scenario)
            # The first link holds a slot until a test says that the session is at its tests.
            more = f"\ndef test_go():\n    open({str(go)!r}, 'w').close()\n"
            scenario.suite("suite", 500, 0.02)
            scenario.write("suite/test_a.py", more)
            recipes = {f"l{n}": f"{mark} l{n} 0.1" for n in range(1, links + 1)}
            session = f"pytest -q -n4 {options} suite"
            scenario.makefile(FIFO, l0=f"neighbour {go}", **recipes, session=session)
            with (scenario.folder / "Makefile").open("a") as makefile:
                makefile.writelines(f"l{n}: l{n - 1}\n" for n in range(1, links + 1))
            outcome = run_make(scenario, FIFO, jobs)
        marks = outcome.of("mark")
        begin, end = marks[0].begin, marks[-1].end
        beside_chain = [s for s in outcome.of("test") if s.end > begin and s.begin < end]
        workers = len({s.pid for s in beside_chain})
        if len(marks) != links or beside_chain[-1].begin < marks[-1].begin:
            raise RuntimeError("the session ended before the chain did")
        if workers < jobs:
            raise RuntimeError(f"{workers} workers beside the chain under -j{jobs}: nobody waits")
        return [(b.begin - a.end) / MS for a, b in pairwise(marks)], workers

    figures = []
    for jobs in (2, 3):
        pairs = [(run(jobs, "--jobslots-start=all"), run(jobs, WITHOUT_PLUGIN)) for _ in range(3)]
        values = [gap for (gaps, _), _ in pairs for gap in gaps]
        others = [gap for _, (gaps, _) in pairs for gap in gaps]
        workers = min(count for (_, count), _ in pairs)
        late = sum(gap > limit for gap in values)
        figures.append(
            Figure(
                f"from a neighbour's end to the next's begin, -j{jobs}, {workers} workers",
                middle(values, "ms"),
                beside("without plugin", values, others, "ms"),
                f"{late} of {len(values)} over {limit:.0f} ms",
                late == 0,
            )
        )
    return figures
