"""What offers give for a slip in plain Python, from what a slip shows."""

from fractions import Fraction

from engine.common.rows import BetResult, SlipState
from engine.common.views import Slip
from simulations.expected_offers import Leg, Offered
from simulations.expected_slips import SlipBet


def offered(slip: Slip) -> Offered:
    """Return a slip's view as the oracle of offers wants it."""
    legs = [
        Leg(
            leg.position,
            leg.odds_milli,
            Fraction(leg.back_num, leg.back_den) if leg.back_den else None,
            int(leg.result) if leg.state is SlipState.SETTLED else int(BetResult.NONE),
            leg.event,
            leg.early_lead,
            leg.pre_match,
        )
        for leg in slip.legs
    ]
    bets = [SlipBet(bet.stake_minor, bet.positions, bet.sizes, bet.bankers) for bet in slip.bets]
    payout_minor = slip.payout_minor if slip.state is SlipState.SETTLED else None
    stands = slip.state in (SlipState.ACCEPTED, SlipState.SETTLED)
    refused = slip.state is SlipState.REFUSED
    return Offered(slip.stake_minor, payout_minor, refused, legs, bets, stands)
