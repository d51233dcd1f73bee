"""The end of a session that somebody else has a hand in."""

from __future__ import annotations

import sys

from marks import each_kind_of_make
from scenario import FIFO, Make, Scenario

SERVICE = """
import os, pytest

@pytest.fixture(scope="session", autouse=True)
def service(worker_id):
    open(f"up-{worker_id}", "w").close()
    yield
    os.rename(f"up-{worker_id}", f"down-{worker_id}")
"""

# The number of the shell is that of pytest later.
KILLED_WHEN_UP = """
(until [ -e up-gw0 ] && [ -e up-gw1 ]; do sleep 0.05; kill -0 $$ || exit; done; kill -KILL $$) &
exec {python} -m pytest -q -n2 suite
"""


@each_kind_of_make
def test_fixtures_are_torn_down_when_the_controller_is_killed(
    scenario: Scenario, make: Make
) -> None:
    """And make, which holds all tokens when its only job has ended, is not kept waiting."""
    scenario.suite("suite", 200, 0.05)
    scenario.write("suite/conftest.py", SERVICE)
    scenario.write("run", KILLED_WHEN_UP.format(python=sys.executable))
    scenario.write("Makefile", f"all:\n\t{make.plus}-sh run\n")
    outcome = scenario.make(make, 3)
    assert outcome.status == 0, outcome.output
    assert not list(scenario.folder.glob("up-*")), outcome.output
    assert len(list(scenario.folder.glob("down-*"))) == 2


def test_sockets_are_closed_at_the_end(scenario: Scenario) -> None:
    """By a conftest file that looks for leaks, before pytest unconfigures."""
    _end_with(
        scenario,
        """
import gc, socket, _socket
def pytest_sessionfinish():
    for thing in gc.get_objects():
        if isinstance(thing, _socket.socket) and thing.family == socket.AF_UNIX:
            thing.close()
""",
    )


def test_children_are_ended_at_the_end(scenario: Scenario) -> None:
    """All that are left, and waited for."""
    _end_with(
        scenario,
        """
import os, signal
from pathlib import Path
def pytest_unconfigure(config):
    if hasattr(config, "workerinput"):
        return
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            os.kill(int(child), signal.SIGTERM)
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass
""",
    )


def _end_with(scenario: Scenario, conftest: str) -> None:
    scenario.suite("suite", 20, 0.01)
    scenario.write("suite/conftest.py", conftest)
    scenario.makefile(FIFO, a="pytest -q -n2 suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "20 passed" in outcome.output


def test_a_worker_becomes_another_program(scenario: Scenario) -> None:
    """xdist sees its channel end and replaces it; its process must not live on, with a slot."""
    scenario.suite("suite", 30, 0.02)
    done = scenario.folder / "done"
    scenario.write(
        "suite/test_exec.py",
        "import os\ndef test_exec(): os.execvp('sleep', ['sleep', '1000'])\n",
    )
    scenario.makefile(FIFO, a=f"-pytest -n2 suite\ntouch {done}")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "30 passed" in outcome.output
    assert "1 failed" in outcome.output
