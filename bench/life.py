"""The broker as a process: its start, its size, its rest, and the death of workers."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from pathlib import Path

from brokers import (
    RawWorker,
    broker_under_jobserver,
    child,
    jobserver,
    raw_workers,
    start_broker,
)
from proc import is_worker, numbers, run_time, wake_ups
from pytest_xdist_gnumake.executable import EXECUTABLE
from scenarios import FIFO, Scenario, new_scenario
from table import Figure, beside, middle

# Each test is short until all workers run tests and all neighbours have begun. The next one blocks.
TEST_UNTIL_ALL_WAIT = """
import os
from pathlib import Path

@pytest.mark.parametrize("number", range({tests}))
def test_until_all_wait(number):
    here = Path(__file__).parents[1]
    if (here / "over").exists():
        return
    (here / ("at-work-" + os.environ["PYTEST_XDIST_WORKER"])).touch()
    if len(list(here.glob("at-work-*"))) == {workers}:
        (here / "gate").touch()
    if len(list(here.glob("begun-*"))) == {workers}:
        (here / "blocked").touch()
        (here / "go").read_bytes()
    else:
        time.sleep(0.02)
"""

DIST = Path(__file__).resolve().parents[1] / "build" / "dist"


def start() -> list[Figure]:
    """From the broker's spawn to its welcome, as the controller sees it."""
    rounds = 30

    def ours() -> float:
        begin = time.perf_counter_ns()
        broker = start_broker()
        welcomed = time.perf_counter_ns()
        broker.close()
        return (welcomed - begin) / 1e6

    def plain() -> float:
        begin = time.perf_counter_ns()
        subprocess.run(["/bin/true"], check=True)
        return (time.perf_counter_ns() - begin) / 1e6

    with jobserver(job_slots=2):
        values, others = zip(*[(ours(), plain()) for _ in range(rounds)], strict=True)
    return [
        Figure(
            "broker: spawn to welcome",
            middle(values, "ms", 2),
            beside("/bin/true: spawn to end", values, others, "ms"),
        )
    ]


def size() -> list[Figure]:
    """The broker's memory with 8 workers, and what a user downloads."""
    workers = 8
    with (
        broker_under_jobserver(job_slots=2) as (broker, _),
        raw_workers(broker.address, workers) as connected,
    ):
        pid = connected[0].broker()
        resident = numbers(Path(f"/proc/{pid}/status"), "VmRSS")
        private = numbers(Path(f"/proc/{pid}/smaps_rollup"), "Private_")
        own = numbers(Path("/proc/self/status"), "VmRSS")
    figures = [
        Figure(
            f"broker: resident memory with {workers} workers",
            f"{resident} kB, {private} kB of it private",
            f"this Python {own} kB, ratio {resident / own:.2f}",
        ).promised("at most 4 MB", resident <= 4000),
        Figure("broker: executable", f"{EXECUTABLE.stat().st_size / 1024:.0f} kB"),
    ]
    for wheel in DIST.glob("*.whl"):
        figures.append(Figure("wheel", f"{wheel.stat().st_size / 1024:.0f} kB", wheel.name))
    return figures


def waiting() -> list[Figure]:
    """CPU that is used while a test and neighbours hold all slots, and the other workers wait."""
    seconds, workers = 5.0, 4  # After ten the broker takes it for a deadlock.
    with new_scenario() as scenario:
        go, blocked, over = (scenario.folder / name for name in ("go", "blocked", "over"))
        os.mkfifo(go)
        scenario.suite("suite", more=TEST_UNTIL_ALL_WAIT.format(tests=1000, workers=workers))
        # A worker is started only when there is a slot for it. So the gate leaves the session a
        # slot for each worker, and opens once all of them run tests: then neighbours come.
        neighbours = {f"n{n}": "touch begun-$@\ncat go" for n in range(workers)}
        session = f"pytest -q -n{workers} suite"
        scenario.makefile(FIFO, gate="neighbour gate", session=session, **neighbours)
        with (scenario.folder / "Makefile").open("a") as makefile:
            makefile.write(f"{' '.join(neighbours)}: gate\n")
        process = scenario.start(*FIFO.command, f"-j{workers + 1}")
        watched = _when_all_wait(scenario, blocked)
        before = {pid: run_time(pid) for pid in watched}
        woken_before = {pid: wake_ups(pid) for pid in watched}
        time.sleep(seconds)
        used = {name: run_time(pid) - before[pid] for pid, name in watched.items()}
        woken = {name: wake_ups(pid) - woken_before[pid] for pid, name in watched.items()}
        over.touch()
        os.close(os.open(go, os.O_WRONLY))  # All readers of the fifo see its end together.
        outcome = scenario.end(process)
        if outcome.status != 0:
            raise RuntimeError(outcome.output)
    if len(watched) != workers + 1:
        raise RuntimeError(f"{len(watched) - 1} workers instead of {workers}: nobody waits")
    others = [name for name in used if name != "jobslots"]
    figures = []
    # The broker may look once whether it is one.
    watched_for = (("broker", ["jobslots"], 1), (f"{len(others)} workers, 1 in a test", others, 0))
    for what, names, most in watched_for:
        cpu, wakes = sum(used[n] for n in names), sum(woken[n] for n in names)
        figures.append(
            Figure(
                f"CPU in {seconds:.0f} s of waiting: {what}",
                f"{cpu / 1e3:.0f} us, woken {wakes} times",
            ).promised(f"woken at most {most} times", wakes <= most)
        )
    return figures


def kill() -> list[Figure]:
    """From a holder's SIGKILL to the grant for the one who waits, with a single slot."""
    rounds = 50

    def killed_until(pid: int, descriptor: int) -> float:
        begin = time.perf_counter_ns()
        os.kill(pid, signal.SIGKILL)
        select.select([descriptor], [], [])
        return (time.perf_counter_ns() - begin) / 1e6

    values, others = [], []
    with broker_under_jobserver(job_slots=1) as (broker, _):
        waiter = RawWorker.connect(broker.address, "gw0")

        def hold() -> RawWorker:
            holder = RawWorker.connect(broker.address, "gw1")
            holder.acquire()
            return holder

        for _ in range(rounds):
            with child(hold) as pid:
                waiter.want()
                values.append(killed_until(pid, waiter.descriptor))
                waiter.wait_for_grant()
                waiter.done()
            with child() as pid:
                end = os.pidfd_open(pid)
                others.append(killed_until(pid, end))
                os.close(end)
        waiter.close()
    return [
        Figure(
            "SIGKILL of a holder to the next grant",
            middle(values, "ms", 2),
            beside("to the end of any process", values, others, "ms"),
        )
    ]


def _when_all_wait(scenario: Scenario, begun: Path) -> dict[int, str]:
    """Wait until the test runs, and the broker and the workers sleep. Names these."""
    deadline = time.monotonic() + 60
    before: dict[int, int] = {}
    while True:
        if time.monotonic() > deadline:
            raise TimeoutError("the session does not come to rest")
        time.sleep(0.5)
        if not begun.exists():
            continue
        names = {
            pid: name if name == "jobslots" else f"worker {pid}"
            for pid, name in scenario.processes().items()
            if name == "jobslots" or is_worker(pid)
        }
        now = {pid: run_time(pid) for pid in names}
        if now == before:
            return names
        before = now
