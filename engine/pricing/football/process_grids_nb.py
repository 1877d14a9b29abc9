"""Kernels on grids of scores' masses, and the places of the goal process in its scratch array.

Row k, column x of a grid is the mass of k goals to come, x of them home's. Owns sums, weights and
places; never what the masses mean.
"""

from typing import Any, Final

from engine.common.jit import kernel
from engine.pricing.football.goal_passes_nb import sum_nb
from engine.pricing.football.layout import (
    CHAIN_AT,
    CHAIN_SIZE,
    COUNTS,
    COUNTS_AT,
    DIFFERENCES,
    FIRST_AT,
    HOME_VALUES_AT,
    LAST_HOME_AT,
    LEVELS,
    LOW_AT,
    MIDDLE,
    REGULAR_AT,
    SECOND_AT,
    STEPS_AT,
    VALUES,
    VALUES_AT,
)

# Rows of the counts: chances by number, home's goals by number, idle chances by goals.
FIRST_CHANCES: Final = 0
SECOND_CHANCES: Final = 1
CHANCES: Final = 2
HOME_GOALS: Final = 3
"""Of ninety minutes (or extra time), and of either half in the next two."""
IDLES: Final = 6
SECOND_IDLES: Final = 7
HOME_GOALS_BY_RESULT: Final = 8
"""Home's goals by number of ninety minutes, for each of the three results."""

# Rows of the values by difference.
FINAL_FACTOR: Final = 0
AT_HALF_TIME: Final = 1
"""Six rows of `expect_nb` of the second half: what half-time expects of the final factor."""
AT_START: Final = 7
"""The six of another pass."""
RESULT_FACTOR: Final = 13
"""The final factor at the differences of one result."""


@kernel(inline=True)
def grid_nb(flat: Any, at: int) -> Any:
    """Return the grid at a place of the scratch array."""
    return flat[at : at + LEVELS * LEVELS].reshape((LEVELS, LEVELS))


@kernel()
def grids_nb(flat: Any) -> Any:
    """Return the grids of ninety minutes (or extra time), the first half and the second."""
    return grid_nb(flat, REGULAR_AT), grid_nb(flat, FIRST_AT), grid_nb(flat, SECOND_AT)


@kernel()
def chain_nb(flat: Any) -> Any:
    """Return what the passes work on."""
    return flat[CHAIN_AT : CHAIN_AT + CHAIN_SIZE]


@kernel()
def tables_nb(flat: Any) -> Any:
    """Return home's values by number of chances and difference.

    They are those of the second half, of another pass, and the latter split by parity.
    """
    size = LEVELS * DIFFERENCES
    tables = flat[HOME_VALUES_AT : HOME_VALUES_AT + 3 * size].reshape((3, LEVELS, DIFFERENCES))
    return tables[0], tables[1], tables[2]


@kernel()
def rows_nb(flat: Any) -> Any:
    """Return the steps, the same split by parity, values by difference, counts by number."""
    return (
        flat[STEPS_AT : STEPS_AT + 3 * DIFFERENCES],
        flat[STEPS_AT + 3 * DIFFERENCES : STEPS_AT + 6 * DIFFERENCES],
        flat[VALUES_AT : VALUES_AT + VALUES * DIFFERENCES].reshape((VALUES, DIFFERENCES)),
        flat[COUNTS_AT : COUNTS_AT + COUNTS * LEVELS].reshape((COUNTS, LEVELS)),
    )


@kernel()
def low_nb(flat: Any) -> Any:
    """Return the low scores, and the masses of home scoring last."""
    return (
        flat[LOW_AT : LOW_AT + 20].reshape((4, 5)),
        flat[LAST_HOME_AT : LAST_HOME_AT + 3],
    )


@kernel()
def weigh_nb(grid: Any, top: int, weights: Any) -> None:
    """Multiply a grid's masses by the weights of their differences."""
    for k in range(top + 1):
        for x in range(k + 1):
            grid[k, x] *= weights[MIDDLE + 2 * x - k]


@kernel()
def weigh_draws_nb(grid: Any, top: int, ahead: int, factor: float) -> None:
    """Multiply the masses of the draws by a factor; home is `ahead` by so many goals now."""
    for k in range(abs(ahead), top + 1, 2):
        grid[k, (k - ahead) // 2] *= factor


@kernel()
def grid_mass_nb(grid: Any, top: int) -> float:
    """Return the mass of a grid."""
    mass = 0.0
    for k in range(top + 1):
        mass += sum_nb(grid[k, : k + 1])
    return mass


@kernel()
def expected_nb(grid: Any, top: int, values: Any) -> float:
    """Return what a function of the difference is after a period: values times masses."""
    total = 0.0
    for k in range(top + 1):
        row = 0.0
        for x in range(k + 1):
            row += grid[k, x] * values[MIDDLE + 2 * x - k]
        total += row
    return total
