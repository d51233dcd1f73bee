"""``jobslots run``: a jobserver like make's own around any command."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from jobserver import Jobserver
from processes import state, wait_until
from scenario import FIFO, NEIGHBOUR, SYSTEM, Make, Scenario

PYTEST = f"{sys.executable} -m pytest -q"

#: Says that it is there, and ends with the number of SIGINTs that it has got, at SIGTERM.
COUNTER = """
import pathlib, signal, sys
count = 0
def interrupted(*_):
    global count
    count += 1
    pathlib.Path("interrupted").touch()
signal.signal(signal.SIGINT, interrupted)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(count))
pathlib.Path("there").touch()
while True:
    signal.pause()
"""


@pytest.mark.parametrize("make", [FIFO, SYSTEM], ids=str)
def test_make(scenario: Scenario, make: Make) -> None:
    """Make of the default style or of before 4.4 is given what it knows."""
    for name in "ab":
        scenario.suite(name, 12, 0.03)
    targets = {"a": "pytest -q -n4 a", "b": "pytest -q -n4 b", "c": "neighbour 0.3"}
    if make is FIFO:
        scenario.ninja_file(*(f"{NEIGHBOUR} n{n} 0.2" for n in range(4)))
        targets["d"] = "ninja"
    scenario.makefile(make, **targets)
    outcome = scenario.run("jobslots", "run", "-j3", "--", *make.command)
    assert outcome.status == 0, outcome.output
    assert outcome.output.count("12 passed") == 2
    assert outcome.output.count("using gnu make jobserver client") == 2
    assert "jobslots run:" not in outcome.output
    assert outcome.most <= 3


def test_ninja(scenario: Scenario) -> None:
    scenario.suite("a", 12, 0.03)
    scenario.ninja_file(f"{PYTEST} -n4 a", *(f"{NEIGHBOUR} n{n} 0.2" for n in range(3)))
    outcome = scenario.run("jobslots", "run", "ninja", "-v", JOBSLOTS_JOBS="2")
    assert outcome.status == 0, outcome.output
    assert "12 passed" in outcome.output
    assert outcome.most <= 2


@pytest.mark.parametrize("style", ["fifo", "pipe"])
def test_sessions_share_the_implicit_slot(scenario: Scenario, style: str) -> None:
    for name in "ab":
        scenario.suite(name, 20, 0.03)
    outcome = scenario.run(
        "jobslots",
        "run",
        "-j3",
        f"--style={style}",
        "sh",
        "-c",
        f"{PYTEST} -n4 a & {PYTEST} -n4 b; wait",
    )
    assert outcome.output.count("20 passed") == 2, outcome.output
    assert "jobslots run:" not in outcome.output
    assert outcome.most <= 3


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["sh", "-c", "exit 7"], 7, ""),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM, ""),
        (["sh", "-c", "kill -INT $$"], -signal.SIGINT, ""),
        (["missing"], 127, "missing cannot be run: No such file"),
        (["/tmp"], 126, "/tmp cannot be run: Permission denied"),
        (["sh", "-c", "head -c1 <$FIFO"], 0, "with 2 job tokens available; should be 3"),
        (["sh", "-c", "echo >$FIFO"], 0, "with 4 job tokens available; should be 3"),
        (["sh", "-c", "head -c1 <&7; sleep 1.5 &"], 0, "have the jobserver open: sleep"),
    ],
    ids=["status", "killed", "interrupted", "missing", "folder", "lost", "invented", "behind"],
)
def test_end(scenario: Scenario, command: list[str], status: int, said: str) -> None:
    if command[-1].find("<") >= 0 or command[-1].find(">") >= 0:
        command[-1] = f"FIFO=${{MAKEFLAGS#*fifo:}}; exec 7<>$FIFO; {command[-1]}"
    outcome = scenario.run("jobslots", "run", "-j4", "--", *command)
    assert outcome.status == status, outcome.output
    assert said in outcome.output
    assert bool(said) == ("jobslots run:" in outcome.output)


@pytest.mark.parametrize(
    ("arguments", "jobs", "status", "said"),
    [
        (["-j0", "true"], "", 2, "-j0 needs a number of 1 or more"),
        (["-j4"], "", 2, "no command is given"),
        (["--style=socket", "true"], "", 2, '--style is fifo or pipe, not "socket"'),
        (["true"], "many", 125, 'JOBSLOTS_JOBS is "many"'),
    ],
)
def test_bad_input(
    scenario: Scenario, arguments: list[str], jobs: str, status: int, said: str
) -> None:
    outcome = scenario.run("jobslots", "run", *arguments, JOBSLOTS_JOBS=jobs)
    assert outcome.status == status
    assert said in outcome.output


def test_a_signal_is_passed_on(scenario: Scenario) -> None:
    process = scenario.start("jobslots", "run", "-j2", sys.executable, "-c", COUNTER)
    wait_until((scenario.folder / "there").exists)
    process.send_signal(signal.SIGINT)
    wait_until((scenario.folder / "interrupted").exists)
    process.send_signal(signal.SIGTERM)
    assert scenario.end(process).status == 1


def _start_counter(
    scenario: Scenario, in_child: Callable[[], object], stdin: int, *, session: bool
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        ["jobslots", "run", "-j2", sys.executable, "-c", COUNTER],
        cwd=scenario.folder,
        env=scenario.environment,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=session,
        preexec_fn=in_child,
    )
    wait_until((scenario.folder / "there").exists)
    return process


def test_an_interrupt_of_the_terminal_comes_once(scenario: Scenario) -> None:
    outer, inner = pty.openpty()
    try:
        own_terminal = partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0)
        process = _start_counter(scenario, own_terminal, inner, session=True)
        os.write(outer, b"\x03")
        wait_until((scenario.folder / "interrupted").exists)
        process.send_signal(signal.SIGTERM)
        assert scenario.end(process).status == 1
    finally:
        os.close(outer)
        os.close(inner)


def test_it_stops_with_its_command(scenario: Scenario) -> None:
    """In a group of its own, as a shell starts it; in a session of its own nothing is stopped."""
    process = _start_counter(scenario, os.setpgrp, subprocess.DEVNULL, session=False)
    both = list(scenario.processes())
    assert len(both) == 2
    process.send_signal(signal.SIGTSTP)
    wait_until(lambda: all(state(pid) == "T" for pid in both))
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: all(state(pid) == "S" for pid in both))
    process.send_signal(signal.SIGTERM)
    assert scenario.end(process).status == 0


def test_joins_the_jobserver_around(scenario: Scenario) -> None:
    """With the recipe's slot for its command, which the sessions beside it share."""
    for name in "ab":
        scenario.suite(name, 12, 0.03)
    recipe = f"jobslots run {PYTEST} -n4 a & {PYTEST} -n4 b; wait"
    scenario.makefile(FIFO, one=recipe, two="neighbour 0.5")
    outcome = scenario.make(FIFO, 2)
    assert outcome.output.count("12 passed") == 2, outcome.output
    assert outcome.most <= 2


@pytest.fixture
def login(tmp_path: Path) -> Iterator[Jobserver]:
    """A jobserver that nobody has a slot of, with one token."""
    jobserver = Jobserver(tmp_path, 2)
    yield jobserver
    jobserver.close()


def test_waits_for_a_token_where_there_is_no_implicit_slot(
    scenario: Scenario, login: Jobserver
) -> None:
    environment = {"MAKEFLAGS": login.makeflags, "JOBSLOTS_IMPLICIT_SLOT": "no"}
    shell = "echo $JOBSLOTS_IMPLICIT_SLOT; touch there; while ! test -e stop; do sleep 0.01; done"
    command = ("jobslots", "run", "sh", "-c", shell)
    tokens = login.drain()
    waiting = scenario.start(*command, **environment)
    descriptors = Path("/proc") / str(waiting.pid) / "fd"
    wait_until(lambda: login.path in map(os.path.realpath, descriptors.iterdir()))
    wait_until(lambda: state(waiting.pid) == "S")
    waiting.send_signal(signal.SIGINT)
    assert scenario.end(waiting).status == -signal.SIGINT
    assert not (scenario.folder / "there").exists()

    process = scenario.start(*command, **environment)
    login.give(tokens)
    wait_until((scenario.folder / "there").exists)
    assert login.drain() == b""
    (scenario.folder / "stop").touch()
    outcome = scenario.end(process)
    assert (outcome.status, outcome.output) == (0, "yes\n")
    assert login.drain() == tokens
