"""Under make, whatever pytest and xdist are asked to do comes out as it does without the plugin."""

from __future__ import annotations

import re
import sys

import pytest
from scenario import FIFO, SYSTEM, Make, Outcome, Scenario

MORE = """
import sys, warnings

def test_fails():
    assert 1 == 2

def test_prints_and_fails():
    print("to stdout")
    print("to stderr", file=sys.stderr)
    assert False

@pytest.mark.skip(reason="no need")
def test_skipped(): pass

@pytest.mark.xfail
def test_expected(): assert False

def test_warns():
    warnings.warn("mind this")
"""

OPTIONS = [
    "-n3",
    "-n3 -v",
    "-n3 -q -ra",
    "-n auto",
    "--tx 3*popen --dist load",
    "--tx 2*popen --tx popen//env:X=1 --dist load",
    "-n3 --dist loadscope",
    "-n3 --dist loadgroup",
    "-n3 --dist worksteal",
    "-n2 --dist each",
    "-n3 --maxschedchunk=1",
    "-n3 -x",
    "-n3 --durations=3",
    "-n0",
    "",
    "-p no:xdist",
    "-n3 --collect-only",
    "-n3 --fixtures",
    "--version",
    "-n3 --help",
    "-n3 -k nothing",
    "-n3 --no-such-option",
    "-n3 no/such/file",
    "-n3 -p no:terminal",
    "-n3 -W error",
]


#: Which worker comes first, and what a traceback passes through, differs from run to run.
INEXACT = {
    "exit in a test",
    "different collections",
    "usage error in workers",
    "import raises",  # xdist counts the error once for each worker.
}


def _summary(outcome: Outcome) -> list[str]:
    """The lines that do not depend on time, order or the worker that ran a test."""
    volatile = r"\d+\.\d+s|\bgw\d+\b|\[ *\d+%\]|pid=\d+|\d+ workers|0x[0-9a-f]+"
    text = re.sub(volatile, "#", outcome.output)
    text = re.sub("=+", "=", text)  # There are as many as the time leaves room for.
    lines = [line.rstrip() for line in text.splitlines()]
    ignored = (
        r"plugins:|pytest-xdist-gnumake|[.FsxX]+ +#?$|make|.* -m pytest"
        r"|(created|collecting): |# \[\d+ items?\]|1 worker|bringing up"
    )
    return sorted({line for line in lines if line and not re.match(ignored, line)})


def _outcomes(lines: list[str]) -> list[str]:
    """Lines that tell of results, but not those of ``--durations``, which name tests."""
    results = re.compile(r"=*.*(passed|failed|error|no tests|skipped)")
    return [line for line in lines if results.match(line) and not line.startswith("# ")]


@pytest.mark.parametrize("options", OPTIONS)
def test_option(scenario: Scenario, options: str) -> None:
    scenario.suite("suite", 9, 0.0, more=MORE)
    # No make for the run without the plugin: xdist's `-n auto` is given the same number.
    scenario.environment["PYTEST_XDIST_AUTO_NUM_WORKERS"] = "3"
    _compare(scenario, options)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("empty", {"suite/test_none.py": ""}),
        ("conftest raises", {"suite/conftest.py": "raise RuntimeError('broken conftest')\n"}),
        ("import raises", {"suite/test_broken.py": "raise RuntimeError('broken import')\n"}),
        ("filterwarnings", {"suite/pytest.ini": "[pytest]\nfilterwarnings = error\n"}),
        ("config raises", {"suite/conftest.py": "def pytest_configure(config): 1 / 0\n"}),
        (
            "usage error in workers",
            {
                "suite/conftest.py": "import os, pytest\n"
                "if 'PYTEST_XDIST_WORKER' in os.environ:\n"
                "    raise pytest.UsageError('not here')\n"
            },
        ),
        (
            "exit in a test",
            {"suite/test_exit.py": "import pytest\ndef test_it(): pytest.exit('enough')\n"},
        ),
        (
            "different collections",
            {
                "suite/test_differ.py": "import os, pytest\n"
                "@pytest.mark.parametrize('w', [os.environ['PYTEST_XDIST_WORKER']])\n"
                "def test_it(w): pass\n"
            },
        ),
    ],
)
def test_suite(scenario: Scenario, name: str, files: dict[str, str]) -> None:
    count = 0 if name == "empty" else 6
    scenario.suite("suite", count, 0.0, more="" if count else "\ndel test_equal\n")
    for path, text in files.items():
        scenario.write(path, text)
    _compare(scenario, "-n3", exact=name not in INEXACT)


def _compare(scenario: Scenario, options: str, *, exact: bool = True) -> None:
    without = scenario.pytest("-p", "no:xdist_gnumake", *options.split(), "suite")
    scenario.write(
        "Makefile", f"all:\n\t{sys.executable} -m pytest {options} suite; echo $$? > status\n"
    )
    outcome = scenario.run(*FIFO.command, "-j2")
    assert int((scenario.folder / "status").read_text()) == without.status
    if "--help" in options:  # The plugin's own options come on top.
        assert {line for line in _summary(without) if line.startswith("  -")} <= set(
            _summary(outcome)
        )
        return
    stops_early = any(option in options for option in ("-x", "--maxfail"))
    if exact and not stops_early and "--durations" not in options:
        assert _summary(outcome) == _summary(without)
    elif exact:
        assert len(_outcomes(_summary(outcome))) == len(_outcomes(_summary(without)))


@pytest.mark.parametrize(
    ("make", "restarts"),
    [
        (SYSTEM, ""),
        (FIFO, ""),
        (FIFO, "--max-worker-restart=0"),
        (FIFO, "--max-worker-restart=1"),
    ],
    ids=str,
)
def test_crashed_workers(scenario: Scenario, make: Make, restarts: str) -> None:
    crash = "import os\ndef test_crash_{0}(): os._exit(1)\n"
    # All three are in the first worker's first chunk, and so crash one after the other: xdist
    # itself fails when a second worker dies while it handles the death of the first.
    scenario.suite("suite", 40, 0.01)
    scenario.write("suite/test_crash.py", "".join(crash.format(n) for n in range(3)))
    without = scenario.pytest("-p", "no:xdist_gnumake", "-n2", *restarts.split(), "suite")
    scenario.makefile(make, a=f"-pytest -n2 {restarts} suite")
    outcome = scenario.make(make, 2)
    assert "pytest-xdist-gnumake using gnu make jobserver client" in outcome.output
    limit = r"xdist: (?:worker gw\d)?(.*) ="
    assert re.findall(limit, outcome.output) == re.findall(limit, without.output)
    if not restarts:
        assert "3 failed, 40 passed" in outcome.output
        assert "3 failed, 40 passed" in without.output


def test_tests_that_run_pytest_themselves(scenario: Scenario) -> None:
    """A pytest started by a test, in the same process or another, is a session of its own."""
    more = """
import subprocess
pytest_plugins = ["pytester"]

def test_same_process(pytester):
    pytester.makepyfile("def test_inner(): pass")
    result = pytester.runpytest_inprocess("-n2", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["pytest-xdist-gnumake using gnu make jobserver client"])

def test_other_process(pytester):
    pytester.makepyfile("def test_inner(): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)

def test_other_process_with_workers(pytester):
    pytester.makepyfile("def test_inner(): pass")
    result = pytester.runpytest_subprocess("-n2", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["pytest-xdist-gnumake using gnu make jobserver client"])
"""
    scenario.suite("suite", 4, 0.01, more=more)
    scenario.makefile(FIFO, a="pytest -q -n2 suite", b="pytest -q -n2 suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert outcome.output.count("7 passed") == 2


def test_tests_that_play_with_descriptors(scenario: Scenario) -> None:
    """The slot stays with the worker, and the worker comes back for the next one."""
    more = """
import os, socket, subprocess

def test_closes_all():
    with span("test", "closes"):
        for fd in os.listdir("/proc/self/fd"):
            fd = int(fd)
            try:
                if fd > 2 and os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                    os.close(fd)
            except OSError:
                pass
        time.sleep(0.2)

def test_puts_another_socket_in_its_place():
    keep = []
    for fd in os.listdir("/proc/self/fd"):
        fd = int(fd)
        try:
            if fd > 2 and os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                a, b = socket.socketpair()
                os.dup2(a.fileno(), fd)
                keep.append((a, b))
        except OSError:
            pass
    globals()["keep"] = keep

def test_child_has_no_socket():
    listed = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True)
    assert "socket:" not in listed.stdout

def test_clears_the_environment(monkeypatch, tmp_path):
    os.environ.pop("TMPDIR", None)
    os.chdir(tmp_path)

def test_forks():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""
    scenario.suite("suite", 12, 0.05, more=more)
    scenario.makefile(FIFO, a="neighbour 0.5", b="pytest -q -n3 suite")
    outcome = scenario.make(FIFO, 3)
    assert outcome.status == 0, outcome.output
    assert "17 passed" in outcome.output
    assert "without job slots" not in outcome.output
    assert outcome.most <= 3
