"""What an adapter wants done: the words between a feed's format and the markets.

Owns the shape of an adapter: bytes and time in, intents out, no I/O and no clock. Market numbers
are unknown here: an intent names a market by its key, and the desk that carries intents out writes
the number into every command.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

from actors.messages import KnownMarket
from engine.common.commands import FeedStep, Limits
from engine.common.ids import MarketNo
from engine.pricing.fair_probabilities import Fair, Mark

__all__ = [
    "MARKET_NO_LATER",
    "REFUSALS_KEPT",
    "Adapter",
    "NewMarket",
    "Fair",
    "Action",
    "KnownMarket",
    "Mark",
    "PriceFixture",
    "Received",
    "RecoveryRequest",
    "MarketUpdate",
]

MARKET_NO_LATER: Final = MarketNo(0)
"""What the commands of an intent name as their market: the desk writes the real number."""
REFUSALS_KEPT: Final = 100
"""Refused messages whose reason is kept for a person to read; all are counted."""


class NewMarket(Struct, frozen=True, kw_only=True):
    """What a market is created with when it is met for the first time: INACTIVE until told."""

    outcomes: tuple[str, ...]
    limits: Limits | None = None


class MarketUpdate(Struct, frozen=True, kw_only=True):
    """One market's part of one message: created if unknown, priced if fair, then the steps.

    Without `mark` the steps are given whenever asked: the watchdog's own words.
    """

    key: str
    mark: Mark | None
    steps: tuple[FeedStep, ...] = ()
    fair: Fair | None = None
    new_market: NewMarket | None = None


class PriceFixture(Struct, frozen=True, kw_only=True):
    """Price every market of a fixture that our own model knows, from where the match stands.

    `model` and `state` are those of the sport (see engine.pricing.sport).
    """

    fixture: str
    mark: Mark
    sport: str
    model: Any
    state: Any
    suspend: str = ""
    resume: bool = False


class RecoveryRequest(Struct, frozen=True, kw_only=True):
    """Ask the provider to repeat what a producer said after a time (0: all that is current)."""

    producer: int
    after_ms: int
    request_id: int


Action = MarketUpdate | PriceFixture | RecoveryRequest


class Received(Struct, frozen=True, kw_only=True):
    """What came of one message; `refused` says why it meant nothing, in a few words, else empty.

    `kind` is the message's own name, for counting.
    """

    kind: str
    actions: tuple[Action, ...] = ()
    refused: str = ""


class Adapter(Protocol):
    """One feed's format and habits, as a state machine that does no I/O."""

    def resume(self, markets: Sequence[KnownMarket], *, at_ns: int) -> Received:
        """Begin, with the markets of this feed that exist already."""
        ...

    def receive(self, body: bytes, *, at_ns: int) -> Received:
        """Take one message as it came off the transport; never raises, whatever the bytes."""
        ...

    def tick(self, *, at_ns: int) -> Received:
        """Take the time, at least once a second: watchdogs act on it."""
        ...

    def owns(self, key: str) -> bool:
        """Say whether a market belongs to this feed, by its key."""
        ...

    def passed_over(self) -> Mapping[str, int]:
        """Return how often a part of a message was passed over, by why, for people to look at."""
        ...
