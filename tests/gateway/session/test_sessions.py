"""Bettors end to end: gateway, shells and journals, over real sockets."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.common.commands import Deposit, OutcomeResult
from engine.common.reasons import MESSAGES, Reason
from gateway.client import (
    BettorSession,
    ConnectionLostError,
    HandshakeRefusedError,
    RefusedError,
    connect,
    connect_control,
)
from gateway.messages.bettor import BetEvent, MoneyEvent, Place, Selection
from gateway.settings import CloseCode
from tests.gateway.bookmaker import BALANCE_MINOR, Bookmaker, bettor, open_bookmaker, trader
from tests.gateway.price_gateway import open_price_gateway, token, until

BET: dict[str, Any] = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}
WON = OutcomeResult(won=True)
LOST = OutcomeResult(won=False)


# --- bets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_accepted_bet_is_in_status_balance_and_open_bets(
    bookmaker: Bookmaker, codec: Any
) -> None:
    async with bettor(bookmaker, codec=codec) as client:
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


REJECTIONS: dict[str, tuple[dict[str, Any], Reason, dict[str, Any]]] = {
    "stake over the limit": (
        {"stake_minor": 10_001},
        Reason.STAKE_OVER_LIMIT,
        {"stake_max_minor": 10_000, "retryable": True},
    ),
    "odds changed": (
        {"odds_milli": 2_600},
        Reason.ODDS_CHANGED,
        {"odds_milli": 2_500, "retryable": True},
    ),
    "odds shortened": (
        {"odds_milli": 2_600, "policy": "higher"},
        Reason.ODDS_WORSE,
        {"odds_milli": 2_500, "retryable": True},
    ),
    "no such outcome": ({"outcome": 3}, Reason.OUTCOME_UNKNOWN, {"retryable": False}),
    "no such market": ({"market": 99}, Reason.MARKET_UNKNOWN, {"retryable": False}),
    "balance too low": (
        {"stake_minor": BALANCE_MINOR + 1},
        Reason.INSUFFICIENT_FUNDS,
        {"retryable": True},
    ),
}
"""By case: the changed fields, the reason, and further fields of the answer."""


@pytest.mark.parametrize("case", REJECTIONS)
async def test_bet_is_rejected_with_its_reason_and_the_stake_is_returned(
    bookmaker: Bookmaker, case: str
) -> None:
    change, reason, fields = REJECTIONS[case]
    async with bettor(bookmaker) as client:
        bet = await client.place(ref="a1", **BET | change)
        assert (bet.state, bet.reason) == ("rejected", reason)
        assert bet.message == MESSAGES[reason]
        assert {name: getattr(bet, name) for name in fields} == fields
        await until(lambda: _has_full_balance(client))


async def _has_full_balance(client: BettorSession) -> bool:
    return (await client.balance()).available_minor == BALANCE_MINOR


async def test_account_that_does_not_exist_is_refused_as_unknown(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker, account=55) as client:
        assert (await client.place(ref="a1", **BET)).reason == Reason.ACCOUNT_UNKNOWN
        with pytest.raises(RefusedError) as raised:
            await client.balance()
        assert raised.value.reason is Reason.ACCOUNT_UNKNOWN
        assert await client.status("a1") is None


async def test_bet_sent_a_hundred_times_over_many_connections_is_booked_once(
    bookmaker: Bookmaker,
) -> None:
    """Every answer is the same, also after every shell was restarted."""
    answers = []
    for _ in range(2):
        clients = [await bettor(bookmaker) for _ in range(5)]
        answers += await asyncio.gather(
            *(client.place(ref="a1", **BET) for client in clients for _ in range(10))
        )
        for client in clients:
            await client.close()
        for name in bookmaker.processes:
            bookmaker.kill_shell(name)
            bookmaker.start_shell(name)
    assert len(answers) == 100
    assert {answer.state for answer in answers} == {"accepted"}
    assert len(set(answers)) == 1
    async with bettor(bookmaker) as client:
        assert len((await client.open_bets()).bets) == 1
        assert (await client.balance()).available_minor == BALANCE_MINOR - 500


async def test_same_ref_with_another_stake_is_rejected(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker) as client:
        await client.place(ref="a1", **BET)
        second = await client.place(ref="a1", **BET | {"stake_minor": 501})
        assert (second.state, second.reason) == ("rejected", Reason.BET_REF_REUSED)
        assert (await client.balance()).available_minor == BALANCE_MINOR - 500


async def test_same_ref_of_another_account_is_another_bet(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker) as one, bettor(bookmaker, account=8) as other:
        bets = await asyncio.gather(one.place(ref="a", **BET), other.place(ref="a", **BET))
        assert [bet.state for bet in bets] == ["accepted", "accepted"]
        assert bets[0].bet_id != bets[1].bet_id
        slip = await other.status("a")
        assert slip is not None
        assert slip.bet_id == bets[1].bet_id


async def test_place_many_answers_each_bet_separately(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker) as client:
        selections = [
            Selection(ref="m0", **BET),
            Selection(ref="m1", **BET | {"market": 3, "outcome": 2, "odds_milli": 3_000}),
            Selection(ref="m2", **BET | {"stake_minor": 20_000}),
        ]
        bets = await client.place_many(selections)
        assert [bet.ref for bet in bets] == ["m0", "m1", "m2"]
        assert [bet.state for bet in bets] == ["accepted", "accepted", "rejected"]


async def test_place_many_with_a_bet_out_of_bounds_places_none(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker) as client:
        selections = [Selection(ref="m0", **BET), Selection(ref="m1", **BET | {"stake_minor": 0})]
        with pytest.raises(RefusedError) as raised:
            await client.place_many(selections)
        assert raised.value.reason is Reason.FIELD_OUT_OF_BOUNDS
        assert "$.bets[1].stake_minor" in str(raised.value)
        assert await client.status("m0") is None


async def test_bets_in_flight_of_all_sessions_of_an_account_are_bounded_also_of_closed_ones(
    tmp_path: Path,
) -> None:
    async with (
        open_bookmaker(tmp_path, account_bets_in_flight_max=3, bet_deadline_ms=300) as bookmaker,
        bettor(bookmaker, account=8) as other,
    ):
        bookmaker.kill_shell("account-001")
        async with bettor(bookmaker) as first:
            for number in range(2):
                first.send_place(Place(ref=f"a{number}", **BET))
            await until(lambda: bookmaker.gateway.stats()["bets_in_flight"] == 2)
        async with bettor(bookmaker) as second:
            last, over = await asyncio.gather(
                second.place(ref="b0", **BET), second.place(ref="b1", **BET)
            )
            assert over.reason == Reason.BUSY
            assert (await other.place(ref="c0", **BET)).state == "accepted"
            assert last.state == "unknown"
            bookmaker.start_shell("account-001")
            assert (await second.place(ref="b1", **BET)).state == "accepted"
        assert bookmaker.gateway._services is not None
        uses = bookmaker.gateway._services.use_by_account
        await until(lambda: list(uses) == [8])
        bookmaker.check()


async def test_bets_over_the_session_bound_are_rejected_as_busy_at_once(tmp_path: Path) -> None:
    async with (
        open_bookmaker(tmp_path, session_bets_in_flight_max=3) as bookmaker,
        bettor(bookmaker) as client,
    ):
        bets = await asyncio.gather(*(client.place(ref=f"b{i}", **BET) for i in range(8)))
        reasons = [bet.reason for bet in bets]
        assert reasons == [Reason.ACCEPTED] * 3 + [Reason.BUSY] * 5
        assert await client.status("b7") is None
        assert (await client.place(ref="b7", **BET)).state == "accepted"
        bookmaker.check()


async def test_lost_answer_is_unknown_until_the_bet_is_placed_again(tmp_path: Path) -> None:
    """The market decides the bet, and its process dies before it answers."""
    async with (
        open_bookmaker(tmp_path, bet_deadline_ms=300) as bookmaker,
        bettor(bookmaker) as client,
    ):
        market = bookmaker.processes["market-a"]
        placed = asyncio.Event()
        place = market.target.place

        async def place_and_die(rows: bytes) -> bytes:
            place(rows)
            bookmaker.kill_shell("market-a")
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
        bookmaker.start_shell("market-a")
        assert (await client.place(ref="a1", **BET)).state == "accepted"
        await until(lambda: _is(client, "a1", "accepted"))
        assert (await client.balance()).available_minor == BALANCE_MINOR - 500
        bookmaker.check()


async def _is(client: BettorSession, ref: str, state: str) -> bool:
    slip = await client.status(ref)
    return slip is not None and slip.state == state


async def test_query_to_a_shard_that_is_down_is_unavailable(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker) as client:
        bookmaker.kill_shell("account-001")
        for query in (client.balance(), client.status("x"), client.open_bets()):
            with pytest.raises(RefusedError) as raised:
                await query
            assert raised.value.reason is Reason.UNAVAILABLE
        bookmaker.start_shell("account-001")
        assert (await client.balance()).available_minor == BALANCE_MINOR


async def test_bets_without_a_future_are_answered_by_callback(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker) as client:
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


async def test_watching_session_receives_bets_settlements_and_deposits(
    bookmaker: Bookmaker,
) -> None:
    async with bettor(bookmaker) as placing, bettor(bookmaker, codec="json") as watching:
        assert (await watching.watch_account()).on
        events = watching.events()
        await placing.place(ref="a1", **BET)
        posted = await asyncio.wait_for(anext(events), 5)
        assert isinstance(posted, BetEvent)
        assert (posted.event, posted.slip.ref, posted.slip.odds_milli) == ("posted", "a1", 2_500)
        await until(lambda: _at_stake(placing, 500))
        async with trader(bookmaker) as control:
            await control.settle(1, [WON, LOST, LOST])
        bookmaker.deliver_settlements()
        settled = await asyncio.wait_for(anext(events), 5)
        assert isinstance(settled, BetEvent)
        assert (settled.event, settled.slip.result, settled.slip.payout_minor) == (
            "settled",
            "won",
            1_250,
        )
        bookmaker.ledger(7, Deposit(account_no=7, amount_minor=10, ref="d2"))
        money = await asyncio.wait_for(anext(events), 5)
        assert money == MoneyEvent(
            event="deposited",
            amount_minor=10,
            available_minor=BALANCE_MINOR - 500 + 1_250 + 10,
            ref="d2",
        )


async def test_watch_continues_after_a_shard_restart_and_ends_on_request(
    bookmaker: Bookmaker,
) -> None:
    async with bettor(bookmaker) as client, bettor(bookmaker, account=8) as other:
        await client.watch_account()
        bookmaker.kill_shell("account-001")
        bookmaker.start_shell("account-001")
        await asyncio.sleep(0)
        bookmaker.ledger(7, Deposit(account_no=7, amount_minor=10, ref="d2"))
        events = client.events()
        assert isinstance(await asyncio.wait_for(anext(events), 5), MoneyEvent)
        assert not (await client.watch_account(on=False)).on
        await until(lambda: not bookmaker.gateway.stats()["accounts_watched"])
        bookmaker.ledger(7, Deposit(account_no=7, amount_minor=10, ref="d3"))
        await client.balance()
        assert not client.received.events_waiting
        assert not other.received.events_waiting


# --- the client ----------------------------------------------------------------------------------


async def test_client_raises_the_status_of_a_refused_handshake() -> None:
    async with open_price_gateway() as system:
        with pytest.raises(HandshakeRefusedError, match="expired") as raised:
            await connect(system.bets_url, token=token(expires_s=-1))
        assert raised.value.status == 401
        with pytest.raises(HandshakeRefusedError) as raised:
            await connect_control(system.control_url, token=token())
        assert raised.value.status == 403
        port = system.ports["bets"]
    with pytest.raises(HandshakeRefusedError) as raised:
        await connect(f"ws://127.0.0.1:{port}", token=token())
    assert raised.value.status == 0


async def test_client_raises_the_close_code_of_a_lost_connection(bookmaker: Bookmaker) -> None:
    client = await bettor(bookmaker)
    bookmaker.kill_shell("market-a")
    future = client.place_nowait(ref="a1", **BET)
    await client.drain()
    await until(lambda: bookmaker.gateway.stats()["bets_in_flight"] > 0)
    stopping = asyncio.create_task(bookmaker.gateway.stop())
    bet = await future
    assert bet.state == "unknown"
    lost = await client.wait_lost()
    await stopping
    assert lost.code == CloseCode.GOING_AWAY
    with pytest.raises(ConnectionLostError):
        await client.balance()
    assert [market async for market in client.updates()] == []
    bookmaker.start_shell("market-a")
