"""The kernel of the goal process: every feature of a board where scoring depends on the score.

The two sides' goals are then not independent, neither of each other nor of the halves. A scope's
scores come from one pass of the chain (goal_chain_nb.py) over its period, those of the second half
from one pass for each difference at half-time. The factors of the final score (every draw's, and
Dixon and Coles' of the four low scores) weight these passes: backward values say what a score at
any moment expects of them, so that a price stays the mean of its own future.

Owns the order of the work for such a model; model_nb.py has that for two independent sides.
"""

from typing import Any, Final

from engine.common.jit import kernel
from engine.pricing.chances import CERTAINTY_SLACK
from engine.pricing.football.block_sums_nb import accumulate_block_nb
from engine.pricing.football.both_halves_nb import accumulate_halves_nb
from engine.pricing.football.goal_chain_nb import (
    chance_rate_nb,
    fill_counts_nb,
    fill_steps_nb,
    last_goal_back_nb,
    low_scores_nb,
    most_idle_nb,
    poisson_tail_nb,
    run_forward_nb,
    value_back_nb,
)  # fmt: skip
from engine.pricing.football.layout import (
    DEAD_TIME,
    DIFFERENCES,
    DRAW_FACTOR,
    EXTRA_TIME,
    FEATURES,
    FIRST_HALF,
    HALVES,
    HALVES_AT,
    LEAST_MASS,
    LEVEL_FACTOR,
    LEVELS,
    MIDDLE,
    ORDER_AXES,
    ORDER_COLUMN,
    REGULAR,
    SECOND_HALF,
    TWO_BEHIND_FACTOR,
)  # fmt: skip
from engine.pricing.football.process_axes_nb import fill_block_grid_nb
from engine.pricing.football.process_branches_nb import fill_second_halves_nb
from engine.pricing.football.process_grids_nb import (
    add_rows_nb,
    clear_nb,
    expected_nb,
    grids_nb,
    inverse_mass_nb,
    low_nb,
    rows_nb,
    tables_nb,
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
def fill_extra_time_nb(
    model: Any, state: Any, wanted: int, features: Any, flat: Any, home_rate: float,
    away_rate: float, extra: float,
) -> None:  # fmt: skip
    """Fill the block of extra time: a period of its own, whose score counts from 0:0."""
    work, sums, flows, _, _ = grids_nb(flat)
    tables = tables_nb(flat)
    home_values, split_values = tables[0], tables[1]
    steps, split, values, counts = rows_nb(flat)
    rate = chance_rate_nb(model, home_rate, away_rate)
    dead = rate * model[DEAD_TIME] * model[6] / 1800.0
    last = fill_counts_nb(counts[2], rate * extra, dead, model[LEAST_MASS])
    idle = most_idle_nb(model, home_rate, away_rate, rate, extra)
    fill_steps_nb(model, home_rate, away_rate, rate, state[6] - state[7], last + 2, steps, split)
    for i in range(DIFFERENCES):
        values[0, i] = 1.0
        values[1, i] = 0.0
    for k in range(LEVELS):
        counts[3, k] = 0.0
    last_home = 0.0
    ordered = wanted & ORDER_AXES != 0
    if ordered:
        value_back_nb(
            values[2:4], home_values, split_values, values[0], counts[2], last, 0, steps, ordered
        )
        last_goal_back_nb(
            values[6:8], values[8:10], values[1], values[0], counts[2], last, 0, steps
        )
        last_home = values[6, MIDDLE]
    clear_nb(work, last)
    clear_nb(sums, last)
    clear_nb(flows, last)
    work[0, 0] = 1.0
    top = run_forward_nb(
        work, sums, flows, 0, LEVELS - 1, idle, counts[2], last, split, split_values, ordered
    )
    add_rows_nb(counts[3], flows, top)
    fill_block_grid_nb(
        features, EXTRA_TIME, wanted, sums, top, state[6], state[7], counts[3], last_home
    )
    accumulate_block_nb(
        features,
        EXTRA_TIME,
        wanted,
        inverse_mass_nb(sums, top),
        state[6] + state[7],
        state[ORDER_COLUMN + EXTRA_TIME],
    )


@kernel()
def write_blocks_nb(
    state: Any, wanted: Any, features: Any, flat: Any, top: int, first_last: int, second_last: int
) -> None:
    """Fill the wanted axes of ninety minutes and of either half from their grids."""
    _, sums, _, first, second = grids_nb(flat)
    _, _, _, counts = rows_nb(flat)
    _, last_home = low_nb(flat)
    home_now, away_now = state[2] + state[4], state[3] + state[5]
    if wanted[REGULAR] != 0:
        fill_block_grid_nb(
            features, REGULAR, wanted[REGULAR], sums, top, home_now, away_now, counts[3],
            last_home[0],
        )  # fmt: skip
        accumulate_block_nb(
            features, REGULAR, wanted[REGULAR], inverse_mass_nb(sums, top), home_now + away_now,
            state[ORDER_COLUMN + REGULAR],
        )  # fmt: skip
    if wanted[FIRST_HALF] != 0:
        fill_block_grid_nb(
            features, FIRST_HALF, wanted[FIRST_HALF], first, first_last, state[2], state[3],
            counts[4], last_home[1],
        )  # fmt: skip
        accumulate_block_nb(
            features, FIRST_HALF, wanted[FIRST_HALF], inverse_mass_nb(first, first_last),
            state[2] + state[3], state[ORDER_COLUMN + FIRST_HALF],
        )  # fmt: skip
    if wanted[SECOND_HALF] != 0:
        fill_block_grid_nb(
            features, SECOND_HALF, wanted[SECOND_HALF], second, second_last, state[4], state[5],
            counts[5], last_home[2],
        )  # fmt: skip
        accumulate_block_nb(
            features, SECOND_HALF, wanted[SECOND_HALF], inverse_mass_nb(second, second_last),
            state[4] + state[5], state[ORDER_COLUMN + SECOND_HALF],
        )  # fmt: skip


@kernel()
def fill_scopes_nb(
    model: Any, state: Any, wanted: Any, features: Any, flat: Any, first_last: int,
    second_last: int, second_idle: int, most: int, ordered: bool, tilted: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Fill the wanted blocks of ninety minutes and of either half from the first half's masses.

    The first half's and the second's last numbers of chances, and the most goals of both, are as
    `fill_process_features_nb` finds them.
    """
    work, sums, flows, first, second = grids_nb(flat)
    tables = tables_nb(flat)
    second_values, second_split_values = tables[2], tables[3]
    steps, split, values, counts = rows_nb(flat)
    low, last_home = low_nb(flat)
    level = MIDDLE - state[2] - state[4] + state[3] + state[5]
    halves = wanted[HALVES] != 0
    if halves:
        for k in range(HALVES_AT, FEATURES):
            features[k] = 0.0
    if wanted[SECOND_HALF] + wanted[HALVES] != 0:
        fill_second_halves_nb(
            model, state, wanted, features, flat, first, first_last, second, counts, second_last,
            second_idle, steps, second_values, level,
        )  # fmt: skip
    top = max(first_last, min(first_last + second_last, most))
    if wanted[REGULAR] != 0:
        clear_nb(work, top)
        clear_nb(sums, top)
        clear_nb(flows, top)
        for k in range(first_last + 1):
            for x in range(k + 1):
                work[k, x] = first[k, x]
        top = run_forward_nb(
            work, sums, flows, first_last, top, second_idle, counts[1], second_last, split,
            second_split_values, ordered,
        )  # fmt: skip
        for k in range(LEVELS):
            counts[3, k] = counts[4, k]
        add_rows_nb(counts[3], flows, top)
        weigh_nb(sums, top, values[0])
    weigh_nb(first, first_last, values[2])
    if tilted:
        tilt_low_scores_nb(model, state, features, sums, first, second, counts, low, last_home, 1)
    if halves:
        accumulate_halves_nb(features, inverse_mass_nb(second, second_last))
    write_blocks_nb(state, wanted, features, flat, top, first_last, second_last)


@kernel()
def run_back_nb(
    flat: Any, first_last: int, second_last: int, ordered: bool  # noqa: FBT001
) -> None:  # fmt: skip
    """Fill what is expected of the final difference's factors from every moment of either half.

    Where `ordered`, also the masses of home scoring last, but for the second half's.
    """
    steps, _, values, counts = rows_nb(flat)
    tables = tables_nb(flat)
    _, last_home = low_nb(flat)
    value_back_nb(
        values[2:4], tables[2], tables[3], values[0], counts[1], second_last, first_last, steps,
        ordered,
    )  # fmt: skip
    value_back_nb(
        values[4:6], tables[0], tables[1], values[2], counts[0], first_last, 0, steps, ordered
    )
    if not ordered:
        return
    last_goal_back_nb(
        values[8:10], values[10:12], values[1], values[2], counts[0], first_last, 0, steps
    )
    last_home[1] = values[8, MIDDLE]
    last_goal_back_nb(
        values[8:10], values[10:12], values[1], values[0], counts[1], second_last, first_last, steps
    )
    last_goal_back_nb(
        values[12:14], values[14:16], values[8], values[10], counts[0], first_last, 0, steps
    )
    last_home[0] = values[12, MIDDLE]


@kernel()
def start_nb(model: Any, state: Any, flat: Any) -> None:
    """Set the factor of the final difference, and what is summed up to nothing."""
    _, _, values, counts = rows_nb(flat)
    _, last_home = low_nb(flat)
    for k in range(LEVELS):
        counts[3, k] = counts[4, k] = counts[5, k] = 0.0
    for k in range(3):
        last_home[k] = 0.0
    # Rows of `values`: 0 the factor of the final difference, 1 zeros, 2 what half-time expects of
    # it; from 4 on pairs for the passes.
    for i in range(DIFFERENCES):
        values[0, i] = values[2, i] = 1.0
        values[1, i] = 0.0
    level = MIDDLE - state[2] - state[4] + state[3] + state[5]
    if 0 <= level < DIFFERENCES:
        values[0, level] = model[DRAW_FACTOR]


@kernel()
def run_first_half_nb(
    model: Any, state: Any, features: Any, flat: Any, first_last: int, second_last: int, idle: int,
    ordered: bool, tilted: bool,  # noqa: FBT001
) -> float:  # fmt: skip
    """Fill the first half's masses; return the mass of the match with the final score's factors."""
    work, sums, flows, first, second = grids_nb(flat)
    steps, split, values, counts = rows_nb(flat)
    low, last_home = low_nb(flat)
    clear_nb(work, first_last)
    clear_nb(first, first_last)
    clear_nb(flows, first_last)
    work[0, 0] = 1.0
    run_forward_nb(
        work, first, flows, 0, LEVELS - 1, idle, counts[0], first_last, split, tables_nb(flat)[1],
        ordered,
    )  # fmt: skip
    add_rows_nb(counts[4], flows, first_last)
    if ordered:
        last_home[2] = expected_nb(first, first_last, values[8])
    mass = expected_nb(first, first_last, values[2])
    if tilted:
        low_scores_nb(low[0], counts[0], first_last, steps, 0)
        for shift in range(-1, 2):
            low_scores_nb(low[2 + shift], counts[1], second_last, steps, shift)
        mass += tilt_low_scores_nb(
            model, state, features, sums, first, second, counts, low, last_home, 0
        )
    return mass


@kernel()
def fill_process_features_nb(
    model: Any, state: Any, wanted: Any, scratch: Any, features: Any
) -> int:
    """Fill every wanted block; the parameters are those of `price_board_nb`."""
    flat = scratch.reshape(scratch.size)
    steps, split, _, counts = rows_nb(flat)
    first_part, second_part, extra = remaining_goals_nb(model, state)
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
    fill_steps_nb(
        model, home_rate, away_rate, rate, home_now - away_now, first_last + second_last + 2,
        steps, split,
    )  # fmt: skip
    start_nb(model, state, flat)
    ordered = (wanted[REGULAR] | wanted[FIRST_HALF] | wanted[SECOND_HALF]) & ORDER_AXES != 0
    if ordered or model[DRAW_FACTOR] != 1.0:
        run_back_nb(flat, first_last, second_last, ordered)
    tilted = model[2] != 0.0 and home_now <= 1 and away_now <= 1
    mass = run_first_half_nb(
        model, state, features, flat, first_last, second_last,
        most_idle_nb(model, home_rate, away_rate, rate, first_part), ordered, tilted,
    )  # fmt: skip
    if not mass > CERTAINTY_SLACK:
        return NO_MASS
    most = first_last
    if wanted[REGULAR] != 0:
        mean = rate * (first_part + second_part)
        while most < LEVELS - 1 and poisson_tail_nb(mean, most) > least:
            most += 1
    fill_scopes_nb(
        model, state, wanted, features, flat, first_last, second_last,
        most_idle_nb(model, home_rate, away_rate, rate, second_part), most, ordered, tilted,
    )  # fmt: skip
    if wanted[EXTRA_TIME] != 0:
        fill_extra_time_nb(
            model, state, wanted[EXTRA_TIME], features, flat, home_rate, away_rate, extra
        )
    return PRICED
