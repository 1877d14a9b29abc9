"""A session's pushes on their way to a scripted pipeline, on a virtual clock."""

import asyncio
from typing import Any

import pytest

from actors.messages import encode
from actors.peer import PeerDiedError
from engine.common.reasons import Reason
from gateway.counters import Counters
from gateway.feeds.core.adapter import RecoveryRequest
from gateway.feeds.core.ingress import FeedIngress, Send
from gateway.feeds.core.messages import BODIES_IN_CALL_MAX, Answer
from gateway.messages.base import Error
from gateway.messages.feed import FeedAttach, FeedPush, FeedPushed, FeedRequest
from gateway.settings import FEED_BODIES_MAX, GatewaySettings
from tests.actors.virtual import now_s, run_virtual

REQUEST = RecoveryRequest(producer=1, after_ms=0, request_id=5)


class PipelineStub:
    """A pipeline's peer that accepts after a while and answers at once, or is gone."""

    name = "feed-tiny"

    def __init__(self, *, accept_s: float = 0.0) -> None:
        self.accept_s = accept_s
        self.accepts_until = 1 << 30
        self.answers_until = 1 << 30
        self.calls: list[tuple[float, list[bytes]]] = []
        self.can_answer = asyncio.Event()
        self.can_answer.set()

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        if method == "applied":
            await self.can_answer.wait()
            if args[0] >= self.answers_until:
                raise PeerDiedError(self.name)
            return encode([Answer(kind=body.decode()) for body in self.calls[args[0]][1]])
        if method == "requests":
            return encode([])
        assert method == "accept"
        ticket = len(self.calls)
        self.calls.append((now_s(), list(args[0])))
        await asyncio.sleep(self.accept_s)
        if ticket >= self.accepts_until:
            raise PeerDiedError(self.name)
        return ticket

    def notify(self, method: str, /, *args: Any) -> None:
        raise NotImplementedError


class Session:
    """A session of a gateway's feed ingress, and the answers it received."""

    def __init__(self, pipeline: PipelineStub, **settings: Any) -> None:
        self.counters = Counters()
        self.ingress = FeedIngress(settings=GatewaySettings(**settings), counters=self.counters)
        self.ingress.on_feeds(1, {"tiny": pipeline})
        self.pushed: dict[int, list[str]] = {}
        self.refused: dict[int, Reason] = {}

    def attach(self, send: Send) -> None:
        self.ingress.take(self, FeedAttach(id=9, feed="tiny"), send)

    def push(self, number: int, *bodies: bytes) -> None:
        push = FeedPush(id=number, feed="tiny", bodies=bodies or (str(number).encode(),))
        self.ingress.take(self, push, self._receive)

    def _receive(self, message: Any) -> None:
        assert message.id not in self.pushed, "each push is answered once"
        assert message.id not in self.refused
        if isinstance(message, Error):
            self.refused[message.id] = Reason(message.code)
        else:
            assert isinstance(message, FeedPushed)
            self.pushed[message.id] = [result.kind for result in message.results]


def test_pushes_gather_at_the_pace_and_keep_their_order() -> None:
    async def main() -> None:
        pipeline = PipelineStub(accept_s=0.01)
        session = Session(pipeline, feed_pace_ms=30)
        session.push(0)
        await asyncio.sleep(0.005)
        session.push(1)
        await asyncio.sleep(0.01)
        session.push(2)
        await asyncio.sleep(1.0)
        session.push(3)
        await asyncio.sleep(1.0)
        assert [bodies for _, bodies in pipeline.calls] == [[b"0"], [b"1", b"2"], [b"3"]]
        assert [at_s for at_s, _ in pipeline.calls] == pytest.approx([0.0, 0.03, 1.015])
        assert session.pushed == {number: [str(number)] for number in range(4)}
        assert session.counters.feed_messages == 4

    run_virtual(main())


def test_pushes_that_fill_a_call_do_not_wait_for_the_pace() -> None:
    async def main() -> None:
        pipeline = PipelineStub(accept_s=0.01)
        session = Session(pipeline, feed_pace_ms=1_000)
        session.push(0)
        await asyncio.sleep(0.005)
        for number in range(1, 6):
            session.push(number, *[b"x"] * FEED_BODIES_MAX)
        await asyncio.sleep(5.0)
        assert [len(bodies) for _, bodies in pipeline.calls] == [1, BODIES_IN_CALL_MAX, 256]
        assert [at_s for at_s, _ in pipeline.calls] == pytest.approx([0.0, 0.01, 1.01])

    run_virtual(main())


def test_one_call_carries_whole_pushes_up_to_its_bound() -> None:
    async def main() -> None:
        pipeline = PipelineStub()
        session = Session(pipeline)
        for number in range(6):
            session.push(number, *[b"x"] * FEED_BODIES_MAX)
        session.push(6)
        await asyncio.sleep(1.0)
        sizes = [len(bodies) for _, bodies in pipeline.calls]
        assert sizes == [BODIES_IN_CALL_MAX, 2 * FEED_BODIES_MAX + 1]
        assert [len(kinds) for kinds in session.pushed.values()] == [FEED_BODIES_MAX] * 6 + [1]

    run_virtual(main())


def test_pushes_past_the_bound_and_all_later_ones_are_busy_but_earlier_ones_are_answered() -> None:
    async def main() -> None:
        pipeline = PipelineStub()
        pipeline.can_answer.clear()
        session = Session(pipeline, feed_pushes_in_flight_max=2)
        for number in range(4):
            session.push(number)
        assert session.refused == {2: Reason.BUSY, 3: Reason.BUSY}
        pipeline.can_answer.set()
        await asyncio.sleep(1.0)
        assert list(session.pushed) == [0, 1]
        session.push(4)
        assert session.refused[4] is Reason.BUSY

    run_virtual(main())


def test_answered_pushes_make_room_for_others() -> None:
    async def main() -> None:
        session = Session(PipelineStub(), feed_pushes_in_flight_max=1)
        for number in range(5):
            session.push(number)
            await asyncio.sleep(1.0)
        assert list(session.pushed) == list(range(5))

    run_virtual(main())


def test_when_the_pipeline_accepts_no_more_its_pushes_and_all_later_ones_are_refused() -> None:
    async def main() -> None:
        pipeline = PipelineStub(accept_s=0.01)
        pipeline.accepts_until = 1
        session = Session(pipeline)
        session.push(0)
        await asyncio.sleep(0.005)
        session.push(1)
        await asyncio.sleep(0.03)
        session.push(2)
        await asyncio.sleep(1.0)
        assert len(pipeline.calls) == 2
        session.push(3)
        assert session.pushed == {0: ["0"]}
        assert session.refused == dict.fromkeys([1, 2, 3], Reason.UNAVAILABLE)

    run_virtual(main())


def test_pushes_whose_answers_are_lost_are_refused_and_all_later_ones_too() -> None:
    async def main() -> None:
        pipeline = PipelineStub()
        pipeline.answers_until = 1
        session = Session(pipeline)
        session.push(0)
        await asyncio.sleep(1.0)
        session.push(1)
        await asyncio.sleep(1.0)
        session.push(2)
        assert session.pushed == {0: ["0"]}
        assert session.refused == dict.fromkeys([1, 2], Reason.UNAVAILABLE)
        assert len(pipeline.calls) == 2

    run_virtual(main())


def test_a_session_that_left_makes_no_more_calls_and_receives_nothing() -> None:
    async def main() -> None:
        pipeline = PipelineStub(accept_s=0.01)
        pipeline.can_answer.clear()
        session, other = Session(pipeline), object()
        requests: list[Any] = []
        session.attach(requests.append)
        session.ingress.take(other, FeedAttach(id=8, feed="tiny"), requests.append)
        session.push(0)
        await asyncio.sleep(0.02)
        session.push(1)
        await asyncio.sleep(0.015)
        session.push(2)
        session.ingress.leave(session)
        pipeline.can_answer.set()
        session.ingress.on_request("tiny", encode(REQUEST))
        await asyncio.sleep(1.0)
        assert [bodies for _, bodies in pipeline.calls] == [[b"0"], [b"1"]]
        assert (session.pushed, session.refused) == ({}, {})
        assert sum(isinstance(message, FeedRequest) for message in requests) == 1

    run_virtual(main())


def test_an_older_update_of_a_feed_s_pipeline_is_ignored() -> None:
    async def main() -> None:
        first, second = PipelineStub(), PipelineStub()
        session = Session(first)
        session.ingress.on_feeds(3, {"tiny": second})
        session.ingress.on_feeds(2, {"tiny": first})
        session.push(0)
        await asyncio.sleep(1.0)
        assert (len(first.calls), len(second.calls)) == (0, 1)

    run_virtual(main())
