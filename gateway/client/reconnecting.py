"""A client that outlives its connections: it connects again with back-off and subscribes again.

Owns one session after another, the names subscribed, and what has been received. It never repeats
a trader's command. reconnecting_bettor.py adds what bettors may send.

    async with stay_connected_control("ws://localhost:8481", token=token) as client:
        await client.subscribe(fixtures=["wc22-64"])
        async for market in client.updates():
            ...
"""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from math import inf
from typing import Any, Final, Generic, Literal, NamedTuple, Self, TypeVar

from msgspec import Struct

from actors.back_off import BackOff
from engine.common.ids import MarketNo
from gateway.client.errors import (
    BoundReachedError,
    ConnectionLostError,
    GatewayError,
    HandshakeRefusedError,
)
from gateway.client.received import Received
from gateway.client.session import CodecName, Session, call_back
from gateway.client.subscriptions import Request, Subscriptions
from gateway.messages.market import Market, Subscribed

logger = logging.getLogger("overround.client")

MISSING_ATTEMPTS_MAX: Final = 20
"""Attempts to subscribe, on one session, names that its gateway does not know yet."""

Token = str | Callable[[], str | Awaitable[str]]
"""A token, or what returns one for each connection, since tokens expire."""
S = TypeVar("S", bound=Session)
A = TypeVar("A")


class ReconnectSettings(Struct, frozen=True, kw_only=True):
    """Bounds of a reconnecting client.

    The n-th attempt in a row waits ``first_s * 2 ** (n - 1)`` seconds, at most `longest_s`,
    shortened by a random share of up to `jitter`. Attempts count as one row until a session has
    lasted `longest_s`. After `attempts_max` of them the client ends.
    """

    first_s: float = 0.1
    longest_s: float = 10.0
    jitter: float = 0.5
    attempts_max: int = 100
    open_timeout_s: float = 10.0
    """For a handshake, and again for everything that a new session subscribes."""
    silent_s: float = 10.0
    """A session that leaves a request unanswered for so long is given up. A gateway answers a bet
    within its `bet_deadline_ms`, 4 s by default: keep this above."""
    within_s: float = 30.0
    """How long a request may take in all, over any number of connections."""
    waiting_max: int = 1_024
    """Requests that may wait, for a connection or an answer; a further one is refused."""

    def __post_init__(self) -> None:
        """Refuse bounds that make no sense."""
        for name in self.__struct_fields__:
            if not getattr(self, name) > 0 and name != "jitter":
                raise ValueError(f"{name}: more than 0")
        BackOff(self.first_s, self.longest_s, jitter=self.jitter)


class ConnectionState(NamedTuple):
    """How a client's connection stands.

    `attempts` in a row have failed or led to a short session, the next is made in `retry_in_s`
    seconds, and `error` is the latest reason.
    """

    phase: Literal["connecting", "connected", "waiting", "ended"]
    url: str
    attempts: int = 0
    retry_in_s: float = 0.0
    error: Exception | None = None


class ReconnectingClient(Generic[S]):
    """Keep one session open, with one of several gateways, until it is closed.

    Await it, or use it as an asynchronous context manager. The first session is attempted once with
    each gateway; only sessions after it are opened with back-off.

    Parameters
    ----------
    kind : type
        The kind of session.
    urls : sequence of str
        The same listener of one or more gateways, tried in turn.
    token : str or callable
        A token, or what returns one, awaitable or not, for each connection.
    codec, origin
        As of `connect`.
    settings : ReconnectSettings, optional
        Bounds.
    """

    def __init__(
        self,
        kind: type[S],
        urls: Sequence[str],
        *,
        token: Token,
        codec: CodecName = "msgpack",
        origin: str | None = None,
        settings: ReconnectSettings | None = None,
    ) -> None:
        if not urls:
            raise ValueError("urls: at least one")
        self.settings = settings or ReconnectSettings()
        self.received = Received()
        self.state = ConnectionState("connecting", urls[0])
        self.on_state: Callable[[ConnectionState], None] | None = None
        """Called whenever `state` changes. An exception of it is logged, and changes nothing."""
        self.on_price: Callable[[Market], None] | None = None
        """Called with the new image at every change, before `updates` yields it. An exception of it
        is logged, and changes nothing."""
        self.sessions = 0
        """Sessions opened so far."""
        self.missing: tuple[str, ...] = ()
        """Subscribed names that the gateway does not know yet; it is asked again for a while."""
        self._kind = kind
        self._urls = tuple(urls)
        self._token = token
        self._codec: CodecName = codec
        self._origin = origin
        self._subscriptions = Subscriptions()
        self._session: S | None = None
        self._ended: Exception | None = None
        self._changed = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._waiting = 0
        self._turn = 0
        self._opened_s = 0.0
        self._back_off = BackOff(
            self.settings.first_s, self.settings.longest_s, jitter=self.settings.jitter
        )

    # --- open and close --------------------------------------------------------------------------

    async def open(self) -> Self:
        """Open the first session, and keep one open from then on.

        Raises
        ------
        HandshakeRefusedError, ConnectionLostError
            No gateway opened a session.
        """
        for left in reversed(range(len(self._urls))):
            try:
                session = await self._open_session()
                break
            except (HandshakeRefusedError, ConnectionLostError):
                self._turn += 1
                if not left:
                    raise
        self._take_session(session)
        self._keeping = asyncio.create_task(self._keep(session))
        return self

    async def close(self) -> None:
        """Close the session and open no other; requests that wait fail."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._ended is None:
            self._end(ConnectionLostError(1000, "closed by its owner"))
        if self._session is not None:
            await self._session.close()

    def __await__(self) -> Generator[Any, None, Self]:
        return self.open().__await__()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def session(self) -> S:
        """The present session, for requests that are not to be repeated.

        Raises
        ------
        ConnectionLostError
            There is none now.
        """
        if self._ended is not None:
            raise self._ended.with_traceback(None)
        if self._session is None:
            raise ConnectionLostError(1006, "not connected yet")
        if self._session.lost is not None:
            raise self._session.lost
        return self._session

    async def connected(self) -> S:
        """Wait for a session, and return it.

        Raises
        ------
        GatewayError
            The client has ended: it was closed, refused for good, or gave up.
        """
        while self._session is None or self._session.lost is not None:
            if self._ended is not None:
                raise self._ended.with_traceback(None)
            self._changed.clear()
            await self._changed.wait()
        if self._ended is not None:
            raise self._ended.with_traceback(None)
        return self._session

    # --- one session after another ---------------------------------------------------------------

    async def _keep(self, session: S) -> None:
        try:
            while True:
                error: Exception = await self._watch(session)
                self._turn += 1  # another gateway, where there is one
                if asyncio.get_running_loop().time() - self._opened_s >= self.settings.longest_s:
                    self._back_off.succeeded()
                reopened = await self._reopen(error)
                if reopened is None:
                    return
                session = reopened
        except Exception as error:
            logger.exception("the client failed unexpectedly")
            self._end(error)

    async def _reopen(self, error: Exception) -> S | None:
        """Open the next session; None when the client has ended."""
        while self._back_off.failures < self.settings.attempts_max:
            retry_s = self._back_off.failed()
            attempts = self._back_off.failures
            url = self._urls[self._turn % len(self._urls)]
            logger.warning("%s; next attempt, with %s, in %.2f s", error, url, retry_s)
            self._set_state(ConnectionState("waiting", url, attempts, retry_s, error))
            await asyncio.sleep(retry_s)
            self._set_state(ConnectionState("connecting", url, attempts, 0.0, error))
            try:
                session = await self._open_session()
            except GatewayError as why:
                self._turn += 1
                error = why
                if isinstance(why, HandshakeRefusedError) and self._is_final(why):
                    break
            else:
                self._take_session(session)
                return session
        logger.error("no further attempt: %s", error)
        self._end(error)
        return None

    def _is_final(self, refused: HandshakeRefusedError) -> bool:
        """Return whether a refusal will be repeated for ever."""
        return refused.status in (400, 403) or (
            refused.status == 401 and isinstance(self._token, str)
        )

    async def _open_session(self) -> S:
        """Open a session with the gateway whose turn it is, and subscribe everything again."""
        url = self._urls[self._turn % len(self._urls)]
        timeout_s = self.settings.open_timeout_s
        token = await self._next_token()
        session = self._kind(self._codec, self.received)
        session.on_price = self._on_price
        await session.open(url, token=token, origin=self._origin, open_timeout_s=timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                await self._resume(session)
        except BaseException as error:
            session.abort()
            if isinstance(error, TimeoutError):
                raise HandshakeRefusedError(0, "no answer to the subscriptions") from error
            raise
        return session

    async def _next_token(self) -> str:
        if isinstance(self._token, str):
            return self._token
        try:
            async with asyncio.timeout(self.settings.open_timeout_s):
                token = self._token()
                return await token if inspect.isawaitable(token) else token
        except Exception as error:  # whatever the caller's code raises
            raise HandshakeRefusedError(0, f"no token: {type(error).__name__}: {error}") from error

    async def _resume(self, session: S) -> None:
        """Bring a new session to where the last one was."""
        await self._subscribe_again(session, self._subscriptions)

    async def _subscribe_again(self, session: S, names: Subscriptions) -> None:
        unknown: list[str] = []
        for request in names.requests(
            self.received.prices, frame_bytes_max=session.welcome.frame_bytes_max
        ):
            unknown += (await session.subscribe(**request._asdict())).unknown
        self.missing = tuple(filter(self._subscriptions.has, unknown))

    async def _watch(self, session: S) -> ConnectionLostError:
        """Return how a session ended; meanwhile subscribe what its gateway did not know yet."""
        lost = asyncio.ensure_future(session.wait_lost())
        back_off = BackOff(self.settings.first_s, self.settings.longest_s)
        try:
            while self.missing and back_off.failures < MISSING_ATTEMPTS_MAX:
                await asyncio.wait([lost], timeout=back_off.failed())
                if lost.done():
                    break
                names = Subscriptions()
                keys = tuple(name for name in self.missing if "/" in name)
                numbers = tuple(MarketNo(int(name)) for name in self.missing if name not in keys)
                names.add(Request(markets=numbers, keys=keys))
                with contextlib.suppress(GatewayError):
                    await self._subscribe_again(session, names)
            return await lost
        finally:
            lost.cancel()

    def _take_session(self, session: S) -> None:
        self._session = session
        self.sessions += 1
        self._opened_s = asyncio.get_running_loop().time()
        url = self._urls[self._turn % len(self._urls)]
        self._set_state(ConnectionState("connected", url, self._back_off.failures))
        self._changed.set()

    def _end(self, error: Exception) -> None:
        self._ended = error
        self._set_state(self.state._replace(phase="ended", retry_in_s=0.0, error=error))
        self._changed.set()
        self.received.wake()

    def _set_state(self, state: ConnectionState) -> None:
        self.state = state
        if self.on_state is not None:
            call_back(self.on_state, state)

    def _on_price(self, market: Market) -> None:
        if self.on_price is not None:
            self.on_price(market)

    # --- requests over any number of sessions ----------------------------------------------------

    @contextlib.contextmanager
    def _one_more_waits(self) -> Iterator[None]:
        if self._waiting >= self.settings.waiting_max:
            raise BoundReachedError("requests that wait", self.settings.waiting_max)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def answer(
        self, session: S, request: Awaitable[A], *, waits_s: Callable[[], float] = lambda: -inf
    ) -> A:
        """Return the answer to a request; give up a session that leaves it without one.

        `waits_s` returns for how many seconds from now the gateway has said that none will come.

        Raises
        ------
        ConnectionLostError
            The session is gone, for this caller and all others.
        """
        silent_s = self.settings.silent_s
        answer = asyncio.ensure_future(request)
        left_s = silent_s
        try:
            while left_s > 0:
                await asyncio.wait({answer}, timeout=left_s)
                if answer.done():
                    return answer.result()
                left_s = waits_s() + silent_s
        except ConnectionLostError as error:
            session.abort()  # it may be closing still
            raise error from None
        except asyncio.CancelledError:
            answer.cancel()
            raise
        answer.cancel()
        session.abort()
        raise ConnectionLostError(1006, f"no answer for {silent_s:g} s")

    async def _ask(self, request: Callable[[S], Awaitable[A]]) -> A:
        """Make a request that may be repeated, until a session answers it."""
        within_s = self.settings.within_s
        with self._one_more_waits():
            try:
                async with asyncio.timeout(within_s):
                    while True:
                        session = await self.connected()
                        try:
                            return await self.answer(session, request(session))
                        except ConnectionLostError:
                            await session.wait_lost()
            except TimeoutError:
                raise ConnectionLostError(1006, f"no answer within {within_s:g} s") from None

    # --- prices ----------------------------------------------------------------------------------

    @property
    def prices(self) -> dict[int, Market]:
        """Latest image of every subscribed market; it may be old unless `state` is connected."""
        return self.received.prices

    def updates(self) -> AsyncIterator[Market]:
        """Yield each changed market's latest image until the client ends.

        A slow reader receives only the latest image of each market.
        """
        return self.received.updates(lambda: self._ended is not None)

    async def subscribe(
        self,
        *,
        markets: Sequence[MarketNo] = (),
        keys: Sequence[str] = (),
        fixtures: Sequence[str] = (),
        all_markets: bool = False,
    ) -> Subscribed:
        """Subscribe to markets, in this session and in those to come."""
        request = Request(tuple(markets), tuple(keys), tuple(fixtures), all_markets)
        self._subscriptions.check_room(len(markets) + len(keys) + len(fixtures) + all_markets)
        answer = await self._ask(lambda session: session.subscribe(**request._asdict()))
        self._subscriptions.add(request, unknown=answer.unknown)
        return answer

    async def unsubscribe(
        self,
        *,
        markets: Sequence[MarketNo] = (),
        fixtures: Sequence[str] = (),
        everything: bool = False,
    ) -> Subscribed:
        """Unsubscribe markets or fixtures as they were subscribed, or everything.

        `prices` then holds no image of a market that is subscribed under no other name.
        """
        self._subscriptions.remove(
            markets=markets, fixtures=fixtures, everything=everything, prices=self.prices
        )
        self.missing = tuple(filter(self._subscriptions.has, self.missing))
        answer = await self._ask(
            lambda session: session.unsubscribe(
                markets=markets, fixtures=fixtures, everything=everything
            )
        )
        self.received.forget(self._subscriptions.covers)
        return answer

    def release(self, markets: Iterable[MarketNo]) -> None:
        """Hold these markets' images no longer; they stay subscribed.

        Their odds are passed over until an image arrives: in the next session, or when a
        subscription names them or their fixture again.
        """
        self.received.release(markets)
