"""Recovery requests over HTTP: their path, token and retries, and which answers accept them."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from msgspec.structs import replace

from actors.back_off import BackOff
from gateway.feeds.uof.recovery_api import (
    RETRY_MAXIMUM_S,
    RETRY_MINIMUM_S,
    RecoveryApi,
)
from gateway.feeds.uof.settings import RecoveryRate
from gateway.messages.feed import FeedRequest

TOKEN = "secret"


@contextmanager
def interface(*statuses: int, port: int = 0) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Serve an interface that answers POST with some statuses, in turn, and GET with 200.

    Yields its address and the requests received: method, path and token.
    """
    left, received = list(statuses), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.command, self.path, self.headers["x-access-token"]))
            self.send_response(left.pop(0))
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            received.append((self.command, self.path, self.headers["x-access-token"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


AT_ONCE = RecoveryRate(
    age_ms=1, requests_max=10_000, within_ms=1, long_requests_max=10_000, long_within_ms=1
)


def api(
    url: str,
    *,
    minimum_s: float = 0.0,
    maximum_s: float = 0.0,
    rates: tuple[RecoveryRate, ...] = (AT_ONCE,),
) -> RecoveryApi:
    return RecoveryApi(
        url,
        token=TOKEN,
        timeout_s=5.0,
        retry_minimum_s=minimum_s,
        retry_maximum_s=maximum_s,
        rates=rates,
    )


def recovery(producer: int = 1, *, after_ms: int = 1_700_000_000_000) -> FeedRequest:
    return FeedRequest(feed="uof", producer=producer, after_ms=after_ms, request_id=17)


async def test_a_recovery_is_requested_by_product_time_and_token():
    with interface(202) as (url, received):
        assert await api(url).request(recovery())
    path = "/v1/liveodds/recovery/initiate_request?request_id=17&after=1700000000000"
    assert received == [("POST", path, TOKEN)]


async def test_a_full_recovery_is_requested_without_a_time():
    with interface(200) as (url, received):
        assert await api(url).request(recovery(3, after_ms=0))
    assert [path for _, path, _ in received] == ["/v1/pre/recovery/initiate_request?request_id=17"]


async def test_the_recovery_of_one_event_is_requested_for_its_odds_and_for_its_results():
    request = FeedRequest(feed="uof", producer=3, after_ms=0, request_id=17, event_id="wns:draw:-5")
    with interface(202, 202) as (url, received):
        assert await api(url).request(request)
    assert [path for _, path, _ in received] == [
        "/v1/pre/odds/events/wns:draw:-5/initiate_request?request_id=17",
        "/v1/pre/stateful_messages/events/wns:draw:-5/initiate_request?request_id=17",
    ]
    with interface(202, 403) as (url, received):
        assert not await api(url).request(request)


async def test_a_redirection_is_refused_and_the_token_goes_nowhere_else():
    with interface(302) as (url, received):
        assert not await api(url).request(recovery())
    assert [method for method, _, _ in received] == ["POST"]


async def test_a_failing_provider_is_retried_and_one_that_refuses_is_not():
    with interface(503, 500, 503, 202) as (url, received):
        assert await api(url).request(recovery())
        assert len(received) == 4
    with interface(403) as (url, received):
        assert not await api(url).request(recovery())
        assert len(received) == 1


async def test_a_failing_provider_is_asked_until_it_grants_the_request():
    with interface(*[503] * 30, 429, 408, 202) as (url, received):
        assert await api(url).request(recovery())
        assert len(received) == 33


async def test_answered_attempts_keep_both_of_the_providers_limits():
    """Two in 60 ms and three in 200 ms: the third waits for the first, the fourth for all."""
    rate = RecoveryRate(
        age_ms=1, requests_max=2, within_ms=60, long_requests_max=3, long_within_ms=200
    )
    started_s = asyncio.get_running_loop().time()
    with interface(503, 503, 503, 202) as (url, _):
        assert await api(url, rates=(rate,)).request(recovery())
    assert asyncio.get_running_loop().time() - started_s >= 0.2


async def test_a_newer_request_of_a_producer_takes_the_place_of_one_that_waits(
    unused_tcp_port: int,
):
    it = api(f"http://127.0.0.1:{unused_tcp_port}", minimum_s=0.01, maximum_s=0.01)
    first = asyncio.ensure_future(it.request(recovery()))
    other = asyncio.ensure_future(it.request(recovery(3)))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(it.request(replace(recovery(), request_id=18)))
    assert await first is False
    assert not other.done()
    assert not second.done()
    for task in (other, second):
        task.cancel()


async def test_an_interface_that_is_back_is_asked_soon(unused_tcp_port: int):
    it = api(f"http://127.0.0.1:{unused_tcp_port}", minimum_s=0.01, maximum_s=0.02)
    asking = asyncio.ensure_future(it.request(recovery()))
    while len(it._newest) == 0:
        await asyncio.sleep(0)
    with interface(202, port=unused_tcp_port) as (_, received):
        assert await asking
        assert len(received) == 1


def test_delays_of_attempts_that_reach_nobody_grow_to_half_a_minute():
    back_off = BackOff(RETRY_MINIMUM_S, RETRY_MAXIMUM_S)

    assert [back_off.failed() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


async def test_a_producer_without_a_known_product_is_refused_without_a_request():
    with interface() as (url, received):
        assert not await api(url).request(recovery(99))
        assert received == []


def test_a_token_that_fits_no_header_is_refused_and_not_shown():
    for token in ("wo\nrd", "word\r", "w\u00f6rd"):
        with pytest.raises(ValueError, match="printable ASCII") as refused:
            RecoveryApi("https://api.example/v1", token=token)
        assert token not in str(refused.value)


def test_an_address_that_is_not_http_is_refused():
    with pytest.raises(ValueError, match="http or https"):
        RecoveryApi("file:///etc/passwd", token=TOKEN)
