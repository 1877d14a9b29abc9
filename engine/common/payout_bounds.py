"""Commands by which the house bounds what accounts' open bets can pay.

Owns their schemas; `engine.common.commands` lists them among the ledger's commands. Never bounds a
bet: the ledger does.
"""

from typing import Annotated

from msgspec import Meta, Struct

from engine.common.ids import ACCOUNT_NO_MAX, AccountNo
from engine.common.units import PAYOUT_MINOR_MAX, Minor

PayoutBoundField = Annotated[Minor, Meta(ge=0, le=PAYOUT_MINOR_MAX)]
"""A bound in minor units of base currency; 0 for none."""


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


SetBound = SetPayoutBound | SetAccountBound
