from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import Hosts
from pytest_run import PytestRun
from scenario import Scenario

from pool import MakePool, Pool


def pytest_configure(config: pytest.Config) -> None:
    # Ignored where a shell without job control has started this in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "inside_xdist: run with every version of xdist")


@pytest.fixture
def scenario(tmp_path: Path) -> Iterator[Scenario]:
    """An empty scenario; its processes are ended with the test."""
    scenario = Scenario(tmp_path)
    yield scenario
    scenario.kill_all()


@pytest.fixture
def hosts(scenario: Scenario) -> Iterator[Hosts]:
    """Other machines, which are removed with the test."""
    hosts = Hosts(scenario)
    yield hosts
    scenario.kill_all()
    hosts.remove()


@pytest.fixture
def four(scenario: Scenario) -> Iterator[PytestRun]:
    """A pytest run under four job slots; every token must be there afterwards."""
    run = PytestRun(scenario, 4)
    yield run
    left = run.jobserver.drain()
    run.jobserver.close()
    assert left == run.jobserver.tokens()


@pytest.fixture
def make_pool(scenario: Scenario) -> Iterator[MakePool]:
    """Makes the scenario's pool, with so many slots."""
    pools = []

    def make(job_slots: int) -> Pool:
        pools.append(Pool(scenario, job_slots))
        return pools[-1]

    yield make
    scenario.kill_all()
    for pool in pools:
        shutil.rmtree(pool.folder, ignore_errors=True)
