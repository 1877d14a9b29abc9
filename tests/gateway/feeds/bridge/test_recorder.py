"""A recording holds a feed's messages as they arrived, and reads back as the same messages."""

import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.feeds.bridge.bridge import Incoming
from gateway.feeds.bridge.recorder import Recorder
from gateway.feeds.bridge.recordings import read_messages
from gateway.feeds.bridge.transports import FileTransport
from gateway.feeds.uof.messages import SUBSCRIPTION_STARTED
from gateway.messages.feed import FeedRequest

ALIVE = b'<alive product="1"\n  timestamp="5" subscribed="1"/>\n'
STOP = b'<bet_stop event_id="sr:match:1" product="1" timestamp="6" groups="all"/>'


class TwoMessages:
    """A source of two messages that records its acknowledgements and requests."""

    def __init__(self) -> None:
        self.acknowledged: list[Any] = []
        self.requests: list[FeedRequest] = []
        self.closed = False

    async def messages(self) -> AsyncIterator[Incoming]:
        yield Incoming(ALIVE, 1)
        yield Incoming(STOP, 2)

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        self.acknowledged += receipts

    async def request(self, request: FeedRequest) -> bool:
        self.requests.append(request)
        return True

    async def close(self) -> None:
        self.closed = True


async def test_messages_pass_unchanged_and_are_recorded_one_per_line(tmp_path: Path) -> None:
    path = tmp_path / "kept.xml"
    recorder = Recorder(TwoMessages(), path)
    assert [message async for message in recorder.messages()] == [
        Incoming(ALIVE, 1),
        Incoming(STOP, 2),
    ]
    await recorder.close()
    kept = [recorded.body for recorded in read_messages(path)]
    assert kept == [ALIVE.strip().replace(b"\n", b" "), STOP]
    assert recorder.written == 2


async def test_messages_of_the_transport_itself_pass_and_are_not_recorded(tmp_path: Path) -> None:
    class Restarted(TwoMessages):
        async def messages(self) -> AsyncIterator[Incoming]:
            yield Incoming(SUBSCRIPTION_STARTED, own=True)
            yield Incoming(STOP, 2)

    path = tmp_path / "kept.xml"
    recorder = Recorder(Restarted(), path)
    passed = [message.body async for message in recorder.messages()]
    await recorder.close()
    assert passed == [SUBSCRIPTION_STARTED, STOP]
    assert [recorded.body for recorded in read_messages(path)] == [STOP]


async def test_recording_appends_to_an_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.xml"
    for _ in range(2):
        recorder = Recorder(TwoMessages(), path)
        assert len([message async for message in recorder.messages()]) == 2
        await recorder.close()
    replayed = FileTransport(path, kind="uof")
    assert len([message async for message in replayed.messages()]) == 4


async def test_acknowledgements_requests_and_the_end_reach_the_source(tmp_path: Path) -> None:
    source = TwoMessages()
    recorder = Recorder(source, tmp_path / "kept.xml")
    request = FeedRequest(feed="uof", producer=1, after_ms=0, request_id=7)
    await recorder.acknowledge([1, 2])
    assert await recorder.request(request)
    await recorder.close()
    await recorder.close()
    assert (source.acknowledged, source.requests, source.closed) == ([1, 2], [request], True)


async def test_full_disk_ends_the_recording_and_not_the_feed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = Recorder(TwoMessages(), Path("/dev/full"))
    with caplog.at_level(logging.ERROR, logger="overround.bridge"):
        passed = [message async for message in recorder.messages()]
        await recorder.acknowledge([1])
        await recorder.close()
    assert len(passed) == 2
    assert "the recording ends" in caplog.text


def test_file_that_cannot_be_opened_raises_at_once(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        Recorder(TwoMessages(), tmp_path)
