"""See the pool work: two pytest runs and a make at once, with no make above, never more than 3.

Each is started in a checkout of its own, as two people or coding agents would do it, with nothing
but ``JOBSLOTS_POOL`` in the environment. What ran at each moment comes from lines that the tests
and linters log when they begin and end, not from pytest-xdist-gnumake.
"""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

from recording.show import EXAMPLES, SHELL, Outcome, Run, clean_environment, copy_shop, present
from recording.spans import read_spans

JOBS = 3
PICTURES = EXAMPLES.parent / "build" / "demo-pool"
#: What is started in which checkout.
COMMANDS = {
    "a": "pytest -q -n auto",
    "b": "pytest -q -n auto",
    "c": "jobslots run -- make types style",
}


def run_all(run: Run, folder: Path) -> Outcome:
    """Start all commands at once, with a pool of JOBS slots."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    environment = clean_environment(folder) | {
        "JOBSLOTS_POOL": str(folder / "pool"),
        "JOBSLOTS_JOBS": str(JOBS),
        "JOBSLOTS_POOL_LINGER": "0",
    }
    traces = {name: PICTURES / f"{name}.json" for name in COMMANDS}
    lines = []
    for name, command in COMMANDS.items():
        copy_shop(folder / name)
        traces[name].unlink(missing_ok=True)
        print(f"$ cd {name} && {command} &", flush=True)
        trace = shlex.quote(str(traces[name]))
        options = shlex.quote(f"-p recording.pytest_plugin --jobslots-trace={trace}")
        shell = f" SHELL={shlex.quote(str(SHELL))}" if " make " in command else ""
        lines.append(
            f"(cd {name} && PYTEST_ADDOPTS={options} SPAN_SESSION={name} {command}{shell}) &"
            f" {name}=$!"
        )
    lines += [f"wait ${name} || status=$?" for name in COMMANDS]
    begin = time.monotonic_ns()
    script = "; ".join(["status=0", *lines, "exit $status"]).replace("&;", "&")
    status = run.wait(["sh", "-c", script], folder, environment)
    end = time.monotonic_ns()
    wait_for_pool(folder / "pool")
    spans = read_spans(folder / "log")
    written = [trace for trace in traces.values() if trace.exists()]
    return Outcome(status, begin, end, spans, written)


def wait_for_pool(folder: Path) -> None:
    """It ends by itself, and removes its fifo then."""
    while (folder / "v1.fifo").exists():
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(present(run_all, JOBS, PICTURES))
