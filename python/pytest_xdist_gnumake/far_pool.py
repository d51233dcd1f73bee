"""A remote worker that works on the slots of its own host: ``--jobslots-remote=pool``.

It has a broker of its own there, as a session of one worker has. The channel only tells people.
"""

from __future__ import annotations

import os

import pytest

from .broker import BrokerProcess, NoBroker
from .protocol import Note
from .worker_channel import FarEnd


def open_pool(config: pytest.Config, far_end: FarEnd, worker_id: str) -> str | None:
    """The address of a broker that has its slots from this host's pool; None where there is none.

    A jobserver of this host goes before the pool, as everywhere.
    """
    pool = os.environ.get("JOBSLOTS_POOL") or "machine"
    broker = BrokerProcess.start({**os.environ, "JOBSLOTS_POOL": pool})
    if isinstance(broker, NoBroker):
        reason = broker.reason or "JOBSLOTS_POOL is 'off' there"
        far_end.say(Note(f"workers run without job slots: {reason}"))
        return None
    config.add_cleanup(broker.close)
    broker.set_title(f"pytest-xdist worker {worker_id} of another machine")
    source = f"the pool in {broker.pool}" if broker.pool else "the jobserver there"
    far_end.say(Note(f"{broker.job_slots or 'the'} job slots of {source}"))
    return broker.address
