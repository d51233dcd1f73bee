"""A socket for the messages of the broker, in a process whose tests do what they like.

They close descriptors and open others under the same numbers; they put guards in the place of
``socket.socket`` and of its methods. So the socket is one of the C type, which cannot be patched,
and its descriptor is looked at before each message that is sent.
"""

from __future__ import annotations

import _socket
from _socket import socket as Socket
from collections.abc import Callable
from functools import partial

from .originals import original
from .protocol import SIZE_LIMIT, Message, encode

_socketpair = getattr(_socket, "socketpair", None)  # There is none on Windows.


def socket_pair(timeout: float) -> tuple[PacketSocket, Socket]:
    """Our end, whose waits end with a TimeoutError after so many seconds, and that for a child."""
    assert _socketpair
    ours, theirs = _socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    ours.settimeout(timeout)
    return PacketSocket(ours), theirs


class PacketSocket:
    """An AF_UNIX socket of the kind SOCK_SEQPACKET, which it owns."""

    def __init__(self, connected: Socket) -> None:
        self._socket = connected
        self._identity = self._identity_now()
        poll = original.poll()
        poll.register(connected.fileno(), original.POLLIN)
        #: Whether a packet is there, or the other side or the socket has gone: a system call.
        self.has_packet: Callable[[], object] = partial(poll.poll, 0)

    @classmethod
    def connect(cls, address: str) -> PacketSocket:
        """A new one, to who listens at this path. OSError if that fails."""
        connected = Socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        try:
            connected.settimeout(None)
            connected.connect(address)
            return cls(connected)
        except BaseException:
            connected.close()
            raise

    def send(self, message: Message) -> None:
        """OSError where the other side has gone, or the socket is not there any more."""
        if not self.is_ours():
            raise ConnectionError("the descriptor of the socket has been closed")
        self._socket.send(encode(message))

    def receive(self) -> bytes:
        """The next packet, or nothing where the other side has gone."""
        return self._socket.recv(SIZE_LIMIT)

    def is_ours(self) -> bool:
        """Whether the descriptor still is the socket: its number may name another file by now."""
        try:
            return self._identity_now() == self._identity
        except OSError:
            return False

    def fileno(self) -> int:
        return self._socket.fileno()

    def shut_down(self) -> None:
        """Have both sides see the end, a thread that waits here for a packet included."""
        if self.is_ours():
            self._socket.shutdown(_socket.SHUT_RDWR)

    def close(self) -> None:
        if self.is_ours():
            self._socket.close()
        else:
            self._socket.detach()

    def _identity_now(self) -> tuple[int, int]:
        status = original.fstat(self._socket.fileno())
        return status.st_dev, status.st_ino
