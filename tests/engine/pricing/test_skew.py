"""The linear and the log-odds skew, the floor at fair, and skews through a quote."""

from collections.abc import Sequence
from math import exp, log

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.pricing.ladder import FINE
from engine.pricing.margin import Method
from engine.pricing.quoting import BookFigures, Margin, Shortfall, quote
from engine.pricing.skew import LinearSkew, LogOddsSkew, OptimalSkew, Skew
from engine.pricing.skew_nb import LINEAR, LOG_ODDS, floor_at_fair_nb
from tests.engine.pricing import twins
from tests.engine.pricing.skew_cases import FORMS, SCALE, books, skewed, with_margin


def moved_by(form: int, value: float, excess: float, cap: float) -> float:
    if form == LOG_ODDS:
        odds = value / (1.0 - value) * exp(min(max(excess, -cap), cap))
        return odds / (1.0 + odds)
    room = min(cap, value / 2.0, (1.0 - value) / 2.0)
    return value + min(max(value * excess, -room), room)


def twin(form: int, p: Sequence[float], payouts: Sequence[float], cap: float) -> list[float]:
    """Skew by the definition and bisection.

    An excess above ten scales counts as ten; the linear form moves a probability by at most half of
    its distance to 0 or to 1.
    """
    expected = sum(a * b for a, b in zip(p, payouts, strict=True)) / sum(p)
    excesses = [min(max((x - expected) / SCALE, -10.0), 10.0) for x in payouts]

    def moved(common: float) -> list[float]:
        return [moved_by(form, v, x - common, cap) for v, x in zip(p, excesses, strict=True)]

    low, high = min(excesses), max(excesses)
    if high - low < 1e-12:
        return list(p)
    return moved(twins.bisect(lambda c: sum(moved(c)) - sum(p), low, high))


@pytest.mark.parametrize("form", FORMS)
@given(market=books(scales_max=25), cap=st.floats(0.0, 0.5))
@settings(max_examples=100, deadline=None)
def test_a_skew_equals_its_plain_twin(
    form: int, market: tuple[list[float], list[float]], cap: float
) -> None:
    assert skewed(form, *market, cap) == pytest.approx(twin(form, *market, cap), abs=1e-9)


@pytest.mark.parametrize("form", FORMS)
@given(market=books(scales_max=25), cap=st.floats(0.0, 0.5))
@settings(max_examples=100, deadline=None)
def test_a_skew_keeps_the_sum_and_never_exceeds_its_cap(
    form: int, market: tuple[list[float], list[float]], cap: float
) -> None:
    p, payouts = market
    moved = skewed(form, p, payouts, cap)
    assert sum(moved) == pytest.approx(1.0, abs=1e-11)
    for before, after in zip(p, moved, strict=True):
        assert 0.0 < after < 1.0
        if form == LINEAR:
            assert abs(after - before) <= min(cap, 0.5 * before, 0.5 * (1.0 - before)) + 1e-12
        else:
            step = log(after / (1.0 - after)) - log(before / (1.0 - before))
            assert abs(step) <= cap + 1e-9


@pytest.mark.parametrize("form", FORMS)
def test_odds_shorten_where_the_payout_is_above_the_expected_one_and_lengthen_elsewhere(
    form: int,
) -> None:
    p = (0.5, 0.3, 0.2)
    moved = skewed(form, p, (30_000.0, 10_000.0, 10_000.0), 0.5)
    assert moved[0] > p[0]
    assert moved[1] < p[1]
    assert moved[2] < p[2]


def test_the_linear_form_moves_a_probability_by_its_excess_in_scales() -> None:
    """Expected 0.5 * 30,000 + 0.5 * 10,000 = 20,000; excesses 0.1 and -0.1 of the scale."""
    moved = skewed(LINEAR, (0.5, 0.3, 0.2), (30_000.0, 10_000.0, 10_000.0), 0.5)
    assert moved == pytest.approx((0.55, 0.27, 0.18), abs=1e-12)


def test_the_log_odds_form_moves_two_outcomes_apart_by_their_difference() -> None:
    moved = skewed(LOG_ODDS, (0.5, 0.5), (30_000.0, 10_000.0), 1.0)
    steps = [log(q / (1.0 - q)) for q in moved]
    assert steps == pytest.approx((0.1, -0.1), abs=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("p", "payouts"),
    [((1.0, 0.0), (5e9, 0.0)), ((0.0, 0.0), (1.0, 2.0)), ((0.6, 0.4), (7.0, 7.0))],
)
def test_a_market_without_excess_or_without_two_open_outcomes_is_not_skewed(
    form: int, p: tuple[float, ...], payouts: tuple[float, ...]
) -> None:
    assert skewed(form, p, payouts, 0.2) == list(p)


@pytest.mark.parametrize("form", FORMS)
@given(market=books(), huge=st.floats(0.0, 1e18))
@settings(max_examples=60, deadline=None)
def test_a_skew_keeps_the_sum_whatever_the_payouts(
    form: int, market: tuple[list[float], list[float]], huge: float
) -> None:
    p, payouts = market
    moved = skewed(form, p, [huge, *payouts[1:]], 0.1)
    assert sum(moved) == pytest.approx(1.0, abs=1e-11)


# --- no odds above fair --------------------------------------------------------------------------


@given(market=books(), form=st.sampled_from(FORMS))
@settings(max_examples=80, deadline=None)
def test_odds_above_fair_are_capped_and_the_other_outcomes_keep_the_sum(
    market: tuple[list[float], list[float]], form: int
) -> None:
    p, payouts = market
    assume(max(p) < 0.85)
    prices = with_margin(skewed(form, p, payouts, 0.2), 1.05)
    out = np.array(prices)
    offsets, margins = np.array((0, len(p))), np.zeros(1, np.int64)
    changed = floor_at_fair_nb(np.array(p), offsets, margins, out)
    assert changed == any(q < value for q, value in zip(prices, p, strict=True))
    above = sum(max(q - value, 0.0) for q, value in zip(prices, p, strict=True))
    share = (sum(prices) - sum(p)) / above if changed else 1.0
    expected = [value + share * max(q - value, 0.0) for q, value in zip(prices, p, strict=True)]
    assert out.tolist() == pytest.approx(expected if changed else prices, abs=1e-12)
    assert out.sum() == pytest.approx(1.05, abs=1e-9)
    if changed:
        assert (out >= np.array(p)).all()


def test_a_quote_capped_at_fair_reduces_every_other_margin_by_one_factor() -> None:
    fair, payouts = (0.4, 0.25, 0.2, 0.15), (60_000, 30_000, 0, 40_000)
    skew = LogOddsSkew(scale_minor=SCALE, log_odds_milli_max=500)
    answer = quote(
        np.array(fair), np.array((0, 4)), np.ones(1), ("x",), ladder=FINE, skew=skew,
        margin=Margin(book_milli=1_040, book_within_milli=1),
        figures=BookFigures(np.zeros(4, np.int64), np.array(payouts)),
    )  # fmt: skip
    prices = with_margin(skewed(LOG_ODDS, fair, payouts, 0.5), 1.04)
    above = sum(max(q - value, 0.0) for q, value in zip(prices, fair, strict=True))
    assert prices[2] < fair[2]
    expected = [
        value + max(q - value, 0.0) * 0.04 / above for q, value in zip(prices, fair, strict=True)
    ]
    assert (1000.0 / answer.odds_milli).tolist() == pytest.approx(expected, abs=6e-4)


def test_markets_whose_margin_failed_are_not_floored_at_fair() -> None:
    fair, prices = np.array((0.5, 0.5)), np.array((0.4, 0.7))
    assert floor_at_fair_nb(fair, np.array((0, 2)), np.array((2,)), prices) == 0
    assert prices.tolist() == [0.4, 0.7]


# --- through a quote -----------------------------------------------------------------------------

SKEWS: tuple[Skew, ...] = (
    LinearSkew(scale_minor=SCALE),
    LogOddsSkew(scale_minor=SCALE),
    OptimalSkew(risk_minor=SCALE, bet_payout_minor=1_000),
)
FAIR = np.array((0.45, 0.30, 0.25, 0.8, 0.7, 0.5))
PAYOUTS = np.array((40_000, 10_000, 10_000, 5_000, 9_000, 5_000))


def quoted_with(skew: Skew | None, *, capped: bool = True) -> tuple[list[int], list[int]]:
    answer = quote(
        FAIR, np.array((0, 3, 6)), np.array((1.0, 2.0)), ("1x2", "double_chance"),
        margin=Margin(capped=capped), ladder=FINE, skew=skew,
        figures=BookFigures(PAYOUTS // 2, PAYOUTS),
    )  # fmt: skip
    return answer.odds_milli.tolist(), answer.shortfalls.tolist()


@pytest.mark.parametrize("capped", [True, False])
@pytest.mark.parametrize("skew", SKEWS)
def test_a_skewed_quote_is_shorter_where_the_book_would_pay_most(skew: Skew, capped: bool) -> None:
    plain, _ = quoted_with(None)
    odds_milli, shortfalls = quoted_with(skew, capped=capped)
    longest = float((FAIR[:3] * odds_milli[:3]).max()) / 1000.0
    assert longest <= 1.0 if capped else longest > 1.0
    assert odds_milli[0] < plain[0]
    assert odds_milli[1] > plain[1]
    assert sum(1000.0 / each for each in odds_milli[:3]) == pytest.approx(1.05, abs=1e-3)
    assert sum(1000.0 / each for each in odds_milli[3:]) == pytest.approx(2.10, abs=2e-3)
    if isinstance(skew, OptimalSkew):
        assert shortfalls == [0, Shortfall.SKEW]
        assert odds_milli[3:] == plain[3:]
    else:
        assert shortfalls == [0, 0]


def test_a_skew_that_makes_the_margin_unreachable_is_removed_and_flagged() -> None:
    fair, offsets = np.array((0.94, 0.06)), np.array((0, 2))
    margin = Margin(method=Method.PROPORTIONAL, book_milli=1_050)
    figures = BookFigures(np.zeros(2, np.int64), np.array((10**6, 0)))
    skew = LinearSkew(scale_minor=10**5, shift_milli_max=30)
    plain = quote(fair, offsets, np.ones(1), ("x",), margin=margin, ladder=FINE)
    answer = quote(
        fair, offsets, np.ones(1), ("x",), margin=margin, ladder=FINE, skew=skew, figures=figures
    )
    assert answer.shortfalls.tolist() == [Shortfall.SKEW]
    assert answer.odds_milli.tolist() == plain.odds_milli.tolist()


def test_skews_are_decoded_by_their_tag_and_within_bounds() -> None:
    for skew in SKEWS:
        assert msgspec.json.decode(msgspec.json.encode(skew), type=Skew) == skew
    for text in (
        b'{"type":"linear","scale_minor":99}',
        b'{"type":"linear","scale_minor":1000,"shift_milli_max":501}',
        b'{"type":"log_odds","scale_minor":1000,"log_odds_milli_max":2001}',
        b'{"type":"optimal","risk_minor":1000,"bet_payout_minor":1001}',
        b'{"type":"optimal","risk_minor":1000000,"elasticity":0.0}',
        b'{"type":"steep","scale_minor":1000}',
        b'{"type":"linear","scale_minor":1000,"depth":1}',
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(text, type=Skew)


@pytest.mark.parametrize(
    ("form", "fields", "field"),
    [
        (LinearSkew, {"scale_minor": 99}, "scale_minor"),
        (LinearSkew, {"scale_minor": 1_000, "shift_milli_max": -1}, "shift_milli_max"),
        (LogOddsSkew, {"scale_minor": 10**15 + 1}, "scale_minor"),
        (LogOddsSkew, {"scale_minor": 1_000, "log_odds_milli_max": 2_001}, "log_odds_milli_max"),
        (OptimalSkew, {"risk_minor": 1}, "risk_minor"),
        (OptimalSkew, {"risk_minor": 1_000, "bet_payout_minor": 1_001}, "bet_payout_minor"),
        (OptimalSkew, {"risk_minor": 10**6, "elasticity": float("nan")}, "elasticity"),
        (OptimalSkew, {"risk_minor": 10**6, "tilt": 4.5}, "tilt"),
        (OptimalSkew, {"risk_minor": 10**6, "log_odds_milli_max": -1}, "log_odds_milli_max"),
    ],
)
def test_a_skew_outside_its_bounds_is_refused_by_field(
    form: type[Skew], fields: dict[str, float], field: str
) -> None:
    with pytest.raises(ValueError, match=f"{field}: must be"):
        form(**fields)
