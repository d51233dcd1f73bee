"""What the gateways of remote workers need, before job slots can be trusted to them.

A host that falls silent must be noticed, as a slot that it has would be lost; neither execnet nor
xdist do that. The system does, where it is told to: ssh by messages of its own, which the far
sshd answers (``ServerAliveInterval`` in ssh_config(5)), a socket by those of TCP (tcp(7)). So a
worker that is busy, or stopped, is not taken for one that is gone.
"""

from __future__ import annotations

import socket
from _thread import RLock
from typing import Any

import execnet

#: How many signs of life are asked for until a host counts as gone.
_ASKED = 3


def watch_ssh(spec: execnet.XSpec, silence: int) -> None:
    """Have ssh end when its host has said nothing for so many seconds, if the user has not."""
    if spec.ssh and "ServerAlive" not in spec.ssh:
        options = {
            "ServerAliveInterval": _interval(silence),
            "ServerAliveCountMax": _ASKED,
            "ConnectTimeout": silence,
        }
        spec.ssh = " ".join([*(f"-o{name}={value}" for name, value in options.items()), spec.ssh])


def watch_socket(gateway: execnet.Gateway, silence: int) -> None:
    """The same for a gateway over a socket."""
    sock: socket.socket | None = getattr(gateway._io, "sock", None)
    if sock is None:
        return
    options = {
        "TCP_KEEPIDLE": _interval(silence),
        "TCP_KEEPINTVL": _interval(silence),
        "TCP_KEEPCNT": _ASKED,
        "TCP_USER_TIMEOUT": silence * 1000,
    }
    for name, value in options.items():
        if hasattr(socket, name):  # Not all systems have all of them.
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def write_in_turn(gateway: execnet.Gateway) -> None:
    """Let several threads write to a gateway: a socket takes a long message in pieces.

    A channel that is not needed any more says so when it is collected, which may be in here.
    """
    io: Any = gateway._io
    write, lock = io.write, RLock()

    def write_whole(data: bytes) -> None:
        with lock:
            write(data)

    io.write = write_whole


def _interval(silence: int) -> int:
    return max(1, silence // (_ASKED + 1))
