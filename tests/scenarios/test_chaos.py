"""Nothing lost, nobody stuck, never more than N, whatever is killed, stopped or interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos import run_round


@pytest.mark.parametrize("seed", range(25))
def test_round(tmp_path: Path, seed: int) -> None:
    """Again and longer: python tests/scenarios/chaos.py --rounds N --seed SEED."""
    result = run_round(tmp_path, seed)
    assert not result.faults, f"{result}\n{result.output}"
