"""Offers end to end: set and granted by a trader, taken by a bettor, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.routes import account_shell_name
from engine.common.commands import OutcomeResult
from engine.common.ids import MarketNo
from engine.common.offers import BoostRule, FreeBetRule, InsuranceRule, LadderStep
from engine.common.reasons import Reason
from gateway.client import Leg, RefusedError, accumulator
from gateway.messages.bettor import BetEvent, FreeBetEvent
from tests.gateway.bookmaker import (
    BALANCE_MINOR,
    SHARDS,
    Bookmaker,
    bettor,
    head_trader,
    open_bookmaker,
)

DOUBLE = [Leg(market=1, outcome=0, odds_milli=2_500), Leg(market=3, outcome=0, odds_milli=2_500)]
LATE_NS = 4_000_000_000_000_000_000
BOOST = BoostRule(ladder=(LadderStep(legs=2, milli=100),), cap_minor=10_000)
OTHER_BOOST = BoostRule(ladder=(LadderStep(legs=2, milli=5_000),), cap_minor=10_000)
INSURANCE = InsuranceRule(legs_min=2, cap_minor=300, expires_after_ns=10**15)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    async with open_bookmaker(tmp_path) as bookmaker:
        yield bookmaker
        bookmaker.check()


async def settle(house: Bookmaker, market: int, *, won: bool) -> None:
    results = [OutcomeResult(won=won), OutcomeResult(won=not won), OutcomeResult(won=False)]
    async with head_trader(house) as at_control:
        await at_control.settle(MarketNo(market), results)
    house.deliver_settlements()


async def test_a_free_bet_is_granted_shown_used_and_paid(
    house: Bookmaker,
) -> None:
    async with head_trader(house) as at_control, bettor(house) as client:
        put = await at_control.set_offer(2, name="new", currency="EUR", rule=FreeBetRule())
        assert (put.offer, put.active) == (2, True)
        grant = {"offer": 2, "amount_minor": 500, "expires_at_ns": LATE_NS, "ref": "g"}
        given = await at_control.grant_free_bet(7, **grant)
        assert (await at_control.grant_free_bet(7, **grant)).known
        (shown,) = (await client.balance()).free_bets
        assert (shown.free_bet, shown.left_minor, shown.offer) == (given.free_bet, 500, 2)
        slip = await client.place_slip(
            ref="f", legs=DOUBLE, bets=[accumulator(400)], free_bet=given.free_bet
        )
        assert (slip.state, slip.reason) == ("accepted", 0)
        balance = await client.balance()
        assert (balance.available_minor, balance.at_stake_minor) == (BALANCE_MINOR, 400)
        assert balance.free_bets[0].left_minor == 100
        await settle(house, 1, won=True)
        await settle(house, 3, won=True)
        paid = await client.status("f")
        assert (paid.payout_minor, paid.offer.free_bet) == (2_500, given.free_bet)
        assert (await client.balance()).available_minor == BALANCE_MINOR + 2_100
        (line,) = (await at_control.offers()).offers
        assert (line.given_minor, line.shards, line.rule) == (0, SHARDS, FreeBetRule())


async def test_a_boost_shows_what_it_added_and_what_it_costs(house: Bookmaker) -> None:
    async with head_trader(house) as at_control, bettor(house) as client:
        await at_control.set_offer(3, name="acca", currency="EUR", rule=BOOST)
        slip = await client.place_slip(ref="b", legs=DOUBLE, bets=[accumulator(400)], offer=3)
        assert slip.state == "accepted"
        await settle(house, 1, won=True)
        await settle(house, 3, won=True)
        paid = await client.status("b")
        assert (paid.offer.offer, paid.payout_minor, paid.offer.added_minor) == (3, 2_500, 210)
        assert (await client.balance()).available_minor == BALANCE_MINOR - 400 + 2_500 + 210
        assert (await at_control.offers()).offers[0].given_minor == 210


async def test_an_insurance_gives_a_free_bet(house: Bookmaker) -> None:
    async with head_trader(house) as at_control, bettor(house) as client:
        await at_control.set_offer(4, name="acca", currency="EUR", rule=INSURANCE)
        await client.place_slip(ref="i", legs=DOUBLE, bets=[accumulator(400)], offer=4)
        await settle(house, 1, won=False)
        await settle(house, 3, won=True)
        earned = (await client.status("i")).offer.earned_free_bet
        (shown,) = (await client.balance()).free_bets
        assert (shown.free_bet, shown.amount_minor) == (earned, 300)


async def test_free_bets_granted_and_earned_are_events_of_their_account_alone(
    house: Bookmaker,
) -> None:
    async with (
        head_trader(house) as at_control,
        bettor(house) as client,
        bettor(house) as watching,
        bettor(house, account=8) as other,
    ):
        await watching.watch_account()
        await other.watch_account()
        await at_control.set_offer(2, name="new", currency="EUR", rule=FreeBetRule())
        await at_control.set_offer(4, name="acca", currency="EUR", rule=INSURANCE)
        grant = {"offer": 2, "amount_minor": 500, "expires_at_ns": LATE_NS, "ref": "g"}
        given = await at_control.grant_free_bet(7, **grant)
        await at_control.grant_free_bet(7, **grant)  # known: no second event
        await client.place_slip(ref="i", legs=DOUBLE, bets=[accumulator(400)], offer=4)
        await client.status("i")  # asks for the verdicts, which the account may not have yet
        await settle(house, 1, won=False)
        await settle(house, 3, won=True)
        events = watching.events()
        async with asyncio.timeout(30):
            granted, *bets = [await anext(events) for _ in range(4)]
        assert isinstance(granted, FreeBetEvent)
        assert (granted.event, granted.free_bet.free_bet) == ("granted", given.free_bet)
        assert (granted.free_bet.left_minor, granted.free_bet.expires_at_ns) == (500, LATE_NS)
        assert [
            (each.event, each.slip.result, each.slip.offer.earned_free_bet > 0)
            for each in bets
            if isinstance(each, BetEvent)
        ] == [
            ("posted", "none", False),
            ("settled", "lost", False),
            ("offer_changed", "lost", True),
        ]
        await other.balance()
        assert other.received.events_waiting == 0


async def test_refusals_name_the_reason_and_book_nothing(house: Bookmaker) -> None:
    async with head_trader(house) as at_control, bettor(house) as client:
        await at_control.set_offer(3, name="acca", currency="EUR", rule=BOOST)
        for fields, reason in (
            ({"offer": 9}, Reason.OFFER_UNKNOWN),
            ({"free_bet": 1}, Reason.FREE_BET_UNKNOWN),
            ({"offer": 3, "free_bet": 1}, Reason.OFFER_NOT_FOR_BET),
        ):
            refused = await client.place_slip(
                ref="r", legs=DOUBLE, bets=[accumulator(100)], **fields
            )
            assert (refused.state, refused.final, refused.reason) == ("rejected", False, reason)
        one = await client.place_slip(ref="r", legs=DOUBLE[:1], bets=[accumulator(100)], offer=3)
        assert one.reason == Reason.OFFER_NOT_FOR_BET
        with pytest.raises(RefusedError) as other:
            await at_control.set_offer(3, name="acca", currency="EUR", rule=FreeBetRule())
        assert other.value.reason is Reason.OFFER_EXISTS
        with pytest.raises(RefusedError) as nobody:
            await at_control.grant_free_bet(
                9, offer=3, amount_minor=5, expires_at_ns=LATE_NS, ref="x"
            )
        assert nobody.value.reason is Reason.ACCOUNT_UNKNOWN
        await at_control.set_offer(3, name="acca", currency="EUR", rule=BOOST, active=False)
        late = await client.place_slip(ref="r", legs=DOUBLE, bets=[accumulator(100)], offer=3)
        assert late.reason == Reason.OFFER_WITHDRAWN
        assert (await client.balance()).available_minor == BALANCE_MINOR


async def test_an_account_takes_an_offer_as_often_as_its_rule_lets_it(house: Bookmaker) -> None:
    once = replace(BOOST, uses_max=1)
    async with head_trader(house) as at_control, bettor(house) as client:
        await at_control.set_offer(3, name="acca", currency="EUR", rule=once)
        slips = [
            await client.place_slip(ref=ref, legs=DOUBLE, bets=[accumulator(100)], offer=3)
            for ref in ("first", "second", "first")
        ]
        assert [slip.state for slip in slips] == ["accepted", "rejected", "accepted"]
        assert (slips[1].reason, slips[1].final) == (Reason.OFFER_USED, False)
        assert (await at_control.offers()).offers[0].rule == once


async def test_an_offer_whose_shard_is_down_is_refused_until_it_is_sent_again(
    house: Bookmaker,
) -> None:
    async with head_trader(house) as at_control:
        house.kill_shell(account_shell_name(1))
        with pytest.raises(RefusedError) as down:
            await at_control.set_offer(3, name="acca", currency="EUR", rule=BOOST)
        assert down.value.reason is Reason.UNAVAILABLE
        half = await at_control.offers()
        assert (half.missing, half.offers[0].shards, half.offers[0].differs) == (1, 1, ())
        house.start_shell(account_shell_name(1))
        assert (await at_control.offers()).offers[0].differs == (1,)
        with pytest.raises(RefusedError) as other:
            await at_control.set_offer(3, name="acca", currency="EUR", rule=OTHER_BOOST)
        assert other.value.reason is Reason.OFFER_EXISTS
        await at_control.set_offer(3, name="acca", currency="EUR", rule=BOOST)
        whole = await at_control.offers()
        assert (whole.missing, whole.offers[0].shards, whole.offers[0].differs) == (0, 2, ())
        assert whole.offers[0].rule == BOOST


async def test_an_offer_that_the_first_shard_did_not_take_is_set_nowhere(house: Bookmaker) -> None:
    async with head_trader(house) as at_control:
        house.kill_shell(account_shell_name(0))
        with pytest.raises(RefusedError) as down:
            await at_control.set_offer(3, name="acca", currency="EUR", rule=BOOST)
        assert down.value.reason is Reason.UNAVAILABLE
        house.start_shell(account_shell_name(0))
        await at_control.set_offer(3, name="acca", currency="EUR", rule=OTHER_BOOST)
        (line,) = (await at_control.offers()).offers
        assert (line.rule, line.shards, line.differs) == (OTHER_BOOST, 2, ())


async def test_two_traders_who_set_one_number_at_once_end_with_one_rule(house: Bookmaker) -> None:
    async with head_trader(house) as one, head_trader(house) as two:
        answers = await asyncio.gather(
            one.set_offer(3, name="acca", currency="EUR", rule=BOOST),
            two.set_offer(3, name="acca", currency="EUR", rule=OTHER_BOOST),
            return_exceptions=True,
        )
        (refused,) = [answer for answer in answers if isinstance(answer, RefusedError)]
        assert refused.reason is Reason.OFFER_EXISTS
        (line,) = (await one.offers()).offers
        assert (line.rule, line.shards, line.differs) == (
            OTHER_BOOST if answers[0] is refused else BOOST,
            2,
            (),
        )
