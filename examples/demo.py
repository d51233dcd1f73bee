"""See it work: two linters and eight pytest workers under ``make -j3``, never more than 3 at once.

Runs make on a copy of ``examples/shop`` and shows what ran at each moment. That comes from lines
that the tests and linters log when they begin and end, not from pytest-xdist-gnumake. The shop's
Makefile knows nothing of it: make gets a shell that logs, and pytest gets a plugin that does so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from recording import chart
from recording.spans import LOG_VARIABLE, Span, average_at_once, most_at_once, read_spans
from recording.trace import write_trace

EXAMPLES = Path(__file__).resolve().parent
PICTURES = EXAMPLES.parent / "build" / "demo"
SHELL = EXAMPLES / "recording" / "shell.py"
CHARACTERS = {"linter": "=", "start-up": ":", "test": "#", "finish": "."}
LEGEND = "= linter   : worker imports and collects   # test   . worker finishes"


@dataclass(frozen=True)
class Outcome:
    """How make ended, and what ran from its begin to its end."""

    status: int
    begin: int
    end: int
    spans: list[Span]
    trace: Path


class Interrupted(Exception):
    """A signal asked the demo to end."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.status = 128 + number


class Run:
    """A command that ends, with everything it has started, when the demo is asked to end."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._signal: signal.Signals | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)

    def wait(self, command: list[str], folder: Path, environment: dict[str, str]) -> int:
        """Run the command and return its exit status."""
        # In a session of its own, so that Ctrl-C reaches only the demo: a Python program that has
        # just been started answers SIGINT with a traceback.
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        if self._signal:
            self._process.terminate()
        status = self._process.wait()
        if self._signal:
            # make has ended its recipes' shells; this ends what those have started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            raise Interrupted(self._signal)
        return status

    def _handle(self, number: int, frame: object) -> None:
        self._signal = signal.Signals(number)
        if self._process:
            self._process.terminate()


def run_make(run: Run, make: str, jobs: int, folder: Path) -> Outcome:
    """Run ``make -jJOBS test`` on a copy of the shop in a folder that is empty so far."""
    shop, temporary, log = folder / "shop", folder / "tmp", folder / "log"
    PICTURES.mkdir(parents=True, exist_ok=True)
    trace = PICTURES / "pytest.json"
    trace.unlink(missing_ok=True)
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
    shutil.copytree(EXAMPLES / "shop", shop, ignore=ignored)
    temporary.mkdir()

    # Neither a make around this one nor the user's pytest options have a part in it.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "CARGO_MAKEFLAGS", "PYTEST"))
    }
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTEST_ADDOPTS": f"-p recording.pytest_plugin --jobslots-trace={shlex.quote(str(trace))}",
        "PYTHONPATH": str(EXAMPLES),
        "TMPDIR": str(temporary),
        LOG_VARIABLE: str(log),
    }
    print(f"$ make -j{jobs} test SHELL={os.path.relpath(SHELL)}", flush=True)
    command = [make, f"-j{jobs}", "test", f"SHELL={SHELL}"]
    begin = time.monotonic_ns()
    status = run.wait(command, shop, environment)
    return Outcome(status, begin, time.monotonic_ns(), read_spans(log), trace)


def draw(outcome: Outcome) -> list[Path]:
    """Draw what ran, and return where the pictures are."""
    neighbours = outcome.trace.with_name("linters.json")
    linters = [span for span in outcome.spans if span.kind == "linter"]
    write_trace(neighbours, "linters", os.getpid(), linters)
    pictures = [PICTURES / f"timeline.{suffix}" for suffix in ("html", "svg")]
    jobslots = str(Path(sys.executable).with_name("jobslots"))
    traces = [str(outcome.trace), str(neighbours)]
    for picture in pictures:
        command = [jobslots, "timeline", *traces, "-o", str(picture)]
        if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            sys.exit(f"demo: {picture} could not be drawn")
    return pictures


def report(outcome: Outcome, jobs: int, pictures: list[Path]) -> None:
    """Print the chart, the figures and where the pictures are."""
    spans = outcome.spans
    linters = {s.lane for s in spans if s.kind == "linter"}
    workers = {s.lane for s in spans if s.kind != "linter"}
    lanes = [*sorted(linters), *sorted(workers, key=lambda lane: (len(lane), lane))]
    print()
    print(chart.draw(spans, lanes, CHARACTERS, outcome.begin, outcome.end))
    print()
    print(LEGEND)
    print()
    average = average_at_once(spans, outcome.begin, outcome.end)
    print(f"slots                {jobs}")
    print(f"most things at once  {most_at_once(spans)}")
    print(f"average in use       {average:.2f} (from the begin of make to its end)")
    print(f"tests                {count_tests(spans)}")
    print(f"wall time            {(outcome.end - outcome.begin) / 1e9:.1f} s")
    print(f"make's exit status   {outcome.status}")
    for picture in pictures:
        print(f"picture              {os.path.relpath(picture)}")


def count_tests(spans: list[Span]) -> int:
    """How many tests ran."""
    return sum(s.kind == "test" for s in spans)


def fault(outcome: Outcome, jobs: int) -> str | None:
    """What went wrong, if anything did."""
    if outcome.status != 0:
        return "make failed"
    if not count_tests(outcome.spans):
        return "no test was logged"
    if most_at_once(outcome.spans) > jobs:
        return f"more than {jobs} things at once"
    return None


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

    run = Run()
    try:
        with tempfile.TemporaryDirectory(prefix="demo-") as folder:
            outcome = run_make(run, arguments.make, arguments.jobs, Path(folder))
            pictures = draw(outcome) if outcome.trace.exists() else []
    except Interrupted as interrupted:
        print(f"\ndemo: ended by {interrupted}", file=sys.stderr)
        return interrupted.status
    report(outcome, arguments.jobs, pictures)
    if (what := fault(outcome, arguments.jobs)) is not None:
        print(f"\ndemo: {what}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
