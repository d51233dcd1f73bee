"""Nothing lost, nobody stuck: workers that die, and tests that change the worker they run in."""

from __future__ import annotations

import pytest
from marks import each_kind_of_make, each_way_to_start
from pytest_run import PytestRun
from scenario import FIFO, Make, Scenario
from spans import most_at_once

CRASHES = """
import ctypes, os, signal

def test_killed_1():
    os.kill(os.getpid(), signal.SIGKILL)

def test_killed_2():
    os.kill(os.getpid(), signal.SIGKILL)

def test_killed_3():
    os.kill(os.getpid(), signal.SIGKILL)

def test_exits():
    os._exit(3)

def test_segfaults():
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    ctypes.string_at(0)
"""


@each_kind_of_make
def test_workers_that_die_take_no_token_along(scenario: Scenario, make: Make) -> None:
    scenario.suite("suite", 80, 0.1)
    scenario.write("suite/test_crashes.py", CRASHES)
    outcome = scenario.session_then_full_width(make, "-q -p no:faulthandler -n4 suite")
    assert "5 failed, 80 passed" in outcome.output
    assert len(outcome.of("test")) == 80
    assert outcome.most == 4
    assert most_at_once(outcome.of("test")[-40:]) == 4, "not at full width to the end"


DIES = {
    "while it starts up": "die()\n",
    "while it collects": "def pytest_collection_modifyitems(): die()\n",
    "between grant and start": """
from pytest_xdist_gnumake.connection import JobSlot
acquire = JobSlot.acquire
def acquire_and_die(slot, work):
    acquire(slot, work)
    assert slot.held
    die()
JobSlot.acquire = acquire_and_die
""",
    "while it finishes": "def pytest_sessionfinish(): die()\n",
}


@pytest.mark.parametrize("when", DIES)
@each_way_to_start
def test_a_worker_is_killed(scenario: Scenario, when: str, start: str) -> None:
    died = scenario.folder / "died"
    scenario.suite("suite", 40, 0.02)
    scenario.write(
        "suite/conftest.py",
        "import os, signal\n"
        "def die():\n"
        "    if os.environ.get('PYTEST_XDIST_WORKER') == 'gw1':\n"
        f"        open({str(died)!r}, 'w').close()\n"
        f"        os.kill(os.getpid(), signal.SIGKILL)\n{DIES[when]}",
    )
    session = f"-q -n4 --jobslots-start={start} suite"
    outcome = scenario.session_then_full_width(FIFO, session)
    assert died.exists()
    assert outcome.most <= 4
    # xdist blames the test that was about to run for the end of its worker.
    not_run = 1 if when == "between grant and start" else 0
    assert len({s.name for s in outcome.of("test")}) == 40 - not_run


def test_a_grandchild_keeps_the_socket_of_a_killed_worker_open(four: PytestRun) -> None:
    """And nothing else of the worker. The session ends while it is still there."""
    stop, ready = four.scenario.folder / "stop", four.scenario.folder / "ready"
    more = f"""
import os, signal
from pathlib import Path
from spans import wait_for

def is_socket(descriptor):
    try:
        return os.readlink(f"/proc/self/fd/{{descriptor}}").startswith("socket:")
    except OSError:
        return False

def test_forks_and_dies():
    if os.fork() == 0:
        sockets = 0
        for descriptor in range(256):
            if is_socket(descriptor):
                sockets += 1
            else:
                try:
                    os.close(descriptor)
                except OSError:
                    pass
        if sockets:
            open({str(ready)!r}, "w").close()
        wait_for({str(stop)!r})
        os._exit(0)
    wait_for({str(ready)!r})
    os.kill(os.getpid(), signal.SIGKILL)
"""
    four.scenario.suite("suite", 40, 0.02, more=more)
    process = four.start("-n4", "suite")
    output, _ = process.communicate(timeout=60)
    assert "1 failed, 40 passed" in output
    assert ready.exists()
    assert not four.scenario.brokers()
    assert len(four.scenario.processes()) == 1, "the grandchild"
    stop.touch()
    four.scenario.check_nothing_left()


def test_changed_processes(scenario: Scenario) -> None:
    """The name is short, as it is part of the path of forkserver's socket."""
    more = """
import multiprocessing
import os
import resource

@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(abs, [-1, -2, -3]) == [1, 2, 3]

@pytest.mark.parametrize("variable", ["HOME", "TMPDIR", "XDG_RUNTIME_DIR"])
def test_variable(variable):
    os.environ[variable] = "/nowhere"

def test_no_environment():
    log = os.environ["SPAN_LOG"]  # The scenario's tests need it.
    os.environ.clear()
    os.environ["SPAN_LOG"] = log

def test_folder(tmp_path):
    os.chdir(tmp_path)
    tmp_path.rmdir()

def test_few_descriptors():
    used = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 3, used + 3))
    with pytest.raises(OSError):
        kept = [open("/dev/null") for _ in range(10)]
"""
    scenario.suite("suite", 30, 0.02)
    scenario.write("suite/test_first.py", f"import pytest\n{more}")
    scenario.makefile(FIFO, a="neighbour 0.5", b="pytest -q -n3 suite")
    outcome = scenario.make(FIFO, 3)
    assert outcome.status == 0, outcome.output
    assert "39 passed" in outcome.output
    assert "without job slots" not in outcome.output
    assert outcome.most <= 3
