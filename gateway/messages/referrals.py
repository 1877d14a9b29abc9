"""Messages about bets that wait for a trader.

Owns schemas only. A trader decides a bet by the commands `accept_referral`, `decline_referral` and
`offer_referral` of `control`.
"""

from typing import Final

from msgspec import Struct

from engine.common.ids import AccountNo, BetId, MarketNo
from engine.common.units import Minor, OddsMilli
from gateway.messages.base import FromClient, FromGateway, IdField

REFERRALS_SHOWN_MAX: Final = 500
"""Bets in one answer: those that are decided first by themselves."""


class AskReferrals(FromClient, frozen=True, kw_only=True, tag="referrals"):
    """Ask which bets wait for a trader; answered by `referred`.

    `watch_bets` with `reasons` [802] shows each as it comes.
    """

    id: IdField = 0


class ReferralLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One bet that waits for a trader.

    The stake is in its account's currency, whose unit is worth `rate_micro` millionths of base
    currency; `odds_milli` are the odds that the bettor saw, `now_milli` those of now. `why` is the
    reason with which the bet would have been refused, 0 where only its stake is large. Nobody's
    decision refuses it in `left_ms`, at `until_ms` (UTC, in milliseconds).
    """

    bet_id: BetId
    market: MarketNo
    key: str
    outcome: int
    account: AccountNo
    stake_minor: Minor
    odds_milli: OddsMilli
    rate_micro: int
    now_milli: OddsMilli = OddsMilli(0)
    factor_milli: int = 0
    why: int = 0
    placed_ms: int = 0
    until_ms: int = 0
    left_ms: int = 0


class Referred(FromGateway, frozen=True, kw_only=True, tag="referred"):
    """The bets that wait for a trader, those that are due first in front.

    `waiting` counts all of them; `unheard` are shells that did not answer, whose bets are missing.
    """

    id: int = 0
    bets: tuple[ReferralLine, ...] = ()
    waiting: int = 0
    unheard: tuple[str, ...] = ()
