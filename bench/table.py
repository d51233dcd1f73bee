"""What a benchmark gives: figures, each with what it is compared with, measured in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    value: str
    #: The same without the thing that is measured, side by side, and the ratio of the two.
    beside: str = ""
    #: What is promised.
    bar: str = ""
    met: bool = True

    def columns(self) -> tuple[str, ...]:
        bar = self.bar and f"{self.bar}: {'met' if self.met else 'MISSED'}"
        return self.what, self.value, self.beside, bar


def middle(values: Sequence[float], unit: str = "", digits: int = 1) -> str:
    """The median, and how far the values lie apart."""
    return (
        f"{median(values):.{digits}f}{unit and ' '}{unit}"
        f" ({min(values):.{digits}f} to {max(values):.{digits}f})"
    )


def beside(what: str, values: Sequence[float], others: Sequence[float], unit: str = "") -> str:
    """What the others are, and how many times theirs the values are, by medians."""
    text = f"{what} {median(others):.3g}{unit and ' '}{unit}"
    return f"{text}, ratio {median(values) / median(others):.2f}"


def print_table(figures: Sequence[Figure]) -> None:
    rows = [figure.columns() for figure in figures]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        print("  " + "  ".join(cells).rstrip(), flush=True)
