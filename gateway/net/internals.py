"""The undocumented parts of websockets that are used here, checked when gateway.net is imported.

Owns the list. The gateway drives the protocol core of websockets without that library's connection
classes, and the client library takes frames directly from its connection. Both need names that
websockets does not document. A release that lacks one is refused at import, with its version,
instead of failing in the middle of a connection.
"""

from collections.abc import Iterable
from typing import Any, Final

import websockets.asyncio.client
import websockets.frames
import websockets.http11
import websockets.protocol
import websockets.server
import websockets.speedups
import websockets.streams
import websockets.version

Need = tuple[Any, tuple[str, ...]]
"""An object of websockets, and the attributes of it that are used."""

NEEDS: Final[tuple[Need, ...]] = (
    (websockets.speedups, ("apply_mask",)),
    (websockets.frames, ("BINARY", "TEXT", "CLOSE", "PING", "PONG", "Frame")),
    (websockets.protocol, ("OPEN",)),
    (websockets.http11.Request, ("__dataclass_fields__",)),
    (websockets.http11.Request.__dataclass_fields__, ("method", "path", "headers")),
    (websockets.http11.Response, ("serialize",)),
    (
        websockets.server.ServerProtocol(),
        ("close_sent", "data_to_send", "fail", "handshake_exc", "reader", "state", "subprotocol"),
    ),
    (websockets.streams.StreamReader(), ("eof",)),
    (
        websockets.asyncio.client.ClientConnection,
        ("connection_lost", "drain", "process_event", "send_data"),
    ),
    (websockets.protocol.Protocol(websockets.protocol.SERVER), ("writes",)),
)


class WebsocketsChangedError(ImportError):
    """The installed release of websockets lacks a part that is used; the message names it."""


def check(needs: Iterable[Need], *, version: str) -> None:
    """Raise unless every attribute is there.

    Parameters
    ----------
    needs : iterable of Need
        Objects and the attributes, or the keys of a mapping, that they must have.
    version : str
        The release of websockets, for the message.

    Raises
    ------
    WebsocketsChangedError
        When one is missing.
    """
    for owner, names in needs:
        for name in names:
            there = name in owner if isinstance(owner, dict) else hasattr(owner, name)
            if not there:
                shown = getattr(owner, "__name__", type(owner).__name__)
                raise WebsocketsChangedError(
                    f"websockets {version} has no {shown}.{name}, which overround uses; install a "
                    f"release that setup.cfg allows"
                )


def check_websockets() -> None:
    """Raise unless the installed websockets has every part that is used."""
    check(NEEDS, version=websockets.version.version)
