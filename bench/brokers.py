"""Real brokers without pytest: a fifo as make makes it, and workers that speak the raw protocol."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_xdist_gnumake.broker import BrokerProcess
from pytest_xdist_gnumake.packets import PacketSocket
from pytest_xdist_gnumake.protocol import (
    VERSION,
    Done,
    Grant,
    Hello,
    ToWorker,
    Want,
    Welcome,
    decode_for_worker,
)
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

    def __init__(self, address: str, name: str) -> None:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connected.connect(address)
        self._packets = PacketSocket(connected)
        self._packets.send(Hello(VERSION, "worker", name))
        self._expect(Welcome(VERSION))

    def want(self) -> None:
        self._packets.send(Want())

    def wait_for_grant(self) -> None:
        self._expect(Grant())

    def done(self) -> None:
        self._packets.send(Done())

    @property
    def descriptor(self) -> int:
        return self._packets.fileno()

    def close(self) -> None:
        self._packets.close()

    def _expect(self, message: ToWorker) -> None:
        received = decode_for_worker(self._packets.receive())
        if received != message:
            raise RuntimeError(f"expected {message}, not {received}")


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
