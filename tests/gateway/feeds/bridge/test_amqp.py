"""Messages over a real RabbitMQ are applied exactly once, whichever part fails on the way."""

import asyncio
import contextlib
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from yarl import URL

from engine.common.lifecycle import Status
from gateway.feeds.bridge.amqp import EXCHANGE, AmqpError, AmqpSettings, AmqpTransport
from gateway.feeds.bridge.bridge import Bridge
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.messages import SUBSCRIPTION_STARTED
from gateway.feeds.uof.settings import UofSettings
from tests.gateway.feeds.breakable_link import BreakableLink
from tests.gateway.feeds.bridge.broker import Broker, running_broker
from tests.gateway.feeds.certificate import Certificate, make_certificate
from tests.gateway.feeds.feed_system import FeedSystem, feed_token, open_feed_system
from tests.gateway.price_gateway import until

KEYS = ("hi.-.live.odds_change.1", "hi.-.live.bet_stop.1")
FIRST_MS = 1_700_000_000_000
WAIT_S = 60.0
"""Far above what anything here takes; only a failure waits so long."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "a broker for tests")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker")
    with running_broker(folder, certificate=certificate) as broker:
        yield broker


def odds_change(number: int) -> bytes:
    """Return the n-th message: one of three matches, new odds, every fourth one suspended."""
    home, draw, away = 1.5 + number % 50 / 50, 3.1, 4.2
    status = -1 if number % 4 == 3 else 1
    return (
        f'<odds_change product="1" event_id="sr:match:{number % 3}" '
        f'timestamp="{FIRST_MS + number}"><odds><market id="1" status="{status}">'
        f'<outcome id="1" odds="{home:.2f}" active="1"/><outcome id="2" odds="{draw}" active="1"/>'
        f'<outcome id="3" odds="{away}" active="1"/></market></odds></odds_change>'
    ).encode()


class Provider:
    """Publish messages to the broker's exchange."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange

    async def publish(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            message = aio_pika.Message(
                odds_change(number), delivery_mode=aio_pika.DeliveryMode.PERSISTENT
            )
            await self._exchange.publish(message, routing_key=KEYS[0])


@contextlib.asynccontextmanager
async def provider(broker: Broker, *queues: str):
    """Declare the provider's exchange and empty queues of these names; yield its publisher."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(EXCHANGE, "topic", durable=True)
        for queue in queues:
            declared = await channel.declare_queue(queue, durable=True)
            await declared.bind(exchange, routing_key="#")
            await declared.purge()
        yield Provider(exchange)


def system_of_feeds(folder: Path) -> Any:
    adapter = partial(UofAdapter, "tiny", UofSettings(watch=False))
    return open_feed_system(folder, make_adapter=adapter, gateway={})


def bridge(feed_system: FeedSystem, broker: Broker, url: str = "", **settings: Any) -> Bridge:
    transport = AmqpTransport(
        AmqpSettings(url=url or broker.url, routing_keys=("#",), retry_s=0.1, **settings)
    )
    return Bridge(transport=transport, feed="tiny", url=feed_system.feed_url, token=feed_token)


@contextlib.asynccontextmanager
async def carrying(carrier: Bridge):
    running = asyncio.create_task(carrier.run())
    try:
        yield running
    finally:
        carrier.stop()
        async with asyncio.timeout(20):
            with contextlib.suppress(asyncio.CancelledError):
                await running


def all_applied(feed_system: FeedSystem, carrier: Bridge, count: int) -> bool:
    """Say whether all messages are applied, and repeated deliveries are answered too."""
    return (
        feed_system.pipeline.stats()["applied"] == count
        and carrier.counts.answered == carrier.counts.read
    )


async def images_without_faults(folder: Path, count: int) -> dict[str, Any]:
    async with system_of_feeds(folder) as feed_system:
        await feed_system.push(*(odds_change(number) for number in range(count)))
        return await feed_system.images()


async def publish_until_answered(publisher: Provider, carrier: Bridge, *, first: int) -> int:
    """Publish until a message is answered: then the queue is bound. Return the next number."""
    number, before = first, carrier.counts.answered
    async with asyncio.timeout(WAIT_S):
        while carrier.counts.answered == before:
            await publisher.publish([number])
            number += 1
            await asyncio.sleep(0.01)
    return number


async def is_empty(broker: Broker, queue: str) -> bool:
    """Say whether the broker holds no message of a queue without a consumer."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count == 0


async def test_every_message_is_applied_and_removed_from_the_broker(
    broker: Broker, tmp_path: Path
) -> None:
    async with provider(broker, "plain") as publisher, system_of_feeds(tmp_path) as feed_system:
        carrier = bridge(feed_system, broker, queue="plain", prefetch=64)
        async with carrying(carrier):
            await publisher.publish(range(300))
            await until(lambda: carrier.counts.answered == 300, wait_s=WAIT_S)
        images = await feed_system.images()
        assert images == await images_without_faults(tmp_path / "no-faults", 300)
        assert {image.status for image in images.values()} <= {Status.ACTIVE, Status.SUSPENDED}
        assert feed_system.pipeline.stats()["applied"] == 300
    await until(lambda: is_empty(broker, "plain"), wait_s=WAIT_S)


async def test_temporary_queue_delivers_every_message_after_its_declaration(
    broker: Broker, tmp_path: Path
) -> None:
    async with provider(broker) as publisher, system_of_feeds(tmp_path) as feed_system:
        carrier = bridge(feed_system, broker)
        async with carrying(carrier):
            await until(lambda: carrier.counts.connections == 1)
            number = await publish_until_answered(publisher, carrier, first=0)
            await publisher.publish(range(number, number + 30))
            await until(lambda: feed_system.pipeline.stats()["applied"] >= 31, wait_s=WAIT_S)


async def test_unacknowledged_messages_of_a_killed_bridge_are_applied_once(
    broker: Broker, tmp_path: Path
) -> None:
    async with provider(broker, "killed") as publisher, system_of_feeds(tmp_path) as feed_system:
        await publisher.publish(range(400))
        for bound in (40, 120, 240):
            carrier = bridge(feed_system, broker, queue="killed", prefetch=100)
            running = asyncio.create_task(carrier.run())
            await until(
                lambda bound=bound: feed_system.pipeline.stats()["applied"] >= bound, wait_s=WAIT_S
            )
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        carrier = bridge(feed_system, broker, queue="killed")
        async with carrying(carrier):
            await until(lambda: all_applied(feed_system, carrier, 400), wait_s=WAIT_S)
        assert await feed_system.images() == await images_without_faults(
            tmp_path / "no-faults", 400
        )
    await until(lambda: is_empty(broker, "killed"), wait_s=WAIT_S)


async def test_cut_broker_connection_is_reopened_without_loss_or_duplicates(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        provider(broker, "cut") as publisher,
        system_of_feeds(tmp_path) as feed_system,
        BreakableLink(broker.port) as link,
    ):
        url = f"amqp://guest:guest@127.0.0.1:{link.port}/"
        carrier = bridge(feed_system, broker, url, queue="cut", prefetch=50)
        async with carrying(carrier):
            for part in range(4):
                await publisher.publish(range(part * 100, part * 100 + 100))
                await until(
                    lambda p=part: feed_system.pipeline.stats()["applied"] >= p * 100 + 10,
                    wait_s=WAIT_S,
                )
                link.cut()
            await until(lambda: carrier._transport.connections == 5, wait_s=WAIT_S)
            await until(lambda: all_applied(feed_system, carrier, 400), wait_s=WAIT_S)
        assert carrier.counts.read > 400, "some messages are delivered twice"
        assert await feed_system.images() == await images_without_faults(
            tmp_path / "no-faults", 400
        )


async def test_temporary_queue_is_declared_again_after_a_cut(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        provider(broker) as publisher,
        system_of_feeds(tmp_path) as feed_system,
        BreakableLink(broker.port) as link,
    ):
        carrier = bridge(feed_system, broker, f"amqp://guest:guest@127.0.0.1:{link.port}/")
        async with carrying(carrier):
            number = 0
            for connection in (1, 2):
                await until(lambda c=connection: carrier._transport.connections == c, wait_s=WAIT_S)
                number = await publish_until_answered(publisher, carrier, first=number)
                link.cut()


async def test_each_connection_with_a_temporary_queue_starts_with_its_own_message(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        provider(broker, "kept"),
        system_of_feeds(tmp_path) as feed_system,
        BreakableLink(broker.port) as link,
    ):
        url = f"amqp://guest:guest@127.0.0.1:{link.port}/"
        for queue, expected in (("", 3), ("kept", 3)):
            transport = AmqpTransport(
                AmqpSettings(url=url, routing_keys=("#",), queue=queue, retry_s=0.1),
                began=SUBSCRIPTION_STARTED,
            )
            carrier = Bridge(
                transport=transport, feed="tiny", url=feed_system.feed_url, token=feed_token
            )
            async with carrying(carrier):
                for connection in (1, 2, 3):
                    await until(lambda t=transport, c=connection: t.connections == c, wait_s=WAIT_S)
                    if connection < 3:
                        link.cut()
                await until(
                    lambda e=expected: feed_system.pipeline.stats()["kinds"] == {"source_began": e},
                    wait_s=WAIT_S,
                )
            assert carrier.counts.answered == carrier.counts.read == (0 if queue else 3)


async def test_restarted_broker_is_found_after_a_constant_delay(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with system_of_feeds(tmp_path) as feed_system:
        carrier = bridge(feed_system, broker, queue="anew")
        async with carrying(carrier):
            for first in (0, 50):
                async with provider(broker, "anew") as publisher:
                    await publisher.publish(range(first, first + 50))
                    await until(
                        lambda f=first: feed_system.pipeline.stats()["applied"] == f + 50,
                        wait_s=WAIT_S,
                    )
                if first == 0:
                    await asyncio.to_thread(broker.stop)
                    await until(lambda: len(attempts(caplog)) >= 4, wait_s=WAIT_S)
                    await asyncio.to_thread(broker.start)
    assert set(attempts(caplog)) == {"0.1"}


def attempts(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the logged delays before attempts to connect to the broker, in seconds."""
    return re.findall(r"amqp://.*; next attempt in (\S+) s", caplog.text)


async def test_refusals_of_the_broker_never_show_the_password(
    broker: Broker, tmp_path: Path
) -> None:
    for url, settings in (
        (f"amqp://guest:secretword@127.0.0.1:{broker.port}/", {}),
        (broker.url, {"exchange": "no such exchange"}),
        ("amqp://guest:secretword@127.0.0.1:1/", {"connect_s": 2.0}),
    ):
        transport = AmqpTransport(AmqpSettings(url=url, **settings))
        with pytest.raises(AmqpError, match=r"amqp://127\.0\.0\.1") as raised:
            async for _ in transport.messages():
                pass
        await transport.close()
        assert "secretword" not in str(raised.value)


# --- TLS ------------------------------------------------------------------------------------------


def secured(broker: Broker) -> str:
    return str(URL(broker.tls_url).with_password("guest"))


async def test_messages_arrive_over_tls_from_a_broker_of_a_trusted_authority(
    broker: Broker, certificate: Certificate, tmp_path: Path
) -> None:
    async with system_of_feeds(tmp_path) as feed_system, provider(broker, "secured") as publisher:
        carrier = bridge(
            feed_system, broker, secured(broker), queue="secured", ca_file=str(certificate.cert)
        )
        async with carrying(carrier):
            await publisher.publish(range(100))
            await until(lambda: carrier.counts.answered == 100, wait_s=WAIT_S)
        assert feed_system.pipeline.stats()["applied"] == 100
    await until(lambda: is_empty(broker, "secured"), wait_s=WAIT_S)


async def refused(url: str, **settings: Any) -> str:
    transport = AmqpTransport(AmqpSettings(url=url, **settings))
    with pytest.raises(AmqpError) as raised:
        async for _ in transport.messages():
            pass
    await transport.close()
    assert transport.connections == 0
    return str(raised.value)


async def test_broker_of_another_authority_or_name_is_refused_whatever_its_url_says(
    broker: Broker, certificate: Certificate, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path, "another authority")
    for query in ("", "?no_verify_ssl=1", "?verify=0", "?ssl_verify=false"):
        for trusted in ("", str(other.cert)):
            why = await refused(secured(broker) + query, ca_file=trusted)
            assert "CERTIFICATE_VERIFY_FAILED" in why
            assert "guest" not in why
    by_name = secured(broker).replace("127.0.0.1", "localhost")
    assert "Hostname mismatch" in await refused(by_name, ca_file=str(certificate.cert))
    assert str(tmp_path / "none") in await refused(secured(broker), ca_file=str(tmp_path / "none"))


async def test_listener_without_tls_receives_only_a_tls_hello(
    certificate: Certificate,
) -> None:
    received: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(65_536))
        writer.write(b"AMQP\x00\x00\x09\x01")
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"amqps://guest:secretword@127.0.0.1:{port}/"
        assert "secretword" not in await refused(url, ca_file=str(certificate.cert))
    assert [sent[:2] for sent in received] == [b"\x16\x03"], "a TLS hello, once, and nothing else"
    assert b"AMQP" not in received[0]
