"""The session that every role shares: one connection, open requests and latest prices.

Owns the connection and the requests without an answer. It never reconnects; reconnecting.py opens
one session after another. bettor.py and roles.py have the methods of bettors, traders and feeds.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from math import inf
from typing import Any, Final, Literal, TypeVar, cast

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as _ws_connect
from websockets.exceptions import (
    InvalidHandshake,
    InvalidState,
    InvalidStatus,
    WebSocketException,
)
from websockets.frames import BINARY, TEXT, Frame
from websockets.typing import Origin, Subprotocol

from engine.common.ids import MarketNo
from gateway.client.errors import (
    BoundReachedError,
    ConnectionLostError,
    HandshakeRefusedError,
    RefusedError,
)
from gateway.client.expected import Expected
from gateway.client.received import AccountEvent, Received
from gateway.messages.base import Error, Welcome
from gateway.messages.bet_stream import BetSeen
from gateway.messages.bettor import Bet, BetEvent, BetWaits, FreeBetEvent, MoneyEvent
from gateway.messages.feed import AskFeedFacts, FeedFacts, FeedPushed, FeedRequest
from gateway.messages.fixtures import FixtureChanged, FixtureLine
from gateway.messages.market import Market, Odds, Seen, Subscribe, Subscribed, Unsubscribe
from gateway.messages.slips import SlipBet
from gateway.messages.watching import AlertSeen
from gateway.net.codec import JSON, MSGPACK, OP_BINARY, ServerDecoder

logger = logging.getLogger("overround.client")

CodecName = Literal["msgpack", "json"]
REQUESTS_OPEN_MAX: Final = 16_384
"""Requests of one session without an answer; a further one is not sent."""
BETS_OPEN_MAX: Final = 65_536
"""Bets of one session whose answers are awaited; a further one is not sent."""
UNSENT_BYTES_MAX: Final = 128 << 20
"""Bytes that a gateway which does not read leaves unsent; past it nothing further is sent."""

A = TypeVar("A")


def call_back(callback: Callable[[A], None], value: A) -> None:
    """Call the user's code; its exception is the user's, and must not end the connection."""
    try:
        callback(value)
    except Exception:
        logger.exception("a callback of the client's user failed")


class _Connection(ClientConnection):
    """A connection that passes whole messages to its session as they arrive, without a queue."""

    session: "Session"

    def process_event(self, event: Any) -> None:
        """Pass data frames to the session; the base class handles all other events."""
        if isinstance(event, Frame) and event.opcode in (TEXT, BINARY):
            self.session.on_message(bytes(event.data))
        else:
            super().process_event(event)

    def send_data(self) -> None:
        """Write all waiting data in one write."""
        writes = self.protocol.data_to_send()
        if writes and not writes[-1]:
            self.protocol.writes = writes
            super().send_data()  # the last item, empty, ends the stream
        elif writes:
            self.transport.write(b"".join(writes))

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the session."""
        super().connection_lost(exc)
        self.session.on_lost()


class Session:
    """Requests by number, subscriptions and prices, for every role."""

    def __init__(self, codec: CodecName, received: Received | None = None) -> None:
        self.welcome: Welcome = cast(Welcome, None)
        self.received = Received() if received is None else received
        """What has arrived and is not read yet."""
        self.prices: dict[int, Market] = self.received.prices
        """Latest image of every subscribed market, by number."""
        self.on_price: Callable[[Market], None] | None = None
        """Called with the new image at every change, before `updates` yields it."""
        self.on_bet: Callable[[Bet], None] | None = None
        """Called with answers to bets sent by `send_place`."""
        self.on_slip: Callable[[SlipBet], None] | None = None
        """Called with answers to slips sent by `send_place_slip`."""
        self.on_bet_waits: Callable[[BetWaits], None] | None = None
        """Called with a bet or slip that waits, out a delay or for a trader, before its answer."""
        self.on_fixtures: Callable[[tuple[FixtureLine, ...]], None] | None = None
        """Called with the fixtures that have changed, after `watch_fixtures`."""
        self.on_request: Callable[[FeedRequest], None] | None = None
        """Called with each recovery request for a feed's provider."""
        self.on_released: Callable[[FeedPushed], None] | None = None
        """Called with the results of messages that a feed's pipeline had held."""
        self.errors: deque[Error] = deque(maxlen=1_024)
        """Errors that belong to no open request; the last 1,024."""
        self._codec = MSGPACK if codec == "msgpack" else JSON
        self._decode = ServerDecoder(self._codec).decode
        self._loop = asyncio.get_running_loop()
        self._connection: _Connection = cast(_Connection, None)
        self._next_id = 0
        self._requests: dict[int, asyncio.Future[Any]] = {}
        self._bets: Expected[Bet] = Expected()
        self._slips: Expected[SlipBet] = Expected()
        self._many: dict[int, tuple[str, ...]] = {}
        self._waits_until_s: dict[str, float] = {}
        self._welcomed: asyncio.Future[None] = self._loop.create_future()
        self._flushing = False
        self.lost: ConnectionLostError | None = None

    # --- open and close --------------------------------------------------------------------------

    async def open(
        self, url: str, *, token: str, origin: str | None, open_timeout_s: float
    ) -> None:
        """Connect, and await the gateway's welcome message.

        Raises
        ------
        HandshakeRefusedError
            The gateway refused, could not be reached, or did not answer in time.
        ConnectionLostError
            The gateway closed the new session before its first message.
        """

        def create(*args: Any, **kwargs: Any) -> _Connection:
            connection = _Connection(*args, **kwargs)
            connection.session = self
            return connection

        try:
            self._connection = cast(
                _Connection,
                await _ws_connect(
                    url,
                    subprotocols=[Subprotocol(self._codec.subprotocol)],
                    origin=None if origin is None else Origin(origin),
                    compression=None,
                    additional_headers={"Authorization": f"Bearer {token}"} if token else None,
                    open_timeout=open_timeout_s,
                    create_connection=cast(type[ClientConnection], create),
                    proxy=None,
                ),
            )
        except InvalidStatus as error:
            body = bytes(error.response.body or b"").decode(errors="replace").strip()
            raise HandshakeRefusedError(error.response.status_code, body) from error
        except (InvalidHandshake, WebSocketException, OSError, TimeoutError) as error:
            raise HandshakeRefusedError(0, f"{type(error).__name__}: {error}") from error
        try:
            async with asyncio.timeout(open_timeout_s):
                await self._welcomed
        except BaseException as error:
            self.abort()
            if isinstance(error, TimeoutError):
                raise HandshakeRefusedError(0, "no welcome message in time") from error
            raise

    async def close(self) -> None:
        """Close the session; open requests fail with `ConnectionLostError`.

        No callback is called after this.
        """
        self.on_bet = self.on_slip = self.on_price = self.on_request = self.on_released = None
        self.on_fixtures = self.on_bet_waits = None
        self._flush()
        await self._connection.close()

    def abort(self) -> None:
        """End the connection at once, without a close frame: the gateway may no longer answer."""
        self._connection.transport.abort()

    async def wait_lost(self) -> ConnectionLostError:
        """Wait for the end of the session, and return how it ended."""
        await self._connection.wait_closed()
        assert self.lost is not None, "on_lost has been called"
        return self.lost

    def on_lost(self) -> None:
        """Fail all open requests."""
        protocol = self._connection.protocol if self._connection is not None else None
        code = 1006 if protocol is None else protocol.close_code or 1006
        reason = "" if protocol is None else protocol.close_reason or ""
        self.lost = ConnectionLostError(code, reason)
        waiting: list[asyncio.Future[Any]] = [*self._requests.values(), self._welcomed]
        waiting += [*self._bets.take_all(), *self._slips.take_all()]
        self._requests.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(self.lost)
                future.exception()  # no warning when the caller has dropped the future
        self.received.wake()

    # --- messages out ----------------------------------------------------------------------------

    def send(self, message: Any) -> None:
        """Send a message at the end of this turn of the event loop.

        Raises
        ------
        ConnectionLostError
            The session has ended.
        BoundReachedError
            The gateway has not read for so long that `UNSENT_BYTES_MAX` bytes wait.
        """
        if self.lost is not None:
            raise self.lost
        if self._connection.paused:
            unsent_bytes = self._connection.transport.get_write_buffer_size()
            if unsent_bytes > UNSENT_BYTES_MAX:
                raise BoundReachedError("unsent bytes", UNSENT_BYTES_MAX)
        payload = self._codec.encode(message)
        try:
            if self._codec.opcode == OP_BINARY:
                self._connection.protocol.send_binary(payload)
            else:
                self._connection.protocol.send_text(payload)
        except InvalidState as error:
            raise ConnectionLostError(1006, "the connection is closing") from error
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self.lost is None:
            self._connection.send_data()

    async def drain(self) -> None:
        """Wait until the write buffer has room again."""
        self._flush()
        await self._connection.drain()

    def _number(self) -> int:
        self._next_id = self._next_id % 0xFFFF_FFFF + 1
        return self._next_id

    def _open_request(self) -> tuple[int, asyncio.Future[Any]]:
        """Return the number of a new request and the future of its answer."""
        if len(self._requests) >= REQUESTS_OPEN_MAX:
            raise BoundReachedError("requests without an answer", REQUESTS_OPEN_MAX)
        number = self._number()
        future = self._requests[number] = self._loop.create_future()
        return number, future

    async def _request(self, kind: Callable[..., Any], answer: type[A], **fields: Any) -> A:
        number, future = self._open_request()
        try:
            self.send(kind(id=number, **fields))
            result = await future
        finally:
            self._requests.pop(number, None)
        assert isinstance(result, answer), "an answer has the kind of its request"
        return result

    async def feed_facts(self, feed: str, fixture: str, *, after: str = "") -> FeedFacts:
        """Return what a feed says of a fixture's markets; go on `after` a key if it has `more`."""
        return await self._request(AskFeedFacts, FeedFacts, feed=feed, fixture=fixture, after=after)

    # --- messages in -----------------------------------------------------------------------------

    def on_message(self, payload: bytes) -> None:
        """Take one message from the gateway."""
        message = self._decode(payload)
        kind = type(message)
        if kind is Bet:
            self._on_bet(cast(Bet, message))
        elif kind is SlipBet:
            self._on_slip(cast(SlipBet, message))
        elif kind is Odds:
            self._on_change(self.received.take_odds(cast(Odds, message)))
        elif kind is Market:
            self._on_change(self.received.take_image(cast(Market, message)))
        elif kind is Error:
            self._on_error(cast(Error, message))
        elif kind in (BetEvent, MoneyEvent, FreeBetEvent, BetSeen, AlertSeen):
            self.received.take_pushed(cast(AccountEvent | BetSeen | AlertSeen, message))
        elif kind is FeedRequest:
            if self.on_request is not None:
                call_back(self.on_request, cast(FeedRequest, message))
        elif kind is FeedPushed and cast(FeedPushed, message).released:
            if self.on_released is not None:  # after the callbacks of the push's own answer
                self._loop.call_soon(call_back, self.on_released, cast(FeedPushed, message))
        else:
            self._on_other(message)

    def _on_other(self, message: Any) -> None:
        if isinstance(message, FixtureChanged):
            if self.on_fixtures is not None:
                call_back(self.on_fixtures, message.fixtures)
        elif isinstance(message, BetWaits):
            self._waits_until_s[message.ref] = self._loop.time() + message.wait_ms / 1_000
            if self.on_bet_waits is not None:
                call_back(self.on_bet_waits, message)
        elif isinstance(message, Welcome):
            self.welcome = message
            if not self._welcomed.done():
                self._welcomed.set_result(None)
        else:
            future = self._requests.get(message.id)
            if future is not None and not future.done():
                future.set_result(message)

    def waits_s(self, ref: str) -> float:
        """Return for how many seconds a bet still waits at its market; less than 0 since its end.

        Minus infinity where it has not waited.
        """
        until_s = self._waits_until_s.get(ref)
        return -inf if until_s is None else until_s - self._loop.time()

    def _on_bet(self, bet: Bet) -> None:
        self._waits_until_s.pop(bet.ref, None)
        future = self._bets.take(bet.ref)
        if future is None:
            if self.on_bet is not None:
                call_back(self.on_bet, bet)
        elif not future.done():
            future.set_result(bet)

    def _on_slip(self, slip: SlipBet) -> None:
        self._waits_until_s.pop(slip.ref, None)
        future = self._slips.take(slip.ref)
        if future is None:
            if self.on_slip is not None:
                call_back(self.on_slip, slip)
        elif not future.done():
            future.set_result(slip)

    def _on_change(self, market: Market | None) -> None:
        if market is not None and self.on_price is not None:
            call_back(self.on_price, market)

    def _on_error(self, error: Error) -> None:
        refused = RefusedError(error)
        future: asyncio.Future[Any] | None = None
        if error.id:
            future = self._requests.pop(error.id, None)
            for ref in self._many.pop(error.id, ()):
                self._fail_bet(ref, refused)
        if future is None and error.ref and self._fail_bet(error.ref, refused):
            return
        if future is not None and not future.done():
            future.set_exception(refused)
        else:
            self.errors.append(error)

    def _fail_bet(self, ref: str, refused: RefusedError) -> bool:
        future: asyncio.Future[Any] | None
        future = self._bets.take(ref) or self._slips.take(ref)
        if future is None:
            return False
        if not future.done():
            future.set_exception(refused)
            future.exception()
        return True

    # --- prices ----------------------------------------------------------------------------------

    async def subscribe(
        self,
        *,
        markets: Sequence[MarketNo] = (),
        keys: Sequence[str] = (),
        fixtures: Sequence[str] = (),
        all_markets: bool = False,
        seen: Sequence[Seen] = (),
    ) -> Subscribed:
        """Subscribe to markets; images arrive in `prices`, changes in `updates`."""
        return await self._request(
            Subscribe,
            Subscribed,
            markets=tuple(markets),
            keys=tuple(keys),
            fixtures=tuple(fixtures),
            all=all_markets,
            seen=tuple(seen),
        )

    async def unsubscribe(
        self,
        *,
        markets: Sequence[MarketNo] = (),
        fixtures: Sequence[str] = (),
        everything: bool = False,
    ) -> Subscribed:
        """Unsubscribe markets or fixtures as they were subscribed, or everything."""
        return await self._request(
            Unsubscribe,
            Subscribed,
            markets=tuple(markets),
            fixtures=tuple(fixtures),
            all=everything,
        )

    def updates(self) -> AsyncIterator[Market]:
        """Yield each changed market's latest image until the session ends.

        A slow reader receives only the latest image of each market.
        """
        return self.received.updates(lambda: self.lost is not None)
