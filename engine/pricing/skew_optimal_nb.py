"""Quote the probabilities that gain most for their risk under a demand model: the kernels.

Owns reservation prices, the gain rate and the search for its maximum; never allocates, never
answers NaN. A price here is a quoted probability: one over the odds. A market without an answer
keeps its probabilities and gets a status. The form does not change a market's sum of probabilities.
"""

from math import exp, expm1, log, log1p
from typing import Any, Final

from numba import float64, int64

from engine.common.jit import kernel
from engine.pricing.skew_nb import (
    ITERATIONS_MAX,
    LOG_ODDS,
    MANY_WINNERS,
    NOT_CONVERGED,
    SKEWED,
    TOLERANCE,
    live_nb,
    moved_nb,
)

RESERVATION_SHARE_MIN: Final = 0.02
"""No reservation price is below this share of the fair probability: at 0 the gain is linear."""
_CONCAVE_SHARE: Final = 1.0 - 1e-9


@kernel()
def reservation_nb(tilted: float, appetite: float) -> float:
    """Return the price at which one more bet does not change expected utility.

    `tilted` is the outcome's probability with each result weighted by its marginal utility;
    `appetite` is the bet's payout over the risk tolerance.
    """
    return log1p(tilted * expm1(appetite)) / appetite


@kernel()
def gain_slope_nb(
    fair: float, price: float, reservation: float, elasticity: float, tilt: float
) -> float:
    """Return the derivative by price of an outcome's gain rate: rate of bets times gain per bet."""
    ratio = fair * (1.0 - price) / ((1.0 - fair) * price)
    rate = exp(elasticity * log(ratio) + tilt * log(fair))
    return rate * (1.0 - elasticity * (price - reservation) / (price * (1.0 - price)))


@kernel()
def gain_curvature_nb(
    fair: float, price: float, reservation: float, elasticity: float, tilt: float
) -> float:
    """Return the second derivative by price of an outcome's gain rate."""
    ratio = fair * (1.0 - price) / ((1.0 - fair) * price)
    rate = exp(elasticity * log(ratio) + tilt * log(fair))
    square = price * price * (1.0 - price) * (1.0 - price)
    inside = price * (elasticity - 1.0 + 2.0 * reservation) - (elasticity + 1.0) * reservation
    return rate * elasticity * inside / square


@kernel()
def best_price_nb(
    fair: float,
    reservation: float,
    low: float,
    high: float,
    start: float,
    shadow: float,
    elasticity: float,
    tilt: float,
) -> float:
    """Return the price from `low` to `high` at which the gain rate's slope is nearest `shadow`."""
    if gain_slope_nb(fair, low, reservation, elasticity, tilt) <= shadow:
        return low
    if gain_slope_nb(fair, high, reservation, elasticity, tilt) >= shadow:
        return high
    price = start if low < start < high else 0.5 * (low + high)
    for _ in range(ITERATIONS_MAX):
        gap = gain_slope_nb(fair, price, reservation, elasticity, tilt) - shadow
        if gap > 0.0:
            low = price
        else:
            high = price
        curvature = gain_curvature_nb(fair, price, reservation, elasticity, tilt)
        next_value = price - gap / curvature if curvature < 0.0 else low
        if not low < next_value < high:
            next_value = 0.5 * (low + high)
        if abs(next_value - price) <= 1e-15:
            return next_value
        price = next_value
    return price


@kernel()
def reservations_nb(
    fair: Any, payouts: Any, reservations: Any, first: int, last: int, risk: float, appetite: float
) -> None:
    """Fill the reservation prices of one market in which exactly one outcome wins."""
    largest = payouts[first]
    for k in range(first, last):
        largest = max(largest, payouts[k])
    total = 0.0
    for k in range(first, last):
        reservations[k] = fair[k] * exp((payouts[k] - largest) / risk)
        total += reservations[k]
    for k in range(first, last):
        reservation = reservation_nb(reservations[k] / total, appetite) if total > 0.0 else fair[k]
        reservations[k] = max(reservation, RESERVATION_SHARE_MIN * fair[k])


@kernel()
def bounds_nb(
    quoted: Any,
    reservations: Any,
    lows: Any,
    highs: Any,
    k: int,
    lowest: float,
    cap: float,
    elasticity: float,
) -> None:
    """Fill the bounds of one outcome's price: within the cap, and where the gain is concave.

    No price is below `lowest`, unless the price without a skew is. Above
    ``(e + 1) r / (e - 1 + 2 r)``, with elasticity e and reservation price r, the gain rate is
    convex. Where the cap's whole range is above that, both bounds are its low end: there the gain
    falls as the price rises.
    """
    lows[k] = max(moved_nb(LOG_ODDS, quoted[k], -cap, cap), min(lowest, quoted[k]))
    highs[k] = moved_nb(LOG_ODDS, quoted[k], cap, cap)
    under = elasticity - 1.0 + 2.0 * reservations[k]
    if under > 0.0:
        concave_to = (elasticity + 1.0) * reservations[k] / under * _CONCAVE_SHARE
        highs[k] = max(lows[k], min(highs[k], concave_to))


@kernel()
def edge_nb(
    fair: Any,
    quoted: Any,
    highs: Any,
    skewed: Any,
    first: int,
    last: int,
    cap: float,
    missing: float,
) -> None:
    """Quote a market whose sum is above the sum of `highs`, where the gain stops being concave.

    Each price takes the same share of its range from `highs` to its cap; `missing` is the sum that
    the prices at `highs` lack.
    """
    room = 0.0
    for k in range(first, last):
        if live_nb(fair[k]) and live_nb(quoted[k]):
            room += moved_nb(LOG_ODDS, quoted[k], cap, cap) - highs[k]
    share = min(max(missing / room, 0.0), 1.0) if room > 0.0 else 0.0
    for k in range(first, last):
        if live_nb(fair[k]) and live_nb(quoted[k]):
            skewed[k] = highs[k] + share * (moved_nb(LOG_ODDS, quoted[k], cap, cap) - highs[k])


@kernel()
def optimal_market_nb(
    fair: Any,
    quoted: Any,
    reservations: Any,
    lows: Any,
    highs: Any,
    skewed: Any,
    first: int,
    last: int,
    floor_share: float,
    cap: float,
    elasticity: float,
    tilt: float,
) -> int:
    """Find the prices that gain most at their present sum; return a status.

    The Lagrange multiplier of the sum (its shadow price) is found by Newton's steps in a bracket.
    For each multiplier every price is found separately, since the gain is a sum over outcomes.
    """
    target = 0.0
    highest = 0.0
    low = 1e300
    high = -1e300
    shadow = 0.0
    live = 0
    for k in range(first, last):
        skewed[k] = quoted[k]
        if live_nb(fair[k]) and live_nb(quoted[k]):
            bounds_nb(quoted, reservations, lows, highs, k, fair[k] * floor_share, cap, elasticity)
            target += quoted[k]
            highest += highs[k]
            low = min(low, gain_slope_nb(fair[k], highs[k], reservations[k], elasticity, tilt))
            high = max(high, gain_slope_nb(fair[k], lows[k], reservations[k], elasticity, tilt))
            shadow += gain_slope_nb(fair[k], quoted[k], reservations[k], elasticity, tilt)
            live += 1
    if live < 2:
        return SKEWED
    if highest <= target * (1.0 + TOLERANCE):
        edge_nb(fair, quoted, highs, skewed, first, last, cap, target - highest)
        return SKEWED
    shadow /= live
    if not low < shadow < high:
        shadow = 0.5 * (low + high)
    for _ in range(ITERATIONS_MAX):
        gap = -target
        slope = 0.0
        for k in range(first, last):
            if live_nb(fair[k]) and live_nb(quoted[k]):
                skewed[k] = best_price_nb(
                    fair[k], reservations[k], lows[k], highs[k], skewed[k], shadow, elasticity, tilt
                )
                gap += skewed[k]
                curvature = gain_curvature_nb(fair[k], skewed[k], reservations[k], elasticity, tilt)
                if lows[k] < skewed[k] < highs[k] and curvature < 0.0:
                    slope += 1.0 / curvature
        if abs(gap) <= TOLERANCE * target:
            return SKEWED
        if gap > 0.0:
            low = shadow
        else:
            high = shadow
        next_value = shadow - gap / slope if slope < 0.0 else 0.5 * (low + high)
        if not low < next_value < high:
            next_value = 0.5 * (low + high)
        if next_value == shadow:
            break
        shadow = next_value
    for k in range(first, last):
        skewed[k] = quoted[k]
    return NOT_CONVERGED


@kernel(
    int64(
        float64[::1],
        float64[::1],
        float64[::1],
        int64[::1],
        float64[::1],
        float64,
        float64,
        float64,
        float64,
        float64,
        float64,
        float64[:, ::1],
        float64[::1],
        int64[::1],
    )
)
def optimal_nb(
    fair: Any,
    quoted: Any,
    payouts: Any,
    offsets: Any,
    winners: Any,
    risk: float,
    bet_payout: float,
    elasticity: float,
    tilt: float,
    floor_share: float,
    cap: float,
    scratch: Any,
    skewed: Any,
    statuses: Any,
) -> int:
    """Quote many markets by the optimal form.

    Parameters
    ----------
    fair, quoted : float64[outcomes]
        Fair probabilities, and the same with the margin in them.
    payouts : float64[outcomes]
        What each outcome would pay, in minor units.
    offsets : int64[markets + 1]
        Index of each market's first outcome, and the end.
    winners : float64[markets]
        Outcomes that win; markets with more than one have no answer.
    risk, bet_payout : float
        The risk tolerance, and what the next bet would pay, in minor units.
    elasticity, tilt : float
        The demand model (see `OptimalSkew`).
    floor_share : float
        The lowest price as a share of the fair probability: 1 for none below fair, 0 for no bound.
    cap : float
        How far a price's log-odds may move.
    scratch : float64[3, outcomes]
        Working space: reservation prices, and each price's low and high bound.
    skewed : float64[outcomes]
        Out: quoted probabilities.
    statuses : int64[markets]
        Out: SKEWED, MANY_WINNERS or NOT_CONVERGED.

    Returns
    -------
    int
        Markets without an answer.
    """
    refused = 0
    for market in range(len(offsets) - 1):
        first, last = offsets[market], offsets[market + 1]
        if winners[market] != 1.0:
            skewed[first:last] = quoted[first:last]
            statuses[market] = MANY_WINNERS
        else:
            reservations_nb(fair, payouts, scratch[0], first, last, risk, bet_payout / risk)
            statuses[market] = optimal_market_nb(
                fair, quoted, scratch[0], scratch[1], scratch[2], skewed, first, last, floor_share,
                cap, elasticity, tilt,
            )  # fmt: skip
        if statuses[market] != SKEWED:
            refused += 1
    return refused
