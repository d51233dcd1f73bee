"""Real brokers without pytest: a fifo as make makes it, and workers that speak the raw protocol."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_xdist_gnumake.broker import BrokerProcess
from pytest_xdist_gnumake.packets import PacketSocket
from pytest_xdist_gnumake.protocol import VERSION, Done, Grant, Hello, Want, Welcome, encode
from scenarios import Jobserver


@contextlib.contextmanager
def jobserver(job_slots: int) -> Iterator[Jobserver]:
    """A jobserver that the variable MAKEFLAGS names."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        contextlib.closing(Jobserver(Path(folder), job_slots)) as jobserver,
    ):
        os.environ["MAKEFLAGS"] = jobserver.makeflags
        try:
            yield jobserver
        finally:
            del os.environ["MAKEFLAGS"]


def start_broker() -> BrokerProcess:
    """A broker for the jobserver at hand, of which this process is the controller."""
    broker = BrokerProcess.start()
    if not isinstance(broker, BrokerProcess):
        raise RuntimeError(broker.reason)
    return broker


@contextlib.contextmanager
def broker_under_jobserver(job_slots: int) -> Iterator[tuple[BrokerProcess, Jobserver]]:
    """A broker, and the jobserver from which it takes its tokens."""
    with jobserver(job_slots) as make, contextlib.closing(start_broker()) as broker:
        yield broker, make


class RawWorker:
    """A worker's connection, message by message."""

    def __init__(self, packets: PacketSocket, name: str) -> None:
        self._packets = packets
        self._packets.send(Hello(VERSION, "worker", name))
        self._expect(Welcome(VERSION))

    @classmethod
    def connect(cls, address: str, name: str) -> RawWorker:
        """This process as a worker: a process is one at most."""
        return cls(PacketSocket.connect(address), name)

    def want(self) -> None:
        self._packets.send(Want())

    def wait_for_grant(self) -> None:
        self._expect(Grant())

    def acquire(self) -> None:
        self.want()
        self.wait_for_grant()

    def done(self) -> None:
        self._packets.send(Done())

    def receive(self) -> bytes:
        """The next message, waited for."""
        return self._packets.receive()

    @property
    def descriptor(self) -> int:
        return self._packets.fileno()

    def broker(self) -> int:
        """The process of the broker: the one that listens, see SO_PEERCRED in unix(7)."""
        with socket.socket(fileno=os.dup(self.descriptor)) as connection:
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, _, _ = struct.unpack("3i", credentials)
        return int(pid)

    def close(self) -> None:
        self._packets.close()

    def _expect(self, message: Welcome | Grant) -> None:
        received = self.receive()
        while received == b"yield":  # Asked to give its slot up, which it does when it likes.
            received = self.receive()
        if received != encode(message):
            raise RuntimeError(f"expected {message}, not {received!r}")


@contextlib.contextmanager
def raw_workers(address: str, count: int) -> Iterator[list[RawWorker]]:
    """So many workers, each of a process of its own, which all do what this process says."""
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.ExitStack() as stack:
        workers = []
        for n in range(count):

            def connect() -> PacketSocket:
                packets = PacketSocket.connect(address)
                socket.send_fds(theirs, [b"."], [packets.fileno()])
                return packets

            stack.enter_context(child(begin=connect))
            _, (descriptor,), _, _ = socket.recv_fds(ours, 1, 1)
            packets = PacketSocket(socket.socket(fileno=descriptor))
            workers.append(RawWorker(packets, f"gw{n}"))
            stack.callback(workers[-1].close)
        yield workers


@contextlib.contextmanager
def child(
    begin: Callable[[], object] = lambda: None, then: Callable[[], object] = signal.pause
) -> Iterator[int]:
    """A child process that begins with something, and then goes on until it is killed.

    The block runs once the beginning is over. The child keeps what it has got.
    """
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _kept = begin()
            os.write(tell, b".")
            then()
        finally:
            os._exit(1)
    os.close(tell)
    try:
        if not os.read(ready, 1):
            raise RuntimeError("a child process failed")
        yield pid
    finally:
        os.close(ready)
        os.kill(pid, signal.SIGKILL)  # Not waited for until here, so the number is still its own.
        os.waitpid(pid, 0)
