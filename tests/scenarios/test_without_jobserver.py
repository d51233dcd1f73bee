"""No jobserver, or one that cannot be used: the run is the same as without the plugin."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from scenario import FIFO, SYSTEM, Make, Outcome, Scenario

DUMMY_LINE = "pytest-xdist-gnumake using dummy job server: no job server found"
CLIENT_LINE = "pytest-xdist-gnumake using gnu make jobserver client"


def _lines(outcome: Outcome) -> list[str]:
    """What was printed, without times, the worker that ran a test, and the order of their ends."""
    text = re.sub(r"\d+\.\d+s|gw\d", "#", outcome.output)
    return re.sub(
        "^[.F]+", lambda progress: "".join(sorted(progress[0])), text, flags=re.M
    ).splitlines()


def times_named(outcome: Outcome) -> int:
    """How often the plugin is named; a checkout may be in a folder of that name."""
    return len(re.findall("(?<!/)pytest-xdist-gnumake", outcome.output))


@pytest.fixture
def suite(scenario: Scenario) -> Scenario:
    scenario.suite("suite", 4, 0.0, more="\ndef test_fails():\n    assert False\n")
    return scenario


def test_no_make(suite: Scenario) -> None:
    """Nothing but the dummy line is printed, and no process is started."""
    suite.write(
        "suite/conftest.py",
        "import os\n"
        "def pytest_testnodeready():\n"
        "    with open(f'/proc/{os.getpid()}/task/{os.getpid()}/children') as children:\n"
        "        print('children:', len(children.read().split()))\n",
    )
    arguments = ("-n2", "-s", "suite")
    without = suite.pytest("-p", "no:xdist_gnumake", *arguments)
    outcome = suite.pytest(*arguments, MAKEFLAGS="")  # It would be missed if make were above.
    assert outcome.status == without.status == 1
    expected = [line for line in _lines(without) if not line.startswith("plugins:")]
    seen = [line for line in _lines(outcome) if not line.startswith("plugins:")]
    assert seen.count(DUMMY_LINE) == 1
    seen.remove(DUMMY_LINE)
    assert sorted(seen) == sorted(expected)
    assert "children: 2" in seen


@pytest.mark.parametrize("options", [("-qq",), ("-v", "--no-header")], ids=str)
def test_the_line_is_shown_whatever_the_verbosity(
    suite: Scenario, options: tuple[str, ...]
) -> None:
    assert DUMMY_LINE in _lines(suite.pytest("-n2", *options, "suite"))


@pytest.mark.parametrize("options", [(), ("-n0",), ("-p", "no:xdist"), ("-n2", "--collect-only")])
def test_runs_that_do_not_use_xdist_print_nothing(
    suite: Scenario, options: tuple[str, ...]
) -> None:
    outcome = suite.pytest(*options, "suite", MAKEFLAGS="--jobserver-auth=fifo:/missing")
    assert "jobserver" not in outcome.output
    assert "job server" not in outcome.output


def test_plugin_switched_off(suite: Scenario) -> None:
    outcome = suite.pytest(
        "-n2", "-p", "no:xdist_gnumake", "suite", MAKEFLAGS="--jobserver-auth=fifo:/missing"
    )
    assert outcome.status == 1
    assert "job server" not in outcome.output


def _closed(_: Path) -> str:
    return "--jobserver-auth=97,98"


def _not_a_pipe(_: Path) -> str:
    return "--jobserver-auth=0,1"


def _withheld(_: Path) -> str:
    return "--jobserver-auth=97,98 --jobserver-auth=-2,-2"


def _withheld_without_numbers(_: Path) -> str:
    return "--jobserver-auth=-2,-2"


def _missing(folder: Path) -> str:
    return f"--jobserver-auth=fifo:{folder}/missing"


def _a_file(folder: Path) -> str:
    (folder / "file").touch()
    return f"--jobserver-auth=fifo:{folder}/file"


def _a_folder(folder: Path) -> str:
    return f"--jobserver-auth=fifo:{folder}"


def _garbage(_: Path) -> str:
    return "--jobserver-auth=what?"


def _empty(_: Path) -> str:
    return "--jobserver-auth="


BROKEN = {
    _closed: (r"descriptors 97,98 are closed", r"put \+ before"),
    _not_a_pipe: (r"descriptors 0,1 are not the two ends of one pipe", r"put \+ before"),
    _withheld: (r"make did not pass its jobserver", r"put \+ before"),
    _withheld_without_numbers: (r"make did not pass its jobserver", "GNU make >= 4.4"),
    _missing: (r'missing" does not exist', "while the make .* still runs"),
    _a_file: (r'file" is not a fifo', "the path of a fifo"),
    _a_folder: (r'" is not a fifo', "the path of a fifo"),
    _garbage: (r'"what\?" is neither fifo:PATH nor R,W', "unset"),
    _empty: (r'"" is neither fifo:PATH nor R,W', "unset"),
}


def test_garbage_of_any_length_gets_a_reason(suite: Scenario) -> None:
    """Cut, so that it fits a message, and a screen."""
    outcome = suite.pytest("-n2", "-q", "suite", MAKEFLAGS="--jobserver-auth=" + "x" * 100_000)
    lines = _lines(outcome)
    reason = lines[lines.index(DUMMY_LINE) + 1]
    assert re.fullmatch(
        r'pytest-xdist-gnumake: the jobserver "x+\.\.\.x+" is neither fifo:PATH nor R,W '
        r"\(from MAKEFLAGS\); cure: .*",
        reason,
    )
    assert len(reason) < 1500


def test_the_cure_that_unsets_variables_works(suite: Scenario) -> None:
    """It names all that would be read one after the other."""
    broken = "--jobserver-auth=fifo:/missing"
    variables = {"MAKEFLAGS": broken, "MFLAGS": broken, "CARGO_MAKEFLAGS": broken}
    outcome = suite.pytest("-n2", "-q", "suite", **variables)
    assert '"/missing" does not exist (from MAKEFLAGS); cure: ' in outcome.output
    unset = re.search(r"or unset ((?:[A-Z_]+ ?)+)$", outcome.output, re.MULTILINE)
    assert unset is not None
    for name in unset[1].split():
        del variables[name]
    cured = suite.pytest("-n2", "-q", "suite", **variables)
    assert "pytest-xdist-gnumake: " not in cured.output


def test_broker_that_cannot_be_started(suite: Scenario) -> None:
    """The same package with a broker that is missing, not executable, or of another machine."""
    broker = suite.take_program_away()
    arguments = ("-n2", "-q", "suite")
    makeflags = "--jobserver-auth=fifo:/missing"
    missing = suite.pytest(*arguments, MAKEFLAGS=makeflags)
    broker.parent.mkdir()
    broker.write_bytes(b"\x7fELF of another machine")
    broker.chmod(0o644)
    forbidden = suite.pytest(*arguments, MAKEFLAGS=makeflags)
    broker.chmod(0o755)
    foreign = suite.pytest(*arguments, MAKEFLAGS=makeflags)
    broker.write_text("#!/bin/sh\nexit 7\n")
    dying = suite.pytest(*arguments, MAKEFLAGS=makeflags)
    for outcome, why in [
        (missing, "cannot be started (No such file or directory)"),
        (forbidden, "cannot be started (Permission denied)"),
        (foreign, "cannot be started (Exec format error)"),
        (dying, "ended with status 7"),
    ]:
        assert outcome.status == 1
        assert "1 failed, 4 passed" in outcome.output
        assert f"{DUMMY_LINE}\npytest-xdist-gnumake: {broker} {why}; cure: " in outcome.output


KEPT = ("PATH", "PYTHONPATH", "PYTEST_DEBUG_TEMPROOT", "SCENARIO_LOG", "SCENARIO_MARK")
WITHOUT = [
    "env -u MAKEFLAGS -u MFLAGS",
    "env -i " + " ".join(f'{name}="$${name}"' for name in KEPT),
]


@pytest.mark.parametrize(
    ("make", "without"), [(FIFO, WITHOUT[0]), (FIFO, WITHOUT[1]), (SYSTEM, WITHOUT[1])], ids=str
)
def test_what_takes_the_variables_away(suite: Scenario, make: Make, without: str) -> None:
    """As tox and sudo do: make is above, and has several jobs."""
    suite.makefile(make, a=f"-{without} {sys.executable} -m pytest -n2 suite")
    outcome = suite.make(make, 2)
    lines = _lines(outcome)
    reason = lines[lines.index(DUMMY_LINE) + 1]
    assert re.fullmatch("pytest-xdist-gnumake: make is above this .*; cure: .*", reason), reason


@pytest.mark.parametrize(
    ("options", "without"),
    [("-j1", WITHOUT[0]), ("-k", WITHOUT[0]), ("-j2", "env MAKEFLAGS= MFLAGS="), ("-j", "env -uX")],
)
def test_nothing_to_wonder_about(suite: Scenario, options: str, without: str) -> None:
    """No jobserver that anybody could miss, or one that was left on purpose."""
    suite.makefile(FIFO, a=f"-{without} {sys.executable} -m pytest -n2 suite")
    outcome = suite.run(*FIFO.command, options)
    assert DUMMY_LINE in _lines(outcome)
    assert times_named(outcome) == 1
