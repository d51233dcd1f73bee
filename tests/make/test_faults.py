"""Nothing lost, nothing left: workers and controllers that die, and interrupted runs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from scenario import FIFO, MAKES, PIPE, SYSTEM, Make, Outcome, Scenario
from spans import most_at_once

any_make = pytest.mark.parametrize("make", MAKES, ids=str)
each_kind_of_make = pytest.mark.parametrize("make", [FIFO, PIPE, SYSTEM], ids=str)

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


def _session_then_full_width(scenario: Scenario, make: Make, session: str) -> Outcome:
    """Run a session that fails, then four targets that wait for each other, on four job slots."""
    names = "wxyz"
    meet = "\n".join(f"touch met-$@\nneighbour met-{name}" for name in names)
    scenario.makefile(make, session=f"-pytest {session}", **dict.fromkeys(names, meet))
    with (scenario.folder / "Makefile").open("a") as makefile:
        makefile.write(f"{' '.join(names)}: session\n")
    outcome = scenario.make(make, 4)
    assert outcome.status == 0, outcome.output
    assert len(outcome.of("neighbour")) == 16
    return outcome


@any_make
def test_workers_that_die_take_no_token_along(scenario: Scenario, make: Make) -> None:
    scenario.suite("suite", 80, 0.1)
    scenario.write("suite/test_crashes.py", CRASHES)
    outcome = _session_then_full_width(scenario, make, "-q -p no:faulthandler -n4 suite")
    assert "5 failed, 80 passed" in outcome.output
    assert len(outcome.of("test")) == 80
    assert outcome.most == 4
    assert most_at_once(outcome.of("test")[-40:]) == 4, "not at full width to the end"


@any_make
def test_killed_controller(scenario: Scenario, make: Make) -> None:
    more = """
import os, signal

def test_kills_the_controller_and_itself():
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    scenario.suite("suite", 60, 0.1, more=more)
    outcome = _session_then_full_width(scenario, make, "-q -n4 suite")
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
    _session_then_full_width(scenario, make, "-q -n4 suite")


@each_kind_of_make
def test_interrupted_run(scenario: Scenario, make: Make) -> None:
    """Ctrl-C goes to make's whole process group, in the middle of the tests."""
    begun = scenario.folder / "begun"
    more = f"""
def test_long():
    open({str(begun)!r}, "w").close()
    time.sleep(100)
"""
    scenario.suite("suite", 20, 0.05, more=more)
    scenario.makefile(make, a="neighbour 100", b="pytest -q -n4 suite")
    process = scenario.start(*make.command, "-j3")
    _wait_until(begun.exists)
    interrupted = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    scenario.check_nothing_left()
    assert time.monotonic() - interrupted < 5
    assert "INTERNAL" not in output
    assert process.returncode != 0


@each_kind_of_make
def test_waiting_costs_no_cpu(scenario: Scenario, make: Make) -> None:
    """One long test and one long neighbour hold both slots; all other workers wait."""
    begun, stop = scenario.folder / "begun", scenario.folder / "stop"
    more = f"""
from spans import wait_for

def test_long():
    open({str(begun)!r}, "w").close()
    wait_for({str(stop)!r})
"""
    scenario.suite("suite", 0, 0, more=more + "\n".join(_EMPTY.format(n) for n in range(12)))
    scenario.makefile(make, a=f"neighbour {stop}", b="pytest -q -n4 suite")
    process = scenario.start(*make.command, "-j2")
    _wait_until(begun.exists)
    waiting = [pid for pid, name in scenario.processes().items() if name == "jobslots"]
    assert len(waiting) == 1
    children = _children(waiting[0])
    _wait_until(lambda: all(_is_asleep(pid) for pid in children))
    before = {pid: _cpu_ticks(pid) for pid in [*waiting, *children]}
    time.sleep(2)  # The time over which CPU is counted.
    after = {pid: _cpu_ticks(pid) for pid in before}
    stop.touch()
    outcome = scenario.end(process)
    assert outcome.status == 0, outcome.output
    # The long test itself looks for its file a hundred times a second.
    used = sorted(after[pid] - before[pid] for pid in before)
    assert used[:-1] == [0] * (len(used) - 1), used


_EMPTY = "def test_empty_{}(): pass\n"


def _children(broker: int) -> list[int]:
    """The workers of the broker's session: the children of the broker's parent, but itself."""
    parent = _stat(broker)[1]
    everyone = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]
    return [pid for pid in everyone if pid != broker and _stat_or_none(pid) == parent]


def _stat(pid: int) -> list[str]:
    return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _stat_or_none(pid: int) -> str | None:
    try:
        return _stat(pid)[1]
    except OSError:
        return None


def _is_asleep(pid: int) -> bool:
    return _stat(pid)[0] == "S"


def _cpu_ticks(pid: int) -> int:
    return sum(int(ticks) for ticks in _stat(pid)[11:13])


def _wait_until(condition: object, limit: float = 60.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
