"""What offers give for a slip, in plain Python and fractions, from what a slip shows.

Takes the rule from its command and the slip from its view; shares no arithmetic with the kernels.
"""

from fractions import Fraction
from itertools import combinations
from math import floor, prod

from engine.common.offers import (
    BoostRule,
    FreeBetRule,
    FullCoverRule,
    InsuranceRule,
    LadderStep,
    OddsBoostRule,
    OfferRule,
)
from engine.common.views import Slip, SlipLegView

PENDING, ACCEPTED, REFUSED, SETTLED = 1, 2, 3, 4
WON, LOST, REFUNDED, HALF_WON, CANCELLED = 1, 2, 3, 4, 6


def step(ladder: tuple[LadderStep, ...], legs: int) -> Fraction:
    """Return the share of the winnings that a ladder adds for so many legs."""
    reached = [each.milli for each in ladder if each.legs <= legs]
    return Fraction(reached[-1] if reached else 0, 1_000)


def back(leg: SlipLegView) -> Fraction:
    return Fraction(leg.back_num, leg.back_den)


def is_void(leg: SlipLegView) -> bool:
    return leg.result in (REFUNDED, CANCELLED)


def added(rule: OfferRule, slip: Slip) -> int:
    """Return what the account of an offer has given for a slip that took no free bet."""
    if slip.state != SETTLED or isinstance(rule, FreeBetRule | InsuranceRule):
        return 0
    if isinstance(rule, BoostRule):
        counting = [
            leg for leg in slip.legs if not is_void(leg) and leg.odds_milli >= rule.odds_milli_min
        ]
        won = max(slip.payout_minor - slip.stake_minor, 0)
        return min(floor(won * step(rule.ladder, len(counting))), rule.cap_minor)
    if isinstance(rule, OddsBoostRule):
        leg = slip.legs[0]
        won = back(leg) - 1
        if won <= 0:
            return 0
        ratio = Fraction(rule.odds_milli - 1_000, leg.odds_milli - 1_000)
        better = slip.stake_minor + floor(slip.stake_minor * won * ratio)
        return max(0, min(better - slip.payout_minor, rule.cap_minor))
    return min(_full_cover(rule, slip), rule.cap_minor)


def _full_cover(rule: FullCoverRule, slip: Slip) -> int:
    bet = slip.bets[0]
    legs = [leg for leg in slip.legs if leg.position in bet.positions]
    winners = [leg for leg in legs if back(leg) > 0 and not is_void(leg)]
    if rule.void_excludes and any(map(is_void, legs)):
        return 0
    if len(winners) == 1 and rule.one_winner_milli > 1_000:
        won = floor(bet.stake_minor * back(winners[0])) - bet.stake_minor
        return floor(max(won, 0) * Fraction(rule.one_winner_milli - 1_000, 1_000))
    if len(winners) < len(legs):
        return 0
    won = sum(
        floor(bet.stake_minor * prod(map(back, line))) - bet.stake_minor
        for size in range(1, len(legs) + 1)
        for line in combinations(legs, size)
    )
    return floor(max(won, 0) * step(rule.ladder, len(legs)))


def earned(rule: InsuranceRule, slip: Slip) -> int:
    """Return the free bet that an insured slip has earned."""
    if slip.state != SETTLED or any(leg.back_den == 0 for leg in slip.legs):
        return 0
    played = [leg for leg in slip.legs if not is_void(leg)]
    lost = [leg for leg in played if back(leg) == 0]
    others = [leg for leg in played if leg not in lost]
    if len(lost) != 1 or len(played) < rule.legs_min:
        return 0
    if any(leg.result not in (WON, HALF_WON) for leg in others):
        return 0
    return min(slip.stake_minor, rule.cap_minor)


def paid_by_free_bet(slip: Slip) -> int:
    """Return what the account of an offer has given for a slip whose stake a free bet paid."""
    return (
        0 if slip.state == REFUSED else slip.stake_minor - min(slip.stake_minor, slip.payout_minor)
    )


def uses_free_bet(slip: Slip) -> bool:
    return slip.state != REFUSED and not (slip.state == SETTLED and slip.result == REFUNDED)
