"""Nothing lost, nothing left: sessions that are killed, interrupted, stopped, or fail to start."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from marks import each_kind_of_make, each_way_to_start
from processes import state, wait_until
from pytest_run import PytestRun
from scenario import LongTest, Make, Scenario
from xdist.workermanage import NodeManager


@each_kind_of_make
def test_killed_controller(scenario: Scenario, make: Make) -> None:
    more = """
import os, signal

def test_kills_the_controller_and_itself():
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    scenario.suite("suite", 60, 0.1, more=more)
    outcome = scenario.session_then_full_width(make, "-q -n4 suite")
    assert outcome.most == 4


@each_kind_of_make
def test_killed_session(scenario: Scenario, make: Make) -> None:
    """All of the session's processes at once, but the broker, which is in a session of its own."""
    more = """
import os, signal

def test_kills_all():
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                name, _, rest = stat.read().rpartition(")")
        except OSError:
            continue
        is_sibling = rest.split()[1] == str(os.getppid())
        if is_sibling and not name.endswith("(jobslots") and int(entry) != os.getpid():
            os.kill(int(entry), signal.SIGKILL)
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    scenario.suite("suite", 30, 0.1, more=more)
    scenario.session_then_full_width(make, "-q -n4 suite")


# A worker says that it is there, and waits.
EARLY = """
import os
from spans import wait_for

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    open(f"started-{worker}", "w").close()
    wait_for("go")
"""


@each_way_to_start
def test_the_controller_dies_while_workers_start(four: PytestRun, start: str) -> None:
    """The broker has ended when they are there, and they do nothing without it."""
    scenario = four.scenario
    scenario.write("early.py", EARLY)
    scenario.suite("suite", 10, 0.02)
    scenario.conftest("suite", 0.1)
    process = four.start("-p", "early", "-n2", f"--jobslots-start={start}", "suite")
    wait_until(lambda: all((scenario.folder / f"started-gw{n}").exists() for n in range(2)))
    assert scenario.brokers()
    process.kill()
    wait_until(lambda: not scenario.brokers())
    (scenario.folder / "go").touch()
    outcome = scenario.end(process)
    assert "goes on without job slots" not in outcome.output
    assert [span.name for span in outcome.spans] == ["controller"]


# The second worker dies before it has told execnet that it is there, and xdist's set-up fails.
DIES_IN_ITS_BOOTSTRAP = """
import os, signal, sys, time

if "sys.stdin.readline" in sys.orig_argv[-1]:
    try:
        os.close(os.open("first", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        while not os.path.exists({awaited!r}):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@each_way_to_start
def test_a_worker_comes_up_when_xdist_has_given_up(four: PytestRun, start: str) -> None:
    scenario = four.scenario
    scenario.write("sitecustomize.py", DIES_IN_ITS_BOOTSTRAP.format(awaited="started-gw0"))
    scenario.write("early.py", EARLY)
    scenario.suite("suite", 10, 0.02)
    scenario.conftest("suite", 0.1)
    process = four.start("-p", "early", "-n2", f"--jobslots-start={start}", "suite")
    wait_until(lambda: (scenario.folder / "started-gw0").exists())
    wait_until(lambda: not scenario.brokers())
    (scenario.folder / "go").touch()
    outcome = scenario.end(process)
    assert outcome.status == pytest.ExitCode.INTERNAL_ERROR
    assert "goes on without job slots" not in outcome.output
    assert [span.name for span in outcome.spans] == ["controller"]


@each_way_to_start
def test_a_worker_is_there_when_xdist_gives_up(four: PytestRun, start: str) -> None:
    """It is ended before the broker is waited for, which takes half a minute to give up."""
    scenario = four.scenario
    scenario.write("sitecustomize.py", DIES_IN_ITS_BOOTSTRAP.format(awaited="started-gw0"))
    scenario.suite("suite", 10, 0.02)
    scenario.write("suite/conftest.py", EARLY)
    process = four.start("-n2", f"--jobslots-start={start}", "suite")
    wait_until(lambda: (scenario.folder / "started-gw0").exists())
    given_up = time.monotonic()
    outcome = scenario.end(process)
    assert outcome.status == pytest.ExitCode.INTERNAL_ERROR
    assert time.monotonic() - given_up < 20


@each_kind_of_make
def test_interrupted_run(scenario: Scenario, make: Make) -> None:
    """Ctrl-C goes to make's whole process group, in the middle of the tests."""
    long = LongTest(scenario.folder)
    scenario.suite("suite", 20, 0.05, more=long.text)
    scenario.makefile(make, a="neighbour 100", b="pytest -q -n4 suite")
    process = scenario.start(*make.command, "-j3")
    long.wait()
    interrupted = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    scenario.check_nothing_left()
    # By then xdist would have killed workers that do not end.
    assert time.monotonic() - interrupted < NodeManager.EXIT_TIMEOUT
    assert "INTERNAL" not in output
    assert process.returncode != 0


@each_kind_of_make
def test_make_is_killed(scenario: Scenario, make: Make) -> None:
    """And its fifo removed: the session goes on, and ends."""
    long = LongTest(scenario.folder)
    scenario.suite("suite", 40, 0.02, more=long.text)
    scenario.makefile(make, a="pytest -q -n3 suite")
    process = scenario.start(*make.command, "-j2")
    long.wait()
    process.kill()
    process.wait()
    for fifo in Path(scenario.environment["TMPDIR"]).glob("GMfifo*"):
        fifo.unlink()
    long.let_go()
    outcome = scenario.end(process)
    assert "41 passed" in outcome.output
    assert outcome.most <= 2


IN_A_GROUP = "import os, subprocess, sys; sys.exit(subprocess.call(sys.argv[1:], process_group=0))"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="process_group of subprocess")
@each_kind_of_make
def test_stopped_at_the_terminal_and_continued(scenario: Scenario, make: Make) -> None:
    """Ctrl-Z, then fg."""
    long = LongTest(scenario.folder)
    scenario.suite("suite", 40, 0.02, more=long.text)
    scenario.makefile(make, a="neighbour 1", b="pytest -q -n3 suite")
    # A group in the session of its parent, as a shell makes it: others cannot be stopped like this.
    process = scenario.start(sys.executable, "-c", IN_A_GROUP, *make.command, "-j3")
    long.wait()
    group = os.getpgid(next(p for p, name in scenario.processes().items() if name == "make"))
    assert group != process.pid
    members = [p for p in scenario.processes() if _is_in_group(p, group)]
    os.killpg(group, signal.SIGTSTP)
    wait_until(lambda: all(state(p) in "TZ" for p in members if _is_in_group(p, group)))
    assert [state(p) for p in scenario.brokers()] == ["S"]
    long.let_go()
    os.killpg(group, signal.SIGCONT)
    outcome = scenario.end(process)
    assert outcome.status == 0, outcome.output
    assert "41 passed" in outcome.output
    assert outcome.most <= 3


def _is_in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except OSError:
        return False
