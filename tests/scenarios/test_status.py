"""What `jobslots status` and `jobslots top` show of real sessions."""

from __future__ import annotations

import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest
from processes import state, wait_until
from pytest_run import PytestRun
from pytest_xdist_gnumake.executable import EXECUTABLE
from scenario import FIFO, Scenario

PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")

#: A file of tests that wait for a file to let them go.
WAITING = """
import pytest
from spans import wait_for

@pytest.mark.parametrize("number", range(6))
def test_waits(number, worker_id):
    open(f"begun-{worker_id}", "w").close()
    wait_for("stop")
"""


def status(scenario: Scenario, *arguments: str) -> dict[str, Any]:
    """What it says as JSON; but sessions only of this scenario."""
    run = subprocess.run(
        [EXECUTABLE, "status", "--json", *arguments],
        env=scenario.environment,
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    found = json.loads(run.stdout)
    assert isinstance(found, dict)
    assert run.returncode == (0 if found["pool"] or found["holders"] else 1)
    ours = scenario.processes()
    found["holders"] = [holder for holder in found["holders"] if holder["process"] in ours]
    return found


def running_tests(holder: dict[str, Any]) -> dict[str, str]:
    """The test of each worker that runs one."""
    workers = holder["session"]["workers"]
    return {worker["name"]: worker["test"]["name"] for worker in workers if worker["test"]}


@pytest.fixture
def runtime(scenario: Scenario) -> Iterator[Path]:
    """The place of the scenario's own pool."""
    folder = scenario.folder / "run"
    folder.mkdir(mode=0o700)
    scenario.environment |= {"XDG_RUNTIME_DIR": str(folder), "JOBSLOTS_POOL_LINGER": "1"}
    scenario.environment.pop("JOBSLOTS_POOL", None)
    scenario.write("test_waiting.py", WAITING)
    yield folder / "jobslots"
    let_go(scenario)


def wait_for_tests(scenario: Scenario) -> None:
    wait_until(lambda: all((scenario.folder / f"begun-gw{n}").exists() for n in range(2)))


def let_go(scenario: Scenario) -> None:
    (scenario.folder / "stop").touch()


def check_session(found: dict[str, Any], title: str) -> None:
    (holder,) = found["holders"]
    assert holder["kind"] == "session"
    assert holder["title"] == f"pytest -q -p no:cacheprovider {title}"
    assert (holder["held"], holder["session"]["job_slots"]) == (2, 2)
    assert holder["session"]["tests_known"]
    tests = running_tests(holder)
    assert sorted(tests) == ["gw0", "gw1"]
    assert len(set(tests.values())) == 2
    assert all(name.startswith("test_waiting.py::test_waits[") for name in tests.values())


def test_under_make(scenario: Scenario, runtime: Path) -> None:
    title = "-n2 test_waiting.py"
    scenario.write("Makefile", f"all:\n\t{' '.join(PYTEST)} {title}\n")
    make = scenario.start(*FIFO.command, "-j2")
    wait_for_tests(scenario)
    wait_until(lambda: len(running_tests(status(scenario)["holders"][0])) == 2)
    found = status(scenario)
    assert found["pool"] is None
    assert found["holders"][0]["folder"] == str(scenario.folder)
    check_session(found, title)
    let_go(scenario)
    assert "6 passed" in scenario.end(make).output


def test_in_a_pool(scenario: Scenario, runtime: Path) -> None:
    """And where its controller or its broker is stopped, what the others know."""
    title = "-n2 test_waiting.py"
    in_pool = {"JOBSLOTS_POOL": "machine", "JOBSLOTS_JOBS": "2"}
    session = scenario.start(*PYTEST, *title.split(), **in_pool)
    wait_for_tests(scenario)
    wait_until(lambda: len(running_tests(status(scenario, "machine")["holders"][0])) == 2)
    found = status(scenario, "machine")
    pool = found["pool"]
    assert (pool["folder"], pool["job_slots"], pool["held"]) == (str(runtime), 2, 2)
    check_session(found, title)
    os.kill(session.pid, signal.SIGSTOP)
    wait_until(lambda: state(session.pid) == "T")
    (holder,) = status(scenario)["holders"]
    assert not holder["session"]["tests_known"]
    assert [worker["state"] for worker in holder["session"]["workers"]] == ["working", "working"]
    os.kill(holder["process"], signal.SIGSTOP)
    wait_until(lambda: state(holder["process"]) == "T")
    (stopped,) = status(scenario, "machine")["holders"]
    assert (stopped["session"], stopped["held"], stopped["title"]) == (None, 2, holder["title"])
    for pid in (holder["process"], session.pid):
        os.kill(pid, signal.SIGCONT)
    let_go(scenario)
    assert "6 passed" in scenario.end(session).output


def test_workers_that_start_all_at_once(scenario: Scenario, runtime: Path) -> None:
    """xdist's own session does not say which of them runs a test."""
    run = PytestRun(scenario, 3)
    session = run.start("-n2", "--jobslots-start=all", "test_waiting.py")
    wait_for_tests(scenario)
    wait_until(lambda: len(status(scenario)["holders"][0]["session"]["other_tests"]) == 2)
    let_go(scenario)
    assert "6 passed" in scenario.end(session).output
    run.jobserver.close()


def test_nothing_there(scenario: Scenario, tmp_path: Path) -> None:
    for command in ("status", "top"):
        outcome = scenario.run(str(EXECUTABLE), command, str(tmp_path / "none"))
        assert outcome.status == 1
        assert outcome.output == f"there is no pool of job slots at {tmp_path / 'none'}\n"
    assert not (tmp_path / "none").exists()


@contextmanager
def terminal(columns: int, rows: int) -> Iterator[tuple[int, int]]:
    """Both ends of one: the one that shows, and the one for the program."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


def read_until(descriptor: int, *texts: bytes) -> bytes:
    """What is read up to any of the texts, and all that came with it."""
    seen = b""
    while not any(text in seen for text in texts):
        seen += os.read(descriptor, 65536)
    return seen


def top_in(
    terminal: int, folder: Path, scenario: Scenario, hang_up: signal.Handlers
) -> subprocess.Popen[bytes]:
    def prepare() -> None:
        ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, hang_up)  # As it may be ignored in these tests themselves.

    return subprocess.Popen(
        [EXECUTABLE, "top", str(folder)],
        stdin=terminal,
        stdout=terminal,
        env=scenario.environment,
        start_new_session=True,
        preexec_fn=prepare,
    )


@pytest.mark.parametrize("end", ["q", "^C", signal.SIGTERM, signal.SIGHUP], ids=str)
def test_top(scenario: Scenario, runtime: Path, end: str | signal.Signals) -> None:
    """It paints, at the width that the terminal has then, and restores it."""
    with terminal(80, 24) as (ours, theirs):
        before = termios.tcgetattr(theirs)
        top = top_in(theirs, runtime, scenario, signal.SIG_DFL)
        read_until(ours, b"there is no pool of job slots at ")
        assert termios.tcgetattr(theirs) != before
        ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 24, 20, 0, 0))
        read_until(ours, b"\x1b[Hthere is...")
        if isinstance(end, signal.Signals):
            top.send_signal(end)
        else:
            os.write(ours, b"\x03" if end == "^C" else end.encode())
        seen = read_until(ours, b"\x1b[?1049l")
        assert b"\x1b[?25h" in seen
        expected = {"q": 0, "^C": -signal.SIGINT}.get(str(end))
        assert top.wait(60) == (-end if isinstance(end, signal.Signals) else expected)
        assert termios.tcgetattr(theirs) == before


def test_top_goes_on_where_hang_up_is_ignored(scenario: Scenario, runtime: Path) -> None:
    with terminal(80, 24) as (ours, theirs):
        top = top_in(theirs, runtime, scenario, signal.SIG_IGN)
        read_until(ours, b"there is no pool of job slots at ")
        top.send_signal(signal.SIGHUP)
        ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 24, 20, 0, 0))
        assert b"1049l" not in read_until(ours, b"there is...", b"\x1b[?1049l")
        os.write(ours, b"q")
        assert top.wait(60) == 0
