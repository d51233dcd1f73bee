from __future__ import annotations

import pytest

from shop.catalogue import Catalogue, Product, TaxRate, UnknownProduct
from shop.money import Money


def test_from_csv(catalogue: Catalogue) -> None:
    assert len(catalogue) == 10
    assert catalogue["T-02"] == Product("T-02", "Tea pot", Money(2990), TaxRate.STANDARD)


def test_unknown_product(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownProduct, match="X-99"):
        catalogue["X-99"]


def test_numbers_are_unique(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="T-01"):
        Catalogue([*catalogue, catalogue["T-01"]])


@pytest.mark.parametrize(
    ("text", "skus"),
    [
        ("coffee", ["C-03", "C-02", "C-01"]),
        ("BREAD", ["B-02", "B-01", "B-03"]),
        ("filter coffee", ["C-03", "C-01"]),
        ("cocoa", []),
    ],
)
def test_search(catalogue: Catalogue, text: str, skus: list[str]) -> None:
    assert [product.sku for product in catalogue.search(text)] == skus


@pytest.mark.parametrize("size", [4_000, 16_000])
def test_search_in_a_large_catalogue(size: int) -> None:
    colours = ["red", "green", "blue", "darkblue"]
    large = Catalogue(
        Product(f"P-{n}", f"{colours[n % 4]} shirt {n}", Money(n), TaxRate.STANDARD)
        for n in range(size)
    )
    found = large.search("blue shirt")
    assert len(found) == size // 2
    assert [p.name.startswith("blue") for p in found] == [True] * (size // 4) + [False] * (
        size // 4
    )
    assert large[f"P-{size - 1}"].price == Money(size - 1)
