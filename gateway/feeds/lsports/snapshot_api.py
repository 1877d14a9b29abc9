"""Request snapshots of LSports' events over HTTP, and cut them into messages of the feed.

Owns one request: its address, its credentials, its retries, and the form of its pieces. It never
decides when a snapshot is due: the adapter does.
"""

import asyncio
import logging
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from actors.back_off import BackOff
from gateway.feeds.lsports.credentials import PackageCredentials
from gateway.feeds.lsports.messages import SNAPSHOT, SNAPSHOT_ENDED
from gateway.feeds.tls import verifying
from gateway.messages.feed import FeedRequest

logger = logging.getLogger("overround.bridge")

PATH: Final = "/InPlay/GetEvents"
ANSWER_BYTES_MAX: Final = 128 << 20
"""A longer answer is refused, and the markets stay suspended."""
PIECE_BYTES: Final = 1 << 20
"""Size past which no event is added to a piece; a single event may be longer."""
RETRIES_MAX: Final = 6
"""Retries when the interface is unreachable, fails, or has had too many requests."""
_NO_ANSWER: Final = 0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Return a redirection as the answer, so that the credentials are sent to no other host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Events(Struct, rename="pascal"):
    events: list[Raw] = []


class _Answer(Struct, rename="pascal"):
    body: list[Raw] | _Events


_decode_answer: Final = msgspec.json.Decoder(_Answer).decode


class _Answered(NamedTuple):
    status: int
    content: bytes = b""


class SnapshotApi:
    """The provider's snapshot interface.

    Parameters
    ----------
    url : str
        ``https://host``, to which `PATH` is added.
    credentials : PackageCredentials
        What the request's body is signed with.
    ca_file : str
        Authorities in PEM, instead of the system's.
    timeout_s : float
        Limit of one request.
    retry_minimum_s, retry_maximum_s : float
        The first and the longest delay before a retry.

    Raises
    ------
    ValueError
        When the address is neither http nor https.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: PackageCredentials,
        ca_file: str = "",
        timeout_s: float = 10.0,
        retry_minimum_s: float = 1.0,
        retry_maximum_s: float = 15.0,
    ) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"api: must be an http or https address, not {url[:80]!r}")
        self._address = url.rstrip("/") + PATH
        self._credentials = credentials
        self._timeout_s = timeout_s
        self._retry_minimum_s = retry_minimum_s
        self._retry_maximum_s = retry_maximum_s
        self._opener = urllib.request.build_opener(
            _NoRedirects, urllib.request.HTTPSHandler(context=verifying(ca_file))
        )

    async def snapshot(self, request: FeedRequest) -> list[bytes] | None:
        """Return a snapshot as messages, the last one its end; None when there is none.

        A request that the interface refuses is not repeated; too many requests, a status of 500 and
        more, or no answer are retried up to `RETRIES_MAX` times.
        """
        body: dict[str, object] = {
            "PackageId": self._credentials.package_id,
            "UserName": self._credentials.user,
            "Password": self._credentials.password,
        }
        if request.after_ms:
            body["Timestamp"] = request.after_ms // 1_000
        encoded = msgspec.json.encode(body)
        back_off = BackOff(self._retry_minimum_s, self._retry_maximum_s)
        while True:
            answered = await asyncio.to_thread(self._post, encoded)
            if answered.status == HTTPStatus.OK:
                return await asyncio.to_thread(_messages, answered.content, request.request_id)
            again = answered.status in (_NO_ANSWER, HTTPStatus.TOO_MANY_REQUESTS)
            again = again or answered.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            if not again or back_off.failures >= RETRIES_MAX:
                logger.warning("snapshot: status %d", answered.status)
                return None
            back_off.failed()
            await back_off.wait()

    def _post(self, body: bytes) -> _Answered:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked
            self._address, data=body, headers=headers, method="POST"
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                return _Answered(int(answer.status), answer.read(ANSWER_BYTES_MAX + 1))
        except urllib.error.HTTPError as error:
            with error:
                return _Answered(int(error.code))
        except (OSError, ValueError) as error:
            logger.warning("snapshot: %s", error)
            return _Answered(_NO_ANSWER)


def _messages(content: bytes, request_id: int) -> list[bytes] | None:
    """Return the messages of an answer; None when it is too long or malformed."""
    if len(content) > ANSWER_BYTES_MAX:
        logger.warning("snapshot: over %d bytes", ANSWER_BYTES_MAX)
        return None
    try:
        body = _decode_answer(content).body
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        logger.warning("snapshot: %s", str(error)[:200])
        return None
    events = body.events if isinstance(body, _Events) else body
    pieces = list(_pieces(events, request_id))
    ended = {"Type": SNAPSHOT_ENDED, "RequestId": request_id, "Events": len(pieces)}
    return [*pieces, msgspec.json.encode({"Header": ended})]


def _pieces(events: list[Raw], request_id: int) -> Iterator[bytes]:
    header = {"Type": SNAPSHOT, "RequestId": request_id}
    piece: list[Raw] = []
    size = 0
    for event in events:
        length = len(bytes(event))
        if piece and size + length > PIECE_BYTES:
            yield msgspec.json.encode({"Header": header, "Body": {"Events": piece}})
            piece, size = [], 0
        piece.append(event)
        size += length
    if piece:
        yield msgspec.json.encode({"Header": header, "Body": {"Events": piece}})
