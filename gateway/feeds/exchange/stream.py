"""The live connection to an exchange's stream: TLS, lines, and coming back after a loss.

Owns sockets, certificates, credentials' way in, and how long to wait before another try. Never
decides what is said (the session does) and never reads a market. Certificates are always verified;
credentials are never logged, shown or kept longer than a connection needs them.

Lines are handed out one at a time as they are asked for: a slow reader slows the socket down, and
the exchange conflates or drops the connection, after which the session resumes by its clock.
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
    """There are no credentials, or not safely; the message says where they were sought."""


class StreamRefusedError(Exception):
    """The exchange refused for good: asking again for the same cannot help."""


class StreamSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the exchange is, whom to trust, and how patiently to come back.

    `ca_file` replaces the system's authorities. The n-th try in a row waits between half of and all
    of `again_ms` doubled n times, at most `again_ms_max`; a connection that told all it had to
    begins the count anew.
    """

    host: str = "stream-api.betfair.com"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 443
    ca_file: str = ""
    connect_ms: Annotated[int, Meta(ge=100, le=120_000)] = 10_000
    again_ms: Annotated[int, Meta(ge=1, le=60_000)] = 500
    again_ms_max: Annotated[int, Meta(ge=1, le=600_000)] = 30_000


def read_credentials(environ: Mapping[str, str]) -> Credentials:
    """Return the credentials an environment names, in a file or in itself.

    A file (JSON: ``app_key``, ``session``) must be its owner's alone. It is read again for every
    connection, so a new login is taken up without a restart.

    Raises
    ------
    CredentialsError
        When they are missing, malformed, or open to others; no message ever holds them.
    """
    path = environ.get(FILE_VARIABLE, "")
    if path:
        return _from_file(Path(path))
    words = {"app_key": environ.get(APP_KEY_VARIABLE), "session": environ.get(SESSION_VARIABLE)}
    try:
        return msgspec.convert(words, Credentials)
    except msgspec.ValidationError:
        message = f"set {FILE_VARIABLE}, or {APP_KEY_VARIABLE} and {SESSION_VARIABLE}"
        raise CredentialsError(message) from None


def _from_file(path: Path) -> Credentials:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise CredentialsError(f"{path}: others may read it; make it mode 600")
            words = file.read(CREDENTIALS_BYTES_MAX)
        return msgspec.json.decode(words, type=Credentials)
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise CredentialsError(f"{path}: not JSON of app_key and session") from None


class StreamCounts(Struct):
    """How the connection fares, for the gauges."""

    connections: int = 0
    losses: int = 0
    lines: int = 0


class StreamSocket:
    """A subscription kept alive over TLS, as one endless iterator of lines.

    Parameters
    ----------
    subscription : Subscription
        What is asked for.
    credentials : callable
        Gives the credentials for each connection (see `read_credentials`).
    settings : StreamSettings
        Where to and how patiently.
    rng, clock_ns, sleep
        Chance for the waits, a monotonic clock in nanoseconds, and the way to wait, in seconds.
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
        self._rng = rng or random.SystemRandom()
        self._clock_ns = clock_ns
        self._sleep = sleep
        self._tls = verifying(self._settings.ca_file)
        self._writer: asyncio.StreamWriter | None = None
        self._refused: Credentials | None = None
        self._closed = False

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Give the stream's lines, reconnecting for ever, until `close`.

        Raises
        ------
        StreamRefusedError
            When the exchange refuses the subscription, or the same credentials a second time.
        CredentialsError
            When there are none for the next connection.
        """
        tries = 0
        while not self._closed:
            why = "the exchange closed the connection"
            try:
                async with contextlib.aclosing(self._connection()) as connection:
                    async for line in connection:
                        if self.session.whole:
                            tries = 0
                        yield line
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                why = f"{type(error).__name__}: {error}"
            finally:
                self.session.lost()
            if self._closed:
                return
            self.counts.losses += 1
            wait_s = self._wait_s(tries)
            tries += 1
            logger.warning("exchange stream lost: %s; again in %.2f s", why, wait_s)
            await self._sleep(wait_s)

    async def image_again(self) -> None:
        """Ask for the whole image again: whoever reads the lines has forgotten the last one."""
        lines = self.session.image_again()
        if self._writer is not None and lines:
            self._writer.writelines(lines)
            with contextlib.suppress(OSError):
                await self._writer.drain()

    async def close(self) -> None:
        """End the iterator and the connection."""
        self._closed = True
        if self._writer is not None:
            self._writer.close()

    def _wait_s(self, tries: int) -> float:
        settings = self._settings
        longest = min(settings.again_ms << min(tries, 20), settings.again_ms_max) / 1_000
        return longest * self._rng.uniform(0.5, 1.0)

    async def _connection(self) -> AsyncGenerator[bytes, None]:
        """Give the lines of one connection; ends, or raises, when it does."""
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
        session.connected(at_ns=self._clock_ns())
        try:
            while not self._closed:
                line = await self._line(reader)
                answer = session.receive(line, at_ns=self._clock_ns())
                if answer.send:
                    writer.writelines(answer.send)
                    await writer.drain()
                if answer.deliver:
                    self.counts.lines += 1
                    yield (answer.instead or line).rstrip(b"\r\n")
                self._obey(answer)
        finally:
            self._writer = None
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CLOSE_WAIT_S):
                    await writer.wait_closed()

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        """Read a line, for as long as the session has patience; half a line is none."""
        try:
            async with asyncio.timeout(self.session.patience_ms / 1_000):
                return await reader.readuntil(b"\n")
        except TimeoutError:
            raise ConnectionError(f"silent for {self.session.patience_ms} ms") from None

    def _obey(self, answer: Answer) -> None:
        if answer.verdict == Verdict.GO_ON:
            if answer.why:
                logger.warning("exchange stream: %s", answer.why)
            return
        if answer.verdict == Verdict.REQUEST_REFUSED:
            raise StreamRefusedError(answer.why)
        if answer.verdict == Verdict.CREDENTIALS_REFUSED:
            self._refused = self.session.credentials
        raise ConnectionError(answer.why)
