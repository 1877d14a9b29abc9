"""Messages by which bettors join legs of one match to a bet builder.

Owns schemas only; market shells decide which legs go together, and what they cost.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.commands import MarketNoField
from engine.common.ids import MarketNo
from engine.common.units import OddsMilli
from gateway.messages.base import FromClient, FromGateway, IdField, OutcomeField
from gateway.messages.market import StatusWord

BUILDER_LEGS_MAX: Final = 12
"""Legs one `build_bet` may carry: part of its schema."""


class BuilderLeg(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One leg: an outcome of a market."""

    market: MarketNoField
    outcome: OutcomeField


class BuildBet(FromClient, frozen=True, kw_only=True, tag="build_bet"):
    """Ask for the market that sells some legs of one match together; answered by `builder`.

    The market is created when nobody has asked for the same legs before. It is then a market like
    any other: `place` and the legs of `place_slip` take its number, subscriptions follow its odds.
    """

    id: IdField = 0
    legs: Annotated[tuple[BuilderLeg, ...], Meta(min_length=1, max_length=BUILDER_LEGS_MAX)]


class Builder(FromGateway, frozen=True, kw_only=True, tag="builder"):
    """The market that sells the legs together, its outcome and odds; or why there is none.

    `legs` are those that the bet depends on and `implied` the others: they are won whenever the
    first are. Where one leg is left, the market is that leg's own. Bets are taken while `status` is
    `active` and `offered` is true. `key` names the market for good.

    A `reason` other than 0 refuses the legs: 212 (LEGS_CONTRADICT) names in `legs` the fewest that
    no match wins together, 213 (LEGS_NOT_JOINED) those that no builder takes (a leg that could be
    refunded, another match's, another shell's), 401, 407 and 408 one that is not there or takes no
    bets now. 905 (CAPACITY) says that the match or the house has as many builders as it may, 907
    (RATE_LIMITED) that the account asks too often, 909 (UNAVAILABLE) that the match has no price
    now or its shell is down. `retryable` says whether the same legs may be sold later.
    """

    id: int = 0
    market: MarketNo = MarketNo(0)
    outcome: int = 0
    key: str = ""
    odds_milli: OddsMilli = OddsMilli(0)
    status: StatusWord = "inactive"
    offered: bool = False
    version: int = 0
    legs: tuple[BuilderLeg, ...] = ()
    implied: tuple[BuilderLeg, ...] = ()
    reason: int = 0
    message: str = ""
    retryable: bool = False
