"""What a simulated trader decides on a bet that waits, and whether its bettor takes an offer.

Owns those choices. They follow from the step, the list and the bet alone, so that a story that is
played draws no random number.
"""

from zlib import crc32

from msgspec import UNSET
from msgspec.structs import replace

from engine.common.acceptance import (
    AcceptReferral,
    DeclineReferral,
    OfferReferral,
    ReferralCommand,
)
from engine.common.units import ODDS_MILLI_MIN
from gateway.messages.bettor import Bet
from gateway.messages.referrals import Referred
from tests.simulator.story import DecideReferral, PlaceBet
from tests.simulator.waiting_model import OFFERED

_PARTS_MILLI = ((), (1_000,), (1_000, 1_000), (500, 1_000), (1_001,), (1_000, 300))
"""What bettors make of an offer: bets of these thousandths of its stake, or none."""
_THINKS_S = (0.0, 0.0, 0.3)


def decision_on(step: DecideReferral, referred: Referred) -> ReferralCommand | None:
    """Return what a trader commands on one of the bets that wait; None where none does."""
    if not referred.bets:
        return None
    line = referred.bets[step.pick % len(referred.bets)]
    # Some have not noticed what the odds are now, as after a goal.
    now_milli = UNSET if step.pick % 3 == 0 else line.now_milli
    if step.how == "accept":
        return AcceptReferral(market_no=line.market, bet_id=line.bet_id, now_milli=now_milli)
    if step.how == "decline":
        return DeclineReferral(market_no=line.market, bet_id=line.bet_id)
    return OfferReferral(
        market_no=line.market,
        bet_id=line.bet_id,
        stake_minor=max(1, line.stake_minor * step.stake_milli // 1_000),
        odds_milli=max(ODDS_MILLI_MIN, line.odds_milli * step.odds_milli // 1_000),
        window_ms=step.window_ms,
        now_milli=now_milli,
    )


def bets_on_offer(bet: PlaceBet | None, answer: Bet) -> list[PlaceBet]:
    """Return the bets with which a bettor answers an offer, each under a ref of its own."""
    if bet is None or answer.reason != OFFERED or not answer.stake_max_minor:
        return []
    return [
        replace(
            bet,
            ref=f"{bet.ref}.{number}",
            stake=max(1, -(-answer.stake_max_minor * part // 1_000)),
            odds=answer.odds_milli,
        )
        for number, part in enumerate(parts_taken(bet.ref))
    ]


def taken_after_s(ref: str) -> float:
    """Return how long a bettor thinks about an offer on a bet of this ref: a goal may come."""
    return _THINKS_S[crc32(f"thinks {ref}".encode()) % len(_THINKS_S)]


def parts_taken(ref: str) -> tuple[int, ...]:
    """Return the bets that a bettor makes of an offer on a bet of this ref."""
    return _PARTS_MILLI[crc32(ref.encode()) % len(_PARTS_MILLI)]
