"""A recorded feed of LSports is recognised, and trades to its results without a provider."""

import gzip
from functools import partial
from pathlib import Path

from engine.common.lifecycle import Status
from gateway.configuration.config import Config
from gateway.feeds.bridge.bridge import Bridge, Incoming
from gateway.feeds.bridge.recorder import Recorder
from gateway.feeds.bridge.recordings import LSPORTS, kind_of, read_messages
from gateway.feeds.bridge.transports import FileTransport
from gateway.feeds.lsports.adapter import LsportsAdapter, LsportsSettings
from gateway.feeds.lsports.messages import BEGAN_BODY
from gateway.replay.run import read_summary, recorded_feed
from tests.gateway.feeds.feed_system import feed_token, open_feed_system
from tests.gateway.feeds.lsports.provider import MATCH, NOW_MS, ODDS, Provider


def match() -> list[bytes]:
    """Return the messages of a match."""
    provider = Provider()
    return [
        provider.fixture(),
        provider.odds(ODDS),
        provider.suspend(),
        provider.odds({"1": "1.50"}),
        provider.fixture(status=3),
        provider.settle({"1": 2, "X": 1, "2": 1}),
    ]


def written(path: Path) -> Path:
    path.write_bytes(gzip.compress(b"\n".join(match())))
    return path


def test_a_recording_is_recognised_and_read_with_its_times(tmp_path: Path) -> None:
    path = written(tmp_path / "recording.gz")
    assert kind_of(path) == LSPORTS
    found = list(read_messages(path))
    assert [one.body for one in found] == match()
    assert [one.at_ms for one in found] == list(range(NOW_MS + 1, NOW_MS + 7))


def test_a_replay_follows_a_recording_without_a_provider(tmp_path: Path) -> None:
    recording = read_summary(written(tmp_path / "recording.gz"))
    assert (recording.kind, recording.messages) == (LSPORTS, 6)
    part = recorded_feed(recording, Config())
    adapter = part.arguments["make_adapter"]()
    assert isinstance(adapter, LsportsAdapter)
    adapter.resume([], at_ns=0)
    actions = [
        action for body in match() for action in adapter.receive(body, at_ns=10**18 * 2).actions
    ]
    assert {action.key for action in actions} == {f"lsports.{MATCH}/lsports_1"}


async def test_a_recording_is_carried_through_a_gateway_to_its_results(tmp_path: Path) -> None:
    adapter = partial(LsportsAdapter, feed="tiny", settings=LsportsSettings(watch=False))
    path = written(tmp_path / "recording.gz")
    async with open_feed_system(tmp_path, make_adapter=adapter, gateway={}) as feeds:
        bridge = Bridge(
            transport=FileTransport(path, kind="lsports"),
            feed="tiny",
            url=feeds.feed_url,
            token=feed_token,
        )
        await bridge.run()
        assert bridge.kinds == {"fixture": 2, "market": 3, "settlement": 1}
        (image,) = (await feeds.images()).values()
        assert image.status is Status.SETTLED


async def test_a_recording_of_a_live_feed_holds_no_message_of_ours(tmp_path: Path) -> None:
    class Live(FileTransport):
        async def messages(self):  # type: ignore[no-untyped-def]
            yield Incoming(BEGAN_BODY, own=True)
            async for message in super().messages():
                yield message

    path = tmp_path / "kept.jsonl"
    recorder = Recorder(Live(written(tmp_path / "recording.gz"), kind="lsports"), path)
    assert [message.body async for message in recorder.messages()] == [BEGAN_BODY, *match()]
    await recorder.close()
    assert [one.body for one in read_messages(path)] == match()
