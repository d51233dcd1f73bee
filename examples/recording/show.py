"""What the demos share: commands that run as long as the demo does, and what is shown of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import chart
from .spans import LOG_VARIABLE, Span, average_at_once, most_at_once
from .trace import write_trace

EXAMPLES = Path(__file__).resolve().parent.parent
SHELL = EXAMPLES / "recording" / "shell.py"
CHARACTERS = {"linter": "=", "start-up": ":", "test": "#", "finish": "."}
LEGEND = "= linter   : worker imports and collects   # test   . worker finishes"


@dataclass(frozen=True)
class Outcome:
    """How the commands ended, and what ran from their begin to their end."""

    status: int
    begin: int
    end: int
    spans: list[Span]
    traces: list[Path]


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


def copy_shop(folder: Path) -> None:
    """A copy of the application and its tests."""
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
    shutil.copytree(EXAMPLES / "shop", folder, ignore=ignored)


def clean_environment(folder: Path) -> dict[str, str]:
    """Neither a make around this one nor the user's pytest options have a part in it.

    What runs logs to ``folder/log``, and has its temporary files in ``folder/tmp``.
    """
    temporary = folder / "tmp"
    temporary.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "CARGO_MAKEFLAGS", "PYTEST", "JOBSLOTS"))
    }
    return environment | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(EXAMPLES),
        "TMPDIR": str(temporary),
        LOG_VARIABLE: str(folder / "log"),
    }


def draw(outcome: Outcome, pictures_folder: Path) -> list[Path]:
    """Draw what ran, and return where the pictures are."""
    neighbours = pictures_folder / "linters.json"
    linters = [span for span in outcome.spans if span.kind == "linter"]
    write_trace(neighbours, "linters", os.getpid(), linters)
    pictures = [pictures_folder / f"timeline.{suffix}" for suffix in ("html", "svg")]
    jobslots = str(Path(sys.executable).with_name("jobslots"))
    traces = [*map(str, outcome.traces), str(neighbours)]
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
    print(f"average in use       {average:.2f} (from begin to end)")
    print(f"tests                {count_tests(spans)}")
    print(f"wall time            {(outcome.end - outcome.begin) / 1e9:.1f} s")
    print(f"exit status          {outcome.status}")
    for picture in pictures:
        print(f"picture              {os.path.relpath(picture)}")


def count_tests(spans: list[Span]) -> int:
    """How many tests ran."""
    return sum(s.kind == "test" for s in spans)


def fault(outcome: Outcome, jobs: int) -> str | None:
    """What went wrong, if anything did."""
    if outcome.status != 0:
        return "a command failed"
    if not count_tests(outcome.spans):
        return "no test was logged"
    if most_at_once(outcome.spans) > jobs:
        return f"more than {jobs} things at once"
    return None


def present(start: Callable[[Run, Path], Outcome], jobs: int, pictures: Path) -> int:
    """Run what ``start`` starts in a folder of its own, and show it. The demo's exit status."""
    run = Run()
    try:
        with tempfile.TemporaryDirectory(prefix="demo-") as folder:
            outcome = start(run, Path(folder))
            drawn = draw(outcome, pictures) if outcome.traces else []
    except Interrupted as interrupted:
        print(f"\ndemo: ended by {interrupted}", file=sys.stderr)
        return interrupted.status
    report(outcome, jobs, drawn)
    if (what := fault(outcome, jobs)) is not None:
        print(f"\ndemo: {what}", file=sys.stderr)
        return 1
    return 0
