"""Kernels of both halves together: half-time/full-time and the markets that compare the halves.

The goals of the halves are independent but for the Dixon-Coles tilt of the final score, and each
axis of both halves is a function of each half's margin, total or scoring sides. So the kernels
never lay out the joint grid of four goal counts: they sum one half's masses against the other's
cumulative masses, and add the tilt on the nine ways to reach the four low final scores.

Owns the block of both halves; never the block of a single half.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    AWAY_HIGHEST_HALF_AT,
    AWAY_SCORES_IN_HALVES_AT,
    BLOCK_SIZE,
    BOTH_SCORE_IN_HALVES_AT,
    CAPPED_TOTALS,
    FEATURES,
    FEW_GOALS,
    FEW_SCORES,
    FEW_SCORES_AT,
    FEW_SCORES_AXIS,
    FEW_SCORES_SIZE,
    FIRST_HALF,
    GOALS,
    HALF_RESULTS_AT,
    HALF_TIME_FULL_TIME_AT,
    HALVES_AT,
    HIGHEST_HALF_AT,
    HOME_HIGHEST_HALF_AT,
    HOME_SCORES_IN_HALVES_AT,
    JOINT_AXES,
    MARGIN_AT,
    MAX_HALF_TOTAL_AT,
    MIN_HALF_TOTAL_AT,
    RESULT_BOTH_FIRST_AT,
    RESULT_BOTH_SECOND_AT,
    RESULTS_FIRST_TOTAL_AT,
    RESULTS_TOTAL_AT,
    RESULTS_TOTAL_AXES,
    SCORING_SIDES_AT,
    SECOND_HALF,
    TOTAL_AT,
)
from engine.pricing.football.score_axes_nb import accumulate_nb, tilt_nb


@kernel()
def fill_half_results_nb(features: Any) -> None:
    """Fill the axes of first half and full time, and of first and second half (3 x 3 each).

    Results count 0 home, 1 draw, 2 away. A first-half margin d leads to a home win when the
    second half's margin is above -d, so one pass down the first half's margins is enough.
    """
    first = FIRST_HALF * BLOCK_SIZE + MARGIN_AT + GOALS
    second = SECOND_HALF * BLOCK_SIZE + MARGIN_AT + GOALS
    full_time = HALVES_AT + HALF_TIME_FULL_TIME_AT + 1
    by_half = HALVES_AT + HALF_RESULTS_AT + 1
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
        row = full_time + (0 if d > 0 else 3 if d == 0 else 6)
        features[row] += chance * (mass - below - level)
        features[row + 1] += chance * level
        features[row + 2] += chance * below
        below += level
    for result in range(3):
        chance = first_home if result == 0 else features[first] if result == 1 else first_away
        features[by_half + 3 * result] = chance * second_home
        features[by_half + 3 * result + 1] = chance * features[second]
        features[by_half + 3 * result + 2] = chance * second_away


@kernel()
def fill_comparison_nb(
    features: Any, to: int, first: Any, first_at: int, second: Any, second_at: int, size: int
) -> None:
    """Fill three masses: the first half's count is above, equal to, below the second half's.

    The counts' masses start at `first_at` in `first` and at `second_at` in `second`.
    """
    first_below = 0.0
    second_below = 0.0
    for k in range(size):
        first_mass = first[first_at + k]
        second_mass = second[second_at + k]
        features[to] += first_mass * second_below
        features[to + 1] += first_mass * second_mass
        features[to + 2] += second_mass * first_below
        first_below += first_mass
        second_below += second_mass


@kernel()
def fill_two_events_nb(features: Any, to: int, first: float, second: float) -> None:
    """Fill four masses of two independent events: neither, the first, the second, both."""
    features[to] = (1.0 - first) * (1.0 - second)
    features[to + 1] = first * (1.0 - second)
    features[to + 2] = (1.0 - first) * second
    features[to + 3] = first * second


@kernel()
def fill_half_totals_nb(features: Any) -> None:
    """Fill the axes of the lower and the higher capped total of the two halves."""
    first = FIRST_HALF * BLOCK_SIZE + TOTAL_AT + 1
    second = SECOND_HALF * BLOCK_SIZE + TOTAL_AT + 1
    lower = HALVES_AT + MIN_HALF_TOTAL_AT + 1
    higher = HALVES_AT + MAX_HALF_TOTAL_AT + 1
    first_below = 0.0
    second_below = 0.0
    lower_rest = 1.0
    higher_rest = 1.0
    for k in range(CAPPED_TOTALS - 1):
        first_mass = features[first + k]
        second_mass = features[second + k]
        low = first_mass * (1.0 - second_below) + second_mass * (1.0 - first_below - first_mass)
        high = first_mass * (second_below + second_mass) + second_mass * first_below
        features[lower + k] = max(low, 0.0)
        features[higher + k] = high
        lower_rest -= low
        higher_rest -= high
        first_below += first_mass
        second_below += second_mass
    features[lower + CAPPED_TOTALS - 1] = max(lower_rest, 0.0)
    features[higher + CAPPED_TOTALS - 1] = max(higher_rest, 0.0)


@kernel()
def fill_result_and_both_nb(
    features: Any, to: int, pmf: Any, row: int, half: int, other: int
) -> None:
    """Fill six masses: the match's result with whether both sides scored in one half.

    `row` is the first of the half's rows in `pmf`; `half` and `other` are the indices of a margin
    of 0 of that half and of the other one. Half-time/full-time is filled already.
    """
    mass = 0.0
    for d in range(1 - GOALS, GOALS):
        mass += features[other + d]
    below = 0.0
    for d in range(GOALS - 1, -GOALS, -1):
        level = features[other - d]
        chance = features[half + d] - pmf[row, max(d, 0)] * pmf[row + 1, max(-d, 0)]
        chance = max(chance, 0.0)
        features[to + 1] += chance * max(mass - below - level, 0.0)
        features[to + 3] += chance * level
        features[to + 5] += chance * below
        below += level
    full_time = HALVES_AT + HALF_TIME_FULL_TIME_AT + 1
    for result in range(3):
        at = full_time + result
        mass = features[at] + features[at + 3] + features[at + 6]
        features[to + 2 * result] = max(mass - features[to + 2 * result + 1], 0.0)


@kernel()
def fill_results_first_total_nb(features: Any, pmf: Any) -> None:
    """Fill the masses of half-time/full-time with the first half's capped total."""
    second = SECOND_HALF * BLOCK_SIZE + MARGIN_AT + GOALS
    to = HALVES_AT + RESULTS_FIRST_TOTAL_AT + 1
    mass = 0.0
    for d in range(1 - GOALS, GOALS):
        mass += features[second + d]
    below = 0.0
    for d in range(GOALS - 1, -GOALS, -1):
        level = features[second - d]
        row = to + 3 * CAPPED_TOTALS * (0 if d > 0 else 1 if d == 0 else 2)
        for away in range(max(-d, 0), min(GOALS, GOALS - d)):
            chance = pmf[2, away + d] * pmf[3, away]
            at = row + min(2 * away + d, CAPPED_TOTALS - 1)
            features[at] += chance * max(mass - below - level, 0.0)
            features[at + CAPPED_TOTALS] += chance * level
            features[at + 2 * CAPPED_TOTALS] += chance * below
        below += level


@kernel()
def fill_results_total_nb(features: Any, pmf: Any) -> None:
    """Fill the masses of half-time/full-time with the match's capped total.

    What the second half makes of a margin d and adds to the total does not depend on the first
    half's total. Totals from the cap on get the rest; half-time/full-time is filled already.
    """
    to = HALVES_AT + RESULTS_TOTAL_AT + 1
    top = CAPPED_TOTALS - 1
    for d in range(1 - top, top):
        row = to + 3 * CAPPED_TOTALS * (0 if d > 0 else 1 if d == 0 else 2)
        for goals in range(top - abs(d)):
            home = level = away = 0.0
            for x in range(goals + 1):
                chance = pmf[4, x] * pmf[5, goals - x]
                margin = d + 2 * x - goals
                if margin > 0:
                    home += chance
                elif margin == 0:
                    level += chance
                else:
                    away += chance
            for total in range(abs(d) + goals, top, 2):
                before = total - goals
                chance = pmf[2, (before + d) // 2] * pmf[3, (before - d) // 2]
                features[row + total] += chance * home
                features[row + CAPPED_TOTALS + total] += chance * level
                features[row + 2 * CAPPED_TOTALS + total] += chance * away
    for results in range(9):
        rest = features[HALVES_AT + HALF_TIME_FULL_TIME_AT + 1 + results]
        row = to + CAPPED_TOTALS * results
        for total in range(top):
            rest -= features[row + total]
        features[row + top] = max(rest, 0.0)


@kernel()
def few_score_nb(home: int, away: int) -> int:
    """Return a score's number among those of few goals; it has at most `FEW_GOALS`."""
    return (home + away) * (home + away + 1) // 2 + home


@kernel()
def fill_few_scores_nb(features: Any, pmf: Any) -> None:
    """Fill the masses of the score at half-time with the final one."""
    to = HALVES_AT + FEW_SCORES_AT + 1
    others = 1.0
    for first_home in range(FEW_GOALS + 1):
        for first_away in range(FEW_GOALS + 1 - first_home):
            half = pmf[2, first_home] * pmf[3, first_away]
            row = to + (FEW_SCORES + 1) * few_score_nb(first_home, first_away)
            others -= half
            rest = half
            for home in range(first_home, FEW_GOALS + 1 - first_away):
                for away in range(first_away, FEW_GOALS + 1 - home):
                    chance = half * pmf[4, home - first_home] * pmf[5, away - first_away]
                    features[row + few_score_nb(home, away)] = chance
                    rest -= chance
            features[row + FEW_SCORES] = max(rest, 0.0)
    features[to + FEW_SCORES_SIZE - 1] = max(others, 0.0)


@kernel()
def deposit_halves_nb(
    features: Any, first_home: int, first_away: int, second_home: int, second_away: int, mass: float
) -> None:
    """Add mass to one pair of low half scores on every axis of both halves."""
    first_result = 1 + min(max(first_away - first_home, -1), 1)
    second_result = 1 + min(max(second_away - second_home, -1), 1)
    margin = first_away + second_away - first_home - second_home
    full_result = 1 + min(max(margin, -1), 1)
    first = first_home + first_away
    second = second_home + second_away
    both_first = 1 if first_home > 0 and first_away > 0 else 0
    both_second = 1 if second_home > 0 and second_away > 0 else 0
    at = HALVES_AT + 1
    features[at + HALF_TIME_FULL_TIME_AT + 3 * first_result + full_result] += mass
    features[at + HALF_RESULTS_AT + 3 * first_result + second_result] += mass
    features[at + HIGHEST_HALF_AT + 1 + min(max(second - first, -1), 1)] += mass
    features[at + HOME_HIGHEST_HALF_AT + 1 + (second_home - first_home)] += mass
    features[at + AWAY_HIGHEST_HALF_AT + 1 + (second_away - first_away)] += mass
    features[at + BOTH_SCORE_IN_HALVES_AT + both_first + 2 * both_second] += mass
    features[at + HOME_SCORES_IN_HALVES_AT + first_home + 2 * second_home] += mass
    features[at + AWAY_SCORES_IN_HALVES_AT + first_away + 2 * second_away] += mass
    features[at + MIN_HALF_TOTAL_AT + min(first, second)] += mass
    features[at + MAX_HALF_TOTAL_AT + max(first, second)] += mass
    features[at + RESULT_BOTH_FIRST_AT + 2 * full_result + both_first] += mass
    features[at + RESULT_BOTH_SECOND_AT + 2 * full_result + both_second] += mass
    results = CAPPED_TOTALS * (3 * first_result + full_result)
    features[at + RESULTS_TOTAL_AT + results + first + second] += mass
    features[at + RESULTS_FIRST_TOTAL_AT + results + first] += mass
    scores = (FEW_SCORES + 1) * few_score_nb(first_home, first_away)
    scores += few_score_nb(first_home + second_home, first_away + second_away)
    features[at + FEW_SCORES_AT + scores] += mass


@kernel()
def tilt_halves_nb(features: Any, model: Any, pmf: Any) -> None:
    """Add the tilt of the four low final scores on each of the nine ways to reach them."""
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
def accumulate_halves_nb(features: Any, wanted: int, scale: float) -> None:
    """Make the wanted axes of both halves cumulative."""
    accumulate_nb(features, HALVES_AT + HALF_TIME_FULL_TIME_AT, 9, scale)
    accumulate_nb(features, HALVES_AT + HALF_RESULTS_AT, 9, scale)
    accumulate_nb(features, HALVES_AT + HIGHEST_HALF_AT, 3, scale)
    accumulate_nb(features, HALVES_AT + HOME_HIGHEST_HALF_AT, 3, scale)
    accumulate_nb(features, HALVES_AT + AWAY_HIGHEST_HALF_AT, 3, scale)
    accumulate_nb(features, HALVES_AT + BOTH_SCORE_IN_HALVES_AT, 4, scale)
    accumulate_nb(features, HALVES_AT + HOME_SCORES_IN_HALVES_AT, 4, scale)
    accumulate_nb(features, HALVES_AT + AWAY_SCORES_IN_HALVES_AT, 4, scale)
    accumulate_nb(features, HALVES_AT + MIN_HALF_TOTAL_AT, CAPPED_TOTALS, scale)
    accumulate_nb(features, HALVES_AT + MAX_HALF_TOTAL_AT, CAPPED_TOTALS, scale)
    accumulate_nb(features, HALVES_AT + RESULT_BOTH_FIRST_AT, 6, scale)
    accumulate_nb(features, HALVES_AT + RESULT_BOTH_SECOND_AT, 6, scale)
    if wanted & RESULTS_TOTAL_AXES != 0:
        accumulate_nb(features, HALVES_AT + RESULTS_TOTAL_AT, 9 * CAPPED_TOTALS, scale)
        accumulate_nb(features, HALVES_AT + RESULTS_FIRST_TOTAL_AT, 9 * CAPPED_TOTALS, scale)
    if wanted & FEW_SCORES_AXIS != 0:
        accumulate_nb(features, HALVES_AT + FEW_SCORES_AT, FEW_SCORES_SIZE, scale)


@kernel()
def fill_both_halves_nb(
    features: Any, model: Any, pmf: Any, wanted: int, tilted: bool, scale: float  # noqa: FBT001
) -> None:  # fmt: skip
    """Fill the block of both halves while the halves' own blocks hold untilted masses.

    Rows 2 to 5 of `pmf` are the goal distributions of the halves.
    """
    for k in range(HALVES_AT, FEATURES):
        features[k] = 0.0
    at = HALVES_AT + 1
    fill_half_results_nb(features)
    first = FIRST_HALF * BLOCK_SIZE + TOTAL_AT + 1
    second = SECOND_HALF * BLOCK_SIZE + TOTAL_AT + 1
    totals = 2 * GOALS - 1
    fill_comparison_nb(features, at + HIGHEST_HALF_AT, features, first, features, second, totals)
    fill_comparison_nb(features, at + HOME_HIGHEST_HALF_AT, pmf[2], 0, pmf[4], 0, GOALS)
    fill_comparison_nb(features, at + AWAY_HIGHEST_HALF_AT, pmf[3], 0, pmf[5], 0, GOALS)
    both_sides = SCORING_SIDES_AT + 4
    fill_two_events_nb(
        features, at + BOTH_SCORE_IN_HALVES_AT,
        features[FIRST_HALF * BLOCK_SIZE + both_sides],
        features[SECOND_HALF * BLOCK_SIZE + both_sides],
    )  # fmt: skip
    fill_two_events_nb(features, at + HOME_SCORES_IN_HALVES_AT, 1.0 - pmf[2, 0], 1.0 - pmf[4, 0])
    fill_two_events_nb(features, at + AWAY_SCORES_IN_HALVES_AT, 1.0 - pmf[3, 0], 1.0 - pmf[5, 0])
    fill_half_totals_nb(features)
    if wanted & JOINT_AXES != 0:
        first = FIRST_HALF * BLOCK_SIZE + MARGIN_AT + GOALS
        second = SECOND_HALF * BLOCK_SIZE + MARGIN_AT + GOALS
        fill_result_and_both_nb(features, at + RESULT_BOTH_FIRST_AT, pmf, 2, first, second)
        fill_result_and_both_nb(features, at + RESULT_BOTH_SECOND_AT, pmf, 4, second, first)
    if wanted & RESULTS_TOTAL_AXES != 0:
        fill_results_total_nb(features, pmf)
        fill_results_first_total_nb(features, pmf)
    if wanted & FEW_SCORES_AXIS != 0:
        fill_few_scores_nb(features, pmf)
    if tilted:
        tilt_halves_nb(features, model, pmf)
    accumulate_halves_nb(features, wanted, scale)
