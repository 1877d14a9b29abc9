"""Repeat the rules about bytes and time on uvloop, the event loop of gateway processes."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from tests.gateway.bookmaker import open_bookmaker
from tests.gateway.net import test_closing as closing
from tests.gateway.net import test_handshake as handshakes
from tests.gateway.net import test_hostile as hostile
from tests.gateway.services import test_price_fanout as fanout
from tests.gateway.session import test_sessions as sessions

RULES: list[Callable[[], Awaitable[None]]] = [
    fanout.test_subscriber_that_does_not_read_costs_bounded_memory_and_delays_no_other,
    fanout.test_client_that_leaves_answers_unread_is_closed_as_too_slow,
    fanout.test_stalled_client_is_closed_at_its_time_limit,
    fanout.test_one_change_is_sent_to_all_as_the_same_bytes_object,
    hostile.test_frames_cut_at_any_byte_give_the_same_messages,
    handshakes.test_slow_handshake_is_closed_at_its_time_limit,
    handshakes.test_connection_over_the_bound_gets_status_503,
    closing.test_stopping_gateway_closes_sessions_as_going_away,
    closing.test_silent_connection_is_pinged_then_closed,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__.removeprefix("test_"))
def test_rule_holds(rule: Callable[[], Awaitable[None]]) -> None:
    uvloop.run(_await(rule()))


async def _await(work: Awaitable[None]) -> None:
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
    await work


@pytest.mark.parametrize("case", hostile.PROTOCOL_VIOLATIONS)
def test_violation_is_closed_with_its_code(case: str) -> None:
    uvloop.run(_await(hostile.test_violation_is_closed_with_its_code_and_others_are_served(case)))


def test_bets_are_served(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_bookmaker(tmp_path) as bookmaker:
            await sessions.test_bets_without_a_future_are_answered_by_callback(bookmaker)
            bookmaker.check()

    uvloop.run(_await(run()))
