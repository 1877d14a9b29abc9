"""Messages by which the trading floor reads an account, and blocks it.

Owns schemas only; the account's shard decides and keeps what is set.
"""

from typing import Annotated

from msgspec import Meta, Struct

from engine.common.account_changes import (
    FACTOR_MILLI_MAX,
    FACTOR_MILLI_MIN,
    FACTOR_MILLI_ONE,
    ChangedField,
)
from engine.common.commands import AccountNoField, TimeField, WhyField
from engine.common.ids import AccountNo
from engine.common.units import RATE_MICRO_ONE, Minor, Nanos
from gateway.messages.base import FromClient, FromGateway, IdField, Stale, enumerated
from gateway.messages.bettor import FreeBet

ChangeWord = Annotated[str, enumerated(field.value for field in ChangedField)]


class AskAccount(FromClient, frozen=True, kw_only=True, omit_defaults=True, tag="account"):
    """Ask for an account as a whole; answered by `account`.

    Its totals are of the bets that were placed from `since_ns` on (nanoseconds since 1970, UTC), 0
    for all.
    """

    id: IdField = 0
    account: AccountNoField
    since_ns: TimeField = Nanos(0)


class AccountChangeView(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One change of an account: who changed what, when and why.

    `blocked` is 1 or 0; `open_payout_minor_max` is in base currency, 0 for the house's bound.
    """

    field: ChangeWord
    before: int
    after: int
    at_ns: Nanos
    by: str
    why: str = ""


class Totals(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Sums over an account's bets, in its currency; a slip counts once.

    `turnover_minor` are the stakes of the `settled` bets, `paid_minor` what they were paid, and
    `offers_minor` what offers gave beside it; the house's `profit_minor` is the first less the
    others. `open`, `pending` and `refused` count bets.
    """

    settled: int = 0
    turnover_minor: Minor = Minor(0)
    paid_minor: Minor = Minor(0)
    offers_minor: Minor = Minor(0)
    profit_minor: Minor = Minor(0)
    open: int = 0
    pending: int = 0
    refused: int = 0


class AccountInfo(FromGateway, frozen=True, kw_only=True, tag="account"):
    """An account: its money, what it may do, what the house has earned with it, its changes.

    Amounts are in its currency, a unit of which is worth `rate_micro` millionths of the base
    currency; bounds that traders set are in base currency. `open_payout_minor_max` is the account's
    own bound of what its open bets can pay, 0 for the house's; `open_payout_bound_minor` is the one
    in force, absent for none. `changes` are the newest ones of this account, the newest first.

    `complete` is false when the account has more bets than one request adds up: the totals are then
    those of its newest bets. `stale` when its journal is damaged.
    """

    id: int = 0
    account: AccountNo
    currency: str
    rate_micro: int = RATE_MICRO_ONE
    blocked: bool = False
    factor_milli: int = FACTOR_MILLI_ONE
    available_minor: Minor = Minor(0)
    pending_minor: Minor = Minor(0)
    at_stake_minor: Minor = Minor(0)
    owed_minor: Minor = Minor(0)
    open_payout_minor: Minor = Minor(0)
    open_payout_minor_max: Minor = Minor(0)
    house_open_payout_minor_max: Minor = Minor(0)
    open_payout_bound_minor: Minor | None = None
    free_bets: tuple[FreeBet, ...] = ()
    before_free_bet: int = 0
    since_ns: Nanos = Nanos(0)
    totals: Totals = Totals()
    complete: bool = True
    changes: tuple[AccountChangeView, ...] = ()
    stale: Stale = ""


class PutBlock(FromClient, frozen=True, kw_only=True, tag="block_account"):
    """Take no new bets of an account, or with `blocked` false take them again.

    Answered by `account_blocked`. Bets that are open stand and are settled, and bets on their way
    to a market are decided. Sent again it changes nothing.
    """

    id: IdField = 0
    account: AccountNoField
    blocked: bool = True
    why: WhyField = ""


class PutFactor(FromClient, frozen=True, kw_only=True, tag="set_account_factor"):
    """Multiply what markets let one bet of an account stake and pay, in thousandths.

    Answered by `account_factor_set`. 1000 gives the account the markets' own limits; 100 lets it
    stake a tenth, 5000 five times as much. It holds for bets from now on, and for legs of slips by
    what each is charged; limits of liability, and the smallest stake, stay as they are.
    """

    id: IdField = 0
    account: AccountNoField
    factor_milli: Annotated[int, Meta(ge=FACTOR_MILLI_MIN, le=FACTOR_MILLI_MAX)]
    why: WhyField = ""


class FactorPut(FromGateway, frozen=True, kw_only=True, tag="account_factor_set"):
    """The account has the factor."""

    id: int = 0
    account: AccountNo
    factor_milli: int


class BlockPut(FromGateway, frozen=True, kw_only=True, tag="account_blocked"):
    """Whether the account is blocked now.

    The market shells of `missing` did not answer a block: bets of the account may still wait there,
    and be taken, until the same again names none.
    """

    id: int = 0
    account: AccountNo
    blocked: bool = False
    missing: tuple[str, ...] = ()


FloorAccountRequest = AskAccount | PutBlock | PutFactor
"""What the floor asks of an account."""
