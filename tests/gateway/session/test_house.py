"""The kill switch over real sockets: it stops every account's bets and nothing else."""

import pytest

from actors.routes import account_shell_name
from engine.common.commands import OutcomeResult
from engine.common.events import MarketSettled
from engine.common.reasons import Reason
from gateway.client import RefusedError
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, bettor, head_trader, trader

BET = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}
WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)
BOTH = tuple(account_shell_name(shard) for shard in (0, 1))


async def test_a_stopped_house_takes_no_bet_and_settles_until_it_is_started(
    bookmaker: Bookmaker,
) -> None:
    async with head_trader(bookmaker) as control, bettor(bookmaker) as client:
        assert (await client.place(ref="a1", **BET)).state == "accepted"
        house = await control.stop_house(why="fire drill")
        assert (house.stopped, house.shards, house.missing) == (2, 2, ())
        refused = await client.place(ref="a2", **BET)
        assert (refused.state, refused.reason) == ("rejected", Reason.HOUSE_STOPPED)
        assert (await client.place(ref="a1", **BET)).state == "accepted", "it is the same bet"
        assert isinstance(await control.settle(1, [WON, LOST, LOST]), MarketSettled)
        bookmaker.deliver_settlements()
        assert (await client.status("a1")).payout_minor == 1_250
        house = await control.house()
        assert house.by.startswith("head_trader:")
        assert (house.why, house.stopped, house.since_ns > 0) == ("fire drill", 2, True)
        house = await control.start_house()
        assert (house.stopped, house.by, house.missing) == (0, "", ())
        second = BET | {"market": 2}
        assert (await client.place(ref="a3", **second)).reason != Reason.HOUSE_STOPPED


async def test_a_stop_outlasts_a_kill_and_names_who_did_not_answer(bookmaker: Bookmaker) -> None:
    async with head_trader(bookmaker) as control, bettor(bookmaker) as client:
        bookmaker.kill_shell(BOTH[0])
        house = await control.stop_house(why="half")
        assert (house.stopped, house.missing) == (1, BOTH[:1])
        for name in BOTH[:1]:
            bookmaker.start_shell(name)
        assert (await control.house()).stopped == 1
        house = await control.stop_house(why="again")
        assert (house.stopped, house.missing, house.why) == (2, (), "half")
        for name in BOTH:
            bookmaker.kill_shell(name)
            bookmaker.start_shell(name)
        assert (await control.house()).stopped == 2
        refused = await client.place(ref="b1", **BET)
        assert refused.reason == Reason.HOUSE_STOPPED


@pytest.mark.parametrize("role", [Role.TRADER, Role.RISK, Role.SETTLER])
async def test_whoever_stops_markets_stops_the_house_and_only_a_head_trader_starts_it(
    bookmaker: Bookmaker, role: Role
) -> None:
    async with trader(bookmaker, role=role) as control:
        assert (await control.stop_house()).stopped == 2
        with pytest.raises(RefusedError) as denied:
            await control.start_house()
        assert denied.value.reason is Reason.NOT_PERMITTED


@pytest.mark.parametrize("role", [Role.FEED, Role.QUANT, Role.VIEWER])
async def test_others_stop_no_house(bookmaker: Bookmaker, role: Role) -> None:
    async with trader(bookmaker, role=role) as control:
        with pytest.raises(RefusedError) as denied:
            await control.stop_house()
        assert denied.value.reason is Reason.NOT_PERMITTED
    async with trader(bookmaker) as control:
        assert (await control.house()).stopped == 0
