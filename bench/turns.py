"""From one's release of a slot to the next one's begin."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from statistics import median

from brokers import broker_under_jobserver, child, raw_workers
from contenders import OURS
from pytest_xdist_gnumake.connection import Connection, JobSlot
from pytest_xdist_gnumake.packets import PacketSocket
from rounds import rounds
from scenarios import FIFO, new_scenario, run_make, write_mark
from table import Figure, beside, middle

MS = 1e6  # Spans are in nanoseconds.


def hand_over() -> list[Figure]:
    """A worker that waits runs again after another's release."""
    cycles = 1000
    asked, ask = os.pipe()
    answered, answer = os.pipe()
    with broker_under_jobserver(job_slots=1) as (broker, _):

        def take_turns() -> None:
            slot = JobSlot(Connection(lambda: PacketSocket.connect(broker.address), "gw1"))
            while os.read(asked, 1):
                slot.acquire()
                os.write(answer, time.perf_counter_ns().to_bytes(8, "big"))
                slot.release()

        values, echoes = [], []
        slot = JobSlot(Connection(lambda: PacketSocket.connect(broker.address), "gw0"))
        with child(then=take_turns):
            for _ in range(cycles):
                slot.acquire()
                os.write(ask, b".")
                time.sleep(0.0005)  # By now it waits.
                begin = time.perf_counter_ns()
                slot.release()
                values.append((int.from_bytes(os.read(answered, 8), "big") - begin) / 1e3)
        slot.close()

        def echo() -> None:
            while os.read(asked, 1):
                os.write(answer, time.perf_counter_ns().to_bytes(8, "big"))

        with child(then=echo):
            for _ in range(cycles):
                time.sleep(0.0005)
                begin = time.perf_counter_ns()
                os.write(ask, b".")
                echoes.append((int.from_bytes(os.read(answered, 8), "big") - begin) / 1e3)
    for descriptor in (asked, ask, answered, answer):
        os.close(descriptor)
    return [
        Figure(
            "from a worker's release to the next one's run",
            middle(values, "us"),
            beside("one Python process wakes another by a pipe", values, echoes, "us"),
        ).at_most(60, median(values))
    ]


def make_waits() -> list[Figure]:
    """A make that waits in read(2) gets the slot that a session is due to give back."""
    cycles = 20
    answered, answer = os.pipe()
    let_go, go = os.pipe()
    values = []
    with (
        broker_under_jobserver(job_slots=2) as (broker, jobserver),
        raw_workers(broker.address, 3) as workers,
    ):
        fifo = os.open(jobserver.makeflags.rpartition("fifo:")[2], os.O_RDWR)

        def make() -> None:
            while token := os.read(fifo, 1):
                os.write(answer, time.perf_counter_ns().to_bytes(8, "big"))
                os.read(let_go, 1)
                os.write(fifo, token)
                os.read(let_go, 1)

        on_implicit_slot, holder, waiting = workers
        on_implicit_slot.acquire()
        holder.acquire()
        with child(then=make):
            for _ in range(cycles):
                waiting.want()
                time.sleep(0.11)  # Longer than a session keeps a token: it is due.
                begin = time.perf_counter_ns()
                holder.done()
                values.append((int.from_bytes(os.read(answered, 8), "big") - begin) / MS)
                os.write(go, b".")
                waiting.wait_for_grant()
                os.write(go, b".")
                holder, waiting = waiting, holder
    for descriptor in (fifo, answered, answer, let_go, go):
        os.close(descriptor)
    return [
        Figure("from the release to make's read", middle(values, "ms", 3)).at_most(2, max(values))
    ]


def chain() -> list[Figure]:
    """From a neighbour's end to the begin of the next one that make wants to start.

    A session always has workers waiting, because it starts all of its four at once: else a gap may
    be as long as the start-up of a worker that took the slot. The neighbours are shell scripts that
    log their begin and end themselves: the start of an interpreter is no part of a gap, make's fork
    of a shell is.
    """
    figures = []
    for milliseconds, tests, limit in ((1, 4000, 115), (20, 300, 150)):
        ours, plain, workers = [], [], []
        for _ in rounds(2):
            options = "-q -n4 --jobslots-start=all"
            gaps, count = _gaps(OURS.pytest(f"{options} suite"), tests, milliseconds)
            ours += gaps
            workers.append(count)
            without = OURS.pytest("-q -n4 suite", without=True)
            plain += _gaps(without, tests, milliseconds)[0]
        figures.append(
            Figure(
                f"tests of {milliseconds} ms, -j2, {min(workers)} workers",
                middle(ours, "ms"),
                f"{beside('without the plugin', ours, plain, 'ms')};"
                f" {sum(gap > limit for gap in ours)} of {len(ours)} over {limit} ms",
            ).at_most(limit, max(ours))
        )
    return figures


def _gaps(session: str, tests: int, milliseconds: int) -> tuple[list[float], int]:
    """The gaps of a chain of neighbours beside a session, and how many workers that has."""
    links = 12
    with new_scenario() as scenario:
        go = scenario.folder / "go"
        mark = write_mark(scenario)
        # The first link holds a slot until a test says that the session is at its tests.
        scenario.suite("suite", tests, milliseconds / 1000)
        scenario.write("suite/test_a.py", f"def test_go():\n    open({str(go)!r}, 'w').close()\n")
        recipes = {f"l{n}": f"{mark} l{n} 0.1" for n in range(1, links + 1)}
        scenario.makefile(FIFO, l0=f"neighbour {go}", **recipes, session=session)
        with (scenario.folder / "Makefile").open("a") as makefile:
            makefile.writelines(f"l{n}: l{n - 1}\n" for n in range(1, links + 1))
        outcome = run_make(scenario, FIFO, 2)
    marks = outcome.of("mark")
    begin, end = marks[0].begin, marks[-1].end
    beside_chain = [s for s in outcome.of("test") if s.end > begin and s.begin < end]
    workers = len({s.pid for s in beside_chain})
    if len(marks) != links or beside_chain[-1].begin < marks[-1].begin:
        raise RuntimeError("the session ended before the chain did")
    if workers < 2:
        raise RuntimeError(f"{workers} workers beside the chain: nobody waits")
    return [(b.begin - a.end) / MS for a, b in pairwise(marks)], workers
