"""Invoices: a basket that was bought, with its discount, tax and a number."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .basket import Basket, Line
from .catalogue import TaxRate
from .discounts import Discount, best
from .money import Money, total


@dataclass(frozen=True)
class Invoice:
    """What a customer owes. ``total`` includes the tax."""

    number: str
    date: datetime.date
    customer: str
    lines: tuple[Line, ...]
    discount: Money

    @property
    def total(self) -> Money:
        return total(line.price for line in self.lines) - self.discount

    @property
    def taxes(self) -> Mapping[TaxRate, Money]:
        """The tax that the total includes, for each rate; the discount lowers all rates alike."""
        cents: Counter[TaxRate] = Counter()
        for line in self.lines:
            cents[line.product.tax] += line.price.cents
        rates = sorted(rate for rate in cents if cents[rate])
        if not rates:
            return {}
        shares = self.total.split([cents[rate] for rate in rates])
        return {
            rate: share.fraction(rate, 100 + rate)
            for rate, share in zip(rates, shares, strict=True)
        }

    @property
    def net(self) -> Money:
        """The total without tax."""
        return self.total - total(self.taxes.values())

    def render(self) -> str:
        """The invoice as it is printed."""
        rows = [(f"{line.count:>4} x {line.product.name}", str(line.price)) for line in self.lines]
        if self.discount:
            rows.append(("Discount", f"-{self.discount}"))
        rows.append(("Total", str(self.total)))
        rows += [
            (f"  includes {rate.value} % tax", str(tax)) for rate, tax in self.taxes.items() if tax
        ]
        heading = f"Invoice {self.number}  {self.date.isoformat()}  {self.customer}"
        return "\n".join([heading, *(f"{text:<40}{amount:>12}" for text, amount in rows), ""])


class InvoiceBook:
    """Issues invoices, numbered without a gap in every year."""

    def __init__(self) -> None:
        self._invoices: list[Invoice] = []
        self._last_number: Counter[int] = Counter()

    def issue(
        self,
        customer: str,
        basket: Basket,
        date: datetime.date,
        discounts: Iterable[Discount] = (),
    ) -> Invoice:
        """Write the invoice of a basket, with the best of the discounts."""
        if not basket.lines:
            raise ValueError(f"the basket of {customer} is empty")
        self._last_number[date.year] += 1
        invoice = Invoice(
            number=f"{date.year}-{self._last_number[date.year]:05}",
            date=date,
            customer=customer,
            lines=basket.lines,
            discount=best(discounts, basket),
        )
        self._invoices.append(invoice)
        return invoice

    def __iter__(self) -> Iterator[Invoice]:
        return iter(self._invoices)

    def __len__(self) -> int:
        return len(self._invoices)
