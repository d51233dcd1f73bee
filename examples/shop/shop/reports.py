"""What the invoices of a year say together."""

from __future__ import annotations

import csv
import datetime
import io
from collections import Counter
from collections.abc import Iterable

from .catalogue import Product, TaxRate
from .invoices import Invoice
from .money import Money

Month = tuple[int, int]


def turnover_by_month(invoices: Iterable[Invoice]) -> dict[Month, Money]:
    """The invoices' totals for each year and month, in the order of time."""
    cents: Counter[Month] = Counter()
    for invoice in invoices:
        cents[invoice.date.year, invoice.date.month] += invoice.total.cents
    return {month: Money(cents[month]) for month in sorted(cents)}


def tax_due(invoices: Iterable[Invoice]) -> dict[TaxRate, Money]:
    """The tax that the shop owes for each rate."""
    cents: Counter[TaxRate] = Counter()
    for invoice in invoices:
        for rate, tax in invoice.taxes.items():
            cents[rate] += tax.cents
    return {rate: Money(cents[rate]) for rate in sorted(cents)}


def best_sellers(invoices: Iterable[Invoice], count: int) -> list[tuple[Product, int]]:
    """The products that were sold most often, and how often."""
    sold: Counter[Product] = Counter()
    for invoice in invoices:
        for line in invoice.lines:
            sold[line.product] += line.count
    ranking = sorted(sold.items(), key=lambda item: (-item[1], item[0].sku))
    return ranking[:count]


def export_csv(invoices: Iterable[Invoice]) -> str:
    """One line for each invoice, for the book-keeper."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "date", "customer", "net", "total"])
    for i in invoices:
        writer.writerow([i.number, i.date.isoformat(), i.customer, i.net, i.total])
    return text.getvalue()


def turnover_of_csv(text: str) -> dict[Month, Money]:
    """What ``turnover_by_month`` says, from an exported file."""
    cents: Counter[Month] = Counter()
    for row in csv.DictReader(io.StringIO(text)):
        date = datetime.date.fromisoformat(row["date"])
        cents[date.year, date.month] += Money.parse(row["total"]).cents
    return {month: Money(cents[month]) for month in sorted(cents)}
