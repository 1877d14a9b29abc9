"""What a market's outcomes pay by how their fixture can end: data of a CreateMarket.

Owns the codes. Which ending a cell stands for is known to whoever makes the codes
(a sport's pricing), and to nobody here: the market machine adds up what is paid cell by cell.
"""

from enum import IntEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.units import OUTCOMES_MAX

CELLS: Final = 64
"""Cells of a sheet: together they are all endings, and each ending is in one of them."""
SHEETS: Final = 3
"""Sheets of a fixture, each with cells of its own. The first is the one that views show."""
PACKED_BYTES: Final = CELLS // 2
"""Bytes of an outcome's codes."""


class Payoff(IntEnum):
    """What a bet on an outcome gets back at a cell; a higher number is never less money."""

    LOST = 0
    HALF_LOST = 1
    """Half the stake."""
    REFUNDED = 2
    HALF_WON = 3
    """Half the stake and half the payout."""
    WON = 4


class Payoffs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What each outcome of a market pays in the cells of one of its fixture's sheets.

    `codes` has `CELLS` codes (Payoff) for each outcome in turn, two in a byte, the first one in the
    low half. Where a cell holds several endings, the code is the highest one of them.
    """

    sheet: Annotated[int, Meta(ge=0, lt=SHEETS)]
    codes: Annotated[bytes, Meta(min_length=PACKED_BYTES, max_length=PACKED_BYTES * OUTCOMES_MAX)]
