"""Quoting: margin keys, odds that keep a book sum within limits, and shortfalls."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.pricing.ladder import CENTS, EXCHANGE, FINE, Band, Ladder, Rounding
from engine.pricing.lines import WINNERS_VARY
from engine.pricing.margin import MarginSolved, Method, add_margin
from engine.pricing.quoting import (
    BookFigures,
    Margin,
    MarginBand,
    Quoted,
    Quoter,
    Shortfall,
    quote,
)
from engine.pricing.quoting_nb import FLOAT_ROWS, INT_ROWS, hold_books_nb
from engine.pricing.skew import LinearSkew, OptimalSkew

Floats = npt.NDArray[np.float64]
COARSE = Ladder(first_milli=1_050, bands=(Band(3_000, 50), Band(10_000, 500), Band(50_000, 5_000)))
LADDERS = st.sampled_from((EXCHANGE, CENTS, FINE, COARSE))


@st.composite
def chances(draw: st.DrawFn, *, largest: int = 6) -> list[float]:
    weights = draw(st.lists(st.floats(0.02, 1.0), min_size=2, max_size=largest))
    return [weight / sum(weights) for weight in weights]


def quote_one(
    fair: Sequence[float],
    *,
    margin: Margin,
    market_type: str = "1x2",
    ladder: Ladder = EXCHANGE,
    winners: float = 1.0,
) -> Quoted:
    return quote(
        np.array(fair),
        np.array((0, len(fair))),
        np.array((winners,)),
        (market_type,),
        margin=margin,
        ladder=ladder,
    )


def book(quoted: Quoted) -> float:
    return float((1000.0 / quoted.odds_milli).sum())


# --- margin keys ---------------------------------------------------------------------------------

KEYS = Margin(
    book_milli=1_050,
    book_milli_by_type={"total": 1_040, "correct_score": 1_200},
    bands=(
        MarginBand(to_milli=1_500, book_milli=1_030),
        MarginBand(to_milli=2_000, book_milli=1_060),
    ),
    bands_by_type={"correct_score": (MarginBand(to_milli=3_000, book_milli=1_150),)},
)


@pytest.mark.parametrize(
    ("market_type", "favourite", "book_milli"),
    [
        ("1x2", 0.70, 1_030),
        ("1x2", 1 / 1.5, 1_030),
        ("1x2", 0.66, 1_060),
        ("1x2", 0.50, 1_060),
        ("1x2", 0.49, 1_050),
        ("total", 0.70, 1_040),
        ("total", 0.49, 1_040),
        ("correct_score", 0.70, 1_150),
        ("correct_score", 0.33, 1_200),
    ],
)
def test_a_markets_type_and_its_favourites_price_select_its_book(
    market_type: str, favourite: float, book_milli: int
) -> None:
    rest = (1.0 - favourite) / 3.0
    quoted = quote_one(
        (rest, favourite, rest, rest), margin=KEYS, market_type=market_type, ladder=FINE
    )
    assert book(quoted) == pytest.approx(book_milli / 1000.0, abs=4e-3)


def test_each_market_of_one_call_has_its_own_key() -> None:
    fair = np.array((0.7, 0.3, 0.4, 0.3, 0.3, 0.6, 0.4))
    quoted = quote(
        fair, np.array((0, 2, 5, 7)), np.ones(3), ("1x2", "1x2", "total"), margin=KEYS, ladder=FINE
    )
    books = np.add.reduceat(1000.0 / quoted.odds_milli, (0, 2, 5))
    assert books == pytest.approx((1.03, 1.05, 1.04), abs=2e-3)


def test_a_market_with_two_winners_is_banded_by_its_favourite_at_twice_the_book_sum() -> None:
    quoted = quote_one((0.8, 0.7, 0.5), margin=KEYS, market_type="x", ladder=FINE, winners=2.0)
    assert book(quoted) == pytest.approx(2.06, abs=2e-3)


@given(
    fair=st.lists(st.lists(st.floats(0.05, 0.9), min_size=4, max_size=4), min_size=1, max_size=4),
    method=st.sampled_from(Method),
)
@settings(max_examples=60, deadline=None)
def test_overlapping_outcomes_hold_the_book_over_what_is_expected_of_them_at_each_call(
    fair: list[list[float]], method: Method
) -> None:
    quoter = Quoter(
        np.array((0, 2, 6)), np.array((1.0, WINNERS_VARY)), ("1x2", "multigoals"), ladder=FINE
    )
    for chances in fair:
        quoted = quoter.quote(
            np.array([0.5, 0.5, *chances]), margin=Margin(book_milli=1_050, method=method)
        )
        if not quoted.shortfalls[1]:
            of_odds = (1000.0 / quoted.odds_milli[2:]).sum()
            assert of_odds == pytest.approx(1.05 * sum(chances), rel=5e-3)
        assert (1000.0 / quoted.odds_milli[:2]).sum() == pytest.approx(1.05, abs=2e-3)


@pytest.mark.parametrize("method", Method)
def test_outcomes_of_which_none_may_win_hold_the_book_over_their_own_part(method: Method) -> None:
    """What is missing to 1 is the chance that nothing wins, which is on nobody's odds."""
    part = np.array([0.4, 0.3, 0.2])
    quoted = quote_one(part, margin=Margin(method=method), ladder=FINE, winners=WINNERS_VARY)
    assert not quoted.shortfalls[0]
    assert (1000.0 / quoted.odds_milli).sum() == pytest.approx(1.05 * 0.9, rel=5e-3)
    assert (quoted.odds_milli <= 1000.0 / part).all()
    none = quote_one(
        [0.0, 0.0, 0.0], margin=Margin(method=method, book_within_milli=5), winners=WINNERS_VARY
    )
    assert not none.offered.any()


def test_overlapping_outcomes_are_quoted_by_shins_method_as_markets_of_several_winners() -> None:
    chances = (0.5, 0.3, 0.2)  # which by chance add up to the one winner of Shin's method
    quoted = {
        winners: quote_one(
            chances, margin=Margin(method=Method.SHIN), ladder=FINE, winners=winners
        ).odds_milli.tolist()
        for winners in (1.0, WINNERS_VARY)
    }
    odds_ratio = quote_one(chances, margin=Margin(method=Method.ODDS_RATIO), ladder=FINE)
    assert quoted[WINNERS_VARY] == odds_ratio.odds_milli.tolist() != quoted[1.0]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("book_milli", 999, "book_milli: must be"),
        ("book_milli_by_type", {"1x2": 2_001}, "1x2: must be"),
        ("book_within_milli", -1, "book_within_milli: must be"),
        ("book_within_milli", 501, "book_within_milli: must be"),
        ("bands", (MarginBand(to_milli=2_000, book_milli=999),), "bands: book_milli"),
        ("bands", (MarginBand(to_milli=900, book_milli=1_050),), "bands: to_milli"),
        ("bands", tuple(MarginBand(to_milli=n, book_milli=1_050) for n in (3_000, 3_000)), "rise"),
        (
            "bands_by_type",
            {"x": tuple(MarginBand(to_milli=2_000 + n, book_milli=1_050) for n in range(65))},
            "x: bands",
        ),
    ],
)
def test_a_margin_outside_its_bounds_is_refused_by_field(
    field: str, value: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Margin(**{field: value})  # type: ignore[arg-type]


# --- rounding that keeps the book sum ------------------------------------------------------------


def rounded(prices: list[int], quoted: float, rounding: Rounding) -> int:
    """Return the index of the price to which one over a probability is rounded, by a full search.

    The shorter price wins a tie; a price counts as reached within 1e-12.
    """
    odds = 1000.0 / quoted
    if rounding is Rounding.SHORTER:
        return max(k for k, price in enumerate(prices) if price <= odds * (1.0 + 1e-12))
    return min(range(len(prices)), key=lambda k: (abs(prices[k] - odds), prices[k]))


def choices(
    quoted: Floats, ladder: Ladder, rounding: Rounding, fair: Sequence[float] | None = None
) -> list[tuple[tuple[int, ...], float, float]]:
    """Return every choice of neighbouring prices: the prices, the book sum, and the cost."""
    options = []
    for k, probability in enumerate(quoted.tolist()):
        prices = ladder.prices_milli.tolist()
        at = rounded(prices, probability, rounding)
        if fair is not None:
            prices = [price for price in prices if price * fair[k] <= 1000.0 * (1.0 + 1e-12)]
            at = min(at, len(prices) - 1)
        steps = (-1, 0) if rounding is Rounding.SHORTER else (-1, 0, 1)
        options.append([prices[at + n] for n in steps if 0 <= at + n < len(prices)])
    return [
        (
            row,
            sum(1000.0 / price for price in row),
            sum(abs(1000.0 / price - q) for price, q in zip(row, quoted.tolist(), strict=True)),
        )
        for row in product(*options)
    ]


def held(
    quoted: Floats,
    ladder: Ladder,
    *,
    within: float,
    rounding: Rounding = Rounding.NEAREST,
    fair: Floats | None = None,
) -> tuple[list[int], int]:
    """Round one market of which every outcome is offered, and keep its book sum within limits."""
    outcomes = len(quoted)
    odds_milli, places = np.zeros(outcomes, np.int64), np.zeros(outcomes, np.int64)
    ladder.round_all(quoted, odds_milli, places, rounding=rounding)
    outside = hold_books_nb(
        quoted,
        np.zeros(outcomes) if fair is None else fair,
        np.ones(outcomes, np.bool_),
        np.array((0, outcomes)),
        np.ones(1),
        ladder.prices_milli,
        int(rounding),
        within,
        odds_milli,
        np.zeros((FLOAT_ROWS, outcomes + 1)),
        np.zeros((INT_ROWS, outcomes + 1), np.int64),
        np.zeros(1, np.int64),
    )
    return odds_milli.tolist(), outside


@given(
    p=chances(),
    book_sum=st.floats(1.0, 1.3),
    within=st.floats(0.0, 0.02),
    ladder=LADDERS,
    rounding=st.sampled_from(Rounding),
)
@settings(max_examples=150, deadline=None)
def test_a_book_sum_is_within_limits_whenever_neighbouring_prices_can_hold_it(
    p: list[float], book_sum: float, within: float, ladder: Ladder, rounding: Rounding
) -> None:
    quoted = np.array(p) * book_sum
    assume(float(quoted.max()) < 1000.0 / ladder.shortest_milli)
    assume(float(quoted.min()) > 1000.0 / ladder.longest_milli)
    target = float(quoted.sum())
    low, high = max(target - within, 1.0), target + within
    found = choices(quoted, ladder, rounding)
    inside = [cost for _, total, cost in found if low <= total <= high]
    odds_milli, outside = held(quoted, ladder, within=within, rounding=rounding)
    prices = ladder.prices_milli.tolist()
    nearest = [prices[rounded(prices, q, rounding)] for q in quoted.tolist()]
    total = sum(1000.0 / price for price in odds_milli)
    cost = sum(abs(1000.0 / price - q) for price, q in zip(odds_milli, quoted, strict=True))
    if inside:
        assert not outside
        if odds_milli != nearest:
            assert cost <= min(inside) + 1e-9
    if outside:
        assert total > high
        assert total <= min(total for _, total, _ in found if total > high) + 1e-9
    else:
        assert low - 1e-8 <= total <= high + 1e-8
    if rounding is Rounding.SHORTER:
        assert all(a <= b for a, b in zip(odds_milli, nearest, strict=True))


def test_odds_whose_book_sum_drifts_in_rounding_are_moved_back() -> None:
    fair = (0.37, 0.36, 0.27)
    free = quote_one(fair, margin=Margin(book_milli=1_050))
    kept = quote_one(fair, margin=Margin(book_milli=1_050, book_within_milli=1))
    assert abs(book(free) - 1.05) > 1e-3
    assert abs(book(kept) - 1.05) <= 1e-3 + 1e-9
    assert kept.shortfalls.tolist() == [Shortfall.NONE]


@given(p=chances(largest=40), within=st.integers(2, 20))
@settings(max_examples=60, deadline=None)
def test_a_large_markets_book_sum_is_held_on_the_exchange_ladder(
    p: list[float], within: int
) -> None:
    quoted = quote_one(
        p, margin=Margin(book_milli=1_100, book_within_milli=within, method=Method.POWER)
    )
    if not quoted.shortfalls.any() and quoted.offered.all():
        assert abs(book(quoted) - 1.1) <= within / 1000.0 + 1e-8
    assert book(quoted) >= 1.0


def test_a_book_sum_that_no_odds_reach_is_the_nearest_above_and_is_flagged() -> None:
    quoted = quote_one(
        (0.5, 0.5), margin=Margin(book_milli=1_000, book_within_milli=0), ladder=COARSE
    )
    assert quoted.odds_milli.tolist() == [2_000, 2_000]
    assert quoted.shortfalls.tolist() == [0]
    odd = quote_one(
        (0.47, 0.53), margin=Margin(book_milli=1_000, book_within_milli=1), ladder=COARSE
    )
    assert odd.shortfalls.tolist() == [Shortfall.BOOK]
    assert 1.001 < book(odd) < 1.03


def test_odds_move_past_their_neighbours_when_those_are_not_enough() -> None:
    """Longshots at the longest price raise the book sum; two favourites must give that back."""
    fair = (0.5, 0.4952, *[2e-4] * 24)
    margin = Margin(book_milli=1_050, book_within_milli=2, method=Method.POWER)
    quoted = quote_one(fair, margin=margin, ladder=CENTS)
    assert quoted.odds_milli.tolist()[2:] == [1_000_000] * 24
    assert abs(book(quoted) - 1.05) <= 2e-3 + 1e-9
    assert quoted.shortfalls.tolist() == [0]
    free = quote_one(fair, margin=Margin(book_milli=1_050, method=Method.POWER), ladder=CENTS)
    apart = quoted.odds_milli[:2] - free.odds_milli[:2]
    assert apart.max() > 10


@given(p=chances(), off=st.integers(0, 5), shift=st.floats(-0.004, 0.004))
@settings(max_examples=60, deadline=None)
def test_an_outcome_not_offered_counts_with_its_probability_and_keeps_its_odds(
    p: list[float], off: int, shift: float
) -> None:
    quoted = np.array(p) * (1.05 + shift)
    assume(len(p) > 2)
    assume(float(quoted.max()) < 0.9)
    off %= len(p)
    offered = np.arange(len(p)) != off
    odds_milli, places = np.zeros(len(p), np.int64), np.zeros(len(p), np.int64)
    EXCHANGE.round_all(quoted, odds_milli, places)
    odds_milli[off] = 5_000
    statuses = np.zeros(1, np.int64)
    hold_books_nb(
        quoted, np.zeros(len(p)), offered, np.array((0, len(p))), np.ones(1),
        EXCHANGE.prices_milli, 0, 0.003, odds_milli, np.zeros((FLOAT_ROWS, len(p) + 1)),
        np.zeros((INT_ROWS, len(p) + 1), np.int64), statuses,
    )  # fmt: skip
    assert odds_milli[off] == 5_000
    total = float((1000.0 / odds_milli)[offered].sum() + quoted[off])
    inside = abs(total - float(quoted.sum())) <= 0.003 + 1e-8
    assert inside == (statuses[0] == 0)


@given(
    p=chances(),
    nudges=st.lists(st.floats(-0.03, 0.03), min_size=6, max_size=6),
    within=st.floats(0.0, 0.02),
    ladder=st.sampled_from((EXCHANGE, CENTS, COARSE)),
)
@settings(max_examples=100, deadline=None)
def test_odds_not_above_fair_hold_the_book_sum_where_any_can(
    p: list[float], nudges: list[float], within: float, ladder: Ladder
) -> None:
    quoted = np.array(
        [1.03 * value * (1.0 + nudge) for value, nudge in zip(p, nudges, strict=False)]
    )
    assume(max(*p, float(quoted.max())) < 1000.0 / ladder.shortest_milli)
    assume(float(quoted.min()) > 1000.0 / ladder.longest_milli)
    target = float(quoted.sum())
    low, high = max(target - within, 1.0), target + within
    odds_milli, outside = held(quoted, ladder, within=within, fair=np.array(p))
    total = sum(1000.0 / price for price in odds_milli)
    for price, value in zip(odds_milli, p, strict=True):
        assert price * value <= 1000.0 * (1.0 + 1e-12)
    if any(low <= total <= high for _, total, _ in choices(quoted, ladder, Rounding.NEAREST, p)):
        assert not outside
    assert outside == (not low - 1e-8 <= total <= high + 1e-8)


@given(p=chances(), within=st.integers(3, 20), ladder=st.sampled_from((EXCHANGE, CENTS)))
@settings(max_examples=100, deadline=None)
def test_a_book_sum_is_held_without_odds_above_fair(
    p: list[float], within: int, ladder: Ladder
) -> None:
    margin = Margin(book_milli=1_020, book_within_milli=within)
    quoted = quote_one(p, margin=margin, ladder=ladder)
    for odds_milli, probability, offered in zip(
        quoted.odds_milli.tolist(), p, quoted.offered.tolist(), strict=True
    ):
        assert not offered or odds_milli * probability <= 1000.0 * (1.0 + 1e-9)
    off = book(quoted) - 1.02
    if quoted.shortfalls.any():
        assert off > within / 1000.0
    elif quoted.offered.all():
        assert abs(off) <= within / 1000.0 + 1e-8


def test_no_book_sum_is_below_one_however_wide_its_limits() -> None:
    margin = Margin(book_milli=1_000, book_within_milli=500)
    for favourite in np.linspace(0.3, 0.7, 81).tolist():
        assert book(quote_one((favourite, 1.0 - favourite), margin=margin)) >= 1.0 - 1e-8


def test_outcomes_too_likely_or_unlikely_are_not_offered() -> None:
    fair = (0.9999 - 5e-5, 1.5e-4 - 1e-5, 1e-5)
    fair = (*fair[:2], 1.0 - sum(fair[:2]))
    margin = Margin(book_milli=1_001, book_within_milli=500)
    quoted = quote_one(fair, margin=margin)
    assert quoted.offered.tolist() == [False, True, False]
    assert quoted.odds_milli.tolist()[0] == 1_010


# --- a whole quote -------------------------------------------------------------------------------


def test_a_market_whose_method_has_no_answer_is_not_offered_and_is_flagged() -> None:
    quoted = quote(
        np.array((0.97, 0.03, 0.5, 0.5)),
        np.array((0, 2, 4)),
        np.ones(2),
        ("a", "b"),
        margin=Margin(method=Method.PROPORTIONAL),
    )
    assert quoted.shortfalls.tolist() == [Shortfall.MARGIN, 0]
    assert quoted.offered.tolist() == [False, True, True, True]


def test_a_quote_does_not_depend_on_earlier_quotes() -> None:
    offsets, fair = np.array((0, 3)), np.array((0.5, 0.3, 0.2))
    quoter = Quoter(offsets, np.ones(1), ("1x2",))
    wanted = Margin(book_milli=1_060, book_within_milli=2)
    first = quoter.quote(fair, margin=wanted).odds_milli.tolist()
    figures = BookFigures(np.zeros(3, np.int64), np.array((10**6, 0, 0)))
    skew = LinearSkew(scale_minor=10**6)
    quoter.quote(fair[::-1].copy(), margin=KEYS, skew=skew, figures=figures)
    assert quoter.quote(fair, margin=wanted).odds_milli.tolist() == first


def test_shortfalls_do_not_depend_on_earlier_quotes() -> None:
    offsets, fair = np.array((0, 3)), np.array((0.8, 0.7, 0.5))
    quoter = Quoter(offsets, np.full(1, 2.0), ("double_chance",))
    figures = BookFigures(np.zeros(3, np.int64), np.array((10**6, 0, 0)))
    skew = OptimalSkew(risk_minor=10**6)
    skewed = quoter.quote(fair, margin=Margin(), skew=skew, figures=figures)
    assert skewed.shortfalls.tolist() == [Shortfall.SKEW]
    assert quoter.quote(fair, margin=Margin()).shortfalls.tolist() == [0]


@pytest.mark.parametrize(
    "figures", [None, BookFigures(np.zeros(3, np.int64), np.zeros(3, np.int64))]
)
def test_an_empty_book_skews_nothing(figures: BookFigures | None) -> None:
    fair, offsets = np.array((0.5, 0.3, 0.2)), np.array((0, 3))
    plain = quote(fair, offsets, np.ones(1), ("1x2",), margin=Margin())
    skewed = quote(
        fair, offsets, np.ones(1), ("1x2",), margin=Margin(), figures=figures,
        skew=LinearSkew(scale_minor=10**5),
    )  # fmt: skip
    assert skewed.odds_milli.tolist() == plain.odds_milli.tolist()


def test_columns_of_other_lengths_are_refused() -> None:
    quoter = Quoter(np.array((0, 3)), np.ones(1), ("1x2",))
    with pytest.raises(ValueError, match="fair: 3 outcomes"):
        quoter.quote(np.array((0.5, 0.5)), margin=Margin())
    figures = BookFigures(np.zeros(3, np.int64), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="payout_minor: 3 outcomes"):
        quoter.quote(np.array((0.5, 0.3, 0.2)), margin=Margin(), figures=figures)
    with pytest.raises(ValueError, match="need as many winners, types and legs"):
        Quoter(np.array((0, 3)), np.ones(2), ("1x2",))


def test_a_market_type_may_be_quoted_by_a_method_of_its_own() -> None:
    fair = np.array([0.9, 0.1, 0.9, 0.1])
    margin = Margin(
        book_milli=1_060, method_by_type={"total": Method.ADDITIVE}, rounding=Rounding.NEAREST
    )
    quoted = quote(
        fair, np.array([0, 2, 4]), np.array([1.0, 1.0]), ("total", "handicap"),
        margin=margin, ladder=CENTS,
    )  # fmt: skip
    for market, method in ((slice(0, 2), Method.ADDITIVE), (slice(2, 4), Method.ODDS_RATIO)):
        answer = add_margin((0.9, 0.1), book=1.06, method=method)
        assert isinstance(answer, MarginSolved)
        assert quoted.odds_milli[market].tolist() == pytest.approx(
            [1_000.0 * odds for odds in answer.values], abs=10
        )
    assert quoted.odds_milli[1] > quoted.odds_milli[3]
