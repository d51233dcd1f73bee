"""See it work: two linters and eight pytest workers under ``make -j3``, never more than 3 at once.

Runs make on a copy of ``examples/shop`` and shows what ran at each moment. That comes from lines
that the tests and linters log when they begin and end, not from pytest-xdist-gnumake. The shop's
Makefile knows nothing of it: make gets a shell that logs, and pytest gets a plugin that does so.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from recording.show import EXAMPLES, SHELL, Outcome, Run, clean_environment, copy_shop, present
from recording.spans import read_spans

PICTURES = EXAMPLES.parent / "build" / "demo"


def run_make(run: Run, make: str, jobs: int, folder: Path) -> Outcome:
    """Run ``make -jJOBS test`` on a copy of the shop in a folder that is empty so far."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    trace = PICTURES / "pytest.json"
    trace.unlink(missing_ok=True)
    copy_shop(folder / "shop")
    environment = clean_environment(folder)
    options = f"-p recording.pytest_plugin --jobslots-trace={shlex.quote(str(trace))}"
    environment["PYTEST_ADDOPTS"] = options
    print(f"$ make -j{jobs} test SHELL={os.path.relpath(SHELL)}", flush=True)
    command = [make, f"-j{jobs}", "test", f"SHELL={SHELL}"]
    begin = time.monotonic_ns()
    status = run.wait(command, folder / "shop", environment)
    spans = read_spans(folder / "log")
    return Outcome(status, begin, time.monotonic_ns(), spans, [trace] if trace.exists() else [])


def job_slots(text: str) -> int:
    """The N of ``make -jN``. With one slot make has no jobserver."""
    jobs = int(text)
    if jobs < 2:
        raise argparse.ArgumentTypeError("at least 2 are needed: make -j1 has nothing to share")
    return jobs


def program(text: str) -> str:
    """The path of a program, which must be there."""
    path = shutil.which(text)
    if path is None:
        raise argparse.ArgumentTypeError(f"there is no program {text}")
    return str(Path(path).absolute())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=job_slots, default=3, metavar="N", help="the N of make -jN")
    parser.add_argument(
        "--make",
        type=program,
        default=str(Path(sys.executable).with_name("make")),
        metavar="PATH",
        help="the GNU make to run",
    )
    arguments = parser.parse_args()

    def start(run: Run, folder: Path) -> Outcome:
        return run_make(run, arguments.make, arguments.jobs, folder)

    return present(start, arguments.jobs, PICTURES)


if __name__ == "__main__":
    sys.exit(main())
