"""Measure: medians, each beside what it is compared with, measured in the same run.

Machines differ and are shared: a ratio says more than a time.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

import document
from empty import cost, empty
from far import far
from fleet import fleet
from grants import bursts, hand_overs
from ledger import ledger
from life import kill, size, start, waiting
from machine_pool import (
    pool_fairness,
    pool_first_slot,
    pool_hundred,
    pool_kill,
    pool_short_run,
    pool_suites,
    pool_waiting,
)
from pool_fleet import pool_fleet
from rounds import be_quick
from sharing import beside_a_neighbour, most, share
from speed import slot
from starting import first_test, late, neighbour_ends, staircase, two_sessions, wide
from suites import suites
from table import Figure, as_text
from tracing import tracing
from turns import chain, hand_over, make_waits

BENCHMARKS = {
    benchmark.__name__: benchmark
    for benchmark in (
        empty,
        cost,
        slot,
        hand_over,
        make_waits,
        chain,
        share,
        first_test,
        size,
        waiting,
        hand_overs,
        bursts,
        ledger,
        start,
        kill,
        suites,
        fleet,
        most,
        beside_a_neighbour,
        two_sessions,
        neighbour_ends,
        wide,
        late,
        staircase,
        far,
        tracing,
        pool_first_slot,
        pool_short_run,
        pool_fairness,
        pool_suites,
        pool_hundred,
        pool_kill,
        pool_waiting,
        pool_fleet,
    )
}


#: Seconds after which a benchmark is given up: more than any needs on a loaded machine.
LIMIT = 900


def measure(name: str) -> tuple[str, list[Figure]]:
    """What a benchmark is about, and its figures."""
    benchmark = BENCHMARKS[name]
    title = (benchmark.__doc__ or "").partition("\n")[0].rstrip(".")
    begin = time.monotonic()
    signal.alarm(LIMIT)
    try:
        figures = benchmark()
    except Exception as error:
        # The others are measured all the same.
        reason = str(error).strip().splitlines()[-1:] or [""]
        what = f"not measured: {type(error).__name__} {reason[0]}"
        figures = [Figure(what, "").promised("a figure", met=False)]
    signal.alarm(0)
    print(f"\n{name}: {title} [{time.monotonic() - begin:.0f} s]\n{as_text(figures)}", flush=True)
    return title, figures


def _time_is_up(number: int, frame: object) -> None:
    raise TimeoutError(f"no end within {LIMIT} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write this page")
    parser.add_argument("--quick", action="store_true", help="one round: do they all work?")
    arguments = parser.parse_args()
    if arguments.quick:
        be_quick()
    names = arguments.name or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGALRM, _time_is_up)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))

    machine = document.machine()
    print(f"{machine}\nmedian (least to most)", flush=True)
    sections = dict(measure(name) for name in names)
    if arguments.write:
        document.write(arguments.write, machine, sections)


if __name__ == "__main__":
    main()
