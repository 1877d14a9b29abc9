"""Leaning on the book: plain twins, caps, sums kept, and what is best for its risk."""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, expm1, log, log1p, sqrt

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.pricing.ladder import FINE
from engine.pricing.margin import Method, add_margin
from engine.pricing.quoting import BookFigures, Margin, Shortfall, quote
from engine.pricing.skew import LinearSkew, LogOddsSkew, OptimalSkew, Skew
from engine.pricing.skew_nb import (
    EXCESS_MAX,
    FLOOR_SHARE,
    LEANT,
    LINEAR,
    LOG_ODDS,
    MANY_WINNERS,
    NOT_CONVERGED,
    ROOM_SHARE,
    floor_nb,
    optimal_nb,
    reserve_nb,
    skew_nb,
)
from tests.engine.pricing import twins

Floats = npt.NDArray[np.float64]
SCALE = 100_000
FORMS = (LINEAR, LOG_ODDS)


@st.composite
def books(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Draw fair probabilities of one market and what each outcome would pay."""
    weights = draw(st.lists(st.floats(0.02, 1.0), min_size=2, max_size=6))
    payouts = [float(draw(st.integers(0, 10 * SCALE))) for _ in weights]
    return [weight / sum(weights) for weight in weights], payouts


def leant(form: int, p: Sequence[float], payouts: Sequence[float], cap: float) -> list[float]:
    out, statuses = np.zeros(len(p)), np.zeros(1, np.int64)
    offsets = np.array((0, len(p)))
    skew_nb(
        form, np.array(p), np.array(payouts, np.float64), offsets, float(SCALE), cap, out, statuses
    )
    assert statuses[0] == LEANT
    return out.tolist()


def shifted(form: int, value: float, excess: float, cap: float) -> float:
    if form == LOG_ODDS:
        odds = value / (1.0 - value) * exp(min(max(excess, -cap), cap))
        return odds / (1.0 + odds)
    room = min(cap, ROOM_SHARE * value, ROOM_SHARE * (1.0 - value))
    return value + min(max(value * excess, -room), room)


def twin(form: int, p: Sequence[float], payouts: Sequence[float], cap: float) -> list[float]:
    """Lean by the definition and bisection."""
    expected = sum(a * b for a, b in zip(p, payouts, strict=True)) / sum(p)
    excesses = [min(max((x - expected) / SCALE, -EXCESS_MAX), EXCESS_MAX) for x in payouts]

    def moved(common: float) -> list[float]:
        return [shifted(form, v, x - common, cap) for v, x in zip(p, excesses, strict=True)]

    low, high = min(excesses), max(excesses)
    if high - low < 1e-12:
        return list(p)
    return moved(twins.bisect(lambda c: sum(moved(c)) - sum(p), low, high))


@pytest.mark.parametrize("form", FORMS)
@given(market=books(), cap=st.floats(0.0, 0.5))
@settings(max_examples=100, deadline=None)
def test_a_lean_equals_its_plain_twin(
    form: int, market: tuple[list[float], list[float]], cap: float
) -> None:
    assert leant(form, *market, cap) == pytest.approx(twin(form, *market, cap), abs=1e-9)


@pytest.mark.parametrize("form", FORMS)
@given(market=books(), cap=st.floats(0.0, 0.5))
@settings(max_examples=100, deadline=None)
def test_a_lean_keeps_the_sum_and_never_crosses_its_cap(
    form: int, market: tuple[list[float], list[float]], cap: float
) -> None:
    p, payouts = market
    moved = leant(form, p, payouts, cap)
    assert sum(moved) == pytest.approx(1.0, abs=1e-11)
    for before, after in zip(p, moved, strict=True):
        assert 0.0 < after < 1.0
        if form == LINEAR:
            assert abs(after - before) <= min(cap, 0.5 * before, 0.5 * (1.0 - before)) + 1e-12
        else:
            step = log(after / (1.0 - after)) - log(before / (1.0 - before))
            assert abs(step) <= cap + 1e-9


@pytest.mark.parametrize("form", FORMS)
def test_more_than_its_share_is_shorter_and_less_is_longer(form: int) -> None:
    p = (0.5, 0.3, 0.2)
    moved = leant(form, p, (30_000.0, 10_000.0, 10_000.0), 0.5)
    assert moved[0] > p[0]
    assert moved[1] < p[1]
    assert moved[2] < p[2]


def test_the_linear_form_moves_a_probability_by_its_excess_in_scales() -> None:
    """Expected 0.5 * 30,000 + 0.5 * 10,000 = 20,000; excesses 0.1 and -0.1 of the scale."""
    moved = leant(LINEAR, (0.5, 0.3, 0.2), (30_000.0, 10_000.0, 10_000.0), 0.5)
    assert moved == pytest.approx((0.55, 0.27, 0.18), abs=1e-12)


def test_the_log_odds_form_moves_two_outcomes_apart_by_their_difference() -> None:
    moved = leant(LOG_ODDS, (0.5, 0.5), (30_000.0, 10_000.0), 1.0)
    steps = [log(q / (1.0 - q)) for q in moved]
    assert steps == pytest.approx((0.1, -0.1), abs=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("p", "payouts"),
    [((1.0, 0.0), (5e9, 0.0)), ((0.0, 0.0), (1.0, 2.0)), ((0.6, 0.4), (7.0, 7.0))],
)
def test_nothing_to_lean_on_leaves_a_market_as_it_is(
    form: int, p: tuple[float, ...], payouts: tuple[float, ...]
) -> None:
    assert leant(form, p, payouts, 0.2) == list(p)


@pytest.mark.parametrize("form", FORMS)
@given(market=books(), huge=st.floats(0.0, 1e18))
@settings(max_examples=60, deadline=None)
def test_any_book_gives_probabilities(
    form: int, market: tuple[list[float], list[float]], huge: float
) -> None:
    p, payouts = market
    moved = leant(form, p, [huge, *payouts[1:]], 0.1)
    assert sum(moved) == pytest.approx(1.0, abs=1e-11)


# --- the optimal form ----------------------------------------------------------------------------


def reservations(
    p: Sequence[float], payouts: Sequence[float], *, risk: float, bet: float
) -> list[float]:
    """Return the price at which one more bet leaves exponential utility where it is."""
    states = [
        value * exp((paid - max(payouts)) / risk) for value, paid in zip(p, payouts, strict=True)
    ]
    tilted = [state / sum(states) for state in states]
    prices = [risk / bet * log1p(q * expm1(bet / risk)) for q in tilted]
    return [max(r, FLOOR_SHARE * value) for r, value in zip(prices, p, strict=True)]


def gain(
    p: Sequence[float], prices: Sequence[float], floors: Sequence[float], *, elasticity: float,
    tilt: float = 0.0,
) -> float:  # fmt: skip
    """Return what a unit of time gains: bets that come, times price less reservation price."""
    return sum(
        value**tilt * (value * (1.0 - u) / ((1.0 - value) * u)) ** elasticity * (u - r)
        for value, u, r in zip(p, prices, floors, strict=True)
    )


def optimal(
    p: Sequence[float], quoted: Sequence[float], payouts: Sequence[float], *,
    risk: float = 1e6, bet: float = 1e4, elasticity: float = 8.0, tilt: float = 0.0,
    cap: float = 0.25, winners: float = 1.0, least: float = 0.0,
) -> tuple[list[float], int]:  # fmt: skip
    out, statuses = np.zeros(len(p)), np.zeros(1, np.int64)
    optimal_nb(
        np.array(p), np.array(quoted), np.array(payouts), np.array((0, len(p))),
        np.array((winners,)), risk, bet, elasticity, tilt, least, cap, np.zeros((3, len(p))), out,
        statuses,
    )  # fmt: skip
    return out.tolist(), int(statuses[0])


def margined(p: Sequence[float], book: float) -> list[float]:
    answer = add_margin(p, book=book, method=Method.ODDS_RATIO)
    assert not hasattr(answer, "status"), answer
    return [1.0 / odds for odds in answer.values]  # type: ignore[union-attr]


@given(market=books(), risk=st.floats(1e5, 1e8))
@settings(max_examples=60, deadline=None)
def test_reservation_prices_leave_expected_utility_where_it_is(
    market: tuple[list[float], list[float]], risk: float
) -> None:
    p, payouts = market
    bet = 0.01 * risk
    floors = np.zeros(len(p))
    reserve_nb(np.array(p), np.array(payouts), floors, 0, len(p), risk, bet / risk)

    def utility(wealths: Sequence[float]) -> float:
        return -sum(v * exp(-w / risk) for v, w in zip(p, wealths, strict=True))

    before = utility([-paid for paid in payouts])
    for outcome, floor in enumerate(floors.tolist()):
        if floor <= FLOOR_SHARE * p[outcome]:
            continue
        after = [bet * floor - paid - bet * (k == outcome) for k, paid in enumerate(payouts)]
        assert utility(after) == pytest.approx(before, rel=1e-9)
    assert floors.tolist() == pytest.approx(reservations(p, payouts, risk=risk, bet=bet), rel=1e-9)


@given(
    market=books(),
    book=st.floats(1.01, 1.12),
    elasticity=st.floats(0.5, 15.0),
    tilt=st.floats(-1.0, 2.0),
    cap=st.floats(0.02, 0.5),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=80, deadline=None)
def test_no_step_between_two_prices_gains_more(
    market: tuple[list[float], list[float]], book: float, elasticity: float, tilt: float,
    cap: float, seed: int,
) -> None:  # fmt: skip
    """The twin is the definition: along any direction that keeps the sum, gain does not rise."""
    p, payouts = market
    assume(max(p) < 0.85)
    quoted = margined(p, book)
    prices, status = optimal(
        p, quoted, payouts, risk=5e6, elasticity=elasticity, tilt=tilt, cap=cap
    )
    assert status == LEANT
    assert sum(prices) == pytest.approx(sum(quoted), abs=1e-11)
    floors = reservations(p, payouts, risk=5e6, bet=1e4)
    lows, highs = allowed(quoted, floors, elasticity=elasticity, cap=cap)
    if sum(highs) <= sum(quoted):
        caps = [1.0 / (1.0 + (1.0 - q) / q * exp(-cap)) for q in quoted]
        share = (sum(quoted) - sum(highs)) / (sum(caps) - sum(highs))
        edge = [high + share * (most - high) for high, most in zip(highs, caps, strict=True)]
        assert prices == pytest.approx(edge, abs=1e-9)
        return
    for u, low, high in zip(prices, lows, highs, strict=True):
        assert low - 1e-12 <= u <= high + 1e-12
    best = gain(p, prices, floors, elasticity=elasticity, tilt=tilt)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        i, j = rng.choice(len(p), 2, replace=False)
        step = min(highs[i] - prices[i], prices[j] - lows[j]) * rng.random()
        tried = list(prices)
        tried[i] += step
        tried[j] -= step
        assert gain(p, tried, floors, elasticity=elasticity, tilt=tilt) <= best + 1e-10


def allowed(
    quoted: Sequence[float], floors: Sequence[float], *, elasticity: float, cap: float
) -> tuple[list[float], list[float]]:
    """Return between which prices each outcome's is sought."""
    lows = [1.0 / (1.0 + (1.0 - q) / q * exp(cap)) for q in quoted]
    highs = [1.0 / (1.0 + (1.0 - q) / q * exp(-cap)) for q in quoted]
    for k, r in enumerate(floors):
        if elasticity - 1.0 + 2.0 * r > 0.0:
            bent = (elasticity + 1.0) * r / (elasticity - 1.0 + 2.0 * r)
            highs[k] = max(lows[k], min(highs[k], bent))
    return lows, highs


@given(market=books(), tilt=st.floats(0.0, 1.5))
@settings(max_examples=80, deadline=None)
def test_no_other_lean_gains_more_at_the_same_book(
    market: tuple[list[float], list[float]], tilt: float
) -> None:
    p, payouts = market
    assume(max(p) < 0.85)
    quoted = margined(p, 1.05)
    prices, _ = optimal(p, quoted, payouts, risk=5e6, tilt=tilt, cap=0.5)
    floors = reservations(p, payouts, risk=5e6, bet=1e4)
    lows, highs = allowed(quoted, floors, elasticity=8.0, cap=0.5)
    assume(sum(highs) > sum(quoted))
    best = gain(p, prices, floors, elasticity=8.0, tilt=tilt)
    for form, cap in ((LINEAR, 0.03), (LOG_ODDS, 0.15)):
        other = margined(leant(form, p, payouts, cap), 1.05)
        if all(low <= u <= high for u, low, high in zip(other, lows, highs, strict=True)):
            assert gain(p, other, floors, elasticity=8.0, tilt=tilt) <= best + 1e-10
    assert gain(p, quoted, floors, elasticity=8.0, tilt=tilt) <= best + 1e-10 or any(
        u > high for u, high in zip(quoted, highs, strict=True)
    )


@given(market=books(), times=st.floats(1.0, 1e6), elasticity=st.floats(0.5, 30.0))
@settings(max_examples=80, deadline=None)
def test_however_lopsided_the_book_prices_lean_within_their_cap_and_hold_the_sum(
    market: tuple[list[float], list[float]], times: float, elasticity: float
) -> None:
    p, payouts = market
    assume(max(p) < 0.9)
    quoted = margined(p, 1.05)
    heaviest = max(range(len(p)), key=payouts.__getitem__)
    payouts = [times * paid for paid in payouts]
    prices, status = optimal(p, quoted, payouts, elasticity=elasticity)
    assert status == LEANT
    assert sum(prices) == pytest.approx(sum(quoted), abs=1e-9)
    for before, after in zip(quoted, prices, strict=True):
        assert abs(log(after / (1.0 - after)) - log(before / (1.0 - before))) <= 0.25 + 1e-9
    if payouts[heaviest] - sorted(payouts)[-2] > 1e7:
        assert prices[heaviest] > quoted[heaviest]


def test_with_an_empty_book_and_no_bound_on_the_sum_the_best_price_is_the_root() -> None:
    """At elasticity 1 one price alone gains (1 + p) - u - p/u, most at u = sqrt(p)."""
    p = 0.5
    prices, status = optimal(
        (p, p), (sqrt(p), sqrt(p)), (0.0, 0.0), elasticity=1.0, risk=1e12, bet=1.0, cap=0.5
    )
    assert status == LEANT
    assert prices == pytest.approx((sqrt(p), sqrt(p)), abs=1e-9)
    nearby = [gain((p,), (u,), (p,), elasticity=1.0) for u in np.linspace(0.6, 0.8, 201)]
    assert max(nearby) <= gain((p,), (sqrt(p),), (p,), elasticity=1.0) + 1e-12


def test_less_tolerance_of_risk_moves_prices_further() -> None:
    p, payouts = (0.45, 0.30, 0.25), (60_000.0, 10_000.0, 10_000.0)
    quoted = margined(p, 1.05)
    home = [optimal(p, quoted, payouts, risk=risk, cap=1.0)[0][0] for risk in (1e8, 3e6, 1e6, 3e5)]
    assert all(a < b for a, b in pairwise(home))


def test_the_optimal_form_has_no_answer_for_markets_with_many_winners() -> None:
    prices, status = optimal((0.8, 0.7, 0.5), (0.83, 0.73, 0.54), (1.0, 2.0, 3.0), winners=2.0)
    assert status == MANY_WINNERS
    assert prices == [0.83, 0.73, 0.54]


@given(market=books(), elasticity=st.floats(0.5, 15.0))
@settings(max_examples=80, deadline=None)
def test_where_no_odds_may_be_above_fair_the_best_prices_stop_there(
    market: tuple[list[float], list[float]], elasticity: float
) -> None:
    p, payouts = market
    assume(max(p) < 0.9)
    quoted = margined(p, 1.05)
    prices, status = optimal(p, quoted, payouts, risk=2e6, elasticity=elasticity, least=1.0)
    assert status == LEANT
    assert sum(prices) == pytest.approx(sum(quoted), abs=1e-9)
    assert all(u >= value - 1e-12 for u, value in zip(prices, p, strict=True))


def test_a_search_that_comes_to_no_rest_leaves_the_prices_of_the_margin_and_says_so() -> None:
    """Demand this steep over a cap this wide has slopes forty orders of magnitude apart."""
    p = [49 / 110, 3 / 110, 58 / 110]
    quoted = margined(p, 1.05)
    steep = {"risk": 2e4, "bet": 20.0, "elasticity": 100.0, "cap": 2.0, "least": 1.0}
    prices, status = optimal(p, quoted, (0.0, 160_000.0, 0.0), **steep)
    assert status == NOT_CONVERGED
    assert prices == quoted
    skew = OptimalSkew(
        risk_minor=20_000, bet_payout_minor=20, elasticity=100.0, log_odds_milli_max=2_000
    )
    figures = BookFigures(np.zeros(3, np.int64), np.array((0, 160_000, 0)))
    fair, offsets = np.array(p), np.array((0, 3))
    plain = quote(fair, offsets, np.ones(1), ("x",), margin=Margin())
    answer = quote(fair, offsets, np.ones(1), ("x",), margin=Margin(), skew=skew, figures=figures)
    assert answer.shortfalls.tolist() == [Shortfall.SKEW]
    assert answer.odds_milli.tolist() == plain.odds_milli.tolist()


# --- no odds above fair --------------------------------------------------------------------------


@given(market=books(), form=st.sampled_from(FORMS))
@settings(max_examples=80, deadline=None)
def test_odds_above_fair_are_brought_back_at_the_others_cost(
    market: tuple[list[float], list[float]], form: int
) -> None:
    p, payouts = market
    assume(max(p) < 0.85)
    prices = margined(leant(form, p, payouts, 0.2), 1.05)
    out = np.array(prices)
    offsets, margins = np.array((0, len(p))), np.zeros(1, np.int64)
    changed = floor_nb(np.array(p), offsets, margins, out)
    assert changed == any(q < value for q, value in zip(prices, p, strict=True))
    above = sum(max(q - value, 0.0) for q, value in zip(prices, p, strict=True))
    share = (sum(prices) - sum(p)) / above if changed else 1.0
    expected = [value + share * max(q - value, 0.0) for q, value in zip(prices, p, strict=True)]
    assert out.tolist() == pytest.approx(expected if changed else prices, abs=1e-12)
    assert out.sum() == pytest.approx(1.05, abs=1e-9)
    if changed:
        assert (out >= np.array(p)).all()


def test_a_quote_that_stops_at_fair_takes_from_all_the_others_alike() -> None:
    fair, payouts = (0.4, 0.25, 0.2, 0.15), (60_000, 30_000, 0, 40_000)
    skew = LogOddsSkew(scale_minor=SCALE, log_odds_milli_max=500)
    answer = quote(
        np.array(fair), np.array((0, 4)), np.ones(1), ("x",), ladder=FINE, skew=skew,
        margin=Margin(book_milli=1_040, book_within_milli=1),
        figures=BookFigures(np.zeros(4, np.int64), np.array(payouts)),
    )  # fmt: skip
    prices = margined(leant(LOG_ODDS, fair, payouts, 0.5), 1.04)
    above = sum(max(q - value, 0.0) for q, value in zip(prices, fair, strict=True))
    assert prices[2] < fair[2]
    expected = [
        value + max(q - value, 0.0) * 0.04 / above for q, value in zip(prices, fair, strict=True)
    ]
    assert (1000.0 / answer.odds_milli).tolist() == pytest.approx(expected, abs=6e-4)


def test_markets_without_a_margin_are_left_as_they_are() -> None:
    fair, prices = np.array((0.5, 0.5)), np.array((0.4, 0.7))
    assert floor_nb(fair, np.array((0, 2)), np.array((2,)), prices) == 0
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


@pytest.mark.parametrize("harmonised", [True, False])
@pytest.mark.parametrize("skew", SKEWS)
def test_a_leant_quote_is_shorter_where_the_book_would_pay_most(skew: Skew, capped: bool) -> None:
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


def test_a_lean_that_puts_the_book_out_of_reach_is_taken_off_and_says_so() -> None:
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


def test_leans_are_read_from_text_by_their_tag_and_within_bounds() -> None:
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
    ("form", "fields", "says"),
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
def test_a_lean_outside_its_bounds_is_refused_by_field(
    form: type[Skew], fields: dict[str, float], says: str
) -> None:
    with pytest.raises(ValueError, match=f"{says}: must be"):
        form(**fields)
