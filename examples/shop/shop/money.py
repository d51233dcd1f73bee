"""Amounts of money, exact to the cent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_AMOUNT = re.compile(r"(-?)(\d+)\.(\d\d)")


@dataclass(frozen=True, order=True)
class Money:
    """An amount in cents. A refund is negative."""

    cents: int

    @classmethod
    def parse(cls, text: str) -> Money:
        """The amount that ``str`` writes: ``Money.parse("12.50")``."""
        match = _AMOUNT.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"not an amount of money: {text!r}")
        sign, whole, cents = match.groups()
        amount = int(whole) * 100 + int(cents)
        return cls(-amount if sign else amount)

    def __str__(self) -> str:
        whole, cents = divmod(abs(self.cents), 100)
        return f"{'-' if self.cents < 0 else ''}{whole}.{cents:02}"

    def __add__(self, other: Money) -> Money:
        return Money(self.cents + other.cents)

    def __sub__(self, other: Money) -> Money:
        return Money(self.cents - other.cents)

    def __mul__(self, count: int) -> Money:
        return Money(self.cents * count)

    def __bool__(self) -> bool:
        return self.cents != 0

    def fraction(self, numerator: int, denominator: int) -> Money:
        """``numerator / denominator`` of this amount, half a cent rounded away from zero."""
        product = abs(self.cents) * numerator
        cents = (2 * product + denominator) // (2 * denominator)
        return Money(cents if self.cents >= 0 else -cents)

    def split(self, weights: Sequence[int]) -> list[Money]:
        """Shares in proportion to the weights, which add up to exactly this amount.

        The cents that rounding leaves over go to the shares that lost most by it.
        """
        whole = sum(weights)
        if whole <= 0 or min(weights) < 0:
            raise ValueError(f"cannot split by weights {list(weights)}")
        shares = [self.cents * weight // whole for weight in weights]
        left_over = self.cents - sum(shares)
        by_loss = sorted(range(len(weights)), key=lambda i: -(self.cents * weights[i] % whole))
        for i in by_loss[:left_over]:
            shares[i] += 1
        return [Money(share) for share in shares]


ZERO = Money(0)


def total(amounts: Iterable[Money]) -> Money:
    """The sum of some amounts."""
    return Money(sum(amount.cents for amount in amounts))
