"""Kernels on grids of scores' masses, and the places of the goal process in its scratch array.

Row k, column x of a grid is the mass of k goals to come, x of them home's. Owns sums, weights and
places; never what the masses mean.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    COUNTS_AT,
    DIFFERENCES,
    EVENTS,
    FIRST_AT,
    FLOWS_AT,
    HOME_VALUES_AT,
    LAST_HOME_AT,
    LEVELS,
    LOW_AT,
    MIDDLE,
    SECOND_AT,
    STEPS_AT,
    SUMS_AT,
    VALUES_AT,
    WORK_AT,
)  # fmt: skip


@kernel()
def grid_nb(flat: Any, at: int) -> Any:
    """Return the grid at a place of the scratch array."""
    return flat[at : at + LEVELS * LEVELS].reshape((LEVELS, LEVELS))


@kernel()
def grids_nb(flat: Any) -> Any:
    """Return the grids: two to work on, flows, the first half and the second."""
    return (
        grid_nb(flat, WORK_AT),
        grid_nb(flat, SUMS_AT),
        grid_nb(flat, FLOWS_AT),
        grid_nb(flat, FIRST_AT),
        grid_nb(flat, SECOND_AT),
    )


@kernel()
def tables_nb(flat: Any) -> Any:
    """Return home's values of the first half, the same split by parity, and both of the second."""
    size = 4 * EVENTS * DIFFERENCES
    return flat[HOME_VALUES_AT : HOME_VALUES_AT + size].reshape((4, EVENTS, DIFFERENCES))


@kernel()
def rows_nb(flat: Any) -> Any:
    """Return the steps, the same split by parity, values by difference, counts by number."""
    return (
        flat[STEPS_AT : STEPS_AT + 3 * DIFFERENCES],
        flat[STEPS_AT + 3 * DIFFERENCES : STEPS_AT + 6 * DIFFERENCES],
        flat[VALUES_AT : VALUES_AT + 16 * DIFFERENCES].reshape((16, DIFFERENCES)),
        flat[COUNTS_AT : COUNTS_AT + 6 * LEVELS].reshape((6, LEVELS)),
    )


@kernel()
def low_nb(flat: Any) -> Any:
    """Return the low scores, and the masses of home scoring last."""
    return (
        flat[LOW_AT : LOW_AT + 20].reshape((4, 5)),
        flat[LAST_HOME_AT : LAST_HOME_AT + 3],
    )


@kernel()
def clear_nb(grid: Any, last: int) -> None:
    """Set the rows of a grid up to `last` to zero."""
    for k in range(last + 1):
        for x in range(k + 1):
            grid[k, x] = 0.0


@kernel()
def inverse_mass_nb(grid: Any, top: int) -> float:
    """Return one over the mass of a grid: what was left out must not miss from its axes."""
    mass = 0.0
    for k in range(top + 1):
        for x in range(k + 1):
            mass += grid[k, x]
    return 1.0 / mass


@kernel()
def weigh_nb(grid: Any, top: int, weights: Any) -> None:
    """Multiply a grid's masses by the weights of their differences."""
    for k in range(top + 1):
        for x in range(k + 1):
            grid[k, x] *= weights[MIDDLE + 2 * x - k]


@kernel()
def add_rows_nb(sums: Any, grid: Any, top: int) -> None:
    """Add the sum of each row of a grid."""
    for k in range(top + 1):
        for x in range(k + 1):
            sums[k] += grid[k, x]


@kernel()
def expected_nb(grid: Any, top: int, values: Any) -> float:
    """Return what a function of the difference is after a period: values times masses."""
    total = 0.0
    for k in range(top + 1):
        for x in range(k + 1):
            total += grid[k, x] * values[MIDDLE + 2 * x - k]
    return total
