"""The bridge: a process outside the system that carries a provider's messages to the feed listener.

Owns the messages between a transport and a gateway: how many are in flight, which are answered, and
which are sent again. A message is acknowledged to its source when the gateway says that every
market has applied it, and not before. After a lost connection all unanswered messages are sent
again, in order. It never reads a message.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

from actors.back_off import BackOff
from engine.common.reasons import Reason
from gateway.client import (
    ConnectionLostError,
    FeedSession,
    GatewayError,
    HandshakeRefusedError,
    RefusedError,
    connect_feed,
)
from gateway.messages.feed import FeedPushed, FeedReleased, FeedRequest, FeedResult
from gateway.settings import FEED_BODIES_MAX, FEED_BODY_BYTES_MAX

logger = logging.getLogger("overround.bridge")

PUSH_BODIES_MAX: Final = 128
PUSH_BYTES_MAX: Final = 1 << 20
"""Size of a push past which no message is added; a single message may be longer."""
REFUSALS_SHOWN_MAX: Final = 20
REQUESTS_KEPT_MAX: Final = 256
"""Recovery requests remembered as made, so that none is made twice; past it the oldest go."""
_RETRY_MIN_S: Final = 0.1
_RETRY_MAX_S: Final = 5.0

assert PUSH_BODIES_MAX <= FEED_BODIES_MAX


class BridgeError(Exception):
    """The gateway refuses the bridge for good, or knows no such feed."""


class Incoming(Struct, frozen=True):
    """One message from a transport, and the receipt that acknowledges it.

    `own`: the transport's own message, which no recording holds: a recording never breaks off.
    """

    body: bytes
    receipt: Any = None
    own: bool = False


class Transport(Protocol):
    """A source of messages."""

    def messages(self) -> AsyncIterator[Incoming]:
        """Yield messages in order, without end or until the last one."""
        ...

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """Acknowledge messages to the source: their markets have applied them."""
        ...

    async def request(self, request: FeedRequest) -> bool:
        """Ask the provider to repeat messages; return whether it was asked."""
        ...

    async def close(self) -> None:
        """End the iterator and disconnect from the source."""
        ...


class BridgeSettings(Struct, frozen=True, kw_only=True):
    """How much may be in flight, and how long a gateway is looked for."""

    window: int = 4_096
    """Messages read and not yet answered; past it no more are read."""
    pushes_max: int = 256
    """Pushes not yet answered; well below the gateway's bound."""
    give_up_s: float = 0.0
    """The bridge ends with an error after so long without a gateway; 0: never."""
    last_answers_s: float = 5.0
    """How long a stopped bridge waits for answers; what has none then is sent again later."""


class BridgeCounts(Struct):
    """Counts of what was carried."""

    read: int = 0
    answered: int = 0
    refused: int = 0
    sent_again: int = 0
    connections: int = 0
    requests: int = 0
    held: int = 0
    """Read and held by the pipeline: not acknowledged."""
    too_long: int = 0


class _Push:
    """Messages of one push, by their place in it, that are not answered."""

    __slots__ = ("messages", "order")

    def __init__(self, messages: list[Incoming], *, order: int) -> None:
        self.messages = dict(enumerate(messages))
        self.order = order


class Bridge:
    """Carry one transport's messages to one feed, over one gateway at a time.

    Parameters
    ----------
    transport : Transport
        Where messages come from.
    feed : str
        The feed's name at the gateway.
    url : str
        The feed listener.
    token : callable
        Returns a token for each connection.
    settings : BridgeSettings
        Bounds.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        feed: str,
        url: str,
        token: Callable[[], str],
        settings: BridgeSettings | None = None,
    ) -> None:
        self.counts = BridgeCounts()
        self.kinds: dict[str, int] = {}
        self.refusals: deque[str] = deque(maxlen=REFUSALS_SHOWN_MAX)
        self._transport = transport
        self._feed = feed
        self._url = url
        self._token = token
        self._settings = settings or BridgeSettings()
        self._to_send: deque[Incoming] = deque()
        self._pushed: deque[_Push] = deque()
        self._held: dict[int, _Push] = {}
        """Pushes of this connection, by number, of which messages are held by the pipeline."""
        self._pushes = 0
        self._unanswered = 0
        self._ended = False
        self._running = False
        self._stopping = False
        self._end: BaseException | None = None
        self._fault: Exception | None = None
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._patience = asyncio.timeout(None)
        self._requested: dict[tuple[int, int], None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Send nothing more, and end when all in flight is answered, or after `last_answers_s`."""
        if not self._stopping:
            self._stopping = True
            if self._running:
                loop = asyncio.get_running_loop()
                self._patience.reschedule(loop.time() + self._settings.last_answers_s)
        self._notify()

    async def run(self) -> None:
        """Carry messages until the last one, or until `stop` is called.

        Raises
        ------
        BridgeError
            The gateway refuses this bridge for good, or none was found in time.
        Exception
            The error that ended the transport, once all its messages are answered.
        """
        reading = asyncio.create_task(self._read())
        end = None
        try:
            async with self._patience:
                self._running = True
                await self._carry()
            end = self._end
        except TimeoutError:
            if not self._patience.expired():
                raise
        finally:
            self._running = False
            reading.cancel()
            for task in list(self._tasks):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
            await self._transport.close()
        if end is not None:
            raise end

    # --- from the source -------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            async with contextlib.aclosing(self._transport.messages()) as messages:  # type: ignore[type-var]
                async for incoming in messages:
                    while self._unanswered >= self._settings.window:
                        self._room.clear()
                        await self._room.wait()
                    self.counts.read += 1
                    message = _within_bound(incoming)
                    self.counts.too_long += message is not incoming
                    self._unanswered += 1
                    self._to_send.append(message)
                    self._notify()
        except Exception as error:  # raised once all earlier messages are answered
            self._end = error
        finally:
            self._ended = True
            self._notify()

    def _notify(self) -> None:
        self._changed.set()

    # --- to the gateway --------------------------------------------------------------------------

    async def _carry(self) -> None:
        back_off = BackOff(_RETRY_MIN_S, _RETRY_MAX_S, clock_s=asyncio.get_running_loop().time)
        waited_s = 0.0
        while True:
            try:
                async with connect_feed(self._url, token=self._token()) as session:
                    self.counts.connections += 1
                    back_off.succeeded()
                    waited_s = 0.0
                    try:
                        await self._serve(session)
                    except asyncio.CancelledError:  # close without waiting for the peer
                        session.abort()
                        raise
                    return
            except HandshakeRefusedError as error:
                if error.status in (401, 403):
                    raise BridgeError(f"the gateway refuses the bridge: {error}") from error
                why: Exception = error
            except (RefusedError, ConnectionLostError, TimeoutError) as error:
                why = error
            self._take_back()
            if self._stopping:
                return
            give_up_s = self._settings.give_up_s
            if give_up_s and waited_s >= give_up_s:
                raise BridgeError(f"no gateway at {self._url}: {why}")
            retry_s = back_off.failed()
            logger.warning("%s; next attempt in %.1f s", why, retry_s)
            await self._pause(retry_s)
            waited_s += retry_s

    async def _pause(self, seconds: float) -> None:
        """Wait; `stop` ends the wait."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._stopping:
                    self._changed.clear()
                    await self._changed.wait()

    async def _serve(self, session: FeedSession) -> None:
        """Push and await answers on one connection; return when nothing is left."""
        self._fault = None
        session.on_request = lambda request: self._on_request(session, request)
        session.on_released = self._on_released
        try:
            await session.attach(self._feed)
        except RefusedError as error:
            if error.reason is Reason.FIELD_OUT_OF_BOUNDS:
                raise BridgeError(str(error)) from error
            raise
        losing = asyncio.create_task(session.wait_lost())
        losing.add_done_callback(lambda _: self._notify())
        try:
            while not self._done:
                self._changed.clear()  # first: a change from here on causes another turn
                if session.lost is not None:
                    raise session.lost
                if self._fault is not None:
                    raise self._fault
                while self._may_push:
                    self._push(session)
                await session.drain()
                await self._changed.wait()
        finally:
            losing.cancel()
        # Acknowledgements that fail are logged by _on_task and end nothing.
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _done(self) -> bool:
        """Whether nothing is left to send or to be answered; held messages stay with the source."""
        if self._stopping:
            return not self._pushed
        return self._ended and not self._to_send and not self._pushed

    @property
    def _may_push(self) -> bool:
        """Whether a message waits and another push may be in flight."""
        if self._stopping or not self._to_send:
            return False
        return len(self._pushed) < self._settings.pushes_max

    def _push(self, session: FeedSession) -> None:
        messages = [self._to_send.popleft()]
        size = len(messages[0].body)
        while (
            self._to_send
            and len(messages) < PUSH_BODIES_MAX
            and size + len(self._to_send[0].body) <= PUSH_BYTES_MAX
        ):
            size += len(self._to_send[0].body)
            messages.append(self._to_send.popleft())
        self._pushes += 1
        push = _Push(messages, order=self._pushes)
        self._pushed.append(push)
        future = session.push(self._feed, [message.body for message in messages])
        future.add_done_callback(lambda done: self._on_answer(push, done))

    def _on_answer(self, push: _Push, answer: "asyncio.Future[FeedPushed]") -> None:
        if answer.cancelled() or push not in self._pushed:
            return
        error = answer.exception()
        if error is not None:
            assert isinstance(error, GatewayError), "a session fails in no other way"
            self._fault = self._fault or error
        else:
            self._pushed.remove(push)
            pushed = answer.result()
            held = [index for index, result in enumerate(pushed.results) if result.held]
            if held:
                self._held[pushed.id] = push
                self.counts.held += len(held)
            self._answered(push, [each for each in enumerate(pushed.results) if not each[1].held])
        self._notify()

    def _on_released(self, pushed: FeedPushed) -> None:
        """Take the results of held messages; what the pipeline lost is sent again."""
        push = self._held.get(pushed.id)
        if push is None:
            return
        self.counts.held -= len(pushed.released)
        self._answered(push, [(each.index, each) for each in pushed.released if not each.again])
        again = [push.messages.pop(each.index) for each in pushed.released if each.again]
        self.counts.sent_again += len(again)
        self._to_send.extendleft(reversed(again))
        if not push.messages:
            del self._held[pushed.id]
        self._notify()

    def _answered(self, push: _Push, results: list[tuple[int, FeedResult | FeedReleased]]) -> None:
        """Acknowledge messages of a push to their source."""
        for _, result in results:
            self.counts.answered += 1
            self.kinds[result.kind] = self.kinds.get(result.kind, 0) + 1
            if result.refused:
                self.counts.refused += 1
                self.refusals.append(f"{result.kind}: {result.refused}")
        receipts = [push.messages.pop(index).receipt for index, _ in results]
        self._unanswered -= len(receipts)
        self._room.set()
        if receipts:
            self._spawn(self._transport.acknowledge(receipts))

    def _take_back(self) -> None:
        """Queue unanswered messages again, first and in their order."""
        pushes = sorted([*self._held.values(), *self._pushed], key=lambda push: push.order)
        messages = [message for push in pushes for message in push.messages.values()]
        self._held.clear()
        self._pushed.clear()
        self.counts.held = 0
        self.counts.sent_again += len(messages)
        self._to_send.extendleft(reversed(messages))

    # --- recovery requests -----------------------------------------------------------------------

    def _on_request(self, session: FeedSession, request: FeedRequest) -> None:
        name = (request.producer, request.request_id)
        if name not in self._requested:
            self._requested[name] = None
            while len(self._requested) > REQUESTS_KEPT_MAX:
                del self._requested[next(iter(self._requested))]
            self._spawn(self._request_recovery(session, request))

    async def _request_recovery(self, session: FeedSession, request: FeedRequest) -> None:
        if not await self._transport.request(request):
            self._requested.pop((request.producer, request.request_id), None)
            return
        self.counts.requests += 1
        with contextlib.suppress(ConnectionLostError):
            session.request_done(
                request.feed, producer=request.producer, request_id=request.request_id
            )

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task)

    def _on_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.warning(
                "the source failed on an acknowledgement or a recovery request: %s",
                task.exception(),
            )


def _within_bound(message: Incoming) -> Incoming:
    """Return a message, or the start of one over every gateway's bound.

    By the start of a message the adapter stops what the whole of it may have stopped.
    """
    if len(message.body) <= FEED_BODY_BYTES_MAX:
        return message
    return Incoming(message.body[:FEED_BODY_BYTES_MAX], message.receipt)
