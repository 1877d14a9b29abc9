"""The rules about bytes and time, once more on the event loop that gateway processes run on."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from tests.gateway.bookmaker import open_bookmaker
from tests.gateway.net import test_hostile as hostile
from tests.gateway.services import test_price_fanout as fanout
from tests.gateway.session import test_sessions as sessions

RULES: list[Callable[[], Awaitable[None]]] = [
    fanout.test_deaf_subscriber_costs_bounded_memory_and_holds_nobody_back,
    fanout.test_client_that_leaves_answers_unread_is_closed_as_too_slow,
    fanout.test_stalled_client_is_closed_in_the_end,
    fanout.test_one_change_reaches_many_as_the_very_same_bytes,
    hostile.test_frames_in_any_pieces_are_the_same_messages,
    hostile.test_slow_handshake_is_cut_off_in_time,
    hostile.test_connection_over_the_bound_is_told_so,
    hostile.test_stopping_gateway_says_goodbye,
    hostile.test_silent_connection_is_pinged_then_closed,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__.removeprefix("test_"))
def test_rule_holds(rule: Callable[[], Awaitable[None]]) -> None:
    uvloop.run(_await(rule()))


async def _await(work: Awaitable[None]) -> None:
    await work


@pytest.mark.parametrize("case", hostile.PROTOCOL_VIOLATIONS)
def test_violation_is_closed_with_its_code(case: str) -> None:
    uvloop.run(hostile.test_violation_is_closed_with_its_code_and_others_are_served(case))


def test_bets_are_served(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_bookmaker(tmp_path) as bookmaker:
            await sessions.test_load_bets_answer_by_callback(bookmaker)
            bookmaker.check()

    uvloop.run(run())
