"""Customers who buy at random, but always the same for the same seed."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from random import Random

from shop.basket import Basket
from shop.catalogue import Catalogue
from shop.discounts import Discount, PercentOff, ThreeForTwo, Voucher
from shop.invoices import InvoiceBook
from shop.money import Money

DISCOUNTS: Sequence[Discount] = (
    PercentOff(5, minimum=Money(5000)),
    ThreeForTwo("C-01"),
    Voucher(Money(333)),
)


def some_basket(random: Random, catalogue: Catalogue) -> Basket:
    """One to six products, up to nine of each."""
    basket = Basket()
    for product in random.sample(list(catalogue), random.randint(1, 6)):
        basket.add(product, random.randint(1, 9))
    return basket


def busy_year(seed: int, catalogue: Catalogue, invoices: int, year: int = 2024) -> InvoiceBook:
    """The invoices of a year, in the order of their dates."""
    random = Random(seed)
    first = datetime.date(year, 1, 1)
    days = sorted(random.randrange(365) for _ in range(invoices))
    book = InvoiceBook()
    for day in days:
        book.issue(
            f"customer {random.randint(1, 500)}",
            some_basket(random, catalogue),
            first + datetime.timedelta(days=day),
            random.sample(DISCOUNTS, random.randint(0, 3)),
        )
    return book
