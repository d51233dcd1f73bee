"""What a worker and the controller do with make's fifo where there is no broker."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from jobserver import Jobserver
from processes import state, wait_until
from pytest_xdist_gnumake.connection import FINISHING
from pytest_xdist_gnumake.fifo_jobserver import FifoJobserver
from pytest_xdist_gnumake.fifo_slot import FifoSlot


@pytest.fixture
def slot(jobserver: Jobserver) -> FifoSlot:
    return FifoSlot(jobserver.path, lambda: True)


def test_the_same_token_goes_back(jobserver: Jobserver, slot: FifoSlot) -> None:
    """The fixture of the jobserver looks for that, here and in the tests below."""
    for _ in range(2):
        slot.acquire()
        slot.acquire()
        left = jobserver.drain()
        assert len(left) == 1
        jobserver.give(left)
        slot.release()
        slot.release()


def test_a_forked_process_leaves_the_token_alone(jobserver: Jobserver, slot: FifoSlot) -> None:
    slot.acquire()
    pid = os.fork()
    if pid == 0:
        slot.release()
        slot.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    left = jobserver.drain()
    assert len(left) == 1
    jobserver.give(left)
    slot.close()


def test_an_interrupt_while_it_waits(jobserver: Jobserver, slot: FifoSlot) -> None:
    tokens = jobserver.drain()
    main = threading.get_ident()

    def interrupt() -> None:
        wait_until(lambda: _times_open(jobserver.path) == 2 and state(os.getpid()) == "S")
        signal.pthread_kill(main, signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        slot.acquire()
    interrupter.join()
    slot.release()
    assert jobserver.drain() == b""
    jobserver.give(tokens)


def _times_open(path: str) -> int:
    return [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()].count(path)


def test_an_interrupt_in_the_moment_in_which_it_gets_a_token(
    slot: FifoSlot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readv_and_interrupt(fifo: int, buffers: list[bytearray]) -> int:
        os.readv(fifo, buffers)
        raise KeyboardInterrupt

    monkeypatch.setattr("pytest_xdist_gnumake.fifo_slot.original.readv", readv_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        slot.acquire()
    slot.close()


def test_the_controller_dies_while_it_waits(jobserver: Jobserver) -> None:
    tokens = jobserver.drain()
    slot = FifoSlot(jobserver.path, lambda: False)
    with pytest.raises(KeyboardInterrupt):
        slot.acquire()
    slot.acquire(FINISHING)  # Without a token: what is to be torn down waits for nobody.
    jobserver.give(tokens)
    slot.release()


def test_make_has_gone(tmp_path: Path) -> None:
    """Its fifo is there or not; nobody has it open."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    slot = FifoSlot(os.fspath(path), lambda: True)
    slot.acquire()
    path.unlink()
    slot.acquire()
    slot.release()


@pytest.mark.parametrize(
    ("variables", "job_slots"),
    [
        ({"MAKEFLAGS": "k -j8 --jobserver-auth=fifo:{0} -- A=--jobserver-auth=fifo:/x"}, 8),
        ({"MAKEFLAGS": "--jobserver-auth=3,4 -j --jobserver-auth=fifo:{0}"}, 0),
        ({"MFLAGS": "-w -j2 -j3 --jobserver-auth=fifo:{0}"}, 3),
        ({"MAKEFLAGS": "", "CARGO_MAKEFLAGS": "-j4 --jobserver-auth=fifo:{0}"}, 4),
    ],
)
def test_the_fifo_that_is_named(tmp_path: Path, variables: dict[str, str], job_slots: int) -> None:
    path = tmp_path / "a fifo"
    os.mkfifo(path)
    for named in (path, path.name):
        text = str(named).replace(" ", "\\ ")
        environment = {name: value.format(text) for name, value in variables.items()}
        fifo = FifoJobserver.of(environment, os.fspath(tmp_path))
        assert fifo is not None
        assert fifo.job_slots == job_slots


@pytest.mark.parametrize(
    "makeflags",
    [
        "",
        "k -j8",
        "-- A=--jobserver-auth=fifo:fifo",
        "--jobserver-auth=fifo:fifo --jobserver-auth=3,4",
        "--jobserver-auth=fifo:missing",
        "--jobserver-auth=fifo:file",
    ],
)
def test_no_fifo_is_named(tmp_path: Path, makeflags: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    environment = {"MAKEFLAGS": makeflags, "MFLAGS": "--jobserver-auth=fifo:fifo"}
    assert FifoJobserver.of(environment, os.fspath(tmp_path)) is None
