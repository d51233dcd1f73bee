from __future__ import annotations

from random import Random

import pytest

from shop.basket import Basket
from shop.catalogue import Catalogue
from shop.discounts import Discount, PercentOff, ThreeForTwo, Voucher, best
from shop.money import ZERO, Money

from .customers import some_basket


@pytest.fixture
def basket(catalogue: Catalogue) -> Basket:
    """Four packets of coffee and a tea pot: 57.86."""
    basket = Basket()
    basket.add(catalogue["C-01"], 4)
    basket.add(catalogue["T-02"])
    return basket


@pytest.mark.parametrize(
    ("discount", "amount"),
    [
        (PercentOff(10), 579),
        (PercentOff(100), 5786),
        (PercentOff(10, minimum=Money(5786)), 579),
        (PercentOff(10, minimum=Money(5787)), 0),
        (ThreeForTwo("C-01"), 699),
        (Voucher(Money(500)), 500),
        (Voucher(Money(9000)), 5786),
    ],
)
def test_amount(basket: Basket, discount: Discount, amount: int) -> None:
    assert discount.amount(basket) == Money(amount)


@pytest.mark.parametrize("percent", [-1, 101])
def test_percent_off_refuses(percent: int) -> None:
    with pytest.raises(ValueError, match="percent"):
        PercentOff(percent)


def test_best_takes_one_discount_only(basket: Basket) -> None:
    assert best([Voucher(Money(500)), ThreeForTwo("C-01"), PercentOff(10)], basket) == Money(699)


def test_best_of_none(basket: Basket) -> None:
    assert best([], basket) == ZERO


@pytest.mark.parametrize(
    "discount",
    [PercentOff(15, minimum=Money(4000)), ThreeForTwo("C-01"), Voucher(Money(750))],
    ids=lambda discount: type(discount).__name__,
)
def test_never_more_than_the_basket(catalogue: Catalogue, discount: Discount) -> None:
    random = Random(1)
    for _ in range(5_000):
        basket = some_basket(random, catalogue)
        assert ZERO <= discount.amount(basket) <= basket.subtotal
