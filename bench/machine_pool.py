"""A machine's pool: real sessions that take their slots from it, with no make above."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from contenders import OURS, TOP
from proc import run_time, wake_ups
from pytest_xdist_gnumake.broker import BrokerProcess
from rounds import rounds
from scenarios import Pool, Scenario, new_scenario, wait_until
from suites import SUITES, Result, adopt_orphans, cpu_of_children
from table import Figure, beside, middle

MS = 1e6  # Spans are in nanoseconds.
#: Seconds after which a session counts as hung: many times what any needs.
HUNG = 100.0
#: A run in the pool.
PYTEST = f"{sys.executable} -m pytest -q -n auto"


@contextlib.contextmanager
def new_pool(job_slots: int) -> Iterator[tuple[Scenario, Pool]]:
    """A scenario with a pool; nothing of them stays."""
    with new_scenario() as scenario:
        pool = Pool(scenario, job_slots)
        try:
            yield scenario, pool
        finally:
            scenario.kill_all()
            shutil.rmtree(pool.folder, ignore_errors=True)


class PoolProgram:
    """A program that has joined a pool, see docs/protocol.md."""

    def __init__(self, pool: Pool) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.connect(str(pool.folder / "v1.socket"))
        self._socket.send(b"hello 1 program 1 0")

    def want(self, slots: int) -> None:
        self._socket.send(b"want %d 0" % slots)
        self._wait_for(b"settled")

    def wait_for_grant(self) -> int:
        """How many slots it has more."""
        return int(self._wait_for(b"grant").split()[1])

    def close(self) -> None:
        self._socket.close()

    def _wait_for(self, word: bytes) -> bytes:
        while not (packet := self._socket.recv(65536)).startswith(word + b" "):
            if not packet:
                raise RuntimeError("the pool has gone")
        return packet


def pool_first_slot() -> list[Figure]:
    """From a session's asking for slots to the first from a pool, its broker's start too."""
    running, started = [], []
    with new_pool(2) as (scenario, _):
        for _ in rounds(20):
            with _first_slot(scenario) as took:
                started.append(took)
                with _first_slot(scenario) as second:
                    running.append(second)
            scenario.check_nothing_left()
    return [
        Figure("where the pool runs", middle(running, "ms", 2)).at_most(5, median(running)),
        Figure("where it has to be started", middle(started, "ms", 2)).at_most(30, median(started)),
    ]


@contextlib.contextmanager
def _first_slot(scenario: Scenario) -> Iterator[float]:
    """A broker with a slot for its first worker, and the milliseconds until it had that."""
    begin = time.perf_counter_ns()
    broker = _start_broker(scenario)
    begun = broker.start_workers(["gw0"])
    took = (time.perf_counter_ns() - begin) / MS
    with contextlib.closing(broker):
        if begun != ["gw0"]:
            raise RuntimeError("there is no slot at once")
        yield took
        broker.cancel("gw0")


def _start_broker(scenario: Scenario) -> BrokerProcess:
    broker = BrokerProcess.start(scenario.environment)
    if not isinstance(broker, BrokerProcess):
        raise RuntimeError(broker.reason)
    return broker


def pool_short_run() -> list[Figure]:
    """A run of 5 tests beside four full suites, all of tests of 0.5 s, on a pool of two slots."""
    seconds = 0.5
    full = [f"full{n}" for n in range(4)]
    values, others, most = [], [], []
    for _ in rounds(2):
        with new_pool(2) as (scenario, _):
            scenario.suite("short", 5, seconds)
            others.append(_time_of(scenario, "short"))
            for name in full:
                scenario.suite(name, 1000, seconds)
                _start(scenario, name)
            _wait_for_tests(scenario, full, 3)
            values.append(_time_of(scenario, "short"))
            most.append(scenario.spans().most)
    within = median(v - 2 * o - seconds for v, o in zip(values, others, strict=True)) <= 0
    figure = Figure("wall time", middle(values, "s", 2), beside("alone", values, others, "s"))
    return [figure.promised("at most twice that and one test", within), _most(most, 2)]


def _start(scenario: Scenario, suite: str) -> subprocess.Popen[str]:
    return scenario.start(*PYTEST.split(), suite)


def _wait_for_tests(scenario: Scenario, suites: list[str], count: int) -> None:
    """Until each suite has begun so many."""
    wait_until(lambda: all(len(scenario.spans().of("test", f"{n}-")) >= count for n in suites))


def _wait(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=HUNG)
    if process.returncode != 0:
        raise RuntimeError(output)


def _time_of(scenario: Scenario, suite: str) -> float:
    begin = time.monotonic()
    _wait(_start(scenario, suite))
    return time.monotonic() - begin


def _most(most: list[int], job_slots: int) -> Figure:
    """What the rounds of a benchmark have had."""
    return Figure("most at once", str(max(most))).at_most(job_slots, max(most))


def pool_fairness() -> list[Figure]:
    """20 equal sessions of tests of 50 ms on a pool of two slots: who gets how much in 15 s."""
    names = [f"s{n:02}" for n in range(20)]
    seconds = 15
    with new_pool(2) as (scenario, _):
        for name in names:
            scenario.suite(name, 2000, 0.05)
            _start(scenario, name)
        _wait_for_tests(scenario, names, 1)
        begin = time.monotonic_ns()
        time.sleep(seconds)
        end = time.monotonic_ns()
        spans = scenario.spans()
    used = [
        sum(max(0, min(s.end, end) - max(s.begin, begin)) for s in spans.of("test", f"{name}-"))
        for name in names
    ]
    jain = sum(used) ** 2 / (len(used) * sum(u * u for u in used))
    share = f"of the slots in use {sum(used) / (2 * (end - begin)):.2f} (tests alone)"
    return [
        Figure("Jain's index of the time of tests", f"{jain:.3f}", share).at_least(0.95, jain),
        _most([spans.most], 2),
    ]


def pool_suites() -> list[Figure]:
    """The suites of Jinja 3.1.6 (909 tests) and Click 8.5.1 (2459) at once, -n auto each."""
    adopt_orphans()
    job_slots = len(os.sched_getaffinity(0))
    results: dict[bool, list[Result]] = {False: [], True: []}
    for _ in rounds(2):
        for without, runs in results.items():
            runs.append(_suites_at_once(job_slots, without=without))
    (walls, others), (cpus, other_cpus) = (
        [[getattr(run, name) for run in runs] for runs in results.values()]
        for name in ("seconds", "cpu")
    )
    most, other_most = (max(run.most for run in runs) for runs in results.values())
    return [
        Figure("wall time", middle(walls, "s", 2), beside("xdist alone", walls, others, "s")),
        Figure("CPU time", middle(cpus, "s", 2), beside("xdist alone", cpus, other_cpus, "s")),
        Figure("most at once", str(most), f"xdist alone {other_most}").at_most(job_slots, most),
    ]


def _suites_at_once(job_slots: int, *, without: bool) -> Result:
    with new_pool(job_slots) as (scenario, _):
        scenario.environment["PYTHONPATH"] = str(TOP / "examples")
        options = "-p recording.pytest_plugin -p no:cacheprovider"
        scenario.environment["PYTEST_ADDOPTS"] = options
        command = OURS.pytest("-q -n auto", without=without)
        begin, cpu_before = time.monotonic(), cpu_of_children()
        runs = [
            scenario.start("sh", "-c", f"cd {folder} && exec {command}")
            for folder in SUITES.values()
        ]
        for run in runs:
            _wait(run)
        seconds = time.monotonic() - begin
        scenario.check_nothing_left()
        return Result(seconds, cpu_of_children() - cpu_before, scenario.spans().most)


def pool_hundred() -> list[Figure]:
    """A hundred sessions of eight workers and ten tests of 20 ms each, on a pool of two slots."""
    tests, workers = 10, 8
    with new_pool(2) as (scenario, _):
        names = [f"s{number}" for number in range(100)]
        for name in names:
            scenario.suite(name, tests, 0.02)
        command = (sys.executable, "-m", "pytest", "-q", f"-n{workers}")
        begin = time.monotonic()
        runs = [scenario.start(*command, name) for name in names]
        said = [run.communicate(timeout=10 * HUNG)[0] for run in runs]
        seconds = time.monotonic() - begin
        scenario.check_nothing_left()
        spans = scenario.spans()
    lent = sum("gets a job slot beyond" in text for text in said)
    done = len(spans.of("test"))
    return [
        Figure("all end after", f"{seconds:.1f} s", f"{done} tests").promised(
            "all run", done == tests * len(names)
        ),
        Figure("most at once", str(spans.most), f"slots lent {lent} times").at_most(2, spans.most),
    ]


def pool_kill() -> list[Figure]:
    """A session of two long tests is killed whole: until another client has both of its slots."""
    values = []
    for _ in rounds(5):
        with new_pool(2) as (scenario, pool):
            scenario.suite("victim", 2, HUNG)
            _start(scenario, "victim")
            _wait_for_tests(scenario, ["victim"], 2)
            victims = set(scenario.processes()) - {pool.process()}
            with contextlib.closing(PoolProgram(pool)) as other:
                other.want(2)
                begin = time.perf_counter_ns()
                for pid in victims:
                    os.kill(pid, signal.SIGKILL)
                held = 0
                while held < 2:
                    held += other.wait_for_grant()
                values.append((time.perf_counter_ns() - begin) / MS)
    return [Figure("SIGKILL to the second slot", middle(values, "ms", 2)).at_most(100, max(values))]


def pool_waiting() -> list[Figure]:
    """CPU that a pool and the brokers of 100 sessions use which wait for a slot of it."""
    count, seconds = 100, 5
    with new_pool(2) as (scenario, pool), contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.closing(_start_broker(scenario)))
        holder = stack.enter_context(contextlib.closing(PoolProgram(pool)))
        holder.want(2)
        brokers = [first, *(_start_broker(scenario) for _ in range(count - 1))]
        for broker in brokers:
            broker.request_start("gw0")
        watched = [pid for pid, name in scenario.processes().items() if name == "jobslots"]
        if len(watched) != count + 1:
            raise RuntimeError(f"{len(watched)} processes in place of {count + 1}")
        time.sleep(1)  # By now the pool has asked the holder for both slots.
        cpu = sum(map(run_time, watched))
        woken = sum(map(wake_ups, watched))
        time.sleep(seconds)
        cpu = sum(map(run_time, watched)) - cpu
        woken = sum(map(wake_ups, watched)) - woken
    figure = Figure(
        f"CPU in {seconds} s of {count} brokers and the pool",
        f"{cpu / 1e3:.0f} us, woken {woken} times",
    )
    return [figure.promised("not woken", woken == 0)]
