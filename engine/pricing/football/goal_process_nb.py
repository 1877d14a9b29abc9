"""The kernel of the goal process: every feature of a board where scoring depends on the score.

The two sides' goals are then not independent, neither of each other nor of the halves. Chances of
both halves lead to the same at a score, so one pass of the chain (goal_passes_nb.py) from the score
now gives the first half's masses and those of ninety minutes; the second half's are a pass from
each difference at half-time. The factors of the final score (every draw's, and Dixon and Coles' of
the four low scores) weight these passes: backward values say what a score at any moment expects of
them, so that a price stays the mean of its own future.

Owns the order of the work for such a model; model_nb.py has that for two independent sides.
"""

from typing import Any, Final

from engine.common.jit import kernel
from engine.pricing.chances import CERTAINTY_SLACK
from engine.pricing.football.block_sums_nb import accumulate_block_nb
from engine.pricing.football.both_halves_nb import accumulate_halves_nb
from engine.pricing.football.goal_chain_nb import (
    add_counts_nb,
    chance_rate_nb,
    expect_nb,
    fill_counts_nb,
    fill_idles_nb,
    fill_steps_nb,
    idle_share_nb,
    low_scores_nb,
    split_nb,
    trim_counts_nb,
)  # fmt: skip
from engine.pricing.football.goal_passes_nb import (
    fill_grid_nb,
    fill_home_goals_nb,
    run_chain_nb,
)
from engine.pricing.football.goal_results_nb import result_nb
from engine.pricing.football.layout import (
    DEAD_TIME,
    DIFFERENCES,
    DRAW_FACTOR,
    EXTRA_TIME,
    FEATURES,
    FIRST_HALF,
    GOAL_RESULT_AXES,
    HALVES,
    HALVES_AT,
    LEAST_MASS,
    LEVEL_FACTOR,
    LEVELS,
    MIDDLE,
    ORDER_AXES,
    ORDER_COLUMN,
    REGULAR,
    REGULAR_AT,
    SECOND_HALF,
    TWO_BEHIND_FACTOR,
)  # fmt: skip
from engine.pricing.football.process_axes_nb import fill_block_grid_nb
from engine.pricing.football.process_branches_nb import fill_second_halves_nb
from engine.pricing.football.process_grids_nb import (
    AT_HALF_TIME,
    AT_START,
    CHANCES,
    FINAL_FACTOR,
    FIRST_CHANCES,
    HOME_GOALS,
    HOME_GOALS_BY_RESULT,
    IDLES,
    RESULT_FACTOR,
    SECOND_CHANCES,
    SECOND_IDLES,
    chain_nb,
    expected_nb,
    grid_mass_nb,
    grid_nb,
    grids_nb,
    low_nb,
    rows_nb,
    tables_nb,
    weigh_draws_nb,
    weigh_nb,
)  # fmt: skip
from engine.pricing.football.process_tilt_nb import tilt_low_scores_nb
from engine.pricing.football.remaining_goals_nb import remaining_goals_nb

PRICED: Final = 0
NO_MASS: Final = 1


@kernel()
def independent_nb(model: Any) -> bool:
    """Say whether a model's sides score independently: then model_nb.py prices it faster."""
    for k in range(TWO_BEHIND_FACTOR, LEVEL_FACTOR + 3):
        if model[k] != 1.0:
            return False
    return bool(model[DRAW_FACTOR] == 1.0 and model[DEAD_TIME] == 0.0)


@kernel()
def write_block_nb(state: Any, scope: int, wanted: int, features: Any, flat: Any, top: int) -> None:
    """Fill the wanted axes of one scope from its grid: extra time's is that of ninety minutes."""
    row = scope if scope != EXTRA_TIME else REGULAR
    grid = grid_nb(flat, REGULAR_AT + row * LEVELS * LEVELS)
    _, _, _, counts = rows_nb(flat)
    _, last_home = low_nb(flat)
    home_now, away_now = state[2 * scope], state[2 * scope + 1]
    if scope == REGULAR:
        home_now, away_now = state[2] + state[4], state[3] + state[5]
    fill_block_grid_nb(
        features, scope, wanted, grid, top, home_now, away_now, counts[HOME_GOALS + row],
        last_home[row], counts[HOME_GOALS_BY_RESULT : HOME_GOALS_BY_RESULT + 3],
    )  # fmt: skip
    accumulate_block_nb(
        features, scope, wanted, 1.0 / grid_mass_nb(grid, top), home_now + away_now,
        state[ORDER_COLUMN + scope],
    )  # fmt: skip


@kernel()
def order_goals_nb(flat: Any, scope: int, last: int, chain_last: int) -> None:
    """Fill home's goals by number of a scope that begins now, and the mass of home scoring last.

    The scope is the first half or one that ends with the match.
    """
    steps, _, values, counts = rows_nb(flat)
    _, table, split_table = tables_nb(flat)
    _, last_home = low_nb(flat)
    terminal = values[AT_HALF_TIME if scope == FIRST_HALF else FINAL_FACTOR]
    chances = counts[FIRST_CHANCES if scope == FIRST_HALF else CHANCES]
    expect_nb(
        values[AT_START : AT_START + 6], table, terminal, chances, last, 0, steps, ordered=True
    )
    split_nb(split_table, table, last)
    fill_home_goals_nb(
        counts[HOME_GOALS + scope], chain_nb(flat), counts[IDLES], chain_last, split_table, last
    )
    last_home[scope] = values[AT_START + 2, MIDDLE]


@kernel()
def order_results_nb(flat: Any, ahead: int, last: int) -> None:
    """Fill home's goals by number of ninety minutes for each result; home is `ahead` now."""
    steps, _, values, counts = rows_nb(flat)
    _, table, split_table = tables_nb(flat)
    terminal = values[RESULT_FACTOR]
    for result in range(3):
        for i in range(DIFFERENCES):
            wins = result_nb(ahead + i - MIDDLE) == result
            terminal[i] = values[FINAL_FACTOR, i] if wins else 0.0
        expect_nb(
            values[AT_START : AT_START + 6], table, terminal, counts[CHANCES], last, 0, steps,
            ordered=False,
        )  # fmt: skip
        split_nb(split_table, table, last)
        goals = counts[HOME_GOALS_BY_RESULT + result]
        for k in range(LEVELS):
            goals[k] = 0.0
        fill_home_goals_nb(goals, chain_nb(flat), counts[IDLES], last, split_table, last)


@kernel()
def clear_nb(flat: Any) -> None:
    """Set to nothing what is summed up, and the factor of the final difference to 1."""
    _, _, values, counts = rows_nb(flat)
    _, last_home = low_nb(flat)
    for k in range(LEVELS):
        counts[HOME_GOALS, k] = counts[HOME_GOALS + 1, k] = counts[HOME_GOALS + 2, k] = 0.0
    for k in range(3):
        last_home[k] = 0.0
    for i in range(DIFFERENCES):
        values[FINAL_FACTOR, i] = values[AT_HALF_TIME, i] = 1.0


@kernel()
def fill_extra_time_nb(
    model: Any, state: Any, wanted: int, features: Any, flat: Any, home_rate: float,
    away_rate: float, extra: float,
) -> None:  # fmt: skip
    """Fill the block of extra time: a period of its own, whose score counts from 0:0."""
    regular, _, _ = grids_nb(flat)
    steps, split, _, counts = rows_nb(flat)
    rate = chance_rate_nb(model, home_rate, away_rate)
    dead = rate * model[DEAD_TIME] * model[6] / 1800.0
    least = model[LEAST_MASS]
    last = fill_counts_nb(counts[CHANCES], rate * extra, dead, least)
    fill_idles_nb(
        counts[IDLES], rate * extra, idle_share_nb(model, home_rate, away_rate, rate), last,
        least,
    )  # fmt: skip
    fill_steps_nb(model, home_rate, away_rate, rate, state[6] - state[7], last + 2, steps, split)
    clear_nb(flat)
    chain = chain_nb(flat)
    run_chain_nb(chain, counts[IDLES], last, split)
    if wanted & ORDER_AXES != 0:
        order_goals_nb(flat, int(REGULAR), last, last)
    fill_grid_nb(regular, chain, counts[IDLES], last, counts[CHANCES], last)
    write_block_nb(state, int(EXTRA_TIME), wanted, features, flat, last)


@kernel()
def fill_scopes_nb(
    model: Any, state: Any, wanted: Any, features: Any, flat: Any, first_last: int,
    second_last: int, last: int, home_mean: float, away_mean: float, tilted: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Fill the wanted blocks of ninety minutes and of either half; the first half is run.

    The last numbers of chances are as `fill_process_features_nb` finds them; the means are as
    `fill_branches_nb` takes them.
    """
    regular, first, second = grids_nb(flat)
    _, _, values, counts = rows_nb(flat)
    low, last_home = low_nb(flat)
    if wanted[HALVES] != 0:
        for k in range(HALVES_AT, FEATURES):
            features[k] = 0.0
    if wanted[SECOND_HALF] + wanted[HALVES] != 0:
        fill_second_halves_nb(
            model, state, wanted, features, flat, first_last, second_last, home_mean, away_mean
        )
    if wanted[FIRST_HALF] != 0 and model[DRAW_FACTOR] != 1.0:
        weigh_nb(first, first_last, values[AT_HALF_TIME])
    if tilted:
        tilt_low_scores_nb(
            model, state, features, regular, first, second, counts, low, last_home,
            2 if wanted[REGULAR] & GOAL_RESULT_AXES != 0 else 1,
        )  # fmt: skip
    if wanted[HALVES] != 0:
        accumulate_halves_nb(features, wanted[HALVES], 1.0 / grid_mass_nb(second, second_last))
    for scope in range(REGULAR, SECOND_HALF + 1):
        if wanted[scope] != 0:
            top = last if scope == REGULAR else first_last if scope == FIRST_HALF else second_last
            write_block_nb(state, scope, wanted[scope], features, flat, top)


@kernel()
def fill_orders_nb(
    model: Any, wanted: Any, flat: Any, ahead: int, first_last: int, second_last: int, last: int
) -> None:
    """Fill what the final factor and the order of goals need of the moments before the end.

    Home is `ahead` by so many goals now.
    """
    _, first, _ = grids_nb(flat)
    steps, _, values, counts = rows_nb(flat)
    table, _, _ = tables_nb(flat)
    _, last_home = low_nb(flat)
    ordered = wanted[SECOND_HALF] & ORDER_AXES != 0
    first_ordered = wanted[FIRST_HALF] & ORDER_AXES != 0
    if ordered or first_ordered or (wanted[FIRST_HALF] != 0 and model[DRAW_FACTOR] != 1.0):
        expect_nb(
            values[AT_HALF_TIME : AT_HALF_TIME + 6], table, values[FINAL_FACTOR],
            counts[SECOND_CHANCES], second_last, first_last, steps, ordered,
        )  # fmt: skip
    if ordered:
        last_home[SECOND_HALF] = expected_nb(first, first_last, values[AT_HALF_TIME + 2])
    for scope in range(REGULAR, FIRST_HALF + 1):
        if wanted[scope] & ORDER_AXES != 0:
            order_goals_nb(flat, scope, first_last if scope == FIRST_HALF else last, last)
    if wanted[REGULAR] & GOAL_RESULT_AXES != 0:
        order_results_nb(flat, ahead, last)


@kernel()
def tilt_mass_nb(
    model: Any, state: Any, features: Any, flat: Any, first_last: int, second_last: int
) -> float:
    """Fill the low scores of either half; return the mass that the Dixon-Coles tilt adds."""
    regular, first, second = grids_nb(flat)
    steps, _, _, counts = rows_nb(flat)
    low, last_home = low_nb(flat)
    low_scores_nb(low[0], counts[FIRST_CHANCES], first_last, steps, 0)
    for shift in range(-1, 2):
        low_scores_nb(low[2 + shift], counts[SECOND_CHANCES], second_last, steps, shift)
    return float(
        tilt_low_scores_nb(
            model, state, features, regular, first, second, counts, low, last_home, 0
        )
    )


@kernel()
def fill_process_features_nb(
    model: Any, state: Any, wanted: Any, scratch: Any, features: Any
) -> int:
    """Fill every wanted block; the parameters are those of `price_board_nb`."""
    flat = scratch.reshape(scratch.size)
    regular, first, _ = grids_nb(flat)
    chain = chain_nb(flat)
    steps, split, values, counts = rows_nb(flat)
    first_part, second_part, extra = remaining_goals_nb(model, state)
    home_rate = model[0] * model[7] ** state[8] * model[8] ** state[9]
    away_rate = model[1] * model[7] ** state[9] * model[8] ** state[8]
    home_now, away_now = state[2] + state[4], state[3] + state[5]
    rate = chance_rate_nb(model, home_rate, away_rate)
    share = idle_share_nb(model, home_rate, away_rate, rate)
    dead = rate * model[DEAD_TIME]
    least = model[LEAST_MASS]
    first_last = fill_counts_nb(
        counts[FIRST_CHANCES], rate * first_part, dead * model[3] / (2700.0 + model[4]), least
    )
    second_last = fill_counts_nb(
        counts[SECOND_CHANCES], rate * second_part,
        dead * (1.0 - model[3]) / (2700.0 + model[5]), least,
    )  # fmt: skip
    last = add_counts_nb(
        counts[CHANCES], counts[FIRST_CHANCES], first_last, counts[SECOND_CHANCES], second_last
    )
    last = trim_counts_nb(counts[CHANCES], last, first_last, least)
    fill_idles_nb(counts[IDLES], rate * (first_part + second_part), share, last, least)
    fill_idles_nb(counts[SECOND_IDLES], rate * second_part, share, second_last, least)
    fill_steps_nb(
        model, home_rate, away_rate, rate, home_now - away_now, first_last + second_last + 2,
        steps, split,
    )  # fmt: skip
    clear_nb(flat)
    level = MIDDLE - home_now + away_now
    if 0 <= level < DIFFERENCES:
        values[FINAL_FACTOR, level] = model[DRAW_FACTOR]
    run_chain_nb(chain, counts[IDLES], last, split)
    fill_grid_nb(first, chain, counts[IDLES], last, counts[FIRST_CHANCES], first_last)
    fill_grid_nb(regular, chain, counts[IDLES], last, counts[CHANCES], last)
    weigh_draws_nb(regular, last, home_now - away_now, model[DRAW_FACTOR])
    tilted = model[2] != 0.0 and home_now <= 1 and away_now <= 1
    mass = grid_mass_nb(regular, last)
    if tilted:
        mass += tilt_mass_nb(model, state, features, flat, first_last, second_last)
    if not mass > CERTAINTY_SLACK:
        return NO_MASS
    fill_orders_nb(model, wanted, flat, home_now - away_now, first_last, second_last, last)
    behind = second_part * model[TWO_BEHIND_FACTOR]
    fill_scopes_nb(
        model, state, wanted, features, flat, first_last, second_last, last, home_rate * behind,
        away_rate * behind, tilted,
    )  # fmt: skip
    if wanted[EXTRA_TIME] != 0:
        fill_extra_time_nb(
            model, state, wanted[EXTRA_TIME], features, flat, home_rate, away_rate, extra
        )
    return PRICED
