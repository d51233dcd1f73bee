"""Workers that are started when there is a slot for them."""

from __future__ import annotations

import itertools
from statistics import median

from contenders import ALL, OURS, Contender
from rounds import rounds
from scenarios import FIFO, WITHOUT_PLUGIN, Outcome, new_scenario, run_make, write_mark
from table import Figure, beside, differences, middle

SECOND = 1e9  # Spans are in nanoseconds.
MS = 1e6

# When the kernel started this worker, as a span. Times of proc(5) are in ticks since boot, which on
# a machine that does not sleep is the zero of CLOCK_MONOTONIC.
LOG_START = """
import os
from spans import log
worker = os.environ.get("PYTEST_XDIST_WORKER")
if worker:
    with open("/proc/self/stat") as stat:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
    nanoseconds = ticks * 10**9 // os.sysconf("SC_CLK_TCK")
    log("begin", "start", worker, at=nanoseconds)
    log("end", "start", worker, at=nanoseconds)
"""


# A plugin that logs how far a session has come on the way to its first test.
STAGES = """
import os
import pytest
from spans import log

in_worker = "PYTEST_XDIST_WORKER" in os.environ
log("begin", "stage", "worker" if in_worker else "controller")

@pytest.hookimpl(trylast=True, optionalhook=True)
def pytest_xdist_setupnodes():
    log("begin", "stage", "setup")

@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    if in_worker:
        log("begin", "stage", "collected")
"""

#: In their order, each logged by whoever comes there first.
STAGE_NAMES = {
    "controller": "`pytest` to its first plugin",
    "setup": "on to the set-up of workers",
    "worker": "on to the first worker's first plugin",
    "collected": "on to the end of its collection",
    "test": "on to the first test",
}


def first_test() -> list[Figure]:
    """From `pytest` to the begin of the first test: -n2 under make -j2."""

    def stages(contender: Contender, bytecode: bool, *, without: bool) -> list[float]:
        """Milliseconds from the start of `pytest` to each stage."""
        with new_scenario() as scenario:
            scenario.environment["PYTHONDONTWRITEBYTECODE"] = "" if bytecode else "1"
            scenario.suite("suite", 4, 0.01)
            scenario.write("stages.py", STAGES)
            command = contender.pytest("-q -n2 -p stages suite", without=without)
            scenario.makefile(FIFO, session=f"{write_mark(scenario)} session 0\n{command}")
            outcome = run_make(scenario, FIFO, 2)
        begin = outcome.of("mark")[0].end
        logged = [outcome.of("stage", name) for name in STAGE_NAMES if name != "test"]
        return [(spans[0].begin - begin) / 1e6 for spans in [*logged, outcome.of("test")]]

    figures = []
    # pytest compiles plugins anew, and keeps that where Python may write: all but the first run of
    # a contender finds it there.
    for contender, bytecode in [*((c, True) for c in ALL), *((c, False) for c in ALL)]:
        main = contender is OURS and bytecode
        pairs = [
            [stages(contender, bytecode, without=without) for without in (False, True)]
            for _ in rounds(15 if main else 5)
        ]
        values, others = zip(*[(ours[-1], plain[-1]) for ours, plain in pairs], strict=True)
        more = differences(values, others)
        figure = Figure(
            str(contender) if bytecode else f"{contender}, with PYTHONDONTWRITEBYTECODE",
            f"{middle(more, 'ms')} more",
            f"{median(values):.0f} ms with the plugin, {median(others):.0f} ms without",
        )
        figures.append(figure.at_most(10, median(more)) if main else figure)
        if main:
            figures += _where_it_goes(pairs)
    return figures


def _where_it_goes(pairs: list[list[list[float]]]) -> list[Figure]:
    figures = []
    for number, name in enumerate(STAGE_NAMES.values()):
        ours, plain = (
            [stages[number] - (stages[number - 1] if number else 0) for stages in runs]
            for runs in zip(*pairs, strict=True)
        )
        what = f"of these: {name}"
        figures.append(Figure(what, f"{middle(differences(ours, plain), 'ms')} more"))
    return figures


def two_sessions() -> list[Figure]:
    """The first test of each of two sessions that share two slots."""

    def first(names: list[str], workers: int) -> list[float]:
        with new_scenario() as scenario:
            mark = write_mark(scenario)
            for name in names:
                scenario.suite(name, 10, 0.05)
                scenario.conftest(name, 1.0)
            recipes = {n: f"{mark} {n} 0\npytest -q -n{workers} {n}" for n in names}
            scenario.makefile(FIFO, **recipes)
            outcome = run_make(scenario, FIFO, 2)
        begins = {s.name: s.begin for s in outcome.of("mark")}
        return [(outcome.of("test", name)[0].begin - begins[name]) / SECOND for name in names]

    pairs = [(first(["one", "two"], 8), first(["one"], 1)) for _ in rounds(2)]
    values = [max(both) for both, _ in pairs]
    others = [alone[0] for _, alone in pairs]
    ratio = median(values) / median(others)
    return [
        Figure(
            "first test, later of two sessions -n8 under -j2, conftest 1 s",
            middle(values, "s", 2),
            beside("-n1 alone", values, others, "s"),
        ).promised("ratio at most 1.5", ratio <= 1.5)
    ]


def neighbour_ends() -> list[Figure]:
    """From a neighbour's end to the start of the process of the next worker."""

    def run() -> float:
        with new_scenario() as scenario:
            stop, last = scenario.folder / "stop", scenario.folder / "last"
            scenario.suite("suite", 100, 0.02, more=f"def test_z(): open({str(last)!r}, 'w')\n")
            more = f"def test_a(): open({str(stop)!r}, 'w').close()\n"
            scenario.write("suite/test_a.py", more)
            scenario.write("suite/conftest.py", LOG_START)
            scenario.makefile(
                FIFO,
                a=f"neighbour {last}",
                b=f"neighbour {stop}",
                session="pytest -q -n8 suite",
            )
            outcome = run_make(scenario, FIFO, 3)
        second = next(s for s in outcome.of("start") if s.name == "gw1")
        return (second.begin - outcome.of("neighbour", "b")[0].end) / SECOND

    values = [run() for _ in rounds(5)]
    return [Figure("second worker's start", middle(values, "s", 3)).at_most(0.2, max(values))]


def wide() -> list[Figure]:
    """A session that is alone under make, beside xdist with as many workers as slots."""

    def run(options: str) -> float:
        with new_scenario() as scenario:
            scenario.suite("suite", 400, 0.05)
            mark = write_mark(scenario)
            recipe = f"{mark} begin 0\npytest -q {options} suite\n{mark} end 0"
            scenario.makefile(FIFO, session=recipe)
            outcome = run_make(scenario, FIFO, 4)
        begin, end = outcome.of("mark")
        return (end.begin - begin.end) / SECOND

    pairs = [(run("-n8"), run(f"-n4 {WITHOUT_PLUGIN}")) for _ in rounds(3)]
    values, others = [a for a, _ in pairs], [b for _, b in pairs]
    ratio = median(a / b for a, b in pairs)
    return [
        Figure(
            "400 tests of 50 ms, -n8 under -j4",
            middle(values, "s", 2),
            beside("-n4 without plugin", values, others, "s"),
        ).promised("ratio at most 1.05", ratio <= 1.05)
    ]


def late() -> list[Figure]:
    """For how long a worker at work has no test while another one is set up and starts."""
    around, otherwise = [], []
    for _ in rounds(7):
        with new_scenario() as scenario:
            scenario.suite("suite", 1500, 0.005)
            scenario.write("suite/conftest.py", LOG_START)
            scenario.makefile(FIFO, session="pytest -q -n3 suite", neighbour="neighbour 2")
            outcome = run_make(scenario, FIFO, 3)
        *first, last = sorted(outcome.of("start"), key=lambda start: start.begin)
        begin, end = last.begin - SECOND / 4, last.begin + SECOND
        gaps: dict[bool, list[float]] = {True: [], False: []}
        for worker in first:
            tests = [test for test in outcome.of("test") if test.pid == worker.pid]
            for one, following in itertools.pairwise(tests):
                at_the_start = begin < following.begin and one.end < end
                gaps[at_the_start].append((following.begin - one.end) / MS)
        around.append(max(gaps[True]))
        otherwise.append(max(gaps[False]))
    return [
        Figure(
            "longest gap of two workers while the third one starts",
            middle(around, "ms"),
            beside("before and after", around, otherwise, "ms"),
        )
    ]


def staircase() -> list[Figure]:
    """Slots that come free one after the other, and how well the session uses them."""
    tests, seconds = 600, 0.05

    def run(mode: str) -> Outcome:
        with new_scenario() as scenario:
            scenario.suite("suite", tests, seconds)
            neighbours = {f"s{n}": f"neighbour {n}" for n in (1, 2, 3)}
            session = f"pytest -q -n8 --dist {mode} suite"
            scenario.makefile(FIFO, session=session, **neighbours)
            return run_make(scenario, FIFO, 4)

    def to_ideal(outcome: Outcome) -> float:
        """Total time by the time in which free slots alone would do the tests."""
        begin = outcome.of("test")[0].begin
        total = (max(s.end for s in outcome.of("test")) - begin) / SECOND
        free_from = [max(0.0, (s.end - begin) / SECOND) for s in outcome.of("neighbour")]
        ideal = (tests * seconds + sum(free_from)) / (1 + len(free_from))
        return total / ideal

    figures = []
    for mode in ("load", "worksteal"):
        values = [to_ideal(run(mode)) for _ in rounds(2)]
        figures.append(
            Figure(
                f"{tests} tests, neighbours of 1, 2 and 3 s, {mode}: time by ideal",
                middle(values, digits=3),
            ).at_most(1.1, median(values))
        )
    return figures
