"""Kernels of leaning on the book: probabilities moved by what each outcome would cost.

Owns the three forms, their caps and tolerances; never allocates, never answers NaN. A market that a
lean has no answer for keeps what it had and gets a status. No form changes a market's sum.
"""

from math import exp, expm1, log, log1p
from typing import Any, Final

from numba import float64, int64

from engine.common.jit import kernel

LINEAR: Final = 0
LOG_ODDS: Final = 1

LEANT: Final = 0
MANY_WINNERS: Final = 1
NOT_CONVERGED: Final = 2
TOO_SHORT: Final = 3

TOLERANCE: Final = 1e-12
"""A leant market's sum is within this of what it was, relative to it."""
EXCESS_MAX: Final = 10.0
"""An excess above this many scales counts as this many."""
ROOM_SHARE: Final = 0.5
"""The linear form takes at most this share of what is left to 0 or to 1."""
FLOOR_SHARE: Final = 0.02
"""No reservation price is below this share of the fair probability: at nothing, gain is a line."""
_ITERATIONS_MAX: Final = 100
_LIVE_MIN: Final = 1e-9
"""An outcome nearer than this to 0 or to 1 stays as it is."""
_CONCAVE_SHARE: Final = 1.0 - 1e-9


@kernel()
def live_nb(probability: float) -> bool:
    """Say whether an outcome can be leant on."""
    return _LIVE_MIN < probability < 1.0 - _LIVE_MIN


@kernel()
def moved_nb(form: int, probability: float, excess: float, cap: float) -> float:
    """Return one probability moved by an excess, within the form's cap."""
    if form == LOG_ODDS:
        factor = exp(min(max(excess, -cap), cap))
        return probability * factor / (1.0 - probability + probability * factor)
    room = min(cap, ROOM_SHARE * min(probability, 1.0 - probability))
    return probability + min(max(probability * excess, -room), room)


@kernel()
def rise_nb(form: int, probability: float, excess: float, cap: float) -> float:
    """Return the derivative of `moved_nb` by the excess: 0 where a cap holds it."""
    if form == LOG_ODDS:
        if abs(excess) >= cap:
            return 0.0
        moved = moved_nb(form, probability, excess, cap)
        return moved * (1.0 - moved)
    room = min(cap, ROOM_SHARE * min(probability, 1.0 - probability))
    return probability if abs(probability * excess) < room else 0.0


@kernel()
def skew_market_nb(
    form: int, fair: Any, payouts: Any, leant: Any, first: int, last: int, scale: float, cap: float
) -> int:
    """Lean one market by the linear or the log-odds form; return a status.

    The excess of an outcome is its payout above the market's expected payout, in scales. A constant
    common to all is taken off so that the sum stays what it was; since each moved probability rises
    with its excess, the sum falls with the constant, and it lies between the excesses' extremes.
    """
    weight = 0.0
    expected = 0.0
    live = 0
    for k in range(first, last):
        leant[k] = fair[k]
        if live_nb(fair[k]):
            weight += fair[k]
            expected += fair[k] * payouts[k]
            live += 1
    if live < 2:
        return LEANT
    expected /= weight
    low = EXCESS_MAX
    high = -EXCESS_MAX
    for k in range(first, last):
        if live_nb(fair[k]):
            excess = min(max((payouts[k] - expected) / scale, -EXCESS_MAX), EXCESS_MAX)
            low = min(low, excess)
            high = max(high, excess)
    common = min(max(0.0, low), high)
    status = NOT_CONVERGED
    for _ in range(_ITERATIONS_MAX):
        gap = 0.0
        slope = 0.0
        for k in range(first, last):
            if live_nb(fair[k]):
                excess = min(max((payouts[k] - expected) / scale, -EXCESS_MAX), EXCESS_MAX)
                leant[k] = moved_nb(form, fair[k], excess - common, cap)
                gap += leant[k] - fair[k]
                slope += rise_nb(form, fair[k], excess - common, cap)
        if abs(gap) <= TOLERANCE * weight:
            status = LEANT
            break
        if gap > 0.0:
            low = common
        else:
            high = common
        following = common + gap / slope if slope > 0.0 else 0.5 * (low + high)
        if not low < following < high:
            following = 0.5 * (low + high)
        if following == common:
            break
        common = following
    if status != LEANT:
        for k in range(first, last):
            leant[k] = fair[k]
    return status


@kernel(
    int64(int64, float64[::1], float64[::1], int64[::1], float64, float64, float64[::1], int64[::1])
)
def skew_nb(
    form: int,
    fair: Any,
    payouts: Any,
    offsets: Any,
    scale: float,
    cap: float,
    leant: Any,
    statuses: Any,
) -> int:
    """Lean many markets by the linear or the log-odds form.

    Parameters
    ----------
    form : int
        LINEAR or LOG_ODDS.
    fair : float64[outcomes]
        Fair probabilities, market after market.
    payouts : float64[outcomes]
        What each outcome would pay, in minor units.
    offsets : int64[markets + 1]
        Where each market begins.
    scale : float
        The excess, in minor units, that counts as 1.
    cap : float
        How far a probability (LINEAR) or its log-odds (LOG_ODDS) may move.
    leant : float64[outcomes]
        Out: the moved probabilities.
    statuses : int64[markets]
        Out: LEANT, or why not.

    Returns
    -------
    int
        Markets without an answer.
    """
    refused = 0
    for market in range(len(offsets) - 1):
        statuses[market] = skew_market_nb(
            form, fair, payouts, leant, offsets[market], offsets[market + 1], scale, cap
        )
        if statuses[market] != LEANT:
            refused += 1
    return refused


@kernel()
def reservation_nb(tilted: float, appetite: float) -> float:
    """Return the price at which one more bet leaves expected utility where it is.

    `tilted` is the outcome's probability with each state weighted by its marginal utility,
    `appetite` the bet's payout in risk tolerances.
    """
    return log1p(tilted * expm1(appetite)) / appetite


@kernel()
def slope_nb(fair: float, price: float, floor: float, elasticity: float, tilt: float) -> float:
    """Return the derivative by price of an outcome's gain rate: bets that come times gain each."""
    ratio = fair * (1.0 - price) / ((1.0 - fair) * price)
    rate = exp(elasticity * log(ratio) + tilt * log(fair))
    return rate * (1.0 - elasticity * (price - floor) / (price * (1.0 - price)))


@kernel()
def bend_nb(fair: float, price: float, floor: float, elasticity: float, tilt: float) -> float:
    """Return the second derivative of that gain rate."""
    ratio = fair * (1.0 - price) / ((1.0 - fair) * price)
    rate = exp(elasticity * log(ratio) + tilt * log(fair))
    square = price * price * (1.0 - price) * (1.0 - price)
    inside = price * (elasticity - 1.0 + 2.0 * floor) - (elasticity + 1.0) * floor
    return rate * elasticity * inside / square


@kernel()
def best_price_nb(
    fair: float,
    floor: float,
    low: float,
    high: float,
    start: float,
    shadow: float,
    elasticity: float,
    tilt: float,
) -> float:
    """Return the price at which the gain rate's slope is `shadow`, or the nearer end."""
    if slope_nb(fair, low, floor, elasticity, tilt) <= shadow:
        return low
    if slope_nb(fair, high, floor, elasticity, tilt) >= shadow:
        return high
    price = start if low < start < high else 0.5 * (low + high)
    for _ in range(_ITERATIONS_MAX):
        gap = slope_nb(fair, price, floor, elasticity, tilt) - shadow
        if gap > 0.0:
            low = price
        else:
            high = price
        bend = bend_nb(fair, price, floor, elasticity, tilt)
        following = price - gap / bend if bend < 0.0 else low
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - price) <= 1e-15:
            return following
        price = following
    return price


@kernel()
def reserve_nb(
    fair: Any, payouts: Any, floors: Any, first: int, last: int, risk: float, appetite: float
) -> None:
    """Fill the reservation prices of one market whose outcomes exclude each other."""
    largest = payouts[first]
    for k in range(first, last):
        largest = max(largest, payouts[k])
    total = 0.0
    for k in range(first, last):
        floors[k] = fair[k] * exp((payouts[k] - largest) / risk)
        total += floors[k]
    for k in range(first, last):
        floor = reservation_nb(floors[k] / total, appetite) if total > 0.0 else fair[k]
        floors[k] = max(floor, FLOOR_SHARE * fair[k])


@kernel()
def box_nb(
    quoted: Any,
    floors: Any,
    lows: Any,
    highs: Any,
    k: int,
    least: float,
    cap: float,
    elasticity: float,
) -> None:
    """Fill the prices between which one outcome's price is sought: the cap, where gain is concave.

    None is below `least`, unless the price without a lean is. Past `(e + 1) r / (e - 1 + 2 r)` the
    gain rate bends upwards. An outcome whose whole cap is past it is quoted at the low end: there
    its gain falls with its price.
    """
    lows[k] = max(moved_nb(LOG_ODDS, quoted[k], -cap, cap), min(least, quoted[k]))
    highs[k] = moved_nb(LOG_ODDS, quoted[k], cap, cap)
    under = elasticity - 1.0 + 2.0 * floors[k]
    if under > 0.0:
        bent = (elasticity + 1.0) * floors[k] / under * _CONCAVE_SHARE
        highs[k] = max(lows[k], min(highs[k], bent))


@kernel()
def edge_nb(
    fair: Any,
    quoted: Any,
    highs: Any,
    leant: Any,
    first: int,
    last: int,
    cap: float,
    missing: float,
) -> None:
    """Quote a market whose sum is past where gain is concave: from that edge evenly to the caps."""
    room = 0.0
    for k in range(first, last):
        if live_nb(fair[k]) and live_nb(quoted[k]):
            room += moved_nb(LOG_ODDS, quoted[k], cap, cap) - highs[k]
    share = min(max(missing / room, 0.0), 1.0) if room > 0.0 else 0.0
    for k in range(first, last):
        if live_nb(fair[k]) and live_nb(quoted[k]):
            leant[k] = highs[k] + share * (moved_nb(LOG_ODDS, quoted[k], cap, cap) - highs[k])


@kernel()
def optimal_market_nb(
    fair: Any,
    quoted: Any,
    floors: Any,
    lows: Any,
    highs: Any,
    leant: Any,
    first: int,
    last: int,
    least: float,
    cap: float,
    elasticity: float,
    tilt: float,
) -> int:
    """Find the prices that gain most at the sum they had; return a status.

    One Lagrange multiplier (the shadow price of the book's sum) is sought by Newton in a bracket;
    for each, every price is found for itself, since the gain is a sum over outcomes.
    """
    target = 0.0
    highest = 0.0
    low = 1e300
    high = -1e300
    shadow = 0.0
    live = 0
    for k in range(first, last):
        leant[k] = quoted[k]
        if live_nb(fair[k]) and live_nb(quoted[k]):
            box_nb(quoted, floors, lows, highs, k, fair[k] * least, cap, elasticity)
            target += quoted[k]
            highest += highs[k]
            low = min(low, slope_nb(fair[k], highs[k], floors[k], elasticity, tilt))
            high = max(high, slope_nb(fair[k], lows[k], floors[k], elasticity, tilt))
            shadow += slope_nb(fair[k], quoted[k], floors[k], elasticity, tilt)
            live += 1
    if live < 2:
        return LEANT
    if highest <= target * (1.0 + TOLERANCE):
        edge_nb(fair, quoted, highs, leant, first, last, cap, target - highest)
        return LEANT
    shadow /= live
    if not low < shadow < high:
        shadow = 0.5 * (low + high)
    for _ in range(_ITERATIONS_MAX):
        gap = -target
        slope = 0.0
        for k in range(first, last):
            if live_nb(fair[k]) and live_nb(quoted[k]):
                leant[k] = best_price_nb(
                    fair[k], floors[k], lows[k], highs[k], leant[k], shadow, elasticity, tilt
                )
                gap += leant[k]
                bend = bend_nb(fair[k], leant[k], floors[k], elasticity, tilt)
                if lows[k] < leant[k] < highs[k] and bend < 0.0:
                    slope += 1.0 / bend
        if abs(gap) <= TOLERANCE * target:
            return LEANT
        if gap > 0.0:
            low = shadow
        else:
            high = shadow
        following = shadow - gap / slope if slope < 0.0 else 0.5 * (low + high)
        if not low < following < high:
            following = 0.5 * (low + high)
        if following == shadow:
            break
        shadow = following
    for k in range(first, last):
        leant[k] = quoted[k]
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
    least: float,
    cap: float,
    scratch: Any,
    leant: Any,
    statuses: Any,
) -> int:
    """Quote many markets by the optimal form.

    Parameters
    ----------
    fair, quoted : float64[outcomes]
        Fair probabilities, and those with the margin in them.
    payouts : float64[outcomes]
        What each outcome would pay, in minor units.
    offsets : int64[markets + 1]
        Where each market begins.
    winners : float64[markets]
        Outcomes that win; markets with more than one have no answer.
    risk, bet_payout : float
        The risk tolerance, and what the next bet would pay, in minor units.
    elasticity, tilt : float
        The demand model.
    least : float
        The lowest price in fair probabilities: 1 for none below fair, 0 for no such bound.
    cap : float
        How far a price's log-odds may move.
    scratch : float64[3, outcomes]
        Working space: reservation prices and the ends of the search.
    leant : float64[outcomes]
        Out: quoted probabilities.
    statuses : int64[markets]
        Out: LEANT, or why not.

    Returns
    -------
    int
        Markets without an answer.
    """
    refused = 0
    for market in range(len(offsets) - 1):
        first, last = offsets[market], offsets[market + 1]
        if winners[market] != 1.0:
            leant[first:last] = quoted[first:last]
            statuses[market] = MANY_WINNERS
        else:
            reserve_nb(fair, payouts, scratch[0], first, last, risk, bet_payout / risk)
            statuses[market] = optimal_market_nb(
                fair, quoted, scratch[0], scratch[1], scratch[2], leant, first, last, least,
                cap, elasticity, tilt,
            )  # fmt: skip
        if statuses[market] != LEANT:
            refused += 1
    return refused


@kernel(int64(float64[::1], int64[::1], int64[::1], float64[::1], int64[::1]))
def unlean_nb(fair: Any, offsets: Any, margins: Any, leant: Any, statuses: Any) -> int:
    """Take the lean off markets whose margin (a status other than 0) it puts out of reach.

    Returns
    -------
    int
        Markets that were leant and are no longer.
    """
    taken = 0
    for market in range(len(offsets) - 1):
        moved = False
        if margins[market] != 0:
            for k in range(offsets[market], offsets[market + 1]):
                moved = moved or leant[k] != fair[k]
                leant[k] = fair[k]
        if moved:
            statuses[market] = TOO_SHORT
            taken += 1
    return taken


@kernel(int64(float64[::1], int64[::1], int64[::1], float64[::1]))
def floor_nb(fair: Any, offsets: Any, margins: Any, quoted: Any) -> int:
    """Take out of leant prices what is below fair, at the cost of what is above: sums are kept.

    Every price keeps the same share of what it holds above fair, `max(q - p, 0)`; the share is what
    is left of the margin over all of that. Markets whose margin has a status other than 0 are left.

    Returns
    -------
    int
        Markets that were changed.
    """
    changed = 0
    for market in range(len(offsets) - 1):
        first, last = offsets[market], offsets[market + 1]
        above = 0.0
        below = 0.0
        for k in range(first, last):
            above += max(quoted[k] - fair[k], 0.0)
            below += max(fair[k] - quoted[k], 0.0)
        if margins[market] != 0 or below == 0.0 or above < below:
            continue
        changed += 1
        for k in range(first, last):
            quoted[k] = fair[k] + max(quoted[k] - fair[k], 0.0) * (above - below) / above
    return changed
