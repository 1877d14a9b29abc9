"""The kernel of the football model: from rates and a match state to every chance of a board.

Owns the order of the work: the goals still to come, each scope's block, then the outcomes. Never
allocates, never validates (model.py does), and never knows a market by name: an outcome is a few
intervals on axes.

A kernel that is called with a constant is compiled for that constant alone; `int` makes it a number
like any other, so that one machine code serves all scopes.
"""

from typing import Any, Final

from numba import float64, int64

from engine.common.jit import kernel
from engine.pricing.chances import CERTAINTY_SLACK
from engine.pricing.fair_probabilities_nb import gather_nb
from engine.pricing.football.block_sums_nb import accumulate_block_nb
from engine.pricing.football.both_halves_nb import fill_both_halves_nb
from engine.pricing.football.combined_axes_nb import (
    deposit_combined_nb,
    fill_combined_nb,
)
from engine.pricing.football.goal_order_nb import (
    deposit_order_nb,
    fill_order_nb,
)
from engine.pricing.football.goal_process_nb import (
    NO_MASS,
    PRICED,
    fill_process_features_nb,
    independent_nb,
)
from engine.pricing.football.goal_results_nb import (
    deposit_goal_results_nb,
    fill_goal_results_nb,
)
from engine.pricing.football.layout import (
    BLOCK_SIZE,
    CELL_AXIS,
    CELL_SIDE,
    COMBINED_AXES,
    EXTRA_TIME,
    FIRST_HALF,
    GOAL_RESULT_AXES,
    HALVES,
    ORDER_AXES,
    ORDER_COLUMN,
    REGULAR,
    SCORE_CELL_AT,
    SCRATCH_ROWS,
    SECOND_HALF,
    SIDE_AXES,
    WIDE_CELL_AT,
    WIDE_CELL_AXIS,
    WIDE_SIDE,
)
from engine.pricing.football.remaining_goals_nb import remaining_goals_nb
from engine.pricing.football.score_axes_nb import (
    deposit_cell_nb,
    deposit_plain_nb,
    deposit_sides_nb,
    expected_tilt_nb,
    fill_cells_nb,
    fill_goals_nb,
    fill_plain_nb,
    fill_sides_nb,
    tilt_nb,
    tilted_mass_nb,
)

SCRATCH_TOO_SMALL: Final = 2


@kernel()
def fill_block_nb(
    features: Any,
    scope: int,
    wanted: int,
    pmf: Any,
    home_now: int,
    home_end: int,
    away_now: int,
    away_end: int,
    rate: float,
    share: float,
) -> None:
    """Fill the wanted axes of a block with masses of two independent goal counts.

    `home_now` and `away_now` are the goals so far, `home_end` and `away_end` the ends of the used
    entries in `pmf`; `rate` is the number of goals that both sides together are expected to add,
    and `share` is home's share of it.
    """
    at = scope * BLOCK_SIZE
    row = 2 * scope
    fill_plain_nb(features, at, pmf, row, home_now, home_end, away_now, away_end, rate)
    if wanted & SIDE_AXES != 0:
        fill_sides_nb(features, at, pmf, row)
    if wanted & CELL_AXIS != 0:
        fill_cells_nb(
            features, at + SCORE_CELL_AT, CELL_SIDE, pmf, row, home_now, home_end, away_now,
            away_end,
        )  # fmt: skip
    if wanted & WIDE_CELL_AXIS != 0:
        fill_cells_nb(
            features, at + WIDE_CELL_AT, WIDE_SIDE, pmf, row, home_now, home_end, away_now,
            away_end,
        )  # fmt: skip
    if wanted & COMBINED_AXES != 0:
        fill_combined_nb(features, at, pmf, row, home_end, away_now, away_end)
    if wanted & ORDER_AXES != 0:
        fill_order_nb(features, at, home_now + away_now, share)
    if wanted & GOAL_RESULT_AXES != 0:
        fill_goal_results_nb(features, at, pmf, row, home_now, home_end, away_now, away_end)


@kernel()
def deposit_block_nb(
    features: Any,
    scope: int,
    wanted: int,
    home_now: int,
    away_now: int,
    home: int,
    away: int,
    mass: float,
) -> None:
    """Add mass to one low score on every wanted axis of a block."""
    at = scope * BLOCK_SIZE
    deposit_plain_nb(features, at, home, away, mass)
    if wanted & SIDE_AXES != 0:
        deposit_sides_nb(features, at, home, away, mass)
    if wanted & CELL_AXIS != 0:
        deposit_cell_nb(features, at + SCORE_CELL_AT, CELL_SIDE, home, away, mass)
    if wanted & WIDE_CELL_AXIS != 0:
        deposit_cell_nb(features, at + WIDE_CELL_AT, WIDE_SIDE, home, away, mass)
    if wanted & COMBINED_AXES != 0:
        deposit_combined_nb(features, at, home, away, mass)
    if wanted & ORDER_AXES != 0:
        deposit_order_nb(features, at, home_now, away_now, home, away, mass)
    if wanted & GOAL_RESULT_AXES != 0:
        deposit_goal_results_nb(features, at, home_now, away_now, home, away, mass)


@kernel()
def fill_halves_nb(
    model: Any,
    state: Any,
    wanted: Any,
    pmf: Any,
    features: Any,
    first_home: float,
    first_away: float,
    second_home: float,
    second_away: float,
    share: float,
    tilted: bool,  # noqa: FBT001
    mass: float,
) -> None:
    """Fill the block of each half, and that of both together, from the goals still to come.

    The Dixon-Coles tilt depends on the final score, so a half's score gets the expected tilt over
    the goals of the other half.
    """
    home_end = fill_goals_nb(pmf[2], first_home, state[2])
    away_end = fill_goals_nb(pmf[3], first_away, state[3])
    fill_block_nb(
        features, int(FIRST_HALF), wanted[FIRST_HALF], pmf,
        state[2], home_end, state[3], away_end, first_home + first_away, share,
    )  # fmt: skip
    home_end = fill_goals_nb(pmf[4], second_home, state[4])
    away_end = fill_goals_nb(pmf[5], second_away, state[5])
    fill_block_nb(
        features, int(SECOND_HALF), wanted[SECOND_HALF], pmf,
        state[4], home_end, state[5], away_end, second_home + second_away, share,
    )  # fmt: skip
    if wanted[HALVES] != 0:
        fill_both_halves_nb(features, model, pmf, wanted[HALVES], tilted, 1.0 / mass)
    for scope in range(FIRST_HALF, SECOND_HALF + 1):
        if wanted[scope] == 0:
            continue
        row = 2 * scope
        home_now = state[row]
        away_now = state[row + 1]
        if tilted:
            other = 2 * (FIRST_HALF + SECOND_HALF - scope)
            for i in range(2):
                for j in range(2):
                    tilt = expected_tilt_nb(i, j, pmf, other, model[0], model[1], model[2])
                    deposit_block_nb(
                        features, scope, wanted[scope], home_now, away_now, i, j,
                        pmf[row, i] * pmf[row + 1, j] * tilt,
                    )  # fmt: skip
        accumulate_block_nb(
            features, scope, wanted[scope], 1.0 / mass, home_now + away_now,
            state[ORDER_COLUMN + scope],
        )  # fmt: skip


@kernel()
def fill_features_nb(model: Any, state: Any, wanted: Any, pmf: Any, features: Any) -> int:
    """Fill every wanted block; the parameters are those of `price_board_nb`."""
    first, second, extra = remaining_goals_nb(model, state)
    home_rate = model[0] * model[7] ** state[8] * model[8] ** state[9]
    away_rate = model[1] * model[7] ** state[9] * model[8] ** state[8]
    both = home_rate + away_rate
    share = home_rate / both if both > 0.0 else 0.5
    home_now = state[2] + state[4]
    away_now = state[3] + state[5]
    tilted = model[2] != 0.0 and home_now <= 1 and away_now <= 1
    home_end = fill_goals_nb(pmf[0], home_rate * (first + second), home_now)
    away_end = fill_goals_nb(pmf[1], away_rate * (first + second), away_now)
    mass = tilted_mass_nb(model, pmf) if tilted else 1.0
    if not mass > CERTAINTY_SLACK:
        return NO_MASS
    want = wanted[REGULAR]
    if want != 0:
        fill_block_nb(
            features, int(REGULAR), want, pmf, home_now, home_end, away_now, away_end,
            both * (first + second), share,
        )  # fmt: skip
        if tilted:
            for i in range(2):
                for j in range(2):
                    tilt = tilt_nb(i, j, model[0], model[1], model[2])
                    deposit_block_nb(
                        features, int(REGULAR), want, home_now, away_now, i, j,
                        pmf[0, i] * pmf[1, j] * tilt,
                    )  # fmt: skip
        order = state[ORDER_COLUMN + REGULAR]
        accumulate_block_nb(features, int(REGULAR), want, 1.0 / mass, home_now + away_now, order)
    if wanted[FIRST_HALF] + wanted[SECOND_HALF] + wanted[HALVES] != 0:
        fill_halves_nb(
            model, state, wanted, pmf, features,
            home_rate * first, away_rate * first, home_rate * second, away_rate * second,
            share, tilted, mass,
        )  # fmt: skip
    want = wanted[EXTRA_TIME]
    if want != 0:
        home_end = fill_goals_nb(pmf[6], home_rate * extra, state[6])
        away_end = fill_goals_nb(pmf[7], away_rate * extra, state[7])
        fill_block_nb(
            features, int(EXTRA_TIME), want, pmf, state[6], home_end, state[7], away_end,
            both * extra, share,
        )  # fmt: skip
        order = state[ORDER_COLUMN + EXTRA_TIME]
        accumulate_block_nb(features, int(EXTRA_TIME), want, 1.0, state[6] + state[7], order)
    return PRICED


PRICER: Final = int64(
    float64[::1],
    int64[::1],
    int64[::1],
    int64[:, ::1],
    float64[:, ::1],
    float64[::1],
    float64[::1],
    float64[::1],
)
"""The signature of `price_board_nb`."""


@kernel(PRICER)
def price_board_nb(
    model: Any,
    state: Any,
    wanted: Any,
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
        extra-time share, red-card factors (own side, opponents), then those of the goal process,
        in the order of layout.py.
    state : int64[STATE_COLUMNS]
        Period, clock in seconds, goals of first half, second half and extra time (home, away
        each), red cards (home, away), and for each scope with a score its order of goals.
    wanted : int64[SCOPES]
        The axes to fill in each scope: a mask of PLAIN_AXES (in every mask), SIDE_AXES, CELL_AXIS,
        COMBINED_AXES, ORDER_AXES, WIDE_CELL_AXIS and GOAL_RESULT_AXES, of both halves
        JOINT_AXES, RESULTS_TOTAL_AXES and FEW_SCORES_AXIS; 0 for none.
    terms : int64[terms, TERM_COLUMNS]
        Intervals: the two ends as indices into `features`, and the index in `chances` to which
        the chance between them is added.
    pmf : float64[SCRATCH_ROWS, GOALS]
        Scratch (scratch.py); PMF_ROWS rows are enough for a model of independent sides.
    features : float64[FEATURES]
        Scratch.
    chances : float64[CHANCES * outcomes]
        Out: for each outcome the chances to win, half win, push and half lose.
    fair : float64[outcomes]
        Out: the fair probability, 0 where a push is certain.

    Returns
    -------
    int
        PRICED, NO_MASS when the dependence gives every reachable score chance 0, or
        SCRATCH_TOO_SMALL.
    """
    if independent_nb(model):
        code = fill_features_nb(model, state, wanted, pmf, features)
    elif pmf.shape[0] < SCRATCH_ROWS:
        return SCRATCH_TOO_SMALL
    else:
        code = fill_process_features_nb(model, state, wanted, pmf, features)
    if code == PRICED:
        gather_nb(features, terms, chances, fair)
    return code
