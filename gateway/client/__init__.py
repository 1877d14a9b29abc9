"""The client library: open sessions on a gateway as a bettor, a trader or a feed.

What lives here: requests, answers, prices and errors as a client sees them.
What never does: retries or reconnects that a caller has not asked for, and the server's side.
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
