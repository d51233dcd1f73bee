from __future__ import annotations

from random import Random

import pytest

from shop.basket import Basket, Line
from shop.catalogue import Catalogue
from shop.money import ZERO, Money


def test_an_empty_basket_costs_nothing() -> None:
    basket = Basket()
    assert len(basket) == 0
    assert basket.subtotal == ZERO


def test_lines_keep_the_order_of_adding(catalogue: Catalogue) -> None:
    bread, tea = catalogue["B-01"], catalogue["T-01"]
    basket = Basket()
    basket.add(tea, 2)
    basket.add(bread)
    basket.add(tea)
    assert basket.lines == (Line(tea, 3), Line(bread, 1))
    assert basket.subtotal == Money(3 * 475 + 320)


def test_removing_the_last_one_removes_the_line(catalogue: Catalogue) -> None:
    basket = Basket()
    basket.add(catalogue["T-01"], 2)
    basket.remove(catalogue["T-01"])
    assert len(basket) == 1
    basket.remove(catalogue["T-01"])
    assert basket.lines == ()


@pytest.mark.parametrize("count", [0, -1])
def test_add_refuses(catalogue: Catalogue, count: int) -> None:
    with pytest.raises(ValueError, match="cannot add"):
        Basket().add(catalogue["T-01"], count)


@pytest.mark.parametrize("count", [3, 0])
def test_remove_refuses(catalogue: Catalogue, count: int) -> None:
    basket = Basket()
    basket.add(catalogue["T-01"], 2)
    with pytest.raises(ValueError, match="cannot remove"):
        basket.remove(catalogue["T-01"], count)
    assert len(basket) == 2


@pytest.mark.parametrize("seed", range(4))
def test_a_hesitant_customer(catalogue: Catalogue, seed: int) -> None:
    """After thousands of changes of mind the subtotal still is that of the products inside."""
    random = Random(seed)
    products = list(catalogue)
    basket = Basket()
    inside = dict.fromkeys(products, 0)
    for _ in range(8_000):
        product = random.choice(products)
        count = random.randint(1, 5)
        if random.random() < 0.5 and inside[product] >= count:
            basket.remove(product, count)
            inside[product] -= count
        else:
            basket.add(product, count)
            inside[product] += count
        assert len(basket) == sum(inside.values())
        assert basket.subtotal.cents == sum(p.price.cents * n for p, n in inside.items())
