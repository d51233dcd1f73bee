from __future__ import annotations

import datetime

import pytest

from shop.basket import Basket
from shop.catalogue import Catalogue, TaxRate
from shop.invoices import InvoiceBook
from shop.money import ZERO, Money, total
from shop.reports import best_sellers, export_csv, tax_due, turnover_by_month, turnover_of_csv

from .customers import busy_year


@pytest.fixture
def small_book(catalogue: Catalogue) -> InvoiceBook:
    """Tea in January and March, a tea pot in March."""
    tea, pot = Basket(), Basket()
    tea.add(catalogue["T-01"], 2)
    pot.add(catalogue["T-02"])
    book = InvoiceBook()
    book.issue("Ada", tea, datetime.date(2024, 1, 31))
    book.issue("Alan", tea, datetime.date(2024, 3, 1))
    book.issue("Grace", pot, datetime.date(2024, 3, 31))
    return book


def test_turnover_by_month(small_book: InvoiceBook) -> None:
    assert turnover_by_month(small_book) == {(2024, 1): Money(950), (2024, 3): Money(3940)}


def test_tax_due(small_book: InvoiceBook) -> None:
    assert tax_due(small_book) == {TaxRate.REDUCED: Money(124), TaxRate.STANDARD: Money(477)}


def test_best_sellers(small_book: InvoiceBook, catalogue: Catalogue) -> None:
    assert best_sellers(small_book, 1) == [(catalogue["T-01"], 4)]
    assert best_sellers(small_book, 5) == [(catalogue["T-01"], 4), (catalogue["T-02"], 1)]


def test_export_csv(small_book: InvoiceBook) -> None:
    assert export_csv(small_book).splitlines() == [
        "number,date,customer,net,total",
        "2024-00001,2024-01-31,Ada,8.88,9.50",
        "2024-00002,2024-03-01,Alan,8.88,9.50",
        "2024-00003,2024-03-31,Grace,25.13,29.90",
    ]


def test_reports_of_no_invoices() -> None:
    assert turnover_by_month([]) == {}
    assert tax_due([]) == {}
    assert best_sellers([], 3) == []


@pytest.mark.parametrize("seed", range(4))
def test_months_add_up_to_the_year(catalogue: Catalogue, seed: int) -> None:
    book = busy_year(seed, catalogue, invoices=3_000)
    by_month = turnover_by_month(book)
    assert list(by_month) == [(2024, month) for month in range(1, 13)]
    assert total(by_month.values()) == total(invoice.total for invoice in book)


@pytest.mark.parametrize("seed", range(4))
def test_an_exported_file_says_the_same(catalogue: Catalogue, seed: int) -> None:
    book = busy_year(seed, catalogue, invoices=2_000)
    assert turnover_of_csv(export_csv(book)) == turnover_by_month(book)


@pytest.mark.parametrize("seed", range(4))
def test_tax_due_is_less_than_the_highest_rate_of_everything(
    catalogue: Catalogue, seed: int
) -> None:
    book = busy_year(seed, catalogue, invoices=2_000)
    turnover = total(invoice.total for invoice in book)
    assert ZERO < total(tax_due(book).values()) < turnover.fraction(19, 119)


@pytest.mark.parametrize("count", [1, 10])
def test_best_sellers_of_a_year(catalogue: Catalogue, count: int) -> None:
    sellers = best_sellers(busy_year(7, catalogue, invoices=3_000), count)
    assert len(sellers) == count
    assert sellers == sorted(sellers, key=lambda s: s[1], reverse=True)
