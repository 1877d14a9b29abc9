"""Request recoveries from a provider of the Unified Odds Feed, over its HTTP interface.

Owns one request: its address, its token and its retries. It never decides when to recover or from
what time: the adapter does, and keeps the provider's windows and rates. Retries keep the rates too.
"""

import asyncio
import logging
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from actors.back_off import BackOff
from engine.common.units import Nanos
from gateway.feeds.uof.recovery_schedule import RecoveryLimit, RecoverySchedule
from gateway.feeds.uof.settings import PROVIDER_RATES, RecoveryRate
from gateway.messages.feed import FeedRequest

logger = logging.getLogger("overround.bridge")

TOKEN_HEADER: Final = "x-access-token"  # noqa: S105 - the header's name
PRODUCTS: Final[Mapping[int, str]] = {
    1: "liveodds", 3: "pre", 4: "betpal", 5: "premium_cricket", 6: "vf", 7: "wns", 8: "vbl",
    9: "vto", 10: "vdr", 11: "vhc", 12: "vti", 15: "vci", 16: "vbi",
}  # fmt: skip
"""Product names in the interface's paths, by producer number."""
RETRY_MINIMUM_S: Final = 0.5
RETRY_MAXIMUM_S: Final = 30.0
"""Delays between attempts that reach nobody: 0.5, 1, 2, 4, 8, 16 s and then 30 s, without end."""
_ANSWER_BYTES_MAX: Final = 65_536
_NO_ANSWER: Final = 0
_TRY_AGAIN: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
REQUESTS_KEPT_MAX: Final = 4_096
"""Producers and events whose newest request is known; past it the oldest are given up."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Return a redirection as the answer, so that the token is sent to no other host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Asked:
    """A request: the limit that its attempts count against, and when the next one is due."""

    __slots__ = ("due_ns", "limit")

    def __init__(self, limit: RecoveryLimit) -> None:
        self.limit = limit
        self.due_ns = 0


class RecoveryApi:
    """The provider's recovery interface.

    Parameters
    ----------
    url : str
        ``https://host/v1``, to which ``/PRODUCT/recovery/initiate_request`` is added, or the path
        of one event.
    token : str
        The bookmaker's access token; it is never logged.
    timeout_s : float
        Limit of one request.
    products : mapping
        Product names by producer number, in addition to `PRODUCTS`.
    retry_minimum_s, retry_maximum_s : float
        The first and the longest delay before a retry of an attempt that reached nobody.
    rates : Sequence[RecoveryRate]
        The provider's limits, which attempts that it answers keep too.
    post : callable, optional
        Sends an empty POST to an address and returns the answer's status, 0 where none came. By
        default it is sent over HTTP, in a thread.
    clock_ns, now_s : callable
        Nanoseconds of a clock that never goes back, and seconds since 1970.

    Raises
    ------
    ValueError
        When the address is neither http nor https, or the token fits no header.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        timeout_s: float = 10.0,
        products: Mapping[int, str] | None = None,
        retry_minimum_s: float = RETRY_MINIMUM_S,
        retry_maximum_s: float = RETRY_MAXIMUM_S,
        rates: Sequence[RecoveryRate] = PROVIDER_RATES,
        post: Callable[[str], Awaitable[int]] | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"api: must be an http or https address, not {url[:80]!r}")
        if not (token.isascii() and token.isprintable()):
            raise ValueError("api token: must be printable ASCII")
        self._url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        self._retry_minimum_s = retry_minimum_s
        self._retry_maximum_s = retry_maximum_s
        self._schedule = RecoverySchedule(rates)
        self._newest: dict[tuple[int, str], _Asked] = {}
        """The newest request of each producer and event; older ones are given up."""
        self._products = {**PRODUCTS, **(products or {})}
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._post = post or self._post_in_thread
        self._clock_ns = clock_ns
        self._now_s = now_s

    async def request(self, request: FeedRequest) -> bool:
        """Request a recovery; return whether the provider accepted it.

        The recovery of one event is two requests: for its odds, and for its results.
        """
        product = self._products.get(request.producer)
        if product is None:
            logger.warning("recovery: producer %d has no known product", request.producer)
            return False
        parameters = {"request_id": str(request.request_id)}
        if request.after_ms:
            parameters["after"] = str(request.after_ms)
        query = urllib.parse.urlencode(parameters)
        asked = self._asked(request)
        asked.limit.waiting += 1
        try:
            for path in _paths(request):
                if not await self._request(f"{product}/{path}?{query}", request, asked):
                    return False
        finally:
            asked.limit.waiting -= 1
        asked.due_ns = 0
        return True

    async def _request(self, path: str, request: FeedRequest, asked: _Asked) -> bool:
        """Make one request; return whether it was accepted.

        No answer, a failure of the interface and "too many requests" are tried again until the
        request is accepted, or a newer one of its producer and event is made; any other answer
        ends it. An attempt that was answered counts against the provider's limits.
        """
        back_off = BackOff(self._retry_minimum_s, self._retry_maximum_s)
        name, limit = (request.producer, request.event_id), asked.limit
        while self._newest.get(name) is asked:
            at_ns = Nanos(self._clock_ns())
            if at_ns < asked.due_ns:
                await asyncio.sleep((asked.due_ns - at_ns) / 1e9)
                continue
            if not limit.take(at_ns):
                await asyncio.sleep(limit.soon_s)
                continue
            status = await self._post(f"{self._url}/{path}")
            if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                logger.info("recovery %s: accepted", path)
                return True
            logger.warning("recovery %s: status %d", path, status)
            if status == _NO_ANSWER:
                limit.give_back(at_ns)
                pause_s = back_off.failed()
            elif status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TRY_AGAIN:
                pause_s = limit.pause_s(at_ns)
            else:
                return False
            asked.due_ns = self._clock_ns() + round(pause_s * 1e9)
        logger.info("recovery %s: a newer request takes its place", path)
        return False

    def _asked(self, request: FeedRequest) -> _Asked:
        """Note a request in the place of an older one of its producer and event.

        One that replaces a request that failed is not tried sooner than that would have been.
        """
        name = (request.producer, request.event_id)
        age_ms = self._now_s() * 1_000 - request.after_ms
        limit = self._schedule.limit_of(age_ms=age_ms, single_event=bool(request.event_id))
        asked, before = _Asked(limit), self._newest.pop(name, None)
        if before is not None and before.limit is limit:
            asked.due_ns = before.due_ns
        self._newest[name] = asked
        while len(self._newest) > REQUESTS_KEPT_MAX:
            del self._newest[next(iter(self._newest))]
        return asked

    async def _post_in_thread(self, address: str) -> int:
        return await asyncio.to_thread(self._post_over_http, address)

    def _post_over_http(self, address: str) -> int:
        """Send one request; return the answer's status, `_NO_ANSWER` when there was none."""
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked
            address, data=b"", headers={TOKEN_HEADER: self._token}, method="POST"
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                answer.read(_ANSWER_BYTES_MAX)
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return int(error.code)
        except (OSError, ValueError) as error:
            logger.warning("recovery: %s", error)
            return _NO_ANSWER


def _paths(request: FeedRequest) -> tuple[str, ...]:
    """Return the paths of a recovery below its product."""
    if not request.event_id:
        return ("recovery/initiate_request",)
    event = urllib.parse.quote(request.event_id, safe=":")
    return (
        f"odds/events/{event}/initiate_request",
        f"stateful_messages/events/{event}/initiate_request",
    )
