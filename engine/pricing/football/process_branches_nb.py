"""Kernels that run the second half from every goal difference at half-time.

Owns the differences at half-time as branches side by side, and what is summed over them.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.goal_chain_nb import (
    fill_branch_steps_nb,
    run_branches_nb,
    run_home_goals_nb,
)
from engine.pricing.football.layout import (
    BRANCHES_AT,
    BRANCHES_MAX,
    BRANCHES_SIZE,
    BY_LEVEL_AT,
    DIFFERENCES,
    DRAW_FACTOR,
    GOAL_NUMBERS,
    HALVES,
    LEAST_MASS,
    MARGINALS_AT,
    MARGINALS_SIZE,
    MIDDLE,
    ORDER_AXES,
    SECOND_HALF,
)  # fmt: skip
from engine.pricing.football.process_halves_nb import add_halves_nb, fill_marginals_nb


@kernel()
def branch_masses_nb(masses: Any, first: Any, top: int, least: float) -> tuple[int, int]:
    """Fill the masses of the differences at half-time; return the lowest and their number.

    Differences at either end that are less likely than `least` are left out.
    """
    low, high = -top, top
    for e in range(2 * top + 1):
        masses[e] = 0.0
    for k in range(top + 1):
        for x in range(k + 1):
            masses[2 * x - k + top] += first[k, x]
    while low < high and masses[low + top] < least:
        low += 1
    while low < high and masses[high + top] < least:
        high -= 1
    for e in range(high - low + 1):
        masses[e] = masses[e + low + top]
    return low, high - low + 1


@kernel()
def merge_branches_nb(
    second: Any, sums: Any, branches: int, lowest: int, last: int, level: int, draw_factor: float
) -> None:
    """Weigh the draws of every branch, and fill `second` with the sums over the branches.

    `level` is the index of a final difference of 0.
    """
    cell = 0
    for k in range(last + 1):
        for x in range(k + 1):
            e = level - MIDDLE - lowest - 2 * x + k
            if 0 <= e < branches:
                sums[cell + e] *= draw_factor
            a, b, c, d = 0.0, 0.0, 0.0, 0.0
            e = cell
            while e + 3 < cell + branches:
                a += sums[e]
                b += sums[e + 1]
                c += sums[e + 2]
                d += sums[e + 3]
                e += 4
            while e < cell + branches:
                a += sums[e]
                e += 1
            second[k, x] = a + b + (c + d)
            cell += branches


@kernel()
def fill_second_halves_nb(
    model: Any, state: Any, wanted: Any, features: Any, flat: Any, first: Any, first_last: int,
    second: Any, counts: Any, last: int, idle: int, steps: Any, home_values: Any, level: int,
) -> None:  # fmt: skip
    """Run the second half from each difference at half-time.

    Fills the second half's masses, home's goals by number (row 5 of `counts`) and the masses of the
    axes of both halves, where they are wanted.
    """
    branch_masses = flat[MARGINALS_AT : MARGINALS_AT + BRANCHES_MAX]
    lowest, branches = branch_masses_nb(branch_masses, first, first_last, model[LEAST_MASS])
    grid = flat[BRANCHES_AT : BRANCHES_AT + BRANCHES_SIZE]
    sums = flat[BRANCHES_AT + BRANCHES_SIZE : BRANCHES_AT + 2 * BRANCHES_SIZE]
    for e in range(branches):
        grid[e] = branch_masses[e]
    branch_steps = flat[BRANCHES_AT + 2 * BRANCHES_SIZE : BRANCHES_AT + 5 * BRANCHES_SIZE]
    fill_branch_steps_nb(branch_steps, branches, lowest, last, steps)
    run_branches_nb(grid, sums, branch_steps, branches, idle, counts[1], last)
    merge_branches_nb(second, sums, branches, lowest, last, level, model[DRAW_FACTOR])
    if wanted[SECOND_HALF] & ORDER_AXES != 0:
        size = GOAL_NUMBERS * DIFFERENCES
        for k in range(2 * size):
            flat[BY_LEVEL_AT + k] = 0.0
        masses = flat[BY_LEVEL_AT : BY_LEVEL_AT + size].reshape((GOAL_NUMBERS, DIFFERENCES))
        flows = flat[BY_LEVEL_AT + size : BY_LEVEL_AT + 2 * size].reshape(
            (GOAL_NUMBERS, DIFFERENCES)
        )
        for e in range(branches):
            masses[0, MIDDLE + lowest + e] = branch_masses[e]
        run_home_goals_nb(
            masses, flows, counts[5], MIDDLE + lowest, MIDDLE + lowest + branches - 1, idle, last,
            steps, home_values,
        )  # fmt: skip
    if wanted[HALVES] != 0:
        at = MARGINALS_AT + BRANCHES_MAX
        totals = flat[at : at + MARGINALS_SIZE]
        homes = flat[at + MARGINALS_SIZE : at + 2 * MARGINALS_SIZE]
        aways = flat[at + 2 * MARGINALS_SIZE : at + 3 * MARGINALS_SIZE]
        margins = flat[at + 3 * MARGINALS_SIZE : at + 5 * MARGINALS_SIZE]
        fill_marginals_nb(sums, branches, last, totals, homes, aways, margins)
        add_halves_nb(
            features, state, first, first_last, branch_masses, lowest, branches, last, totals,
            homes, aways, margins,
        )  # fmt: skip
