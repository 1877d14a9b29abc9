"""Answer plain GETs beside the sockets: health, readiness, metrics, markets and fixtures to cache.

Owns the content of those answers. It changes nothing and calls no shell, so a flood of requests
costs encoding only. One request per connection.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit
from zlib import crc32

import msgspec
from websockets.http11 import Request

from gateway.messages.fixtures import AskFixtures, Fixtures
from gateway.messages.trader import Markets
from gateway.net.codec import JSON
from gateway.net.http_answers import http_answer
from gateway.services.catalogue import FixtureCatalogue
from gateway.services.control import ControlService
from gateway.services.metrics import CONTENT_TYPE, GatewayMetrics
from gateway.services.price_fanout import Fanout
from gateway.services.readiness import Readiness
from gateway.settings import PAGE_MAX

_JSON: Final = "application/json"
_MARKETS: Final = "/v1/markets"
_FIXTURES: Final = "/v1/fixtures"
_CATALOGUE: Final = "/v1/catalogue"
_METRICS: Final = "/metrics"
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "If-None-Match",
    "Access-Control-Max-Age": "600",
}
"""What a browser is told before it sends a request that is not simple."""
_PATH_CHARS_MAX: Final = 1_024
_QUERY_FIELDS_MAX: Final = 8
_FILTER_FIELDS_MAX: Final = 16
_CACHED: Final = {"Cache-Control": "public, max-age=1"}
_FILTERS: Final = frozenset(AskFixtures.__struct_fields__) - {"id", "owner", "fixture"}
"""What a list of fixtures may be narrowed by; who holds one is nobody's business here."""


class Pages:
    """Answer the plain requests of one listener.

    Parameters
    ----------
    fanout : Fanout
        Images.
    control : ControlService
        Lists of markets.
    catalogue : FixtureCatalogue
        Fixtures.
    metrics : GatewayMetrics or None
        None where the listener shows no metrics.
    readiness : callable
        Returns the present state.
    origins : collection of str
        Web origins whose scripts may read the pages, metrics excepted.
    """

    def __init__(
        self,
        *,
        fanout: Fanout,
        control: ControlService,
        catalogue: FixtureCatalogue,
        metrics: GatewayMetrics | None,
        readiness: Callable[[], Readiness],
        origins: Collection[str] = (),
    ) -> None:
        self._fanout = fanout
        self._control = control
        self._catalogue = catalogue
        self._metrics = metrics
        self._readiness = readiness
        self._origins = frozenset(origins)

    def respond(self, request: Request) -> bytes:
        """Return the whole HTTP answer to a request."""
        shared = self._shared_headers(request)
        if request.method == "OPTIONS" and "Access-Control-Allow-Origin" in shared:
            return http_answer(200, b"", kind=None, headers={**shared, **_PREFLIGHT})
        if request.method not in ("GET", "HEAD"):
            return http_answer(405, b"GET and HEAD only\n", headers={"Allow": "GET, HEAD"})
        answer = _with_headers(self._get(request), shared)
        if request.method == "HEAD":
            head, _, _ = answer.partition(b"\r\n\r\n")
            return head + b"\r\n\r\n"
        return answer

    def _shared_headers(self, request: Request) -> dict[str, str]:
        """Return the headers that let scripts of a listed origin read a page (CORS)."""
        if not self._origins or request.path.partition("?")[0] == _METRICS:
            return {}
        shared = {"Vary": "Origin"}  # a cache must not give one origin's answer to another
        sent = request.headers.get_all("Origin")
        if len(sent) == 1 and sent[0] in self._origins:
            shared["Access-Control-Allow-Origin"] = sent[0]
            shared["Access-Control-Expose-Headers"] = "ETag"
        return shared

    def _get(self, request: Request) -> bytes:
        if len(request.path) > _PATH_CHARS_MAX:
            return http_answer(400, f"path: at most {_PATH_CHARS_MAX} characters\n".encode())
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return http_answer(200, b"ok\n")
        if path == "/readyz":
            state = self._readiness()
            body = msgspec.json.encode(state) + b"\n"
            return http_answer(200 if state.ready else 503, body, kind=_JSON)
        if path == _METRICS and self._metrics is not None:
            return http_answer(200, self._metrics.render(), kind=CONTENT_TYPE)
        if path == _MARKETS:
            return self._list(request.path)
        if path.startswith(f"{_MARKETS}/"):
            return self._market(request)
        if path == _CATALOGUE:
            return _tagged(request, self._catalogue.catalogue(0))
        if path == _FIXTURES:
            return self._fixtures(request.path)
        if path.startswith(f"{_FIXTURES}/"):
            name = unquote(path[len(_FIXTURES) + 1 :])
            line = self._catalogue.line(name, for_bettors=True)
            missing = http_answer(404, b"no such fixture\n")
            return missing if line is None else _tagged(request, line)
        return http_answer(404, b"no such page\n")

    def _list(self, target: str) -> bytes:
        query = _query(target, most=_QUERY_FIELDS_MAX)
        if isinstance(query, bytes):
            return query
        try:
            after = int(query.get("after", ["-1"])[0])
            limit = int(query.get("limit", ["100"])[0])
        except ValueError:
            return http_answer(400, b"after, limit: whole numbers\n")
        if not 1 <= limit <= PAGE_MAX:
            return http_answer(400, f"limit: 1 to {PAGE_MAX}\n".encode())
        fixture = query.get("fixture", [""])[0]
        lines, more = self._control.page(fixture=fixture, after=after, limit=limit)
        body = JSON.encode(Markets(markets=tuple(lines), more=more)) + b"\n"
        return http_answer(200, body, kind=_JSON, headers=_CACHED)

    def _fixtures(self, target: str) -> bytes:
        query = _query(target, most=_FILTER_FIELDS_MAX)
        if isinstance(query, bytes):
            return query
        unknown = [name for name in query if name not in _FILTERS]
        if unknown:
            return http_answer(400, f"query: one of {', '.join(sorted(_FILTERS))}\n".encode())
        fields = {name: texts if name == "states" else texts[-1] for name, texts in query.items()}
        try:
            # Texts of a query are read as what the fields are: numbers, and true or false.
            request = msgspec.convert({"type": "fixtures", **fields}, AskFixtures, strict=False)
        except msgspec.ValidationError as error:
            return http_answer(400, f"query: {error}\n".encode())
        page = self._catalogue.page(request, for_bettors=True)
        body = JSON.encode(Fixtures(fixtures=page.lines, next=page.next)) + b"\n"
        return http_answer(200, body, kind=_JSON, headers=_CACHED)

    def _market(self, request: Request) -> bytes:
        # A key contains `/`, `?` and `=`; literal and percent-encoded keys are both accepted.
        key = unquote(request.path[len(_MARKETS) + 1 :])
        number = self._fanout.number(key)
        message = None if number is None else self._fanout.topics[number].message()
        if message is None:
            return http_answer(404, b"no such market\n")
        etag = f'"{message.version}{message.stale and "-"}{message.stale}"'
        return _unless_known(request, etag, lambda: JSON.encode(message) + b"\n")


def _query(target: str, *, most: int) -> dict[str, list[str]] | bytes:
    """Return a target's query, or the answer to one with too many fields."""
    try:
        return parse_qs(urlsplit(target).query, max_num_fields=most)
    except ValueError:
        return http_answer(400, f"query: at most {most} fields\n".encode())


def _tagged(request: Request, content: msgspec.Struct) -> bytes:
    """Return a page whose ETag is made from its content: counts change without a version."""
    body = msgspec.json.encode(content) + b"\n"
    return _unless_known(request, f'"{crc32(body):08x}"', lambda: body)


def _unless_known(request: Request, etag: str, body: Callable[[], bytes]) -> bytes:
    """Return a page, or that the client has it already."""
    headers = {"ETag": etag, **_CACHED}
    known = request.headers.get_all("If-None-Match")
    if any(etag in (tag.strip() for tag in line.split(",")) for line in known):
        return http_answer(304, b"", headers=headers)
    return http_answer(200, body(), kind=_JSON, headers=headers)


def _with_headers(answer: bytes, headers: Mapping[str, str]) -> bytes:
    """Return an answer with further headers, directly after its status line."""
    status, _, rest = answer.partition(b"\r\n")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return b"%b\r\n%b%b" % (status, lines.encode("latin-1"), rest)
