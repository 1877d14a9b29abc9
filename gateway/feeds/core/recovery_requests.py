"""Recovery requests of a feed's adapter: kept until the provider was asked, sent to gateways.

Owns the open requests, the latest of each producer and of each event. It never asks a provider; a
bridge that listens at a gateway does.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from actors.messages import encode
from actors.peer import Peer, call_after_gaps
from gateway.feeds.core.adapter import RecoveryRequest

REQUESTS_MAX: Final = 256
"""Open requests; past it the oldest request of a single event is dropped, or else the oldest."""


class RecoveryRequests:
    """The open recovery requests of one feed, and the gateways that receive them.

    Parameters
    ----------
    feed : str
        The feed's name.
    """

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._open: dict[tuple[int, str], RecoveryRequest] = {}
        self._gateways: dict[str, Peer] = {}
        self._version = -1

    def __len__(self) -> int:
        """Count of open requests."""
        return len(self._open)

    def on_gateways(self, version: int, peers: Sequence[Peer]) -> None:
        """Send open and later requests to these gateways and to no others."""
        if version > self._version:
            self._version = version
            self._gateways = {peer.name: peer for peer in peers}
            for peer in peers:
                call_after_gaps(peer, partial(self._send_open, peer))
                self._send_open(peer)

    def add(self, request: RecoveryRequest) -> None:
        """Keep a request until it is done and send it; it replaces the earlier one of the same."""
        name = (request.producer, request.event_id)
        self._open.pop(name, None)
        self._open[name] = request
        while len(self._open) > REQUESTS_MAX:
            of_events = (each for each in self._open if each[1])
            del self._open[next(of_events, next(iter(self._open)))]
        self._send(request)

    def done(self, producer: int, request_id: int) -> None:
        """Forget a request that the provider was asked; a later one of its producer stays."""
        for name, request in self._open.items():
            if (request.producer, request.request_id) == (producer, request_id):
                del self._open[name]
                return

    def encoded(self) -> bytes:
        """Return list[RecoveryRequest] in msgpack: the open requests."""
        return encode(list(self._open.values()))

    def _send(self, request: RecoveryRequest) -> None:
        for gateway in self._gateways.values():
            gateway.notify("on_feed_request", self._feed, encode(request))

    def _send_open(self, gateway: Peer) -> None:
        """Send a gateway all open requests, which it may not know."""
        for request in self._open.values():
            gateway.notify("on_feed_request", self._feed, encode(request))
