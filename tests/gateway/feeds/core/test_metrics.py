"""The metrics of feeds: the last statistics of each pipeline, without waiting for it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.peer import LocalPeer, PeerDiedError
from gateway.feeds.core import metrics
from gateway.feeds.core.metrics import KINDS_SHOWN_MAX, POLL_AFTER_READ_S, POLL_EVERY_S, FeedMetrics
from tests.actors.virtual import run_virtual
from tests.gateway.feeds.feed_system import FeedSystem, open_feed_system
from tests.gateway.feeds.json_feed import odds, recover
from tests.gateway.price_gateway import until


async def scrape(feed_system: FeedSystem) -> dict[str, float]:
    """Read a gateway's page as Prometheus does; return the samples of feeds by name and labels."""
    port = feed_system.system.ports[0]["feed"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: us\r\n\r\n")
    page = (await reader.read()).partition(b"\r\n\r\n")[2].decode()
    writer.close()
    return {
        ",".join([sample.name, *sample.labels.values()]).removeprefix("overround_feed_"): (
            sample.value
        )
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("overround_feed_")
    }


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "POLL_EVERY_S", 0.01)


def shows(feed_system: FeedSystem, name: str, true: Callable[[float], bool]) -> Any:
    async def is_shown() -> bool:
        return true((await scrape(feed_system)).get(name, -1.0))

    return is_shown


async def test_a_scrape_shows_the_last_statistics_of_a_pipeline(
    tmp_path: Path, often: None
) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        assert await scrape(feed_system) == {}, (
            "no statistics were received yet, and the scrape did not wait"
        )
        bodies = [odds("cup-1/1x2", at, 0.5, 0.3, 0.2) for at in (1, 2)]
        await feed_system.push(*bodies, b"nonsense", recover(5, 1))
        expected = {
            "messages_total,tiny,odds": 2,
            "messages_total,tiny,unreadable": 1,
            "messages_total,tiny,recover": 1,
            "refused_total,tiny": 1,
            "in_hand,tiny": 0,
            "lag_ms,tiny": 0,
            "requests_open,tiny": 1,
            "markets,tiny": 1,
            "shells_behind,tiny": 0,
        }

        async def all_is_shown() -> bool:
            shown = await scrape(feed_system)
            ticks = shown.pop("passed_over_total,tiny,ticks", -1.0)
            return (
                shown.pop("figures_age_seconds,tiny", -1.0) >= 0 and ticks > 0 and shown == expected
            )

        await until(all_is_shown)


async def test_messages_in_progress_and_the_age_of_the_oldest_are_shown(
    tmp_path: Path, often: None
) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        await feed_system.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
        feed_system.local_process("market-00000").freeze()
        pushing = asyncio.create_task(feed_system.push(odds("cup-1/1x2", 2, status=-1)))
        await until(shows(feed_system, "in_hand,tiny", lambda count: count == 1))
        await until(shows(feed_system, "lag_ms,tiny", lambda lag: lag > 0))
        feed_system.local_process("market-00000").thaw()
        await pushing
        await until(shows(feed_system, "in_hand,tiny", lambda count: count == 0))


class ScriptedPipeline:
    """A pipeline that answers with the figures it is given, or dies."""

    def __init__(self) -> None:
        self.calls = 0
        self.alive = True
        self.kinds = {"odds": 1}
        self.go = asyncio.Event()
        self.go.set()

    async def stats(self) -> dict[str, Any]:
        self.calls += 1
        await self.go.wait()
        if not self.alive:
            raise PeerDiedError("gone")
        bare = dict.fromkeys(
            ("refused", "in_hand", "lag_ms", "requests", "markets", "shells_behind"), 0
        )
        by_name = {name: {} for name in ("passed_over", "shells_missed", "shells_waiting")}
        return {"kinds": dict(self.kinds), **bare, **by_name}


def metrics_of(pipeline: ScriptedPipeline) -> FeedMetrics:
    return FeedMetrics({"one": LocalPeer(pipeline, name="feed-one")}, timeout_s=1.0)


def values(shown: FeedMetrics, name: str) -> list[float]:
    return [
        sample.value
        for family in shown.collect()
        for sample in family.samples
        if sample.name == f"overround_feed_{name}"
    ]


async def test_a_slow_or_lost_pipeline_keeps_its_last_statistics_and_delays_no_reader(
    often: None,
) -> None:
    pipeline = ScriptedPipeline()
    shown = metrics_of(pipeline)
    pipeline.go.clear()
    for _ in range(100):
        assert values(shown, "messages_total") == []
        await asyncio.sleep(0)
    assert pipeline.calls == 1, "one poll, however often metrics are read"
    pipeline.go.set()
    await until(lambda: values(shown, "messages_total") == [1])
    pipeline.alive = False
    calls = pipeline.calls
    await until(lambda: pipeline.calls > calls + 2)
    assert values(shown, "messages_total") == [1]
    assert values(shown, "figures_age_seconds")[0] > 0
    pipeline.alive = True
    pipeline.kinds["odds"] = 7
    await until(lambda: values(shown, "messages_total") == [7])
    shown.stop()


def test_pipelines_are_polled_from_a_reading_until_a_while_after_the_last_one() -> None:
    async def main() -> None:
        pipeline = ScriptedPipeline()
        shown = metrics_of(pipeline)
        await asyncio.sleep(100.0)
        assert pipeline.calls == 0
        for _ in range(2):
            values(shown, "in_hand")
            await asyncio.sleep(POLL_AFTER_READ_S - 10.0)
        polls = pipeline.calls
        assert polls == pytest.approx(2 * (POLL_AFTER_READ_S - 10.0) / POLL_EVERY_S, abs=1)
        await asyncio.sleep(1_000.0)
        assert pipeline.calls <= polls + 10.0 / POLL_EVERY_S + 1
        values(shown, "in_hand")
        await asyncio.sleep(1.0)
        assert pipeline.calls > polls + 1
        shown.stop()

    run_virtual(main())


def test_kinds_of_messages_past_the_bound_are_not_shown() -> None:
    async def main() -> None:
        pipeline = ScriptedPipeline()
        pipeline.kinds = {f"kind {number}": 1 for number in range(KINDS_SHOWN_MAX + 9)}
        shown = metrics_of(pipeline)
        values(shown, "in_hand")
        await asyncio.sleep(1.0)
        assert len(values(shown, "messages_total")) == KINDS_SHOWN_MAX
        shown.stop()

    run_virtual(main())
