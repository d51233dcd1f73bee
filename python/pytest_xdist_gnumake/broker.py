"""The controller's side of the broker: starts it, asks it, waits for its end.

The messages are described in ``src/broker/protocol.h``.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
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
        self._listener: threading.Thread | None = None
        self._closing = False

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

    def start_workers(self, worker_ids: Iterable[str]) -> list[str]:
        """Ask for a slot for each of the workers. Those that can be started now, in order."""
        for worker_id in worker_ids:
            self.request_start(worker_id)
        self._send("sync")
        begun = []
        while (message := self._receive()) not in ("", "synced"):
            begun.append(message.removeprefix("begin "))
        return begun

    def request_start(self, worker_id: str) -> None:
        """Ask for a slot for a worker that is to be started then."""
        self._send(f"start {worker_id}")

    def cancel(self, worker_id: str) -> None:
        """Give the slot back that was asked for or got for a worker that is not started."""
        self._send(f"cancel {worker_id}")

    def listen(self, begin: Callable[[str | None], None]) -> None:
        """Call ``begin``, from a thread, with each worker for which a slot was asked and has come.

        With None where the broker has gone, and no more will come.
        """
        self._listener = threading.Thread(target=self._listen, args=(begin,), daemon=True)
        self._listener.start()

    def _listen(self, begin: Callable[[str | None], None]) -> None:
        while message := self._receive():
            begin(message.removeprefix("begin "))
        if not self._closing:
            begin(None)

    def _send(self, message: str) -> None:
        with contextlib.suppress(OSError):  # Where the broker has gone, workers say so.
            self._connection.send(message.encode())

    def _receive(self) -> str:
        try:
            return self._connection.recv(4096).decode()
        except OSError:
            return ""

    def close(self) -> None:
        """Wait until the broker has returned every token, so that make never misses one."""
        self._closing = True
        self._send("bye")
        if self._listener is None:
            self.listen(lambda _: None)
        assert self._listener is not None
        self._listener.join(_END_LIMIT)
        if self._listener.is_alive():
            # It ends by itself later, as a child of init.
            self._process.returncode = 0
            return
        self._connection.close()
        if self._process.wait() != 0:
            # It was killed, and could not remove its folder.
            with contextlib.suppress(OSError):
                Path(self.address).unlink()
                Path(self.address).parent.rmdir()
