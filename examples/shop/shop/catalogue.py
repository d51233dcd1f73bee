"""What the shop sells."""

from __future__ import annotations

import csv
import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .money import Money


class TaxRate(enum.IntEnum):
    """Value added tax in percent."""

    FREE = 0
    REDUCED = 7
    STANDARD = 19


@dataclass(frozen=True)
class Product:
    """One article. Its price includes the tax."""

    sku: str
    name: str
    price: Money
    tax: TaxRate


class UnknownProduct(LookupError):
    """There is no product with this number."""


class Catalogue:
    """All products, by their numbers."""

    def __init__(self, products: Iterable[Product]) -> None:
        self._products: dict[str, Product] = {}
        for product in products:
            if product.sku in self._products:
                raise ValueError(f"two products have the number {product.sku}")
            self._products[product.sku] = product

    @classmethod
    def from_csv(cls, text: str) -> Catalogue:
        """Read lines of ``sku,name,price,tax``; the first line is the heading."""
        return cls(
            Product(row["sku"], row["name"], Money.parse(row["price"]), TaxRate[row["tax"].upper()])
            for row in csv.DictReader(text.splitlines())
        )

    def __getitem__(self, sku: str) -> Product:
        try:
            return self._products[sku]
        except KeyError:
            raise UnknownProduct(sku) from None

    def __iter__(self) -> Iterator[Product]:
        return iter(self._products.values())

    def __len__(self) -> int:
        return len(self._products)

    def search(self, text: str) -> list[Product]:
        """Products whose names have every word, those first that have them as whole words."""
        words = text.casefold().split()

        def rank(product: Product) -> tuple[int, str]:
            whole_words = set(product.name.casefold().split())
            return -len(whole_words.intersection(words)), product.name

        found = [p for p in self if all(word in p.name.casefold() for word in words)]
        return sorted(found, key=rank)
