"""Skew probabilities by liability in the linear and the log-odds form: the kernels.

Owns both forms, their caps and tolerances, the removal of a skew, and the floor at fair; never
allocates, never answers NaN. A market for which a form has no answer keeps its probabilities and
gets a status. No form changes a market's sum of probabilities.
"""

from math import exp
from typing import Any, Final

from numba import float64, int64

from engine.common.jit import kernel

LINEAR: Final = 0
LOG_ODDS: Final = 1

SKEWED: Final = 0
MANY_WINNERS: Final = 1
NOT_CONVERGED: Final = 2
MARGIN_UNREACHABLE: Final = 3

TOLERANCE: Final = 1e-12
"""The sum of a skewed market is within this of its former sum, relative to it."""
EXCESS_MAX: Final = 10.0
"""An excess above this many scales counts as this many."""
ROOM_SHARE: Final = 0.5
"""The linear form moves a probability by at most this share of its distance to 0 or to 1."""
ITERATIONS_MAX: Final = 100
_LIVE_MIN: Final = 1e-9
"""An outcome within this of probability 0 or 1 is not moved."""


@kernel()
def live_nb(probability: float) -> bool:
    """Return whether an outcome's probability may be moved."""
    return _LIVE_MIN < probability < 1.0 - _LIVE_MIN


@kernel()
def moved_nb(form: int, probability: float, excess: float, cap: float) -> float:
    """Return a probability moved by an excess (in scales), within the form's cap."""
    if form == LOG_ODDS:
        factor = exp(min(max(excess, -cap), cap))
        return probability * factor / (1.0 - probability + probability * factor)
    room = min(cap, ROOM_SHARE * min(probability, 1.0 - probability))
    return probability + min(max(probability * excess, -room), room)


@kernel()
def moved_slope_nb(form: int, probability: float, excess: float, cap: float) -> float:
    """Return the derivative of `moved_nb` by the excess: 0 where the cap holds."""
    if form == LOG_ODDS:
        if abs(excess) >= cap:
            return 0.0
        moved = moved_nb(form, probability, excess, cap)
        return moved * (1.0 - moved)
    room = min(cap, ROOM_SHARE * min(probability, 1.0 - probability))
    return probability if abs(probability * excess) < room else 0.0


@kernel()
def skew_market_nb(
    form: int, fair: Any, payouts: Any, skewed: Any, first: int, last: int, scale: float, cap: float
) -> int:
    """Skew one market by the linear or the log-odds form; return a status.

    The excess of an outcome is its payout above the market's expected payout, in scales. One
    constant is subtracted from all excesses so that the sum of probabilities stays the same. Each
    moved probability rises with its excess, so the sum falls as the constant rises, and the
    constant lies between the smallest and the largest excess (Newton's steps in that bracket).
    """
    weight = 0.0
    expected = 0.0
    live = 0
    for k in range(first, last):
        skewed[k] = fair[k]
        if live_nb(fair[k]):
            weight += fair[k]
            expected += fair[k] * payouts[k]
            live += 1
    if live < 2:
        return SKEWED
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
    for _ in range(ITERATIONS_MAX):
        gap = 0.0
        slope = 0.0
        for k in range(first, last):
            if live_nb(fair[k]):
                excess = min(max((payouts[k] - expected) / scale, -EXCESS_MAX), EXCESS_MAX)
                skewed[k] = moved_nb(form, fair[k], excess - common, cap)
                gap += skewed[k] - fair[k]
                slope += moved_slope_nb(form, fair[k], excess - common, cap)
        if abs(gap) <= TOLERANCE * weight:
            status = SKEWED
            break
        if gap > 0.0:
            low = common
        else:
            high = common
        next_value = common + gap / slope if slope > 0.0 else 0.5 * (low + high)
        if not low < next_value < high:
            next_value = 0.5 * (low + high)
        if next_value == common:
            break
        common = next_value
    if status != SKEWED:
        for k in range(first, last):
            skewed[k] = fair[k]
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
    skewed: Any,
    statuses: Any,
) -> int:
    """Skew many markets by the linear or the log-odds form.

    Parameters
    ----------
    form : int
        LINEAR or LOG_ODDS.
    fair : float64[outcomes]
        Fair probabilities, market after market.
    payouts : float64[outcomes]
        What each outcome would pay, in minor units.
    offsets : int64[markets + 1]
        Index of each market's first outcome, and the end.
    scale : float
        The excess, in minor units, that counts as 1.
    cap : float
        How far a probability (LINEAR) or its log-odds (LOG_ODDS) may move.
    skewed : float64[outcomes]
        Out: the moved probabilities.
    statuses : int64[markets]
        Out: SKEWED, or NOT_CONVERGED.

    Returns
    -------
    int
        Markets without an answer.
    """
    refused = 0
    for market in range(len(offsets) - 1):
        statuses[market] = skew_market_nb(
            form, fair, payouts, skewed, offsets[market], offsets[market + 1], scale, cap
        )
        if statuses[market] != SKEWED:
            refused += 1
    return refused


@kernel(int64(float64[::1], int64[::1], int64[::1], float64[::1], int64[::1]))
def drop_skew_nb(fair: Any, offsets: Any, margins: Any, skewed: Any, statuses: Any) -> int:
    """Remove the skew of markets whose margin failed (a status other than 0) with the skew in.

    Parameters
    ----------
    fair : float64[outcomes]
        Fair probabilities, market after market.
    offsets : int64[markets + 1]
        Index of each market's first outcome, and the end.
    margins : int64[markets]
        The margin kernel's statuses.
    skewed : float64[outcomes]
        In and out: skewed probabilities; fair ones where the skew is removed.
    statuses : int64[markets]
        Out: MARGIN_UNREACHABLE where a skew is removed.

    Returns
    -------
    int
        Markets whose skew was removed.
    """
    dropped = 0
    for market in range(len(offsets) - 1):
        moved = False
        if margins[market] != 0:
            for k in range(offsets[market], offsets[market + 1]):
                moved = moved or skewed[k] != fair[k]
                skewed[k] = fair[k]
        if moved:
            statuses[market] = MARGIN_UNREACHABLE
            dropped += 1
    return dropped


@kernel(int64(float64[::1], int64[::1], int64[::1], float64[::1]))
def floor_at_fair_nb(fair: Any, offsets: Any, margins: Any, quoted: Any) -> int:
    """Raise quoted probabilities that are below fair to fair; keep each market's sum.

    Every outcome keeps the same share of its excess over fair, ``max(q - p, 0)``: the share is
    ``sum(q - p) / sum(max(q - p, 0))``. Markets whose margin has a status other than 0, and markets
    whose sum is below the sum of the fair probabilities, are not changed.

    Parameters
    ----------
    fair : float64[outcomes]
        Fair probabilities p, market after market.
    offsets : int64[markets + 1]
        Index of each market's first outcome, and the end.
    margins : int64[markets]
        The margin kernel's statuses.
    quoted : float64[outcomes]
        In and out: quoted probabilities q.

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
