"""The monkey of the chaos run: it sends signals to workers, controllers and sub-makes."""

from __future__ import annotations

import collections
import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from processes import stat
from scenario import Scenario

#: The name, among the monkey's actions, of what a terminal does.
CTRL_C = "ctrl-c of all"

#: What processes are in a round, from the lowest to the highest.
ROLES = ("neighbour", "worker", "controller", "broker", "sub-make", "make", "run", "pool")


@dataclass(frozen=True)
class Process:
    """A process of the round that the monkey may hit."""

    pid: int
    parent: int
    role: str  # one of ROLES
    session: str


@dataclass(frozen=True)
class Sent:
    """A signal that the monkey has sent, at a time of CLOCK_MONOTONIC just before."""

    time: int
    number: signal.Signals
    target: Process


class Monkey:
    """Does harm, as the random numbers want it, and keeps account of it."""

    def __init__(self, scenario: Scenario, choose: random.Random, group: int | None) -> None:
        """``group``: make's process group, where a Ctrl-C of all is wanted too."""
        self._scenario = scenario
        self._random = choose
        self._group = group
        #: Waits until there is a worker: how long that takes depends on the machine's load.
        self._is_patient = choose.random() < 0.7
        self.sent: list[Sent] = []
        #: How often it has done what.
        self.actions: collections.Counter[str] = collections.Counter()

    def act(self) -> bool:
        """Do harm once; False where there is nobody to be harmed yet."""
        found = self._find()
        there = [p for p in found if p.role == "worker"] if self._is_patient else found
        if not there:
            return False
        # Once: make 4.3 loses its tokens at a second one that comes at once.
        wants_ctrl_c = self._random.random() < 0.04 and not self.actions[CTRL_C]
        if wants_ctrl_c and self._group is not None:
            self._hit(CTRL_C, signal.SIGINT, found, group=self._group)
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
        self._strike(label, kind, victims)
        return True

    def _strike(self, label: str, kind: str, victims: list[Process]) -> None:
        """Send SIGKIND; who is stopped goes on after a moment."""
        if kind == "STOP":
            self._hit(label, signal.SIGSTOP, victims)
            time.sleep(self._random.uniform(0.01, 0.4))
            self._hit("CONT", signal.SIGCONT, victims)
        else:
            self._hit(label, signal.Signals[f"SIG{kind}"], victims)

    def _hit(
        self,
        label: str,
        number: signal.Signals,
        victims: list[Process],
        group: int | None = None,
    ) -> None:
        self.actions[label] += 1
        # From the top: make must not be told of an end before everything below has ended.
        from_the_top = number is not signal.SIGKILL
        for process in sorted(victims, key=lambda p: ROLES.index(p.role), reverse=from_the_top):
            self.sent.append(Sent(time.monotonic_ns(), number, process))
            if group is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        if group is not None:
            os.killpg(group, number)

    def _find(self) -> list[Process]:
        """Workers, controllers and sub-makes; no broker, no neighbour, not the make at the top."""
        found = []
        processes = self._scenario.processes()
        for pid, name in processes.items():
            try:
                proc = Path("/proc") / str(pid)
                command = (proc / "cmdline").read_bytes()
                state, parent = stat(pid)[:2]
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
