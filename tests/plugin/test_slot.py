"""A worker's job slot against a real broker."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from jobserver import Jobserver
from pytest_xdist_gnumake.broker import BrokerProcess, NoBroker
from pytest_xdist_gnumake.connection import Connection, JobSlot
from pytest_xdist_gnumake.packets import PacketSocket


@pytest.fixture
def broker(jobserver: Jobserver) -> Iterator[BrokerProcess]:
    broker = BrokerProcess.start()
    assert isinstance(broker, BrokerProcess)
    yield broker
    broker.close()
    assert not Path(broker.address).parent.exists()


@pytest.fixture
def slot(broker: BrokerProcess) -> Iterator[JobSlot]:
    slot = JobSlot(_connection(broker.address, "gw0"))
    yield slot
    slot.close()


def _connection(address: str, worker_id: str) -> Connection:
    return Connection(lambda: PacketSocket.connect(address), worker_id)


def _descriptor(slot: JobSlot) -> int:
    packets = slot._connection._socket
    assert isinstance(packets, PacketSocket)
    return packets.fileno()


def _child_waits_for_a_slot(address: str) -> int:
    """Fork a process that acquires and releases a slot; its exit status is 0 if it got one."""
    pid = os.fork()
    if pid == 0:
        slot = JobSlot(_connection(address, "gw1"))
        slot.acquire()
        os._exit(0 if slot.held else 1)
    return pid


def test_broker_knows_the_number_of_slots(broker: BrokerProcess) -> None:
    assert broker.job_slots == 3


def test_first_slot_is_the_implicit_one(slot: JobSlot, jobserver: Jobserver) -> None:
    slot.acquire()
    tokens = jobserver.drain()
    assert tokens == jobserver.tokens()
    jobserver.give(tokens)
    slot.release()


def test_acquire_and_release_can_be_repeated(slot: JobSlot) -> None:
    for _ in range(3):
        slot.acquire()
        slot.acquire()
        slot.release()
        slot.release()


def test_connection_closed_while_holding(slot: JobSlot, broker: BrokerProcess) -> None:
    """The worker keeps its slot while it works, gives it up when done, and can have another."""
    slot.acquire()
    os.close(_descriptor(slot))
    slot.release()
    children = [_child_waits_for_a_slot(broker.address) for _ in range(3)]
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    slot.acquire()
    assert slot.held


def test_connection_closed_while_idle(slot: JobSlot) -> None:
    slot.acquire()
    slot.release()
    os.close(_descriptor(slot))
    slot.acquire()
    assert slot.held


def test_another_socket_under_the_number_of_the_connection(slot: JobSlot) -> None:
    """What a test has put there is neither written to nor closed."""
    slot.acquire()
    descriptor = _descriptor(slot)
    one, other = socket.socketpair()
    with one, other:
        os.dup2(one.fileno(), descriptor)
        slot.release()
        slot.acquire()
        slot.release()
        os.write(descriptor, b"still mine")
        assert other.recv(100) == b"still mine"
        os.close(descriptor)


def test_forked_child_leaves_the_slot_alone(slot: JobSlot) -> None:
    slot.acquire()
    pid = os.fork()
    if pid == 0:
        slot.release()
        slot.acquire()
        slot.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert slot.held
    slot.release()


def test_interrupt_while_waiting(jobserver: Jobserver, monkeypatch: pytest.MonkeyPatch) -> None:
    """KeyboardInterrupt ends the wait, and the next one is a wait of its own."""
    taken = jobserver.drain()
    broker = BrokerProcess.start()
    assert isinstance(broker, BrokerProcess)
    child_ready, child_stop = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        holder = JobSlot(_connection(broker.address, "gw1"))
        holder.acquire()
        os.write(child_ready[1], b"x")
        os.read(child_stop[0], 1)
        holder.close()
        os._exit(0)
    os.read(child_ready[0], 1)
    slot = JobSlot(_connection(broker.address, "gw0"))
    main, waits = threading.get_ident(), threading.Event()
    interrupter = threading.Thread(target=_interrupt_once_asleep, args=(main, waits))
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        _acquire(slot, waits)
    interrupter.join()
    os.write(child_stop[1], b"x")
    slot.acquire()
    assert slot.held
    assert os.waitpid(pid, 0)[1] == 0
    slot.close()
    broker.close()
    jobserver.give(taken)
    for descriptor in (*child_ready, *child_stop):
        os.close(descriptor)


def test_broker_killed(jobserver: Jobserver, capfd: pytest.CaptureFixture[str]) -> None:
    """Said once; the worker goes on."""
    broker = BrokerProcess.start()
    assert isinstance(broker, BrokerProcess)
    slot = JobSlot(_connection(broker.address, "gw0"))
    slot.acquire()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(60)
        peer.connect(broker.address)
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        os.kill(struct.unpack("3i", credentials)[0], signal.SIGKILL)
        with suppress(ConnectionResetError):
            assert peer.recv(1) == b""
    slot.release()
    slot.acquire()
    slot.release()
    slot.close()
    broker.close()
    assert capfd.readouterr().err == (
        "pytest-xdist-gnumake: the job slot broker cannot be reached:"
        " worker gw0 goes on without job slots\n"
    )
    assert not Path(broker.address).parent.exists()


def _acquire(slot: JobSlot, begins: threading.Event) -> None:
    begins.set()
    slot.acquire()


def _interrupt_once_asleep(thread: int, waits: threading.Event) -> None:
    """Send SIGINT to the main thread once it waits in a system call, of its own or for the GIL."""
    waits.wait()
    stat = Path(f"/proc/self/task/{os.getpid()}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.01)
    signal.pthread_kill(thread, signal.SIGINT)


@pytest.mark.parametrize("variable", ["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS"])
def test_each_variable_is_read(
    jobserver: Jobserver, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("MAKEFLAGS")
    monkeypatch.setenv(variable, jobserver.makeflags)
    broker = BrokerProcess.start()
    assert isinstance(broker, BrokerProcess)
    broker.close()


@pytest.mark.parametrize("value", ["", " -j", "k", "-- X=--jobserver-auth=fifo:/missing"])
def test_no_jobserver_has_no_reason(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MAKEFLAGS", value)
    assert BrokerProcess.start() == NoBroker("")


def test_what_crosses_a_want(tmp_path: Path) -> None:
    """A yield is of the slot before; that slots had to be lent is heard all the same."""
    address = str(tmp_path / "broker")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()

        def answer() -> None:
            worker, _ = listener.accept()
            with worker:
                for answers in ([b"welcome 1"], [b"yield", b"keep", b"grant"], []):
                    worker.recv(100)
                    for packet in answers:
                        worker.send(packet)

        broker = threading.Thread(target=answer)
        broker.start()
        slot = JobSlot(_connection(address, "gw0"))
        slot.acquire()
        assert slot.others_may_wait
        assert not slot.is_asked_for()
        slot.release()
        broker.join()
        slot.close()
