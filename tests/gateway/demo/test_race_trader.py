"""The trader of a race beside a match: it is sold each-way, and settled when it has been run."""

import asyncio
from pathlib import Path

import numpy as np

from actors.settings import SupervisorSettings
from engine.common.commands import OpenMarket
from engine.common.lifecycle import Status
from gateway.demo.bettors import slip_message
from gateway.demo.race_trader import RaceTrader
from gateway.messages.each_way import EachWay
from simulations.crowd import Board, Profile
from simulations.crowd_slips import draw_slip
from simulations.races import races_beside
from tests.gateway.builder_house import House, open_house
from tests.gateway.price_gateway import WAIT_S

RACE = races_beside(3)[0]


async def sold_each_way(house: House, trader: RaceTrader) -> EachWay:
    """Have the place market created, and wait until the trader sees it."""
    async with house.bettor() as client:
        terms = await client.each_way(trader.prices[0].market_no)
    async with asyncio.timeout(WAIT_S):
        while len(trader.prices) < 2:
            await asyncio.sleep(0.002)
    return terms


async def test_a_race_is_sold_each_way_and_settled_by_its_finish(tmp_path: Path) -> None:
    settings = SupervisorSettings(markets_per_actor=16)
    async with open_house(tmp_path, priced=False, supervisor=settings) as house:
        (answer,) = await house.system.create_markets([RACE.create()])
        await house.command(OpenMarket(market_no=answer.route.market_no))
        async with house.trader() as session:
            trader = RaceTrader(RACE, session)
            await trader.follow()
            terms = await sold_each_way(house, trader)
            images = trader.prices
            assert [image.key for image in images] == [
                "race-1/win",
                "race-1/each_way?fraction=1/5|places=3",
            ]
            slip = draw_slip(Profile.EACH_WAY_BACKER, Board(images), rng=np.random.default_rng(1))
            message = slip_message(slip, "e1", each_way={images[0].market_no: terms})
            assert len(message.legs) == 1
            async with house.bettor() as client:
                placed = await client.place_slip(
                    ref=message.ref, legs=message.legs, bets=message.bets, policy="any"
                )
                assert (placed.state, placed.lines) == ("accepted", 2), placed
            trader.ask_books()
            async with asyncio.timeout(WAIT_S):
                while len(trader.books) < 2:
                    await asyncio.sleep(0.002)
            assert [book.bets for book in trader.books.values()] == [1, 1]
            assert await trader.settle(deadline_s=WAIT_S) == []
            assert {image.status for image in trader.prices} == {Status.SETTLED}
            winners = [sum(one.won for one in each) for each in trader.results().values()]
            assert winners == [1, 3]
            await trader.close()
        await house.carry()
        async with house.bettor() as client:
            (settled,) = (await client.history()).bets
            runner = settled.legs[0].outcome
            results = ["won" if RACE.positions[runner] <= places else "lost" for places in (1, 3)]
            assert [leg.result for leg in settled.legs] == results
