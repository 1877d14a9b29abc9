"""The optimal skew: reservation prices, the best prices at a sum, its bounds and refusals."""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, expm1, log, log1p, sqrt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.pricing.quoting import BookFigures, Margin, Shortfall, quote
from engine.pricing.skew import OptimalSkew
from engine.pricing.skew_nb import LINEAR, LOG_ODDS, MANY_WINNERS, NOT_CONVERGED, SKEWED
from engine.pricing.skew_optimal_nb import optimal_nb, reservations_nb
from tests.engine.pricing.skew_cases import books, skewed, with_margin

LOWEST_SHARE = 0.02
"""No reservation price is below this share of the fair probability."""


def reservations(
    p: Sequence[float], payouts: Sequence[float], *, risk: float, bet: float
) -> list[float]:
    """Return the prices at which one more bet does not change exponential utility."""
    states = [
        value * exp((paid - max(payouts)) / risk) for value, paid in zip(p, payouts, strict=True)
    ]
    tilted = [state / sum(states) for state in states]
    prices = [risk / bet * log1p(q * expm1(bet / risk)) for q in tilted]
    return [max(r, LOWEST_SHARE * value) for r, value in zip(prices, p, strict=True)]


def gain(
    p: Sequence[float], prices: Sequence[float], reserved: Sequence[float], *, elasticity: float,
    tilt: float = 0.0,
) -> float:  # fmt: skip
    """Return the gain per unit of time: rate of bets times price less reservation price."""
    return sum(
        value**tilt * (value * (1.0 - u) / ((1.0 - value) * u)) ** elasticity * (u - r)
        for value, u, r in zip(p, prices, reserved, strict=True)
    )


def optimal(
    p: Sequence[float], quoted: Sequence[float], payouts: Sequence[float], *,
    risk: float = 1e6, bet: float = 1e4, elasticity: float = 8.0, tilt: float = 0.0,
    cap: float = 0.25, winners: float = 1.0, floor_share: float = 0.0,
) -> tuple[list[float], int]:  # fmt: skip
    out, statuses = np.zeros(len(p)), np.zeros(1, np.int64)
    optimal_nb(
        np.array(p), np.array(quoted), np.array(payouts), np.array((0, len(p))),
        np.array((winners,)), risk, bet, elasticity, tilt, floor_share, cap, np.zeros((3, len(p))),
        out, statuses,
    )  # fmt: skip
    return out.tolist(), int(statuses[0])


@given(market=books(), risk=st.floats(1e5, 1e8))
@settings(max_examples=60, deadline=None)
def test_a_bet_at_its_reservation_price_does_not_change_expected_utility(
    market: tuple[list[float], list[float]], risk: float
) -> None:
    p, payouts = market
    bet = 0.01 * risk
    found = np.zeros(len(p))
    reservations_nb(np.array(p), np.array(payouts), found, 0, len(p), risk, bet / risk)

    def utility(wealths: Sequence[float]) -> float:
        return -sum(v * exp(-w / risk) for v, w in zip(p, wealths, strict=True))

    before = utility([-paid for paid in payouts])
    for outcome, price in enumerate(found.tolist()):
        if price <= LOWEST_SHARE * p[outcome]:
            continue
        after = [bet * price - paid - bet * (k == outcome) for k, paid in enumerate(payouts)]
        assert utility(after) == pytest.approx(before, rel=1e-9)
    assert found.tolist() == pytest.approx(reservations(p, payouts, risk=risk, bet=bet), rel=1e-9)


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
    """The twin is the definition: no change of two prices that keeps their sum raises the gain."""
    p, payouts = market
    assume(max(p) < 0.85)
    quoted = with_margin(p, book)
    prices, status = optimal(
        p, quoted, payouts, risk=5e6, elasticity=elasticity, tilt=tilt, cap=cap
    )
    assert status == SKEWED
    assert sum(prices) == pytest.approx(sum(quoted), abs=1e-11)
    reserved = reservations(p, payouts, risk=5e6, bet=1e4)
    lows, highs = allowed(quoted, reserved, elasticity=elasticity, cap=cap)
    if sum(highs) <= sum(quoted):
        caps = [1.0 / (1.0 + (1.0 - q) / q * exp(-cap)) for q in quoted]
        share = (sum(quoted) - sum(highs)) / (sum(caps) - sum(highs))
        edge = [high + share * (most - high) for high, most in zip(highs, caps, strict=True)]
        assert prices == pytest.approx(edge, abs=1e-9)
        return
    for u, low, high in zip(prices, lows, highs, strict=True):
        assert low - 1e-12 <= u <= high + 1e-12
    best = gain(p, prices, reserved, elasticity=elasticity, tilt=tilt)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        i, j = rng.choice(len(p), 2, replace=False)
        step = min(highs[i] - prices[i], prices[j] - lows[j]) * rng.random()
        tried = list(prices)
        tried[i] += step
        tried[j] -= step
        assert gain(p, tried, reserved, elasticity=elasticity, tilt=tilt) <= best + 1e-10


def allowed(
    quoted: Sequence[float], reserved: Sequence[float], *, elasticity: float, cap: float
) -> tuple[list[float], list[float]]:
    """Return the lowest and the highest price that the search may give each outcome.

    The highest is the cap, and at most the price up to which the gain is concave, less a share of
    1e-9 that keeps rounding from crossing it.
    """
    lows = [1.0 / (1.0 + (1.0 - q) / q * exp(cap)) for q in quoted]
    highs = [1.0 / (1.0 + (1.0 - q) / q * exp(-cap)) for q in quoted]
    for k, r in enumerate(reserved):
        if elasticity - 1.0 + 2.0 * r > 0.0:
            concave_to = (1.0 - 1e-9) * (elasticity + 1.0) * r / (elasticity - 1.0 + 2.0 * r)
            highs[k] = max(lows[k], min(highs[k], concave_to))
    return lows, highs


@given(market=books(), tilt=st.floats(0.0, 1.5))
@settings(max_examples=80, deadline=None)
def test_no_other_skew_gains_more_at_the_same_book_sum(
    market: tuple[list[float], list[float]], tilt: float
) -> None:
    p, payouts = market
    assume(max(p) < 0.85)
    quoted = with_margin(p, 1.05)
    prices, _ = optimal(p, quoted, payouts, risk=5e6, tilt=tilt, cap=0.5)
    reserved = reservations(p, payouts, risk=5e6, bet=1e4)
    lows, highs = allowed(quoted, reserved, elasticity=8.0, cap=0.5)
    assume(sum(highs) > sum(quoted))
    best = gain(p, prices, reserved, elasticity=8.0, tilt=tilt)
    for form, cap in ((LINEAR, 0.03), (LOG_ODDS, 0.15)):
        other = with_margin(skewed(form, p, payouts, cap), 1.05)
        if all(low <= u <= high for u, low, high in zip(other, lows, highs, strict=True)):
            assert gain(p, other, reserved, elasticity=8.0, tilt=tilt) <= best + 1e-10
    assert gain(p, quoted, reserved, elasticity=8.0, tilt=tilt) <= best + 1e-10 or any(
        u > high for u, high in zip(quoted, highs, strict=True)
    )


@given(market=books(), times=st.floats(1.0, 1e6), elasticity=st.floats(0.5, 30.0))
@settings(max_examples=80, deadline=None)
def test_prices_stay_within_their_cap_and_keep_the_sum_at_any_payouts(
    market: tuple[list[float], list[float]], times: float, elasticity: float
) -> None:
    p, payouts = market
    assume(max(p) < 0.9)
    quoted = with_margin(p, 1.05)
    heaviest = max(range(len(p)), key=payouts.__getitem__)
    payouts = [times * paid for paid in payouts]
    prices, status = optimal(p, quoted, payouts, elasticity=elasticity)
    assert status == SKEWED
    assert sum(prices) == pytest.approx(sum(quoted), abs=1e-9)
    for before, after in zip(quoted, prices, strict=True):
        assert abs(log(after / (1.0 - after)) - log(before / (1.0 - before))) <= 0.25 + 1e-9
    if payouts[heaviest] - sorted(payouts)[-2] > 1e7:
        assert prices[heaviest] > quoted[heaviest]


def test_the_best_price_of_an_empty_book_at_elasticity_1_is_the_square_root() -> None:
    """At elasticity 1 one price alone gains (1 + p) - u - p/u, most at u = sqrt(p)."""
    p = 0.5
    prices, status = optimal(
        (p, p), (sqrt(p), sqrt(p)), (0.0, 0.0), elasticity=1.0, risk=1e12, bet=1.0, cap=0.5
    )
    assert status == SKEWED
    assert prices == pytest.approx((sqrt(p), sqrt(p)), abs=1e-9)
    nearby = [gain((p,), (u,), (p,), elasticity=1.0) for u in np.linspace(0.6, 0.8, 201)]
    assert max(nearby) <= gain((p,), (sqrt(p),), (p,), elasticity=1.0) + 1e-12


def test_a_lower_risk_tolerance_moves_prices_further() -> None:
    p, payouts = (0.45, 0.30, 0.25), (60_000.0, 10_000.0, 10_000.0)
    quoted = with_margin(p, 1.05)
    home = [optimal(p, quoted, payouts, risk=risk, cap=1.0)[0][0] for risk in (1e8, 3e6, 1e6, 3e5)]
    assert all(a < b for a, b in pairwise(home))


def test_the_optimal_form_has_no_answer_for_markets_with_many_winners() -> None:
    prices, status = optimal((0.8, 0.7, 0.5), (0.83, 0.73, 0.54), (1.0, 2.0, 3.0), winners=2.0)
    assert status == MANY_WINNERS
    assert prices == [0.83, 0.73, 0.54]


@given(market=books(), elasticity=st.floats(0.5, 15.0))
@settings(max_examples=80, deadline=None)
def test_with_a_floor_at_fair_no_price_is_below_fair(
    market: tuple[list[float], list[float]], elasticity: float
) -> None:
    p, payouts = market
    assume(max(p) < 0.9)
    quoted = with_margin(p, 1.05)
    prices, status = optimal(p, quoted, payouts, risk=2e6, elasticity=elasticity, floor_share=1.0)
    assert status == SKEWED
    assert sum(prices) == pytest.approx(sum(quoted), abs=1e-9)
    assert all(u >= value - 1e-12 for u, value in zip(prices, p, strict=True))


def test_a_search_that_does_not_converge_keeps_the_prices_of_the_margin_and_is_flagged() -> None:
    """Demand this steep over a cap this wide has slopes forty orders of magnitude apart."""
    p = [49 / 110, 3 / 110, 58 / 110]
    quoted = with_margin(p, 1.05)
    steep = {"risk": 2e4, "bet": 20.0, "elasticity": 100.0, "cap": 2.0, "floor_share": 1.0}
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
