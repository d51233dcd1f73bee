"""A picture of spans in text: a row for each lane, a column for each part of the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from .spans import Span

_LABEL = 8
_SECOND = 1_000_000_000


def draw(
    spans: Sequence[Span],
    lanes: Sequence[str],
    characters: Mapping[str, str],
    begin: int,
    end: int,
    width: int = 78,
) -> str:
    """The chart of the time from ``begin`` to ``end``; ``characters`` says how a kind is drawn.

    A column shows what ran at one moment, the fullest of its part of the time: so there are as many
    marks above each other as there were things at once, and no short overlap is left out.
    """
    columns = width - _LABEL
    step = (end - begin) / columns
    edges = [begin + int(step * column) for column in range(columns + 1)]
    at = [_fullest(spans, *part) for part in pairwise(edges)]

    rows = [("", _axis(columns, step))]
    for lane in lanes:
        marks = [next((s.kind for s in now if s.lane == lane), None) for now in at]
        rows.append((lane, "".join(characters[kind] if kind else " " for kind in marks)))
    rows.append(("at once", "".join(str(len(now)) if len(now) < 10 else "+" for now in at)))
    return "\n".join(f"{label:<{_LABEL}}{row}".rstrip() for label, row in rows)


def _fullest(spans: Sequence[Span], begin: int, end: int) -> list[Span]:
    """What ran at the moment between ``begin`` and ``end`` when most things ran."""
    moments = [begin, *(s.begin for s in spans if begin < s.begin < end)]
    return max(([s for s in spans if s.begin <= m < s.end] for m in moments), key=len)


def _axis(columns: int, step: float) -> str:
    """Where the seconds are: ``|0 s      |1 s``, as many as there is room for."""
    seconds = next(n for n in (1, 2, 5, 10, 20, 60, 300, 3600) if n * _SECOND / step >= 8)
    axis = ""
    for second in range(0, int(columns * step / _SECOND) + 1, seconds):
        longer = f"{axis:<{int(second * _SECOND / step)}}|{second} s"
        axis = longer if len(longer) <= columns else axis
    return axis
