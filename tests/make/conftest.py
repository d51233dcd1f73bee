from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scenario import Scenario


@pytest.fixture
def scenario(tmp_path: Path) -> Iterator[Scenario]:
    """An empty scenario; its processes are ended with the test."""
    scenario = Scenario(tmp_path)
    yield scenario
    scenario.kill_all()
