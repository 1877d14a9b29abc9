"""Changes that the house makes to single accounts: the commands, and what is kept of each.

Owns their schemas; `engine.common.commands` lists the commands among the ledger's. Never refuses a
bet: the ledger does.
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import ACCOUNT_NO_MAX, AccountNo
from engine.common.payout_bounds import BOUND_WHY_CHARS_MAX, SetBound
from engine.common.units import Nanos

CHANGES_KEPT_MAX: Final = 32
"""Changes of one account that its shard keeps; the oldest one goes, and the journal has it."""


FACTOR_MILLI_ONE: Final = 1_000
"""The factor of an account that nobody changed: the limits are the market's."""
FACTOR_MILLI_MIN: Final = 10
FACTOR_MILLI_MAX: Final = 10_000


class _Change(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", gc=False
):
    """Base of these commands, with the fields of every command."""

    account_no: Annotated[AccountNo, Meta(ge=0, le=ACCOUNT_NO_MAX)]
    why: Annotated[str, Meta(max_length=BOUND_WHY_CHARS_MAX)] = ""


class BlockAccount(_Change, frozen=True, tag="block_account"):
    """Take no new bets of an account, or take them again; bets that are open go on."""

    blocked: bool = True


class SetAccountFactor(_Change, frozen=True, tag="set_account_factor"):
    """Multiply what each market lets one bet of an account stake and pay, in thousandths.

    It holds for bets reserved from now on; limits of liability stay as they are.
    """

    factor_milli: Annotated[int, Meta(ge=FACTOR_MILLI_MIN, le=FACTOR_MILLI_MAX)]


class ChangedField(StrEnum):
    """What of an account was changed."""

    BLOCKED = "blocked"
    """1 for blocked, 0 for not."""
    OPEN_PAYOUT_MINOR_MAX = "open_payout_minor_max"
    """The account's own bound, 0 for the house's."""
    FACTOR_MILLI = "factor_milli"
    """In thousandths."""


class AccountChange(Struct, frozen=True, kw_only=True, gc=False):
    """One change of an account: who made it, when, why, and the value before and after."""

    field: ChangedField
    before: int
    after: int
    at_ns: Nanos
    by: str
    why: str = ""


AccountCommand = SetBound | BlockAccount | SetAccountFactor
