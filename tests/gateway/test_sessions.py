"""Bettors and traders end to end: gateway, shells and journals, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import MarketControl, MarketRoute, encode
from actors.repricing import Pricing
from engine.commands import CreateMarket, Deposit, Limits, OutcomeResult, Quote, SuspendMarket
from engine.events import (
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
)
from engine.pricing.football import MatchModel, MatchState, Period
from engine.reasons import Reason
from gateway.client import (
    BettorSession,
    ConnectionLostError,
    HandshakeRefusedError,
    RefusedError,
    connect,
    connect_control,
)
from gateway.limits import CloseCode
from gateway.tokens import Role
from gateway.wire import BetEvent, MoneyEvent, Place, Selection
from tests.gateway.house import open_house, token, until
from tests.gateway.town import BALANCE_MINOR, Town, open_town

BET: dict[str, Any] = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}
WON = OutcomeResult(won=True)
LOST = OutcomeResult(won=False)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with open_town(tmp_path) as town:
        yield town
        town.check()


def bettor(town: Town, *, account: int = 7, codec: Any = "msgpack") -> Any:
    return connect(town.bets_url, token=token(account=account), codec=codec)


def trader(town: Town, *, role: Role = Role.TRADER) -> Any:
    return connect_control(town.control_url, token=token(role))


# --- bets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_bet_is_accepted_and_stands_in_the_books(town: Town, codec: Any) -> None:
    async with bettor(town, codec=codec) as client:
        bet = await client.place(ref="a1", **BET)
        assert (bet.state, bet.odds_milli, bet.reason) == ("accepted", 2_500, 0)
        assert bet.bet_id >> 48 == 7 % 2
        slip = await client.status("a1")
        assert (slip.bet_id, slip.stake_minor, slip.market) == (bet.bet_id, 500, 1)
        await until(lambda: _at_stake(client, 500))
        balance = await client.balance()
        assert (balance.available_minor, balance.currency) == (BALANCE_MINOR - 500, "EUR")
        page = await client.open_bets()
        assert ([s.ref for s in page.bets], page.more) == (["a1"], False)


async def _at_stake(client: BettorSession, stake_minor: int) -> bool:
    return (await client.balance()).at_stake_minor == stake_minor


REJECTIONS = {
    "stake over the limit": ({"stake_minor": 10_001}, Reason.STAKE_OVER_LIMIT),
    "odds moved": ({"odds_milli": 2_600}, Reason.ODDS_CHANGED),
    "odds shortened": ({"odds_milli": 2_600, "policy": "higher"}, Reason.ODDS_WORSE),
    "no such outcome": ({"outcome": 3}, Reason.OUTCOME_UNKNOWN),
    "no such market": ({"market": 99}, Reason.MARKET_UNKNOWN),
    "no such funds": ({"stake_minor": BALANCE_MINOR + 1}, Reason.INSUFFICIENT_FUNDS),
}


@pytest.mark.parametrize("case", REJECTIONS)
async def test_bet_is_rejected_with_its_reason(town: Town, case: str) -> None:
    change, reason = REJECTIONS[case]
    async with bettor(town) as client:
        bet = await client.place(ref="a1", **BET | change)
        assert (bet.state, bet.reason) == ("rejected", reason)
        assert bet.message
        if reason is Reason.STAKE_OVER_LIMIT:
            assert bet.stake_max_minor == 10_000
            assert bet.retryable
        if reason is Reason.ODDS_CHANGED:
            assert bet.odds_milli == 2_500
        await until(lambda: _back(client))


async def _back(client: BettorSession) -> bool:
    return (await client.balance()).available_minor == BALANCE_MINOR


async def test_account_that_does_not_exist_is_told_so(town: Town) -> None:
    async with bettor(town, account=55) as client:
        assert (await client.place(ref="a1", **BET)).reason == Reason.ACCOUNT_UNKNOWN
        with pytest.raises(RefusedError) as raised:
            await client.balance()
        assert raised.value.reason is Reason.ACCOUNT_UNKNOWN
        assert await client.status("a1") is None


async def test_same_bet_a_hundred_times_over_many_connections_is_one_bet(town: Town) -> None:
    """Equal answers before and after every shell was ended and raised again."""
    answers = []
    for _ in range(2):
        clients = [await bettor(town) for _ in range(5)]
        answers += await asyncio.gather(
            *(client.place(ref="a1", **BET) for client in clients for _ in range(10))
        )
        for client in clients:
            await client.close()
        for name in town.lives:
            town.lower_shell(name)
            town.raise_shell(name)
    assert len(answers) == 100
    assert {answer.state for answer in answers} == {"accepted"}
    assert len(set(answers)) == 1
    async with bettor(town) as client:
        assert len((await client.open_bets()).bets) == 1
        assert (await client.balance()).available_minor == BALANCE_MINOR - 500


async def test_same_ref_with_another_stake_changes_nothing(town: Town) -> None:
    async with bettor(town) as client:
        await client.place(ref="a1", **BET)
        again = await client.place(ref="a1", **BET | {"stake_minor": 501})
        assert (again.state, again.reason) == ("rejected", Reason.BET_REF_REUSED)
        assert (await client.balance()).available_minor == BALANCE_MINOR - 500


async def test_same_ref_of_another_account_is_another_bet(town: Town) -> None:
    async with bettor(town) as one, bettor(town, account=8) as other:
        bets = await asyncio.gather(one.place(ref="a", **BET), other.place(ref="a", **BET))
        assert [bet.state for bet in bets] == ["accepted", "accepted"]
        assert bets[0].bet_id != bets[1].bet_id
        slip = await other.status("a")
        assert slip is not None
        assert slip.bet_id == bets[1].bet_id


async def test_place_many_answers_each_bet_by_itself(town: Town) -> None:
    async with bettor(town) as client:
        selections = [
            Selection(ref="m0", **BET),
            Selection(ref="m1", **BET | {"market": 3, "outcome": 2, "odds_milli": 3_000}),
            Selection(ref="m2", **BET | {"stake_minor": 20_000}),
        ]
        bets = await client.place_many(selections)
        assert [bet.ref for bet in bets] == ["m0", "m1", "m2"]
        assert [bet.state for bet in bets] == ["accepted", "accepted", "rejected"]


async def test_place_many_out_of_bounds_fails_as_a_whole(town: Town) -> None:
    async with bettor(town) as client:
        selections = [Selection(ref="m0", **BET), Selection(ref="m1", **BET | {"stake_minor": 0})]
        with pytest.raises(RefusedError) as raised:
            await client.place_many(selections)
        assert raised.value.reason is Reason.FIELD_OUT_OF_BOUNDS
        assert "$.bets[1].stake_minor" in str(raised.value)
        assert await client.status("m0") is None


async def test_bets_over_a_session_s_bound_are_busy_at_once(tmp_path: Path) -> None:
    async with (
        open_town(tmp_path, session_bets_in_flight_max=3) as town,
        bettor(town) as client,
    ):
        bets = await asyncio.gather(*(client.place(ref=f"b{i}", **BET) for i in range(8)))
        reasons = [bet.reason for bet in bets]
        assert reasons == [Reason.ACCEPTED] * 3 + [Reason.BUSY] * 5
        assert await client.status("b7") is None
        assert (await client.place(ref="b7", **BET)).state == "accepted"
        town.check()


async def test_lost_answer_is_unknown_and_then_status_says_accepted(tmp_path: Path) -> None:
    """The market commits and its answer is lost with its process."""
    async with open_town(tmp_path, bet_deadline_ms=300) as town, bettor(town) as client:
        market = town.lives["market-a"]
        placed = asyncio.Event()
        place = market.target.place

        async def place_and_die(rows: bytes) -> bytes:
            place(rows)
            town.lower_shell("market-a")
            placed.set()
            await asyncio.Event().wait()
            raise AssertionError("never answered")

        market.target.place = place_and_die
        future = client.place_nowait(ref="a1", **BET)
        await asyncio.wait_for(placed.wait(), 5)
        bet = await future
        assert (bet.state, bet.reason) == ("unknown", Reason.UNKNOWN)
        slip = await client.status("a1")
        assert slip is not None
        assert slip.state == "pending"
        town.raise_shell("market-a")
        assert (await client.place(ref="a1", **BET)).state == "accepted"
        await until(lambda: _is(client, "a1", "accepted"))
        assert (await client.balance()).available_minor == BALANCE_MINOR - 500
        town.check()


async def _is(client: BettorSession, ref: str, state: str) -> bool:
    slip = await client.status(ref)
    return slip is not None and slip.state == state


async def test_question_to_a_shard_that_is_down_is_unavailable(town: Town) -> None:
    async with bettor(town) as client:
        town.lower_shell("account-001")
        for question in (client.balance(), client.status("x"), client.open_bets()):
            with pytest.raises(RefusedError) as raised:
                await question
            assert raised.value.reason is Reason.UNAVAILABLE
        town.raise_shell("account-001")
        assert (await client.balance()).available_minor == BALANCE_MINOR


async def test_load_bets_answer_by_callback(town: Town) -> None:
    async with bettor(town) as client:
        answers: dict[str, str] = {}
        client.on_bet = lambda bet: answers.__setitem__(bet.ref, bet.state)
        for i in range(50):
            client.send_place(Place(ref=f"l{i}", **BET | {"stake_minor": 1}))
        await until(lambda: len(answers) == 50)
        assert set(answers.values()) == {"accepted"}
        page = await client.open_bets(limit=30)
        rest = await client.open_bets(after_bet_id=page.bets[-1].bet_id, limit=30)
        assert (len(page.bets), page.more, len(rest.bets), rest.more) == (30, True, 20, False)


# --- account events ------------------------------------------------------------------------------


async def test_watcher_hears_of_bets_settlements_and_money(town: Town) -> None:
    async with bettor(town) as placing, bettor(town, codec="json") as watching:
        assert (await watching.watch_account()).on
        events = watching.events()
        await placing.place(ref="a1", **BET)
        posted = await asyncio.wait_for(anext(events), 5)
        assert isinstance(posted, BetEvent)
        assert (posted.event, posted.slip.ref, posted.slip.odds_milli) == ("posted", "a1", 2_500)
        await until(lambda: _at_stake(placing, 500))
        async with trader(town) as control:
            await control.settle(1, [WON, LOST, LOST])
        town.ferry()
        settled = await asyncio.wait_for(anext(events), 5)
        assert isinstance(settled, BetEvent)
        assert (settled.event, settled.slip.result, settled.slip.payout_minor) == (
            "settled",
            "won",
            1_250,
        )
        town.ledger(7, Deposit(account_no=7, amount_minor=10, ref="d2"))
        money = await asyncio.wait_for(anext(events), 5)
        assert money == MoneyEvent(
            event="deposited",
            amount_minor=10,
            available_minor=BALANCE_MINOR - 500 + 1_250 + 10,
            ref="d2",
        )


async def test_watch_outlives_its_shard_s_process_and_ends_when_asked(town: Town) -> None:
    async with bettor(town) as client, bettor(town, account=8) as other:
        await client.watch_account()
        town.lower_shell("account-001")
        town.raise_shell("account-001")
        await asyncio.sleep(0)
        town.ledger(7, Deposit(account_no=7, amount_minor=10, ref="d2"))
        events = client.events()
        assert isinstance(await asyncio.wait_for(anext(events), 5), MoneyEvent)
        assert not (await client.watch_account(on=False)).on
        await until(lambda: not town.gateway.stats()["accounts_watched"])
        town.ledger(7, Deposit(account_no=7, amount_minor=10, ref="d3"))
        await client.balance()
        assert not client._events
        assert not other._events


# --- traders -------------------------------------------------------------------------------------


async def test_trader_runs_a_market_s_whole_life(town: Town) -> None:
    async with trader(town) as control, bettor(town) as client:
        await client.subscribe(all_markets=True)
        assert isinstance(await control.suspend(1, why="goal"), MarketSuspended)
        assert (await client.place(ref="a0", **BET)).reason == Reason.MARKET_SUSPENDED
        quotes = [Quote(outcome=0, odds_milli=1_800), Quote(outcome=2, odds_milli=4_500)]
        assert isinstance(await control.set_odds(1, quotes), OddsSet)
        assert isinstance(await control.set_limits(1, Limits(stake_minor_max=700)), LimitsSet)
        assert isinstance(await control.resume(1), MarketResumed)
        await until(lambda: client.prices[1].odds_milli == (1_800, 3_200, 4_500))
        bet = await client.place(ref="a1", **BET | {"policy": "any"})
        assert (bet.state, bet.odds_milli) == ("accepted", 1_800)
        book = await control.book(1)
        assert book.liability_minor == (400, -500, -500)
        assert (book.bets, book.stake_taken_minor) == (1, 500)
        assert book.limits.stake_minor_max == 700
        assert isinstance(await control.hand_over(1), MarketHandedOver)
        assert isinstance(await control.open_market(1), MarketOpened)
        assert isinstance(await control.close_market(1), MarketClosed)
        settled = await control.settle(1, [WON, LOST, LOST])
        assert isinstance(settled, MarketSettled)
        assert (settled.bets, settled.payout_minor) == (1, 900)
        assert isinstance(await control.cancel(2, why="abandoned"), MarketCancelled)
        await until(lambda: client.prices[1].status == "settled")
        await until(lambda: client.prices[2].status == "cancelled")


async def test_commands_are_answered_one_by_one_in_their_order(town: Town) -> None:
    async with trader(town) as control:
        numbers = (3, 99, 1, 3, 2)
        events = await control.control([SuspendMarket(market_no=no) for no in numbers])
        assert [type(event) for event in events] == [
            MarketSuspended, Refused, MarketSuspended, Refused, MarketSuspended,
        ]  # fmt: skip
        assert isinstance(events[1], Refused)
        assert isinstance(events[3], Refused)
        assert events[1].reason is Reason.MARKET_UNKNOWN
        assert events[3].reason is Reason.TRANSITION_NOT_ALLOWED


async def test_trader_s_identity_is_in_the_journal(town: Town) -> None:
    async with trader(town) as control, trader(town, role=Role.FEED) as feed:
        await control.suspend(1, why="by hand")
        await feed.suspend(3, why="by feed")
    for name in ("market-a", "market-b"):
        town.lives[name].target.stop()
    journal = {
        name: b"".join(
            p.read_bytes() for p in sorted((town.folder / name).rglob("*")) if p.is_file()
        )
        for name in ("market-a", "market-b")
    }
    assert b"trader:trader-1" in journal["market-a"]
    assert b"feed:feed-1" in journal["market-b"]
    assert b"feed:feed-1" not in journal["market-a"]
    for name in ("market-a", "market-b"):
        town.lower_shell(name)
        town.raise_shell(name)


async def test_suspend_all_stops_a_fixture_or_everything(town: Town) -> None:
    async with trader(town) as control, bettor(town) as client:
        answer = await control.suspend_all(fixture="cup-0", why="VAR")
        assert (answer.suspended, answer.unchanged, answer.failed) == (2, 0, ())
        third = BET | {"market": 3}
        assert (await client.place(ref="a1", **third)).state == "accepted"
        answer = await control.suspend_all()
        assert (answer.suspended, answer.unchanged, answer.failed) == (1, 2, ())
        assert (await client.place(ref="a2", **third)).reason == Reason.MARKET_SUSPENDED


MODEL = MatchModel(home_rate=1.6, away_rate=1.2)
KICK_OFF = MatchState().at(period=Period.FIRST_HALF, clock_s=60)


async def test_fixture_is_priced_inside_its_shells(town: Town) -> None:
    async with trader(town) as session:
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


async def test_pricing_out_of_bounds_is_refused_by_field_and_bound(town: Town) -> None:
    async with trader(town) as session:
        bad = {"model": {"home_rate": -1.0, "away_rate": 1.0}, "state": {}}
        with pytest.raises(RefusedError, match=r"pricing: home_rate: must be from 0 to 8"):
            await session.reprice("cup-0", bad)
        with pytest.raises(RefusedError, match=r"pricing: .*unknown field `luck`"):
            await session.reprice("cup-0", {"model": {"luck": 1}, "state": {}})
        with pytest.raises(RefusedError, match="no market of cup-9"):
            await session.reprice("cup-9", Pricing(model=MODEL, state=KICK_OFF))
        town.lower_shell("market-a")
        (event,) = await session.reprice("cup-0", Pricing(model=MODEL, state=KICK_OFF))
        assert isinstance(event, Refused)
        assert event.reason is Reason.UNAVAILABLE


async def test_commands_to_a_shell_that_is_down_say_so(town: Town) -> None:
    async with trader(town) as control:
        town.lower_shell("market-b")
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
        town.raise_shell("market-b")
        assert (await control.suspend_all()).suspended == 1


async def test_list_is_paged_by_number(town: Town) -> None:
    async with trader(town, role=Role.QUANT) as control:
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


async def test_raised_shell_s_prices_heal_what_was_missed(town: Town) -> None:
    async with bettor(town) as client:
        await client.subscribe(all_markets=True)
        await until(lambda: len(client.prices) == 3)
        town.lives["market-a"].target.set_gateways([])
        town.command(SuspendMarket(market_no=1))
        assert client.prices[1].status == "active"
        town.lower_shell("market-a")
        town.raise_shell("market-a")
        await until(lambda: client.prices[1].status == "suspended")


async def test_new_gateway_asks_the_shells_for_their_images(town: Town) -> None:
    async with open_house() as house:
        routes = town.gateway.routes
        peers = {name: life.peer for name, life in town.lives.items()}
        house.gateway.on_routes(
            1, list(routes.shells.values()), list(routes.markets.values()), peers
        )
        async with connect(house.bets_url, token=token()) as client:
            await client.subscribe(keys=["cup-0/1x2"])
            await until(lambda: 1 in client.prices)
            assert client.prices[1].status == "active"


async def test_market_moved_by_a_route_alone_is_asked_for(town: Town) -> None:
    town.lives["market-b"].target.set_gateways([])
    create = CreateMarket(
        market_no=9, key="cup-9/1x2", outcomes=("a", "b"), odds_milli=(2_000, 2_000)
    )
    payload = encode(MarketControl(by="test:setup", commands=(create,)))
    town.lives["market-b"].target.control(payload)
    route = MarketRoute(market_no=9, key="cup-9/1x2", shell="market-b")
    town.version += 1
    town.gateway.on_routes(town.version, [], [route], {})
    async with bettor(town) as client:
        await client.subscribe(fixtures=["cup-9"])
        await until(lambda: 9 in client.prices)


async def test_gateway_is_ready_when_all_accounts_are(town: Town) -> None:
    async def ready() -> tuple[int, dict[str, Any]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", town.ports["bets"])
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), json.loads(body)

    status, document = await ready()
    assert (status, document["ready"], document["markets"]) == (200, True, 3)
    town.lower_shell("account-000")
    status, document = await ready()
    assert (status, document["ready"]) == (503, False)
    town.raise_shell("account-000")


# --- the client ----------------------------------------------------------------------------------


async def test_client_says_how_a_handshake_was_refused() -> None:
    async with open_house() as house:
        with pytest.raises(HandshakeRefusedError, match="expired") as raised:
            await connect(house.bets_url, token=token(expires_s=-1))
        assert raised.value.status == 401
        with pytest.raises(HandshakeRefusedError) as raised:
            await connect_control(house.control_url, token=token())
        assert raised.value.status == 403
        port = house.ports["bets"]
    with pytest.raises(HandshakeRefusedError) as raised:
        await connect(f"ws://127.0.0.1:{port}", token=token())
    assert raised.value.status == 0


async def test_client_says_how_the_connection_was_lost(town: Town) -> None:
    client = await bettor(town)
    town.lower_shell("market-a")
    future = client.place_nowait(ref="a1", **BET)
    await client.drain()
    await until(lambda: town.gateway.stats()["bets_in_flight"] > 0)
    stopping = asyncio.create_task(town.gateway.stop())
    bet = await future
    assert bet.state == "unknown"
    lost = await client.wait_lost()
    await stopping
    assert lost.code == CloseCode.GOING_AWAY
    with pytest.raises(ConnectionLostError):
        await client.balance()
    assert [market async for market in client.updates()] == []
    town.raise_shell("market-a")
