"""Kernels of the football model: from rates and a match state to every chance of a board.

Owns the arithmetic and the layout of a feature block; never allocates, never validates (football.py
does), and never knows a market by name: an outcome is a few intervals on axes of the final score.
"""

from math import exp
from typing import Any, Final

from numba import float64, int64

from engine.jit import kernel

GOALS: Final = 32
"""Length of a goals axis: one team's goals 0 to 31, the last place holding the tail beyond."""
TAIL: Final = 1e-15
DUST: Final = 1e-12
"""A probability this near to 0 or 1 is rounding, and is taken for it."""
CELLS: Final = 8
"""Scores below 8:8 have a cell of their own; all others share one."""

# A scope is a stretch of play with a score of its own, and one feature block.
REGULAR: Final = 0
FIRST_HALF: Final = 1
SECOND_HALF: Final = 2
EXTRA_TIME: Final = 3
SCOPES: Final = 4

# A block holds, axis after axis, cumulative chances: entry k of an axis is P(value < first + k),
# so an axis of n values takes n + 1 entries and an interval's chance is one subtraction.
TOTAL_AT: Final = 0
MARGIN_AT: Final = TOTAL_AT + 2 * GOALS
HOME_AT: Final = MARGIN_AT + 2 * GOALS
AWAY_AT: Final = HOME_AT + GOALS + 1
LOWER_AT: Final = AWAY_AT + GOALS + 1
HIGHER_AT: Final = LOWER_AT + GOALS + 1
DISTANCE_AT: Final = HIGHER_AT + GOALS + 1
CELL_AT: Final = DISTANCE_AT + GOALS + 1
PARITY_AT: Final = CELL_AT + CELLS * CELLS + 2
HOME_PARITY_AT: Final = PARITY_AT + 3
AWAY_PARITY_AT: Final = HOME_PARITY_AT + 3
HOME_TO_NIL_AT: Final = AWAY_PARITY_AT + 3
AWAY_TO_NIL_AT: Final = HOME_TO_NIL_AT + 3
SCORERS_AT: Final = AWAY_TO_NIL_AT + 3
BLOCK: Final = SCORERS_AT + 5

# Rows of the scratch grid of goal distributions: two (home, away) for each scope.
PMF_ROWS: Final = 2 * SCOPES

# Columns of the packed model and state, in the order football.py packs them.
MODEL_COLUMNS: Final = 9
STATE_COLUMNS: Final = 10

WIN: Final = 0
HALF_WIN: Final = 1
PUSH: Final = 2
HALF_LOSE: Final = 3
CHANCES: Final = 4

PRICED: Final = 0
NO_MASS: Final = 1

_HALF_S: Final = 2700.0
_EXTRA_HALF_S: Final = 900.0
_REGULAR_S: Final = 5400.0


@kernel()
def played_nb(clock_s: float, start_s: float, length_s: float) -> float:
    """Return the part of a period that has been played, 0 to 1."""
    part = (clock_s - start_s) / length_s
    return min(max(part, 0.0), 1.0)


@kernel()
def first_half_left_nb(period: int, clock_s: float, share: float, stoppage_s: float) -> float:
    """Return the share of a match's goals still to come before half-time.

    Intensity is a straight line over the ninety minutes, from ``4 * share - 1`` to
    ``3 - 4 * share`` times its mean, which puts exactly `share` of the goals in the first half.
    """
    if period == 0:
        return share
    if period != 1:
        return 0.0
    part = played_nb(clock_s, 0.0, _HALF_S + stoppage_s)
    if part >= 1.0:
        return 0.0
    slope = 4.0 - 8.0 * share
    return share - (1.0 - 0.5 * slope) * part * 0.5 - slope * part * part * 0.125


@kernel()
def second_half_left_nb(period: int, clock_s: float, share: float, stoppage_s: float) -> float:
    """Return the share of a match's goals still to come after half-time."""
    if period <= 2:
        return 1.0 - share
    if period != 3:
        return 0.0
    part = played_nb(clock_s, _HALF_S, _HALF_S + stoppage_s)
    if part >= 1.0:
        return 0.0
    slope = 4.0 - 8.0 * share
    start = 1.0 - 0.5 * slope + 0.5 * slope
    return (1.0 - share) - start * part * 0.5 - slope * part * part * 0.125


@kernel()
def extra_time_left_nb(period: int, clock_s: float, share: float) -> float:
    """Return the goals of extra time still to come, as a share of a match's; its rate is flat."""
    if period <= 4:
        return share
    if period == 5:
        return share * (1.0 - 0.5 * played_nb(clock_s, _REGULAR_S, _EXTRA_HALF_S))
    if period == 6:
        return share * 0.5
    if period == 7:
        return share * 0.5 * (1.0 - played_nb(clock_s, _REGULAR_S + _EXTRA_HALF_S, _EXTRA_HALF_S))
    return 0.0


@kernel()
def left_nb(model: Any, state: Any) -> tuple[float, float, float]:
    """Return the goals to come in either half and in extra time, as shares of a match's."""
    clock_s = float(state[1])
    return (
        first_half_left_nb(state[0], clock_s, model[3], model[4]),
        second_half_left_nb(state[0], clock_s, model[3], model[5]),
        extra_time_left_nb(state[0], clock_s, model[6]),
    )


@kernel()
def goals_nb(pmf: Any, row: int, rate: float, start: int) -> int:
    """Fill a row with P(start + Poisson(rate) = k); return one past its last used place."""
    for k in range(GOALS):
        pmf[row, k] = 0.0
    term = exp(-rate)
    left = 1.0
    more = 0
    k = start
    while k < GOALS - 1 and left > TAIL:
        pmf[row, k] = term
        left -= term
        more += 1
        k += 1
        term *= rate / more
    pmf[row, k] = max(left, 0.0)
    return k + 1


@kernel()
def tilt_nb(home: int, away: int, home_rate: float, away_rate: float, dependence: float) -> float:
    """Return the Dixon-Coles factor of a final score less one (Dixon and Coles 1997, eq. 4.3)."""
    if home > 1 or away > 1:
        return 0.0
    if home == 0:
        return -home_rate * away_rate * dependence if away == 0 else home_rate * dependence
    return away_rate * dependence if away == 0 else -dependence


@kernel()
def tilted_mass_nb(model: Any, pmf: Any) -> float:
    """Return the sum of all tilted chances of the final score: one at kick-off."""
    mass = 1.0
    for i in range(2):
        for j in range(2):
            mass += pmf[0, i] * pmf[1, j] * tilt_nb(i, j, model[0], model[1], model[2])
    return mass


@kernel()
def tilt_given_nb(
    home: int,
    away: int,
    pmf: Any,
    other: int,
    home_rate: float,
    away_rate: float,
    dependence: float,
) -> float:
    """Return the expected tilt of a half's score over the goals of the other half (`other` row)."""
    total = 0.0
    for i in range(2 - min(home, 2)):
        for j in range(2 - min(away, 2)):
            chance = pmf[other, i] * pmf[other + 1, j]
            total += chance * tilt_nb(home + i, away + j, home_rate, away_rate, dependence)
    return total


@kernel()
def deposit_nb(features: Any, at: int, home: int, away: int, mass: float) -> None:
    """Add mass to one low score (each side at most one goal) on every axis but the distance."""
    features[at + TOTAL_AT + 1 + home + away] += mass
    features[at + MARGIN_AT + GOALS + home - away] += mass
    features[at + HOME_AT + 1 + home] += mass
    features[at + AWAY_AT + 1 + away] += mass
    features[at + LOWER_AT + 1 + min(home, away)] += mass
    features[at + HIGHER_AT + 1 + max(home, away)] += mass
    features[at + CELL_AT + 1 + CELLS * home + away] += mass
    features[at + PARITY_AT + 1 + (home + away) % 2] += mass
    features[at + HOME_PARITY_AT + 1 + home] += mass
    features[at + AWAY_PARITY_AT + 1 + away] += mass
    features[at + HOME_TO_NIL_AT + 1 + (1 if home > away else 0)] += mass
    features[at + AWAY_TO_NIL_AT + 1 + (1 if away > home else 0)] += mass
    features[at + SCORERS_AT + 1 + home + 2 * away] += mass


@kernel()
def sums_nb(features: Any, at: int, size: int, scale: float) -> None:
    """Turn an axis of masses into cumulative chances, scaled."""
    running = 0.0
    features[at] = 0.0
    for k in range(at + 1, at + size + 1):
        running += features[k] * scale
        features[k] = running


@kernel()
def independent_nb(
    features: Any,
    at: int,
    pmf: Any,
    row: int,
    home_from: int,
    home_to: int,
    away_from: int,
    away_to: int,
) -> None:
    """Fill a block's axes with masses of two independent goal counts (distance comes later)."""
    for k in range(at, at + BLOCK):
        features[k] = 0.0
    away_row = row + 1
    total = at + TOTAL_AT + 1
    margin = at + MARGIN_AT + GOALS
    for i in range(home_from, home_to):
        mass = pmf[row, i]
        for j in range(away_from, away_to):
            features[total + i + j] += mass * pmf[away_row, j]
    for j in range(away_from, away_to):
        mass = pmf[away_row, j]
        for i in range(home_from, home_to):
            features[margin - j + i] += mass * pmf[row, i]
    inside = 0.0
    for i in range(home_from, min(home_to, CELLS)):
        for j in range(away_from, min(away_to, CELLS)):
            mass = pmf[row, i] * pmf[away_row, j]
            features[at + CELL_AT + 1 + CELLS * i + j] = mass
            inside += mass
    features[at + CELL_AT + 1 + CELLS * CELLS] = max(1.0 - inside, 0.0)
    home_below = 0.0
    away_below = 0.0
    home_even = 0.0
    away_even = 0.0
    for k in range(min(home_from, away_from), max(home_to, away_to)):
        home = pmf[row, k]
        away = pmf[away_row, k]
        features[at + HOME_AT + 1 + k] = home
        features[at + AWAY_AT + 1 + k] = away
        home_below += home
        away_below += away
        features[at + HIGHER_AT + 1 + k] = home * away_below + (home_below - home) * away
        features[at + LOWER_AT + 1 + k] = home * (1.0 - away_below + away) + away * (
            1.0 - home_below
        )
        if k % 2 == 0:
            home_even += home
            away_even += away
    even = home_even * away_even + (1.0 - home_even) * (1.0 - away_even)
    features[at + PARITY_AT + 1] = even
    features[at + PARITY_AT + 2] = 1.0 - even
    features[at + HOME_PARITY_AT + 1] = home_even
    features[at + HOME_PARITY_AT + 2] = 1.0 - home_even
    features[at + AWAY_PARITY_AT + 1] = away_even
    features[at + AWAY_PARITY_AT + 2] = 1.0 - away_even
    home_none = pmf[row, 0]
    away_none = pmf[away_row, 0]
    home_only = (1.0 - home_none) * away_none
    away_only = (1.0 - away_none) * home_none
    features[at + HOME_TO_NIL_AT + 1] = 1.0 - home_only
    features[at + HOME_TO_NIL_AT + 2] = home_only
    features[at + AWAY_TO_NIL_AT + 1] = 1.0 - away_only
    features[at + AWAY_TO_NIL_AT + 2] = away_only
    features[at + SCORERS_AT + 1] = home_none * away_none
    features[at + SCORERS_AT + 2] = home_only
    features[at + SCORERS_AT + 3] = away_only
    features[at + SCORERS_AT + 4] = (1.0 - home_none) * (1.0 - away_none)


@kernel()
def accumulate_nb(features: Any, at: int, scale: float) -> None:
    """Fold the margin into the distance and make every axis of a block cumulative."""
    margin = at + MARGIN_AT + GOALS
    features[at + DISTANCE_AT + 1] = features[margin]
    for k in range(1, GOALS):
        features[at + DISTANCE_AT + 1 + k] = features[margin + k] + features[margin - k]
    sums_nb(features, at + TOTAL_AT, 2 * GOALS - 1, scale)
    sums_nb(features, at + MARGIN_AT, 2 * GOALS - 1, scale)
    sums_nb(features, at + HOME_AT, GOALS, scale)
    sums_nb(features, at + AWAY_AT, GOALS, scale)
    sums_nb(features, at + LOWER_AT, GOALS, scale)
    sums_nb(features, at + HIGHER_AT, GOALS, scale)
    sums_nb(features, at + DISTANCE_AT, GOALS, scale)
    sums_nb(features, at + CELL_AT, CELLS * CELLS + 1, scale)
    sums_nb(features, at + PARITY_AT, 2, scale)
    sums_nb(features, at + HOME_PARITY_AT, 2, scale)
    sums_nb(features, at + AWAY_PARITY_AT, 2, scale)
    sums_nb(features, at + HOME_TO_NIL_AT, 2, scale)
    sums_nb(features, at + AWAY_TO_NIL_AT, 2, scale)
    sums_nb(features, at + SCORERS_AT, 4, scale)


@kernel()
def gather_nb(features: Any, terms: Any, chances: Any, fair: Any) -> None:
    """Read every outcome's chances off the features and reduce them to one fair probability.

    With chances w, h, p, l of winning, half winning, a push and half losing, odds o return one
    for one staked when ``(w + h/2) o = 1 - p - h/2 - l/2``; the fair probability is ``1 / o``.
    """
    for outcome in range(terms.shape[0]):
        win = features[terms[outcome, 1]] - features[terms[outcome, 0]]
        half_win = features[terms[outcome, 3]] - features[terms[outcome, 2]]
        push = features[terms[outcome, 5]] - features[terms[outcome, 4]]
        half_lose = features[terms[outcome, 7]] - features[terms[outcome, 6]]
        chances[outcome, WIN] = max(win, 0.0)
        chances[outcome, HALF_WIN] = max(half_win, 0.0)
        chances[outcome, PUSH] = max(push, 0.0)
        chances[outcome, HALF_LOSE] = max(half_lose, 0.0)
        paid = win + 0.5 * half_win
        at_risk = 1.0 - push - 0.5 * (half_win + half_lose)
        even = paid / at_risk if at_risk > DUST else 0.0
        if even < DUST:
            even = 0.0
        fair[outcome] = 1.0 if even > 1.0 - DUST else even


@kernel()
def halves_nb(
    model: Any,
    state: Any,
    pmf: Any,
    features: Any,
    first_home: float,
    first_away: float,
    second_home: float,
    second_away: float,
    tilted: bool,  # noqa: FBT001
    mass: float,
) -> None:
    """Fill the blocks of both halves from the goals each side has still to score in them.

    The dependence is on the final score, so a half's score is tilted by what the other half is
    expected to add to it.
    """
    home_to = goals_nb(pmf, 2, first_home, state[2])
    away_to = goals_nb(pmf, 3, first_away, state[3])
    later_home_to = goals_nb(pmf, 4, second_home, state[4])
    later_away_to = goals_nb(pmf, 5, second_away, state[5])
    for scope in range(FIRST_HALF, SECOND_HALF + 1):
        at = scope * BLOCK
        row = 2 * scope
        other = 2 * (FIRST_HALF + SECOND_HALF - scope)
        independent_nb(features, at, pmf, row, state[row], home_to, state[row + 1], away_to)
        if tilted:
            for i in range(2):
                for j in range(2):
                    tilt = tilt_given_nb(i, j, pmf, other, model[0], model[1], model[2])
                    deposit_nb(features, at, i, j, pmf[row, i] * pmf[row + 1, j] * tilt)
        accumulate_nb(features, at, 1.0 / mass)
        home_to = later_home_to
        away_to = later_away_to


@kernel(
    int64(
        float64[::1],
        int64[::1],
        int64[::1],
        int64[:, ::1],
        float64[:, ::1],
        float64[::1],
        float64[:, ::1],
        float64[::1],
    )
)
def price_board_nb(
    model: Any,
    state: Any,
    scopes: Any,
    terms: Any,
    pmf: Any,
    features: Any,
    chances: Any,
    fair: Any,
) -> int:
    """Price every outcome of a board for one model and one match state.

    Parameters
    ----------
    model : float64[MODEL_COLUMNS]
        Home rate, away rate, dependence, first-half share, stoppage of either half in seconds,
        extra-time share, red-card factors (own side, opponents).
    state : int64[STATE_COLUMNS]
        Period, clock in seconds, goals of first half, second half and extra time (home, away
        each), red cards (home, away).
    scopes : int64[SCOPES]
        Non-zero where a block is wanted.
    terms : int64[outcomes, 8]
        For each outcome the two ends, as indices into `features`, of its four intervals.
    pmf : float64[PMF_ROWS, GOALS]
        Scratch.
    features : float64[SCOPES * BLOCK]
        Scratch.
    chances : float64[outcomes, CHANCES]
        Out: chances to win, half win, push and half lose.
    fair : float64[outcomes]
        Out: the fair probability, 0 where a push is certain.

    Returns
    -------
    int
        PRICED, or NO_MASS when the dependence leaves no reachable score any chance.
    """
    first, second, extra = left_nb(model, state)
    home_now = model[0] * model[7] ** state[8] * model[8] ** state[9]
    away_now = model[1] * model[7] ** state[9] * model[8] ** state[8]
    home_goals = state[2] + state[4]
    away_goals = state[3] + state[5]
    tilted = model[2] != 0.0 and home_goals <= 1 and away_goals <= 1
    home_to = goals_nb(pmf, 0, home_now * (first + second), home_goals)
    away_to = goals_nb(pmf, 1, away_now * (first + second), away_goals)
    mass = tilted_mass_nb(model, pmf) if tilted else 1.0
    if not mass > DUST:
        return NO_MASS
    if scopes[REGULAR] != 0:
        independent_nb(features, 0, pmf, 0, home_goals, home_to, away_goals, away_to)
        if tilted:
            for i in range(2):
                for j in range(2):
                    tilt = tilt_nb(i, j, model[0], model[1], model[2])
                    deposit_nb(features, 0, i, j, pmf[0, i] * pmf[1, j] * tilt)
        accumulate_nb(features, 0, 1.0 / mass)
    if scopes[FIRST_HALF] + scopes[SECOND_HALF] != 0:
        halves_nb(
            model, state, pmf, features,
            home_now * first, away_now * first, home_now * second, away_now * second,
            tilted, mass,
        )  # fmt: skip
    if scopes[EXTRA_TIME] != 0:
        home_to = goals_nb(pmf, 6, home_now * extra, state[6])
        away_to = goals_nb(pmf, 7, away_now * extra, state[7])
        independent_nb(features, EXTRA_TIME * BLOCK, pmf, 6, state[6], home_to, state[7], away_to)
        accumulate_nb(features, EXTRA_TIME * BLOCK, 1.0)
    gather_nb(features, terms, chances, fair)
    return PRICED
