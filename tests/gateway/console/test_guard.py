"""What stands before every page: origin, login and headers."""

import asyncio
from typing import Any

import pytest

from gateway.console.guard import COOKIE, Guard, same_origin, token_of


async def ask(
    path: str, headers: list[tuple[bytes, bytes]], *, kind: str = "http"
) -> list[dict[str, Any]]:
    """Send a request through the guard to an application that answers 200."""
    sent: list[dict[str, Any]] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": f"{kind}.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    await Guard(page)({"type": kind, "path": path, "headers": headers}, None, send)
    return sent


LOGGED_IN = (b"cookie", f"{COOKIE}=a.b.c".encode())
HOST = (b"host", b"127.0.0.1:8490")


def test_a_page_without_a_login_leads_to_the_login_and_back() -> None:
    (start, _) = asyncio.run(ask("/fixture/cup-0", [HOST]))
    assert start["status"] == 303
    assert dict(start["headers"])[b"location"] == b"/login?next=/fixture/cup-0"


def test_a_page_with_a_login_is_passed_on_with_the_headers_of_safety() -> None:
    (start,) = asyncio.run(ask("/", [HOST, LOGGED_IN]))
    headers = dict(start["headers"])
    assert start["status"] == 200
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert b"frame-ancestors 'none'" in headers[b"content-security-policy"]
    assert headers[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize(
    ("path", "kind"), [("/_nicegui_ws/socket.io/", "websocket"), ("/", "http"), ("/login", "http")]
)
def test_another_origin_is_refused_login_or_not(path: str, kind: str) -> None:
    headers = [HOST, LOGGED_IN, (b"origin", b"https://elsewhere.example")]
    first = asyncio.run(ask(path, headers, kind=kind))[0]
    assert first.get("status") == 403 or first["type"] == "websocket.close"


def test_a_socket_without_a_login_is_refused() -> None:
    (first,) = asyncio.run(ask("/_nicegui_ws/socket.io/", [HOST], kind="websocket"))
    assert first["type"] == "websocket.close"


def test_the_origin_is_the_host_that_was_asked() -> None:
    assert same_origin([HOST])
    assert same_origin([HOST, (b"origin", b"http://127.0.0.1:8490")])
    assert not same_origin([HOST, (b"origin", b"http://127.0.0.1:8491")])
    assert not same_origin([HOST, (b"origin", b"null")])


def test_a_token_is_read_from_its_cookie_alone() -> None:
    assert token_of([(b"cookie", f"a=1; {COOKIE}=x.y.z".encode())]) == "x.y.z"
    assert token_of([(b"cookie", b"other=x")]) == ""
    assert token_of([(b"authorization", b"Bearer x")]) == ""
