"""The program is not there, as on other systems than Linux: workers take tokens from a fifo."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from processes import wait_until
from pytest_run import PytestRun
from scenario import FIFO, PIPE, Scenario
from test_without_jobserver import CLIENT_LINE, DUMMY_LINE

REDUCED = (
    f"{CLIENT_LINE}\npytest-xdist-gnumake: without the broker"
    " a worker that is killed takes its job slot along: "
)

PRETEND_DARWIN = """
import sys, pytest
PLATFORM, sys.platform = sys.platform, "darwin"

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionstart():
    yield
    sys.platform = PLATFORM
"""


@pytest.fixture
def program(scenario: Scenario) -> Path:
    """Where the program should be, which is not there."""
    return scenario.take_program_away()


def test_sessions_and_neighbours(scenario: Scenario, program: Path) -> None:
    for name in ("one", "two"):
        scenario.suite(name, 16, 0.05)
        scenario.conftest(name, 0.1)
    scenario.makefile(
        FIFO, a="neighbour 1", one="pytest -n4 one", two="pytest -n auto two", b="neighbour 1"
    )
    outcome = scenario.make(FIFO, 3)
    assert outcome.status == 0, outcome.output
    why = f"{program} cannot be started (No such file or directory); cure: reinstall"
    assert outcome.output.count(f"{REDUCED}{why}") == 2
    assert "created: 3/3 workers" in outcome.output, "not N of -jN"
    assert len(outcome.of("test")) == 32
    assert len({span.pid for span in outcome.of("test", "one")}) == 4, "not by all workers"
    assert outcome.most <= 3


def test_another_system(scenario: Scenario, four: PytestRun) -> None:
    scenario.suite("suite", 16, 0.02)
    scenario.write("suite/conftest.py", PRETEND_DARWIN)
    outcome = scenario.end(four.start("-n6", "suite", "--jobslots-trace=trace.json"))
    assert outcome.status == 0, outcome.output
    assert f"{REDUCED}it is built on Linux only, not on darwin\n" in outcome.output
    assert "no trace in" in outcome.output
    assert outcome.most <= 4


def test_another_system_and_no_fifo(scenario: Scenario) -> None:
    scenario.suite("suite", 4)
    scenario.write("suite/conftest.py", PRETEND_DARWIN)
    outcome = scenario.pytest("-n2", "suite", MAKEFLAGS=" -j3 --jobserver-auth=3,4")
    assert outcome.status == 0, outcome.output
    assert (
        f"{DUMMY_LINE}\npytest-xdist-gnumake: on darwin job slots are shared only over the fifo of"
        " a running make >= 4.4\n"
    ) in outcome.output


def test_no_fifo(scenario: Scenario, program: Path) -> None:
    """make's pipe is out of reach; on Linux the cure is the program."""
    scenario.suite("suite", 4)
    scenario.makefile(PIPE, a="pytest -n2 suite")
    outcome = scenario.make(PIPE, 3)
    assert outcome.status == 0, outcome.output
    reason = (
        f"pytest-xdist-gnumake: {program} cannot be started (No such file or directory); cure: "
    )
    assert f"{DUMMY_LINE}\n{reason}" in outcome.output


def test_the_first_failure_ends_the_session(four: PytestRun, program: Path) -> None:
    """`four` looks for all tokens afterwards, here and in the tests below."""
    four.scenario.suite("suite", 40, 0.02, more="\ndef test_fails(): assert False\n")
    outcome = four.scenario.end(four.start("-x", "-n6", "suite"))
    assert outcome.status == pytest.ExitCode.INTERRUPTED
    assert REDUCED in outcome.output
    assert outcome.most <= 4


def test_interrupted_run(four: PytestRun, program: Path) -> None:
    """Ctrl-C goes to all, while some run tests and some wait for a token."""
    four.scenario.suite("suite", 200, 0.05, more=four.long.text)
    process = four.start("-n6", "suite")
    four.long.wait()
    os.killpg(process.pid, signal.SIGINT)
    outcome = four.scenario.end(process)
    assert outcome.status == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in outcome.output


def test_the_controller_is_killed(four: PytestRun, program: Path) -> None:
    """Workers that wait for tokens which never come are not left behind."""
    scenario = four.scenario
    tokens = four.jobserver.drain()
    scenario.suite("suite", 4)
    scenario.conftest("suite", 0.0)
    scenario.write(
        "early.py",
        "import os\nopen('started-' + os.environ.get('PYTEST_XDIST_WORKER', '-'), 'w').close()\n",
    )
    process = four.start("-p", "early", "-n3", "suite")
    wait_until(lambda: all((scenario.folder / f"started-gw{n}").exists() for n in range(3)))
    process.kill()
    outcome = scenario.end(process)
    assert {span.name for span in outcome.of("import")} <= {"controller", "gw0"}
    four.jobserver.give(tokens)


def test_the_worker_on_the_implicit_slot_dies(four: PytestRun, program: Path) -> None:
    """The one that replaces it has that slot: there is no other."""
    tokens = four.jobserver.drain()
    crashes = """
import os

def test_dies():
    os._exit(1)
"""
    four.scenario.suite("suite", 10, more=crashes)
    outcome = four.scenario.end(four.start("-n1", "suite"))
    assert "1 failed, 10 passed" in outcome.output
    four.jobserver.give(tokens)


def test_no_implicit_slot(four: PytestRun, program: Path) -> None:
    four.scenario.suite("suite", 30, 0.02)
    outcome = four.scenario.end(four.start("-n6", "suite", JOBSLOTS_IMPLICIT_SLOT="no"))
    assert outcome.status == 0, outcome.output
    assert outcome.most <= 3
