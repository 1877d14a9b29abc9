"""`overround feed` as a process, between a real provider and a real feed listener."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from actors.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_WRONG_ARGUMENTS
from engine.common.lifecycle import Status
from gateway.cli.feed import PASSWORD_VARIABLE
from gateway.feeds.bridge.amqp import EXCHANGE
from gateway.feeds.exchange.adapter import ExchangeAdapter
from gateway.feeds.exchange.settings import ExchangeSettings
from gateway.feeds.exchange.stream import APP_KEY_VARIABLE, FILE_VARIABLE, SESSION_VARIABLE
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.settings import UofSettings
from tests.gateway.feeds.breakable_link import BreakableLink
from tests.gateway.feeds.bridge.broker import Broker, running_broker
from tests.gateway.feeds.certificate import Certificate, make_certificate
from tests.gateway.feeds.exchange.builders import definition, mcm, quoted, runner
from tests.gateway.feeds.exchange.stream_server import KEYS, Peer, exchange, refusing
from tests.gateway.feeds.feed_system import FeedSystem, feed_token, open_feed_system
from tests.gateway.price_gateway import until

OVERROUND = Path(sys.executable).with_name("overround")
PASSWORD = "password-of-the-broker"
WAIT_S = 60.0
"""Far above what anything here takes; only a failure waits so long."""
FIRST_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "a provider for tests")


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("other"), "another authority")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker")
    with running_broker(folder, certificate=certificate, password=PASSWORD) as broker:
        yield broker


class Command:
    """A running `overround feed`, and the secrets that it must never print."""

    def __init__(self, process: asyncio.subprocess.Process, secrets: tuple[str, ...]) -> None:
        self.process = process
        self._secrets = secrets

    async def ended(self, *, stop: bool = False) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr; with `stop` interrupt the process first."""
        if stop:
            self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(WAIT_S):
            out, err = await self.process.communicate()
        texts = out.decode(), err.decode()
        for text in texts:
            assert not [secret for secret in self._secrets if secret in text]
            assert "Traceback" not in text
        code = self.process.returncode
        assert code is not None
        return code, *texts


@contextlib.asynccontextmanager
async def command(
    *arguments: str | Path, folder: Path, env: dict[str, str] | None = None
) -> AsyncIterator[Command]:
    """Run the command for the feed `tiny`; kill the process if it still runs at the end."""
    token = feed_token()
    process = await asyncio.create_subprocess_exec(
        OVERROUND, "feed", *arguments, "--name", "tiny", "--token", token,
        env={**os.environ, "OVERROUND_DATA_DIR": str(folder), **(env or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Command(process, (token, PASSWORD, KEYS.app_key, KEYS.session))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


# --- the Unified Odds Feed ------------------------------------------------------------------------


def odds_change(number: int) -> bytes:
    return (
        f'<odds_change product="1" event_id="sr:match:{number % 3}" '
        f'timestamp="{FIRST_MS + number}"><odds><market id="1" status="1">'
        f'<outcome id="1" odds="{1.5 + number % 50 / 50:.2f}" active="1"/>'
        '<outcome id="2" odds="3.1" active="1"/><outcome id="3" odds="4.2" active="1"/>'
        "</market></odds></odds_change>"
    ).encode()


def uof_system(folder: Path) -> Any:
    adapter = partial(UofAdapter, "tiny", UofSettings(watch=False))
    return open_feed_system(folder, make_adapter=adapter, gateway={})


@contextlib.asynccontextmanager
async def queue_of(broker: Broker, name: str) -> AsyncIterator[Any]:
    """Declare the provider's exchange and a bound queue; yield a function that publishes."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        provider = await channel.declare_exchange(EXCHANGE, "topic", durable=True)
        queue = await channel.declare_queue(name, durable=True)
        await queue.bind(provider, routing_key="#")

        async def publish(first: int, last: int) -> None:
            for number in range(first, last):
                message = aio_pika.Message(odds_change(number))
                await provider.publish(message, routing_key="hi.-.live.odds_change.1")

        yield publish


async def holds(broker: Broker, name: str, count: int) -> bool:
    """Say whether a queue holds so many messages for the next consumer."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, passive=True)
        return queue.declaration_result.message_count == count


def uof(
    broker: Broker,
    feed_system: FeedSystem,
    ca: Path,
    *arguments: str | Path,
    folder: Path,
    password: str = PASSWORD,
) -> Any:
    return command(
        "uof", "--amqp", broker.tls_url, "--ca-file", ca, "--url", feed_system.feed_url, *arguments,
        folder=folder, env={PASSWORD_VARIABLE: password},
    )  # fmt: skip


async def test_messages_of_a_broker_are_carried_over_tls_and_recorded(
    broker: Broker, certificate: Certificate, tmp_path: Path
) -> None:
    recording = tmp_path / "messages.xml"
    async with queue_of(broker, "carried") as publish, uof_system(tmp_path / "live") as feed_system:
        arguments = ("--queue", "carried", "--record", recording)
        async with uof(
            broker, feed_system, certificate.cert, *arguments, folder=tmp_path
        ) as running:
            await publish(0, 50)
            await until(lambda: feed_system.pipeline.stats()["applied"] == 50, wait_s=WAIT_S)
            code, out, err = await running.ended(stop=True)
        assert (code, err) == (EXIT_INTERRUPTED, "")
        assert out.startswith(
            "50 messages read, 50 answered, 0 refused, 0 sent again, 0 held, 0 too long"
        )
        assert "  odds_change: 50\n" in out
        live = await feed_system.images()
    await until(partial(holds, broker, "carried", 0), wait_s=WAIT_S)
    kept = recording.read_bytes()
    assert kept.splitlines() == [odds_change(number) for number in range(50)]
    assert PASSWORD.encode() not in kept
    async with uof_system(tmp_path / "again") as feed_system:
        arguments = ("uof", "--files", recording, "--url", feed_system.feed_url)
        async with command(*arguments, folder=tmp_path) as running:
            code, out, err = await running.ended()
        assert (code, err) == (EXIT_DONE, "")
        assert await feed_system.images() == live


async def test_command_interrupted_twice_ends_at_once_and_the_broker_keeps_unanswered_messages(
    broker: Broker, certificate: Certificate, tmp_path: Path
) -> None:
    async with (
        queue_of(broker, "unanswered") as publish,
        uof_system(tmp_path) as feed_system,
        BreakableLink(int(feed_system.feed_url.rpartition(":")[2])) as link,
    ):
        link_url = f"ws://127.0.0.1:{link.port}"
        arguments = ("--queue", "unanswered", "--url", link_url)
        async with uof(
            broker, feed_system, certificate.cert, *arguments, folder=tmp_path
        ) as running:
            await publish(0, 1)
            await until(partial(holds, broker, "unanswered", 0), wait_s=WAIT_S)
            await until(lambda: feed_system.pipeline.stats()["applied"] == 1, wait_s=WAIT_S)
            link.mute = True
            await publish(1, 21)
            await until(lambda: feed_system.pipeline.stats()["applied"] == 21, wait_s=WAIT_S)
            running.process.send_signal(signal.SIGTERM)
            code, out, _ = await running.ended(stop=True)
        assert code == EXIT_INTERRUPTED
        carried = re.match(r"21 messages read, ([01]) answered", out)
        assert carried is not None
        left = 21 - int(carried[1])
        await until(partial(holds, broker, "unanswered", left), wait_s=WAIT_S)
        async with uof(
            broker, feed_system, certificate.cert, *arguments[:2], folder=tmp_path
        ) as running:
            await until(
                lambda: (
                    feed_system.pipeline.stats()["steps_refused"] == {"feed_position_known": left}
                ),
                wait_s=WAIT_S,
            )
            await running.ended(stop=True)
        assert feed_system.pipeline.stats()["applied"] == 21


async def test_broker_of_another_authority_ends_the_command_before_any_login(
    broker: Broker, other_authority: Certificate, tmp_path: Path
) -> None:
    async with (
        uof_system(tmp_path) as feed_system,
        uof(broker, feed_system, other_authority.cert, folder=tmp_path) as running,
    ):
        code, out, err = await running.ended()
    assert code == EXIT_FAILED
    assert out.startswith("0 messages read")
    assert f"overround feed: amqps://127.0.0.1:{broker.tls_port}/: AMQPConnectionError" in err
    assert "CERTIFICATE_VERIFY_FAILED" in err


async def test_wrong_password_is_reported_without_showing_it(
    broker: Broker, certificate: Certificate, tmp_path: Path
) -> None:
    async with (
        uof_system(tmp_path) as feed_system,
        uof(
            broker, feed_system, certificate.cert, folder=tmp_path, password=KEYS.session
        ) as running,
    ):
        code, _, err = await running.ended()
    assert code == EXIT_FAILED
    assert "ACCESS_REFUSED" in err


# --- an exchange ----------------------------------------------------------------------------------


def exchange_system(folder: Path) -> Any:
    adapter = partial(ExchangeAdapter, feed="tiny", settings=ExchangeSettings(every_ms=0))
    return open_feed_system(folder, make_adapter=adapter, gateway={})


def stream(
    port: int, feed_url: str, ca: Path, *arguments: str | Path, folder: Path, **env: str
) -> Any:
    keys = {APP_KEY_VARIABLE: KEYS.app_key, SESSION_VARIABLE: KEYS.session}
    return command(
        "exchange", "--tls", f"127.0.0.1:{port}", "--ca-file", ca, "--url", feed_url, *arguments,
        folder=folder, env=env or keys,
    )  # fmt: skip


def image(pt: int, *, at: float = 0.5, **fields: Any) -> bytes:
    """Return a market image: two runners and their prices."""
    names = [runner(number, name=f"Runner {number}") for number in (1, 2)]
    prices = [quoted(1, at), quoted(2, 1.0 - at)]
    market = {"id": "1.5", "marketDefinition": definition(*names), "img": True, "rc": prices}
    return mcm(market, pt=pt, **fields)


def move(pt: int, at: float) -> bytes:
    return mcm({"id": "1.5", "rc": [quoted(1, at), quoted(2, 1.0 - at)]}, pt=pt, clk=str(pt))


async def test_stream_of_an_exchange_is_carried_and_resumed_after_a_loss(
    certificate: Certificate, tmp_path: Path
) -> None:
    subscriptions: list[dict[str, Any]] = []
    cut = asyncio.Event()

    async def serve_and_cut(peer: Peer) -> None:
        subscriptions.append(await peer.accept())
        await peer.send(image(1, id=subscriptions[0]["id"], ct="SUB_IMAGE", initialClk="i0"))
        for pt in range(2, 12):
            await peer.send(move(pt, 0.3 + pt / 50))
        await cut.wait()

    async def resume(peer: Peer) -> None:
        subscriptions.append(await peer.accept())
        await peer.send(image(20, at=0.7, id=subscriptions[1]["id"], ct="RESUB_DELTA"))
        await peer.reader.read()

    recording = tmp_path / "stream.jsonl"
    async with (
        exchange_system(tmp_path) as feed_system,
        exchange(certificate, serve_and_cut, resume) as port,
    ):
        arguments = ("--market", "1.5", "--record", recording)
        async with stream(
            port, feed_system.feed_url, certificate.cert, *arguments, folder=tmp_path
        ) as running:
            await until(
                lambda: feed_system.pipeline.stats()["kinds"].get("mcm") == 10, wait_s=WAIT_S
            )
            await until(lambda: feed_system.pipeline.stats()["in_hand"] == 0, wait_s=WAIT_S)
            cut.set()
            await until(
                lambda: feed_system.pipeline.stats()["kinds"].get("image") == 2, wait_s=WAIT_S
            )
            await until(lambda: feed_system.pipeline.stats()["in_hand"] == 0, wait_s=WAIT_S)
            code, out, err = await running.ended(stop=True)
        (market,) = (await feed_system.images()).values()
        assert market.status is Status.ACTIVE
    assert code == EXIT_INTERRUPTED
    assert "exchange stream lost" in err
    assert out.startswith("18 messages read, 18 answered, 0 refused, 0 sent again")
    for counted in ("connection: 2", "status: 4", "image: 2", "mcm: 10"):
        assert f"  {counted}\n" in out
    assert subscriptions[0]["marketFilter"] == {"marketIds": ["1.5"]}
    assert "clk" not in subscriptions[0]
    assert (subscriptions[1]["initialClk"], subscriptions[1]["clk"]) == ("i0", "11")
    kept = recording.read_bytes()
    assert len(kept.splitlines()) == 18
    assert not [key for key in (KEYS.app_key, KEYS.session) if key.encode() in kept]


async def test_refused_credentials_are_not_sent_to_the_exchange_again(
    certificate: Certificate, tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"app_key": KEYS.app_key, "session": KEYS.session}))
    path.chmod(0o600)
    script = refusing("INVALID_SESSION_INFORMATION")
    async with exchange_system(tmp_path) as feed_system, exchange(certificate, script) as port:
        env = {FILE_VARIABLE: str(path)}
        async with stream(
            port, feed_system.feed_url, certificate.cert, folder=tmp_path, **env
        ) as running:
            code, out, err = await running.ended()
    assert code == EXIT_FAILED
    assert "*** is not known" in err
    assert err.endswith("overround feed: the exchange refuses these credentials\n")
    assert "status: 1" in out


async def test_exchange_of_another_authority_never_receives_credentials(
    certificate: Certificate, other_authority: Certificate, tmp_path: Path
) -> None:
    accepted: list[Peer] = []

    async def accept(peer: Peer) -> None:
        accepted.append(peer)

    async with (
        exchange_system(tmp_path) as feed_system,
        exchange(certificate, *[accept] * 9) as port,
        stream(port, feed_system.feed_url, other_authority.cert, folder=tmp_path) as running,
    ):
        assert running.process.stderr is not None
        first_line = await asyncio.wait_for(running.process.stderr.readline(), WAIT_S)
        code, out, _ = await running.ended(stop=True)
    assert b"CERTIFICATE_VERIFY_FAILED" in first_line
    assert code == EXIT_INTERRUPTED
    assert out.startswith("0 messages read")
    assert accepted == []


async def test_missing_credentials_and_authorities_are_reported_in_one_line(
    certificate: Certificate, tmp_path: Path
) -> None:
    nowhere = "ws://127.0.0.1:1"
    env = {APP_KEY_VARIABLE: KEYS.app_key}
    async with stream(1, nowhere, certificate.cert, folder=tmp_path, **env) as running:
        code, out, err = await running.ended()
    assert (code, out) == (EXIT_FAILED, "")
    assert err.startswith("overround feed: set ")
    missing = tmp_path / "missing.pem"
    for arguments in (
        ("uof", "--amqp", "amqps://127.0.0.1:1/"),
        ("exchange", "--tls", "127.0.0.1:1"),
    ):
        async with command(*arguments, "--ca-file", missing, folder=tmp_path) as running:
            code, out, err = await running.ended()
        assert (code, out) == (EXIT_WRONG_ARGUMENTS, "")
        assert err == f"overround feed: --ca-file: {missing}: No such file or directory\n"
