"""docs/benchmarks.md: the figures of one whole run, how they were measured, and on what."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from scenarios import FIFO
from table import Figure, as_markdown

METHOD = """
# Benchmarks

`make bench` measures all of this in one run and writes this page. Times depend on the machine, so
each figure stands beside what it is compared with, measured in the same run: runs take turns, one
with the plugin, one without it (or with the other plugin), and so on. Each figure is a median,
with the least and the most in brackets; the ratio of pairs is the median of their ratios. The last
column says what is promised; a line in which it is missed stays.

The other plugins are those of the Python Package Index that share a jobserver with the workers of
pytest-xdist. Each has a virtual environment of its own (`tools/bench-venvs`), with the pytest that
it was made for, and is compared with the same environment without it (`-p no:NAME`).
"""


def machine() -> str:
    """What the figures were measured on."""
    model = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    make = subprocess.run([*FIFO.command, "--version"], stdout=subprocess.PIPE, check=True)
    versions = [f"{name} {metadata.version(name)}" for name in ("pytest", "pytest-xdist")]
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} CPUs ({model}), Linux {platform.release()},"
        f" Python {platform.python_version()}, {', '.join(versions)},"
        f" {make.stdout.decode().splitlines()[0]}; load before the run {load:.1f}"
    )


def write(path: Path, machine_text: str, sections: Mapping[str, Sequence[Figure]]) -> None:
    """Write the page: a section for each benchmark, with its docstring as the title."""
    parts = [METHOD.strip(), f"Machine: {machine_text}."]
    for title, figures in sections.items():
        parts += [f"## {title}", as_markdown(figures)]
    path.write_text("\n\n".join(parts) + "\n")
