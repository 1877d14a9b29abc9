"""The live connection to LSports' feed: a WebSocket that is opened again after every loss.

Owns the handshake, the silence after which a connection is given up, and the delay before the next
attempt. It reads no message. Each connection begins with a message of ours, so that the adapter
knows that what was sent between two connections is lost.
"""

import asyncio
import contextlib
import logging
import random
import urllib.parse
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from typing import Annotated, Final

from msgspec import Meta, Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

from actors.back_off import BackOff
from gateway.feeds.lsports.credentials import PackageCredentials
from gateway.feeds.lsports.messages import BEGAN_BODY
from gateway.feeds.tls import verifying
from gateway.settings import FEED_BODY_BYTES_MAX

logger = logging.getLogger("overround.bridge")

_REFUSED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class LsportsRefusedError(Exception):
    """The provider refuses the credentials."""


class LsportsSocketSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address of the feed, certificate authorities, and delays.

    After the n-th failure in a row the delay is between half of and all of `retry_ms` doubled n - 1
    times, at most `retry_ms_max`; a connection that sent a message resets the count. The provider
    sends a heartbeat every five seconds.
    """

    url: str
    ca_file: str = ""
    connect_ms: Annotated[int, Meta(ge=100, le=120_000)] = 10_000
    silence_ms: Annotated[int, Meta(ge=10, le=600_000)] = 20_000
    retry_ms: Annotated[int, Meta(ge=1, le=60_000)] = 500
    retry_ms_max: Annotated[int, Meta(ge=1, le=600_000)] = 30_000


class LsportsSocket:
    """A subscription to one package, as one endless iterator of messages.

    Parameters
    ----------
    settings : LsportsSocketSettings
        Address, authorities and delays.
    credentials : PackageCredentials
        For the handshake.
    rng : Random, optional
        Jitter.

    Raises
    ------
    ValueError
        When the address is neither ws nor wss.
    """

    def __init__(
        self,
        settings: LsportsSocketSettings,
        *,
        credentials: PackageCredentials,
        rng: random.Random | None = None,
    ) -> None:
        scheme = urllib.parse.urlsplit(settings.url).scheme
        if scheme not in ("ws", "wss"):
            raise ValueError(f"socket: must be a ws or wss address, not {settings.url[:80]!r}")
        self.connections = 0
        self._settings: Final = settings
        self._credentials: Final = credentials
        self._tls: Final = verifying(settings.ca_file) if scheme == "wss" else None
        self._uniform: Final[Callable[[], float]] = (rng or random.SystemRandom()).random
        self._connection: ClientConnection | None = None
        self._closed = asyncio.Event()

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Yield messages, connecting again without end, until `close`.

        Raises
        ------
        LsportsRefusedError
            When the provider refuses the credentials.
        """
        settings = self._settings
        back_off = BackOff(
            min(settings.retry_ms, settings.retry_ms_max) / 1_000,
            settings.retry_ms_max / 1_000,
            jitter=0.5,
            clock_s=asyncio.get_running_loop().time,
            uniform=self._uniform,
        )
        while not self._closed.is_set():
            try:
                async with contextlib.aclosing(self._one_connection()) as connection:
                    async for message in connection:
                        yield message
                        if message is not BEGAN_BODY:
                            back_off.succeeded()
                why = "the provider closed the connection"
            except InvalidStatus as error:
                if error.response.status_code in _REFUSED:
                    raise LsportsRefusedError(f"the provider refuses: {error}") from None
                why = str(error)
            except (OSError, WebSocketException, InvalidHandshake, TimeoutError) as error:
                why = f"{type(error).__name__}: {error}"
            if self._closed.is_set():
                return
            logger.warning("feed lost: %s; next attempt in %.2f s", why, back_off.failed())
            await back_off.wait(self._closed)

    async def close(self) -> None:
        """End the iterator and the connection."""
        self._closed.set()
        if self._connection is not None:
            await self._connection.close()

    async def _one_connection(self) -> AsyncGenerator[bytes, None]:
        settings = self._settings
        async with connect(
            settings.url,
            ssl=self._tls,
            additional_headers={"Authorization": self._credentials.basic()},
            compression=None,
            max_size=FEED_BODY_BYTES_MAX,
            open_timeout=settings.connect_ms / 1_000,
            close_timeout=1.0,
            ping_interval=None,
            proxy=None,
        ) as connection:
            self._connection = connection
            self.connections += 1
            try:
                yield BEGAN_BODY
                while True:
                    async with asyncio.timeout(settings.silence_ms / 1_000):
                        message = await connection.recv(decode=False)
                    yield message
            finally:
                self._connection = None
