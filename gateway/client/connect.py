"""Open a session, or a client that keeps one open: as a bettor, on the control listener, as a feed.

Owns the unopened session. `connect`, `connect_control` and `connect_feed` open one session, which
ends with its connection; `stay_connected` and `stay_connected_control` open the next one by
themselves.
"""

from collections.abc import Generator
from types import TracebackType
from typing import Any, Generic, TypeVar

from gateway.client.bettor import BettorSession
from gateway.client.reconnecting import ReconnectingClient, ReconnectSettings, Token
from gateway.client.reconnecting_bettor import ReconnectingBettor
from gateway.client.roles import ControlSession, FeedSession
from gateway.client.session import CodecName, Session

S = TypeVar("S", bound=Session)


class Opening(Generic[S]):
    """An unopened session: await it, or use it as an asynchronous context manager."""

    def __init__(
        self, session: type[S], url: str, *, token: str, codec: CodecName, **options: Any
    ) -> None:
        self._kind = session
        self._url = url
        self._token = token
        self._codec = codec
        self._options = options
        self._session: S | None = None

    async def _open(self) -> S:
        session = self._kind(self._codec)
        await session.open(self._url, token=self._token, **self._options)
        self._session = session
        return session

    def __await__(self) -> Generator[Any, None, S]:
        return self._open().__await__()

    async def __aenter__(self) -> S:
        return await self._open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()


def connect(
    url: str,
    *,
    token: str,
    codec: CodecName = "msgpack",
    origin: str | None = None,
    open_timeout_s: float = 10.0,
) -> Opening[BettorSession]:
    """Open a session on a gateway's bets listener."""
    return Opening(
        BettorSession, url, token=token, codec=codec, origin=origin, open_timeout_s=open_timeout_s
    )


def connect_control(
    url: str,
    *,
    token: str,
    codec: CodecName = "msgpack",
    origin: str | None = None,
    open_timeout_s: float = 10.0,
) -> Opening[ControlSession]:
    """Open a session on a gateway's control listener."""
    return Opening(
        ControlSession, url, token=token, codec=codec, origin=origin, open_timeout_s=open_timeout_s
    )


def connect_feed(
    url: str,
    *,
    token: str,
    codec: CodecName = "msgpack",
    open_timeout_s: float = 10.0,
) -> Opening[FeedSession]:
    """Open a session on a gateway's feed listener."""
    return Opening(
        FeedSession, url, token=token, codec=codec, origin=None, open_timeout_s=open_timeout_s
    )


def stay_connected(
    *urls: str,
    token: Token,
    codec: CodecName = "msgpack",
    origin: str | None = None,
    settings: ReconnectSettings | None = None,
) -> ReconnectingBettor:
    """Open a bettor's client on the bets listeners of one or more gateways; it reconnects."""
    return ReconnectingBettor(
        BettorSession, urls, token=token, codec=codec, origin=origin, settings=settings
    )


def stay_connected_control(
    *urls: str,
    token: Token,
    codec: CodecName = "msgpack",
    origin: str | None = None,
    settings: ReconnectSettings | None = None,
) -> ReconnectingClient[ControlSession]:
    """Open a client on the control listeners of one or more gateways; it reconnects.

    Commands are sent in the present session, `client.session.suspend(3)`, and never repeated: after
    `ConnectionLostError` ask `book` for the market's state.
    """
    return ReconnectingClient(
        ControlSession, urls, token=token, codec=codec, origin=origin, settings=settings
    )
