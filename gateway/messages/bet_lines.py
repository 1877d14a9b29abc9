"""One line of a bet, as traders are shown bets in lists and streams.

Owns the schema only; gateway.services.bet_views fills it.
"""

from typing import Annotated

from msgspec import Struct

from engine.common.account_changes import FACTOR_MILLI_ONE
from engine.common.ids import AccountNo, BetId, MarketNo
from engine.common.units import RATE_MICRO_ONE, Minor, Nanos, OddsMilli
from gateway.messages.base import enumerated
from gateway.messages.bettor import LegWord, ResultWord

BetKind = Annotated[str, enumerated(("single", "slip", "leg"))]


class BetLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A single, a slip of several legs, or a leg, as its account or its market has it.

    Amounts are in the account's currency, a unit of which is worth `rate_micro` millionths of the
    base currency. `payout_minor` is what it pays if it wins: at the odds accepted, of a refused bet
    at those seen (`odds_seen_milli`); of a slip it is the most that it can still pay. A leg's stake
    is what its slip charges its market. `paid_minor` and `result` are the account's to say: a line
    that came from a market has neither, nor a `ref`.

    `factor_milli` is the account's factor of its market's limits when the market decided.

    `reason` and `message` say why the bet was refused, `stake_max_minor` the highest stake that
    would have passed. A bet that its account refused is not recorded and has `bet_id` 0.
    """

    bet_id: BetId = BetId(0)
    kind: BetKind = "single"
    account: AccountNo
    market: MarketNo = MarketNo(0)
    outcome: int = 0
    stake_minor: Minor = Minor(0)
    rate_micro: int = RATE_MICRO_ONE
    odds_milli: OddsMilli = OddsMilli(0)
    odds_seen_milli: OddsMilli = OddsMilli(0)
    payout_minor: Minor = Minor(0)
    state: LegWord = "accepted"
    reason: int = 0
    message: str = ""
    stake_max_minor: Minor = Minor(0)
    at_ns: Nanos = Nanos(0)
    legs: int = 0
    factor_milli: int = FACTOR_MILLI_ONE
    ref: str = ""
    result: ResultWord = "none"
    paid_minor: Minor = Minor(0)
    settlement_no: int = 0
