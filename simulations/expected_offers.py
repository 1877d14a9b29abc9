"""Compute what offers give for a slip, from its rule and from what stands for the slip's legs.

Owns its own arithmetic on purpose: lines are listed one by one, fractions are exact, and no code is
shared with the kernels whose figures are compared with these.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from math import floor, prod
from typing import NamedTuple

from engine.common.offers import (
    BoostRule,
    EarlyPayoutRule,
    FreeBetRule,
    FullCoverRule,
    InsuranceRule,
    LadderStep,
    OddsBoostRule,
    OfferRule,
)
from simulations import expected_slips
from simulations.expected_slips import SlipBet

WON, HALF_WON = 1, 4
_WINNERS = (WON, HALF_WON)
STAKE_BACK = (3, 6)
"""Results of legs that were void: refunded, or cancelled."""


class Leg(NamedTuple):
    """One leg as it stands; `back` is what one unit of stake gives back, None while it is open."""

    position: int
    odds_milli: int
    back: Fraction | None
    result: int
    event: int = 0
    early_lead: int = 0
    """The largest lead that its side has reached, as its market told."""
    pre_match: bool = False
    """Whether it was placed before play began, as its market told with the lead."""

    @property
    def is_void(self) -> bool:
        """Whether its stake was given back."""
        return self.result in STAKE_BACK


class Offered(NamedTuple):
    """A slip that took an offer; `payout_minor` is None while it is not settled.

    `stands` says that it is accepted, settled or not.
    """

    stake_minor: int
    payout_minor: int | None
    refused: bool
    legs: Sequence[Leg]
    bets: Sequence[SlipBet]
    stands: bool = True


def added_minor(rule: OfferRule, slip: Offered) -> int:
    """Return what an offer has given beside the payout, for a slip that no free bet pays."""
    if isinstance(rule, EarlyPayoutRule):
        return max(0, min(_early_payout(rule, slip), rule.cap_minor)) if slip.stands else 0
    if not slip.payout_minor or isinstance(rule, FreeBetRule | InsuranceRule):
        return 0
    if isinstance(rule, BoostRule):
        added = _boost(rule, slip, slip.payout_minor)
    elif isinstance(rule, OddsBoostRule):
        added = _odds_boost(rule, slip, slip.payout_minor)
    else:
        added = _full_cover(rule, slip)
    return max(0, min(added, rule.cap_minor))


def earned_minor(rule: OfferRule, slip: Offered) -> int:
    """Return the free bet that a slip with an insurance has earned."""
    if not isinstance(rule, InsuranceRule) or slip.payout_minor is None:
        return 0
    played = [leg for leg in slip.legs if not leg.is_void]
    if any(leg.back is None for leg in played) or len(played) < rule.legs_min:
        return 0
    others = [leg for leg in played if leg.back != 0]
    if len(others) != len(played) - 1 or any(leg.result not in _WINNERS for leg in others):
        return 0
    return min(slip.stake_minor, rule.cap_minor)


def paid_minor(slip: Offered) -> int:
    """Return what an offer has given for a slip that a free bet pays.

    That is its stake, of which each line that pays returns its own stake, or what it pays if less.
    """
    if slip.refused:
        return 0
    legs = [expected_slips.Leg(leg.position, leg.event, leg.back) for leg in slip.legs]
    returned_minor = 0
    for bet in slip.bets if slip.payout_minor else ():
        for line in expected_slips.lines_of(legs, bet):
            backs = [legs[place].back for place in line]
            if 0 not in backs:
                paid = floor(bet.stake_minor * prod(back for back in backs if back is not None))
                returned_minor += min(bet.stake_minor, paid)
    return slip.stake_minor - returned_minor


def uses_free_bet(slip: Offered) -> bool:
    """Return whether a free bet counts the stake: not of a slip refused, or void as a whole."""
    if slip.payout_minor is None:
        return not slip.refused
    return slip.payout_minor == 0 or not all(leg.is_void for leg in slip.legs)


def _step(ladder: Sequence[LadderStep], legs: int) -> Fraction:
    reached = [each.milli for each in ladder if each.legs <= legs]
    return Fraction(reached[-1] if reached else 0, 1_000)


def _boost(rule: BoostRule, slip: Offered, payout_minor: int) -> int:
    counting = [
        leg for leg in slip.legs if not leg.is_void and leg.odds_milli >= rule.odds_milli_min
    ]
    won_minor = max(payout_minor - slip.stake_minor, 0)
    return floor(won_minor * _step(rule.ladder, len(counting)))


def _early_payout(rule: EarlyPayoutRule, slip: Offered) -> int:
    """Return what the slip is owed with the legs on leading sides won, less what it was paid."""
    legs = [
        expected_slips.Leg(
            leg.position,
            leg.event,
            Fraction(leg.odds_milli, 1_000)
            if leg.early_lead >= rule.lead
            and leg.odds_milli >= rule.odds_milli_min
            and (leg.pre_match or not rule.pre_match)
            else leg.back,
        )
        for leg in slip.legs
    ]
    owed_minor = expected_slips.owed_minor(legs, slip.bets)
    return 0 if owed_minor is None else owed_minor - (slip.payout_minor or 0)


def _odds_boost(rule: OddsBoostRule, slip: Offered, payout_minor: int) -> int:
    (leg,) = slip.legs
    assert leg.back is not None
    if leg.back <= 1:
        return 0
    better = Fraction(rule.odds_milli - 1_000, leg.odds_milli - 1_000)
    won_minor = floor(slip.stake_minor * (leg.back - 1) * better)
    return slip.stake_minor + won_minor - payout_minor


def _full_cover(rule: FullCoverRule, slip: Offered) -> int:
    bet = slip.bets[0]
    legs = [leg for leg in slip.legs if leg.position in bet.positions]
    if rule.void_excludes and any(leg.is_void for leg in legs):
        return 0
    winners = [leg.back for leg in legs if leg.back is not None and leg.result in _WINNERS]
    if len(winners) == 1 and rule.one_winner_milli > 1_000:
        won_minor = floor(bet.stake_minor * winners[0]) - bet.stake_minor
        return floor(max(won_minor, 0) * Fraction(rule.one_winner_milli - 1_000, 1_000))
    if len(winners) < len(legs):
        return 0
    won_minor = sum(
        floor(bet.stake_minor * prod(line)) - bet.stake_minor
        for size in range(1, len(winners) + 1)
        for line in combinations(winners, size)
    )
    return floor(max(won_minor, 0) * _step(rule.ladder, len(legs)))
