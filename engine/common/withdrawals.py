"""Outcomes that were withdrawn from a market, and what that deducts from winners.

Owns nothing but the value: whoever settles the outcome names it, and the market keeps it.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.units import OUTCOMES_MAX, Nanos

DEDUCTION_MILLI_MAX: Final = 900
"""The largest deduction from winnings at any number of withdrawals: 90p in the pound."""


class Withdrawal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """An outcome that was withdrawn, and what that deducts.

    Bets placed before `until_ns`, when it was withdrawn, lose `deduct_milli` thousandths of their
    winnings.
    """

    outcome: Annotated[int, Meta(ge=0, lt=OUTCOMES_MAX)]
    until_ns: Annotated[Nanos, Meta(ge=0, le=(1 << 63) - 1)]
    deduct_milli: Annotated[int, Meta(ge=0, le=DEDUCTION_MILLI_MAX)]


WithdrawalsField = Annotated[tuple[Withdrawal, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
"""Withdrawals of some outcomes, each once."""
