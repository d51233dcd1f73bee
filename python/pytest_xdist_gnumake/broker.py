"""The controller's side of the broker: starts it, asks it, waits for its end.

The messages are described in ``src/session/protocol.h``.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .executable import EXECUTABLE

#: Seconds that pytest's end waits for the broker's. By then xdist has ended the workers, and the
#: broker needs a millisecond; the limit is for a worker that even SIGKILL does not end.
_END_LIMIT = 30.0

#: Bytes of a message that the broker takes.
_MESSAGE_LIMIT = 4096


@dataclass(frozen=True)
class Unavailable:
    """No usable jobserver. ``reason`` is empty where nothing is wrong: there is just none."""

    reason: str


@dataclass(frozen=True)
class WorkerSums:
    """For how many seconds a worker had a job slot, and waited for one."""

    worker_id: str
    held: float
    waited: float


@dataclass(frozen=True)
class Sums:
    """What a session has used of its job slots."""

    #: The most slots in use at one moment.
    most: int
    #: Seconds from the first slot taken to the last one free.
    span: float
    #: Those that have been started.
    workers: tuple[WorkerSums, ...]

    @property
    def average(self) -> float:
        """How many slots were in use on average."""
        return sum(worker.held for worker in self.workers) / self.span if self.span else 0.0

    @property
    def waited(self) -> float:
        """Seconds that the workers waited, added up."""
        return sum(worker.waited for worker in self.workers)


def environment_speaks_of_jobserver() -> bool:
    """Whether it is worth starting a broker, which knows how to read the variables."""
    variables = ("MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS")
    return any("--jobserver-" in os.environ.get(name, "") for name in variables)


def cannot_be_started(error: OSError) -> str:
    """What is wrong with the program that the package has, and the cure."""
    return (
        f"{EXECUTABLE} cannot be started ({error.strerror}); cure: reinstall pytest-xdist-gnumake"
    )


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
        #: Why there is no trace, or no more of it.
        self.untraced = ""
        self._listener: threading.Thread | None = None
        self._sums: queue.SimpleQueue[Sums | None] = queue.SimpleQueue()
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
            return Unavailable(cannot_be_started(error))
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

    def start_trace(self, file: Path, title: str) -> None:
        """Let the broker write what the session does to ``file``, under this title."""
        self._send(f"title {title[:200]}")
        self._send(f"trace {file}")
        self._receive()

    def start_workers(self, worker_ids: Iterable[str]) -> list[str]:
        """Ask for a slot for each of the workers. Those that can be started now, in order."""
        for worker_id in worker_ids:
            self.request_start(worker_id)
        self._send("sync")
        begun = []
        while (message := self._receive()) not in (("", ""), ("synced", "")):
            kind, text = message
            if kind == "begin":  # The trace may end in between.
                begun.append(text)
        return begun

    def request_start(self, worker_id: str) -> None:
        """Ask for a slot for a worker that is to be started then."""
        self._send(f"start {worker_id}")

    def cancel(self, worker_id: str) -> None:
        """Give the slot back that was asked for or got for a worker that is not started."""
        self._send(f"cancel {worker_id}")

    def worker_ended(self, worker_id: str) -> None:
        """Give the slot back of a worker that has died before it could say hello to the broker."""
        self._send(f"ended {worker_id}")

    def listen(self, begin: Callable[[str | None], None]) -> None:
        """Call ``begin``, from a thread, with each worker for which a slot was asked and has come.

        With None where the broker has gone, and no more will come.
        """
        self._listener = threading.Thread(target=self._listen, args=(begin,), daemon=True)
        self._listener.start()

    def _listen(self, begin: Callable[[str | None], None]) -> None:
        workers: list[WorkerSums] = []
        while (message := self._receive()) != ("", ""):
            kind, text = message
            if kind == "begin":
                begin(text)
            elif kind == "worker":
                worker_id, held, waited = text.rsplit(" ", 2)
                workers.append(WorkerSums(worker_id, int(held) / 1e9, int(waited) / 1e9))
            elif kind == "summed":
                most, span = text.split(" ")
                self._sums.put(Sums(int(most), int(span) / 1e9, tuple(workers)))
                workers.clear()
        self._sums.put(None)
        if not self._closing:
            begin(None)

    def sums(self) -> Sums | None:
        """What the session has used so far, or None where the broker has gone."""
        self._send("sum")
        if self._listener is None:
            self.listen(lambda _: None)
        with contextlib.suppress(queue.Empty):
            return self._sums.get(timeout=_END_LIMIT)
        return None

    def _send(self, message: str) -> None:
        with contextlib.suppress(OSError):  # Where the broker has gone, workers say so.
            # One byte too many is enough for the broker to refuse it. A socket may not take much
            # more: then there would be no answer to wait for.
            self._connection.send(os.fsencode(message)[: _MESSAGE_LIMIT + 1])

    def _receive(self) -> tuple[str, str]:
        """The kind of the next message and what it says; nothing where the broker has gone."""
        try:
            kind, _, text = os.fsdecode(self._connection.recv(65536)).partition(" ")
        except OSError:
            kind = text = ""
        if kind == "untraced":
            self.untraced = text
        elif not kind and not self.untraced:
            self.untraced = "the job slot broker has gone"
        return kind, text

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
