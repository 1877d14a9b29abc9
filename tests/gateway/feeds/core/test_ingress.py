"""The feed listener on real sockets: permission to push, order, answers and recovery requests."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.peer import PeerDiedError
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from gateway.client import (
    ConnectionLostError,
    HandshakeRefusedError,
    RefusedError,
    connect,
    connect_control,
    connect_feed,
)
from gateway.client.session import CodecName
from gateway.messages.feed import FeedPush, FeedRequest, FeedResult
from gateway.session.tokens import Role
from gateway.settings import FEED_BODIES_MAX, CloseCode
from tests.gateway.feeds.feed_system import FeedSystem, feed_token, open_feed_system
from tests.gateway.feeds.json_feed import odds, recover
from tests.gateway.price_gateway import token, until

KEY = "cup-1/1x2"


@pytest.fixture
async def feed_system(tmp_path: Path) -> AsyncIterator[FeedSystem]:
    async with open_feed_system(tmp_path, gateway={}) as it:
        yield it


def priced(at: int, **more: Any) -> bytes:
    return odds(KEY, at, 0.5, 0.3, 0.2, **more)


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_a_push_is_answered_message_by_message_once_it_is_obeyed(
    feed_system: FeedSystem, codec: CodecName
) -> None:
    async with connect_feed(feed_system.feed_url, token=feed_token(), codec=codec) as source:
        answer = await source.push("tiny", [priced(1), b"nonsense", priced(2, status=-1)])
        assert [result.kind for result in answer.results] == ["odds", "unreadable", "odds"]
        assert [bool(result.refused) for result in answer.results] == [False, True, False]
        assert (await feed_system.images())[KEY].status is Status.SUSPENDED
        stats = await source.stats("tiny")
        assert (stats.kinds, stats.refused, stats.applied) == ({"odds": 2, "unreadable": 1}, 1, 2)
    assert feed_system.gateway.counters.feed_messages == 3
    assert feed_system.gateway.counters.feed_refused == 1


async def test_pushes_of_a_session_are_accepted_in_their_order(feed_system: FeedSystem) -> None:
    async with connect_feed(feed_system.feed_url, token=feed_token()) as source:
        pushes = [
            source.push("tiny", [odds(KEY, at, status=1 if at % 2 else -1)]) for at in range(1, 200)
        ]
        for push in pushes:
            assert (await push).results == (FeedResult(kind="odds"),)
    assert feed_system.pipeline.stats()["steps_refused"] == {}, "none overtook another"
    assert feed_system.pipeline.stats()["applied"] == 199


async def test_a_feed_s_odds_reach_a_bettor_who_subscribed(feed_system: FeedSystem) -> None:
    bets_url = f"ws://127.0.0.1:{feed_system.system.ports[0]['bets']}"
    async with (
        connect(bets_url, token=token()) as bettor,
        connect_feed(feed_system.feed_url, token=feed_token()) as source,
    ):
        await bettor.subscribe(fixtures=["cup-1"])
        await source.push("tiny", [priced(1)])
        await until(lambda: any(m.status == "active" for m in bettor.prices.values()))


async def test_an_unknown_feed_is_refused_with_the_names_of_the_known_ones(
    feed_system: FeedSystem,
) -> None:
    async with connect_feed(feed_system.feed_url, token=feed_token()) as source:
        with pytest.raises(RefusedError, match="there are: tiny") as raised:
            await source.push("other", [b"x"])
        assert raised.value.reason is Reason.FIELD_OUT_OF_BOUNDS


@pytest.mark.parametrize("role", [Role.BETTOR, Role.TRADER, Role.QUANT])
async def test_only_the_feed_role_is_admitted(feed_system: FeedSystem, role: Role) -> None:
    with pytest.raises(HandshakeRefusedError) as raised:
        await connect_feed(feed_system.feed_url, token=token(role))
    assert raised.value.status == 403


async def test_a_feed_is_refused_by_every_other_listener_and_sends_no_commands(
    feed_system: FeedSystem,
) -> None:
    url = f"ws://127.0.0.1:{feed_system.system.ports[0]['control']}"
    async with connect_control(url, token=feed_token()) as control:
        control.send(FeedPush(id=7, feed="tiny", bodies=(priced(1),)))
        await until(lambda: len(control.errors) == 1)
        assert control.errors[0].code == Reason.NOT_PERMITTED
    async with connect_control(feed_system.feed_url, token=feed_token()) as source:
        with pytest.raises(RefusedError) as raised:
            await source.suspend(1)
        assert raised.value.reason is Reason.NOT_PERMITTED


async def test_too_many_bodies_in_a_push_are_refused_and_too_long_a_frame_ends_the_session(
    tmp_path: Path,
) -> None:
    async with open_feed_system(tmp_path, gateway={"feed_frame_bytes_max": 65_536}) as feed_system:
        async with connect_feed(feed_system.feed_url, token=feed_token()) as source:
            assert source.welcome.frame_bytes_max == 65_536
            with pytest.raises(RefusedError):
                await source.push("tiny", [b"x"] * (FEED_BODIES_MAX + 1))
            with pytest.raises(RefusedError):
                await source.push("tiny", [])
            with pytest.raises(ConnectionLostError) as raised:
                await source.push("tiny", [b"x" * 70_000])
            assert raised.value.code == CloseCode.TOO_BIG
        assert feed_system.pipeline.stats()["kinds"] == {}, "no part of them was received"


async def test_past_the_bound_of_pushes_a_session_is_busy_for_good_and_a_new_one_is_not(
    tmp_path: Path,
) -> None:
    async with open_feed_system(tmp_path, gateway={"feed_pushes_in_flight_max": 2}) as feed_system:
        await feed_system.push(priced(1))
        feed_system.local_process("market-00000").freeze()
        async with connect_feed(feed_system.feed_url, token=feed_token()) as source:
            waiting = [source.push("tiny", [priced(at)]) for at in (2, 3)]
            for at in (4, 5):
                with pytest.raises(RefusedError) as raised:
                    await source.push("tiny", [priced(at)])
                assert raised.value.reason is Reason.BUSY
            feed_system.local_process("market-00000").thaw()
            for push in waiting:
                await push
            with pytest.raises(RefusedError):
                await source.push("tiny", [priced(6)])
        async with connect_feed(feed_system.feed_url, token=feed_token()) as source:
            answer = await source.push("tiny", [priced(4), priced(5), priced(6)])
            assert answer.results == (FeedResult(kind="odds"),) * 3


async def test_recovery_requests_reach_attached_sessions_and_those_that_attach_later(
    feed_system: FeedSystem,
) -> None:
    received: list[FeedRequest] = []
    request = FeedRequest(feed="tiny", producer=1, after_ms=1_000, request_id=9)
    async with connect_feed(feed_system.feed_url, token=feed_token()) as source:
        source.on_request = received.append
        await source.attach("tiny")
        await source.push("tiny", [recover(1_000, 9)])
        await until(lambda: received == [request])
    async with connect_feed(feed_system.feed_url, token=feed_token()) as source:
        source.on_request = received.append
        await source.attach("tiny")
        await until(lambda: received == [request, request])
        source.request_done("tiny", producer=1, request_id=9)
        await until(lambda: feed_system.pipeline.stats()["requests"] == 0)


async def test_messages_of_a_session_that_ended_are_still_obeyed(
    feed_system: FeedSystem,
) -> None:
    await feed_system.push(priced(1))
    feed_system.local_process("market-00000").freeze()
    async with connect_feed(feed_system.feed_url, token=feed_token()) as source:
        push = source.push("tiny", [odds(KEY, 2, status=-1)])
        await until(lambda: feed_system.pipeline.stats()["in_hand"] == 1)
    assert isinstance(push.exception(), ConnectionLostError)
    feed_system.local_process("market-00000").thaw()
    await until(lambda: feed_system.pipeline.stats()["in_hand"] == 0)
    assert (await feed_system.images())[KEY].status is Status.SUSPENDED


class DeadPipeline:
    """A pipeline whose process is gone."""

    name = "feed-tiny"

    async def ask(self, *_: Any, **__: Any) -> Any:
        raise PeerDiedError("feed-tiny")

    def notify(self, *_: Any) -> None:
        return None


async def test_after_a_pipeline_died_a_session_is_refused_for_good_and_a_new_one_is_not(
    feed_system: FeedSystem,
) -> None:
    async with connect_feed(feed_system.feed_url, token=feed_token()) as source:
        await source.push("tiny", [priced(1)])
        living = feed_system.system.feeds["tiny"]
        feed_system.gateway.on_feeds(1 << 60, {"tiny": DeadPipeline()})
        with pytest.raises(RefusedError, match="again") as raised:
            await source.push("tiny", [priced(2)])
        assert raised.value.reason is Reason.UNAVAILABLE
        feed_system.gateway.on_feeds((1 << 60) + 1, {"tiny": living})
        with pytest.raises(RefusedError):
            await source.push("tiny", [priced(3)])
    async with connect_feed(feed_system.feed_url, token=feed_token()) as source:
        await source.push("tiny", [priced(2), priced(3)])
    assert feed_system.pipeline.stats()["applied"] == 3
