"""What a customer is about to buy."""

from __future__ import annotations

from dataclasses import dataclass

from .catalogue import Product
from .money import Money, total


@dataclass(frozen=True)
class Line:
    """A product and how many of it."""

    product: Product
    count: int

    @property
    def price(self) -> Money:
        """The price of all of them."""
        return self.product.price * self.count


class Basket:
    """Products in the order in which they were first added."""

    def __init__(self) -> None:
        self._counts: dict[Product, int] = {}

    def add(self, product: Product, count: int = 1) -> None:
        """Put in some more of a product."""
        if count < 1:
            raise ValueError(f"cannot add {count} of {product.name}")
        self._counts[product] = self.count(product) + count

    def remove(self, product: Product, count: int = 1) -> None:
        """Take out some of a product."""
        left = self.count(product) - count
        if count < 1 or left < 0:
            raise ValueError(f"cannot remove {count} of {self.count(product)} {product.name}")
        if left:
            self._counts[product] = left
        else:
            del self._counts[product]

    def count(self, product: Product) -> int:
        """How many of a product there are."""
        return self._counts.get(product, 0)

    @property
    def lines(self) -> tuple[Line, ...]:
        """One line for each product."""
        return tuple(Line(product, count) for product, count in self._counts.items())

    @property
    def subtotal(self) -> Money:
        """The price of everything, before discounts."""
        return total(line.price for line in self.lines)

    def __len__(self) -> int:
        return sum(self._counts.values())
