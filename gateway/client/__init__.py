"""The client library: open a session on a gateway as a bettor, a trader or a feed.

What lives here: requests, answers, prices and errors as a client sees them.
What never does: retries or reconnects by itself, the choice of an event loop, the server's side.
"""

from gateway.client.roles import (
    BettorSession,
    ControlSession,
    FeedSession,
    connect,
    connect_control,
    connect_feed,
)
from gateway.client.session import (
    ConnectionLostError,
    GatewayError,
    HandshakeRefusedError,
    RefusedError,
)

__all__ = [
    "connect",
    "connect_control",
    "connect_feed",
    "BettorSession",
    "ControlSession",
    "FeedSession",
    "GatewayError",
    "HandshakeRefusedError",
    "ConnectionLostError",
    "RefusedError",
]
