"""How many of each product are on the shelf, and for whom they are held."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass


class OutOfStock(Exception):
    """There are not as many left as were asked for."""


class ReservationExpired(Exception):
    """The time for which the products were held is over."""


@dataclass(frozen=True, eq=False)
class Reservation:
    """Some of a product, held for one customer until a moment of the monotonic clock."""

    sku: str
    count: int
    until: float


class Stock:
    """The shelf. Many customers may use it at once, each in a thread of its own."""

    def __init__(self, counts: Mapping[str, int], hold_seconds: float = 600.0) -> None:
        self._counts = dict(counts)
        self._hold_seconds = hold_seconds
        self._reservations: set[Reservation] = set()
        self._lock = threading.Lock()

    def available(self, sku: str) -> int:
        """How many can be reserved now."""
        with self._lock:
            return self._available(sku)

    def reserve(self, sku: str, count: int = 1) -> Reservation:
        """Hold some of a product for a while."""
        with self._lock:
            available = self._available(sku)
            if count > available:
                raise OutOfStock(f"{available} of {sku} left, {count} wanted")
            reservation = Reservation(sku, count, time.monotonic() + self._hold_seconds)
            self._reservations.add(reservation)
            return reservation

    def release(self, reservation: Reservation) -> None:
        """The customer does not want it after all."""
        with self._lock:
            self._reservations.discard(reservation)

    def sell(self, reservation: Reservation) -> None:
        """Take what was held from the shelf."""
        with self._lock:
            self._forget_expired()
            if reservation not in self._reservations:
                raise ReservationExpired(reservation.sku)
            self._reservations.remove(reservation)
            self._counts[reservation.sku] -= reservation.count

    def deliver(self, sku: str, count: int) -> None:
        """Put more on the shelf."""
        with self._lock:
            self._counts[sku] = self._counts.get(sku, 0) + count

    def _available(self, sku: str) -> int:
        self._forget_expired()
        held = sum(r.count for r in self._reservations if r.sku == sku)
        return self._counts.get(sku, 0) - held

    def _forget_expired(self) -> None:
        now = time.monotonic()
        self._reservations = {r for r in self._reservations if r.until > now}
