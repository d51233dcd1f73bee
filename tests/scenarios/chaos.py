"""Chaos: real make, pytest sessions, neighbours, and a monkey that sends signals to all of them.

As a program, for `make soak`:

    python tests/scenarios/chaos.py --rounds 300 | --minutes 60 [--seed S] [--pool]

With ``--pool`` the rounds are those of chaos_pool.py. All choices of a round follow from its seed;
when things happen does not. A round finds fault with a token that is missing from its jobserver or
one too many in it, with more than N things at once, with what does not end, with a worker that
finds no broker though nobody has killed it, and with what is left behind.
"""

from __future__ import annotations

import argparse
import collections
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from chaos_judge import MakeRules, judge
from chaos_monkey import CTRL_C, Monkey
from chaos_pool import PoolRound
from chaos_result import Result
from chaos_targets import write_targets
from jobserver import Jobserver
from scenario import FIFO, HUNG, PIPE, SYSTEM, Make, Scenario
from spans import read_events

#: Seconds for which make may go on when nothing runs any more.
_MAKE_ENDS = 4.0


class Round:
    """One run of make with everything that goes on in it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._scenario = Scenario(folder)
        makes = [make for make in (FIFO, PIPE, SYSTEM) if make.program]
        self._make: Make = self._random.choice(makes)
        self._jobs = self._random.randint(2, 5)
        self._is_client = self._random.random() < 0.75
        role = "client" if self._is_client else "server"
        self._result = Result(seed, f"{self._make} -j{self._jobs} {role}")

    def run(self) -> Result:
        begun = time.monotonic()
        write_targets(self._scenario, self._random)
        jobserver = self._start()
        # make 4.4.1, interrupted as a client, loses its tokens; 4.3 gives them back.
        tokens_are_safe = not self._is_client or self._make is SYSTEM
        group = self._process.pid if tokens_are_safe else None
        self._monkey = Monkey(self._scenario, self._random, group)
        try:
            self._wait_with_monkey()
            make_ended = time.monotonic_ns()
            self._check_end(jobserver)
            self._check_what_makes_end_took(make_ended)
            self._check_fixtures()
            verdict = judge(self._scenario.log, self._monkey.sent, self._jobs, MakeRules)
        finally:
            self._scenario.kill_all()
            self._process.wait()
            self._output.close()
            if jobserver:
                jobserver.close()
        self._result.verdict = verdict
        self._result.faults += verdict.faults
        self._result.actions = self._monkey.actions
        # A Ctrl-C of all may come before anything runs.
        if not verdict.things and CTRL_C not in self._monkey.actions:
            self._result.faults.append("nothing ran")
        self._result.seconds = time.monotonic() - begun
        return self._result

    def _start(self) -> Jobserver | None:
        jobserver = None
        command = [*self._make.command, "-k"]
        environment = dict(self._scenario.environment)
        if self._is_client:
            pipe = self._make is not FIFO
            jobserver = Jobserver(self._scenario.folder, self._jobs, pipe=pipe)
            environment["MAKEFLAGS"] = jobserver.makeflags
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
            pass_fds=jobserver.inherited if jobserver else (),
            start_new_session=True,
        )
        return jobserver

    def _wait_with_monkey(self) -> None:
        deadline = time.monotonic() + HUNG
        actions_left = self._random.randint(1, 14)
        pause = self._random.choice([0.05, 0.15, 0.4])
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                self._result.faults.append(f"hangs with {self._scenario.processes()}")
                return
            time.sleep(self._random.expovariate(1 / pause) if actions_left else 0.01)
            if actions_left and self._monkey.act():
                actions_left -= 1

    def _check_end(self, jobserver: Jobserver | None) -> None:
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
        self._result.without_broker = text.count("goes on without job slots")
        # Interrupted while it ends, a controller can leave its workers behind.
        interrupted = any(
            sent.number == signal.SIGINT and sent.target.role == "controller"
            for sent in self._monkey.sent
        )
        if self._result.without_broker and not interrupted:
            self._result.faults.append("a worker finds no broker")
        if jobserver:
            lost = self._jobs - 1 - len(jobserver.drain())
            self._result.tokens_lost += abs(lost)
            if lost:
                self._result.faults.append(f"{lost} of {self._jobs - 1} tokens lost")

    def _check_what_makes_end_took(self, make_ended: int) -> None:
        """Less than the five seconds that execnet leaves to a worker whose controller is dead."""
        moments = [event.time for event in read_events(self._scenario.log)]
        moments += [sent.time for sent in self._monkey.sent]
        self._result.make_went_on = (make_ended - max(moments, default=make_ended)) / 1e9
        if self._result.make_went_on > _MAKE_ENDS:
            self._result.faults.append(f"make went on for {self._result.make_went_on:.1f} s")

    def _check_fixtures(self) -> None:
        """Where only controllers were ended, workers tear down what they have set up."""
        if CTRL_C in self._monkey.actions:
            return
        ends = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        hit = {s.target.pid for s in self._monkey.sent if s.number in ends}
        # pytest and xdist end workers in ways of their own.
        interrupted = {s.target.session for s in self._monkey.sent if s.number == signal.SIGINT}
        for service in self._scenario.folder.glob("*/service-*"):
            session, pid = service.parent.name, int(service.name.partition("-")[2])
            if pid not in hit and session not in interrupted:
                self._result.faults.append(f"a fixture of {session} is not torn down, in {pid}")


def run_round(folder: Path, seed: int, *, pool: bool = False) -> Result:
    """Run the round of this seed in the empty folder: under a make, or with a pool."""
    return PoolRound(folder, seed).run() if pool else Round(folder, seed).run()


def _seeds(first: int, rounds: int | None, minutes: float | None) -> Iterator[int]:
    deadline = time.monotonic() + 60 * (minutes or 0)
    seed = first
    while seed - first < rounds if rounds is not None else time.monotonic() < deadline:
        yield seed
        seed += 1


def main() -> int:
    # Ignored where a shell without job control has started this in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description="Run chaos rounds and report.")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--rounds", type=int)
    length.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=None, help="of the first round")
    parser.add_argument("--pool", action="store_true", help="with a pool, and no make above")
    arguments = parser.parse_args()
    first = random.randrange(10**6) if arguments.seed is None else arguments.seed
    results = []
    actions: collections.Counter[str] = collections.Counter()
    for seed in _seeds(first, arguments.rounds, arguments.minutes):
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            result = run_round(Path(folder), seed, pool=arguments.pool)
        print(result, flush=True)
        if result.faults:
            print(result.output, flush=True)
        result.output = ""
        results.append(result)
        actions += result.actions
    bad = [result.seed for result in results if result.faults]
    print(f"rounds: {len(results)}, from seed {first}")
    print(f"signals: {dict(sorted(actions.items()))}")
    print(f"things that ran: {sum(result.verdict.things for result in results)}")
    print(f"tokens lost: {sum(result.tokens_lost for result in results)}")
    verdicts = [result.verdict for result in results]
    went_on = max((result.make_went_on for result in results), default=0.0)
    print(f"longest time for which make went on when nothing ran: {went_on:.1f} s")
    most = max((verdict.beyond for verdict in verdicts), default=0)
    longest = max((verdict.beyond_for for verdict in verdicts), default=0.0)
    print(f"most beyond N, beside killed controllers: {most}")
    print(f"longest time beyond N: {longest:.3f} s")
    print(f"workers without a broker: {sum(result.without_broker for result in results)}")
    print(f"rounds with a fault: {bad}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
