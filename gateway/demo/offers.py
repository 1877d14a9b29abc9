"""The offers of the demo's house: what they are, which slips take one, and what they should give.

Owns the rules, and the comparison of what every offer gave with its rule. The comparison takes the
accounts' rows and computes with the fractions of simulations.expected_offers. Never moves money.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from engine.common.ids import AccountNo, BetId, ShardNo, shard_of_bet
from engine.common.offers import BoostRule, FreeBetRule, InsuranceRule, LadderStep, OfferRule
from engine.common.rows import BetResult, Rows, SlipKind, SlipState
from engine.common.units import Minor, Nanos
from gateway.client import ControlSession
from gateway.messages.slips import PlaceSlip
from simulations.expected_offers import Leg, Offered, added_minor, paid_minor
from simulations.expected_slips import bet_of_row

FREE_BET, BOOST, INSURANCE = 1, 2, 3
NAMES: Final = {FREE_BET: "free bet", BOOST: "accumulator boost", INSURANCE: "one leg insurance"}
RULES: Final[dict[int, OfferRule]] = {
    FREE_BET: FreeBetRule(),
    BOOST: BoostRule(
        ladder=(LadderStep(legs=2, milli=50), LadderStep(legs=3, milli=100)),
        cap_minor=Minor(20_000),
    ),
    INSURANCE: InsuranceRule(legs_min=3, cap_minor=Minor(2_500), expires_after_ns=Nanos(10**15)),
}
"""The rules by the numbers of their offers."""
FREE_BET_MINOR: Final = Minor(1_000)
"""The free bet that some bettors are given when the demo begins."""
FREE_BET_EVERY: Final = 4
"""One bettor in so many is given one."""
TAKES: Final = 0.3
"""Share of the accumulators of two legs or more that take an offer."""
LEGS_MIN: Final = 2
"""Legs of an accumulator."""
_NEVER_NS: Final = Nanos(4 * 10**18)


async def put_offers(
    session: ControlSession, accounts: Sequence[AccountNo], *, currency: str
) -> None:
    """Set the offers, and give some accounts a free bet; the same again changes nothing."""
    for number, rule in RULES.items():
        await session.set_offer(number, name=NAMES[number], currency=currency, rule=rule)
    for account in accounts[::FREE_BET_EVERY]:
        await session.grant_free_bet(
            account,
            offer=FREE_BET,
            amount_minor=FREE_BET_MINOR,
            expires_at_ns=_NEVER_NS,
            ref="demo",
        )


def with_offer(slip: PlaceSlip, rng: np.random.Generator, *, free_bet: int) -> PlaceSlip:
    """Return a slip that takes an offer, if it is an accumulator and its bettor wants one.

    Parameters
    ----------
    slip : PlaceSlip
        As it was drawn.
    rng : Generator
        Decides whether an offer is taken; one number is drawn for each slip.
    free_bet : int
        The number of a free bet of the account that pays the slip's stake, 0 for none.
    """
    drawn = rng.random()
    (first, *others), legs = slip.bets, len(slip.legs)
    if others or legs < LEGS_MIN or first.sizes != (legs,) or slip.legs[0].each_way:
        return slip
    if free_bet:
        paid = replace(first, stake_minor=FREE_BET_MINOR)
        return replace(slip, bets=(paid,), free_bet=free_bet)
    if drawn >= TAKES:
        return slip
    return replace(slip, offer=INSURANCE if legs >= 3 and drawn < TAKES / 2 else BOOST)


class OfferFigures(NamedTuple):
    """One offer: the slips that took it, and what its rule says that it gave for them."""

    slips: int
    given_minor: int


def expected_figures(slips: Rows, slip_bets: Mapping[ShardNo, Rows]) -> dict[int, OfferFigures]:
    """Return what each offer has given by its rule and by what stands for its slips' legs.

    Parameters
    ----------
    slips : Rows
        SLIP rows of all accounts.
    slip_bets : mapping
        The SLIP_BET rows of each account shard.
    """
    legs = {int(row["bet_id"]): row for row in slips[slips["kind"] == SlipKind.LEG]}
    figures = dict.fromkeys(RULES, OfferFigures(0, 0))
    for head in slips[(slips["kind"] == SlipKind.HEAD) & (slips["offer"] > 0)]:
        number, bet_id, first = int(head["offer"]), int(head["bet_id"]), int(head["bets_first"])
        own = [legs[bet_id + place] for place in range(1, int(head["legs"]) + 1)]
        bets = slip_bets[shard_of_bet(BetId(bet_id))][first : first + int(head["bets"])]
        state = SlipState(int(head["state"]))
        slip = Offered(
            stake_minor=int(head["stake_minor"]),
            payout_minor=int(head["payout_minor"]) if state is SlipState.SETTLED else None,
            refused=state is SlipState.REFUSED,
            legs=list(map(_leg, own)),
            bets=list(map(bet_of_row, bets)),
            stands=state in (SlipState.ACCEPTED, SlipState.SETTLED),
        )
        given = paid_minor(slip) if number == FREE_BET else added_minor(RULES[number], slip)
        before = figures[number]
        figures[number] = OfferFigures(before.slips + slip.stands, before.given_minor + given)
    return figures


def _leg(row: Any) -> Leg:
    settled = row["state"] == SlipState.SETTLED
    return Leg(
        position=int(row["position"]),
        odds_milli=int(row["odds_milli"]),
        back=Fraction(int(row["payout_minor"]), int(row["back_den"])) if settled else None,
        result=int(row["result"]) if settled else int(BetResult.NONE),
        event=int(row["event"]),
    )
