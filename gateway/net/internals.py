"""The undocumented parts of websockets that are used here, checked when gateway.net is imported.

Owns the list. The gateway drives the protocol core of websockets without that library's connection
classes, and the client library takes frames directly from its connection. Both need names that
websockets does not document. A release that lacks one is refused at import, with its version,
instead of failing in the middle of a connection.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import websockets.asyncio.connection
import websockets.frames
import websockets.http11
import websockets.protocol
import websockets.server
import websockets.speedups
import websockets.streams
import websockets.version
from websockets.asyncio.client import ClientConnection


class Need(NamedTuple):
    """Names that one part of websockets must have.

    `part` is an object with these attributes, or a set of the names that it assigns.
    """

    shown: str
    part: Any
    names: tuple[str, ...]


def _assigned(function: Any) -> frozenset[str]:
    """Return the attribute names in a function's code, such as those that it sets on `self`."""
    return frozenset(function.__code__.co_names)


NEEDS: Final[tuple[Need, ...]] = (
    Need("speedups", websockets.speedups, ("apply_mask",)),
    Need("frames", websockets.frames, ("BINARY", "TEXT", "CLOSE", "PING", "PONG", "Frame")),
    Need("protocol", websockets.protocol, ("OPEN",)),
    Need(
        "http11.Request",
        frozenset(websockets.http11.Request.__dataclass_fields__),
        ("method", "path", "headers"),
    ),
    Need("http11.Response", websockets.http11.Response, ("serialize",)),
    Need("streams.StreamReader", websockets.streams.StreamReader(), ("eof",)),
    Need(
        "server.ServerProtocol",
        websockets.server.ServerProtocol(),
        ("close_sent", "data_to_send", "fail", "handshake_exc", "reader", "state", "writes"),
    ),
    Need(
        "asyncio.client.ClientConnection",
        ClientConnection,
        ("connection_lost", "connection_made", "drain", "process_event", "send_data"),
    ),
    Need(
        "asyncio.client.ClientConnection",
        _assigned(websockets.asyncio.connection.Connection.__init__)
        | _assigned(websockets.asyncio.connection.Connection.connection_made),
        ("paused", "protocol", "transport"),
    ),
)


class WebsocketsChangedError(ImportError):
    """The installed release of websockets lacks a part that is used; the message names it."""


def check(needs: Iterable[Need], *, version: str) -> None:
    """Raise unless every name is there.

    Parameters
    ----------
    needs : iterable of Need
        Parts and the names that they must have.
    version : str
        The release of websockets, for the message.

    Raises
    ------
    WebsocketsChangedError
        When a name is missing.
    """
    for need in needs:
        for name in need.names:
            found = (
                name in need.part if isinstance(need.part, frozenset) else hasattr(need.part, name)
            )
            if not found:
                raise WebsocketsChangedError(
                    f"websockets {version} has no {need.shown}.{name}, which overround uses; "
                    f"install a release that setup.cfg allows"
                )


def check_websockets() -> None:
    """Raise unless the installed websockets has every part that is used."""
    check(NEEDS, version=websockets.version.version)
