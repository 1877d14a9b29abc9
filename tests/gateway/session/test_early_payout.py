"""An early payout end to end: offered by a trader, taken, priced, paid at a lead and never back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.common.commands import OutcomeResult
from engine.common.ids import MarketNo
from engine.common.offers import EarlyPayoutRule
from engine.pricing.football.exposure import Outlook
from engine.pricing.football.lead import lead_chances
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from gateway.client import Leg, accumulator
from gateway.messages.bettor import BetEvent
from gateway.messages.exposure import EarlyLegs
from tests.gateway.bookmaker import BALANCE_MINOR, Bookmaker, bettor, head_trader, open_bookmaker
from tests.gateway.price_gateway import until

HOME = Leg(market=1, outcome=0, odds_milli=2_500)
OTHER = Leg(market=3, outcome=0, odds_milli=2_500)
MODEL = MatchModel(home_rate=1.5, away_rate=1.1)
LED = MatchState(period=Period.SECOND_HALF, clock_s=3_600, first_half=Score(home=2))
LOST, WON = OutcomeResult(won=False), OutcomeResult(won=True)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    async with open_bookmaker(tmp_path) as bookmaker:
        yield bookmaker
        bookmaker.check()


async def test_an_early_payout_is_an_event_of_its_account_alone(house: Bookmaker) -> None:
    async with (
        head_trader(house) as at_control,
        bettor(house) as client,
        bettor(house) as watching,
        bettor(house, account=8) as other,
    ):
        await watching.watch_account()
        await other.watch_account()
        rule = EarlyPayoutRule(lead=2, cap_minor=10_000)
        await at_control.set_offer(1, name="two ahead", currency="EUR", rule=rule)
        await client.place_slip(ref="s", legs=[HOME], bets=[accumulator(400)], offer=1)
        await client.status("s")  # asks for the verdict, which the account may not have yet
        await at_control.begin_play(MarketNo(1))
        for _ in range(2):  # told again, nothing changes and no event follows
            await at_control.pay_early(MarketNo(1), outcome=0, lead=2)
            house.deliver_settlements()
        await at_control.settle(MarketNo(1), [LOST, WON, LOST])
        house.deliver_settlements()
        await at_control.settle(MarketNo(1), [WON, LOST, LOST])
        house.deliver_settlements()
        events = watching.events()
        async with asyncio.timeout(30):
            received = [await anext(events) for _ in range(4)]
        assert [
            (each.event, each.slip.state, each.slip.payout_minor, each.slip.offer.added_minor)
            for each in received
            if isinstance(each, BetEvent)
        ] == [
            ("posted", "accepted", 0, 0),
            ("offer_changed", "accepted", 0, 1_000),
            ("settled", "settled", 0, 1_000),
            ("settled", "settled", 1_000, 0),
        ]
        await other.balance()
        assert other.received.events_waiting == 0


async def test_a_bet_is_paid_at_the_lead_and_its_cost_is_shown(house: Bookmaker) -> None:
    async with head_trader(house) as at_control, bettor(house) as client:
        rule = EarlyPayoutRule(lead=2, cap_minor=10_000)
        await at_control.set_offer(1, name="two ahead", currency="EUR", rule=rule)
        for ref, legs in (("s", [HOME]), ("d", [HOME, OTHER])):
            slip = await client.place_slip(ref=ref, legs=legs, bets=[accumulator(400)], offer=1)
            assert slip.state == "accepted"

        async def both_are_posted() -> bool:  # slips held as seen are answered before they are
            at_lead = await at_control.exposure("cup-0", {"model": MODEL}, lead=2)
            return [each.legs for each in at_lead.early] == [2]

        await until(both_are_posted)
        before = lead_chances(MODEL, MatchState(), lead=2)
        after = lead_chances(MODEL, LED, lead=2)
        assert before is not None
        assert after is not None
        shown = await at_control.exposure("cup-0", {"model": MODEL}, lead=2)
        assert shown.early == (
            EarlyLegs(
                offer=1, lead=2, outcome=0, legs=2, payout_minor=2_000,
                expected_minor=int(2_000 * before[0].reached_not_won),
            ),
        )  # fmt: skip
        await at_control.begin_play(MarketNo(1))
        await at_control.pay_early(MarketNo(1), outcome=0, lead=2)
        house.deliver_settlements()
        assert (await client.balance()).available_minor == BALANCE_MINOR - 800 + 1_000
        shown = await at_control.exposure("cup-0", Outlook(model=MODEL, state=LED), lead=2)
        assert [(one.legs, one.marked_legs, one.marked_payout_minor) for one in shown.early] == [
            (0, 2, 2_000)
        ]
        assert shown.early[0].expected_minor == int(2_000 * (1.0 - after[0].won))
        await at_control.settle(MarketNo(1), [LOST, WON, LOST])
        house.deliver_settlements()
        paid = await client.status("s")
        assert (paid.payout_minor, paid.offer.added_minor) == (0, 1_000)
        assert (paid.legs[0].result, paid.legs[0].early_lead) == ("lost", 2)
        assert (await client.balance()).available_minor == BALANCE_MINOR - 800 + 1_000
        await at_control.settle(MarketNo(3), [WON, LOST, LOST])
        house.deliver_settlements()
        assert (await client.status("d")).offer.added_minor == 2_500, "the other leg ran on"
        assert (await at_control.offers()).offers[0].given_minor == 3_500
        assert (await at_control.exposure("cup-0", lead=2)).early == ()
