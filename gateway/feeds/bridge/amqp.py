"""A transport over AMQP 0-9-1: a queue bound to the provider's exchange.

Owns the connection to the broker and the acknowledgement of messages. A message is acknowledged
when its markets have applied it; the broker delivers unacknowledged messages again to the next
consumer. It never reads a message. A lost connection is opened again automatically, and receipts of
the old one become void: the messages of a named queue are delivered again, while a temporary queue
is lost with its messages, which the first message of the new connection reports.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ChannelInvalidStateError
from msgspec import Struct
from yarl import URL

from actors.back_off import BackOff
from gateway.feeds.bridge.bridge import Incoming
from gateway.feeds.tls import verifying
from gateway.messages.feed import FeedRequest

logger = logging.getLogger("overround.bridge")

EXCHANGE: Final = "unifiedfeed"
PREFETCH_MAX: Final = 65_535


class AmqpError(Exception):
    """The broker cannot be reached, or refuses a request; the text never has a password."""


class AmqpSettings(Struct, frozen=True, kw_only=True):
    """The broker, exchange and queue.

    Parameters
    ----------
    url : str
        ``amqp://user:password@host:port/vhost``, or ``amqps://`` for TLS, whose certificate is
        always verified.
    exchange : str
        The provider's exchange; it must exist.
    routing_keys : tuple of str
        The routing keys that the queue is bound to.
    queue : str
        Empty: a temporary queue of this connection; messages missed after a loss are recovered
        from the provider. Otherwise the name of a queue that outlives the bridge, durable with
        `durable`.
    prefetch : int
        Messages that the broker delivers before the first is acknowledged.
    ca_file : str
        Replaces the system's authorities.
    """

    url: str
    exchange: str = EXCHANGE
    routing_keys: tuple[str, ...] = ("#",)
    queue: str = ""
    durable: bool = True
    prefetch: int = 2_048
    heartbeat_s: int = 30
    connect_s: float = 10.0
    retry_s: float = 1.0
    ca_file: str = ""

    @property
    def shown(self) -> str:
        """The broker's address without user and password."""
        return str(URL(self.url).with_user(None))


Request = Callable[[FeedRequest], Awaitable[bool]]


class AmqpTransport:
    """The messages of one queue.

    Parameters
    ----------
    settings : AmqpSettings
        The broker, exchange and queue.
    request : callable, optional
        Asks the provider to repeat messages.
    began : bytes
        The first message of each connection with a temporary queue: messages left in the queue
        before are lost, however short the gap. Empty: no such message.
    """

    def __init__(
        self, settings: AmqpSettings, *, request: Request | None = None, began: bytes = b""
    ) -> None:
        if not 1 <= settings.prefetch <= PREFETCH_MAX:
            raise ValueError(f"prefetch: 1 to {PREFETCH_MAX}, not {settings.prefetch}")
        self.connections = 0
        self._settings = settings
        self._request_recovery = request
        self._began = began if not settings.queue else b""
        self._connection: AbstractConnection | None = None
        self._inbox: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        """Messages delivered and not yet taken: at most `prefetch`; None ends the connection."""
        self._closed = False

    async def messages(self) -> AsyncIterator[Incoming]:
        """Yield the queue's messages without end.

        Raises
        ------
        AmqpError
            When the first connection fails, or the exchange does not exist. Later connections are
            tried until one succeeds.
        """
        settings = self._settings
        back_off = BackOff(settings.retry_s, settings.retry_s)  # a constant delay
        while not self._closed:
            try:
                await self._open()
            except AmqpError as error:
                if not self.connections:
                    raise
                logger.warning("%s; next attempt in %.1f s", error, back_off.failed())
                await back_off.wait()
                continue
            back_off.succeeded()
            self.connections += 1
            if self._began:
                yield Incoming(self._began, own=True)
            while (message := await self._inbox.get()) is not None:
                yield Incoming(message.body, message)
            if not self._closed:
                logger.warning("%s: the connection is lost", settings.shown)

    async def _open(self) -> None:
        """Connect, and deliver the queue's messages into a new inbox, which a loss ends."""
        settings = self._settings
        inbox: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        try:
            connection = await asyncio.wait_for(
                aio_pika.connect(_with_heartbeat(settings), ssl_context=_tls(settings)),
                settings.connect_s,
            )
            self._connection, self._inbox = connection, inbox
            connection.close_callbacks.add(lambda *_: inbox.put_nowait(None))
            channel = await connection.channel()
            channel.close_callbacks.add(lambda *_: inbox.put_nowait(None))
            await channel.set_qos(prefetch_count=settings.prefetch)
            exchange = await channel.get_exchange(settings.exchange)
            own = not settings.queue
            queue = await channel.declare_queue(
                settings.queue or None,
                exclusive=own,
                auto_delete=own,
                durable=not own and settings.durable,
            )
            for key in settings.routing_keys:
                await queue.bind(exchange, routing_key=key)
            await queue.consume(inbox.put)
        except (AMQPError, OSError, TimeoutError, ChannelInvalidStateError) as error:
            await self._disconnect()
            why = f"{type(error).__name__}: {error}"
            password = URL(settings.url).password
            if password:
                why = why.replace(password, "***")
            raise AmqpError(f"{settings.shown}: {why}") from None

    async def acknowledge(self, receipts: Sequence[AbstractIncomingMessage | None]) -> None:
        """Acknowledge messages; those of a lost connection are delivered again by the broker.

        The transport's own messages have no receipt.
        """
        for message in filter(None, receipts):
            with contextlib.suppress(ChannelInvalidStateError, AMQPError, ConnectionError):
                await message.ack()

    async def request(self, request: FeedRequest) -> bool:
        """Ask the provider to repeat messages, where the HTTP interface is known."""
        return False if self._request_recovery is None else await self._request_recovery(request)

    async def close(self) -> None:
        """End the connection; what was not acknowledged stays with the broker."""
        self._closed = True
        self._inbox.put_nowait(None)
        await self._disconnect()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(AMQPError, OSError, RuntimeError, TimeoutError):
                await asyncio.wait_for(connection.close(), self._settings.connect_s)


def with_password(url: str, password: str) -> str:
    """Return a broker's address with a password, unless it has one.

    Raises
    ------
    ValueError
        When it is not an ``amqp`` or ``amqps`` address.
    """
    parsed = URL(url)
    if parsed.scheme not in ("amqp", "amqps") or not parsed.host:
        raise ValueError("amqp: amqp:// or amqps://USER@HOST:PORT/VHOST")
    if not password or parsed.password is not None:
        return url
    return str(parsed.with_user(parsed.user or "guest").with_password(password))


def _with_heartbeat(settings: AmqpSettings) -> str:
    return str(URL(settings.url).update_query(heartbeat=str(settings.heartbeat_s)))


def _tls(settings: AmqpSettings) -> ssl.SSLContext | None:
    return verifying(settings.ca_file) if URL(settings.url).scheme == "amqps" else None
