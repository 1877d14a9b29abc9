"""The formulas of units, compiled for kernels: the same functions, no second text of a formula.

Owns nothing but their compilation.
"""

from engine.common.jit import kernel
from engine.common.units import (
    base_amount_minor_max,
    base_amount_minor_max_up,
    base_minor,
    base_minor_up,
    payout_minor,
    payout_stake_minor_max,
)

payout_minor_nb = kernel(inline=True)(payout_minor)
payout_stake_minor_max_nb = kernel(inline=True)(payout_stake_minor_max)
base_minor_nb = kernel(inline=True)(base_minor)
base_amount_minor_max_nb = kernel(inline=True)(base_amount_minor_max)
base_minor_up_nb = kernel(inline=True)(base_minor_up)
base_amount_minor_max_up_nb = kernel(inline=True)(base_amount_minor_max_up)
