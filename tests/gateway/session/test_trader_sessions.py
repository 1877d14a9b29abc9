"""Traders end to end: commands, books and prices through gateway, shells and journals."""

import asyncio
import json
from typing import Any

import pytest

from actors.messages import MarketControl, MarketRoute, encode
from engine.common.commands import CreateMarket, LimitsPatch, OutcomeResult, Quote, SuspendMarket
from engine.common.events import (
    BetsCancelled,
    CancelRolledBack,
    LimitsSet,
    MarketCancelled,
    MarketClosed,
    MarketHandedOver,
    MarketOpened,
    MarketResumed,
    MarketSettled,
    MarketSuspended,
    OddsSet,
    Refused,
    SettlementRolledBack,
    StatusSet,
)
from engine.common.reasons import Reason
from engine.pricing.football.model import MatchModel, MatchState, Period
from engine.pricing.repricing import Pricing
from gateway.client import (
    RefusedError,
    connect,
)
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, bettor, trader
from tests.gateway.price_gateway import open_price_gateway, token, until

BET: dict[str, Any] = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}
WON = OutcomeResult(won=True)
LOST = OutcomeResult(won=False)


async def test_trader_can_send_every_command_of_a_market(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as client:
        await client.subscribe(all_markets=True)
        assert isinstance(await control.suspend(1, why="goal"), MarketSuspended)
        assert (await client.place(ref="a0", **BET)).reason == Reason.MARKET_SUSPENDED
        quotes = [Quote(outcome=0, odds_milli=1_800), Quote(outcome=2, odds_milli=4_500)]
        assert isinstance(await control.set_odds(1, quotes), OddsSet)
        assert isinstance(await control.set_limits(1, LimitsPatch(stake_minor_max=700)), LimitsSet)
        assert isinstance(await control.resume(1), MarketResumed)
        await until(lambda: client.prices[1].odds_milli == (1_800, 3_200, 4_500))
        bet = await client.place(ref="a1", **BET | {"policy": "any"})
        assert (bet.state, bet.odds_milli) == ("accepted", 1_800)
        await control.set_limits(1, LimitsPatch(stake_minor_min=2))
        over = await control.set_limits(1, LimitsPatch(stake_minor_max=1_000_001))
        assert isinstance(over, Refused)
        assert (over.reason, over.field) == (Reason.LIMIT_OVER_CAP, "limits")
        book = await control.book(1)
        assert book.liability_minor == (400, -500, -500)
        assert (book.bets, book.stake_taken_minor) == (1, 500)
        assert book.limits.stake_minor_max == 700
        unknown = await control.reset_source(1, "uof:1/odds")
        assert isinstance(unknown, Refused)
        assert unknown.reason is Reason.FEED_SOURCE_UNKNOWN
        assert isinstance(await control.hand_over(1), MarketHandedOver)
        assert isinstance(await control.open_market(1), MarketOpened)
        assert isinstance(await control.close_market(1), MarketClosed)
        settled = await control.settle(1, [WON, LOST, LOST])
        assert isinstance(settled, MarketSettled)
        assert (settled.bets, settled.payouts_check) == (1, 900)
        assert isinstance(await control.cancel(2, why="abandoned"), MarketCancelled)
        await until(lambda: client.prices[1].status == "settled")
        await until(lambda: client.prices[2].status == "cancelled")


async def test_trader_cancels_a_window_of_bets_and_rolls_back(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as client:
        placed = await client.place(ref="a1", **BET)
        assert placed.state == "accepted"
        assert isinstance(await control.settle(1, [WON, LOST, LOST]), MarketSettled)
        voided = await control.cancel_bets(1, from_ns=0, why="late")
        assert isinstance(voided, BetsCancelled)
        assert (voided.bets, voided.payouts_check) == (1, 500)
        assert (await control.book(1)).windows == 1
        back = await control.roll_back_cancel(1, from_ns=0)
        assert isinstance(back, CancelRolledBack)
        assert back.payouts_check == 1_250
        assert isinstance(await control.roll_back_settlement(1, why="VAR"), SettlementRolledBack)
        book = await control.book(1)
        assert (book.status, book.results_stand, book.windows) == ("suspended", False, 0)


async def test_feed_commands_neither_hold_a_market_nor_release_a_hold(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control, trader(bookmaker, role=Role.FEED) as feed:
        stopped = await feed.suspend(1, why="goal")
        assert isinstance(stopped, StatusSet)
        assert not (await control.book(1)).held
        assert isinstance(await control.suspend(1, why="check"), MarketSuspended)
        refused = await feed.resume(1)
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.MARKET_HELD
        pricing = Pricing(model=MatchModel(home_rate=1.4, away_rate=1.1), state=MatchState())
        await feed.reprice("cup-0", pricing, suspend="goal", resume=True)
        assert (await control.book(1)).held


async def test_commands_are_answered_one_event_each_in_order(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control:
        numbers = (3, 99, 1, 3, 2)
        events = await control.control([SuspendMarket(market_no=no) for no in numbers])
        assert [type(event) for event in events] == [
            MarketSuspended, Refused, MarketSuspended, Refused, MarketSuspended,
        ]  # fmt: skip
        assert isinstance(events[1], Refused)
        assert isinstance(events[3], Refused)
        assert events[1].reason is Reason.MARKET_UNKNOWN
        assert events[3].reason is Reason.TRANSITION_NOT_ALLOWED


async def test_identity_of_the_caller_is_in_the_journal(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control, trader(bookmaker, role=Role.FEED) as feed:
        await control.suspend(1, why="by hand")
        await feed.suspend(3, why="by feed")
    for name in ("market-a", "market-b"):
        bookmaker.processes[name].target.stop()
    journal = {
        name: b"".join(
            p.read_bytes() for p in sorted((bookmaker.folder / name).rglob("*")) if p.is_file()
        )
        for name in ("market-a", "market-b")
    }
    assert b"trader:trader-1" in journal["market-a"]
    assert b"feed:feed-1" in journal["market-b"]
    assert b"feed:feed-1" not in journal["market-a"]
    for name in ("market-a", "market-b"):
        bookmaker.kill_shell(name)
        bookmaker.start_shell(name)


async def test_suspend_all_suspends_a_fixture_or_every_market(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as client:
        answer = await control.suspend_all(fixture="cup-0", why="VAR")
        assert (answer.suspended, answer.unchanged, answer.failed) == (2, 0, ())
        third = BET | {"market": 3}
        assert (await client.place(ref="a1", **third)).state == "accepted"
        answer = await control.suspend_all()
        assert (answer.suspended, answer.unchanged, answer.failed) == (1, 2, ())
        assert (await client.place(ref="a2", **third)).reason == Reason.MARKET_SUSPENDED


async def test_resume_all_undoes_suspend_all_and_nothing_else(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control, bettor(bookmaker) as client:
        await control.control([SuspendMarket(market_no=2)])
        await control.suspend_all(why="outage")
        bookmaker.kill_shell("market-a")
        bookmaker.start_shell("market-a")
        answer = await control.resume_all(fixture="cup-0")
        assert (answer.resumed, answer.released, answer.unchanged) == (1, 1, 0)
        assert (await client.place(ref="a1", **BET)).state == "accepted"
        third = BET | {"market": 3}
        assert (await client.place(ref="a2", **third)).reason == Reason.MARKET_SUSPENDED
        bookmaker.kill_shell("market-b")
        assert (await control.resume_all()).failed == (3,)
        bookmaker.start_shell("market-b")
        answer = await control.resume_all()
        assert (answer.resumed, answer.unchanged, answer.failed) == (1, 2, ())
        assert (await client.place(ref="a3", **third)).state == "accepted"
        assert (await control.book(2)).held


MODEL = MatchModel(home_rate=1.6, away_rate=1.2)
KICK_OFF = MatchState().at(period=Period.FIRST_HALF, clock_s=60)


async def test_reprice_suspends_prices_and_resumes_a_fixture(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as session:
        await session.subscribe(all_markets=True)
        await until(lambda: len(session.prices) == 3)
        goal = Pricing(model=MODEL, state=KICK_OFF.scored(side="home"))
        events = await session.reprice("cup-0", goal, suspend="goal", resume=True)
        kinds = [type(event) for event in events]
        assert kinds == [MarketSuspended] * 2 + [OddsSet] * 2 + [MarketResumed] * 2
        await until(lambda: session.prices[1].version == events[-2].version)
        home, draw, away = session.prices[1].odds_milli
        assert home < draw < away
        assert session.prices[1].status == "active"
        assert session.prices[3].odds_milli == (2_500, 3_200, 3_000)


async def test_pricing_out_of_bounds_is_refused_with_field_and_bound(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as session:
        bad = {"model": {"home_rate": -1.0, "away_rate": 1.0}, "state": {}}
        with pytest.raises(RefusedError, match=r"pricing: home_rate: must be from 0 to 8"):
            await session.reprice("cup-0", bad)
        with pytest.raises(RefusedError, match=r"pricing: .*unknown field `luck`"):
            await session.reprice("cup-0", {"model": {"luck": 1}, "state": {}})
        with pytest.raises(RefusedError, match="no market of cup-9"):
            await session.reprice("cup-9", Pricing(model=MODEL, state=KICK_OFF))
        bookmaker.kill_shell("market-a")
        (event,) = await session.reprice("cup-0", Pricing(model=MODEL, state=KICK_OFF))
        assert isinstance(event, Refused)
        assert event.reason is Reason.UNAVAILABLE


async def test_commands_to_a_shell_that_is_down_are_unavailable(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control:
        bookmaker.kill_shell("market-b")
        events = await control.control([SuspendMarket(market_no=no) for no in (1, 3)])
        assert isinstance(events[0], MarketSuspended)
        assert events[1] == Refused(reason=Reason.UNAVAILABLE, message=events[1].message)  # type: ignore[union-attr]
        answer = await control.suspend_all()
        assert answer.failed == (3,)
        with pytest.raises(RefusedError) as raised:
            await control.book(3)
        assert raised.value.reason is Reason.UNAVAILABLE
        with pytest.raises(RefusedError) as raised:
            await control.book(99)
        assert raised.value.reason is Reason.MARKET_UNKNOWN
        bookmaker.start_shell("market-b")
        assert (await control.suspend_all()).suspended == 1


async def test_list_is_paged_by_number(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker, role=Role.QUANT) as control:
        page = await control.list_markets(limit=2)
        assert [(line.market, line.key, line.shell) for line in page.markets] == [
            (1, "cup-0/1x2", "market-a"),
            (2, "cup-0/total?total=2.5", "market-a"),
        ]
        assert page.more
        page = await control.list_markets(after=2)
        assert [line.status for line in page.markets] == ["active"]
        assert not page.more
        assert [m.market for m in (await control.list_markets(fixture="cup-1")).markets] == [3]


async def test_restarted_shell_s_images_replace_missed_changes(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker) as client:
        await client.subscribe(all_markets=True)
        await until(lambda: len(client.prices) == 3)
        bookmaker.processes["market-a"].target.set_gateways([])
        bookmaker.command(SuspendMarket(market_no=1))
        assert client.prices[1].status == "active"
        bookmaker.kill_shell("market-a")
        bookmaker.start_shell("market-a")
        await until(lambda: client.prices[1].status == "suspended")


async def test_new_gateway_fetches_the_images_from_the_shells(bookmaker: Bookmaker) -> None:
    async with open_price_gateway() as system:
        routes = bookmaker.gateway.routes
        peers = {name: local_process.peer for name, local_process in bookmaker.processes.items()}
        system.gateway.on_routes(
            1, list(routes.shells.values()), list(routes.markets.values()), peers
        )
        async with connect(system.bets_url, token=token()) as client:
            await client.subscribe(keys=["cup-0/1x2"])
            await until(lambda: 1 in client.prices)
            assert client.prices[1].status == "active"


async def test_image_of_a_market_known_only_by_its_route_is_fetched(bookmaker: Bookmaker) -> None:
    bookmaker.processes["market-b"].target.set_gateways([])
    create = CreateMarket(
        market_no=9, key="cup-9/1x2", outcomes=("a", "b"), odds_milli=(2_000, 2_000)
    )
    payload = encode(MarketControl(by="test:setup", commands=(create,)))
    bookmaker.processes["market-b"].target.control(payload)
    route = MarketRoute(market_no=9, key="cup-9/1x2", shell="market-b")
    bookmaker.version += 1
    bookmaker.gateway.on_routes(bookmaker.version, [], [route], {})
    async with bettor(bookmaker) as client:
        await client.subscribe(fixtures=["cup-9"])
        await until(lambda: 9 in client.prices)


async def test_gateway_is_ready_when_every_account_shard_serves(bookmaker: Bookmaker) -> None:
    async def ready() -> tuple[int, dict[str, Any]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", bookmaker.ports["bets"])
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), json.loads(body)

    status, document = await ready()
    assert (status, document["ready"], document["markets"]) == (200, True, 3)
    bookmaker.kill_shell("account-000")
    status, document = await ready()
    assert (status, document["ready"]) == (503, False)
    bookmaker.start_shell("account-000")
