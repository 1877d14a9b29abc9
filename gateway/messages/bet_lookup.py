"""Messages by which the trading floor finds bets and reads one bet's whole story.

Owns schemas only; gateway.services.bet_lookup answers them.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from engine.common.commands import AccountNoField, MarketNoField, RefField
from engine.common.ids import AccountNo, BetId, MarketNo
from engine.common.units import Minor, Nanos, OddsMilli
from gateway.messages.base import BetIdField, FromClient, FromGateway, IdField, OutcomeField, Stale
from gateway.messages.bet_lines import BetLine
from gateway.messages.bettor import LegWord, SlipView

FOUND_BETS_MAX: Final = 100
"""Lines of one page of bets."""

StateField = Literal["pending", "accepted", "rejected", "settled"]


class FindBets(FromClient, frozen=True, kw_only=True, omit_defaults=True, tag="find_bets"):
    """Find bets: one by its id, one by `account` and `ref`, an account's, or a market's.

    Answered by `found_bets`. A leg's id finds its slip. Pages go from the newest bet back:
    `before_bet_id` is that of the last answer. `states` are those that count, none for all; a
    market has accepted and rejected ones. `outcome` is for a market alone.
    """

    id: IdField = 0
    bet_id: BetIdField | None = None
    account: AccountNoField | None = None
    ref: RefField | None = None
    market: MarketNoField | None = None
    outcome: OutcomeField | None = None
    states: Annotated[tuple[StateField, ...], Meta(max_length=4)] = ()
    before_bet_id: BetIdField = 0
    limit: Annotated[int, Meta(ge=1, le=FOUND_BETS_MAX)] = FOUND_BETS_MAX


class FoundBets(FromGateway, frozen=True, kw_only=True, tag="found_bets"):
    """Bets, the newest first; of one slip the slip first, then its legs.

    With a `before_bet_id`, ask for the next page with it; a page may be short, and even empty,
    although others follow. On an account's first page `unbooked` are bets that the account itself
    refused, newest first: nothing records them, and its process remembers the newest alone.

    `stale` when the journal that holds the bets is damaged: bets may be missing.
    """

    id: int = 0
    bets: tuple[BetLine, ...] = ()
    unbooked: tuple[BetLine, ...] = ()
    before_bet_id: BetId = BetId(0)
    stale: Stale = ""


class AskBetStory(FromClient, frozen=True, kw_only=True, omit_defaults=True, tag="bet_story"):
    """Ask for all that is known of a bet, by its id (or a leg's), or by account and ref.

    Answered by `bet_story`.
    """

    id: IdField = 0
    bet_id: BetIdField | None = None
    account: AccountNoField | None = None
    ref: RefField | None = None


class MarketSide(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the market of a single or of a leg decided, and when.

    `known` is false where the market has no record of the bet, or did not answer. `odds_milli` are
    the odds accepted; of a refused bet those that the market offered when it decided. A correction
    settles the bet at `corrected_odds_milli`, or has made it `void`.
    """

    bet_id: BetId
    market: MarketNo
    key: str = ""
    outcome: int = 0
    name: str = ""
    known: bool = True
    state: LegWord = "none"
    stake_minor: Minor = Minor(0)
    odds_seen_milli: OddsMilli = OddsMilli(0)
    odds_milli: OddsMilli = OddsMilli(0)
    policy: str = ""
    reason: int = 0
    stake_max_minor: Minor = Minor(0)
    at_ns: Nanos = Nanos(0)
    corrected_odds_milli: OddsMilli = OddsMilli(0)
    void: bool = False


class StoryLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One step of a bet in words; `at_ns` is 0 where only the journals know the time."""

    text: str
    where: str = ""
    at_ns: Nanos = Nanos(0)


class BetStory(FromGateway, frozen=True, kw_only=True, tag="bet_story"):
    """A bet's story: the account's record, its markets' decisions, and the steps in words.

    `slip` is absent for a bet that its account refused: nothing records it, and `bet` is what the
    account's process remembers. It does not tell who settled a market and when, nor which command
    had set the odds: `overround bet` reads these from the journals.

    `stale` when a journal that holds part of it is damaged.
    """

    id: int = 0
    account: AccountNo
    currency: str = ""
    bet: BetLine
    slip: SlipView | None = None
    markets: tuple[MarketSide, ...] = ()
    story: tuple[StoryLine, ...] = ()
    stale: Stale = ""
