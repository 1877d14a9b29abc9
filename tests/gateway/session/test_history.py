"""A bettor's settled bets in pages, over real sockets."""

import asyncio
from typing import Any

import pytest

from engine.common.commands import OutcomeResult
from engine.common.reasons import Reason
from gateway.client import BettorSession, RefusedError
from gateway.client.slips import accumulator
from gateway.messages.bettor import SlipView
from gateway.messages.slips import Leg
from tests.gateway.bookmaker import Bookmaker, bettor, trader

BET: dict[str, Any] = {"outcome": 0, "stake_minor": 500, "odds_milli": 2_500}
WON = OutcomeResult(won=True)
LOST = OutcomeResult(won=False)


async def all_pages(client: BettorSession, **bounds: int) -> list[SlipView]:
    page = await client.history(**bounds)
    found = [*page.bets]
    while page.before_bet_id:
        page = await client.history(before_bet_id=page.before_bet_id, **bounds)
        found += page.bets
    return found


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_settled_bets_and_slips_are_in_pages_newest_first(
    bookmaker: Bookmaker, codec: Any
) -> None:
    async with bettor(bookmaker, codec=codec) as client, trader(bookmaker) as control:
        assert (await client.history()).bets == ()
        legs = [Leg(market=no, outcome=0, odds_milli=2_500) for no in (1, 3)]
        await client.place(ref="won", market=1, **BET)
        await client.place(ref="open", market=2, **BET | {"odds_milli": 1_900})
        await client.place_slip(ref="double", legs=legs, bets=[accumulator(200)])
        await client.place(ref="lost", market=3, **BET | {"outcome": 1, "odds_milli": 3_200})
        assert (await client.history()).bets == ()
        await control.settle(1, [WON, LOST, LOST])
        await control.settle(3, [WON, LOST, LOST])
        bookmaker.deliver_settlements()
        settled = await all_pages(client)
        assert [bet.ref for bet in settled] == ["lost", "double", "won"]
        assert [bet.payout_minor for bet in settled] == [0, 1_250, 1_250]
        assert settled == [await client.status(bet.ref) for bet in settled]
        assert [leg.result for leg in settled[1].legs] == ["won", "won"]
        assert await all_pages(client, limit=1) == settled
        assert [bet.ref for bet in (await client.open_bets()).bets] == ["open"]
    async with bettor(bookmaker, account=8) as other:
        assert (await other.history()).bets == ()
        with pytest.raises(RefusedError, match="before_bet_id") as raised:
            await other.history(before_bet_id=settled[0].bet_id)
        assert raised.value.reason is Reason.BET_UNKNOWN


async def test_a_result_that_is_taken_back_makes_its_bets_open_again(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker) as client, trader(bookmaker) as control:
        await asyncio.gather(*(client.place(ref=f"r{i}", market=1, **BET) for i in range(3)))
        await control.cancel(1, why="abandoned")
        bookmaker.deliver_settlements()
        cancelled = await all_pages(client, limit=2)
        assert [(bet.result, bet.payout_minor) for bet in cancelled] == [("cancelled", 500)] * 3
        await control.roll_back_cancel(1)
        bookmaker.deliver_settlements()
        assert (await client.history()).bets == ()
        assert len((await client.open_bets()).bets) == 3
