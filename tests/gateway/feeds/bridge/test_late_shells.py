"""A bridge with as few messages in flight as it may have, while a market shell stays dead."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from engine.common.lifecycle import Status
from gateway.cli.feed import PREFETCH_MIN
from gateway.feeds.bridge.bridge import Bridge, BridgeSettings
from gateway.settings import FEED_MESSAGES_HELD_MAX, FEED_MESSAGES_LATE_MAX
from tests.gateway.feeds.bridge.test_held_messages import PrefetchingSource
from tests.gateway.feeds.core.test_late_shells import ALIVE, DEAD, one_dead, status
from tests.gateway.feeds.feed_system import feed_token
from tests.gateway.feeds.json_feed import odds
from tests.gateway.price_gateway import until


@pytest.mark.parametrize("count", [FEED_MESSAGES_LATE_MAX, 2 * PREFETCH_MIN])
async def test_a_stop_behind_messages_for_a_dead_shell_is_obeyed_and_acknowledged(
    tmp_path: Path, count: int
) -> None:
    """The first count are all held until the shell is back, of the second most are missed."""
    settings = {"messages_max": 8_192, "gateway": {}}
    async with one_dead(tmp_path, **settings) as (it, shell, revive):
        free = PREFETCH_MIN - FEED_MESSAGES_HELD_MAX
        source = PrefetchingSource(prefetch=free)
        carrier = Bridge(
            transport=source,
            feed="tiny",
            url=it.feed_url,
            token=feed_token,
            settings=BridgeSettings(window=free),
        )
        running = asyncio.create_task(carrier.run())
        stop = odds(ALIVE, 2, status=-1)
        source.send(*[odds(DEAD, at) for at in range(2, count + 2)], stop)
        await until(lambda: stop in source.acknowledged)
        assert await status(it, ALIVE) is Status.SUSPENDED

        def missed() -> int:
            return it.pipeline.stats()["shells_missed"].get(shell, 0)

        # The stop is obeyed at once; a message is held when its shell's time to answer is over.
        await until(lambda: len(source.left) == it.pipeline.stats()["held"] == count - missed())
        assert bool(missed()) == (count > FEED_MESSAGES_LATE_MAX)
        revive()
        await until(lambda: not source.left)
        await until(lambda: it.pipeline.stats()["shells_behind"] == 0)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
