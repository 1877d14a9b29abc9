"""Kernels that run the second half from every goal difference at half-time.

Owns the differences at half-time as branches side by side, and what is summed over them. Far from
level the rates no longer change: a difference from which no second half leads back to where they
do is taken together with the one next to it.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.goal_passes_nb import (
    fill_home_goals_from_nb,
    fill_tiles_nb,
    run_branches_nb,
    sum_nb,
)
from engine.pricing.football.layout import (
    BRANCHES_AT,
    BRANCHES_MAX,
    BRANCHES_SIZE,
    BY_BRANCH,
    BY_BRANCH_AT,
    DRAW_FACTOR,
    FEW_SCORES_AXIS,
    HALVES,
    JOINT_AXES,
    LEAST_MASS,
    ORDER_AXES,
    RESULTS_TOTAL_AXES,
    SECOND_HALF,
    TILES_AT,
    TILES_SIZE,
    VECTOR,
)  # fmt: skip
from engine.pricing.football.process_grids_nb import (
    HOME_GOALS,
    SECOND_CHANCES,
    SECOND_IDLES,
    chain_nb,
    grids_nb,
    rows_nb,
    tables_nb,
)
from engine.pricing.football.process_halves_nb import (
    MASSES,
    add_few_scores_nb,
    add_halves_nb,
    add_result_and_both_nb,
    add_results_and_totals_nb,
)


@kernel()
def by_difference_nb(masses: Any, grid: Any, top: int) -> None:
    """Fill the masses of the differences from -top to top."""
    for d in range(2 * top + 1):
        masses[d] = 0.0
    for k in range(top + 1):
        for x in range(k + 1):
            masses[2 * x - k + top] += grid[k, x]


@kernel()
def furthest_nb(masses: Any, top: int, ahead: int, side: int, mean: float, least: float) -> int:
    """Return the difference furthest to one side that is run; a further one runs with it.

    That changes a result only when the side behind comes back all the way from there.

    Parameters
    ----------
    masses : float64[2 * top + 1]
        The masses of the differences.
    ahead : int
        How many goals home is ahead at a difference of 0.
    side : int
        1 for differences above 0, -1 for those below.
    mean : float
        Goals that a side two or more behind is expected to score; the chance of j is at most
        mean^j / j!.
    """
    d = min(max(2 - side * ahead, -top), top)
    beyond = 0.0
    for k in range(d + 1, top + 1):
        beyond += masses[top + side * k]
    chance = 1.0
    for j in range(1, d + side * ahead + 1):
        chance *= mean / j
    while d < top and beyond * chance >= least:
        d += 1
        beyond -= masses[top + side * d]
        chance *= mean / (d + side * ahead)
    return side * d


@kernel()
def fill_branches_nb(
    branch_masses: Any, masses: Any, first: Any, top: int, ahead: int, home_mean: float,
    away_mean: float, least: float,
) -> tuple[int, int]:  # fmt: skip
    """Fill the masses of the differences that are run; return the lowest and their number.

    `home_mean` and `away_mean` are the goals that the second half is expected to bring a side that
    is two or more behind; `masses` is scratch.
    """
    by_difference_nb(masses, first, top)
    low = furthest_nb(masses, top, ahead, -1, home_mean, least)
    high = furthest_nb(masses, top, ahead, 1, away_mean, least)
    branches = high - low + 1
    if branches > 1:
        branches = (branches + VECTOR - 1) // VECTOR * VECTOR
    for e in range(branches):
        branch_masses[e] = 0.0
    for d in range(-top, top + 1):
        branch_masses[min(max(d - low, 0), branches - 1)] += masses[d + top]
    return low, branches


@kernel()
def merge_branches_nb(
    second: Any, sums: Any, branches: int, lowest: int, last: int, ahead: int, draw_factor: float
) -> None:
    """Weigh the draws of every branch, and fill `second` with the sums over the branches.

    Home is `ahead` by so many goals at a difference of 0.
    """
    cell = 0
    for k in range(last + 1):
        for x in range(k + 1):
            e = k - 2 * x - ahead - lowest
            if 0 <= e < branches:
                sums[cell + e] *= draw_factor
            cell += branches
    cell = 0
    for k in range(last + 1):
        for x in range(k + 1):
            second[k, x] = sum_nb(sums[cell : cell + branches])
            cell += branches


@kernel()
def fill_second_halves_nb(
    model: Any, state: Any, wanted: Any, features: Any, flat: Any, first_last: int, last: int,
    home_mean: float, away_mean: float,
) -> None:  # fmt: skip
    """Run the second half from each difference at half-time.

    Fills the second half's masses, home's goals by number and the masses of the axes of both
    halves, where they are wanted. The means are as `fill_branches_nb` takes them.
    """
    _, first, second = grids_nb(flat)
    chain = chain_nb(flat)
    steps, _, _, counts = rows_nb(flat)
    ahead = state[2] + state[4] - state[3] - state[5]
    rows = flat[BY_BRANCH_AT : BY_BRANCH_AT + BY_BRANCH * BRANCHES_MAX]
    branch_masses = rows[MASSES * BRANCHES_MAX : (MASSES + 1) * BRANCHES_MAX]
    lowest, branches = fill_branches_nb(
        branch_masses, chain, first, first_last, ahead, home_mean, away_mean,
        model[LEAST_MASS],
    )  # fmt: skip
    tiles = flat[TILES_AT : TILES_AT + TILES_SIZE]
    fill_tiles_nb(tiles, branches, lowest, last, steps)
    sums = flat[BRANCHES_AT : BRANCHES_AT + BRANCHES_SIZE]
    idles = counts[SECOND_IDLES]
    run_branches_nb(
        chain, sums, branch_masses, tiles, branches, idles, counts[SECOND_CHANCES], last
    )
    merge_branches_nb(second, sums, branches, lowest, last, ahead, model[DRAW_FACTOR])
    if wanted[SECOND_HALF] & ORDER_AXES != 0:
        fill_home_goals_from_nb(
            counts[HOME_GOALS + SECOND_HALF], chain, branch_masses, branches, lowest, idles, last,
            steps, tables_nb(flat)[0],
        )  # fmt: skip
    if wanted[HALVES] != 0:
        add_halves_nb(features, state, first, first_last, rows, lowest, branches, sums, last)
        if wanted[HALVES] & JOINT_AXES != 0:
            add_result_and_both_nb(features, state, rows, lowest, branches, sums, last)
        if wanted[HALVES] & RESULTS_TOTAL_AXES != 0:
            add_results_and_totals_nb(
                features, state, first_last, rows, lowest, branches, sums, last
            )
        if wanted[HALVES] & FEW_SCORES_AXIS != 0:
            add_few_scores_nb(
                features, state, first, first_last, rows, lowest, branches, sums, last
            )
