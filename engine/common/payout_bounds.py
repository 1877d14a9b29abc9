"""Commands by which the house bounds what accounts' open bets, and combinations, can pay.

Owns their schemas; `engine.common.commands` lists them among the ledger's commands. Never bounds a
bet: the ledger does.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import ACCOUNT_NO_MAX, AccountNo
from engine.common.units import PAYOUT_MINOR_MAX, Minor

PayoutBoundField = Annotated[Minor, Meta(ge=0, le=PAYOUT_MINOR_MAX)]
"""A bound in minor units of base currency; 0 for none."""
BOUND_WHY_CHARS_MAX: Final = 80
"""Characters of a reason that a person gives."""
COMBINATION_MINOR_MAX: Final = 100_000_000_000
"""The highest bound of a combination: the ledger adds up its slips in one word."""
CombinationBoundField = Annotated[Minor, Meta(ge=0, le=COMBINATION_MINOR_MAX)]
"""A bound of a combination in minor units of base currency; 0 for none."""


class _Bound(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", gc=False
):
    """Base of these commands, with the fields of every command."""


class SetPayoutBound(_Bound, frozen=True, tag="set_payout_bound"):
    """Set the house's bound of each account's open payout, in base currency; 0 for none."""

    open_payout_minor_max: PayoutBoundField


class SetAccountBound(_Bound, frozen=True, tag="set_account_bound"):
    """Set an account's own bound of its open payout, in base currency; 0 for the house's."""

    account_no: Annotated[AccountNo, Meta(ge=0, le=ACCOUNT_NO_MAX)]
    open_payout_minor_max: PayoutBoundField
    why: Annotated[str, Meta(max_length=BOUND_WHY_CHARS_MAX)] = ""


class SetCombinationBound(_Bound, frozen=True, tag="set_combination_bound"):
    """Set what open slips of one shard with the same selections can pay together; 0 for any."""

    combination_payout_minor_max: CombinationBoundField


def share_of_bound(most_minor: Minor, *, shards: int) -> Minor:
    """Return a shard's equal share of a bound of all shards, rounded down; 0, no bound, is 0.

    A bound below the number of shards gives each 1, since 0 would be none.
    """
    return Minor(max(most_minor // shards, 1)) if most_minor else most_minor


SetBound = SetPayoutBound | SetAccountBound | SetCombinationBound
