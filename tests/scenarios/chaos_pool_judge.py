"""What may go on beside N in a round of the chaos run with a pool.

Sessions have no implicit slot there, so that nothing is allowed for a killed controller. Allowed
are, from the signal on (docs/reliability.md has the reasons):

- all that a session runs whose broker was killed, and what runs inside it: it has no slots;
- all that a make runs which was killed or interrupted: what it had started goes on, and make
  closes its jobserver at once;
- one thing of a command whose `jobslots run` was killed: its slot is the pool's again;
- one thing of each session inside another (in a test, or below a make) that was hit, or whose outer
  one was: its implicit slot is the outer one's;
- what makes run that were there when the pool's folder was removed: they have the fifo's tokens.
"""

from __future__ import annotations

import signal

from chaos_judge import Thing, controllers_lost
from chaos_monkey import Sent
from chaos_pool_monkey import FOLDER

_DEADLY = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


class PoolRules:
    """Those of a round in which the monkey sent these signals."""

    def __init__(self, sent: list[Sent], things: list[Thing]) -> None:
        del things
        self._sent = sent
        self.lost = controllers_lost(sent)
        for one in sent:
            # Passed on to the command, or to what it runs.
            if one.target.role in ("make", "run") and one.number in _DEADLY:
                self.lost.setdefault(one.target.session, one.time)

    def was_hit(self, session: str) -> bool:
        return any(_is_in(session, s.target.session) for s in self._sent)

    def allowed(self, running: list[Thing], moment: int) -> list[str]:
        before = [s for s in self._sent if s.time <= moment and s.number in _DEADLY]
        folder_removed = any(s.target is FOLDER for s in before)
        allowed = []
        for session in {t.session for t in running}:
            own = [t for t in running if t.session == session]
            hits = [s for s in before if _is_in(session, s.target.session)]
            count = 0
            if hits and ("." in session or any(_lets_go(hit) for hit in hits)):
                count = 1
            if folder_removed and own[0].name.startswith("neighbour "):
                count = len(own)
            if any(_is_without_slots(hit, session) for hit in hits):
                count = len(own)
            allowed += [session] * count
        return allowed


def _is_in(session: str, outer: str) -> bool:
    return f"{session}.".startswith(f"{outer}.")


def _is_without_slots(hit: Sent, session: str) -> bool:
    role, killed = hit.target.role, hit.number == signal.SIGKILL
    if role == "broker":
        return killed
    return hit.target.session == session and (role == "make" or (role == "run" and not killed))


def _lets_go(hit: Sent) -> bool:
    return hit.target.role == "run" and hit.number == signal.SIGKILL
