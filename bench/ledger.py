"""The C++ ledger alone. Built with ``-DJOBSLOTS_BUILD_BENCHMARKS=ON`` in ``build/bench``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from table import Figure

PROGRAM = Path(__file__).resolve().parents[1] / "build" / "bench" / "bench" / "ledger_benchmark"


def ledger() -> list[Figure]:
    """Events of the ledger, and reading MAKEFLAGS."""
    if not PROGRAM.exists():
        return [Figure("ledger", "not built")]
    options = ["--benchmark_format=json", "--benchmark_repetitions=5", "--benchmark_min_time=0.1"]
    run = subprocess.run([PROGRAM, *options], stdout=subprocess.PIPE, check=True)
    medians = [
        b for b in json.loads(run.stdout)["benchmarks"] if b.get("aggregate_name") == "median"
    ]
    first = medians[0]["cpu_time"]
    return [
        Figure(
            b["run_name"],
            f"{b['cpu_time']:.0f} {b['time_unit']}",
            f"ratio to the first {b['cpu_time'] / first:.2f}",
        )
        for b in medians
    ]
