"""What is taken off the price of a basket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from .basket import Basket
from .money import ZERO, Money


class Discount(Protocol):
    """A rule that says how much a basket becomes cheaper."""

    def amount(self, basket: Basket) -> Money:
        """At most the basket's subtotal; zero where the rule does not apply."""
        ...


@dataclass(frozen=True)
class PercentOff:
    """Some percent of everything, from a certain subtotal on."""

    percent: int
    minimum: Money = ZERO

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= 100:
            raise ValueError(f"{self.percent} percent")

    def amount(self, basket: Basket) -> Money:
        if basket.subtotal < self.minimum:
            return ZERO
        return basket.subtotal.fraction(self.percent, 100)


@dataclass(frozen=True)
class ThreeForTwo:
    """Every third of one product is free."""

    sku: str

    def amount(self, basket: Basket) -> Money:
        lines = [line for line in basket.lines if line.product.sku == self.sku]
        return lines[0].product.price * (lines[0].count // 3) if lines else ZERO


@dataclass(frozen=True)
class Voucher:
    """A fixed amount, as far as the basket is worth it."""

    worth: Money

    def amount(self, basket: Basket) -> Money:
        return min(self.worth, basket.subtotal)


def best(discounts: Iterable[Discount], basket: Basket) -> Money:
    """The amount of the best discount: they cannot be combined."""
    return max((discount.amount(basket) for discount in discounts), default=ZERO)
