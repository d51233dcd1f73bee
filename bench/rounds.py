"""How often the slow benchmarks measure."""

from __future__ import annotations

_quick = False


def be_quick() -> None:
    """Measure less, to see that the benchmarks work rather than what they give."""
    global _quick
    _quick = True


def rounds(count: int) -> range:
    """The rounds of a benchmark that should have so many."""
    return range(1 if _quick else count)
