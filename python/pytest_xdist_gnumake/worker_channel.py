"""A worker's way to the broker where it cannot reach the broker's socket: an execnet channel.

The controller opens it and passes on what goes over it, see ``remote.py``. Each item is one message
of the protocol, as bytes; an empty one says that the connection is given up, as the end of a socket
does. Another one may follow.
"""

from __future__ import annotations

import sys
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from .protocol import Message, encode

if TYPE_CHECKING:
    import execnet

#: Where a worker finds its end in xdist's ``workerinput``: the channel, and whose slots it is for.
CHANNEL, SLOTS = "jobslots_channel", "jobslots_remote"

_HANG_UP = b""


class FarEnd(NamedTuple):
    """The worker's end of its channel."""

    channel: execnet.Channel
    #: What ``--jobslots-remote`` says for this worker.
    slots: str

    def say(self, message: Message) -> None:
        self.channel.send(encode(message))

    def say_it_is_not_needed(self) -> None:
        self.channel.send(_HANG_UP)


def take_far_end() -> FarEnd | None:
    """The one that this process has as a worker. A pytest that a test runs here is none."""
    xdist_input: dict[str, Any] = xdist_global("workerinput") or {}
    if CHANNEL not in xdist_input:
        return None
    return FarEnd(xdist_input.pop(CHANNEL), xdist_input.pop(SLOTS))


def xdist_global(name: str) -> Any:
    """A variable of the module that xdist runs in a worker, or None in any other process.

    By the frame, as a worker's ``config`` has it only when the first conftest files are imported.
    """
    frame: FrameType | None = sys._getframe()
    while frame and frame.f_globals.get("__name__") != "__channelexec__":  # Its name in execnet.
        frame = frame.f_back
    return frame.f_globals.get(name) if frame else None


class ChannelPackets:
    """As `PacketSocket`, over a channel, which is execnet's."""

    def __init__(self, channel: execnet.Channel) -> None:
        self._channel = channel
        self._received: SimpleQueue[bytes] = SimpleQueue()
        # Called in execnet's thread.
        channel.setcallback(self._received.put, endmarker=_HANG_UP)

    def send(self, message: Message) -> None:
        """OSError where the other side has gone."""
        self._channel.send(encode(message))

    def receive(self) -> bytes:
        """The next packet, or nothing where the other side has gone."""
        packet = self._received.get()
        if packet == _HANG_UP:
            self._received.put(packet)  # It stays so.
        return packet

    def has_packet(self) -> bool:
        """Whether one is there, or the other side has gone."""
        return not self._received.empty()

    def is_ours(self) -> bool:
        return True

    def close(self) -> None:
        """Give up what was got. The channel stays, for another beginning."""
        if not self._channel.isclosed():
            self._channel.send(_HANG_UP)
