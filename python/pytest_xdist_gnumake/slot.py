"""A worker's job slot: what the broker gives and takes back.

The messages are described in ``src/session/protocol.h``.
"""

from __future__ import annotations

import contextlib
import os
import socket


class JobSlot:
    """The one job slot that an xdist worker may hold, and its connection to the broker.

    Tests do what they like with descriptors: the connection is checked before each use, and opened
    anew where it is not ours any more. A second connection of the same process replaces the first
    one and gives up what that held. So whatever goes wrong in an exchange, a KeyboardInterrupt
    included, the cure is to drop the connection.

    Where the broker itself has gone, the worker says so once and goes on without job slots.
    """

    def __init__(self, address: str, worker_id: str) -> None:
        self._address = address
        self._worker_id = worker_id
        self._pid = os.getpid()
        self._connection: socket.socket | None = None
        self._identity: tuple[int, int] | None = None
        self._held = False
        self._broker_lost = False
        #: Whether the broker writes a trace, and so wants to know what the slot is used for.
        self.traced = False

    def is_reachable(self) -> bool:
        """Whether the broker is there."""
        try:
            self._connect()
        except OSError:
            return False
        return True

    def acquire(self, work: str = "") -> None:
        """Wait until this worker holds a job slot.

        ``work`` is for the trace: ``starting``, ``finishing``, or ``test`` and a node id.
        """
        if self._held or not self._is_in_use():
            return
        want = b"want"
        if self.traced:
            # The broker takes up to 4096 bytes, and nobody reads names that are that long.
            want += b" " + work.encode(errors="replace")[:1000]
        if self._want(want) or self._want(want):  # The second time over a new connection.
            self._held = True
        else:
            self._lose_broker()

    def release(self, outcome: str = "") -> None:
        """Give the job slot back, if this worker holds one.

        ``outcome`` is for the trace: that of the test.
        """
        if not self._held or not self._is_in_use():
            return
        self._held = False
        if not self._done(f"done {outcome}".rstrip().encode()):
            try:
                self._connect()
            except OSError:
                self._lose_broker()

    def close(self) -> None:
        """Give the job slot back and leave the broker."""
        self.release()
        if self._is_in_use():
            self._drop_connection()

    def _is_in_use(self) -> bool:
        """False after the broker's end, and in a process that a test has forked: not its slot."""
        return not self._broker_lost and os.getpid() == self._pid

    def _want(self, message: bytes) -> bool:
        granted = False
        try:
            connection = self._connect()
            connection.send(message)
            granted = connection.recv(256) == b"grant"
        except OSError:
            pass
        finally:
            if not granted:
                self._drop_connection()
        return granted

    def _done(self, message: bytes) -> bool:
        told = False
        try:
            if self._connection is not None and self._is_ours(self._connection):
                self._connection.send(message)
                told = True
        except OSError:
            pass
        finally:
            if not told:
                self._drop_connection()
        return told

    def _connect(self) -> socket.socket:
        """The connection, opened where there is none or a test has closed it."""
        if self._connection is not None and self._is_ours(self._connection):
            return self._connection
        self._drop_connection()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.settimeout(None)
            connection.connect(self._address)
            connection.send(f"hello 1 worker {self._worker_id}".encode())
            welcome = connection.recv(256)
            if welcome not in (b"welcome 1", b"welcome 1 trace"):
                raise ConnectionError("the broker refuses this worker")
        except BaseException:
            connection.close()
            raise
        self.traced = welcome.endswith(b"trace")
        self._connection = connection
        self._identity = _identity(connection)
        return connection

    def _is_ours(self, connection: socket.socket) -> bool:
        """Whether the descriptor still is the socket: its number may name another file by now."""
        try:
            return _identity(connection) == self._identity
        except OSError:
            return False

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._is_ours(connection):
            connection.close()
        else:
            connection.detach()

    def _lose_broker(self) -> None:
        self._broker_lost = True
        line = (
            "pytest-xdist-gnumake: the job slot broker cannot be reached:"
            f" worker {self._worker_id} goes on without job slots\n"
        )
        # By number, as a test may have replaced or closed what is in `sys`; or the number itself.
        with contextlib.suppress(OSError):
            os.write(2, line.encode(errors="replace"))


def _identity(connection: socket.socket) -> tuple[int, int]:
    status = os.fstat(connection.fileno())
    return status.st_dev, status.st_ino
