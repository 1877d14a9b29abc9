"""The gateway's side of feeds: pushes on their way to a pipeline, and recovery requests back.

Owns which sessions push and which listen, and the order of one session's messages: the pipeline is
called with the next ones when it has accepted those before. It never reads a message and keeps none
that the pipeline accepted: the source sends again what was not answered.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from actors.back_off import BackOff
from actors.peer import Peer, PeerError, PeerRefusedError
from engine.common.reasons import MESSAGES, Reason
from gateway.call_queue import CallQueue, pace_of_backlog
from gateway.counters import Counters
from gateway.feeds.core.adapter import RecoveryRequest
from gateway.feeds.core.coverage import FeedCoverage
from gateway.feeds.core.facts_answers import FactsAnswers
from gateway.feeds.core.held_pushes import HeldPushes
from gateway.feeds.core.messages import (
    BODIES_IN_CALL_MAX,
    decode_answers,
    decode_request,
    decode_requests,
)
from gateway.feeds.core.metrics import FeedMetrics
from gateway.messages.base import Error
from gateway.messages.feed import (
    AskFeedFacts,
    AskFeedStats,
    FeedAttach,
    FeedAttached,
    FeedPush,
    FeedPushed,
    FeedRequest,
    FeedRequestDone,
    FeedResult,
    FeedStats,
)
from gateway.messages.protocol import ServerMessage
from gateway.settings import GatewaySettings

logger = logging.getLogger("overround.gateway")

Send = Callable[[ServerMessage], None]
FeedMessage = FeedPush | FeedAttach | FeedRequestDone | AskFeedStats | AskFeedFacts
"""What a session may send of a feed."""

_SEND_AGAIN: Final = "send all that is unanswered again, in order, on a new connection"
_DEFECT_REST_S: Final = 1.0
"""Rest of a push queue after a defect of its own; calls that fail end the session's pushes."""


class _PushQueue:
    """One session's pushes to one feed: accepted in order, answered when they are obeyed.

    The first push past the bound is refused with BUSY, the first one that the pipeline does not
    answer with UNAVAILABLE, and after that every push of the session.
    """

    def __init__(self, ingress: "FeedIngress", feed: str, *, session: object, send: Send) -> None:
        self._ingress = ingress
        self._session = session
        self._feed = feed
        self._send = send
        self._in_flight = 0
        self._bodies_waiting = 0
        self._fault: Reason | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._calls = CallQueue[FeedPush](
            feed,
            start=self._start,
            back_off=BackOff(_DEFECT_REST_S, _DEFECT_REST_S),
            pace=pace_of_backlog(
                ingress.pace_s, fills_call=lambda _: self._bodies_waiting >= BODIES_IN_CALL_MAX
            ),
        )

    def push(self, push: FeedPush) -> None:
        """Queue a push, or refuse it and everything after it."""
        if self._fault is None and self._in_flight >= self._ingress.pushes_in_flight_max:
            self._fault = Reason.BUSY
        if self._fault is not None:
            self._refuse(push.id)
            return
        self._in_flight += 1
        self._bodies_waiting += len(push.bodies)
        self._calls.add(push)

    def stop(self) -> None:
        """Make no more calls: the session that the answers are for is gone."""
        self._calls.waiting.clear()
        self._calls.stop()
        for task in list(self._answers):
            task.cancel()

    def _start(self, queue: CallQueue[FeedPush]) -> Coroutine[Any, Any, bool] | None:
        """Take the pushes of one call: at least one, whole ones only."""
        if not queue.waiting:
            return None
        pushes = [queue.waiting.popleft()]
        count = len(pushes[0].bodies)
        while queue.waiting and count + len(queue.waiting[0].bodies) <= BODIES_IN_CALL_MAX:
            count += len(queue.waiting[0].bodies)
            pushes.append(queue.waiting.popleft())
        self._bodies_waiting -= count
        return self._accept(pushes)

    async def _accept(self, pushes: list[FeedPush]) -> bool:
        """Have the pipeline accept pushes; if it does not, refuse them and all that wait."""
        bodies = [body for push in pushes for body in push.bodies]
        try:
            peer = self._ingress.peer(self._feed)
            ticket = await peer.ask("accept", bodies)
        except Exception as error:
            self._fail(error, [*pushes, *self._calls.waiting])
            self._calls.waiting.clear()
            self._bodies_waiting = 0
            return True
        task = asyncio.get_running_loop().create_task(self._answer(peer, ticket, pushes))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)
        return True

    async def _answer(self, peer: Peer, ticket: int, pushes: list[FeedPush]) -> None:
        try:
            answers = decode_answers(await peer.ask("applied", ticket))
        except Exception as error:
            self._fail(error, pushes)
            return
        start = 0
        for push in pushes:
            part = answers[start : start + len(push.bodies)]
            start += len(push.bodies)
            self._in_flight -= 1
            done = [answer for answer in part if not answer.held]
            self._ingress.count(len(done), refused=sum(bool(a.refused) for a in done))
            results = tuple(
                FeedResult(kind=a.kind, refused=a.refused, held=bool(a.held)) for a in part
            )
            self._send(FeedPushed(id=push.id, results=results))
            self._ingress.held.add(
                self._feed, part, session=self._session, send=self._send, push_id=push.id
            )

    def _fail(self, error: Exception, pushes: Iterable[FeedPush]) -> None:
        if not isinstance(error, PeerError | PeerRefusedError):
            logger.error("feed %s met a defect", self._feed, exc_info=error)
        self._fault = self._fault or Reason.UNAVAILABLE
        for push in pushes:
            self._in_flight -= 1
            self._refuse(push.id)

    def _refuse(self, push_id: int) -> None:
        assert self._fault is not None
        text = f"{MESSAGES[self._fault]}; {_SEND_AGAIN}"
        self._send(Error(code=int(self._fault), message=text, id=push_id))


class FeedIngress:
    """All feeds of a gateway by name, and the sessions that push to them or listen to them.

    Parameters
    ----------
    settings : GatewaySettings
        Bounds and pace.
    counters : Counters
        Counts every answered message.
    """

    def __init__(self, *, settings: GatewaySettings, counters: Counters) -> None:
        self.pushes_in_flight_max: Final = settings.feed_pushes_in_flight_max
        self.pace_s: Final = settings.feed_pace_ms / 1_000
        self._timeout_s: Final = settings.control_timeout_ms / 1_000
        self._counters: Final = counters
        self._peers: dict[str, Peer] = {}
        self.metrics: Final = FeedMetrics(self._peers, timeout_s=self._timeout_s)
        self.held: Final = HeldPushes(self._peers, timeout_s=self._timeout_s, count=self.count)
        self.coverage: Final = FeedCoverage(self._peers, timeout_s=self._timeout_s)
        self._facts: Final = FactsAnswers(self._peers, timeout_s=self._timeout_s)
        self._versions: dict[str, int] = {}
        self._queues: dict[object, dict[str, _PushQueue]] = {}
        self._attached: dict[str, dict[object, Send]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- called by the system and by pipelines ---------------------------------------------------

    def on_feeds(self, version: int, feeds: Mapping[str, Peer]) -> None:
        """Take over the pipelines of feeds; an older update of a feed is ignored."""
        for feed, peer in feeds.items():
            if version >= self._versions.get(feed, 0):
                self._versions[feed] = version
                self._peers[feed] = peer

    def on_request(self, feed: str, payload: bytes) -> None:
        """Send a recovery request to the sessions that listen to its feed."""
        for send in self._attached.get(feed, {}).values():
            send(_request(feed, decode_request(payload)))

    # --- sessions --------------------------------------------------------------------------------

    def take(self, session: object, message: FeedMessage, send: Send) -> None:
        """Take one message of a session; `send` sends its answers."""
        if message.feed not in self._peers:
            names = ", ".join(sorted(self._peers)) or "none"
            text = f"feed: no such feed; there are: {names}"
            send(Error(code=int(Reason.FIELD_OUT_OF_BOUNDS), message=text, id=message.id))
        elif isinstance(message, FeedPush):
            queues = self._queues.setdefault(session, {})
            if message.feed not in queues:
                queues[message.feed] = _PushQueue(self, message.feed, session=session, send=send)
            queues[message.feed].push(message)
        elif isinstance(message, FeedAttach):
            self._attached.setdefault(message.feed, {})[session] = send
            self._spawn(self._attach(message, send))
        elif isinstance(message, FeedRequestDone):
            peer = self._peers[message.feed]
            peer.notify("request_done", message.producer, message.request_id)
        elif isinstance(message, AskFeedFacts):
            self._facts.take(message, send)
        else:
            self._spawn(self._stats(message, send))

    def leave(self, session: object) -> None:
        """Forget a session; the pipeline goes on with the pushes that it accepted."""
        for queue in self._queues.pop(session, {}).values():
            queue.stop()
        self.held.leave(session)
        for sessions in self._attached.values():
            sessions.pop(session, None)

    def peer(self, feed: str) -> Peer:
        """Return the pipeline of a feed."""
        return self._peers[feed]

    def count(self, messages: int, *, refused: int) -> None:
        """Count answered messages, and how many of them were refused."""
        self._counters.feed_messages += messages
        self._counters.feed_refused += refused

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attach(self, message: FeedAttach, send: Send) -> None:
        """Answer, then send the recovery requests that are open."""
        send(FeedAttached(id=message.id, feed=message.feed))
        try:
            raw = await self._peers[message.feed].ask("requests", timeout_s=self._timeout_s)
        except PeerError:
            return  # a new process of the pipeline sends its requests by itself
        for request in decode_requests(raw):
            send(_request(message.feed, request))

    async def _stats(self, message: AskFeedStats, send: Send) -> None:
        try:
            stats = await self._peers[message.feed].ask("stats", timeout_s=self._timeout_s)
        except PeerError:
            code = Reason.UNAVAILABLE
            send(Error(code=int(code), message=MESSAGES[code], id=message.id))
            return
        fields = {name: stats[name] for name in FeedStats.__struct_fields__ if name in stats}
        send(FeedStats(id=message.id, **fields))


def _request(feed: str, request: RecoveryRequest) -> FeedRequest:
    return FeedRequest(
        feed=feed,
        producer=request.producer,
        after_ms=request.after_ms,
        request_id=request.request_id,
        event_id=request.event_id,
    )
