"""The ladders: their prices, and how odds are rounded to them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pricing.ladder import CENTS, EXCHANGE, FINE, LADDERS, Band, Ladder, Rounding

ladders = st.sampled_from(list(LADDERS.values()))


def test_the_exchange_ladder_has_350_prices_from_101_to_1000() -> None:
    assert len(EXCHANGE) == 350
    assert (EXCHANGE.shortest_milli, EXCHANGE.longest_milli) == (1_010, 1_000_000)


@pytest.mark.parametrize(
    ("price", "following"),
    [
        (1_010, 1_020), (1_990, 2_000), (2_000, 2_020), (3_000, 3_050), (4_000, 4_100),
        (6_000, 6_200), (10_000, 10_500), (20_000, 21_000), (30_000, 32_000), (50_000, 55_000),
        (100_000, 110_000), (990_000, 1_000_000),
    ],
)  # fmt: skip
def test_the_exchange_ladder_steps_as_the_exchanges_do(price: int, following: int) -> None:
    prices = EXCHANGE.prices_milli.tolist()
    assert prices[prices.index(price) + 1] == following


@given(
    ladder=ladders,
    quoted=st.floats(1e-9, 1.0, exclude_max=True),
    rounding=st.sampled_from(Rounding),
)
def test_rounding_equals_a_search_of_the_whole_ladder(
    ladder: Ladder, quoted: float, rounding: Rounding
) -> None:
    prices = ladder.prices_milli.tolist()
    odds = 1000.0 / quoted
    got = ladder.odds_milli(quoted, rounding=rounding)
    assert got in prices
    if rounding is Rounding.NEAREST or odds < prices[0]:
        nearest = min(abs(price - odds) for price in prices)
        assert abs(got - odds) <= nearest * (1.0 + 1e-6) + 1e-6
    else:
        assert got == max(price for price in prices if price <= odds * (1.0 + 1e-9))


@pytest.mark.parametrize("ladder", [EXCHANGE, CENTS])
def test_a_price_of_the_ladder_is_rounded_to_itself(ladder: Ladder) -> None:
    for price in ladder.prices_milli.tolist():
        for rounding in Rounding:
            assert ladder.odds_milli(1000.0 / price, rounding=rounding) == price


@given(ladder=ladders, a=st.floats(1e-6, 0.999), b=st.floats(1e-6, 0.999))
def test_a_likelier_outcome_never_has_longer_odds(ladder: Ladder, a: float, b: float) -> None:
    assert ladder.odds_milli(max(a, b)) <= ladder.odds_milli(min(a, b))


def test_a_tie_goes_to_the_shorter_price() -> None:
    ladder = Ladder(first_milli=2_000, bands=(Band(4_000, 2_000),))
    assert ladder.odds_milli(1 / 3) == 2_000
    assert ladder.odds_milli(1 / 3.001) == 4_000


@pytest.mark.parametrize(
    ("quoted", "price"),
    [(0.9999, 1_010), (1.0, 1_010), (7.0, 1_010), (1e-7, 1_000_000), (0.0, 1_000_000),
     (-1.0, 1_000_000), (float("nan"), 1_000_000), (float("inf"), 1_010)],
)  # fmt: skip
def test_odds_beyond_the_ladder_are_rounded_to_its_ends(quoted: float, price: int) -> None:
    assert EXCHANGE.odds_milli(quoted) == price


def test_every_ladder_rises() -> None:
    for ladder in (EXCHANGE, CENTS, FINE):
        assert all(a < b for a, b in pairwise(ladder.prices_milli.tolist()))


@pytest.mark.parametrize(
    ("first", "bands"),
    [
        (1_000, (Band(2_000, 10),)), (1_010, (Band(1_010, 10),)), (1_010, (Band(2_000, 7),)),
        (1_010, (Band(2_000, 0),)), (1_001, (Band(11_000_001, 1_000),)),
        (1_001, (Band(200_000, 1),)),
    ],
)  # fmt: skip
def test_a_ladder_that_does_not_rise_or_leaves_the_bounds_is_refused(
    first: int, bands: tuple[Band, ...]
) -> None:
    with pytest.raises(ValueError, match="ladder"):
        Ladder(first_milli=first, bands=bands)
