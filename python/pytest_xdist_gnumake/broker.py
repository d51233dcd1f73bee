"""The controller's side of the broker: starts it, asks it, waits for its end.

The messages are described in ``src/broker/protocol.h``.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

EXECUTABLE = Path(__file__).with_name("bin") / "jobslots"

#: Seconds that pytest's end waits for the broker's. By then xdist has ended the workers, and the
#: broker needs a millisecond; the limit is for a worker that even SIGKILL does not end.
_END_LIMIT = 30.0


@dataclass(frozen=True)
class Unavailable:
    """No usable jobserver. ``reason`` is empty where nothing is wrong: there is just none."""

    reason: str


def environment_speaks_of_jobserver() -> bool:
    """Whether it is worth starting a broker, which knows how to read the variables."""
    variables = ("MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS")
    return any("--jobserver-" in os.environ.get(name, "") for name in variables)


class Broker:
    """A running ``jobslots broker``, owned by the controller of one pytest session."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        connection: socket.socket,
        job_slots: int,
        address: str,
    ) -> None:
        self._process = process
        self._connection = connection
        #: N of make's ``-jN``, 0 where make does not tell.
        self.job_slots = job_slots
        #: The path of the socket that workers connect to.
        self.address = address

    @classmethod
    def start(cls) -> Broker | Unavailable:
        """Start a broker for the jobserver in the environment, or say why there is none."""
        if not environment_speaks_of_jobserver():
            return Unavailable("")
        if not sys.platform.startswith("linux"):
            return Unavailable(f"job slots are shared on Linux only, not on {sys.platform}")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(None)
        try:
            # A pipe-style jobserver is a pair of inherited descriptors, so nothing is closed here.
            # A session of its own keeps Ctrl-C and signals to make's process group away.
            process = subprocess.Popen(
                [str(EXECUTABLE), "broker"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=False,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            return Unavailable(
                f"{EXECUTABLE} cannot be started ({error.strerror});"
                " cure: reinstall pytest-xdist-gnumake"
            )
        finally:
            theirs.close()
        try:
            ours.send(b"hello 1 controller")
            reply = os.fsdecode(ours.recv(65536))
        except OSError:
            reply = ""
        kind, _, text = reply.partition(" 1 ")
        if kind == "welcome":
            slots, _, address = text.partition(" ")
            return cls(process, ours, int(slots), address)
        ours.close()
        process.wait()
        if kind != "unavailable":
            return Unavailable(
                f"{EXECUTABLE} ended with status {process.returncode};"
                " cure: reinstall pytest-xdist-gnumake"
            )
        name, _, message = text.partition(" ")
        return Unavailable("" if name == "none" else message)

    def close(self) -> None:
        """Wait until the broker has returned every token, so that make never misses one."""
        with self._connection as connection:
            try:
                connection.send(b"bye")
                connection.settimeout(_END_LIMIT)
                connection.recv(1)
            except TimeoutError:
                # It ends by itself later, as a child of init.
                self._process.returncode = 0
                return
            except OSError:
                pass
        if self._process.wait() != 0:
            # It was killed, and could not remove its folder.
            with contextlib.suppress(OSError):
                Path(self.address).unlink()
                Path(self.address).parent.rmdir()
