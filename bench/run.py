"""Print figures: medians, each beside what it is compared with, measured in the same run.

Machines differ and are shared: a ratio says more than a time.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from ledger import ledger
from life import kill, size, start, waiting
from sharing import chain, first_test, most, share
from speed import slot, total
from starting import neighbour_ends, staircase, two_sessions, wide
from table import print_table
from tracing import tracing

BENCHMARKS = {
    benchmark.__name__: benchmark
    for benchmark in (
        share,
        first_test,
        most,
        chain,
        waiting,
        slot,
        total,
        start,
        size,
        kill,
        two_sessions,
        neighbour_ends,
        wide,
        staircase,
        tracing,
        ledger,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    names = parser.parse_args().name or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))

    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} CPUs, load {load:.1f}: median (least to most)", flush=True)
    for name in names:
        begin = time.monotonic()
        figures = BENCHMARKS[name]()
        description = (BENCHMARKS[name].__doc__ or "").partition("\n")[0]
        print(f"\n{name}: {description} [{time.monotonic() - begin:.0f} s]")
        print_table(figures)


if __name__ == "__main__":
    main()
