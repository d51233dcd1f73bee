"""Logged spans as a Chrome trace, to be drawn beside those of the pytest sessions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .spans import Span


def write_trace(path: Path, name: str, process: int, spans: Sequence[Span]) -> None:
    """Write the spans as a process of this name, with a thread for each lane.

    Times are in microseconds of CLOCK_MONOTONIC, as in the traces of pytest-xdist-gnumake.
    """
    lanes = sorted({span.lane for span in spans})

    def named(kind: str, thread: int, name: str) -> dict[str, object]:
        return {"name": kind, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}

    events = [named("process_name", 0, name)]
    events += [named("thread_name", lanes.index(lane) + 1, lane) for lane in lanes]
    events += [
        {
            "name": span.name,
            "cat": span.kind,
            "ph": "X",
            "pid": process,
            "tid": lanes.index(span.lane) + 1,
            "ts": span.begin / 1000,
            "dur": (span.end - span.begin) / 1000,
        }
        for span in spans
    ]
    path.write_text(json.dumps(events))
