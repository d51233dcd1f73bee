"""Slots shared between a session and the targets beside it."""

from __future__ import annotations

from statistics import median

from contenders import ALL, OURS, Contender
from rounds import rounds
from scenarios import FIFO, PIPE, SYSTEM, Outcome, new_scenario, run_make, write_mark
from table import Figure, beside, middle

MS = 1e6  # Spans are in nanoseconds.


def share() -> list[Figure]:
    """The share of four slots in use from the first test to the last: -n4 under make -j4."""
    jobs = 4

    def used(contender: Contender, tests: int, seconds: float, *, without: bool) -> float:
        with new_scenario() as scenario:
            scenario.suite("suite", tests, seconds)
            session = contender.pytest(f"-q -n{jobs} suite", without=without)
            scenario.makefile(FIFO, session=session)
            return _share_in_use(run_make(scenario, FIFO, jobs), jobs)

    figures = []
    for milliseconds, tests, bar in ((50, 200, 0.98), (5, 1200, 0.95)):
        for contender in ALL:
            pairs = [
                [used(contender, tests, milliseconds / 1000, without=w) for w in (False, True)]
                for _ in rounds(5 if contender is OURS else 2)
            ]
            values, others = zip(*pairs, strict=True)
            figure = Figure(
                f"tests of {milliseconds} ms: {contender}",
                middle(values, digits=3),
                f"xdist alone {middle(others, digits=3)}",
            )
            ours = contender is OURS
            figures.append(figure.at_least(bar, median(values)) if ours else figure)
    return figures


def _share_in_use(outcome: Outcome, jobs: int) -> float:
    spans = outcome.of("test")
    whole = max(s.end for s in spans) - min(s.begin for s in spans)
    return sum(s.end - s.begin for s in spans) / (jobs * whole)


def beside_a_neighbour() -> list[Figure]:
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

    pairs = [(run(4, with_neighbour=True), run(1, with_neighbour=False)) for _ in rounds(3)]
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
        ).promised("more than 0 s", min(left) > 0),
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
        figures.append(Figure(what, str(value)).at_most(jobs, value))
    return figures
