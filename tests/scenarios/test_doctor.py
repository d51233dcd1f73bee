"""``jobslots doctor`` in recipes of real makes, and whether the plugin says the same."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_xdist_gnumake.executable import EXECUTABLE
from scenario import FIFO, MAKES, PIPE, PIPE_PLUS, SYSTEM, SYSTEM_PLUS, Make, Scenario
from test_without_jobserver import BROKEN, CLIENT_LINE, DUMMY_LINE

USABLE = "pytest-xdist workers take job slots from this jobserver"
PYTEST = f"{sys.executable} -m pytest -n2 -q suite"

# Runs a command that has no ancestor of its own: make closes the way to itself by that.
ORPHAN = """
import os, subprocess, sys, time

read_end, write_end = os.pipe()
if between := os.fork():
    os.waitpid(between, 0)
    os.close(write_end)
    sys.exit(int(os.read(read_end, 10)))
between = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == between:
    time.sleep(0.001)
os.write(write_end, str(subprocess.call(sys.argv[1:])).encode())
os._exit(0)
"""


@dataclass(frozen=True)
class Findings:
    """What the doctor says in one place, in both forms, and what pytest says there."""

    status: int
    text: str
    json: dict[str, Any]
    pytest: list[str]

    @property
    def reason_line(self) -> str | None:
        """The plugin's line behind the dummy line, if there is one, without its prefix."""
        line = self.pytest[self.pytest.index(DUMMY_LINE) + 1]
        prefix = "pytest-xdist-gnumake: "
        return line.removeprefix(prefix) if line.startswith(prefix) else None


def _read(scenario: Scenario) -> Findings:
    status, again = (scenario.folder / "status").read_text().split()
    assert status == again
    found = Findings(
        int(status),
        (scenario.folder / "text").read_text(),
        json.loads((scenario.folder / "json").read_text()),
        (scenario.folder / "pytest").read_text().splitlines(),
    )
    assert found.json["usable"] == (found.status == 0)
    if found.status == 0:
        assert found.text.endswith(f"\n\nusable: {USABLE}\n")
        assert found.json["message"] == USABLE
    else:
        assert found.status == 1
        detail, cure = found.json["detail"], found.json["cure"]
        assert found.text.endswith(f"\n\nnot usable: {detail}\ncure: {cure}\n")
        assert found.json["message"] == f"{detail}; cure: {cure}"
    return found


def _steps(prefix: str = "") -> list[str]:
    """Shell commands that write down what is said here. They succeed in any case."""
    return [
        f"{prefix}jobslots doctor > text; echo $? > status",
        f"{prefix}jobslots doctor --json > json; echo $? >> status",
        f"{prefix}{PYTEST} > pytest",
    ]


def _recipe(plus: str, prefix: str = "") -> str:
    return "".join(f"\t{plus}{step.replace('$', '$$')}\n" for step in _steps(prefix))


def _in_make(scenario: Scenario, command: tuple[str, ...], makefile: str) -> Findings:
    """What is said in the recipes of a makefile."""
    scenario.write("Makefile", makefile)
    outcome = scenario.run(*command)
    assert outcome.status == 0, outcome.output
    return _read(scenario)


def _here(scenario: Scenario, **environment: str) -> Findings:
    """What is said without a make."""
    outcome = scenario.run("sh", "-c", "\n".join(_steps()), **environment)
    assert outcome.status == 0, outcome.output
    return _read(scenario)


@pytest.fixture
def suite(scenario: Scenario) -> Scenario:
    scenario.suite("suite", 2)
    scenario.write("orphan.py", ORPHAN)
    return scenario


@pytest.mark.parametrize("make", MAKES, ids=str)
def test_usable(suite: Scenario, make: Make) -> None:
    found = _in_make(suite, (*make.command, "-j3"), "all:\n" + _recipe(make.plus))
    assert found.status == 0
    assert CLIENT_LINE in found.pytest
    said = found.json
    assert said["variable"] == "MAKEFLAGS"
    assert "-j3" in said["makeflags"]
    assert said["kind"] == ("fifo" if make is FIFO else "pipe")
    reached = {FIFO: "path", PIPE_PLUS: "inherited", SYSTEM_PLUS: "inherited"}.get(make, "make")
    assert said["reached"] == reached
    assert said["job_slots"] == 3
    assert said["tokens_free"] == 2, "the recipe's own slot has no token"
    versions = {
        name: subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True
        ).stdout.splitlines()[0]
        for name, program in (("above", make.command[0]), ("path", FIFO.command[0]))
    }
    assert said["make_above"]["version"] == versions["above"]
    assert said["make_on_path"] == {"path": FIFO.command[0], "version": versions["path"]}
    assert "\ntokens free   2 of 2\n" in found.text


def test_a_fifo_with_a_relative_path(suite: Scenario) -> None:
    """make 4.4 takes the folder as TMPDIR names it."""
    command = ("env", "TMPDIR=./tmp", *FIFO.command, "-j3")
    found = _in_make(suite, command, "all:\n" + _recipe(""))
    assert found.json["path"].startswith("./tmp/")
    assert found.status == 0
    assert CLIENT_LINE in found.pytest


def test_a_sub_make_with_job_slots_of_its_own(suite: Scenario) -> None:
    """make says "resetting jobserver mode"; what counts is the sub-make's jobserver."""
    makefile = "all:\n\t$(MAKE) -j2 sub\nsub:\n" + _recipe("")
    found = _in_make(suite, (*FIFO.command, "-j4"), makefile)
    assert (found.status, found.json["job_slots"], found.json["tokens_free"]) == (0, 2, 1)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__.strip("_"))
def test_broken_jobserver(suite: Scenario, broken: Callable[[Path], str]) -> None:
    """The plugin's reason is the verdict."""
    found = _here(suite, MAKEFLAGS=f" -j3 {broken(suite.folder)}")
    assert found.status == 1
    assert found.reason_line == found.json["message"]
    what, cure = BROKEN[broken]
    assert re.fullmatch(f".*{what}.*; cure: .*{cure}.*", found.json["message"])
    assert "2 passed" in found.pytest[-1]
    assert "\nreached       no\n" in found.text


@pytest.mark.parametrize(
    ("make", "reason", "detail"),
    [
        (PIPE, "withheld", "make did not pass its jobserver to this recipe"),
        (SYSTEM, "bad-descriptor", "the jobserver's descriptors 3,4 are closed"),
    ],
    ids=str,
)
def test_a_pipe_that_make_does_not_pass_on(
    suite: Scenario, make: Make, reason: str, detail: str
) -> None:
    recipe = _recipe("", f"{sys.executable} orphan.py ")
    found = _in_make(suite, (*make.command, "-j3"), "all:\n" + recipe)
    assert found.status == 1
    assert found.reason_line == found.json["message"]
    assert found.json["reason"] == reason
    ancestors = "and no ancestor process is a make (from MAKEFLAGS)"
    assert found.json["detail"] == f"{detail}, {ancestors}"
    assert found.json["cure"].startswith("put + before the recipe line, or use GNU make >= 4.4")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_users_jobserver(scenario: Scenario) -> None:
    try:
        subprocess.run([EXECUTABLE, "--version"], check=True, capture_output=True, user=65534)
    except PermissionError:
        pytest.skip("the program is in a folder that another user may not enter")
    scenario.folder.chmod(0o700)
    fifo = scenario.folder / "fifo"
    os.mkfifo(fifo)
    both = (
        "import os, subprocess\n"
        "from pytest_xdist_gnumake.broker import BrokerProcess\n"
        "from pytest_xdist_gnumake.executable import EXECUTABLE\n"
        "os.setgid(65534)\n"
        "os.setuid(65534)\n"
        "print(BrokerProcess.start().reason, flush=True)\n"
        "print(subprocess.call([EXECUTABLE, 'doctor', '--json']))\n"
    )
    outcome = scenario.run(
        sys.executable, "-c", both, MAKEFLAGS=f"-j3 --jobserver-auth=fifo:{fifo}"
    )
    reason_line, doctor, status = outcome.output.splitlines()
    assert status == "1"
    assert json.loads(doctor)["reason"] == "not-permitted"
    assert json.loads(doctor)["message"] == reason_line


@pytest.mark.parametrize(
    ("make", "option", "reason", "detail"),
    [
        (FIFO, "-k", "one-job", "make runs without -jN, one job at a time"),
        (SYSTEM, "-j1", "one-job", "make runs with -j1, one job at a time"),
        (FIFO, "-j", "unlimited", "make runs with -j without a number: no limit, and no job slots"),
    ],
    ids=str,
)
def test_a_make_without_a_jobserver(
    suite: Scenario, make: Make, option: str, reason: str, detail: str
) -> None:
    found = _in_make(suite, (*make.command, option), "all:\n" + _recipe("+"))
    assert found.status == 1
    assert (found.json["reason"], found.json["detail"]) == (reason, detail)
    assert found.reason_line is None, "there is nothing wrong"


@pytest.mark.parametrize("make", [PIPE, SYSTEM], ids=str)
def test_a_sub_make_that_lacks_the_plus(suite: Scenario, make: Make) -> None:
    """make says "jobserver unavailable: using -j1"; the cure names the + too."""
    makefile = f"all:\n\t{make.command[0]} sub\nsub:\n" + _recipe("+")
    found = _in_make(suite, (*make.command, "-j3"), makefile)
    assert found.json["detail"] == "make runs with -j1, one job at a time"
    assert "put + before a recipe line that starts a sub-make" in found.json["cure"]


@pytest.mark.parametrize(
    ("make", "cleaner"),
    [
        (SYSTEM, "env -u MAKEFLAGS -u MFLAGS "),
        (FIFO, "env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "),
        (FIFO, "env -u MFLAGS MAKEFLAGS=w "),
    ],
    ids=str,
)
def test_an_environment_without_makeflags(suite: Scenario, make: Make, cleaner: str) -> None:
    found = _in_make(suite, (*make.command, "-j3"), "all:\n" + _recipe("+", cleaner))
    assert found.status == 1
    assert found.json["reason"] == "removed"
    above = found.json["make_above"]
    assert found.json["detail"].startswith(("make is above this (process ", "make (process "))
    assert Path(above["path"]).samefile(make.command[0])
    assert found.reason_line == found.json["message"]


@pytest.mark.parametrize(
    ("make", "options", "reason", "given"),
    [
        (FIFO, ("-kj3",), "removed", "with -j3, but MAKEFLAGS is not set"),
        (SYSTEM, ("-j", "3"), "removed", "with -j3, but MAKEFLAGS is not set"),
        (FIFO, ("--jobs", "3"), "removed", "with -j3, but MAKEFLAGS is not set"),
        (FIFO, ("-j", "1"), "one-job", "one job at a time"),
        (SYSTEM, ("-kj1",), "one-job", "one job at a time"),
        (FIFO, ("-k",), "one-job", "one job at a time"),
        (FIFO, ("-j",), "unlimited", "no limit, and no job slots"),
    ],
    ids=str,
)
def test_the_command_line_is_read_as_make_reads_it(
    suite: Scenario, make: Make, options: tuple[str, ...], reason: str, given: str
) -> None:
    """To let MAKEFLAGS through is only advised where that helps."""
    cleaner = "env -u MAKEFLAGS -u MFLAGS "
    found = _in_make(suite, (*make.command, *options), "all:\n" + _recipe("+", cleaner))
    assert found.json["reason"] == reason
    assert given in found.json["detail"]
    assert ("MAKEFLAGS through" in found.json["cure"]) == (reason == "removed")


@pytest.mark.parametrize("makeflags", [None, "-j8"])
def test_not_inside_make(suite: Scenario, makeflags: str | None) -> None:
    """Orphans, as these tests may be started by make themselves."""
    command = (sys.executable, "orphan.py", "sh", "-c", "\n".join(_steps()))
    outcome = suite.run(*command, **({"MAKEFLAGS": makeflags} if makeflags else {}))
    assert outcome.status == 0, outcome.output
    found = _read(suite)
    assert found.status == 1
    assert (found.json["reason"], found.json["detail"]) == ("none", "this is not inside make -jN")
    assert (found.json["makeflags"], found.json["make_above"]) == (makeflags, None)
    assert found.reason_line is None


def test_it_takes_no_token(scenario: Scenario) -> None:
    """A token that was taken and returned, for however short a time, would be behind the others."""
    path = scenario.folder / "fifo"
    os.mkfifo(path)
    with path.open("r+b", buffering=0) as fifo:
        fifo.write(b"abc")
        for option in ("", "--json"):
            outcome = scenario.run(
                "sh",
                "-c",
                f"jobslots doctor {option}",
                MAKEFLAGS=f"-j4 --jobserver-auth=fifo:{path}",
            )
            assert outcome.status == 0, outcome.output
            count = bytearray(4)
            fcntl.ioctl(fifo, termios.FIONREAD, count)
            assert int.from_bytes(count, sys.byteorder) == 3
        assert fifo.read(3) == b"abc"


def test_values_that_would_harm_a_terminal(suite: Scenario) -> None:
    """They are escaped, in the plugin's line as well, which stays one line."""
    found = _here(suite, MAKEFLAGS="--jobserver-auth=\x1b[2J\nwhat?")
    assert found.json["makeflags"] == "--jobserver-auth=\x1b[2J\nwhat?"
    assert 'the jobserver "\\x1b[2J\\x0awhat?" is neither' in found.text
    assert found.reason_line is not None
    assert found.reason_line.startswith('the jobserver "\\x1b[2J\\x0awhat?" is neither')


def test_bytes_that_are_no_text(scenario: Scenario) -> None:
    environment = {os.fsencode(k): os.fsencode(v) for k, v in scenario.environment.items()}
    environment[b"MAKEFLAGS"] = b"--jobserver-auth=\xff\xfe"
    for option in ([], ["--json"]):
        said = subprocess.run(
            ["jobslots", "doctor", *option], env=environment, capture_output=True, check=False
        )
        assert (said.returncode, said.stderr) == (1, b"")
    assert json.loads(said.stdout)["value"] == "--jobserver-auth=\ufffd\ufffd"


def test_usage(scenario: Scenario) -> None:
    wrong = scenario.run("jobslots", "doctor", "--jsno")
    assert wrong.status == 2
    assert wrong.output == (
        "jobslots doctor: there is no argument --jsno\nusage: jobslots doctor [--json]\n"
    )
    help_text = scenario.run("jobslots", "doctor", "--help")
    assert help_text.status == 0
    assert help_text.output.startswith("usage: jobslots doctor [--json]\n")


def test_help_of_each_command(scenario: Scenario) -> None:
    """With whatever other words; of the broker too, which is not to be started by hand."""
    listed = scenario.run("jobslots", "-h")
    assert listed.status == 0
    commands = re.findall(r"^  (\w+) ", listed.output, re.MULTILINE)
    assert {"doctor", "timeline", "broker"} <= set(commands)
    for command in commands:
        for words in (["--help"], ["-h"], ["--help", "-h"]):
            help_text = scenario.run("jobslots", command, *words)
            assert help_text.status == 0, help_text.output
            assert help_text.output.startswith(f"usage: jobslots {command}")
    assert scenario.run("jobslots", "timeline", "a.json", "--help").status == 0
    assert scenario.run("jobslots", "timeline", "--", "--help").status == 1, "the name of a file"


def test_version(scenario: Scenario) -> None:
    short = scenario.run("jobslots", "-V")
    assert (short.status, short.output) == (0, scenario.run("jobslots", "--version").output)
    assert re.fullmatch(r"jobslots \d+\.\d+\.\d+\n", short.output)
