"""The demo's offers: which slips take one, and the check that each gave what its rule says."""

import numpy as np
import pytest

from engine.common.commands import SetRate
from engine.common.offers import GrantFreeBet, SetOffer
from engine.ledger.ledger import LedgerMachine
from gateway.demo.closing import offers_given
from gateway.demo.offers import (
    BOOST,
    FREE_BET,
    FREE_BET_MINOR,
    INSURANCE,
    NAMES,
    RULES,
    TAKES,
    expected_figures,
    put_offers,
    with_offer,
)
from gateway.messages.slips import BetLines, Leg, PlaceSlip, PlaceTerms
from tests.engine.ledger.builders import SHARD, funded, settle
from tests.engine.ledger.slip_builders import accumulator, leg_lost, leg_refunded, leg_settlement
from tests.gateway.bookmaker import Bookmaker, bettor, head_trader


def slip(legs: int, *bets: BetLines, places: int = 0) -> PlaceSlip:
    terms = PlaceTerms(places=places) if places else None
    asked = tuple(
        Leg(market=1 + at, outcome=0, odds_milli=2_000, each_way=terms) for at in range(legs)
    )
    return PlaceSlip(ref="a", legs=asked, bets=bets or (BetLines(stake_minor=50, sizes=(legs,)),))


def taken(request: PlaceSlip, count: int = 400, **fields: int) -> list[PlaceSlip]:
    rng = np.random.default_rng(5)
    return [with_offer(request, rng, **{"free_bet": 0, **fields}) for _ in range(count)]


def test_some_accumulators_take_a_boost_and_those_of_three_legs_an_insurance_too() -> None:
    for legs, offers in ((2, {0, BOOST}), (3, {0, BOOST, INSURANCE})):
        drawn = taken(slip(legs))
        assert {one.offer for one in drawn} == offers
        assert abs(sum(one.offer > 0 for one in drawn) / len(drawn) - TAKES) < 0.1


@pytest.mark.parametrize(
    "request_of",
    [
        slip(1),
        slip(3, BetLines(stake_minor=10, sizes=(2, 3))),
        slip(2, *(BetLines(stake_minor=10, sizes=(2,)),) * 2),
        slip(2, places=3),
    ],
    ids=["single", "system", "two bets", "each-way"],
)
def test_no_other_slip_takes_an_offer(request_of: PlaceSlip) -> None:
    assert set(taken(request_of, free_bet=4)) == {request_of}


def test_a_free_bet_pays_an_accumulator_of_its_amount() -> None:
    (paid,) = taken(slip(2), 1, free_bet=4)
    assert (paid.free_bet, paid.offer) == (4, 0)
    assert [bet.stake_minor for bet in paid.bets] == [FREE_BET_MINOR]


async def test_offers_are_put_once_and_taken_over_real_sockets(bookmaker: Bookmaker) -> None:
    async with head_trader(bookmaker) as control:
        for _ in range(2):
            await put_offers(control, [7], currency="EUR")
        assert [one.offer for one in (await control.offers()).offers] == list(RULES)
    async with bettor(bookmaker) as client:
        (given,) = (await client.balance()).free_bets
        assert (given.offer, given.left_minor) == (FREE_BET, FREE_BET_MINOR)
        legs = tuple(Leg(market=no, outcome=0, odds_milli=2_500) for no in (1, 3))
        asked = PlaceSlip(ref="a", legs=legs, bets=(BetLines(stake_minor=50, sizes=(2,)),))
        paid = with_offer(asked, np.random.default_rng(1), free_bet=given.free_bet)
        boosted = next(one for one in taken(asked) if one.offer == BOOST)
        for ref, slip_of in (("a", paid), ("b", boosted)):
            answer = await client.place_slip(
                ref=ref,
                legs=slip_of.legs,
                bets=slip_of.bets,
                offer=slip_of.offer,
                free_bet=slip_of.free_bet,
            )
            assert answer.state == "accepted", answer
        assert (await client.balance()).free_bets == ()


def won(request, place: int):
    return leg_settlement(request.leg(place), request.legs[place].odds_milli)


@pytest.fixture
def ledger() -> LedgerMachine:
    """Return a ledger in which each offer was taken: by slips won, lost, refunded and refused."""
    ledger = funded(amount_minor=100_000)
    ledger.apply(SetRate(currency="EUR"), 1)
    for number, rule in RULES.items():
        ledger.apply(SetOffer(offer_no=number, name=NAMES[number], currency="EUR", rule=rule), 1)
    for at in range(3):
        ledger.apply(
            GrantFreeBet(
                account_no=7,
                offer_no=FREE_BET,
                amount_minor=FREE_BET_MINOR,
                expires_at_ns=1 << 60,
                ref=f"f{at}",
            ),
            1,
        )
    ends = (won, won), (won, lambda one, at: leg_lost(one.leg(at)))
    for at, (first, second) in enumerate((*ends, (won, lambda one, at: leg_refunded(one.leg(at))))):
        for number in RULES:
            odds = (2_500, 3_000, 2_000) if number == INSURANCE else (2_500, 3_000)
            fields = {"free_bet": at + 1} if number == FREE_BET else {"offer": number}
            one = accumulator(*odds, stake_minor=1_000, ref=f"{number}-{at}", **fields)
            one.hold_all(ledger)
            settle(ledger, first(one, 0), second(one, 1))
            if number == INSURANCE:
                settle(ledger, won(one, 2))
    return ledger


def test_every_offer_gave_what_its_rule_says(ledger: LedgerMachine) -> None:
    ledger.check()
    costs = {each.offer_no: each.given_minor for each in ledger.offers()}
    slips, bets = ledger.slips(), {SHARD: ledger.slip_bets()}
    figures = expected_figures(slips, bets)
    assert {number: each.given_minor for number, each in figures.items()} == costs
    assert [figures[number].slips for number in RULES] == [3, 3, 3]
    # 5% of the winnings of a double: 6,500 at 7.5; refunded legs do not count.
    assert costs[BOOST] == 325
    assert costs[FREE_BET] == 1_000, "the free bet that lost"
    assert offers_given(slips, bets, costs).passed


@pytest.mark.parametrize("number", RULES)
def test_an_offer_that_gave_otherwise_fails_the_check(ledger: LedgerMachine, number: int) -> None:
    costs = {each.offer_no: each.given_minor for each in ledger.offers()}
    costs[number] += 1
    check = offers_given(ledger.slips(), {SHARD: ledger.slip_bets()}, costs)
    assert not check.passed
    assert NAMES[number] in check.detail
