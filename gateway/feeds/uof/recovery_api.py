"""Request recoveries from a provider of the Unified Odds Feed, over its HTTP interface.

Owns one request: its address, its token and its retries. It never decides when to recover or from
what time: the adapter does, and keeps the provider's windows and rates.
"""

import asyncio
import logging
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from actors.back_off import BackOff
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
RETRIES_MAX: Final = 7
"""Retries when the interface is unreachable or fails: after 0.5, 1, 2, 4, 8, 16 and 30 s, more than
a minute in all. The markets are suspended meanwhile, and the adapter repeats the request only after
`WatchSettings.recovery_timeout_ms`."""
_ANSWER_BYTES_MAX: Final = 65_536
_NO_ANSWER: Final = 0


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
        The first and the longest delay before a retry.

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
        for path in _paths(request):
            if not await self._request(f"{product}/{path}?{query}"):
                return False
        return True

    async def _request(self, path: str) -> bool:
        """Make one request; return whether it was accepted.

        A status below 500 ends the request. No answer, or a status of 500 and more, is retried up
        to `RETRIES_MAX` times.
        """
        back_off = BackOff(self._retry_minimum_s, self._retry_maximum_s)
        while True:
            status = await asyncio.to_thread(self._post, f"{self._url}/{path}")
            if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                logger.info("recovery %s: accepted", path)
                return True
            refused = _NO_ANSWER < status < HTTPStatus.INTERNAL_SERVER_ERROR
            if refused or back_off.failures >= RETRIES_MAX:
                logger.warning("recovery %s: status %d", path, status)
                return False
            back_off.failed()
            await back_off.wait()

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
