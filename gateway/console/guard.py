"""What stands before every page: who asks, from where, and what a browser may load.

Owns the check of the origin, the login's cookie, and the headers that keep the browser to this
process. It knows no page.
"""

from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import quote, urlsplit

COOKIE: Final = "overround_console"
LOGIN: Final = "/login"
_OPEN_PATHS: Final = ("/login", "/healthz", "/static/", "/_nicegui/")
_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "object-src 'none'"
)
"""NiceGUI's pages are made of inline scripts and templates compiled in the browser; everything that
they load is this process's."""
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


def token_of(headers: list[tuple[bytes, bytes]]) -> str:
    """Return the token of a request's cookie; empty without one."""
    for name, value in headers:
        if name == b"cookie":
            jar: SimpleCookie = SimpleCookie()
            try:
                jar.load(value.decode("latin-1"))
            except CookieError:
                continue
            if COOKIE in jar:
                return jar[COOKIE].value
    return ""


def same_origin(headers: list[tuple[bytes, bytes]]) -> bool:
    """Say whether a request's Origin, where it has one, is the host that it was sent to."""
    found = dict(headers)
    origin = found.get(b"origin")
    if origin is None:
        return True
    return urlsplit(origin.decode("latin-1")).netloc == found.get(b"host", b"").decode("latin-1")


class Guard:
    """Pass on what may be answered; refuse the rest.

    Parameters
    ----------
    app
        The ASGI application behind it.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers, path = scope["headers"], scope["path"]
        if not same_origin(headers):
            await _refuse(scope, send, 403, b"another origin\n")
            return
        open_path = path in _OPEN_PATHS or path.startswith(("/static/", "/_nicegui/"))
        if not open_path and not token_of(headers):
            if scope["type"] == "websocket" or path.startswith("/_nicegui_ws/"):
                await _refuse(scope, send, 403, b"log in first\n")
                return
            target = path if path.startswith("/") and not path.startswith("//") else "/"
            location = f"{LOGIN}?next={quote(target)}".encode("latin-1")
            await _refuse(scope, send, 303, b"", ((b"location", location),))
            return
        await self._app(scope, receive, _with_headers(send))


def _with_headers(send: Any) -> Any:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
        await send(message)

    return sending


async def _refuse(
    scope: Any,
    send: Any,
    status: int,
    body: bytes,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    started = {"type": "http.response.start", "status": status, "headers": [*headers, *_HEADERS]}
    await send(started)
    await send({"type": "http.response.body", "body": body})
