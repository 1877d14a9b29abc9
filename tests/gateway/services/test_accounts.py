"""Account events: a watching session receives each change of its bets, in order."""

import asyncio
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine.common.commands import OutcomeResult, RollBackSettlement, SettleMarket
from engine.common.rows import (
    BET_ROW,
    DECISION,
    RESERVATION_ROW,
    RESERVED_ROW,
    SETTLEMENT,
    BetResult,
)
from gateway.client import connect
from gateway.messages.bettor import BetEvent
from tests.gateway.bookmaker import BALANCE_MINOR, Bookmaker
from tests.gateway.price_gateway import WAIT_S, token

BET: dict[str, Any] = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}


def settle(
    bookmaker: Bookmaker, bet_id: int, *, number: int, payout_minor: int, result: BetResult
) -> None:
    """Apply a settlement row to the account shard, as the reconciler does."""
    row = np.zeros(1, SETTLEMENT)
    row["bet_id"] = bet_id
    row["settlement_no"] = number
    row["payout_minor"] = payout_minor
    row["result"] = result
    assert bookmaker.processes["account-001"].target.settle(row.tobytes()) == 1


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_bet_whose_result_is_rolled_back_is_sent_as_reopened_and_accepted(
    bookmaker: Bookmaker, codec: Any
) -> None:
    async with connect(bookmaker.bets_url, token=token(), codec=codec) as client:
        bet = await client.place(ref="a1", **BET)
        assert bet.state == "accepted"
        await client.watch_account()
        events = client.events()
        settle(bookmaker, bet.bet_id, number=1, payout_minor=1_250, result=BetResult.WON)
        settle(bookmaker, bet.bet_id, number=2, payout_minor=0, result=BetResult.NONE)
        settle(bookmaker, bet.bet_id, number=3, payout_minor=0, result=BetResult.LOST)
        events_received = [await asyncio.wait_for(anext(events), WAIT_S) for _ in range(3)]
        received = [
            (event.event, event.slip.state, event.slip.result, event.slip.payout_minor)
            for event in events_received
            if isinstance(event, BetEvent)
        ]
        assert received == [
            ("settled", "settled", "won", 1_250),
            ("reopened", "accepted", "none", 0),
            ("settled", "settled", "lost", 0),
        ]
        settle(bookmaker, bet.bet_id, number=4, payout_minor=0, result=BetResult.NONE)
        (slip,) = (await client.open_bets()).bets
        assert (slip.ref, slip.state, slip.settlement_no) == ("a1", "accepted", 4)
        assert (await client.balance()).at_stake_minor == 500


async def test_settlement_rolled_back_and_settled_again_is_sent_as_three_events(
    bookmaker: Bookmaker,
) -> None:
    won, lost = OutcomeResult(won=True), OutcomeResult(won=False)
    async with connect(bookmaker.bets_url, token=token()) as client:
        await client.place(ref="a1", **BET)
        await client.watch_account()
        events = client.events()
        for command in (
            SettleMarket(market_no=1, results=(won, lost, lost)),
            RollBackSettlement(market_no=1, why="goal disallowed"),
            SettleMarket(market_no=1, results=(lost, won, lost)),
        ):
            bookmaker.command(command)
            bookmaker.deliver_settlements()
        events_received = [await asyncio.wait_for(anext(events), WAIT_S) for _ in range(3)]
        received = [
            (event.event, event.slip.payout_minor)
            for event in events_received
            if isinstance(event, BetEvent)
        ]
        assert received == [("settled", 1_250), ("reopened", 0), ("settled", 0)]
        balance = await client.balance()
        assert (balance.available_minor, balance.at_stake_minor) == (BALANCE_MINOR - 500, 0)


async def test_what_was_answered_is_what_status_balance_and_the_next_bet_say_at_once(
    bookmaker: Bookmaker,
) -> None:
    async with (
        connect(bookmaker.bets_url, token=token()) as client,
        connect(bookmaker.bets_url, token=token()) as other,
    ):
        for number in range(20):
            before = await other.balance()
            accepted = await client.place(ref=f"a{number}", **BET)
            assert accepted.final
            slip = await other.status(f"a{number}")
            assert (slip.state, slip.odds_milli) == ("accepted", 2_500)
            (open_bet,) = (await other.open_bets(after_bet_id=accepted.bet_id - 1)).bets
            assert open_bet.state == "accepted"
            after = await other.balance()
            assert after.pending_minor == 0
            assert after.available_minor == before.available_minor - 500
            assert after.at_stake_minor == before.at_stake_minor + 500
            whole = BET | {"stake_minor": after.available_minor, "odds_milli": 2_400}
            refused = await client.place(ref=f"r{number}", **whole)
            assert (refused.state, refused.reason, refused.final) == ("rejected", 431, True)
            again = await other.place(ref=f"s{number}", **whole)
            assert again.reason == 431, "its stake is back, so it is not 602"
            assert replace(await other.balance(), id=after.id) == after


def leave_undelivered(bookmaker: Bookmaker, ref: str, *, market_no: int) -> None:
    """Have a bet reserved and decided; its account does not receive the verdict."""
    reservation = RESERVATION_ROW.pack(ref.encode(), 500, 7, market_no, 2_500, 0, 0, 0)
    answer = bookmaker.processes["account-001"].target.exchange(b"", reservation)
    bet_id, _, _, rate_micro, *_ = RESERVED_ROW.unpack(answer)
    row = BET_ROW.pack(bet_id, 500, 7, market_no, 2_500, rate_micro, 0, 0, 0, 0)
    decision = bookmaker.processes[bookmaker.shell_of[market_no]].target.place(row)
    assert np.frombuffer(decision, DECISION)["reason"] == [0]


async def test_a_market_that_does_not_answer_keeps_no_other_markets_verdicts_back(
    bookmaker: Bookmaker,
) -> None:
    leave_undelivered(bookmaker, "a", market_no=1)
    leave_undelivered(bookmaker, "b", market_no=3)
    bookmaker.processes[bookmaker.shell_of[1]].kill()
    async with connect(bookmaker.bets_url, token=token()) as client:
        assert (await client.status("b")).state == "accepted"
        assert (await client.status("a")).state == "pending"


async def test_an_answer_without_a_record_is_not_final(bookmaker: Bookmaker) -> None:
    async with connect(bookmaker.bets_url, token=token()) as client:
        poor = BET | {"stake_minor": BALANCE_MINOR + 1}
        refused = await client.place(ref="a", **poor)
        assert (refused.reason, refused.final) == (602, False)
        assert (await client.place(ref="a", **BET)).state == "accepted"
