from __future__ import annotations

import threading
import time
from random import Random

import pytest

from shop.stock import OutOfStock, Reservation, ReservationExpired, Stock


def test_what_is_reserved_is_not_available() -> None:
    stock = Stock({"T-01": 5})
    stock.reserve("T-01", 3)
    assert stock.available("T-01") == 2
    with pytest.raises(OutOfStock, match="2 of T-01 left, 3 wanted"):
        stock.reserve("T-01", 3)


def test_what_is_released_is_available_again() -> None:
    stock = Stock({"T-01": 5})
    reservation = stock.reserve("T-01", 5)
    stock.release(reservation)
    assert stock.available("T-01") == 5
    with pytest.raises(ReservationExpired):
        stock.sell(reservation)


def test_what_is_sold_is_gone() -> None:
    stock = Stock({"T-01": 5})
    reservation = stock.reserve("T-01", 2)
    stock.sell(reservation)
    assert stock.available("T-01") == 3
    with pytest.raises(ReservationExpired):
        stock.sell(reservation)


def test_delivery() -> None:
    stock = Stock({})
    assert stock.available("T-01") == 0
    stock.deliver("T-01", 4)
    assert stock.available("T-01") == 4


@pytest.mark.parametrize("hold", [0.05, 0.15])
def test_reservations_expire(hold: float) -> None:
    stock = Stock({"T-01": 1}, hold_seconds=hold)
    reservation = stock.reserve("T-01")
    time.sleep(hold + 0.01)
    assert stock.available("T-01") == 1
    with pytest.raises(ReservationExpired, match="T-01"):
        stock.sell(reservation)


@pytest.mark.parametrize("threads", [2, 8])
def test_a_rush_sells_every_piece_once(threads: int) -> None:
    """Customers in threads of their own buy until nothing is left."""
    stock = Stock({"T-01": 10_000})
    bought = [0] * threads

    def customer(number: int) -> None:
        while True:
            try:
                stock.sell(stock.reserve("T-01"))
            except OutOfStock:
                return
            bought[number] += 1

    rush = [threading.Thread(target=customer, args=[n]) for n in range(threads)]
    for thread in rush:
        thread.start()
    for thread in rush:
        thread.join()
    assert sum(bought) == 10_000
    assert stock.available("T-01") == 0


@pytest.mark.parametrize("seed", range(3))
def test_books_and_shelf_agree(seed: int) -> None:
    random = Random(seed)
    stock = Stock({"T-01": 100})
    shelf = 100
    held: list[Reservation] = []
    for _ in range(4_000):
        action = random.random()
        if action < 0.1:
            stock.deliver("T-01", 5)
            shelf += 5
        elif action < 0.6 and shelf > sum(r.count for r in held):
            held.append(stock.reserve("T-01"))
        elif held:
            reservation = held.pop(random.randrange(len(held)))
            if action < 0.9:
                stock.sell(reservation)
                shelf -= reservation.count
            else:
                stock.release(reservation)
        assert stock.available("T-01") == shelf - sum(r.count for r in held)
