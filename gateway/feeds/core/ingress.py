"""The gateway's side of feeds: pushes on their way to a desk, in order, and wishes back.

Owns who pushes and who listens, and the order of one session's messages: a desk is asked to take
the next ones when it has taken those before. Never looks into a message, and keeps none: what a
desk has not answered is its source's to send again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from actors.peer import Peer, PeerError, PeerRefusedError
from engine.common.reasons import MESSAGES, Reason
from gateway.counters import Counters
from gateway.feeds.core.adapter import RecoveryRequest
from gateway.feeds.core.messages import (
    BODIES_IN_CALL_MAX,
    decode_answers,
    decode_request,
    decode_requests,
)
from gateway.feeds.core.metrics import FeedFigures
from gateway.messages.base import Error
from gateway.messages.feed import (
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
FeedAsk = FeedPush | FeedAttach | FeedRequestDone | AskFeedStats

_AGAIN: Final = "send all that is unanswered again, in order, on a new connection"


class _Push:
    """A push that waits, and how many of the waiting bodies are its."""

    __slots__ = ("bodies", "id")

    def __init__(self, ask: FeedPush) -> None:
        self.id = ask.id
        self.bodies = ask.bodies


class _PushQueue:
    """One session's pushes to one feed: taken in order, answered when they are obeyed."""

    def __init__(self, ingress: "FeedIngress", feed: str, send: Send) -> None:
        self._ingress = ingress
        self._feed = feed
        self._send = send
        self._waiting: deque[_Push] = deque()
        self._in_flight = 0
        self._fault: Reason | None = None
        self._taking = False
        self._tasks: set[asyncio.Task[None]] = set()

    def push(self, ask: FeedPush) -> None:
        """Take a push, or refuse it; after a refusal nothing more is taken from this session."""
        if self._fault is None and self._in_flight >= self._ingress.pushes_in_flight_max:
            self._fault = Reason.BUSY
        if self._fault is not None:
            self._refuse(ask.id)
            return
        self._in_flight += 1
        self._waiting.append(_Push(ask))
        if not self._taking:
            self._taking = True
            self._spawn(self._take())

    def stop(self) -> None:
        """Forget all: nobody waits for the answers."""
        self._waiting.clear()
        for task in list(self._tasks):
            task.cancel()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self) -> None:
        """Have the desk take what waits, call after call."""
        loop, pace_s = asyncio.get_running_loop(), self._ingress.pace_s
        while self._waiting:
            next_s = loop.time() + pace_s
            pushes = self._gather()
            bodies = [body for push in pushes for body in push.bodies]
            try:
                peer = self._ingress.peer(self._feed)
                ticket = await peer.ask("accept", bodies)
            except Exception as error:
                self._fail(error, pushes)
                self._fail(error, list(self._waiting))
                self._waiting.clear()
                break
            self._spawn(self._answer(peer, ticket, pushes))
            if self._waiting and loop.time() < next_s:
                await asyncio.sleep(next_s - loop.time())
        self._taking = False

    def _gather(self) -> list[_Push]:
        """Return the pushes that one call takes: at least one, and no half ones."""
        pushes = [self._waiting.popleft()]
        count = len(pushes[0].bodies)
        while self._waiting and count + len(self._waiting[0].bodies) <= BODIES_IN_CALL_MAX:
            count += len(self._waiting[0].bodies)
            pushes.append(self._waiting.popleft())
        return pushes

    async def _answer(self, peer: Peer, ticket: int, pushes: list[_Push]) -> None:
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
            self._ingress.count(part_len=len(part), refused=sum(bool(a.refused) for a in part))
            results = tuple(FeedResult(kind=a.kind, refused=a.refused) for a in part)
            self._send(FeedPushed(id=push.id, results=results))

    def _fail(self, error: Exception, pushes: list[_Push]) -> None:
        if not isinstance(error, PeerError | PeerRefusedError):
            logger.error("feed %s met a defect", self._feed, exc_info=error)
        self._fault = self._fault or Reason.UNAVAILABLE
        for push in pushes:
            self._in_flight -= 1
            self._refuse(push.id)

    def _refuse(self, number: int) -> None:
        assert self._fault is not None
        self._send(
            Error(code=int(self._fault), message=f"{MESSAGES[self._fault]}; {_AGAIN}", id=number)
        )


class FeedIngress:
    """All feeds of a gateway, by name, and the sessions that serve them.

    Parameters
    ----------
    settings : GatewaySettings
        Bounds and pace.
    counters : Counters
        Told of every message.
    """

    def __init__(self, *, settings: GatewaySettings, counters: Counters) -> None:
        self.pushes_in_flight_max: Final = settings.feed_pushes_in_flight_max
        self.pace_s: Final = settings.feed_pace_ms / 1_000
        self._timeout_s: Final = settings.control_timeout_ms / 1_000
        self._counters: Final = counters
        self._peers: dict[str, Peer] = {}
        self.figures: Final = FeedFigures(self._peers, timeout_s=self._timeout_s)
        self._sent: dict[str, int] = {}
        self._queues: dict[object, dict[str, _PushQueue]] = {}
        self._attached: dict[str, dict[object, Send]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- told by the others ----------------------------------------------------------------------

    def on_feeds(self, version: int, feeds: Mapping[str, Peer]) -> None:
        """Take over which part takes which feed; an older word on a feed is ignored."""
        for feed, peer in feeds.items():
            if version >= self._sent.get(feed, 0):
                self._sent[feed] = version
                self._peers[feed] = peer

    def on_request(self, feed: str, payload: bytes) -> None:
        """Pass on what a feed's provider is to be asked for."""
        for send in self._attached.get(feed, {}).values():
            send(_request(feed, decode_request(payload)))

    # --- sessions --------------------------------------------------------------------------------

    def take(self, session: object, ask: FeedAsk, send: Send) -> None:
        """Take one message of a session."""
        if ask.feed not in self._peers:
            there = ", ".join(sorted(self._peers)) or "none"
            message = f"feed: no such feed; there are: {there}"
            send(Error(code=int(Reason.FIELD_OUT_OF_BOUNDS), message=message, id=ask.id))
        elif isinstance(ask, FeedPush):
            queues = self._queues.setdefault(session, {})
            if ask.feed not in queues:
                queues[ask.feed] = _PushQueue(self, ask.feed, send)
            queues[ask.feed].push(ask)
        elif isinstance(ask, FeedAttach):
            self._attached.setdefault(ask.feed, {})[session] = send
            self._spawn(self._attach(ask, send))
        elif isinstance(ask, FeedRequestDone):
            self._peers[ask.feed].notify("request_done", ask.producer, ask.request_id)
        else:
            self._spawn(self._stats(ask, send))

    def leave(self, session: object) -> None:
        """Let go of a session; what it pushed goes on without it."""
        for queue in self._queues.pop(session, {}).values():
            queue.stop()
        for sessions in self._attached.values():
            sessions.pop(session, None)

    def peer(self, feed: str) -> Peer:
        """Return who takes a feed now."""
        return self._peers[feed]

    def count(self, *, part_len: int, refused: int) -> None:
        """Count answered messages."""
        self._counters.feed_messages += part_len
        self._counters.feed_refused += refused

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attach(self, ask: FeedAttach, send: Send) -> None:
        """Answer, and then hand over what was wished for while nobody listened."""
        send(FeedAttached(id=ask.id, feed=ask.feed))
        try:
            raw = await self._peers[ask.feed].ask("requests", timeout_s=self._timeout_s)
        except PeerError:
            return  # it tells its wishes again when it is there again
        for request in decode_requests(raw):
            send(_request(ask.feed, request))

    async def _stats(self, ask: AskFeedStats, send: Send) -> None:
        try:
            stats = await self._peers[ask.feed].ask("stats", timeout_s=self._timeout_s)
        except PeerError:
            code = Reason.UNAVAILABLE
            send(Error(code=int(code), message=MESSAGES[code], id=ask.id))
            return
        fields = {name: stats[name] for name in FeedStats.__struct_fields__ if name in stats}
        send(FeedStats(id=ask.id, **fields))


def _request(feed: str, request: RecoveryRequest) -> FeedRequest:
    return FeedRequest(
        feed=feed,
        producer=request.producer,
        after_ms=request.after_ms,
        request_id=request.request_id,
    )
