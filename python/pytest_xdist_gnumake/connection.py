"""A worker's connection to the broker, and the job slot that it gets over it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from .originals import original
from .protocol import (
    VERSION,
    Done,
    Grant,
    Hello,
    Keep,
    Message,
    Next,
    Refused,
    ToBroker,
    ToWorker,
    Want,
    Welcome,
    Yield,
)
from .protocol import decode_for_worker as decode

A = TypeVar("A", bound=ToWorker)

#: What a worker wants its slot for at last.
FINISHING = "finishing"

#: What is said at each test where no trace is written.
_WANT, _DONE = Want(), Done()


class Packets(Protocol):
    """What messages go over: `PacketSocket`, `ChannelPackets`."""

    def send(self, message: Message) -> None: ...
    def receive(self) -> bytes: ...
    @property
    def has_packet(self) -> Callable[[], object]: ...
    def is_ours(self) -> bool: ...
    def close(self) -> None: ...


def _always() -> bool:
    return True


class Connection:
    """How a worker speaks with the broker.

    Tests do what they like with descriptors: where the socket is not there any more, a new one is
    opened. A second connection of the same process replaces the first one and gives up what that
    held. So whatever goes wrong in an exchange, a KeyboardInterrupt included, the cure is to drop
    the connection.
    """

    def __init__(self, connect: Callable[[], Packets], worker_id: str) -> None:
        """``connect`` makes a new connection, or raises OSError."""
        self.worker_id = worker_id
        self._connect = connect
        self._pid = original.getpid()
        self._socket: Packets | None = None
        #: Whether it is worth to ask for what was heard: mostly not. Asked at each test, so this is
        #: the question itself: one call, one system call.
        self.has_news: Callable[[], object] = _always
        #: Whether the broker writes a trace, and so wants to know what the slot is used for.
        self.traced = False
        #: Whether slots had to be lent in this session, see `Keep`.
        self.others_may_wait = False

    def is_open(self) -> bool:
        return self._socket is not None

    def belongs_here(self) -> bool:
        """False in a process that a test has forked: it may not speak for the worker."""
        return original.getpid() == self._pid

    def open(self) -> Packets:
        """Connect, where there is no connection. OSError if that fails."""
        if self._socket is None:
            self._socket = self._introduced(self._connect())
            self.has_news = self._socket.has_packet
        return self._socket

    def _introduced(self, packets: Packets) -> Packets:
        try:
            welcome = self._exchange(packets, Hello(VERSION, "worker", self.worker_id), Welcome)
            if welcome.version != VERSION:
                raise ConnectionError(f"a broker of version {welcome.version}")
        except BaseException:
            packets.close()
            raise
        self.traced = welcome.traced
        return packets

    def ask(self, message: ToBroker, answer: type[A]) -> A:
        """Send a message and wait for its answer. Any failure leaves no connection."""
        try:
            return self._exchange(self.open(), message, answer)
        except BaseException:
            self.drop()
            raise

    def tell(self, message: ToBroker) -> None:
        """Send a message over the connection that there is. Any failure leaves none."""
        try:
            if self._socket is None:
                raise ConnectionError("there is no connection")
            self._socket.send(message)
        except BaseException:
            self.drop()
            raise

    def _exchange(self, packets: Packets, message: ToBroker, answer: type[A]) -> A:
        packets.send(message)
        while not isinstance(received := decode(packets.receive()), answer):
            if received is None or isinstance(received, Refused):
                raise ConnectionError(f"the broker says {received}")
            # What else there is crosses the message, or is for an earlier connection.
            self.others_may_wait = self.others_may_wait or isinstance(received, Keep)
        return received

    def heard(self) -> Iterator[ToWorker]:
        """What the broker has said meanwhile, without waiting. Any failure leaves no connection."""
        try:
            while self._socket is not None and self._socket.has_packet():
                if not self._socket.is_ours():
                    raise ConnectionError("a test has closed the socket")
                message = decode(self._socket.receive())
                if message is None:
                    raise ConnectionError("the broker has gone")
                self.others_may_wait = self.others_may_wait or isinstance(message, Keep)
                yield message
        except Exception:
            self.drop()

    def drop(self) -> None:
        """Close the connection, and so give up what was got over it."""
        packets, self._socket = self._socket, None
        self.has_news = _always
        if packets is not None:
            packets.close()


class JobSlot:
    """The one job slot that an xdist worker may hold.

    Where the broker has gone, the worker says so once and goes on without job slots.
    """

    def __init__(
        self, connection: Connection, controller_lives: Callable[[], bool] = lambda: True
    ) -> None:
        """Where the controller does not live, nobody is to be told that the broker has gone."""
        self._connection = connection
        self._controller_lives = controller_lives
        #: Whether this worker has the slot.
        self.held = False
        self._broker_lost = False
        self._asked_for = False

    @property
    def others_may_wait(self) -> bool:
        """Whether slots had to be lent in this session, see `Keep`."""
        return self._connection.others_may_wait

    @property
    def traced(self) -> bool:
        """Whether it is of use to say what the slot is wanted for."""
        return self._connection.traced

    def acquire(self, work: str = "") -> None:
        """Wait until this worker holds a job slot.

        ``work`` is for the trace: ``starting``, `FINISHING`, or ``test`` and a node id. That a
        worker finishes is always said: where the controller is dead, it does not wait for that.
        """
        if self.held or not self._is_in_use():
            return
        want = Want(work) if self.traced or work == FINISHING else _WANT
        for _ in range(2):  # The second time over a new connection.
            try:
                self._connection.ask(want, Grant)
            except Exception:
                continue
            self.held = True
            self._asked_for = False
            return
        self._lose_broker()

    def is_asked_for(self) -> bool:
        """Whether the broker has asked for the job slot, so that it must not be kept any longer."""
        if not self.held:
            return True
        # A process that a test has forked looks too, but must not take what the worker is to hear.
        if self._connection.has_news() and self._is_in_use():
            for message in self._connection.heard():
                self._asked_for = self._asked_for or isinstance(message, Yield)
            return self._asked_for or not self._connection.is_open()
        return self._asked_for

    def go_on(self, outcome: str, work: str) -> None:
        """For the trace: the work that the slot was wanted for has ended, and other work begins."""
        if self.traced and self.held and self._is_in_use():
            with contextlib.suppress(Exception):
                self._connection.tell(Next(original.monotonic_ns(), outcome or "none", work))

    def release(self, outcome: str = "") -> None:
        """Give the job slot back, if this worker holds one.

        ``outcome`` is for the trace: that of the test.
        """
        if not self.held or not self._is_in_use():
            return
        self.held = False
        try:
            self._connection.tell(Done(outcome) if outcome else _DONE)
        except Exception:
            try:
                self._connection.open()  # Gives up what the lost one held.
            except Exception:
                self._lose_broker()

    def close(self) -> None:
        """Give the job slot back and leave the broker."""
        self.release()
        if self._is_in_use():
            self._connection.drop()

    def _is_in_use(self) -> bool:
        return not self._broker_lost and self._connection.belongs_here()

    def _lose_broker(self) -> None:
        self._broker_lost = True
        if not self._controller_lives():
            return
        line = (
            "pytest-xdist-gnumake: the job slot broker cannot be reached:"
            f" worker {self._connection.worker_id} goes on without job slots\n"
        )
        # By number, as a test may have replaced or closed what is in `sys`; or the number itself.
        with contextlib.suppress(OSError):
            original.write(2, line.encode(errors="replace"))
