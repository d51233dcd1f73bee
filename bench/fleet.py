"""A thousand sessions of 64 workers that share 512 slots, in virtual time: see ``fleet.cc``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from contenders import TOP
from table import Figure

PROGRAM = TOP / "build" / "bench" / "bench" / "fleet"

#: How long the tests of pytest 8.4.2 take, in microseconds: a thousand quantiles of 3918 tests, run
#: on two CPUs that had other work too.
DURATIONS = Path(__file__).with_name("durations.txt")

#: Yield after, hand-over limit, courtesy pause, and what is too soon for make, in microseconds:
#: those of the ledger, then with one of them changed. (With a pause shorter than what is too soon,
#: a session would return a token and read it again for ever.)
CONSTANTS = (
    (10_000, 100_000, 1_000, 100),
    (1_000, 100_000, 1_000, 100),
    (30_000, 100_000, 1_000, 100),
    (100_000, 100_000, 1_000, 100),
    (10_000, 10_000, 1_000, 100),
    (10_000, 30_000, 1_000, 100),
    (10_000, 300_000, 1_000, 100),
    (10_000, 1_000_000, 1_000, 100),
    (10_000, 100_000, 200, 100),
    (10_000, 100_000, 10_000, 100),
)


def fleet() -> list[Figure]:
    """1000 sessions of 64 workers on 512 slots in virtual time, with the ledger itself."""
    if not PROGRAM.exists():
        return [Figure("fleet", "not built")]
    numbers = [str(number) for constants in CONSTANTS for number in constants]
    run = subprocess.run([PROGRAM, DURATIONS, *numbers], stdout=subprocess.PIPE, check=True)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    return [
        Figure(
            f"yield after {_time(r['yield_after'])},"
            f" hand-over limit {_time(r['hand_over_limit'])},"
            f" courtesy pause {_time(r['courtesy_pause'])}",
            f"{r['share']:.4f} of the slots in use, Jain's index {r['jain']:.3f},"
            f" {r['returns']:.2f} returns a second for each slot",
            f"without any slot: a session at most {r['wait_median']:.2f} s (median),"
            f" {r['wait_worst']:.2f} s (worst); a make waits {r['make_median']:.2f} s (median),"
            f" {r['make_worst']:.2f} s (worst);"
            f" {r['events'] / r['seconds'] / 1e6:.1f} million events a second",
        )
        for r in results
    ]


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:g} ms"
