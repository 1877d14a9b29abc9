"""LSports' WebSocket and snapshot interface as a bridge uses them, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from gateway.feeds.bridge.transports import LsportsTransport
from gateway.feeds.lsports.credentials import (
    LsportsCredentialsError,
    PackageCredentials,
    read_package_credentials,
)
from gateway.feeds.lsports.messages import BEGAN_BODY
from gateway.feeds.lsports.snapshot_api import SnapshotApi
from gateway.feeds.lsports.socket import (
    LsportsRefusedError,
    LsportsSocket,
    LsportsSocketSettings,
)
from gateway.messages.feed import FeedRequest
from tests.gateway.feeds.certificate import make_certificate
from tests.gateway.feeds.lsports.provider import ODDS, Provider
from tests.gateway.feeds.lsports.server import KEYS, ProviderServer
from tests.gateway.price_gateway import until


def socket_of(server: ProviderServer, **settings: int) -> LsportsSocket:
    url = server.socket_url
    return LsportsSocket(
        LsportsSocketSettings(url=url, retry_ms=1, retry_ms_max=2, **settings), credentials=KEYS
    )


def api_of(server: ProviderServer, credentials: PackageCredentials = KEYS) -> SnapshotApi:
    return SnapshotApi(
        server.api_url, credentials=credentials, retry_minimum_s=0.001, retry_maximum_s=0.002
    )


def request(request_id: int = 5, after_ms: int = 0) -> FeedRequest:
    return FeedRequest(feed="lsports", producer=0, after_ms=after_ms, request_id=request_id)


@asynccontextmanager
async def provider() -> AsyncIterator[ProviderServer]:
    async with ProviderServer(Provider()).running() as server:
        yield server


async def test_each_connection_begins_with_our_message_and_is_replaced_when_it_breaks() -> None:
    async with provider() as server, aclosing(socket_of(server).messages()) as messages:
        assert await anext(messages) == BEGAN_BODY
        await until(lambda: len(server.connections) == 1)
        first = server.provider.odds(ODDS)
        await server.send(first)
        assert await anext(messages) == first
        await server.drop()
        assert await anext(messages) == BEGAN_BODY
        assert server.accepted == 2


async def test_a_connection_that_is_silent_is_replaced() -> None:
    async with provider() as server, aclosing(socket_of(server, silence_ms=20).messages()) as got:
        assert [await anext(got) for _ in range(3)] == [BEGAN_BODY] * 3
        assert server.accepted == 3


async def test_refused_credentials_end_the_feed_without_being_shown() -> None:
    wrong = PackageCredentials(package_id=4321, user="user", password="wrong-password")
    async with provider() as server:
        socket = LsportsSocket(LsportsSocketSettings(url=server.socket_url), credentials=wrong)
        with pytest.raises(LsportsRefusedError) as refused:
            await anext(socket.messages())
    assert "wrong-password" not in str(refused.value) + repr(wrong)


async def test_a_secure_connection_verifies_the_provider(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = make_certificate(tmp_path, "a provider for tests")
    async with ProviderServer(Provider(), certificate).running() as server:
        trusting, doubting = (
            LsportsSocket(
                LsportsSocketSettings(url=server.socket_url, ca_file=ca_file, retry_ms=60_000),
                credentials=KEYS,
            )
            for ca_file in (str(certificate.cert), "")
        )
        async with aclosing(trusting.messages()) as messages:
            assert await anext(messages) == BEGAN_BODY
        waiting = asyncio.ensure_future(anext(doubting.messages(), None))
        await until(lambda: "SSLCertVerificationError" in caplog.text)
        await doubting.close()
        assert await waiting is None
        assert server.accepted == 1


async def test_close_ends_the_messages_while_no_connection_can_be_made() -> None:
    async with provider() as server:
        settings = LsportsSocketSettings(url=server.socket_url, retry_ms=60_000)
    socket = LsportsSocket(settings, credentials=KEYS)
    waiting = asyncio.ensure_future(anext(socket.messages(), None))
    await asyncio.sleep(0)
    await socket.close()
    assert await waiting is None


async def test_snapshots_come_between_the_messages_of_the_socket() -> None:
    async with provider() as server:
        server.provider.odds(ODDS)
        transport = LsportsTransport(socket_of(server), api_of(server))
        async with aclosing(transport.messages()) as messages:  # type: ignore[type-var]
            assert (await anext(messages)).body == BEGAN_BODY
            assert await transport.request(request(after_ms=1_700_000_000_999))
            piece, end = [(await anext(messages)).body for _ in range(2)]
        await transport.close()
    assert b'"RequestId":5' in piece
    assert b'"Markets"' in piece
    assert end == b'{"Header":{"Type":-2,"RequestId":5,"Events":1}}'
    assert server.snapshots == [
        {
            "PackageId": 4321,
            "UserName": KEYS.user,
            "Password": KEYS.password,
            "Timestamp": 1_700_000_000,
        }
    ]


async def test_without_an_interface_no_snapshot_is_promised() -> None:
    async with provider() as server:
        assert not await LsportsTransport(socket_of(server)).request(request())


@pytest.mark.parametrize(("statuses", "asked"), [((503, 429), 3), ((400,), 1), ((302,), 1)])
async def test_a_snapshot_is_requested_again_when_the_interface_fails_or_is_busy(
    statuses: tuple[int, ...], asked: int
) -> None:
    async with provider() as server:
        server.refusing += statuses
        got = await api_of(server).snapshot(request())
        assert (got is None) is (asked == 1)
        assert len(server.snapshots) == (asked == 3)


async def test_a_snapshot_that_cannot_be_read_is_none() -> None:
    async with provider() as server:
        server.provider.snapshot = lambda after_ms: "no events"  # type: ignore[method-assign]
        assert await api_of(server).snapshot(request()) is None


def test_wrong_addresses_and_missing_credentials_are_named() -> None:
    with pytest.raises(ValueError, match="ws or wss"):
        LsportsSocket(LsportsSocketSettings(url="http://x"), credentials=KEYS)
    with pytest.raises(ValueError, match="http or https"):
        SnapshotApi("file:///etc", credentials=KEYS)
    with pytest.raises(LsportsCredentialsError, match="OVERROUND_LSPORTS_PACKAGE"):
        read_package_credentials({"OVERROUND_LSPORTS_USER": "u"})
    given = {
        "OVERROUND_LSPORTS_PACKAGE": "4321",
        "OVERROUND_LSPORTS_USER": KEYS.user,
        "OVERROUND_LSPORTS_PASSWORD": KEYS.password,
    }
    assert read_package_credentials(given) == KEYS
