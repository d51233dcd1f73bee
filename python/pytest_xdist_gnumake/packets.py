"""A socket for the messages of the broker, in a process whose tests do what they like.

They close descriptors and open others under the same numbers; they put guards in the place of
``socket.socket`` and of its methods. So the socket is one of the C type, which cannot be patched,
and its descriptor is looked at before each use.
"""

from __future__ import annotations

import os
from _socket import socket as Socket

from .protocol import SIZE_LIMIT, Message, encode

_fstat = os.fstat


class PacketSocket:
    """An AF_UNIX socket of the kind SOCK_SEQPACKET, which it owns."""

    def __init__(self, connected: Socket) -> None:
        self._socket = connected
        self._identity = self._identity_now()

    def send(self, message: Message) -> None:
        """OSError where the other side has gone, or the socket is not there any more."""
        self._check()
        self._socket.send(encode(message))

    def receive(self) -> bytes:
        """The next packet, or nothing where the other side has gone; OSError as for `send`."""
        self._check()
        return self._socket.recv(SIZE_LIMIT)

    def is_ours(self) -> bool:
        """Whether the descriptor still is the socket: its number may name another file by now."""
        try:
            return self._identity_now() == self._identity
        except OSError:
            return False

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        if self.is_ours():
            self._socket.close()
        else:
            self._socket.detach()

    def _check(self) -> None:
        if not self.is_ours():
            raise ConnectionError("the descriptor of the socket has been closed")

    def _identity_now(self) -> tuple[int, int]:
        status = _fstat(self._socket.fileno())
        return status.st_dev, status.st_ino
