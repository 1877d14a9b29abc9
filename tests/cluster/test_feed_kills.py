"""A feed over real processes that are killed: every message is applied once, and none is lost."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from actors.messages import decode_known_markets, decode_price_images
from actors.settings import SupervisorSettings
from actors.system import System
from actors.system_parts import FeedPart, GatewayPart, SystemSettings
from engine.common.views import PriceImage
from gateway.app import Gateway
from gateway.client import FeedSession, GatewayError, connect_feed
from gateway.feeds.core.pipeline import FeedPipeline, PipelineSettings
from gateway.session.tokens import Role, TokenKey
from gateway.settings import GatewaySettings
from tests.cluster.betting_crowd import serves_again, status, until
from tests.gateway.feeds.json_feed import JsonAdapter, odds

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("cluster")]

SECRET = b"a secret of tests, thirty-two bytes and more"
MESSAGES = 600
KEYS = [f"cup-{n}/1x2" for n in range(6)]


def message(number: int) -> bytes:
    home = 0.3 + 0.03 * (number * 7 % 10)
    state = -1 if number % 3 == 1 else 1
    return odds(KEYS[number % 6], 10 + number, home, 0.9 - home, 0.1, status=state)


def system_in(folder: Path, *, embedded: bool = False) -> System:
    settings = GatewaySettings(bets_host="127.0.0.1", bets_port=0, control_port=0, feed_port=0)
    return System(
        data_dir=str(folder),
        embedded=embedded,
        settings=SystemSettings(supervisor=SupervisorSettings(markets_per_actor=3)),
        feeds=[
            FeedPart(
                feed="tiny",
                factory=FeedPipeline,
                arguments={"make_adapter": JsonAdapter, "settings": PipelineSettings()},
            )
        ],
        gateways=[
            GatewayPart(
                factory=Gateway, arguments={"shards": 2, "secret": SECRET, "settings": settings}
            )
        ],
    )


def token() -> str:
    return TokenKey(SECRET).issue(
        role=Role.FEED, sub="tiny", account=None, now_s=int(time.time()), expires_s=3_600
    )


class Source:
    """Pushes all messages in order, and again from the first unanswered one after a loss.

    Messages from `held_from` on are held back until `release` sets a later bound.
    """

    def __init__(self, system: System, *, held_from: int = MESSAGES) -> None:
        self._system = system
        self._held_from = held_from
        self._released = asyncio.Event()
        self.pushed = 0
        self.answered = 0
        self.losses = 0

    def release(self, held_from: int) -> None:
        self._held_from = held_from
        self._released.set()

    async def run(self) -> None:
        while self.answered < MESSAGES:
            try:
                port = self._system.ports[0]["feed"]
                async with connect_feed(f"ws://127.0.0.1:{port}", token=token()) as session:
                    await self._push(session)
            except GatewayError:
                self.losses += 1
                await asyncio.sleep(0.1)

    async def _push(self, session: FeedSession) -> None:
        pushes = []
        try:
            for number in range(self.answered, MESSAGES, 4):
                while number >= self._held_from:
                    self._released.clear()
                    await self._released.wait()
                pushes.append(session.push("tiny", [message(n) for n in range(number, number + 4)]))
                self.pushed = max(self.pushed, number + 4)
                await asyncio.sleep(0)
            await asyncio.gather(*pushes)
        finally:
            for push in pushes:
                if not push.done() or push.exception() is not None:
                    break
                assert not any(result.refused for result in push.result().results)
                self.answered += 4


async def images_and_positions(
    system: System,
) -> tuple[dict[str, PriceImage], dict[str, dict[str, int]]]:
    await system.refresh()
    images: dict[str, PriceImage] = {}
    positions: dict[str, Any] = {}
    for shell in system.routes.shells.values():
        if shell.kind == "market":
            peer = system.peer(shell.name)
            images |= {i.key: i for i in decode_price_images(await peer.ask("price_images"))}
            known = decode_known_markets(await peer.ask("positions"))
            positions |= {market.image.key: market.positions for market in known}
    return images, positions


def shown(images: dict[str, PriceImage]) -> dict[str, tuple[Any, ...]]:
    """Return what markets show, by key: their numbers depend on the order of creation."""
    return {
        key: (image.status, image.version, image.odds_milli, image.active)
        for key, image in images.items()
    }


async def applied(system: System, count: int) -> bool:
    stats = await system.feeds["tiny"].ask("stats")
    return bool(stats["applied"] >= count)


async def test_a_shell_and_a_pipeline_killed_in_mid_stream_change_no_result(tmp_path: Path):
    async with system_in(tmp_path / "undisturbed", embedded=True) as system:
        await Source(system).run()
        images, positions = await images_and_positions(system)
    assert sorted(images) == KEYS
    async with system_in(tmp_path / "killed") as system:
        source = Source(system, held_from=60)
        running = asyncio.create_task(source.run())
        await until(lambda: applied(system, 60))
        before = await status(system, "market-00000")
        assert before.health is not None
        os.kill(before.health.pid, signal.SIGKILL)
        source.release(300)
        await until(lambda: serves_again(system, before))
        await until(lambda: applied(system, 300))
        assert source.losses == 0, "the pipeline repeats what a dead shell did not answer"
        pipeline = system.pids()["feed-tiny"]
        os.kill(pipeline, signal.SIGSTOP)  # it leaves every later push unanswered
        source.release(MESSAGES)
        await until(lambda: source.pushed == MESSAGES)
        os.kill(pipeline, signal.SIGKILL)
        await until(lambda: system.pids()["feed-tiny"] != pipeline)
        await asyncio.wait_for(running, 60)
        assert source.losses > 0, "the source repeats what a dead pipeline did not answer"
        killed_images, killed_positions = await images_and_positions(system)
    assert killed_positions == positions
    assert shown(killed_images) == shown(images)
