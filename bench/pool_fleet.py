"""Suites and short runs that share a machine's pool, in virtual time: see ``pool_fleet.cc``."""

from __future__ import annotations

import json
import subprocess

from contenders import TOP
from fleet import DURATIONS
from table import Figure

PROGRAM = TOP / "build" / "bench" / "bench" / "pool_fleet"

#: Suites of 8 workers, and the slots that they share.
FLEETS = ((20, 2), (1_000, 16), (1_000, 64), (10_000, 16), (10_000, 64))


def pool_fleet() -> list[Figure]:
    """Suites of 8 workers and runs of 5 tests on a pool, in virtual time, with the pool itself."""
    if not PROGRAM.exists():
        return [Figure("fleet", "not built")]
    numbers = [str(number) for fleet in FLEETS for number in fleet]
    run = subprocess.run([PROGRAM, DURATIONS, *numbers], stdout=subprocess.PIPE, check=True)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    return [
        Figure(
            f"{r['suites']} suites on {r['slots']} slots",
            f"a short run waits {r['wait_median'] * 1e3:.0f} ms (median), {r['wait_worst']:.2f} s"
            f" (worst of {r['runs']}) for its first slot",
            f"a suite is at most {r['without_median']:.0f} s (median), {r['without_worst']:.0f} s"
            f" (worst) without any; taking turns of a second it would be"
            f" {r['suites'] / r['slots']:.0f} s; Jain's index {r['jain']:.3f};"
            f" {r['share']:.4f} of the slots in use; {r['in_vain']} of {r['asked_back']} slots"
            f" asked back went to the same client; {r['packets'] / r['seconds'] / 1e3:.0f} thousand"
            f" packets a second",
        )
        for r in results
    ]
