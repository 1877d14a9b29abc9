"""Request recoveries from a provider of the Unified Odds Feed, over its HTTP interface.

Owns one request: its address, its token and its retries. It never decides when to recover or from
what time: the adapter does, and keeps the provider's windows and rates.
"""

import asyncio
import contextlib
import logging
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from actors.back_off import BackOff
from engine.common.units import Nanos
from gateway.feeds.uof.producers import take_rate
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
_PAUSES_IN_SHARE: Final = 3
_NO_ANSWER: Final = 0
_TRY_AGAIN: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
REQUESTS_KEPT_MAX: Final = 4_096
"""Producers and events whose newest request is known; past it the oldest are given up."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Return a redirection as the answer, so that the token is sent to no other host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


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
        self._rates = tuple(sorted(rates, key=lambda rate: rate.age_ms))
        self._answered_ns: tuple[deque[int], ...] = tuple(deque() for _ in self._rates)
        self._newest: dict[tuple[int, str], int] = {}
        """The id of the newest request of each producer and event; older ones are given up."""
        self._products = {**PRODUCTS, **(products or {})}
        self._opener = urllib.request.build_opener(_NoRedirects)

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
        name = (request.producer, request.event_id)
        self._newest.pop(name, None)
        self._newest[name] = request.request_id
        while len(self._newest) > REQUESTS_KEPT_MAX:
            del self._newest[next(iter(self._newest))]
        for path in _paths(request):
            if not await self._request(f"{product}/{path}?{query}", request):
                return False
        return True

    async def _request(self, path: str, request: FeedRequest) -> bool:
        """Make one request; return whether it was accepted.

        No answer, a failure of the interface and "too many requests" are tried again until the
        request is accepted, or a newer one of its producer and event is made; any other answer
        ends it. An attempt that was answered counts against the provider's limits, so the next is
        made after a third of an even share of the shorter one, and when both allow it.
        """
        back_off = BackOff(self._retry_minimum_s, self._retry_maximum_s)
        rate, answered_ns = self._limits(request)
        pause_s = rate.within_ms / rate.requests_max / _PAUSES_IN_SHARE / 1_000
        checked = True  # the adapter keeps the limits for a request's first attempt
        while self._newest.get((request.producer, request.event_id)) == request.request_id:
            at_ns = Nanos(time.monotonic_ns())
            if not take_rate(rate, answered_ns, at_ns=at_ns):
                if not checked:
                    await asyncio.sleep(pause_s)
                    continue
                answered_ns.append(at_ns)
            status = await asyncio.to_thread(self._post, f"{self._url}/{path}")
            if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                logger.info("recovery %s: accepted", path)
                return True
            logger.warning("recovery %s: status %d", path, status)
            checked = False
            if status == _NO_ANSWER:
                with contextlib.suppress(ValueError):  # it is old, and was dropped meanwhile
                    answered_ns.remove(at_ns)
                back_off.failed()
                await back_off.wait()
            elif status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TRY_AGAIN:
                await asyncio.sleep(pause_s)
            else:
                return False
        logger.info("recovery %s: a newer request takes its place", path)
        return False

    def _limits(self, request: FeedRequest) -> tuple[RecoveryRate, deque[int]]:
        """Return the limits of a request's age, and the attempts that count against them."""
        age_ms = time.time() * 1_000 - request.after_ms
        last = len(self._rates) - 1
        index = next((n for n, rate in enumerate(self._rates) if age_ms < rate.age_ms), last)
        return self._rates[index], self._answered_ns[index]

    def _post(self, address: str) -> int:
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
