"""The live connection to an exchange's stream: TLS, lines, and reconnecting after a loss.

Owns sockets, certificates, how credentials are read, and the delay before the next attempt. The
session decides what is sent; no market is read here. Certificates are always verified. Credentials
are never logged, shown, or kept longer than a connection needs them.

Lines are yielded one at a time, on demand: a slow reader slows the socket down, and the exchange
then conflates or drops the connection, after which the session resumes by its clock.
"""

import asyncio
import contextlib
import logging
import os
import random
import stat
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from actors.back_off import BackOff
from engine.common.units import Nanos
from gateway.feeds.exchange.messages import MESSAGE_BYTES_MAX
from gateway.feeds.exchange.session import (
    Answer,
    Credentials,
    ExchangeSession,
    Subscription,
    Verdict,
)
from gateway.feeds.tls import verifying

logger = logging.getLogger("overround.feeds")

APP_KEY_VARIABLE: Final = "OVERROUND_EXCHANGE_APP_KEY"
SESSION_VARIABLE: Final = "OVERROUND_EXCHANGE_SESSION"
FILE_VARIABLE: Final = "OVERROUND_EXCHANGE_CREDENTIALS"
CREDENTIALS_BYTES_MAX: Final = 16_384
_CLOSE_WAIT_S: Final = 1.0


class CredentialsError(Exception):
    """Credentials are missing or unsafe; the message says where they were looked for."""


class StreamRefusedError(Exception):
    """The exchange refused the subscription or the credentials for good."""


class StreamSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address of the exchange, certificate authorities, and delays between attempts.

    `ca_file` replaces the system's authorities. After the n-th failure in a row the delay is
    between half of and all of `retry_ms` doubled n - 1 times, at most `retry_ms_max`; a connection
    that sent everything that was missed resets the count.
    """

    host: str = "stream-api.betfair.com"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 443
    ca_file: str = ""
    connect_ms: Annotated[int, Meta(ge=100, le=120_000)] = 10_000
    retry_ms: Annotated[int, Meta(ge=1, le=60_000)] = 500
    retry_ms_max: Annotated[int, Meta(ge=1, le=600_000)] = 30_000


def read_credentials(environ: Mapping[str, str]) -> Credentials:
    """Return the credentials from the file that the environment names, or from the environment.

    A file (JSON: ``app_key``, ``session``) must be readable by its owner alone. It is read again
    for every connection, so a new login needs no restart.

    Raises
    ------
    CredentialsError
        When they are missing, malformed, or open to others; no message ever holds them.
    """
    path = environ.get(FILE_VARIABLE, "")
    if path:
        return _from_file(Path(path))
    given = {"app_key": environ.get(APP_KEY_VARIABLE), "session": environ.get(SESSION_VARIABLE)}
    try:
        return msgspec.convert(given, Credentials)
    except msgspec.ValidationError:
        message = f"set {FILE_VARIABLE}, or {APP_KEY_VARIABLE} and {SESSION_VARIABLE}"
        raise CredentialsError(message) from None


def _from_file(path: Path) -> Credentials:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise CredentialsError(f"{path}: others may read it; make it mode 600")
            content = file.read(CREDENTIALS_BYTES_MAX)
        return msgspec.json.decode(content, type=Credentials)
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise CredentialsError(f"{path}: not JSON of app_key and session") from None


class StreamCounts(Struct):
    """Counts of connections, losses and lines, for metrics."""

    connections: int = 0
    losses: int = 0
    lines: int = 0


class StreamSocket:
    """A subscription kept alive over TLS, as one endless iterator of lines.

    Parameters
    ----------
    subscription : Subscription
        What is subscribed.
    credentials : callable
        Gives the credentials for each connection (see `read_credentials`).
    settings : StreamSettings
        Address, authorities and delays.
    rng, clock_ns, sleep
        Jitter, a monotonic clock in nanoseconds, and how to sleep, in seconds.
    """

    def __init__(
        self,
        *,
        subscription: Subscription,
        credentials: Callable[[], Credentials],
        settings: StreamSettings | None = None,
        rng: random.Random | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.counts = StreamCounts()
        self.session = ExchangeSession(credentials=credentials(), subscription=subscription)
        self._credentials = credentials
        self._settings = settings or StreamSettings()
        self._back_off = BackOff(
            min(self._settings.retry_ms, self._settings.retry_ms_max) / 1_000,
            self._settings.retry_ms_max / 1_000,
            jitter=0.5,
            clock_s=lambda: clock_ns() / 1e9,
            uniform=(rng or random.SystemRandom()).random,
        )
        self._clock_ns = clock_ns
        self._sleep = sleep
        self._tls = verifying(self._settings.ca_file)
        self._writer: asyncio.StreamWriter | None = None
        self._refused: Credentials | None = None
        self._closed = False

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield the stream's lines, reconnecting without end, until `close`.

        Raises
        ------
        StreamRefusedError
            When the exchange refuses the subscription, or the same credentials a second time.
        CredentialsError
            When the next connection has none.
        """
        while not self._closed:
            why = "the exchange closed the connection"
            try:
                async with contextlib.aclosing(self._connection()) as connection:
                    async for line in connection:
                        if self.session.complete:
                            self._back_off.succeeded()
                        yield line
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                why = f"{type(error).__name__}: {error}"
            finally:
                self.session.lost()
            if self._closed:
                return
            self.counts.losses += 1
            wait_s = self._back_off.failed()
            logger.warning("exchange stream lost: %s; next attempt in %.2f s", why, wait_s)
            await self._sleep(wait_s)

    async def request_image(self) -> None:
        """Request the whole image again: the reader of the lines has lost the last one."""
        lines = self.session.request_image()
        if self._writer is not None and lines:
            self._writer.writelines(lines)
            with contextlib.suppress(OSError):
                await self._writer.drain()

    async def close(self) -> None:
        """End the iterator and the connection."""
        self._closed = True
        if self._writer is not None:
            self._writer.close()

    async def _connection(self) -> AsyncGenerator[bytes, None]:
        """Yield the lines of one connection until it ends."""
        settings, session = self._settings, self.session
        session.credentials = self._credentials()
        if session.credentials == self._refused:
            raise StreamRefusedError("the exchange refuses these credentials")
        async with asyncio.timeout(settings.connect_ms / 1_000):
            reader, writer = await asyncio.open_connection(
                settings.host, settings.port, ssl=self._tls, limit=MESSAGE_BYTES_MAX
            )
        self._writer = writer
        self.counts.connections += 1
        session.connected(at_ns=Nanos(self._clock_ns()))
        try:
            while not self._closed:
                line = await self._line(reader)
                answer = session.receive(line, at_ns=Nanos(self._clock_ns()))
                if answer.send:
                    writer.writelines(answer.send)
                    await writer.drain()
                if answer.deliver:
                    self.counts.lines += 1
                    yield (answer.instead or line).rstrip(b"\r\n")
                self._act_on(answer)
        finally:
            self._writer = None
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CLOSE_WAIT_S):
                    await writer.wait_closed()

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        """Read one whole line within the session's deadline."""
        try:
            async with asyncio.timeout(self.session.patience_ms / 1_000):
                return await reader.readuntil(b"\n")
        except TimeoutError:
            raise ConnectionError(f"silent for {self.session.patience_ms} ms") from None

    def _act_on(self, answer: Answer) -> None:
        if answer.verdict == Verdict.CONTINUE:
            if answer.why:
                logger.warning("exchange stream: %s", answer.why)
            return
        if answer.verdict == Verdict.REQUEST_REFUSED:
            raise StreamRefusedError(answer.why)
        if answer.verdict == Verdict.CREDENTIALS_REFUSED:
            self._refused = self.session.credentials
        raise ConnectionError(answer.why)
