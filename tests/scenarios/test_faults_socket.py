"""Where workers find the broker: elsewhere if TMPDIR is of no use, and for no other user."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_run import PytestRun


def _socket_path_too_long(folder: Path) -> str:
    path = folder / ("x" * 100)
    path.mkdir()
    return str(path)


def _missing(folder: Path) -> str:
    return str(folder / "missing")


@pytest.mark.parametrize("tmpdir", [_socket_path_too_long, _missing])
def test_tmpdir_is_of_no_use(four: PytestRun, tmpdir: Callable[[Path], str]) -> None:
    """The socket is elsewhere, and goes from there."""
    unusable = tmpdir(four.scenario.folder)
    four.scenario.suite("suite", 4, 0.01, more=four.long.text)
    process = four.start("-n2", "suite", TMPDIR=unusable)
    four.long.wait()
    address = four.address()
    assert address.is_socket()
    assert not str(address).startswith(unusable)
    four.long.let_go()
    outcome = four.scenario.end(process)
    assert outcome.status == 0, outcome.output
    assert not address.parent.exists()


FULL_DISK = "mount -t tmpfs -o nr_inodes=1 none tmp && exec env TMPDIR=$PWD/tmp"


def test_tmpdir_is_on_a_full_disk(four: PytestRun) -> None:
    in_namespace = ("unshare", "--mount", "sh", "-c")
    folder = four.scenario.folder
    check = subprocess.run([*in_namespace, f"{FULL_DISK} true"], cwd=folder, capture_output=True)
    if check.returncode != 0:
        pytest.skip("a file system may not be mounted here")
    four.scenario.suite("suite", 4, 0.01, more=four.long.text)
    pytest_command = f"{sys.executable} -m pytest -q -n2 suite"
    process = four.scenario.start(
        *in_namespace, f"{FULL_DISK} {pytest_command}", MAKEFLAGS=four.jobserver.makeflags
    )
    four.long.wait()
    address = four.address()
    assert not str(address).startswith(str(folder))
    four.long.let_go()
    outcome = four.scenario.end(process)
    assert outcome.status == 0, outcome.output
    assert not address.parent.exists()


def test_the_folder_is_removed(four: PytestRun) -> None:
    """A worker that comes then says so, and works on the slot that it was started with."""
    crash = "import os\ndef test_crash(): os._exit(1)\ndef test_after(): pass\n"
    four.scenario.suite("suite", 0, more=four.long.text + crash)
    process = four.start("-n1", "suite")
    four.long.wait()
    address = four.address()
    address.unlink()
    address.parent.rmdir()
    four.long.let_go()
    outcome = four.scenario.end(process)
    assert "1 failed, 2 passed" in outcome.output
    assert "cannot be reached: worker gw1 goes on without job slots" in outcome.output
    assert "worker gw0 goes on" not in outcome.output


def _connects_and_is_welcome(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(address))
        try:
            connection.send(b"hello 1 worker gw9")
            return connection.recv(256) != b""
        except OSError:
            return False


def _as_nobody(is_so: Callable[[], bool]) -> bool:
    """The result of a function that a child calls as the user nobody."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            status = 0 if is_so() else 1
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, 1)
    return status == 0


def _is_denied(access: Callable[[], object]) -> bool:
    try:
        access()
    except PermissionError:
        return True
    return False


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


@needs_root
def test_another_user_can_neither_connect_nor_look(four: PytestRun) -> None:
    four.scenario.suite("suite", 4, 0.01, more=four.long.text)
    process = four.start("-n2", "suite", TMPDIR="/tmp")
    four.long.wait()
    address = four.address()
    folder = address.parent
    assert _as_nobody(folder.is_dir), "it is the folder's own mode that is tested"
    assert _as_nobody(lambda: _is_denied(lambda: list(folder.iterdir())))
    assert _as_nobody(lambda: _is_denied(lambda: _connects_and_is_welcome(address)))
    assert _connects_and_is_welcome(address)
    # Even where the folder lets them in, the broker does not talk to them.
    folder.chmod(0o755)
    address.chmod(0o777)
    assert not _as_nobody(lambda: _connects_and_is_welcome(address))
    four.long.let_go()
    outcome = four.scenario.end(process)
    assert outcome.status == 0, outcome.output
