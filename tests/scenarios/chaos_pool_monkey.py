"""The monkey of the chaos run with a pool: it spares nobody, the pool least of all."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

from chaos_monkey import Monkey, Process, Sent
from processes import stat
from scenario import Scenario

from pool import Pool

#: The name, among the monkey's actions, of what it does to the pool's folder.
REMOVED = "pool's folder removed"

#: What it hits then.
FOLDER = Process(0, 0, "folder", "pool")

_WEIGHTS = {"worker": 4, "pool": 2}
_KINDS = {"pool": ["KILL", "STOP"], "broker": ["KILL", "TERM", "STOP"]}
_ALL_KINDS = ["KILL", "TERM", "INT", "STOP", "STOP"]


class PoolMonkey(Monkey):
    """Hits workers, controllers, brokers, makes, ``jobslots run``, whole sessions and the pool."""

    def __init__(self, scenario: Scenario, choose: random.Random, pool: Pool) -> None:
        super().__init__(scenario, choose, None)
        self._pool = pool

    def act(self) -> bool:
        found = self._find()
        # A session that is ended before its first test shows little.
        if not found or (self._is_patient and not self._scenario.log.exists()):
            return False
        if not self.actions[REMOVED] and self._random.random() < 0.03:
            self.actions[REMOVED] += 1
            self.sent.append(Sent(time.monotonic_ns(), signal.SIGKILL, FOLDER))
            shutil.rmtree(self._pool.folder, ignore_errors=True)
            return True
        target = self._random.choices(found, [_WEIGHTS.get(p.role, 1) for p in found])[0]
        kind = self._random.choice(_KINDS.get(target.role, _ALL_KINDS))
        whole = target.role in ("controller", "make", "run") and self._random.random() < 0.5
        below = (target.session, f"{target.session}.")
        victims = [p for p in found if whole and f"{p.session}.".startswith(below[1])] or [target]
        label = f"{kind} {target.role}{' and all of it' if whole else ''}"
        self._strike(label, kind, victims)
        return True

    def _find(self) -> list[Process]:
        found = []
        processes = self._scenario.processes()
        for pid in processes:
            try:
                command = (Path("/proc") / str(pid) / "cmdline").read_bytes()
                parent = int(stat(pid)[1])
                environment = (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # It ended meanwhile.
            session = next((e[8:].decode() for e in environment if e.startswith(b"SESSION=")), "")
            role = _role(command)
            if role == "pool":
                # Who is about to start it is its parent.
                session = "" if parent in processes else "pool"
            if role and session:
                found.append(Process(pid, parent, role, session))
        return sorted(found, key=lambda p: (p.session, p.role, p.pid))


def _role(command: bytes) -> str:
    program = command.partition(b"\0")[0].rpartition(b"/")[2]
    if program == b"jobslots":
        word = command.split(b"\0")[1]
        return {b"broker": "broker", b"run": "run"}.get(
            word, "pool" if b"\0pool\0--serve" in command else ""
        )
    if program == b"make":
        return "make"
    if b"-m\0pytest\0" in command:
        return "controller"
    if b"sys.stdin.readline" in command:
        return "worker"
    return "neighbour" if b"spans.py\0neighbour" in command else ""
