"""Workers that have collected, or have died, in another order than xdist expects."""

from __future__ import annotations

import pytest
from pytest_run import PytestRun
from scenario import FIFO, HUNG, Scenario
from spans import wait_for
from test_start import KINDS, inside_xdist

each_mode = pytest.mark.parametrize("dist", KINDS)


@inside_xdist
@each_mode
def test_a_late_worker_collects_before_one_of_the_first(scenario: Scenario, dist: str) -> None:
    """Tests are given out when the first ones have collected too."""
    scenario.suite("suite", 3, 0.01)
    collected = scenario.folder / "collected"
    scenario.write(
        "suite/conftest.py",
        "import os\n"
        "from spans import span, wait_for\n"
        "worker = os.environ.get('PYTEST_XDIST_WORKER')\n"
        "def pytest_collection_modifyitems():\n"
        "    if worker == 'gw0':\n"
        "        with span('collection', worker):\n"
        f"            wait_for({str(collected)!r})\n"
        "def pytest_collection_finish():\n"
        "    if worker == 'gw2':\n"
        f"        open({str(collected)!r}, 'w').close()\n",
    )
    scenario.makefile(FIFO, a="neighbour 0.3", b=f"pytest -n3 --dist {dist} suite")
    outcome = scenario.make(FIFO, 3)
    assert outcome.status == 0, outcome.output
    assert "3 passed" in outcome.output
    assert collected.exists()
    (collection,) = outcome.of("collection")
    assert collection.end <= outcome.of("test")[0].begin


@inside_xdist
@each_mode
def test_the_only_worker_dies_while_it_collects(scenario: Scenario, dist: str) -> None:
    """Nobody has collected: its replacement is the first who does."""
    scenario.suite("suite", 3, 0.01)
    scenario.write(
        "suite/conftest.py",
        "import os\n"
        "def pytest_collection_modifyitems():\n"
        "    if os.environ.get('PYTEST_XDIST_WORKER') == 'gw0':\n"
        "        os._exit(1)\n",
    )
    scenario.makefile(FIFO, a=f"pytest -n1 --dist={dist} suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "3 passed" in outcome.output


@inside_xdist
@each_mode
def test_late_workers_that_cannot_start(scenario: Scenario, dist: str) -> None:
    """The first one runs all tests; with xdist's own limit, the session would end before."""
    scenario.suite("suite", 40, 0.03)
    for number in range(6):  # Scopes of their own.
        scenario.write(f"suite/test_{number}.py", "def test_it(): pass\n")
    scenario.write(
        "suite/conftest.py",
        "import os\nif os.environ.get('PYTEST_XDIST_WORKER', 'gw0') != 'gw0':\n    os._exit(1)\n",
    )
    scenario.makefile(FIFO, a="neighbour 0.3", b=f"pytest -n3 --dist={dist} suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "46 passed" in outcome.output
    assert "died before it had collected" in outcome.output


@inside_xdist
@each_mode
def test_one_of_the_first_dies_and_there_is_no_slot_for_another(
    scenario: Scenario, dist: str
) -> None:
    """The tests are given to those that have collected, and wait for no slot."""
    run = PytestRun(scenario, 2)
    scenario.suite("suite", 6, 0.01)
    stolen = scenario.folder / "stolen"
    scenario.write(
        "suite/conftest.py",
        "import os, signal\n"
        "from spans import wait_for\n"
        "worker = os.environ.get('PYTEST_XDIST_WORKER')\n"
        f"open(f'{scenario.folder}/started-{{worker}}', 'w').close()\n"
        "def pytest_collection_modifyitems():\n"
        "    if worker == 'gw1':\n"
        f"        wait_for({str(stolen)!r})\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    process = run.start("-n2", f"--dist={dist}", "suite")
    wait_for(str(scenario.folder / "started-gw1"))
    # gw0 has collected when there is a token again: gw1 is on the implicit slot then.
    assert run.jobserver.wait(HUNG)
    assert len(run.jobserver.drain()) == 1
    stolen.touch()
    outcome = scenario.end(process)
    assert outcome.status == 0, outcome.output
    assert "6 passed" in outcome.output
    assert not (scenario.folder / "started-gw2").exists()
    assert not run.jobserver.drain()
    run.jobserver.close()
