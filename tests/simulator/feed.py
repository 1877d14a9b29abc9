"""A feed whose messages are a story's: each is one FeedUpdate, for a real pipeline to carry out.

Owns the form of a message and its adapter. It keeps nothing: a story says what a feed would know.
"""

from collections.abc import Mapping, Sequence

import msgspec

from engine.common.commands import FeedUpdate
from engine.common.units import Nanos
from engine.pricing.fair_probabilities import Mark
from gateway.feeds.core.adapter import KnownMarket, MarketUpdate, Received

FEED = "simulated"


class _Message(msgspec.Struct, frozen=True):
    key: str
    update: FeedUpdate


_decode = msgspec.msgpack.Decoder(_Message).decode


def message_of(key: str, update: FeedUpdate) -> bytes:
    """Return the message that has a market of this key take these steps."""
    return msgspec.msgpack.encode(_Message(key, update))


class StoryAdapter:
    """Read the messages above."""

    def resume(self, markets: Sequence[KnownMarket], *, at_ns: Nanos) -> Received:
        return Received(kind="resume")

    def receive(self, body: bytes, *, at_ns: Nanos) -> Received:
        message = _decode(body)
        update = message.update
        mark = Mark(source=update.source, position=update.position, digest=update.digest)
        action = MarketUpdate(key=message.key, mark=mark, steps=update.steps)
        return Received(kind="update", actions=(action,))

    def tick(self, *, at_ns: Nanos) -> Received:
        return Received(kind="tick")

    def owns(self, key: str) -> bool:
        return True

    def passed_over(self) -> Mapping[str, int]:
        return {}

    def lost(self) -> Mapping[str, str]:
        return {}

    def unopened(self) -> Mapping[str, str]:
        return {}
