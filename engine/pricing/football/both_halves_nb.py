"""Kernels of both halves side by side: half-time/full-time and whatever compares the halves.

Goals of the halves are independent but for the Dixon-Coles tilt of the final score, and what the
joint axes ask is a function of each half's margin, total or scorers: so the joint grid of four
goal counts is never laid out. Sums over one half's values against the other's cumulative ones are
the whole of it, and the tilt falls on the nine ways to reach the four low final scores.
Owns the block of both halves; never the blocks of either half.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    AWAY_HALVES_AT,
    AWAY_RICHER_AT,
    BLOCK,
    BOTH_HALVES_AT,
    CAPPED,
    FEATURES,
    FIRST_HALF,
    GOALS,
    HALF_FULL_AT,
    HALF_HALF_AT,
    HALVES_AT,
    HOME_HALVES_AT,
    HOME_RICHER_AT,
    MARGIN_AT,
    POORER_TOTAL_AT,
    RICHER_AT,
    RICHER_TOTAL_AT,
    SCORERS_AT,
    SECOND_HALF,
    TOTAL_AT,
)
from engine.pricing.football.score_axes_nb import sums_nb, tilt_nb


@kernel()
def results_nb(features: Any) -> None:
    """Fill the axes of first half and full time, and of first and second half (3 x 3 each).

    Results count 0 home, 1 draw, 2 away. A first-half margin d leads to a home win when the
    second half's is above -d, so one walk down the first half's margins is enough.
    """
    first = FIRST_HALF * BLOCK + MARGIN_AT + GOALS
    second = SECOND_HALF * BLOCK + MARGIN_AT + GOALS
    whole = HALVES_AT + HALF_FULL_AT + 1
    apart = HALVES_AT + HALF_HALF_AT + 1
    first_home = first_away = second_home = second_away = 0.0
    for k in range(1, GOALS):
        first_home += features[first + k]
        first_away += features[first - k]
        second_home += features[second + k]
        second_away += features[second - k]
    mass = second_home + features[second] + second_away
    below = 0.0
    for d in range(GOALS - 1, -GOALS, -1):
        level = features[second - d]
        chance = features[first + d]
        row = whole + (0 if d > 0 else 3 if d == 0 else 6)
        features[row] += chance * (mass - below - level)
        features[row + 1] += chance * level
        features[row + 2] += chance * below
        below += level
    for result in range(3):
        chance = first_home if result == 0 else features[first] if result == 1 else first_away
        features[apart + 3 * result] = chance * second_home
        features[apart + 3 * result + 1] = chance * features[second]
        features[apart + 3 * result + 2] = chance * second_away


@kernel()
def compare_nb(
    features: Any, to: int, one: Any, first: int, other: Any, second: int, size: int
) -> None:
    """Fill three masses: the first half's count is higher, as high, lower than the second's.

    The counts' masses stand in `one` from `first` on and in `other` from `second` on.
    """
    first_below = 0.0
    second_below = 0.0
    for k in range(size):
        mass = one[first + k]
        later = other[second + k]
        features[to] += mass * second_below
        features[to + 1] += mass * later
        features[to + 2] += later * first_below
        first_below += mass
        second_below += later


@kernel()
def scored_nb(features: Any, to: int, first: float, second: float) -> None:
    """Fill four masses from two independent chances: neither, the first alone, the second, both."""
    features[to] = (1.0 - first) * (1.0 - second)
    features[to + 1] = first * (1.0 - second)
    features[to + 2] = (1.0 - first) * second
    features[to + 3] = first * second


@kernel()
def extremes_nb(features: Any) -> None:
    """Fill the axes of the poorer and the richer half's capped total."""
    first = FIRST_HALF * BLOCK + TOTAL_AT + 1
    second = SECOND_HALF * BLOCK + TOTAL_AT + 1
    poorer = HALVES_AT + POORER_TOTAL_AT + 1
    richer = HALVES_AT + RICHER_TOTAL_AT + 1
    first_below = 0.0
    second_below = 0.0
    poorer_left = 1.0
    richer_left = 1.0
    for k in range(CAPPED - 1):
        one = features[first + k]
        other = features[second + k]
        low = one * (1.0 - second_below) + other * (1.0 - first_below - one)
        high = one * (second_below + other) + other * first_below
        features[poorer + k] = max(low, 0.0)
        features[richer + k] = high
        poorer_left -= low
        richer_left -= high
        first_below += one
        second_below += other
    features[poorer + CAPPED - 1] = max(poorer_left, 0.0)
    features[richer + CAPPED - 1] = max(richer_left, 0.0)


@kernel()
def deposit_halves_nb(
    features: Any, first_home: int, first_away: int, second_home: int, second_away: int, mass: float
) -> None:
    """Add mass to one pair of low half scores on every joint axis."""
    first_result = 1 + min(max(first_away - first_home, -1), 1)
    second_result = 1 + min(max(second_away - second_home, -1), 1)
    margin = first_away + second_away - first_home - second_home
    full = 1 + min(max(margin, -1), 1)
    first = first_home + first_away
    second = second_home + second_away
    both_first = 1 if first_home > 0 and first_away > 0 else 0
    both_second = 1 if second_home > 0 and second_away > 0 else 0
    at = HALVES_AT + 1
    features[at + HALF_FULL_AT + 3 * first_result + full] += mass
    features[at + HALF_HALF_AT + 3 * first_result + second_result] += mass
    features[at + RICHER_AT + 1 + min(max(second - first, -1), 1)] += mass
    features[at + HOME_RICHER_AT + 1 + (second_home - first_home)] += mass
    features[at + AWAY_RICHER_AT + 1 + (second_away - first_away)] += mass
    features[at + BOTH_HALVES_AT + both_first + 2 * both_second] += mass
    features[at + HOME_HALVES_AT + first_home + 2 * second_home] += mass
    features[at + AWAY_HALVES_AT + first_away + 2 * second_away] += mass
    features[at + POORER_TOTAL_AT + min(first, second)] += mass
    features[at + RICHER_TOTAL_AT + max(first, second)] += mass


@kernel()
def tilt_halves_nb(features: Any, model: Any, pmf: Any) -> None:
    """Add the tilt of the four low final scores on each of the nine ways to them."""
    for first_home in range(2):
        for first_away in range(2):
            for second_home in range(2 - first_home):
                for second_away in range(2 - first_away):
                    tilt = tilt_nb(
                        first_home + second_home, first_away + second_away,
                        model[0], model[1], model[2],
                    )  # fmt: skip
                    chance = pmf[2, first_home] * pmf[3, first_away]
                    chance *= pmf[4, second_home] * pmf[5, second_away]
                    deposit_halves_nb(
                        features, first_home, first_away, second_home, second_away, chance * tilt
                    )


@kernel()
def joint_nb(features: Any, model: Any, pmf: Any, tilted: bool, scale: float) -> None:  # noqa: FBT001
    """Fill the block of both halves while the halves' own blocks hold untilted masses.

    Rows 2 to 5 of `pmf` are the goal distributions of the halves.
    """
    for k in range(HALVES_AT, FEATURES):
        features[k] = 0.0
    at = HALVES_AT + 1
    results_nb(features)
    first = FIRST_HALF * BLOCK + TOTAL_AT + 1
    second = SECOND_HALF * BLOCK + TOTAL_AT + 1
    compare_nb(features, at + RICHER_AT, features, first, features, second, 2 * GOALS - 1)
    compare_nb(features, at + HOME_RICHER_AT, pmf[2], 0, pmf[4], 0, GOALS)
    compare_nb(features, at + AWAY_RICHER_AT, pmf[3], 0, pmf[5], 0, GOALS)
    scorers = SCORERS_AT + 4
    scored_nb(
        features, at + BOTH_HALVES_AT,
        features[FIRST_HALF * BLOCK + scorers], features[SECOND_HALF * BLOCK + scorers],
    )  # fmt: skip
    scored_nb(features, at + HOME_HALVES_AT, 1.0 - pmf[2, 0], 1.0 - pmf[4, 0])
    scored_nb(features, at + AWAY_HALVES_AT, 1.0 - pmf[3, 0], 1.0 - pmf[5, 0])
    extremes_nb(features)
    if tilted:
        tilt_halves_nb(features, model, pmf)
    sums_nb(features, HALVES_AT + HALF_FULL_AT, 9, scale)
    sums_nb(features, HALVES_AT + HALF_HALF_AT, 9, scale)
    sums_nb(features, HALVES_AT + RICHER_AT, 3, scale)
    sums_nb(features, HALVES_AT + HOME_RICHER_AT, 3, scale)
    sums_nb(features, HALVES_AT + AWAY_RICHER_AT, 3, scale)
    sums_nb(features, HALVES_AT + BOTH_HALVES_AT, 4, scale)
    sums_nb(features, HALVES_AT + HOME_HALVES_AT, 4, scale)
    sums_nb(features, HALVES_AT + AWAY_HALVES_AT, 4, scale)
    sums_nb(features, HALVES_AT + POORER_TOTAL_AT, CAPPED, scale)
    sums_nb(features, HALVES_AT + RICHER_TOTAL_AT, CAPPED, scale)
