"""Messages about the accounts on which the house can lose most.

Owns schemas only; the accounts' shards add up.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.account_changes import FACTOR_MILLI_ONE
from engine.common.ids import AccountNo
from engine.common.units import RATE_MICRO_ONE, Minor
from gateway.messages.base import FromClient, FromGateway, IdField

EXPOSED_MAX: Final = 200
"""Accounts in one answer."""


class AskExposedAccounts(FromClient, frozen=True, kw_only=True, tag="exposed_accounts"):
    """Ask on which accounts the house can lose most; answered by `exposed_accounts`."""

    id: IdField = 0
    limit: Annotated[int, Meta(ge=1, le=EXPOSED_MAX)] = 100


class ExposedLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One account with open bets.

    `open_payout_minor` is the most that they can pay if all of them win together, `staked_minor`
    what they staked, and `open_payout_bound_minor` the bound of the first that is in force, absent
    for none; all in the account's currency, a unit of which is worth `rate_micro` millionths of the
    base currency. `at_risk_minor` is the first less the second in base currency, rounded up.
    """

    account: AccountNo
    currency: str
    at_risk_minor: int
    open_payout_minor: Minor
    staked_minor: Minor = Minor(0)
    rate_micro: int = RATE_MICRO_ONE
    blocked: bool = False
    factor_milli: int = FACTOR_MILLI_ONE
    open_payout_bound_minor: Minor | None = None


class ExposedAccounts(FromGateway, frozen=True, kw_only=True, tag="exposed_accounts"):
    """The accounts on which the house can lose most, those first.

    `open` counts all accounts with open bets, and the sums are of these, in base currency. The
    shards of `missing` did not answer: what their accounts may win is not in the sums. The figures
    are as of a second ago at most.
    """

    id: int = 0
    accounts: tuple[ExposedLine, ...] = ()
    open: int = 0
    open_payout_minor: Minor = Minor(0)
    staked_minor: Minor = Minor(0)
    missing: tuple[str, ...] = ()
