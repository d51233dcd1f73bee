from __future__ import annotations

from random import Random

import pytest

from shop.money import ZERO, Money, total


@pytest.mark.parametrize(
    ("text", "cents"),
    [("0.00", 0), ("0.07", 7), ("12.50", 1250), ("-3.99", -399), (" 1000.01 ", 100001)],
)
def test_parse(text: str, cents: int) -> None:
    assert Money.parse(text) == Money(cents)


@pytest.mark.parametrize("text", ["", "12", "1,50", "1.00 EUR"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount of money"):
        Money.parse(text)


def test_str_and_parse_are_inverse() -> None:
    for cents in range(-25_000, 25_000):
        assert Money.parse(str(Money(cents))) == Money(cents)


def test_arithmetic() -> None:
    assert Money(250) + Money(175) == Money(425)
    assert Money(250) - Money(400) == Money(-150)
    assert Money(333) * 3 == Money(999)
    assert not ZERO
    assert Money(-1) < ZERO < Money(1)


def test_total_of_nothing_is_zero() -> None:
    assert total([]) == ZERO


@pytest.mark.parametrize(
    ("cents", "numerator", "denominator", "expected"),
    [
        (100, 1, 3, 33),
        (200, 1, 3, 67),
        (5, 1, 2, 3),
        (-5, 1, 2, -3),
    ],
)
def test_fraction_rounds_half_away_from_zero(
    cents: int, numerator: int, denominator: int, expected: int
) -> None:
    assert Money(cents).fraction(numerator, denominator) == Money(expected)


def test_split_gives_left_over_cents_to_those_that_lost_most() -> None:
    assert Money(100).split([1, 1, 1]) == [Money(34), Money(33), Money(33)]
    assert Money(101).split([1, 0, 3]) == [Money(25), ZERO, Money(76)]


@pytest.mark.parametrize("weights", [[], [2, -1]])
def test_split_refuses(weights: list[int]) -> None:
    with pytest.raises(ValueError, match=r"cannot split|empty"):
        Money(100).split(weights)


@pytest.mark.parametrize("seed", range(4))
def test_split_loses_no_cent(seed: int) -> None:
    random = Random(seed)
    for _ in range(10_000):
        amount = Money(random.randint(-100_000, 100_000))
        weights = [random.randint(1, 1000) for _ in range(random.randint(1, 8))]
        shares = amount.split(weights)
        assert total(shares) == amount
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share.cents - amount.cents * weight / sum(weights)) < 1
