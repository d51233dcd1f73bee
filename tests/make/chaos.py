"""Chaos: real make, pytest sessions, neighbours, and a monkey that sends signals to all of them.

As a program, for `make soak`:

    python tests/make/chaos.py --rounds 300 | --minutes 60 [--seed S]

All choices of a round follow from its seed; when things happen does not. A round finds fault with
a token that is missing from the pool or too many in it, with more than N things at once, with what
does not end, and with what is left behind.

**How many at once is counted.** From the begin and end that each thing logs. What is killed ends
when the signal is sent; what is stopped goes on holding its slot. make takes the slot of a killed
controller back at once, while the worker on that slot goes on until the broker's SIGINT ends it or
a token covers it (docs/reliability.md). So for each killed controller one thing more is allowed,
but only while work of its session that was begun before the kill is still going on; rounds tell how
much of this was used, and for how long.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scenario import FIFO, HUNG, PIPE, SYSTEM, Make, Scenario

#: A controller's death is seen by its broker within this time, in nanoseconds.
_SEEN = 100_000_000

#: Between the noting of a signal and its sending there is at most this time, in nanoseconds.
_NOTED = 20_000_000

#: As spans.span, but the end is logged whatever signals come, and names begin with the session.
_BUSY = """
import contextlib
import os
import time
from spans import _log

SESSION = os.environ["SESSION"]

@contextlib.contextmanager
def busy(kind, name):
    name = f"{SESSION}/{name}"
    try:
        _log("begin", kind, name)
        yield
    finally:
        while True:
            try:
                _log("end", kind, name)
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
import os
import time
from busy import busy

with busy("import", os.environ.get("PYTEST_XDIST_WORKER", "controller")):
    time.sleep({seconds})
"""


@dataclass(frozen=True)
class Process:
    """A process of the round that the monkey may hit."""

    pid: int
    parent: int
    role: str  # worker, controller or sub-make
    session: str


@dataclass(frozen=True)
class Sent:
    """A signal that the monkey has sent, at a time of CLOCK_MONOTONIC just before."""

    time: int
    number: signal.Signals
    target: Process


@dataclass
class Busy:
    """A thing that ran, of one session or a neighbour. An end of None is not known."""

    session: str
    pid: int
    name: str
    begin: int
    end: int | None = None


@dataclass
class Result:
    """What a round did and what was wrong with it."""

    seed: int
    jobs: int = 0
    setting: str = ""
    seconds: float = 0.0
    actions: collections.Counter[str] = field(default_factory=collections.Counter)
    tokens_lost: int = 0
    #: The most things at once, less N, what is allowed beside a killed controller included.
    beyond: int = 0
    #: For how long at most there were more than N at once, in seconds.
    beyond_for: float = 0.0
    things: int = 0
    #: Workers that came when their session, and so its broker, had ended already. No fault by
    #: itself: what they do counts towards what runs at once.
    without_slots: int = 0
    output: str = ""
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.setting}, {self.seconds:.1f} s, {self.things} things,"
            f" {dict(sorted(self.actions.items()))}, beyond N {self.beyond}"
            f" for {self.beyond_for * 1000:.0f} ms,"
            f" without a broker {self.without_slots}: {'; '.join(self.faults) or 'well'}"
        )


class Pool:
    """A jobserver around make, to count its tokens."""

    def __init__(self, folder: Path, jobs: int, *, pipe: bool) -> None:
        self.inherited: tuple[int, ...] = ()
        if pipe:
            self.inherited = self._read, self.write_fd = os.pipe()
            auth = f"{self._read},{self.write_fd}"
        else:
            path = folder / "pool"
            os.mkfifo(path)
            self._read = self.write_fd = os.open(path, os.O_RDWR)
            auth = f"fifo:{path}"
        os.write(self.write_fd, b"+" * (jobs - 1))
        self.makeflags = f" -j{jobs} --jobserver-auth={auth}"

    def count(self) -> int:
        """The tokens that are there, which are taken."""
        os.set_blocking(self._read, False)
        try:
            return len(os.read(self._read, 65536))
        except BlockingIOError:
            return 0

    def close(self) -> None:
        for descriptor in {self._read, self.write_fd}:
            os.close(descriptor)


class Round:
    """One run of make with everything that goes on in it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._scenario = Scenario(folder)
        self._make: Make = self._random.choice([FIFO, PIPE, SYSTEM])
        self._jobs = self._random.randint(2, 5)
        self._is_client = self._random.random() < 0.75
        self._sent: list[Sent] = []
        self._top = 0
        self._result = Result(seed, self._jobs)
        self._result.setting = (
            f"{self._make} -j{self._jobs} {'client' if self._is_client else 'server'}"
        )

    def run(self) -> Result:
        begun = time.monotonic()
        self._write()
        pool = self._start()
        try:
            self._wait_with_monkey()
            self._check_end(pool)
            self._check_spans()
        finally:
            self._scenario.kill_all()
            self._process.wait()
            self._output.close()
            if pool:
                pool.close()
        self._result.seconds = time.monotonic() - begun
        return self._result

    # Before.

    def _write(self) -> None:
        choose = self._random
        sessions = [f"s{n}" for n in range(choose.choice([2, 2, 3]))]
        neighbours = [f"n{n}" for n in range(choose.randint(1, 4))]
        targets = sessions + neighbours
        choose.shuffle(targets)
        lines = [f"all: {' '.join(targets)}", f".PHONY: {' '.join(targets)}"]
        sub_lines = []
        self._scenario.write("busy.py", _BUSY)
        for name in neighbours:
            seconds = choose.uniform(0.05, 0.8)
            recipe = f"{sys.executable} -S spans.py neighbour {name}/- {seconds:.3f}"
            lines += [f"{name}:"] + [f"\t{recipe}"] * choose.randint(1, 3)
        for name in sessions:
            self._write_suite(name)
            dist = choose.choice(["load", "worksteal", "loadscope"])
            start = choose.choice(["slots", "slots", "all"])
            prefix = choose.choice(["", "+"]) + choose.choice(["", "-"])
            recipe = (
                f"\t{prefix}{sys.executable} -m pytest -q -n{choose.randint(2, 4)}"
                f" --dist {dist} --jobslots-start={start} {name}"
            )
            lines.append(f"{name}: export SESSION := {name}")
            if choose.random() < 0.3:
                lines += [f"{name}:", f"\t$(MAKE) -f sub.mk {name}"]
                sub_lines += [f".PHONY: {name}", f"{name}:", recipe]
            else:
                lines += [f"{name}:", recipe]
        self._scenario.write("Makefile", "\n".join(lines) + "\n")
        self._scenario.write("sub.mk", "\n".join(sub_lines) + "\n")

    def _write_suite(self, name: str) -> None:
        choose = self._random
        seconds = [round(choose.uniform(0.005, 0.06), 3) for _ in range(choose.randint(10, 40))]
        self._scenario.write(f"{name}/pytest.ini", "[pytest]\naddopts = -p no:cacheprovider\n")
        self._scenario.write(f"{name}/test_{name}.py", _SUITE.format(seconds=seconds))
        if choose.random() < 0.5:
            text = _CONFTEST.format(seconds=round(choose.uniform(0.02, 0.3), 3))
            self._scenario.write(f"{name}/conftest.py", text)

    def _start(self) -> Pool | None:
        pool = None
        command = [*self._make.command, "-k"]
        environment = dict(self._scenario.environment)
        if self._is_client:
            pool = Pool(self._scenario.folder, self._jobs, pipe=self._make is not FIFO)
            environment["MAKEFLAGS"] = pool.makeflags
        else:
            command.append(f"-j{self._jobs}")
        self._output = (self._scenario.folder / "output").open("w+")
        self._process = subprocess.Popen(
            command,
            cwd=self._scenario.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            pass_fds=pool.inherited if pool else (),
            start_new_session=True,
        )
        self._top = self._process.pid
        return pool

    # Meanwhile.

    def _wait_with_monkey(self) -> None:
        deadline = time.monotonic() + HUNG
        actions_left = self._random.randint(1, 14)
        pause = self._random.choice([0.05, 0.15, 0.4])
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                self._result.faults.append(f"hangs with {self._scenario.processes()}")
                return
            time.sleep(self._random.expovariate(1 / pause) if actions_left else 0.01)
            if actions_left and self._act():
                actions_left -= 1

    def _act(self) -> bool:
        """Do harm once; False where there is nobody to be harmed yet."""
        found = self._find()
        if not found:
            return False
        # make 4.4.1, interrupted as a client, loses its tokens; 4.3 gives them back.
        counted = not self._is_client or self._make is SYSTEM
        if self._random.random() < 0.04 and counted:
            self._hit("ctrl-c of all", signal.SIGINT, found, group=True)
            return True
        # What ends a worker leaves more to be harmed than what ends a session.
        weights = [4 if process.role == "worker" else 1 for process in found]
        target = self._random.choices(found, weights)[0]
        role = target.role
        tree = [p for p in found if p.session == target.session]
        kinds = ["KILL", "TERM", "INT", "STOP", "STOP"]
        kind = self._random.choice(kinds)
        whole = role != "worker" and self._random.random() < 0.5
        # A killed sub-make leaves children that its make counts no more: all of them, or none.
        whole = whole or (role == "sub-make" and kind == "KILL")
        victims = tree if whole else [target]
        label = f"{kind} {role}{' and all below' if whole else ''}"
        if kind == "STOP":
            self._hit(label, signal.SIGSTOP, victims)
            time.sleep(self._random.uniform(0.01, 0.4))
            self._hit("CONT", signal.SIGCONT, victims)
        else:
            self._hit(label, signal.Signals[f"SIG{kind}"], victims)
        return True

    def _hit(
        self, label: str, number: signal.Signals, victims: list[Process], *, group: bool = False
    ) -> None:
        self._result.actions[label] += 1
        # From the top: make must not be told of an end before everything below has ended.
        order = {"worker": 0, "controller": 1, "sub-make": 2}
        if number is not signal.SIGKILL:
            order = {"worker": 2, "controller": 1, "sub-make": 0}
        for process in sorted(victims, key=lambda p: order[p.role]):
            self._sent.append(Sent(time.monotonic_ns(), number, process))
            if not group:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        if group:
            os.killpg(self._top, number)

    def _find(self) -> list[Process]:
        """Workers, controllers and sub-makes; no broker, no neighbour, not the make at the top."""
        found = []
        processes = self._scenario.processes()
        for pid, name in processes.items():
            try:
                proc = Path("/proc") / str(pid)
                command = (proc / "cmdline").read_bytes()
                state, parent = (proc / "stat").read_text().rpartition(")")[2].split()[:2]
                environment = (proc / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # It ended meanwhile.
            session = next((e[8:].decode() for e in environment if e.startswith(b"SESSION=")), "")
            if state == "Z" or name == "jobslots" or not session:
                continue
            parent_name = processes.get(int(parent), "")
            if b"sub.mk" in command:
                role = "sub-make"
            elif b"-m\0pytest" in command:
                # A child of one that is no program of its own yet: a broker to be.
                if not parent_name.startswith("make"):
                    continue
                role = "controller"
            elif b"sys.stdin.readline" in command:
                role = "worker"
            else:
                continue
            found.append(Process(pid, int(parent), role, session))
        pids = {p.pid for p in found if p.role == "sub-make"}
        found = [p for p in found if not (p.role == "sub-make" and p.parent in pids)]
        return sorted(found, key=lambda p: (p.session, p.role, p.pid))

    # Afterwards.

    def _check_end(self, pool: Pool | None) -> None:
        try:
            self._scenario.check_nothing_left()
        except AssertionError as error:
            self._result.faults.append(f"left behind: {error}")
        self._output.seek(0)
        text = self._result.output = self._output.read()
        if "INTERNAL: Exiting with" in text:
            self._result.faults.append("make misses tokens")
            self._result.tokens_lost += 1
        if "jobserver unavailable" in text or "resetting jobserver mode" in text:
            self._result.faults.append("the round's own jobserver is not used")
        self._result.without_slots = text.count("goes on without job slots")
        if pool:
            lost = self._jobs - 1 - pool.count()
            self._result.tokens_lost += abs(lost)
            if lost:
                self._result.faults.append(f"{lost} of {self._jobs - 1} tokens lost")

    def _check_spans(self) -> None:
        things = self._read_log()
        self._result.things = len(things)
        lost = self._controllers_lost()
        for thing in things:
            if thing.end is None:
                thing.end = self._end_by_signal(thing, lost)
            if thing.end is None:
                # xdist kills its workers where its start-up fails: nobody knows when. Not counted.
                if thing.session not in {sent.target.session for sent in self._sent}:
                    self._result.faults.append(f"no end and no cause of one: {thing}")
                thing.end = thing.begin
        first_of: dict[int, Busy] = {}
        for thing in sorted(things, key=lambda t: t.begin):
            first_of.setdefault(thing.pid, thing)

        def is_from_before(thing: Busy) -> bool:
            """Whether its slot may be the implicit one of a session whose controller is dead."""
            limit = lost[thing.session] + _SEEN
            # A worker holds its slot since its start-up when it logs its first begin.
            return thing.begin <= limit or thing is first_of[thing.pid]

        changes = sorted({t.begin for t in things} | {t.end for t in things if t.end})
        beyond_since = 0
        for moment in changes:
            running = [t for t in things if t.begin <= moment < (t.end or 0)]
            excused = {
                t.session
                for t in running
                if t.session in lost and lost[t.session] <= moment and is_from_before(t)
            }
            beyond = len(running) - self._jobs
            self._result.beyond = max(self._result.beyond, beyond)
            if beyond <= 0:
                if beyond_since:
                    seconds = (moment - beyond_since) / 1e9
                    self._result.beyond_for = max(self._result.beyond_for, seconds)
                beyond_since = 0
            elif not beyond_since:
                beyond_since = moment
            if beyond > len(excused):
                self._result.faults.append(
                    f"{len(running)} at once at {moment}, allowed beside: {sorted(excused)},"
                    f" lost {lost}: {running}, signals {self._sent}"
                )
                return

    def _read_log(self) -> list[Busy]:
        log = Path(self._scenario.environment["SCENARIO_LOG"])
        things = []
        running: dict[tuple[str, str], Busy] = {}
        for line in log.read_text().splitlines() if log.exists() else []:
            moment, event, pid, kind, name = line.split(" ", 4)
            if event == "begin":
                thing = Busy(name.partition("/")[0], int(pid), f"{kind} {name}", int(moment))
                running[pid, name] = thing
                things.append(thing)
            elif (pid, name) in running:
                running.pop((pid, name)).end = int(moment)
        return things

    def _controllers_lost(self) -> dict[str, int]:
        """When make had reason to think that a session had ended, though workers were left."""
        lost: dict[str, int] = {}
        interrupts: collections.Counter[str] = collections.Counter()
        for sent in self._sent:
            session = sent.target.session
            deadly = sent.number in (signal.SIGKILL, signal.SIGTERM)
            # make passes SIGTERM on to its children.
            if sent.target.role in ("controller", "sub-make") and deadly:
                lost.setdefault(session, sent.time)
            if sent.target.role == "controller" and sent.number == signal.SIGINT:
                interrupts[session] += 1
                if interrupts[session] > 1:  # pytest gives up its orderly end.
                    lost.setdefault(session, sent.time)
        return lost

    def _end_by_signal(self, thing: Busy, lost: dict[str, int]) -> int | None:
        ends = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        causes = [s.time for s in self._sent if s.target.pid == thing.pid and s.number in ends]
        causes += [lost[thing.session]] if thing.session in lost else []
        # It may begin between the moment that is noted and the signal.
        causes = [max(cause, thing.begin) for cause in causes if cause >= thing.begin - _NOTED]
        return min(causes, default=None)


def run_round(folder: Path, seed: int) -> Result:
    """Run the round of this seed in the empty folder."""
    return Round(folder, seed).run()


def _seeds(first: int, rounds: int | None, minutes: float | None) -> Iterator[int]:
    deadline = time.monotonic() + 60 * (minutes or 0)
    seed = first
    while seed - first < rounds if rounds is not None else time.monotonic() < deadline:
        yield seed
        seed += 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Run chaos rounds and report.")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--rounds", type=int)
    length.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=None, help="of the first round")
    arguments = parser.parse_args()
    first = random.randrange(10**6) if arguments.seed is None else arguments.seed
    results = []
    actions: collections.Counter[str] = collections.Counter()
    for seed in _seeds(first, arguments.rounds, arguments.minutes):
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            result = run_round(Path(folder), seed)
        print(result, flush=True)
        if result.faults:
            print(result.output, flush=True)
        result.output = ""
        results.append(result)
        actions += result.actions
    bad = [result.seed for result in results if result.faults]
    print(f"rounds: {len(results)}, from seed {first}")
    print(f"signals: {dict(sorted(actions.items()))}")
    print(f"things that ran: {sum(result.things for result in results)}")
    print(f"tokens lost: {sum(result.tokens_lost for result in results)}")
    worst = max(results, key=lambda result: (result.beyond, result.beyond_for), default=None)
    print(f"most beyond N, beside killed controllers: {worst.beyond if worst else 0}")
    print(f"longest time beyond N: {max((r.beyond_for for r in results), default=0.0):.3f} s")
    print(f"workers without a broker: {sum(result.without_slots for result in results)}")
    print(f"rounds with a fault: {bad}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
