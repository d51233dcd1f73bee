"""Workers that cannot reach the broker's socket, as they are on another machine or in a container.

The controller opens a channel to each of them, over the gateway that xdist has made, and passes on
what the worker and the broker say to each other. For the broker each is a connection of its own, of
the role ``remote``: it ends with the channel, when the worker has ended or is out of reach.
"""

from __future__ import annotations

import contextlib
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import execnet

from . import gateways
from .broker import BrokerProcess, NoBroker
from .packets import PacketSocket
from .places import is_elsewhere, may_not_reach_broker, place
from .protocol import Done, Hello, Next, Note, Want, decode_for_broker, decode_for_controller
from .worker_channel import CHANNEL, SLOTS

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


class Relay:
    """Passes on what one worker and the broker say to each other."""

    def __init__(
        self,
        channel: execnet.Channel,
        worker_id: str,
        address: str,
        on_note: Callable[[str], None],
    ) -> None:
        """``on_note`` is called, from a thread, with what the worker has to say to people.

        ``address`` is empty where there is no broker for it.
        """
        self._channel = channel
        self._worker_id = worker_id
        self._address = address
        self._on_note = on_note
        #: Whether the plugin is there, on the other side.
        self.spoken = False
        self._lock = allocate_lock()
        #: The connection to the broker. A thread reads and closes it.
        self._packets: PacketSocket | None = None
        channel.setcallback(self._hear, endmarker=None)

    def _hear(self, packet: bytes | None) -> None:
        """What the worker says, in the gateway's thread; None is the channel's end."""
        self.spoken = self.spoken or packet is not None
        try:
            self._pass_to_broker(packet or b"")
        except Exception:  # Nothing that a worker says may end that thread.
            self._disconnect()
            self._close_channel()

    def _pass_to_broker(self, packet: bytes) -> None:
        message = decode_for_broker(packet) or decode_for_controller(packet)
        if isinstance(message, Hello):
            self._connect(message.version)
        elif isinstance(message, Want | Next | Done):
            if self._packets is None:
                raise ConnectionError("there is no connection")
            self._packets.send(message)
        elif isinstance(message, Note):
            self._on_note(message.text)
        else:
            self._disconnect()

    def _connect(self, version: int) -> None:
        self._disconnect()
        packets = PacketSocket.connect(self._address)
        with self._lock:
            self._packets = packets
        start_new_thread(self._pass_to_worker, (packets,))
        packets.send(Hello(version, "remote", self._worker_id))

    def _pass_to_worker(self, packets: PacketSocket) -> None:
        try:
            with contextlib.suppress(OSError):
                while packet := packets.receive():
                    with self._lock:
                        if self._packets is not packets:
                            return
                        self._channel.send(packet)
            if self._packets is packets:  # The broker has gone, or wants no more of this worker.
                self._close_channel()
        finally:
            packets.close()

    def _close_channel(self) -> None:
        with contextlib.suppress(OSError):  # The gateway has gone before it.
            self._channel.close()

    def _disconnect(self) -> None:
        """What the worker has is free from here on. Nothing more is passed to it."""
        with self._lock:
            packets, self._packets = self._packets, None
        if packets is not None:
            packets.shut_down()


class RemoteWorkers:
    """The workers that the controller speaks for."""

    def __init__(
        self,
        slots: str,
        silence: int,
        broker: BrokerProcess | NoBroker,
        report: Callable[[str], None],
    ) -> None:
        """``slots`` is what ``--jobslots-remote`` says, ``silence`` the seconds after which a host
        that says nothing counts as gone. ``report`` may be called from a thread.
        """
        self._slots = slots
        self._silence = silence
        self._broker = broker if isinstance(broker, BrokerProcess) else None
        self._report = report
        self._relays: dict[str, Relay] = {}
        self._notes: set[tuple[str, str]] = set()

    def prepare(self, specs: Iterable[execnet.XSpec]) -> None:
        """Before their gateways are made."""
        for spec in specs:
            gateways.watch_ssh(spec, self._silence)

    def connected(self, gateway: execnet.Gateway) -> None:
        """Before the worker is set up."""
        gateways.watch_socket(gateway, self._silence)
        gateways.write_in_turn(gateway)

    def attach(self, node: WorkerController) -> None:
        """Give a worker that is being set up its channel, if it may need one."""
        spec = node.gateway.spec
        slots = self._slots if is_elsewhere(spec) else "share"
        needed = self._broker is not None and may_not_reach_broker(spec)
        if not (needed if slots == "share" else slots == "pool"):
            return
        channel = node.gateway.newchannel()
        self._relays[node.gateway.id] = Relay(
            channel,
            node.gateway.id,
            self._broker.address if self._broker and slots == "share" else "",
            lambda text: self._report_once(place(spec), text),
        )
        node.workerinput[CHANNEL] = channel
        node.workerinput[SLOTS] = slots

    def ready(self, node: WorkerController) -> None:
        """The worker has been configured: by now it has spoken if the plugin is there."""
        relay = self._relays.get(node.gateway.id)
        if relay is None or relay.spoken:
            return
        self._report_once(
            place(node.gateway.spec),
            "workers run without job slots, as pytest-xdist-gnumake is not installed there",
        )
        if self._broker:
            self._broker.cancel(node.gateway.id)

    def lost(self, node: WorkerController) -> None:
        """A worker has ended that should not have."""
        spec = node.gateway.spec
        if node.gateway.id in self._relays and self._slots == "share" and is_elsewhere(spec):
            self._report(
                f"pytest-xdist-gnumake: {node.gateway.id} at {place(spec)} has ended, or is out of"
                " reach: its job slot is free"
            )

    def _report_once(self, where: str, text: str) -> None:
        if (where, text) not in self._notes:
            self._notes.add((where, text))
            self._report(f"pytest-xdist-gnumake: {where}: {text}")
