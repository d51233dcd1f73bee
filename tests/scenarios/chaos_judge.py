"""The judge of the chaos run: how many things ran at once, and how many may have.

What runs logs its begin and end. What is killed ends when the signal is sent; what is stopped goes
on holding its slot. make takes the slot of a killed controller back at once, while the worker on
that slot goes on until the broker's SIGINT ends it or a token covers it (docs/reliability.md). So
for each killed controller one thing more is allowed, but only while work of its session that was
begun before the kill is still going on; the verdict tells how much of this was used. With a pool
other rules hold: chaos_pool_judge.py.
"""

from __future__ import annotations

import collections
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from chaos_monkey import Sent
from spans import read_events

#: A controller's death is seen by its broker within this time, in nanoseconds.
_SEEN = 100_000_000

#: Between the noting of a signal and its sending there is at most this time, in nanoseconds.
_NOTED = 20_000_000


@dataclass
class Thing:
    """A thing that ran, of one session or a neighbour. An end of None is not known."""

    session: str
    pid: int
    name: str
    begin: int
    end: int | None = None


@dataclass
class Verdict:
    """How many things there were, and how many at once."""

    things: int
    #: The most things at once, less N, what is allowed beside a killed controller included.
    beyond: int = 0
    #: For how long at most there were more than N at once, in seconds.
    beyond_for: float = 0.0
    faults: list[str] = field(default_factory=list)


class Rules(Protocol):
    """How many things more than N are allowed after which signals."""

    #: When there was reason to think that a session had ended, though workers were left.
    lost: dict[str, int]

    def __init__(self, sent: list[Sent], things: list[Thing]) -> None: ...

    def was_hit(self, session: str) -> bool:
        """Whether signals have been sent to the session, or to what it runs in."""

    def allowed(self, running: list[Thing], moment: int) -> list[str]:
        """For each thing that is allowed beside N now, the session that it is of."""


def judge(log: Path, sent: list[Sent], jobs: int, rules_for: type[Rules]) -> Verdict:
    """Judge a round by its log and the signals that the monkey has sent."""
    things = _read(log)
    verdict = Verdict(len(things))
    rules = rules_for(sent, things)
    for thing in things:
        if thing.end is None:
            thing.end = _end_by_signal(thing, sent, rules.lost)
        if thing.end is None:
            # Workers are killed where xdist's set-up fails: nobody knows when. Not counted.
            if not rules.was_hit(thing.session):
                verdict.faults.append(f"no end and no cause of one: {thing}")
            thing.end = thing.begin
    beyond_since = 0
    for moment in sorted({t.begin for t in things} | {t.end for t in things if t.end}):
        running = [t for t in things if t.begin <= moment < (t.end or 0)]
        beyond = len(running) - jobs
        verdict.beyond = max(verdict.beyond, beyond)
        if beyond <= 0:
            if beyond_since:
                seconds = (moment - beyond_since) / 1e9
                verdict.beyond_for = max(verdict.beyond_for, seconds)
            beyond_since = 0
            continue
        if not beyond_since:
            beyond_since = moment
        allowed = rules.allowed(running, moment)
        if beyond > len(allowed):
            verdict.faults.append(
                f"{len(running)} at once at {moment}, allowed beside: {sorted(allowed)},"
                f" lost {rules.lost}: {running}, signals {sent}"
            )
            break
    return verdict


class MakeRules:
    """Under a make: one thing for each killed controller."""

    def __init__(self, sent: list[Sent], things: list[Thing]) -> None:
        self.lost = controllers_lost(sent)
        self._hit = {s.target.session for s in sent}
        self._first_of: dict[int, Thing] = {}
        for thing in sorted(things, key=lambda t: t.begin):
            self._first_of.setdefault(thing.pid, thing)

    def was_hit(self, session: str) -> bool:
        return session in self._hit

    def allowed(self, running: list[Thing], moment: int) -> list[str]:
        return list({t.session for t in running if self._is_on_lost_slot(t, moment)})

    def _is_on_lost_slot(self, thing: Thing, moment: int) -> bool:
        """Whether its slot may be the implicit one of a session whose controller is dead."""
        if self.lost.get(thing.session, moment + 1) > moment:
            return False
        limit = self.lost[thing.session] + _SEEN
        # A worker holds its slot since its start-up when it logs its first begin.
        return thing.begin <= limit or thing is self._first_of[thing.pid]


def _read(log: Path) -> list[Thing]:
    things = []
    running: dict[tuple[int, str], Thing] = {}
    for event in read_events(log):
        key = event.pid, event.name
        if event.is_begin:
            session, _, _ = event.name.partition("/")
            running[key] = Thing(session, event.pid, f"{event.kind} {event.name}", event.time)
            things.append(running[key])
        elif key in running:
            running.pop(key).end = event.time
    return things


def controllers_lost(sent: list[Sent]) -> dict[str, int]:
    """When make had reason to think that a session had ended, though workers were left."""
    lost: dict[str, int] = {}
    interrupts: collections.Counter[str] = collections.Counter()
    for signal_sent in sent:
        target, number = signal_sent.target, signal_sent.number
        deadly = number in (signal.SIGKILL, signal.SIGTERM)
        # make passes SIGTERM on to its children.
        if target.role in ("controller", "sub-make") and deadly:
            lost.setdefault(target.session, signal_sent.time)
        if target.role == "controller" and number == signal.SIGINT:
            interrupts[target.session] += 1
            if interrupts[target.session] > 1:  # pytest gives up its orderly end.
                lost.setdefault(target.session, signal_sent.time)
    return lost


def _end_by_signal(thing: Thing, sent: list[Sent], lost: dict[str, int]) -> int | None:
    ends = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
    causes = [s.time for s in sent if s.target.pid == thing.pid and s.number in ends]
    causes += [lost[thing.session]] if thing.session in lost else []
    # It may begin between the moment that is noted and the signal.
    causes = [max(cause, thing.begin) for cause in causes if cause >= thing.begin - _NOTED]
    return min(causes, default=None)
