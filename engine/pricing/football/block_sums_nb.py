"""The kernel that makes the axes of one score's block cumulative, whichever process filled them.

Owns nothing but the order of the axes' own kernels.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.combined_axes_nb import accumulate_combined_nb
from engine.pricing.football.goal_order_nb import accumulate_order_nb
from engine.pricing.football.goal_results_nb import accumulate_goal_results_nb
from engine.pricing.football.layout import (
    BLOCK_SIZE,
    CELL_AXIS,
    CELL_SIDE,
    COMBINED_AXES,
    GOAL_RESULT_AXES,
    ORDER_AXES,
    SCORE_CELL_AT,
    SIDE_AXES,
    WIDE_CELL_AT,
    WIDE_CELL_AXIS,
    WIDE_SIDE,
)
from engine.pricing.football.score_axes_nb import (
    accumulate_cells_nb,
    accumulate_plain_nb,
    accumulate_sides_nb,
)


@kernel()
def accumulate_block_nb(
    features: Any, scope: int, wanted: int, scale: float, scored: int, order: int
) -> None:
    """Make every wanted axis of a block cumulative."""
    at = scope * BLOCK_SIZE
    accumulate_plain_nb(features, at, scale)
    if wanted & SIDE_AXES != 0:
        accumulate_sides_nb(features, at, scale)
    if wanted & CELL_AXIS != 0:
        accumulate_cells_nb(features, at, at + SCORE_CELL_AT, CELL_SIDE, scale)
    if wanted & WIDE_CELL_AXIS != 0:
        accumulate_cells_nb(features, at, at + WIDE_CELL_AT, WIDE_SIDE, scale)
    if wanted & COMBINED_AXES != 0:
        accumulate_combined_nb(features, at, scale)
    if wanted & ORDER_AXES != 0:
        accumulate_order_nb(features, at, scale, scored, order)
    if wanted & GOAL_RESULT_AXES != 0:
        accumulate_goal_results_nb(features, at, scale, scored, order)
