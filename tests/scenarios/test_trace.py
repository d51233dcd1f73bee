"""Traces of real runs, beside what the tests themselves have logged."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from marks import fifo_and_pipe
from processes import wait_until
from pytest_xdist_gnumake.executable import EXECUTABLE
from scenario import FIFO, Make, Scenario
from spans import Span, most_at_once

SVG = "http://www.w3.org/2000/svg"


@dataclass(frozen=True)
class Event:
    """A span of a trace; its kind is its category, its lane that of a worker."""

    span: Span
    outcome: str


def read_trace(path: Path) -> list[Event]:
    """The spans of a trace, with times in nanoseconds."""
    return [
        Event(
            Span(
                event["cat"],
                event["name"],
                event["tid"],
                round(event["ts"] * 1000),
                round((event["ts"] + event["dur"]) * 1000),
            ),
            event.get("args", {}).get("outcome", ""),
        )
        for event in json.loads(path.read_text())
        if event["ph"] == "X"
    ]


def running(events: list[Event]) -> list[Span]:
    """The spans in which a worker had a slot."""
    return [event.span for event in events if event.span.kind != "waiting"]


@fifo_and_pipe
def test_two_sessions_on_one_clock(scenario: Scenario, make: Make) -> None:
    """Each test's own span lies within that of the trace; all together are never more than N."""
    jobs, count = 3, 12
    recipes = {}
    for suite in ("one", "two"):
        scenario.suite(suite, count, 0.05)
        scenario.conftest(suite, 0.1)
        recipes[suite] = f"pytest -n3 --jobslots-trace={suite}.json {suite}"
    scenario.makefile(make, **recipes, beside="neighbour 0.5")
    outcome = scenario.make(make, jobs)
    assert outcome.status == 0, outcome.output

    everything = list(outcome.of("neighbour"))
    for suite in recipes:
        events = read_trace(scenario.folder / f"{suite}.json")
        everything += running(events)
        tests = [event for event in events if event.span.kind == "test"]
        assert {event.outcome for event in tests} == {"passed"}
        traced = {event.span.name.partition("[")[2].rstrip("]"): event.span for event in tests}
        logged = {s.name.partition("-")[2]: s for s in outcome.of("test", f"{suite}-")}
        assert traced.keys() == logged.keys()
        assert len(traced) == count
        for number, own in logged.items():
            assert traced[number].begin <= own.begin
            assert own.end <= traced[number].end
    starts = [s for s in everything if s.kind == "starting"]
    for own in (s for s in outcome.of("import") if s.name != "controller"):
        assert [s for s in starts if s.begin <= own.begin and own.end <= s.end]
    assert most_at_once(everything) <= jobs


def test_picture_of_two_sessions(scenario: Scenario) -> None:
    """From real traces: nothing is left out, and the pictures say so."""
    recipes = {}
    for suite in ("one", "two"):
        scenario.suite(suite, 10, 0.02)
        recipes[suite] = f"pytest -n2 --jobslots-trace={suite}.json {suite}"
    scenario.makefile(FIFO, **recipes)
    assert scenario.make(FIFO, 3).status == 0

    jobslots = str(EXECUTABLE)
    for picture in ("run.svg", "run.html"):
        drawn = scenario.run(jobslots, "timeline", "one.json", "two.json", "-o", picture)
        assert drawn.status == 0, drawn.output
    svg = ElementTree.parse(scenario.folder / "run.svg")
    texts = ["".join(element.itertext()) for element in svg.iter(f"{{{SVG}}}text")]
    assert texts[0] == "make -j3, 2 sessions"
    assert re.search(r"20 tests, slots in use: at most [123], ", texts[1]), texts[1]
    titles = "\n".join("".join(element.itertext()) for element in svg.iter(f"{{{SVG}}}title"))
    page = (scenario.folder / "run.html").read_text()
    for suite in recipes:
        for number in range(10):
            assert f"test_{suite}.py::test_equal[{number}]" in titles
            assert f"test_{suite}.py::test_equal[{number}]" in page


def _outcomes(scenario: Scenario) -> dict[str, str]:
    """The outcome of each test of the session's trace."""
    events = read_trace(scenario.folder / "trace.json")
    return {
        event.span.name.partition("::")[2]: event.outcome
        for event in events
        if event.span.kind == "test"
    }


def test_killed_session(scenario: Scenario) -> None:
    """The trace is whole, and tells of the test that was running."""
    scenario.suite(
        "suite",
        1,
        more="""
import os, signal

def test_kill_all():
    os.killpg(0, signal.SIGKILL)
""",
    )
    scenario.write(
        "suite/conftest.py",
        "import os\nif 'PYTEST_XDIST_WORKER' not in os.environ:\n    os.setpgid(0, 0)\n",
    )
    scenario.makefile(FIFO, session="-pytest -n1 --jobslots-trace=trace.json suite")
    scenario.make(FIFO, 2)
    assert _outcomes(scenario) == {"test_equal[0]": "passed", "test_kill_all": "died"}


def test_killed_broker(scenario: Scenario) -> None:
    """The trace is whole, as far as it goes; the run goes on."""
    scenario.suite(
        "suite",
        1,
        more="""
import contextlib, os, signal, time
from pathlib import Path

def test_kill_broker():
    while "test_equal" not in Path("trace.json").read_text():
        time.sleep(0.01)
    mark = f"SCENARIO_MARK={os.environ['SCENARIO_MARK']}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            if (process / "comm").read_text().strip() != "jobslots":
                continue
            if mark in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)

def test_after(): pass
""",
    )
    scenario.makefile(FIFO, session="pytest -n1 --jobslots-trace=trace.json suite")
    # The implicit slot only: no token is lost with the broker.
    outcome = scenario.make(FIFO, 2)
    assert "3 passed" in outcome.output
    assert "at most" not in outcome.output
    assert "trace.json ends early: the job slot broker has gone" in outcome.output
    assert _outcomes(scenario) == {"test_equal[0]": "passed"}


def test_crashed_worker(scenario: Scenario) -> None:
    scenario.suite("suite", 4, more="\nimport os\ndef test_crash():\n    os._exit(1)\n")
    scenario.makefile(FIFO, session="-pytest -n2 --jobslots-trace=trace.json suite")
    scenario.make(FIFO, 2)
    outcomes = _outcomes(scenario)
    assert outcomes.pop("test_crash") == "died"
    assert list(outcomes.values()) == ["passed"] * 4


@pytest.fixture
def disk(scenario: Scenario) -> Iterator[Path]:
    """A file system of its own, which can be frozen: it stalls whoever writes to it."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("mkfs.ext4", "fsfreeze", "mount"))):
        pytest.skip("needs root, and mkfs.ext4, fsfreeze and mount")
    image, disk = scenario.folder / "image", scenario.folder / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, disk], check=False).returncode != 0:
        pytest.skip("needs a loop device")
    yield disk
    subprocess.run(["fsfreeze", "-u", disk], check=False, stderr=subprocess.DEVNULL)
    wait_until(lambda: not scenario.processes())
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_stalls(scenario: Scenario, disk: Path) -> None:
    """From the first test until the workers have ended: nobody waits for it."""
    scenario.suite("suite", 60, 0.01)
    scenario.write(
        "suite/conftest.py",
        f"""
import os, subprocess

def fsfreeze(option):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        subprocess.run(["fsfreeze", option, {str(disk)!r}], check=True)

frozen = False
def pytest_runtest_logstart():
    global frozen
    if not frozen:
        frozen = True
        fsfreeze("-f")

def pytest_sessionfinish():
    fsfreeze("-u")
""",
    )
    trace = disk / "trace.json"
    scenario.makefile(FIFO, a=f"pytest -n2 --jobslots-trace={trace} suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "60 passed" in outcome.output
    assert json.loads(trace.read_text())
