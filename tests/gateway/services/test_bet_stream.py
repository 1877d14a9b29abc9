"""Bets shown to sessions: how many are kept for a turn, and what a slow session is told."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import numpy as np

from engine.common.bet_lines import BET_LINE
from engine.common.rows import BET, DECISION, FLAG_KNOWN, Rows
from gateway.client import connect_control
from gateway.messages.bet_stream import LINES_MAX
from gateway.services.bet_stream import LINES_GATHERED_MAX
from gateway.session.tokens import Role
from tests.gateway.price_gateway import PriceGateway, open_price_gateway, token, until


def decided(count: int, *, first: int = 1, flags: int = 0) -> tuple[bytes, bytes]:
    bets: Rows = np.zeros(count, BET)
    decisions: Rows = np.zeros(count, DECISION)
    bets["bet_id"] = decisions["bet_id"] = np.arange(first, first + count)
    bets["stake_minor"], bets["odds_milli"], bets["rate_micro"] = 100, 2_000, 10**6
    decisions["odds_milli"], decisions["flags"] = 2_000, flags
    return bets.tobytes(), decisions.tobytes()


def floor(system: PriceGateway) -> Any:
    return connect_control(system.control_url, token=token(Role.AUDITOR))


async def read(session: Any, count: int) -> list[tuple[list[int], int]]:
    """Return the next messages: the bets' ids and what was missed."""
    found = []
    async with asyncio.timeout(30):
        async for seen in session.bets_seen():
            found.append(([line.bet_id for line in seen.bets], seen.missed))
            if len(found) == count:
                break
    return found


async def test_the_newest_lines_of_a_turn_are_shown_and_the_others_counted() -> None:
    async with open_price_gateway() as system, floor(system) as session:
        await session.watch_bets()
        system.gateway.on_bets(0, 5, *decided(40))
        system.gateway.on_bets(3, 6, *decided(40, first=41))
        newest = list(range(81 - LINES_MAX, 81))
        assert await read(session, 1) == [(newest, 80 - LINES_MAX + 3)]
        system.gateway.on_bets(0, 7, *decided(2, first=90))
        assert await read(session, 1) == [([90, 91], 0)]
        counters = system.gateway.counters
        assert (counters.bets_shown, counters.bets_missed) == (LINES_MAX + 2, 80 - LINES_MAX + 3)


async def test_an_answer_that_repeats_an_earlier_one_is_not_shown() -> None:
    async with open_price_gateway() as system, floor(system) as session:
        await session.watch_bets()
        system.gateway.on_bets(0, 5, *decided(4, flags=FLAG_KNOWN))
        system.gateway.on_bets(0, 6, *decided(1, first=9))
        assert await read(session, 1) == [([9], 0)]


async def test_what_is_over_the_bound_of_a_turn_is_dropped_and_counted() -> None:
    async with open_price_gateway() as system, floor(system) as session:
        await session.watch_bets()
        count = LINES_GATHERED_MAX
        system.gateway.on_bets(0, 5, *decided(count))
        system.gateway.on_bets(0, 5, *decided(7, first=count + 1))
        system.gateway.on_bet_lines(2, bytes(BET_LINE.itemsize))
        ((shown, missed),) = await read(session, 1)
        assert shown == list(range(count - LINES_MAX + 1, count + 1))
        assert missed == count - LINES_MAX + 7 + 2 + 1


async def test_a_session_that_does_not_read_is_told_how_much_it_missed() -> None:
    async with open_price_gateway() as system, floor(system) as session:
        await session.watch_bets()
        (connection,) = [c for each in system.gateway._listeners for c in each.connections]
        connection.pause_writing()
        system.gateway.on_bets(0, 5, *decided(4))
        stream = system.gateway._services.bet_stream
        await until(lambda: any(w.missed == 4 for w in stream._watchers.values()))
        connection.resume_writing()
        system.gateway.on_bets(0, 5, *decided(1, first=9))
        assert await read(session, 1) == [([9], 4)]


async def test_nothing_is_gathered_for_nobody() -> None:
    async with open_price_gateway() as system:
        async with floor(system) as session:
            system.gateway.on_bets(0, 5, *decided(4))
            await session.watch_bets()
            system.gateway.on_bets(0, 5, *decided(1, first=9))
            assert await read(session, 1) == [([9], 0)]
        stream = system.gateway._services.bet_stream
        await until(lambda: not stream._watchers)
        system.gateway.on_bets(0, 5, *decided(4))
        assert stream._taken()[0].tolist() == []


async def test_sessions_that_ask_for_the_same_are_sent_one_encoded_message() -> None:
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(open_price_gateway())
        sessions = [await stack.enter_async_context(floor(system)) for _ in range(4)]
        for session in sessions[:3]:
            await session.watch_bets()
        await sessions[3].watch_bets(stake_minor_min=101)
        counters = system.gateway.counters
        system.gateway.on_bets(0, 5, *decided(4))
        system.gateway.on_bets(2, 5, *decided(1, first=9))
        for session in sessions[:3]:
            assert await read(session, 1) == [([1, 2, 3, 4, 9], 2)]
        assert await read(sessions[3], 1) == [([], 2)]
        assert (counters.bets_shown_frames, counters.bets_shown) == (2, 15)

        # One that has missed more than the others is told so in a message of its own.
        (slow, *_) = system.gateway._services.bet_stream._watchers.values()
        slow.missed = 7
        system.gateway.on_bets(0, 6, *decided(1, first=11))
        found = [(await read(session, 1))[0] for session in sessions[:3]]
        assert found == [([11], 7), ([11], 0), ([11], 0)]
        assert counters.bets_shown_frames == 4
