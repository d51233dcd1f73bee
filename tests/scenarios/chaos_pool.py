"""A round of the chaos run with a pool: sessions and makes share its slots, with no make above.

Finds fault with more than N things at once (chaos_pool_judge.py says what is allowed beside), with
what does not end, with a session or a command that finds no pool though nobody has killed its
broker, with a pool that is not whole when all has ended or does not end by itself, and with what
is left behind.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chaos_judge import judge
from chaos_pool_judge import PoolRules
from chaos_pool_monkey import PoolMonkey
from chaos_pool_targets import Target, write_pool_targets
from chaos_result import Result
from processes import wait_until
from scenario import HUNG, Scenario

from pool import Pool

#: Seconds in which the pool must have all slots when nobody has any of them. What it waits for at
#: most are the two after which a pool that follows a dead one gives out what nobody has claimed.
_WHOLE = 10.0

#: What is printed where a session or a command goes without the pool.
_WITHOUT = ("using dummy job server", "goes on without job slots", "jobslots run: ")


class PoolRound:
    """Some commands that share a pool, with a monkey about."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._scenario = Scenario(folder)
        self._jobs = self._random.randint(2, 4)
        self._pool = Pool(self._scenario, self._jobs)
        linger = self._random.choice([0, 1])
        self._scenario.environment["JOBSLOTS_POOL_LINGER"] = str(linger)
        self._result = Result(seed, f"pool of {self._jobs}, lingers {linger} s")
        self._running: list[subprocess.Popen[bytes]] = []

    def run(self) -> Result:
        begun = time.monotonic()
        targets = write_pool_targets(self._scenario, self._random)
        self._result.setting += f", {' '.join(t.session for t in targets)}"
        self._monkey = PoolMonkey(self._scenario, self._random, self._pool)
        try:
            self._wait_with_monkey(targets)
            self._result.seconds = time.monotonic() - begun
            self._check_pool()
            self._check_nothing_left()
            self._check_output()
            verdict = judge(self._scenario.log, self._monkey.sent, self._jobs, PoolRules)
        finally:
            self._scenario.kill_all()
            for process in self._running:
                process.wait()
            shutil.rmtree(self._pool.folder, ignore_errors=True)
        self._result.verdict = verdict
        self._result.faults += verdict.faults
        self._result.actions = self._monkey.actions
        return self._result

    def _start(self, target: Target) -> None:
        with (self._scenario.folder / f"output-{target.session}").open("w") as output:
            process = subprocess.Popen(
                target.command,
                cwd=self._scenario.folder,
                env={**self._scenario.environment, "SESSION": target.session},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(process)

    def _wait_with_monkey(self, targets: list[Target]) -> None:
        """Until nothing of them lives, whatever has become of who started it."""
        begun = time.monotonic()
        actions_left = self._random.randint(1, 14)
        pause = self._random.choice([0.05, 0.15, 0.4])
        targets = sorted(targets, key=lambda t: t.after)
        while targets or self._alive():
            passed = time.monotonic() - begun
            if passed > HUNG:
                self._result.faults.append(f"hangs with {self._scenario.processes()}")
                return
            while targets and targets[0].after <= passed:
                self._start(targets.pop(0))
            time.sleep(self._random.expovariate(1 / pause) if actions_left else 0.01)
            if actions_left and self._monkey.act():
                actions_left -= 1

    def _alive(self) -> bool:
        for process in self._running:
            process.poll()
        return bool(self._scenario.processes().keys() - set(self._pool.processes()))

    def _check_pool(self) -> None:
        """All slots are there, whether it is the pool of the round or one that follows it."""
        with self._kept_pool():
            try:
                wait_until(lambda: self._status().get("free") == self._jobs, _WHOLE)
            except AssertionError:
                status = self._status()
                self._result.faults.append(f"the pool is not whole: {status}")
                self._result.tokens_lost += abs(self._jobs - status.get("free", 0))
            if len(pools := self._pool.processes()) != 1:
                self._result.faults.append(f"several pools: {pools}")

    @contextlib.contextmanager
    def _kept_pool(self) -> Iterator[None]:
        """There is one as long as this lasts."""
        ready = self._scenario.folder / "pool-is-there"
        command = f"jobslots pool --env {self._pool.folder} && touch {ready}; exec sleep 60"
        keeper = self._scenario.start("sh", "-c", command)
        try:
            wait_until(ready.exists)
            yield
        finally:
            os.kill(keeper.pid, signal.SIGKILL)
            keeper.communicate()

    def _status(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, AssertionError):
            return self._pool.status()
        return {}

    def _check_nothing_left(self) -> None:
        broker_killed = any(
            sent.target.role == "broker" and sent.number == signal.SIGKILL
            for sent in self._monkey.sent
        )
        try:
            self._scenario.check_nothing_left()
        except AssertionError as error:
            # A broker that is killed cannot remove its folder, and its controller may be dead too.
            if not broker_killed or "processes left" in str(error):
                self._result.faults.append(f"left behind: {error}")
        try:
            self._pool.close()
        except AssertionError as error:
            self._result.faults.append(f"left in the pool's folder: {error}")

    def _check_output(self) -> None:
        deadly = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        hit = {
            (sent.target.session.partition(".")[0], sent.target.role)
            for sent in self._monkey.sent
            if sent.number in deadly
        }
        for output in sorted(self._scenario.folder.glob("output-*")):
            session = output.name.partition("-")[2]
            text = output.read_text()
            self._result.output += f"--- {session}\n{text}"
            found = [line for line in text.splitlines() if any(w in line for w in _WITHOUT)]
            # An interrupted controller may leave its workers behind, as under a make.
            excused = {(session, "broker"), (session, "controller")} & hit
            if found and not excused:
                self._result.without_broker += len(found)
                self._result.faults.append(f"{session} goes without the pool: {found}")
