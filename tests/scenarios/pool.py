"""A pool of a scenario's own: a folder that JOBSLOTS_POOL names."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import wait_until
from scenario import Scenario


class Pool:
    """A pool of so many job slots for what the scenario starts. It ends when nobody needs it."""

    def __init__(self, scenario: Scenario, job_slots: int) -> None:
        self._scenario = scenario
        # Not the scenario's: a socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="pool-"))
        scenario.environment |= {
            "JOBSLOTS_POOL": str(self.folder),
            "JOBSLOTS_JOBS": str(job_slots),
            "JOBSLOTS_POOL_LINGER": "0",
        }

    def status(self) -> dict[str, Any]:
        """What it says of itself."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(self.folder / "v1.socket"))
            for message in ("hello 1 observer 1 0", "status"):
                connection.send(message.encode())
            while not (packet := connection.recv(65536)).startswith(b"pool "):
                assert packet
        status = json.loads(packet.removeprefix(b"pool "))
        assert isinstance(status, dict)
        return status

    def processes(self) -> list[int]:
        """The pool's process; more than one is a fault, but when one follows another."""
        return [
            pid
            for pid in self._scenario.processes()
            if b"\0pool\0--serve" in _command_line(pid)
            and os.fsencode(self.folder) in _command_line(pid)
        ]

    def process(self) -> int:
        """Wait until it is there."""
        wait_until(lambda: len(self.processes()) == 1)
        (pid,) = self.processes()
        return pid

    def close(self) -> None:
        """Its folder has nothing but its lock when it has ended."""
        left = sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []
        shutil.rmtree(self.folder, ignore_errors=True)
        assert left in ([], ["v1.lock"]), left


#: Makes a scenario's pool, with so many slots: the fixture make_pool.
MakePool = Callable[[int], Pool]


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
