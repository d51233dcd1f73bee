"""What is compared: this plugin and others, each in a virtual environment of its own.

``tools/bench-venvs`` makes them. Each has its own pytest and pytest-xdist, so that a plugin is
measured against a run in its own environment that leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Contender:
    """A plugin that takes job slots for tests."""

    #: Also in the name of its virtual environment.
    name: str
    version: str
    #: What pytest calls it, to leave it out.
    plugin: str
    #: What only a run with it prints, without -q.
    sign: str

    @property
    def python(self) -> Path:
        return TOP / ".venvs" / f"bench-{self.name}" / "bin" / "python"

    def pytest(self, arguments: str, *, without: bool = False) -> str:
        """The command of a pytest run with the plugin, or without it."""
        out = f" -p no:{self.plugin}" if without else ""
        return f"{self.python} -m pytest{out} {arguments}"

    def __str__(self) -> str:
        return self.version


OURS = Contender("ours", "this version", "xdist_gnumake", "using gnu make jobserver client")
OTHERS = (
    Contender("1.0.0", "pytest-xdist-gnumake 1.0.0", "tracker", "using gnu make jobserver client"),
    Contender("pytest-jobserver", "pytest-jobserver 1.1.0", "jobserver", "jobserver: configured"),
)
ALL = (OURS, *OTHERS)
