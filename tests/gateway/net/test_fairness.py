"""A hostile client that keeps every bound gets its share of the gateway's time, and no more."""

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from engine.common.reasons import Reason
from gateway.client import BettorSession, connect
from gateway.messages.market import Subscribe
from gateway.net.connection import Connection
from gateway.net.work_shares import SLICE_NS
from tests.gateway.attacks import ATTACKS, Attack, Target, mount
from tests.gateway.price_gateway import PriceGateway, image, open_price_gateway, token, until
from tests.gateway.raw_client import json_frame, shaken

_TICK_NS: Final = 10_000
_BETS: Final = 30
_TICKS_A_BET_MAX: Final = 100
"""A good client's bet takes some 5 ticks of its own. A turn of a hostile one takes 25, and without
a cap it has many turns while a bet is on its way."""
_HOSTILE: Final = 8


class Ticks:
    """A clock of work: it advances by one tick whenever it is read, so about once a frame."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        return self.count * _TICK_NS


@asynccontextmanager
async def attacked(system: PriceGateway, attack: Attack) -> AsyncIterator[None]:
    """Run an attack beside the body."""
    target = Target(port=system.ports["bets"], token=token(account=_HOSTILE))
    task = asyncio.ensure_future(mount(attack, target))
    try:
        yield
        assert not task.done(), "the attack goes on"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def connections(system: PriceGateway) -> list[Connection]:
    return [
        connection for listener in system.gateway._listeners for connection in listener.connections
    ]


async def place(client: BettorSession, number: int) -> None:
    bet = await client.place(
        ref=f"good-{number}", market=404, outcome=0, stake_minor=1, odds_milli=2_000
    )
    assert bet.reason == Reason.MARKET_UNKNOWN


@pytest.mark.parametrize("name", ATTACKS)
async def test_attack_within_all_bounds_is_worked_off_in_its_share_only(name: str) -> None:
    ticks = Ticks()
    async with (
        open_price_gateway(work_clock_ns=ticks) as system,
        connect(system.bets_url, token=token(account=7)) as client,
    ):
        system.create(*(image(number) for number in range(1, 301)))
        async with attacked(system, ATTACKS[name]):
            if name == "images never read":  # it stops by itself, when nothing more can be written
                await until(lambda: any(each.paused for each in connections(system)), wait_s=30.0)
            else:
                await until(lambda: system.gateway.counters.work_rests > 3, wait_s=30.0)
            counters = system.gateway.counters
            ticks_before, messages_before = ticks.count, counters.messages
            for number in range(_BETS):
                await place(client, number)
            assert ticks.count - ticks_before < _BETS * _TICKS_A_BET_MAX
            assert counters.messages - messages_before < _BETS * _TICKS_A_BET_MAX


async def test_long_message_is_worked_off_in_several_turns() -> None:
    ticks = Ticks()
    async with (
        open_price_gateway(work_clock_ns=ticks) as system,
        connect(system.bets_url, token=token(account=7)) as client,
    ):
        system.create(*(image(number) for number in range(1, 5_001)))
        before = system.gateway.counters.work_turns
        await client.subscribe(all_markets=True)
        await until(lambda: len(client.prices) == 5_000)
        steps = 2 * 5_000 // 64  # joining, and sending
        assert system.gateway.counters.work_turns - before > steps // (SLICE_NS // _TICK_NS)


async def test_short_messages_with_steps_end_their_turn_as_well() -> None:
    async with (
        open_price_gateway(work_clock_ns=Ticks()) as system,
        shaken(system.ports["bets"], token=token(account=7)) as raw,
    ):
        before = system.gateway.counters.work_turns
        raw.send(json_frame(type="subscribe", all=True) * 500)
        for _ in range(500):
            await raw.message()
        assert system.gateway.counters.work_turns - before >= 500 // (SLICE_NS // _TICK_NS)


async def test_changes_while_a_subscription_is_worked_off_are_not_lost() -> None:
    async with open_price_gateway() as system, connect(system.bets_url, token=token()) as client:
        system.create(*(image(number) for number in range(1, 301)))
        fanout = system.gateway.fanout
        (follower,) = (connection.session.follower for connection in connections(system))
        request = Subscribe(all=True)
        steps = fanout.subscribe(
            follower, request, names_max=1, markets_max=lambda: 300, joined=lambda: None
        )
        next(steps)  # some markets are joined, the others are not yet
        changed = (1, 150, 300, 400)
        system.create(image(400))
        system.create(*(image(number, version=2) for number in changed))
        for step in (steps, fanout.catch_up(follower)):
            collections.deque(step, maxlen=0)
        await until(lambda: len(client.prices) == 301)
        assert {number: client.prices[number].version for number in changed} == dict.fromkeys(
            changed, 2
        )


async def test_handshakes_of_one_address_are_bounded() -> None:
    async with open_price_gateway(handshakes_per_address_max=3) as system:
        opened = [
            await asyncio.open_connection("127.0.0.1", system.ports["bets"]) for _ in range(4)
        ]
        await until(lambda: system.gateway.stats()["connections"] == 3)
        assert await opened[3][0].read() == b""
        for _, writer in opened:
            writer.close()
        await until(lambda: system.gateway.stats()["connections"] == 0)
        async with connect(system.bets_url, token=token(account=7)) as client:
            await place(client, 1)
