"""A version of xdist that is not known: a copy of xdist in which one name is another one.

Whatever it is, nothing hangs and nothing is lost: all workers are started at once, and -v says so.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import xdist
from pytest_xdist_gnumake import xdist_parts as parts
from scenario import FIFO, Scenario
from xdist.scheduler import LoadScheduling, LoadScopeScheduling, WorkStealingScheduling

#: The classes and functions that are imported from xdist.
IMPORTED = sorted(
    name
    for name, value in vars(parts).items()
    if getattr(value, "__module__", "").startswith("xdist.")
)

DISTS: dict[str, type[parts.Scheduler]] = {
    "load": LoadScheduling,
    "loadscope": LoadScopeScheduling,
    "worksteal": WorkStealingScheduling,
}
#: Without those that xdist's loop finds by the names of events: no version can call them otherwise.
CASES = [
    (name, "load") for name in (*parts.OTHER_PARTS, *IMPORTED) if not name.startswith("worker_")
]
CASES += [(name, dist) for dist, kind in DISTS.items() for name in parts.SCHEDULER_PARTS[kind]]


def _rename(folder: Path, name: str) -> None:
    """A copy of xdist there, with another word for ``name``, wherever it is meant."""
    another = f"{name}_renamed"
    if name in IMPORTED:
        meant = rf"\b{name}\b"
    else:  # As an attribute, but for execnet's: what is used, defined, or a field.
        used = rf"(?<=\.)(?<!execmodel\.){name}\b"
        meant = rf'{used}|(?<=def ){name}\b|(?<=, "){name}(?=")|(?<=\n    ){name}(?=:)'
    shutil.copytree(Path(xdist.__file__).parent, folder / "xdist")
    count = 0
    for path in (folder / "xdist").rglob("*.py"):
        text, found = re.subn(meant, another, path.read_text())
        path.write_text(text)
        count += found
    assert count


@pytest.mark.parametrize(("name", "dist"), CASES)
def test_renamed(scenario: Scenario, name: str, dist: str) -> None:
    _rename(scenario.folder, name)
    del scenario.environment["PYTHONDONTWRITEBYTECODE"]  # Or each process compiles all of xdist.
    half = scenario.folder / "half"
    scenario.suite("suite", 8, 0.01, more=f"def test_half(): open({str(half)!r}, 'w').close()\n")
    scenario.write("suite/test_more.py", (scenario.folder / "suite/test_suite.py").read_text())
    scenario.makefile(FIFO, a=f"neighbour {half}", b=f"pytest -v -n2 --dist {dist} suite")
    outcome = scenario.make(FIFO, 2)
    assert outcome.status == 0, outcome.output
    assert "18 passed" in outcome.output
    assert outcome.most <= 2
    line = "all workers are started at once: this version of pytest-xdist is not known"
    assert outcome.output.count(line) == 1
