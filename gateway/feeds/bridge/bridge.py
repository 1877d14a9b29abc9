"""The bridge: a process outside the system that carries a provider's messages to the feed listener.

Owns what is between a transport and a gateway: how many messages are on their way, what was
answered, and what is sent again. A message is acknowledged to its source when the gateway says that
every market has obeyed it, and not before; a lost connection has all that was not answered sent
again, in order. It never reads a message.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

from engine.common.reasons import Reason
from gateway.client import (
    ConnectionLostError,
    FeedSession,
    GatewayError,
    HandshakeRefusedError,
    RefusedError,
    connect_feed,
)
from gateway.messages.feed import FeedPushed, FeedRequest
from gateway.settings import FEED_BODIES_MAX, FEED_BODY_BYTES_MAX

logger = logging.getLogger("overround.bridge")

PUSH_BODIES_MAX: Final = 128
PUSH_BYTES_MAX: Final = 1 << 20
"""A push is closed when it has grown to this; one message alone may be longer."""
REFUSALS_SHOWN_MAX: Final = 20
REQUESTS_KEPT_MAX: Final = 256
"""Wishes remembered as granted, so that none is granted twice."""
_AGAIN_FIRST_S: Final = 0.1
_AGAIN_LAST_S: Final = 5.0

assert PUSH_BODIES_MAX <= FEED_BODIES_MAX


class BridgeError(Exception):
    """The bridge cannot go on: the gateway refuses it, or knows no such feed."""


class Incoming(Struct, frozen=True):
    """One message off a transport, and what its source wants back when it may be forgotten."""

    body: bytes
    receipt: Any = None


class Transport(Protocol):
    """Where messages come from."""

    def messages(self) -> AsyncIterator[Incoming]:
        """Give messages in order, for ever or until there are no more."""
        ...

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """Let the source forget messages: their markets have obeyed them."""
        ...

    async def request(self, request: FeedRequest) -> bool:
        """Ask the provider to repeat something; say whether it was asked."""
        ...

    async def close(self) -> None:
        """End the iterator, and let go of the source."""
        ...


class BridgeSettings(Struct, frozen=True, kw_only=True):
    """How much is on its way, and for how long a gateway is sought."""

    window: int = 4_096
    """Messages read and not yet answered; past it no more are read."""
    pushes_max: int = 256
    """Pushes not yet answered; well within what a gateway takes."""
    give_up_s: float = 0.0
    """Without a gateway for so long, the bridge ends with an error; 0: it never does."""
    last_answers_s: float = 5.0
    """How long a bridge that was stopped awaits answers; what has none then comes again."""


class BridgeCounts(Struct):
    """What was carried."""

    read: int = 0
    answered: int = 0
    refused: int = 0
    sent_again: int = 0
    connections: int = 0
    requests: int = 0
    too_long: int = 0


class _Push:
    __slots__ = ("answered", "messages")

    def __init__(self, messages: list[Incoming]) -> None:
        self.messages = messages
        self.answered = False


class Bridge:
    """One transport, one feed, one gateway at a time.

    Parameters
    ----------
    transport : Transport
        Where messages come from.
    feed : str
        The feed's name at the gateway.
    url : str
        The feed listener.
    token : callable
        Gives the token of each connection.
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
        """Send no more, and end when what is on its way is answered, or soon."""
        if not self._stopping:
            self._stopping = True
            if self._running:
                loop = asyncio.get_running_loop()
                self._patience.reschedule(loop.time() + self._settings.last_answers_s)
        self._notify()

    async def run(self) -> None:
        """Carry messages until there are no more, or `stop` is called.

        Raises
        ------
        BridgeError
            The gateway refuses this bridge for good, or none was found in time.
        Exception
            Whatever ended the transport, once all that it gave is answered.
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
                async for message in messages:
                    while self._unanswered >= self._settings.window:
                        self._room.clear()
                        await self._room.wait()
                    self.counts.read += 1
                    if len(message.body) > FEED_BODY_BYTES_MAX:
                        self.counts.too_long += 1  # no gateway would ever take it
                        await self._transport.acknowledge([message.receipt])
                        continue
                    self._unanswered += 1
                    self._to_send.append(message)
                    self._notify()
        except Exception as error:  # told once all that came before is answered
            self._end = error
        finally:
            self._ended = True
            self._notify()

    def _notify(self) -> None:
        self._changed.set()

    # --- to the gateway --------------------------------------------------------------------------

    async def _carry(self) -> None:
        again_s, sought_s = _AGAIN_FIRST_S, 0.0
        while True:
            try:
                async with connect_feed(self._url, token=self._token()) as session:
                    self.counts.connections += 1
                    again_s, sought_s = _AGAIN_FIRST_S, 0.0
                    try:
                        await self._serve(session)
                    except asyncio.CancelledError:  # nobody waits for a goodbye any more
                        session.abort()
                        raise
                    return
            except HandshakeRefusedError as error:
                if error.status in (401, 403):
                    raise BridgeError(f"the gateway refuses us: {error}") from error
                why: Exception = error
            except (RefusedError, ConnectionLostError, TimeoutError) as error:
                why = error
            self._take_back()
            if self._stopping:
                return
            give_up_s = self._settings.give_up_s
            if give_up_s and sought_s >= give_up_s:
                raise BridgeError(f"no gateway at {self._url}: {why}")
            logger.warning("%s; again in %.1f s", why, again_s)
            await self._rest(again_s)
            sought_s += again_s
            again_s = min(again_s * 2, _AGAIN_LAST_S)

    async def _rest(self, seconds: float) -> None:
        """Wait, but not when we are to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._stopping:
                    self._changed.clear()
                    await self._changed.wait()

    async def _serve(self, session: FeedSession) -> None:
        """Push and await answers on one connection; return when all is done."""
        self._fault = None
        session.on_request = lambda request: self._on_request(session, request)
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
                self._changed.clear()  # before all else: what comes from here on makes another turn
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
        # Their own words were told already; one that failed, or died with its source, ends nothing.
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _done(self) -> bool:
        """Say whether nothing is left to send or to hear."""
        if self._stopping:
            return not self._pushed
        return self._ended and not self._to_send and not self._pushed

    @property
    def _may_push(self) -> bool:
        """Say whether something is to be sent, and there is room for it on the way."""
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
        push = _Push(messages)
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
            self._count(answer.result())
            self._unanswered -= len(push.messages)
            self._room.set()
            self._spawn(self._transport.acknowledge([message.receipt for message in push.messages]))
        self._notify()

    def _count(self, answer: FeedPushed) -> None:
        for result in answer.results:
            self.counts.answered += 1
            self.kinds[result.kind] = self.kinds.get(result.kind, 0) + 1
            if result.refused:
                self.counts.refused += 1
                self.refusals.append(f"{result.kind}: {result.refused}")

    def _take_back(self) -> None:
        """Have what was not answered sent again, before all else and in its order."""
        while self._pushed:
            messages = self._pushed.pop().messages
            self.counts.sent_again += len(messages)
            self._to_send.extendleft(reversed(messages))

    # --- wishes ----------------------------------------------------------------------------------

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
            logger.warning("the source did not take our word: %s", task.exception())
