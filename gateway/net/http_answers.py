"""HTTP answers beside the WebSocket handshake, written by websockets' own serializer.

Owns the headers that every such answer has. One answer ends its connection.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from websockets.datastructures import Headers
from websockets.http11 import Response

TEXT: Final = "text/plain; charset=utf-8"


def http_answer(
    status: int,
    body: bytes,
    *,
    phrase: str | None = None,
    kind: str | None = TEXT,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a whole HTTP answer.

    Parameters
    ----------
    status : int
        The status code.
    body : bytes
        The content; a 304 has none and states no length.
    phrase : str, optional
        The reason phrase, where it is not the standard one.
    kind : str or None
        The content type; None states none.
    headers : mapping, optional
        Further headers.
    """
    fields = Headers({"Connection": "close"})
    if status != HTTPStatus.NOT_MODIFIED:
        if kind is not None:
            fields["Content-Type"] = kind
        fields["Content-Length"] = str(len(body))
    fields["X-Content-Type-Options"] = "nosniff"
    fields.update(headers or {})
    answer = Response(status, phrase or HTTPStatus(status).phrase, fields, body)
    return answer.serialize()


def refusal(status: int, phrase: str) -> bytes:
    """Return a short answer that refuses a connection; its text is the reason phrase."""
    return http_answer(status, f"{phrase}\n".encode("ascii"), phrase=phrase, kind=None)
