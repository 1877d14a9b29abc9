"""Recovery asked of a provider of the Unified Odds Feed, over its HTTP interface.

Owns one request: where to, with which token, how often to try. When to ask, and for what, is the
adapter's to decide, which keeps the provider's windows and rates.
"""

import asyncio
import logging
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from gateway.messages.feed import FeedRequest

logger = logging.getLogger("overround.bridge")

TOKEN_HEADER: Final = "x-access-token"  # noqa: S105 - the header's name
PRODUCTS: Final[Mapping[int, str]] = {
    1: "liveodds", 3: "pre", 4: "betpal", 5: "premium_cricket", 6: "vf", 7: "wns", 8: "vbl",
    9: "vto", 10: "vdr", 11: "vhc", 12: "vti", 15: "vci", 16: "vbi",
}  # fmt: skip
"""Producers by number, as the interface's paths name them."""
AGAIN_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Waits between tries at an interface that is out of reach or in trouble. Markets are suspended
meanwhile, and whoever wished asks again only when the whole recovery has taken too long."""
_ANSWER_BYTES_MAX: Final = 65_536


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Take a redirection for the answer that it is: the token goes to nobody else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class RecoveryApi:
    """The provider's recovery interface.

    Parameters
    ----------
    url : str
        ``https://host/v1``, to which ``/PRODUCT/recovery/initiate_request`` is added.
    token : str
        The bookmaker's access token; never shown.
    timeout_s : float
        How long one request may take.
    products : mapping
        Producers' names by number, over those known.
    again_s : sequence of float
        How long to wait before each further try.

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
        again_s: Sequence[float] = AGAIN_S,
    ) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"api: an http or https address, not {url[:80]!r}")
        if not (token.isascii() and token.isprintable()):
            raise ValueError("api token: printable ASCII alone")
        self._url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        self._again_s = tuple(again_s)
        self._products = {**PRODUCTS, **(products or {})}
        self._opener = urllib.request.build_opener(_NoRedirects)

    async def request(self, request: FeedRequest) -> bool:
        """Ask for what a wish wants; say whether the provider has taken it."""
        product = self._products.get(request.producer)
        if product is None:
            logger.warning("recovery of producer %d: no product of this number", request.producer)
            return False
        words = {"request_id": str(request.request_id)}
        if request.after_ms:
            words["after"] = str(request.after_ms)
        query = urllib.parse.urlencode(words)
        address = f"{self._url}/{product}/recovery/initiate_request?{query}"
        for wait_s in (*self._again_s, None):
            status = await asyncio.to_thread(self._post, address)
            if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                logger.info("recovery asked of %s after %d", product, request.after_ms)
                return True
            if 0 < status < HTTPStatus.INTERNAL_SERVER_ERROR:
                break  # it was understood, and refused
            if wait_s is not None:
                await asyncio.sleep(wait_s)
        logger.warning("recovery of %s: status %d", product, status)
        return False

    def _post(self, address: str) -> int:
        """Return the answer's status, 0 where there was none."""
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
            return 0
