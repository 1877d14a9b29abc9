"""What a command would do to the bets of a market, worked out without doing it.

Owns the commands that can be previewed and the shape of their figures. Never works them out: the
market machine does (engine.market.preview).
"""

from typing import Annotated, Final, get_args

from msgspec import Meta, Struct

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.corrections import CorrectionCommand
from engine.common.early import PayEarly
from engine.common.events import Refused
from engine.common.ids import MARKET_NO_MAX, AccountNo, MarketNo
from engine.common.units import Minor

PreviewCommand = (
    SettleMarket
    | CancelMarket
    | CancelBets
    | RollBackCancel
    | RollBackSettlement
    | CorrectionCommand
    | PayEarly
)
"""The commands that can be previewed: those of a trader by which bets are paid."""
PREVIEWED: Final = get_args(PreviewCommand)
"""The same, for isinstance."""

_COUNT_MAX: Final = (1 << 32) - 1
ACCOUNTS_SHOWN_MAX: Final = 50
"""Accounts that a preview names: those that the command touches most."""
FOLLOWING_SHOWN_MAX: Final = 20
"""Markets that a preview names of those that follow: those that move most."""


class OutcomePreview(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The bets on one outcome before and after a command, in base currency.

    `bets` counts all accepted bets and legs, `changed` those that the command changes, `stake` is
    the stakes of all. `payout` is what they were given back, refunds included, `house` the stakes
    of those that are decided less what those were given back, and `liability` what the house pays
    if the outcome wins less all stakes of the market, as the book counts it.
    """

    bets: int = 0
    changed: int = 0
    stake_minor: Minor = Minor(0)
    payout_now_minor: Minor = Minor(0)
    payout_after_minor: Minor = Minor(0)
    house_now_minor: Minor = Minor(0)
    house_after_minor: Minor = Minor(0)
    liability_now_minor: Minor = Minor(0)
    liability_after_minor: Minor = Minor(0)


class AccountPreview(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a command changes for one account, in base currency.

    `bets` counts its bets and legs that change. `change` is what it is given more, negative when it
    pays back; `open_change` how much more its open bets pay if they win.
    """

    account_no: AccountNo
    bets: int
    change_minor: Minor = Minor(0)
    open_change_minor: Minor = Minor(0)


class FollowingPreview(Struct, frozen=True, kw_only=True, gc=False):
    """A market that follows the previewed one, and how much of it moves, legs of slips left out."""

    market_no: MarketNo
    key: str
    moved_minor: Minor


class Preview(Struct, frozen=True, kw_only=True, gc=False):
    """What a command would do to a market's bets, in base currency.

    It is of the instant when the market had `version`, `settlement_no` and `market_bets` accepted
    bets and legs. `bets` (of which `legs` are legs of slips), `accounts`, `stake`, `payout` and
    `open` are those of the bets that the command would change: what they were given back, refunds
    included, and what the open ones of them pay if they win. `house` is the result of the whole
    market: the stakes of its decided bets less what those were given back. `change_minor_max` is
    the largest change of one bet or leg in either direction: of what it was given back, or of what
    it pays if it wins. `moved` is the sum over all bets, signs dropped: of the change of what a bet
    was given back, or of the whole stake where that is more and the bet becomes decided or open;
    for a bet that stays open of the change of what it pays if it wins. So one bettor's gain does
    not hide another's loss, and no loss counts as nothing. A leg that gives something back, now or
    after, or has a new early mark, moves the most that its slip can be paid. What moves of the
    `following` markets (bet builders, place markets) is included.

    In the other figures a leg counts with the stake that its slip charges to it at present, and as
    if it were paid by its fraction alone; what its account pays depends on the other legs of the
    slip. A bet in another currency counts as in the book: stakes are rounded down, payouts up.
    """

    market_no: MarketNo
    version: int
    settlement_no: int
    market_bets: int
    bets: int
    legs: int
    accounts: int
    stake_minor: Minor
    payout_now_minor: Minor
    payout_after_minor: Minor
    open_now_minor: Minor
    open_after_minor: Minor
    house_now_minor: Minor
    house_after_minor: Minor
    change_minor_max: Minor
    moved_minor: Minor
    outcomes: tuple[OutcomePreview, ...]
    touched: tuple[AccountPreview, ...]
    """The accounts that it touches most, `ACCOUNTS_SHOWN_MAX` at most, the most first."""
    following_markets: int = 0
    """How many other markets follow this one, and have money moved."""
    following: tuple[FollowingPreview, ...] = ()
    """Those that move most, `FOLLOWING_SHOWN_MAX` at most, the most first."""


class ExpectedMarket(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """What a market was like when a command of it was previewed: see Preview.

    Where one of the two is another by now, the command is refused. None stands for any.
    """

    market_no: Annotated[MarketNo, Meta(ge=0, le=MARKET_NO_MAX)]
    settlement_no: Annotated[int, Meta(ge=0, le=_COUNT_MAX)] | None = None
    market_bets: Annotated[int, Meta(ge=0, le=_COUNT_MAX)] | None = None


PreviewAnswer = Preview | Refused
"""What a command would do, or why it would be refused."""


def expected_of(preview: Preview) -> ExpectedMarket:
    """Return what a command expects that is given only as it was previewed."""
    return ExpectedMarket(
        market_no=preview.market_no,
        settlement_no=preview.settlement_no,
        market_bets=preview.market_bets,
    )
