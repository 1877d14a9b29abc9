"""A live stream over real TLS: authenticated, verified, and resumed after a loss."""

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

DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "an exchange for tests")


class RecordedDelays:
    """Record the requested delays instead of sleeping; `twice` is set at the second."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.twice = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == 2:
            self.twice.set()
        await asyncio.sleep(0)


def stream(
    port: int, certificate: Certificate, *, delays: RecordedDelays, **options: Any
) -> StreamSocket:
    settings = StreamSettings(
        host="127.0.0.1", port=port, ca_file=str(certificate.cert), **options.pop("settings", {})
    )
    return StreamSocket(
        subscription=Subscription(market_filter={"marketIds": ["1.5"]}),
        credentials=options.pop("credentials", lambda: KEYS),
        settings=settings,
        rng=random.Random(5),
        sleep=delays,
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


def contains(text: bytes) -> Callable[[bytes], bool]:
    return lambda body: text in body


async def test_broken_stream_resumes_by_the_clocks_of_its_last_message(
    certificate: Certificate,
) -> None:
    market = Exchange(1)
    image = json.loads(market.image())
    sent: list[dict[str, Any]] = []

    async def first(peer: Peer) -> None:
        subscription = await peer.accept()
        sent.append(subscription)
        message = image | {"id": subscription["id"], "ct": "SUB_IMAGE", "initialClk": "i0"}
        await peer.send(line(**message))
        await peer.send(market.move())
        await peer.send(mcm(pt=market.pt, clk="c1", ct="HEARTBEAT"))
        await peer.send(mcm(pt=market.pt, clk="c2", ct="HEARTBEAT", status=503))
        peer.writer.write(market.move()[:40])
        await peer.writer.drain()

    async def second(peer: Peer) -> None:
        subscription = await peer.accept()
        sent.append(subscription)
        message = json.loads(market.image()) | {
            "id": subscription["id"],
            "ct": "RESUB_DELTA",
            "clk": "c3",
        }
        await peer.send(line(**message))
        await peer.send(market.move())
        await peer.send(mcm(pt=market.pt, clk="end", ct="HEARTBEAT"))
        await peer.reader.read()

    delays = RecordedDelays()
    async with exchange(certificate, first, second) as port:
        socket = stream(port, certificate, delays=delays)
        lines = await read(socket, until=contains(b'"end"'))
    assert "clk" not in sent[0]
    assert (sent[1]["initialClk"], sent[1]["clk"]) == ("i0", "c2")
    assert any(b'"status":503' in body for body in lines)
    assert len(delays.seconds) == 1
    assert (socket.counts.connections, socket.counts.losses) == (2, 1)
    book = StreamOrderBooks()
    assert [book.receive(body).refused for body in lines if b"mcm" in body].count("") == 7
    for number, sides in market.book.items():
        found = book.markets[market.market_id].runners[number]
        assert found.backs() == tuple(sorted(sides["atb"].items(), reverse=True))


async def test_silent_connection_is_closed_after_three_heartbeats(
    certificate: Certificate,
) -> None:
    async def silent(peer: Peer) -> None:
        subscription = await peer.accept()
        await peer.send(mcm(pt=1, id=subscription["id"], ct="SUB_IMAGE", heartbeatMs=20))
        await peer.reader.read()

    async def answering(peer: Peer) -> None:
        subscription = await peer.accept()
        await peer.send(mcm(pt=2, id=subscription["id"], ct="SUB_IMAGE", clk="end"))
        await peer.reader.read()

    async with exchange(certificate, silent, answering) as port:
        await read(stream(port, certificate, delays=RecordedDelays()), until=contains(b'"end"'))


async def test_delays_double_with_each_loss_in_a_row_up_to_the_maximum(
    certificate: Certificate,
) -> None:
    async def close(peer: Peer) -> None:
        peer.writer.close()

    async def serve(peer: Peer) -> None:
        subscription = await peer.accept()
        await peer.send(mcm(pt=2, id=subscription["id"], ct="SUB_IMAGE", clk="end"))
        await peer.reader.read()

    delays = RecordedDelays()
    async with exchange(certificate, *[close] * 5, serve) as port:
        settings = {"retry_ms": 100, "retry_ms_max": 800}
        await read(
            stream(port, certificate, delays=delays, settings=settings), until=contains(b'"end"')
        )
    bounds = (0.1, 0.2, 0.4, 0.8, 0.8)
    assert len(delays.seconds) == 5
    assert all(top / 2 <= delay <= top for top, delay in zip(bounds, delays.seconds, strict=True))


async def refused_delays(port: int, *, drawn: float, settings: dict[str, int]) -> list[float]:
    """Return the first eight delays of a stream that nobody listens to."""
    seconds: list[float] = []

    class Drawn(random.Random):
        def random(self) -> float:
            return drawn

    async def sleep(delay_s: float) -> None:
        seconds.append(delay_s)
        if len(seconds) == 8:
            await socket.close()

    socket = StreamSocket(
        subscription=Subscription(),
        credentials=lambda: KEYS,
        settings=StreamSettings(host="127.0.0.1", port=port, **settings),
        rng=Drawn(),
        sleep=sleep,
    )
    assert [line async for line in socket.lines()] == []
    return seconds


async def test_default_delays_double_from_half_a_second_to_thirty(unused_tcp_port: int) -> None:
    longest = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert await refused_delays(unused_tcp_port, drawn=0.0, settings={}) == longest
    shortest = await refused_delays(unused_tcp_port, drawn=0.999_999, settings={})
    assert shortest == pytest.approx([delay_s / 2 for delay_s in longest], rel=1e-5)


async def test_maximum_below_the_first_delay_bounds_every_delay(unused_tcp_port: int) -> None:
    settings = {"retry_ms": 60_000, "retry_ms_max": 1_000}
    assert await refused_delays(unused_tcp_port, drawn=0.0, settings=settings) == [1.0] * 8


async def test_connection_that_sent_a_complete_image_resets_the_delay(
    certificate: Certificate,
) -> None:
    async def close(peer: Peer) -> None:
        peer.writer.close()

    async def answer_and_close(peer: Peer) -> None:
        subscription = await peer.accept()
        await peer.send(mcm(pt=1, id=subscription["id"], ct="SUB_IMAGE", clk="a"))

    async def answer(peer: Peer) -> None:
        subscription = await peer.accept()
        await peer.send(mcm(pt=2, id=subscription["id"], ct="SUB_IMAGE", clk="end"))
        await peer.reader.read()

    delays = RecordedDelays()
    async with exchange(certificate, close, close, answer_and_close, answer) as port:
        settings = {"retry_ms": 100, "retry_ms_max": 800}
        socket = stream(port, certificate, delays=delays, settings=settings)
        await read(socket, until=contains(b'"end"'))
    bounds = (0.1, 0.2, 0.1)
    assert all(top / 2 <= delay <= top for top, delay in zip(bounds, delays.seconds, strict=True))


async def test_certificate_of_another_authority_is_never_accepted(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    reached = asyncio.Event()

    async def accept(peer: Peer) -> None:
        reached.set()

    delays = RecordedDelays()
    async with exchange(certificate, accept, accept, accept) as port:
        socket = StreamSocket(
            subscription=Subscription(),
            credentials=lambda: KEYS,
            settings=StreamSettings(host="127.0.0.1", port=port),
            sleep=delays,
        )
        lines = asyncio.create_task(anext(socket.lines()))
        async with asyncio.timeout(DEADLINE_S):
            await delays.twice.wait()
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
        socket = stream(port, certificate, delays=RecordedDelays())
        found: list[bytes] = []
        with pytest.raises(StreamRefusedError, match="these credentials"):
            await read(socket, until=contains(b"never"), found=found)
    assert b"*** is not known" in found[-1]
    assert not [body for body in found if KEYS.session.encode() in body]
    assert "*** is not known" in caplog.text
    assert KEYS.session not in caplog.text
    assert KEYS.app_key not in caplog.text


async def test_new_credentials_are_used_without_a_restart(
    certificate: Certificate,
) -> None:
    async def serve(peer: Peer) -> None:
        subscription = await peer.accept()
        await peer.send(mcm(pt=2, id=subscription["id"], ct="SUB_IMAGE", clk="end"))
        await peer.reader.read()

    old = Credentials(app_key="key-of-ours", session="expired token")
    given = iter([old, old, KEYS])
    async with exchange(certificate, refusing("INVALID_SESSION_INFORMATION"), serve) as port:
        socket = stream(port, certificate, delays=RecordedDelays(), credentials=lambda: next(given))
        await read(socket, until=contains(b'"end"'))


async def test_subscription_refused_for_good_ends_the_stream(
    certificate: Certificate,
) -> None:
    async with exchange(certificate, refusing("SUBSCRIPTION_LIMIT_EXCEEDED")) as port:
        with pytest.raises(StreamRefusedError, match="SUBSCRIPTION_LIMIT_EXCEEDED"):
            await read(stream(port, certificate, delays=RecordedDelays()), until=contains(b"never"))


async def test_image_is_requested_again_on_the_same_connection(
    certificate: Certificate,
) -> None:
    async def serve(peer: Peer) -> None:
        subscription = await peer.accept()
        await peer.send(mcm(pt=1, id=subscription["id"], ct="SUB_IMAGE", initialClk="i", clk="a"))
        second = await peer.receive()
        assert "clk" not in second
        await peer.send(mcm(pt=2, id=second["id"], ct="SUB_IMAGE", clk="end"))
        await peer.reader.read()

    async with exchange(certificate, serve) as port:
        socket = stream(port, certificate, delays=RecordedDelays())
        async with asyncio.timeout(DEADLINE_S), contextlib.aclosing(socket.lines()) as lines:
            async for body in lines:
                if b'"a"' in body:
                    await socket.request_image()
                if b'"end"' in body:
                    break
        await socket.close()


# --- credentials ----------------------------------------------------------------------------------


def test_credentials_come_from_the_environment_or_a_file_that_only_the_owner_reads(
    tmp_path: Path,
) -> None:
    environ = {APP_KEY_VARIABLE: KEYS.app_key, SESSION_VARIABLE: KEYS.session}
    assert read_credentials(environ) == KEYS
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"app_key": KEYS.app_key, "session": KEYS.session}))
    path.chmod(0o600)
    assert read_credentials({FILE_VARIABLE: str(path)}) == KEYS
    path.chmod(0o640)
    with pytest.raises(CredentialsError, match="others may read it"):
        read_credentials({FILE_VARIABLE: str(path)})


def test_errors_about_credentials_never_contain_them(tmp_path: Path) -> None:
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
