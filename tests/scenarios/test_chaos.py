"""Nothing lost, nobody stuck, never more than N, whatever is killed, stopped or interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos import run_round


@pytest.mark.parametrize(
    ("seed", "pool"),
    [*((seed, False) for seed in range(10)), *((seed, True) for seed in range(5))],
)
def test_round(tmp_path: Path, seed: int, pool: bool) -> None:
    """Again and longer: python tests/scenarios/chaos.py --rounds N --seed SEED [--pool]."""
    result = run_round(tmp_path, seed, pool=pool)
    assert not result.faults, f"{result}\n{result.output}"
