"""A live stream over real TLS: authenticated, verified, and taken up again where it broke off."""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.feeds.exchange.order_book import StreamOrderBooks
from gateway.feeds.exchange.session import Credentials, Subscription
from gateway.feeds.exchange.stream import (
    APP_KEY_VARIABLE,
    FILE_VARIABLE,
    SESSION_VARIABLE,
    CredentialsError,
    StreamRefusedError,
    StreamSettings,
    StreamSocket,
    read_credentials,
)
from tests.gateway.feeds.certificate import Certificate, make_certificate
from tests.gateway.feeds.exchange.builders import Exchange, line, mcm
from tests.gateway.feeds.exchange.stream_server import KEYS, Peer, exchange, refusing

DEADLINE_S = 10.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "an exchange of our own")


class Waits:
    """Waits that take no time, and are written down; `twice` is set at the second."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.twice = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == 2:
            self.twice.set()
        await asyncio.sleep(0)


def stream(port: int, certificate: Certificate, *, waits: Waits, **words: Any) -> StreamSocket:
    settings = StreamSettings(
        host="127.0.0.1", port=port, ca_file=str(certificate.cert), **words.pop("settings", {})
    )
    return StreamSocket(
        subscription=Subscription(market_filter={"marketIds": ["1.5"]}),
        credentials=words.pop("credentials", lambda: KEYS),
        settings=settings,
        rng=random.Random(5),
        sleep=waits,
    )


async def read(
    socket: StreamSocket, *, until: Callable[[bytes], bool], found: list[bytes] | None = None
) -> list[bytes]:
    found = [] if found is None else found
    async with asyncio.timeout(DEADLINE_S), contextlib.aclosing(socket.lines()) as lines:
        async for body in lines:
            found.append(body)
            if until(body):
                break
    await socket.close()
    return found


def says(words: bytes) -> Callable[[bytes], bool]:
    return lambda body: words in body


async def test_broken_stream_is_taken_up_where_it_broke_off(
    certificate: Certificate,
) -> None:
    market = Exchange(1)
    image = json.loads(market.image())
    sent: list[dict[str, Any]] = []

    async def first(peer: Peer) -> None:
        asked = await peer.welcome()
        sent.append(asked)
        words = image | {"id": asked["id"], "ct": "SUB_IMAGE", "initialClk": "i0"}
        await peer.say(line(**words))
        await peer.say(market.move())
        await peer.say(mcm(pt=market.pt, clk="c1", ct="HEARTBEAT"))
        await peer.say(mcm(pt=market.pt, clk="c2", ct="HEARTBEAT", status=503))
        peer.writer.write(market.move()[:40])
        await peer.writer.drain()

    async def second(peer: Peer) -> None:
        asked = await peer.welcome()
        sent.append(asked)
        words = json.loads(market.image()) | {"id": asked["id"], "ct": "RESUB_DELTA", "clk": "c3"}
        await peer.say(line(**words))
        await peer.say(market.move())
        await peer.say(mcm(pt=market.pt, clk="end", ct="HEARTBEAT"))
        await peer.reader.read()

    waits = Waits()
    async with exchange(certificate, first, second) as port:
        socket = stream(port, certificate, waits=waits)
        lines = await read(socket, until=says(b'"end"'))
    assert "clk" not in sent[0]
    assert (sent[1]["initialClk"], sent[1]["clk"]) == ("i0", "c2")
    assert any(b'"status":503' in body for body in lines)
    assert len(waits.seconds) == 1
    assert (socket.counts.connections, socket.counts.losses) == (2, 1)
    book = StreamOrderBooks()
    assert [book.receive(body).refused for body in lines if b"mcm" in body].count("") == 7
    for number, sides in market.book.items():
        found = book.markets[market.market_id].runners[number]
        assert found.backs() == tuple(sorted(sides["atb"].items(), reverse=True))


async def test_silence_past_the_heartbeats_ends_the_connection(
    certificate: Certificate,
) -> None:
    async def silent(peer: Peer) -> None:
        asked = await peer.welcome()
        await peer.say(mcm(pt=1, id=asked["id"], ct="SUB_IMAGE", heartbeatMs=20))
        await peer.reader.read()

    async def lively(peer: Peer) -> None:
        asked = await peer.welcome()
        await peer.say(mcm(pt=2, id=asked["id"], ct="SUB_IMAGE", clk="end"))
        await peer.reader.read()

    async with exchange(certificate, silent, lively) as port:
        await read(stream(port, certificate, waits=Waits()), until=says(b'"end"'))


async def test_waits_grow_with_each_loss_in_a_row_up_to_their_bound(
    certificate: Certificate,
) -> None:
    async def hang_up(peer: Peer) -> None:
        peer.writer.close()

    async def serve(peer: Peer) -> None:
        asked = await peer.welcome()
        await peer.say(mcm(pt=2, id=asked["id"], ct="SUB_IMAGE", clk="end"))
        await peer.reader.read()

    waits = Waits()
    async with exchange(certificate, *[hang_up] * 5, serve) as port:
        settings = {"retry_ms": 100, "retry_ms_max": 800}
        await read(stream(port, certificate, waits=waits, settings=settings), until=says(b'"end"'))
    bounds = (0.1, 0.2, 0.4, 0.8, 0.8)
    assert len(waits.seconds) == 5
    assert all(top / 2 <= wait <= top for top, wait in zip(bounds, waits.seconds, strict=True))


async def test_certificate_of_another_authority_is_never_accepted(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    reached = asyncio.Event()

    async def meet(peer: Peer) -> None:
        reached.set()

    waits = Waits()
    async with exchange(certificate, meet, meet, meet) as port:
        socket = StreamSocket(
            subscription=Subscription(),
            credentials=lambda: KEYS,
            settings=StreamSettings(host="127.0.0.1", port=port),
            sleep=waits,
        )
        lines = asyncio.create_task(anext(socket.lines()))
        async with asyncio.timeout(DEADLINE_S):
            await waits.twice.wait()
        await socket.close()
        with pytest.raises(StopAsyncIteration):
            await lines
    assert not reached.is_set()
    assert socket.counts.connections == 0
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


async def test_refused_credentials_are_not_sent_twice_and_never_logged(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with exchange(certificate, refusing("INVALID_SESSION_INFORMATION")) as port:
        socket = stream(port, certificate, waits=Waits())
        given: list[bytes] = []
        with pytest.raises(StreamRefusedError, match="these credentials"):
            await read(socket, until=says(b"never"), found=given)
    assert b"*** is not known" in given[-1]
    assert not [body for body in given if KEYS.session.encode() in body]
    assert "*** is not known" in caplog.text
    assert KEYS.session not in caplog.text
    assert KEYS.app_key not in caplog.text


async def test_new_credentials_are_taken_up_without_a_restart(
    certificate: Certificate,
) -> None:
    async def serve(peer: Peer) -> None:
        asked = await peer.welcome()
        await peer.say(mcm(pt=2, id=asked["id"], ct="SUB_IMAGE", clk="end"))
        await peer.reader.read()

    old = Credentials(app_key="key-of-ours", session="token of yesterday")
    given = iter([old, old, KEYS])
    async with exchange(certificate, refusing("INVALID_SESSION_INFORMATION"), serve) as port:
        socket = stream(port, certificate, waits=Waits(), credentials=lambda: next(given))
        await read(socket, until=says(b'"end"'))


async def test_request_that_can_never_be_granted_ends_the_stream(
    certificate: Certificate,
) -> None:
    async with exchange(certificate, refusing("SUBSCRIPTION_LIMIT_EXCEEDED")) as port:
        with pytest.raises(StreamRefusedError, match="SUBSCRIPTION_LIMIT_EXCEEDED"):
            await read(stream(port, certificate, waits=Waits()), until=says(b"never"))


async def test_whole_image_is_asked_for_again_on_the_same_connection(
    certificate: Certificate,
) -> None:
    async def serve(peer: Peer) -> None:
        asked = await peer.welcome()
        await peer.say(mcm(pt=1, id=asked["id"], ct="SUB_IMAGE", initialClk="i", clk="a"))
        again = await peer.heard()
        assert "clk" not in again
        await peer.say(mcm(pt=2, id=again["id"], ct="SUB_IMAGE", clk="end"))
        await peer.reader.read()

    async with exchange(certificate, serve) as port:
        socket = stream(port, certificate, waits=Waits())
        async with asyncio.timeout(DEADLINE_S), contextlib.aclosing(socket.lines()) as lines:
            async for body in lines:
                if b'"a"' in body:
                    await socket.request_image()
                if b'"end"' in body:
                    break
        await socket.close()


# --- credentials ----------------------------------------------------------------------------------


def test_credentials_come_from_the_environment_or_a_file_of_ones_own(tmp_path: Path) -> None:
    words = {APP_KEY_VARIABLE: KEYS.app_key, SESSION_VARIABLE: KEYS.session}
    assert read_credentials(words) == KEYS
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"app_key": KEYS.app_key, "session": KEYS.session}))
    path.chmod(0o600)
    assert read_credentials({FILE_VARIABLE: str(path)}) == KEYS
    path.chmod(0o640)
    with pytest.raises(CredentialsError, match="others may read it"):
        read_credentials({FILE_VARIABLE: str(path)})


def test_missing_or_malformed_credentials_are_named_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=SESSION_VARIABLE):
        read_credentials({APP_KEY_VARIABLE: KEYS.app_key})
    path = tmp_path / "keys.json"
    with pytest.raises(CredentialsError, match="No such file"):
        read_credentials({FILE_VARIABLE: str(path)})
    path.write_text(f'{{"app_key": "{KEYS.app_key}", "sessions": "{KEYS.session}"}}')
    path.chmod(0o600)
    with pytest.raises(CredentialsError) as caught:
        read_credentials({FILE_VARIABLE: str(path)})
    assert "ours" not in str(caught.value)
