"""What a benchmark gives: figures, each with what it is compared with, measured in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One line of a table."""

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

    def promised(self, bar: str, met: bool) -> Figure:
        return replace(self, bar=bar, met=met)

    def at_most(self, limit: float, value: float) -> Figure:
        return self.promised(f"at most {limit:g}", value <= limit)

    def at_least(self, limit: float, value: float) -> Figure:
        return self.promised(f"at least {limit:g}", value >= limit)


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


def in_pairs(what: str, values: Sequence[float], others: Sequence[float], unit: str) -> Figure:
    """The median of the ratios of pairs, each measured one after the other."""
    return Figure(
        what,
        f"ratio {middle(ratios(values, others), digits=3)}",
        f"{median(values):.2f} {unit} with the plugin, {median(others):.2f} {unit} without",
    )


def ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
    return [value / other for value, other in zip(values, others, strict=True)]


def differences(values: Sequence[float], others: Sequence[float]) -> list[float]:
    return [value - other for value, other in zip(values, others, strict=True)]


def as_text(figures: Sequence[Figure]) -> str:
    """A table for the terminal."""
    rows = [figure.columns() for figure in figures]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def as_markdown(figures: Sequence[Figure]) -> str:
    """A table for the document."""
    rows: list[tuple[str, ...]] = [("what", "median (least to most)", "beside it", "promised")]
    rows.append(("---",) * 4)
    rows += [tuple(cell.replace("|", "\\|") for cell in figure.columns()) for figure in figures]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
