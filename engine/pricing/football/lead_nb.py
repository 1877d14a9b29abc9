"""The kernel of leads: the chance that a side is ahead by so many goals at some moment to come.

An early payout pays a bet on a side as won once that side leads by `lead` goals, whatever follows.
What it costs is a barrier option on the goal difference: it pays where the barrier is reached and
the match is not won. The goal process (goal_chain_nb.py) is a Markov chain of the difference,
stopped after a random number of chances, so one pass that keeps the masses from which the barrier
was reached apart from the others is exact: it needs no more than the difference, and how goals are
spread over time counts only through the number of chances. The factors of the final score (every
draw's, and Dixon and Coles' of the four low scores) weight the ends, as on the board.

Owns the pass; never knows a market, a bet or an offer.
"""

from typing import Any, Final

from numba import float64, int64

from engine.common.jit import kernel
from engine.pricing.chances import CERTAINTY_SLACK
from engine.pricing.football.goal_chain_nb import (
    DOWN,
    STAY,
    UP,
    add_counts_nb,
    chance_rate_nb,
    fill_counts_nb,
    fill_steps_nb,
    low_scores_nb,
)
from engine.pricing.football.goal_process_nb import NO_MASS, PRICED
from engine.pricing.football.layout import (
    DEAD_TIME,
    DIFFERENCES,
    DRAW_FACTOR,
    LEAST_MASS,
    LEVELS,
    MIDDLE,
)
from engine.pricing.football.remaining_goals_nb import remaining_goals_nb
from engine.pricing.football.score_axes_nb import tilt_nb

REACHED: Final = 0
"""Masses of a side: it is ahead by the lead at some moment from now on."""
REACHED_NOT_WON: Final = 1
"""The same, and it does not win."""
WON: Final = 2
"""It wins."""
LEAD_COLUMNS: Final = 3

_COUNTS_AT: Final = 6 * DIFFERENCES
_MASSES_AT: Final = _COUNTS_AT + 3 * LEVELS
_LOW_AT: Final = _MASSES_AT + 4 * DIFFERENCES
LEAD_SCRATCH: Final = _LOW_AT + 5
"""Length of the scratch array: steps (and split by parity), counts, masses, low scores."""


@kernel()
def step_nb(steps: Any, then: Any, now: Any, chances: int) -> None:
    """Carry masses by difference through the chance of a number."""
    for i in range(MIDDLE - chances, MIDDLE + chances + 1):
        now[i] = (
            then[i - 1] * steps[UP + i - 1]
            + then[i + 1] * steps[DOWN + i + 1]
            + then[i] * steps[STAY + i]
        )


@kernel()
def run_lead_nb(
    steps: Any, counts: Any, last: int, ahead: int, side: int, lead: int, draw_factor: float,
    masses: Any, chances: Any,
) -> float:  # fmt: skip
    """Fill a side's masses, not yet scaled; return the mass of all ends.

    Parameters
    ----------
    steps : float64[3 * DIFFERENCES]
        As `fill_steps_nb` fills them.
    counts : float64[LEVELS]
        The chances of the numbers of chances up to `last`.
    ahead : int
        How many goals home is ahead now.
    side : int
        1 for home, -1 for away.
    masses : float64[4, DIFFERENCES]
        Scratch: before and after a chance, the masses that have not reached the barrier, and those
        that have.
    chances : float64[LEAD_COLUMNS]
        Out.
    """
    for row in range(4):
        for i in range(DIFFERENCES):
            masses[row, i] = 0.0
    masses[2 if side * ahead >= lead else 0, MIDDLE] = 1.0
    whole = 0.0
    for k in range(LEAD_COLUMNS):
        chances[k] = 0.0
    for n in range(last + 1):
        parity = n & 1
        free, reached = masses[parity], masses[2 + parity]
        if n > 0:
            step_nb(steps, masses[1 - parity], free, n)
            step_nb(steps, masses[3 - parity], reached, n)
        for i in range(MIDDLE - n, MIDDLE + n + 1):
            d = side * (ahead + i - MIDDLE)
            if d >= lead:
                reached[i] += free[i]
                free[i] = 0.0
            weight = counts[n] * draw_factor if d == 0 else counts[n]
            whole += weight * (free[i] + reached[i])
            chances[REACHED] += weight * reached[i]
            if d <= 0:
                chances[REACHED_NOT_WON] += weight * reached[i]
            else:
                chances[WON] += weight * (free[i] + reached[i])
    return whole


@kernel()
def tilt_lead_nb(
    model: Any, low: Any, home_now: int, away_now: int, side: int, lead: int, chances: Any
) -> float:
    """Add the Dixon-Coles tilt of the four low final scores to a side's masses; return its mass.

    `low` are the chances of the ways there, as `low_scores_nb` fills them. Only a lead of one goal
    can be reached on such a way: at 1:1 by the side that scores first.
    """
    ahead = side * (home_now - away_now)
    added = 0.0
    for home in range(2):
        for away in range(2):
            final_home, final_away = home_now + home, away_now + away
            tilt = tilt_nb(final_home, final_away, model[0], model[1], model[2])
            d = side * (final_home - final_away)
            if d == 0:
                tilt *= model[DRAW_FACTOR]
            mass = low[home + 2 * away] * tilt
            reached = mass if max(ahead, d) >= lead else 0.0
            if home + away == 2 and ahead < lead <= ahead + 1:
                reached = (low[4] if side > 0 else low[3] - low[4]) * tilt
            added += mass
            chances[REACHED] += reached
            if d <= 0:
                chances[REACHED_NOT_WON] += reached
            else:
                chances[WON] += mass
    return added


@kernel(int64(float64[::1], int64[::1], int64, float64[::1], float64[:, ::1]))
def lead_chances_nb(model: Any, state: Any, lead: int, scratch: Any, chances: Any) -> int:
    """Fill the chances of either side to lead by so many goals in ninety minutes.

    Parameters
    ----------
    model, state
        As `price_board_nb` takes them.
    lead : int
        Goals, from 1.
    scratch : float64[LEAD_SCRATCH]
        Scratch.
    chances : float64[2, LEAD_COLUMNS]
        Out: home's row, away's row. A side that leads so far now has reached the lead.

    Returns
    -------
    int
        PRICED, or NO_MASS when the dependence gives every reachable score chance 0.
    """
    steps, split = scratch[: 3 * DIFFERENCES], scratch[3 * DIFFERENCES : _COUNTS_AT]
    counts = scratch[_COUNTS_AT:_MASSES_AT].reshape((3, LEVELS))
    masses = scratch[_MASSES_AT:_LOW_AT].reshape((4, DIFFERENCES))
    low = scratch[_LOW_AT:LEAD_SCRATCH]
    first_part, second_part, _ = remaining_goals_nb(model, state)
    home_rate = model[0] * model[7] ** state[8] * model[8] ** state[9]
    away_rate = model[1] * model[7] ** state[9] * model[8] ** state[8]
    home_now, away_now = state[2] + state[4], state[3] + state[5]
    rate = chance_rate_nb(model, home_rate, away_rate)
    dead = rate * model[DEAD_TIME]
    least = model[LEAST_MASS]
    first_last = fill_counts_nb(
        counts[0], rate * first_part, dead * model[3] / (2700.0 + model[4]), least
    )
    second_last = fill_counts_nb(
        counts[1], rate * second_part, dead * (1.0 - model[3]) / (2700.0 + model[5]), least
    )
    last = add_counts_nb(counts[2], counts[0], first_last, counts[1], second_last)
    fill_steps_nb(model, home_rate, away_rate, rate, home_now - away_now, last + 2, steps, split)
    low_scores_nb(low, counts[2], last, steps, 0)
    tilted = model[2] != 0.0 and home_now <= 1 and away_now <= 1
    for row in range(2):
        side = 1 - 2 * row
        whole = run_lead_nb(
            steps, counts[2], last, home_now - away_now, side, lead, model[DRAW_FACTOR], masses,
            chances[row],
        )  # fmt: skip
        if tilted:
            whole += tilt_lead_nb(model, low, home_now, away_now, side, lead, chances[row])
        if not whole > CERTAINTY_SLACK:
            return NO_MASS
        for k in range(LEAD_COLUMNS):
            chances[row, k] = min(max(chances[row, k] / whole, 0.0), 1.0)
    return PRICED
