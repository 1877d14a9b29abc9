"""`overround feed` as a process of its own, between a real provider and a real feed listener."""

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
from gateway.feeds.exchange.adapter import ExchangeAdapter, ExchangeSettings
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
PASSWORD = "word-between-us-and-the-broker"
WAIT_S = 60.0
"""Far above what anything here takes; only a failure waits so long."""
FIRST_MS = 1_800_000_000_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "a provider of our own")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("other"), "an authority of somebody else")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker")
    with running_broker(folder, certificate=certificate, password=PASSWORD) as broker:
        yield broker


class Command:
    """A running `overround feed`, and all that it must never say."""

    def __init__(self, process: asyncio.subprocess.Process, secrets: tuple[str, ...]) -> None:
        self.process = process
        self._secrets = secrets

    async def ended(self, *, stop: bool = False) -> tuple[int, str, str]:
        """Return exit code, output and complaints; with `stop` it is interrupted first."""
        if stop:
            self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(WAIT_S):
            out, err = await self.process.communicate()
        said = out.decode(), err.decode()
        for words in said:
            assert not [secret for secret in self._secrets if secret in words]
            assert "Traceback" not in words
        code = self.process.returncode
        assert code is not None
        return code, *said


@contextlib.asynccontextmanager
async def command(
    *words: str | Path, folder: Path, env: dict[str, str] | None = None
) -> AsyncIterator[Command]:
    """Run the command to the feed `tiny`; what still runs in the end is killed."""
    token = feed_token()
    process = await asyncio.create_subprocess_exec(
        OVERROUND, "feed", *words, "--name", "tiny", "--token", token,
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
    """Open the provider's exchange, with a queue that is there before anybody reads it."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        provider = await channel.declare_exchange(EXCHANGE, "topic", durable=True)
        queue = await channel.declare_queue(name, durable=True)
        await queue.bind(provider, routing_key="#")

        async def say(first: int, last: int) -> None:
            for number in range(first, last):
                message = aio_pika.Message(odds_change(number))
                await provider.publish(message, routing_key="hi.-.live.odds_change.1")

        yield say


async def holds(broker: Broker, name: str, count: int) -> bool:
    """Say whether a queue has so many messages for whoever comes next."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, passive=True)
        return queue.declaration_result.message_count == count


def uof(
    broker: Broker,
    feed_system: FeedSystem,
    ca: Path,
    *words: str | Path,
    folder: Path,
    password: str = PASSWORD,
) -> Any:
    return command(
        "uof", "--amqp", broker.tls_url, "--ca-file", ca, "--url", feed_system.feed_url, *words,
        folder=folder, env={PASSWORD_VARIABLE: password},
    )  # fmt: skip


async def test_a_broker_s_messages_are_carried_over_tls_and_written_down(
    broker: Broker, certificate: Certificate, tmp_path: Path
) -> None:
    recording = tmp_path / "messages.xml"
    async with queue_of(broker, "carried") as say, uof_system(tmp_path / "live") as feed_system:
        words = ("--queue", "carried", "--record", recording)
        async with uof(broker, feed_system, certificate.cert, *words, folder=tmp_path) as running:
            await say(0, 50)
            await until(lambda: feed_system.pipeline.stats()["applied"] == 50, wait_s=WAIT_S)
            code, out, err = await running.ended(stop=True)
        assert (code, err) == (EXIT_INTERRUPTED, "")
        assert out.startswith("50 messages read, 50 answered, 0 refused, 0 sent again, 0 too long")
        assert "  odds_change: 50\n" in out
        live = await feed_system.images()
    await until(partial(holds, broker, "carried", 0), wait_s=WAIT_S)
    kept = recording.read_bytes()
    assert kept.splitlines() == [odds_change(number) for number in range(50)]
    assert PASSWORD.encode() not in kept
    async with uof_system(tmp_path / "again") as feed_system:
        words = ("uof", "--files", recording, "--url", feed_system.feed_url)
        async with command(*words, folder=tmp_path) as running:
            code, out, err = await running.ended()
        assert (code, err) == (EXIT_DONE, "")
        assert await feed_system.images() == live


async def test_a_command_interrupted_twice_waits_for_nothing_and_the_broker_keeps_all_of_it(
    broker: Broker, certificate: Certificate, tmp_path: Path
) -> None:
    async with (
        queue_of(broker, "unanswered") as say,
        uof_system(tmp_path) as feed_system,
        BreakableLink(int(feed_system.feed_url.rpartition(":")[2])) as line,
    ):
        way = f"ws://127.0.0.1:{line.port}"
        words = ("--queue", "unanswered", "--url", way)
        async with uof(broker, feed_system, certificate.cert, *words, folder=tmp_path) as running:
            await say(0, 1)
            await until(partial(holds, broker, "unanswered", 0), wait_s=WAIT_S)
            await until(lambda: feed_system.pipeline.stats()["applied"] == 1, wait_s=WAIT_S)
            line.mute = True
            await say(1, 21)
            await until(lambda: feed_system.pipeline.stats()["applied"] == 21, wait_s=WAIT_S)
            running.process.send_signal(signal.SIGTERM)
            code, out, _ = await running.ended(stop=True)
        assert code == EXIT_INTERRUPTED
        carried = re.match(r"21 messages read, ([01]) answered", out)
        assert carried is not None
        left = 21 - int(carried[1])
        await until(partial(holds, broker, "unanswered", left), wait_s=WAIT_S)
        async with uof(
            broker, feed_system, certificate.cert, *words[:2], folder=tmp_path
        ) as running:
            await until(
                lambda: (
                    feed_system.pipeline.stats()["steps_refused"] == {"feed_position_known": left}
                ),
                wait_s=WAIT_S,
            )
            await running.ended(stop=True)
        assert feed_system.pipeline.stats()["applied"] == 21


async def test_a_broker_of_another_authority_ends_the_command_before_it_said_who_it_is(
    broker: Broker, stranger: Certificate, tmp_path: Path
) -> None:
    async with (
        uof_system(tmp_path) as feed_system,
        uof(broker, feed_system, stranger.cert, folder=tmp_path) as running,
    ):
        code, out, err = await running.ended()
    assert code == EXIT_FAILED
    assert out.startswith("0 messages read")
    assert f"overround feed: amqps://127.0.0.1:{broker.tls_port}/: AMQPConnectionError" in err
    assert "CERTIFICATE_VERIFY_FAILED" in err


async def test_a_wrong_password_is_told_without_it(
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


def stream(port: int, feed_url: str, ca: Path, *words: str | Path, folder: Path, **env: str) -> Any:
    keys = {APP_KEY_VARIABLE: KEYS.app_key, SESSION_VARIABLE: KEYS.session}
    return command(
        "exchange", "--tls", f"127.0.0.1:{port}", "--ca-file", ca, "--url", feed_url, *words,
        folder=folder, env=env or keys,
    )  # fmt: skip


def image(pt: int, *, at: float = 0.5, **words: Any) -> bytes:
    """A whole market: two runners and their prices."""
    names = [runner(number, name=f"Runner {number}") for number in (1, 2)]
    prices = [quoted(1, at), quoted(2, 1.0 - at)]
    market = {"id": "1.5", "marketDefinition": definition(*names), "img": True, "rc": prices}
    return mcm(market, pt=pt, **words)


def move(pt: int, at: float) -> bytes:
    return mcm({"id": "1.5", "rc": [quoted(1, at), quoted(2, 1.0 - at)]}, pt=pt, clk=str(pt))


async def test_an_exchange_s_stream_is_carried_and_taken_up_again_where_it_broke_off(
    certificate: Certificate, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []
    cut = asyncio.Event()

    async def first(peer: Peer) -> None:
        asked.append(await peer.welcome())
        await peer.say(image(1, id=asked[0]["id"], ct="SUB_IMAGE", initialClk="i0"))
        for pt in range(2, 12):
            await peer.say(move(pt, 0.3 + pt / 50))
        await cut.wait()

    async def second(peer: Peer) -> None:
        asked.append(await peer.welcome())
        await peer.say(image(20, at=0.7, id=asked[1]["id"], ct="RESUB_DELTA"))
        await peer.reader.read()

    recording = tmp_path / "stream.jsonl"
    async with (
        exchange_system(tmp_path) as feed_system,
        exchange(certificate, first, second) as port,
    ):
        words = ("--market", "1.5", "--record", recording)
        async with stream(
            port, feed_system.feed_url, certificate.cert, *words, folder=tmp_path
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
    assert asked[0]["marketFilter"] == {"marketIds": ["1.5"]}
    assert "clk" not in asked[0]
    assert (asked[1]["initialClk"], asked[1]["clk"]) == ("i0", "11")
    kept = recording.read_bytes()
    assert len(kept.splitlines()) == 18
    assert not [key for key in (KEYS.app_key, KEYS.session) if key.encode() in kept]


async def test_an_exchange_that_refuses_our_credentials_is_asked_no_second_time(
    certificate: Certificate, tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"app_key": KEYS.app_key, "session": KEYS.session}))
    path.chmod(0o600)
    part = refusing("INVALID_SESSION_INFORMATION")
    async with exchange_system(tmp_path) as feed_system, exchange(certificate, part) as port:
        env = {FILE_VARIABLE: str(path)}
        async with stream(
            port, feed_system.feed_url, certificate.cert, folder=tmp_path, **env
        ) as running:
            code, out, err = await running.ended()
    assert code == EXIT_FAILED
    assert "*** is not known" in err
    assert err.endswith("overround feed: the exchange refuses these credentials\n")
    assert "status: 1" in out


async def test_an_exchange_of_another_authority_never_hears_our_credentials(
    certificate: Certificate, stranger: Certificate, tmp_path: Path
) -> None:
    heard: list[Peer] = []

    async def meet(peer: Peer) -> None:
        heard.append(peer)

    async with (
        exchange_system(tmp_path) as feed_system,
        exchange(certificate, *[meet] * 9) as port,
        stream(port, feed_system.feed_url, stranger.cert, folder=tmp_path) as running,
    ):
        assert running.process.stderr is not None
        said = await asyncio.wait_for(running.process.stderr.readline(), WAIT_S)
        code, out, _ = await running.ended(stop=True)
    assert b"CERTIFICATE_VERIFY_FAILED" in said
    assert code == EXIT_INTERRUPTED
    assert out.startswith("0 messages read")
    assert heard == []


async def test_what_is_missing_before_anything_is_carried_is_told_in_a_line(
    certificate: Certificate, tmp_path: Path
) -> None:
    nowhere = "ws://127.0.0.1:1"
    env = {APP_KEY_VARIABLE: KEYS.app_key}
    async with stream(1, nowhere, certificate.cert, folder=tmp_path, **env) as running:
        code, out, err = await running.ended()
    assert (code, out) == (EXIT_FAILED, "")
    assert err.startswith("overround feed: set ")
    missing = tmp_path / "nobody.pem"
    for words in (
        ("uof", "--amqp", "amqps://127.0.0.1:1/"),
        ("exchange", "--tls", "127.0.0.1:1"),
    ):
        async with command(*words, "--ca-file", missing, folder=tmp_path) as running:
            code, out, err = await running.ended()
        assert (code, out) == (EXIT_WRONG_ARGUMENTS, "")
        assert err == f"overround feed: --ca-file: {missing}: No such file or directory\n"
