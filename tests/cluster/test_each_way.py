"""The worked each-way figures over real processes: place terms, slips, settlement, payment."""

from pathlib import Path

import pytest

from actors.settings import SupervisorSettings
from engine.common.commands import (
    CreateMarket,
    Deduction,
    Limits,
    OpenMarket,
    OutcomeResult,
    SettleMarket,
)
from engine.common.ids import MarketNo
from gateway.client import Leg, PlaceTerms, accumulator
from tests.cluster.betting_crowd import until
from tests.gateway.builder_house import BALANCE_MINOR, LOST, WON, open_house

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("cluster")]

RACES = {MarketNo(101): 1_000, MarketNo(102): 650}
"""Win markets, and what is kept of winnings: after a deduction of 35p in the pound 650."""
PAID = {101: (4_100, 1_350), 102: (3_364, 1_227)}
"""10 each-way at 7/4, a fifth, on the winner and on the second. After the deduction they are
printed as 33.65 and 12.28: 21.375 and 12.275, each bet rounded down."""
PLACED: tuple[OutcomeResult, ...] = (WON, WON, WON, LOST, LOST, LOST, LOST, LOST)


async def test_ten_each_way_at_7_4_is_paid_as_printed(tmp_path: Path):
    settings = SupervisorSettings(markets_per_actor=16)
    async with open_house(tmp_path, embedded=False, priced=False, supervisor=settings) as house:
        await house.system.create_markets(
            CreateMarket(
                market_no=number, key=f"ascot-{number}/win", outcomes=tuple("abcdefgh"),
                odds_milli=(2_750, 2_750, *(20_000,) * 6), limits=Limits(), override=True,
            )
            for number in RACES
        )  # fmt: skip
        await house.command(*(OpenMarket(market_no=number) for number in RACES))
        async with house.bettor() as client:
            for number, keep_milli in RACES.items():
                terms = await client.each_way(number)
                assert (terms.reason, terms.odds_milli[0]) == (0, 1_350)
                place = PlaceTerms(places=terms.places, odds_den=terms.odds_den)
                for runner in (0, 1):
                    leg = Leg(market=number, outcome=runner, odds_milli=2_750, each_way=place)
                    slip = await client.place_slip(
                        ref=f"{number}-{runner}", legs=[leg], bets=[accumulator(1_000)]
                    )
                    assert (slip.state, slip.stake_minor) == ("accepted", 2_000)
                deductions = (Deduction(until_ns=4_000_000_000_000_000_000, keep_milli=keep_milli),)
                for market, results in (
                    (number, (WON, *(LOST,) * 7)),
                    (terms.market, PLACED),
                ):
                    await house.system.refresh()
                    await house.command(
                        SettleMarket(market_no=market, results=results, deductions=deductions)
                    )
                for runner in (0, 1):
                    ref = f"{number}-{runner}"

                    async def settled(ref: str = ref) -> bool:
                        return (await client.status(ref)).state == "settled"

                    await until(settled)
                    assert (await client.status(ref)).payout_minor == PAID[number][runner]
            paid = sum(sum(payouts) for payouts in PAID.values())
            assert (await client.balance()).available_minor == BALANCE_MINOR - 8_000 + paid
