"""The options of the plugin, which every pytest process must know."""

from __future__ import annotations

import pytest


def add_options(parser: pytest.Parser) -> None:
    """How workers are started: on the command line, or in the configuration file."""
    group = parser.getgroup("xdist", "distributed and subprocess testing")
    text = "When to start xdist workers under a jobserver: 'slots', when there is a job slot"
    text += " for them, or 'all', all at once, as xdist does"
    group.addoption("--jobslots-start", choices=["slots", "all"], help=f"{text}.")
    group.addoption(
        "--jobslots-trace",
        metavar="FILE",
        help="Write what the workers do with make's job slots, and when, as a Chrome trace, which"
        " Perfetto and 'jobslots timeline' show; %%p in FILE is the number of the process.",
    )
    parser.addini("jobslots_start", f"{text} (default: slots).", default="slots")


def start_of_workers(config: pytest.Config) -> str:
    """``slots`` or ``all``, see `add_options`."""
    value = config.getoption("--jobslots-start") or config.getini("jobslots_start")
    if value not in ("slots", "all"):
        raise pytest.UsageError(f"jobslots_start must be 'slots' or 'all', not {value!r}")
    return str(value)
