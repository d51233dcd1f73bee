from __future__ import annotations

import datetime

import pytest

from shop.basket import Basket
from shop.catalogue import Catalogue, TaxRate
from shop.discounts import PercentOff, Voucher
from shop.invoices import InvoiceBook
from shop.money import ZERO, Money, total

from .customers import busy_year

DAY = datetime.date(2024, 5, 17)


@pytest.fixture
def basket(catalogue: Catalogue) -> Basket:
    """Of every tax rate something: 43.15."""
    basket = Basket()
    basket.add(catalogue["T-01"])
    basket.add(catalogue["T-02"])
    basket.add(catalogue["S-01"])
    return basket


def test_totals(basket: Basket) -> None:
    invoice = InvoiceBook().issue("Ada", basket, DAY)
    assert invoice.total == Money(4315)
    assert invoice.taxes == {
        TaxRate.FREE: ZERO,
        TaxRate.REDUCED: Money(31),
        TaxRate.STANDARD: Money(477),
    }
    assert invoice.net == Money(3807)


def test_a_discount_lowers_the_tax(basket: Basket) -> None:
    invoice = InvoiceBook().issue("Ada", basket, DAY, [PercentOff(50)])
    assert invoice.discount == Money(2158)
    assert invoice.taxes[TaxRate.STANDARD] == Money(239)


def test_a_voucher_can_pay_everything(basket: Basket) -> None:
    invoice = InvoiceBook().issue("Ada", basket, DAY, [Voucher(Money(10_000))])
    assert invoice.total == invoice.net == ZERO


def test_an_invoice_stays_as_it_is(basket: Basket, catalogue: Catalogue) -> None:
    invoice = InvoiceBook().issue("Ada", basket, DAY)
    basket.add(catalogue["T-02"], 10)
    assert invoice.total == Money(4315)


def test_an_empty_basket_has_no_invoice() -> None:
    with pytest.raises(ValueError, match="basket of Ada is empty"):
        InvoiceBook().issue("Ada", Basket(), DAY)


def test_numbers_begin_anew_every_year(basket: Basket) -> None:
    book = InvoiceBook()
    for year in (2023, 2023, 2024, 2023, 2024):
        book.issue("Ada", basket, DAY.replace(year=year))
    assert [invoice.number for invoice in book] == [
        "2023-00001",
        "2023-00002",
        "2024-00001",
        "2023-00003",
        "2024-00002",
    ]


def test_render(basket: Basket) -> None:
    invoice = InvoiceBook().issue("Ada", basket, DAY, [PercentOff(10)])
    assert invoice.render().splitlines() == [
        "Invoice 2024-00001  2024-05-17  Ada",
        "   1 x Green tea                                4.75",
        "   1 x Tea pot                                 29.90",
        "   1 x Stamps                                   8.50",
        "Discount                                       -4.32",
        "Total                                          38.83",
        "  includes 7 % tax                              0.28",
        "  includes 19 % tax                             4.30",
    ]


@pytest.mark.parametrize("seed", range(4))
def test_net_and_tax_are_the_total(catalogue: Catalogue, seed: int) -> None:
    for invoice in busy_year(seed, catalogue, invoices=2_000):
        assert invoice.net + total(invoice.taxes.values()) == invoice.total
        assert ZERO <= invoice.net <= invoice.total


@pytest.mark.parametrize("year", [2023, 2024])
def test_numbers_have_no_gap(catalogue: Catalogue, year: int) -> None:
    book = busy_year(year, catalogue, invoices=3_000, year=year)
    assert [i.number for i in book] == [f"{year}-{n:05}" for n in range(1, 3_001)]


@pytest.mark.parametrize("seed", range(4))
def test_every_printed_line_has_the_same_width(catalogue: Catalogue, seed: int) -> None:
    for invoice in busy_year(seed, catalogue, invoices=2_000):
        heading, *lines = invoice.render().splitlines()
        assert invoice.number in heading
        assert {len(line) for line in lines} == {52}
