"""Workers that are far away: what their slots cost."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from statistics import median

from contenders import OURS
from rounds import rounds
from scenarios import FIFO, Hosts, arguments, free_port, new_scenario, run_make, suite_that_tells
from table import Figure, in_pairs

_DELAY = Path(__file__).with_name("delay.py")


def far() -> list[Figure]:
    """400 tests of 20 ms on three workers over ssh, 50 ms away, under make -j3."""
    with new_scenario() as scenario:
        hosts = Hosts(scenario)
        try:
            host, port = hosts.ssh(), free_port()
            delay = [host.address, str(host.port), "0.05"]
            cable = scenario.start(sys.executable, str(_DELAY), str(port), *delay, SCENARIO_MARK="")
            suite = suite_that_tells(scenario, 400, 0.02)
            words = shlex.join(arguments(suite, f"3*{host.spec_by(port)}"))

            def seconds(slots: str) -> tuple[float, float]:
                """Of the whole run, and from the first test to the end of the last one."""
                scenario.log.unlink(missing_ok=True)
                scenario.makefile(FIFO, tests=OURS.pytest(f"--jobslots-remote={slots} {words}"))
                begin = time.monotonic()
                tests = run_make(scenario, FIFO, 3).of("test")
                whole = time.monotonic() - begin
                return whole, (max(t.end for t in tests) - tests[0].begin) / 1e9

            pairs = [(seconds("share"), seconds("free")) for _ in rounds(7)]
        finally:
            cable.kill()
            hosts.remove()
    figures = []
    for number, what in enumerate(("the whole run", "from the first test to the last")):
        shared = [pair[0][number] for pair in pairs]
        free = [pair[1][number] for pair in pairs]
        ratio = median(one / other for one, other in zip(shared, free, strict=True))
        figures.append(in_pairs(what, shared, free, "s").at_most(1.15, ratio))
    return figures
