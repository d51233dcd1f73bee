from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scenario import Scenario


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "inside_xdist: run with every version of xdist")


@pytest.fixture
def scenario(tmp_path: Path) -> Iterator[Scenario]:
    """An empty scenario; its processes are ended with the test."""
    scenario = Scenario(tmp_path)
    yield scenario
    scenario.kill_all()
