"""Recovery asked over HTTP: the words of the request, and what counts as taken."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gateway.feeds.uof.recovery_api import AGAIN_S, RecoveryApi
from gateway.messages.feed import FeedRequest


@contextmanager
def interface(*statuses: int) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Serve an interface that answers with these statuses in turn; yield it and what it heard."""
    left, heard = list(statuses), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((self.command, self.path, self.headers["x-access-token"]))
            self.send_response(left.pop(0))
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            heard.append((self.command, self.path, self.headers["x-access-token"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def request(producer: int = 1, *, after_ms: int = 1_700_000_000_000) -> FeedRequest:
    return FeedRequest(feed="uof", producer=producer, after_ms=after_ms, request_id=17)


async def test_a_producer_is_asked_by_its_name_from_a_time_with_our_token():
    with interface(202) as (url, heard):
        assert await RecoveryApi(url, token="word").request(request())
    path = "/v1/liveodds/recovery/initiate_request?request_id=17&after=1700000000000"
    assert heard == [("POST", path, "word")]


async def test_all_that_is_current_is_asked_for_without_a_time():
    with interface(200) as (url, heard):
        assert await RecoveryApi(url, token="word").request(request(3, after_ms=0))
    assert heard[0][1] == "/v1/pre/recovery/initiate_request?request_id=17"


async def test_a_redirection_is_no_answer_and_takes_our_token_nowhere():
    with interface(302) as (url, heard):
        assert not await RecoveryApi(url, token="word").request(request())
    assert [method for method, _, _ in heard] == ["POST"]


def test_a_token_that_fits_no_header_is_refused_and_not_shown():
    for token in ("wo\nrd", "word\r", "w\u00f6rd"):
        with pytest.raises(ValueError, match="printable ASCII") as refused:
            RecoveryApi("https://api.example/v1", token=token)
        assert token not in str(refused.value)


async def test_a_provider_in_trouble_is_asked_again_and_one_that_refuses_is_not():
    with interface(503, 500, 503, 202) as (url, heard):
        assert await RecoveryApi(url, token="word", again_s=(0.0,) * 3).request(request())
        assert len(heard) == 4
    with interface(403) as (url, heard):
        assert not await RecoveryApi(url, token="word").request(request())
        assert len(heard) == 1


async def test_a_producer_without_a_name_or_an_interface_out_of_reach_is_not_asked(
    unused_tcp_port: int,
):
    with interface() as (url, heard):
        assert not await RecoveryApi(url, token="word").request(request(99))
        assert heard == []
    url = f"http://127.0.0.1:{unused_tcp_port}"
    api = RecoveryApi(url, token="word", timeout_s=1.0, again_s=(0.01, 0.01))
    assert not await api.request(request())


def test_an_interface_in_trouble_is_given_a_minute():
    assert sum(AGAIN_S) > 60


def test_an_interface_is_an_http_address():
    with pytest.raises(ValueError, match="http or https"):
        RecoveryApi("file:///etc/passwd", token="word")
