"""What an adapter is: it translates one feed's messages into actions on markets.

Owns the interface between a feed's format and the markets: bytes and time in, actions out. An
adapter does no I/O and reads no clock. It knows markets by their keys only; the pipeline that
carries its actions out writes the market number into every command.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol, runtime_checkable

from msgspec import Struct

from actors.messages import KnownMarket
from engine.common.commands import FeedStep, Limits
from engine.common.fixtures import FeedDescription
from engine.common.ids import MarketNo
from engine.common.units import Nanos
from engine.pricing.fair_probabilities import Fair, Mark
from gateway.feeds.core.said_matches import SaidMatches
from gateway.messages.feed import MarketFacts

__all__ = [
    "ALL_FIXTURES",
    "MARKET_NO_LATER",
    "REFUSALS_KEPT",
    "UNCOVERED_MAX",
    "Adapter",
    "CoverageAdapter",
    "FactsAdapter",
    "NewMarket",
    "Fair",
    "Action",
    "Hold",
    "KnownMarket",
    "Mark",
    "Phase",
    "PriceFixture",
    "Received",
    "RecoveryRequest",
    "Release",
    "MarketUpdate",
    "StatingAdapter",
]

MARKET_NO_LATER: Final = MarketNo(0)
"""The market number in an action's commands until the pipeline writes the real one."""
ALL_FIXTURES: Final = ""
"""The id that stands for all fixtures of a feed, where each of them is meant."""
UNCOVERED_MAX: Final = 16_384
"""Fixtures that a feed has lost of which one answer tells."""
REFUSALS_KEPT: Final = 100
"""Latest refused messages whose reason is kept for people to read; all are counted."""


Phase = Literal["prematch", "live"]


class NewMarket(Struct, frozen=True, kw_only=True, gc=False):
    """What a market is created with when a feed first names it; its status is INACTIVE.

    `sport` (empty if unknown) and `phase` choose its limits from the configuration (see
    gateway.market_limits), unless the adapter gives `limits`.
    """

    outcomes: tuple[str, ...]
    limits: Limits | None = None
    sport: str = ""
    phase: Phase = "prematch"


class MarketUpdate(Struct, frozen=True, kw_only=True, gc=False):
    """Update one market: create it if it is unknown, price it by `fair`, then take the steps.

    `mark` is the message's position in its source, which a market obeys once. Without a mark, as
    from a watchdog that has no message, the market obeys the update each time.
    """

    key: str
    mark: Mark | None
    steps: tuple[FeedStep, ...] = ()
    fair: Fair | None = None
    new_market: NewMarket | None = None


class PriceFixture(Struct, frozen=True, kw_only=True):
    """Price every market of a fixture that the sport's own model knows, from the match's state.

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
    """Ask the provider to repeat a producer's messages after a time (0: all that are current).

    With an `event_id`, the messages of that event only, its odds and its results.
    """

    producer: int
    after_ms: int
    request_id: int
    event_id: str = ""


class Hold(Struct, frozen=True, kw_only=True):
    """Leave this message unanswered until a `Release` of the same number, and do nothing yet.

    It is the first of a message's actions. A message that comes again while it is held has the
    number of the first. At most FEED_MESSAGES_HELD_MAX are held at a time.
    """

    number: int


class Release(Struct, frozen=True, kw_only=True):
    """Carry out the updates of a held message, which is answered once its markets have obeyed."""

    number: int
    updates: tuple[MarketUpdate, ...]


Action = MarketUpdate | PriceFixture | RecoveryRequest | Hold | Release
"""What an adapter wants done."""


class Received(Struct, frozen=True, kw_only=True):
    """What an adapter made of one message.

    `kind` is the message's own name, for counting. `refused` says in a few words why the message
    has no effect; empty when it has one.
    """

    kind: str
    actions: tuple[Action, ...] = ()
    refused: str = ""


class Adapter(Protocol):
    """Translate one feed's messages into actions: a state machine that does no I/O."""

    def resume(self, markets: Sequence[KnownMarket], *, at_ns: Nanos) -> Received:
        """Begin with the existing markets of this feed and their positions in it."""
        ...

    def receive(self, body: bytes, *, at_ns: Nanos) -> Received:
        """Take one message as its transport delivered it; never raise, whatever the bytes."""
        ...

    def tick(self, *, at_ns: Nanos) -> Received:
        """Take the time, at least once a second; an adapter acts here on silence and deadlines."""
        ...

    def owns(self, key: str) -> bool:
        """Say whether the market of a key belongs to this feed."""
        ...

    def passed_over(self) -> Mapping[str, int]:
        """Return how many parts of messages had no use here, by reason, for people to look at."""
        ...

    def lost(self) -> Mapping[str, str]:
        """Return markets that cannot be offered or settled here, and why; the newest last.

        They are named by key or as the feed names them, and at most LOSSES_MAX.
        """
        ...

    def unopened(self) -> Mapping[str, str]:
        """Return markets that are followed and were not made yet, by key, and why."""
        ...


@runtime_checkable
class DescribingAdapter(Protocol):
    """An adapter that knows more of its fixtures than their markets."""

    def descriptions(self) -> Sequence[FeedDescription]:
        """Return the descriptions of fixtures that have changed since the last call."""
        ...


@runtime_checkable
class StatingAdapter(Protocol):
    """An adapter that remembers what its feed has said of matches."""

    def said_matches(self) -> SaidMatches:
        """Return the memory; another adapter of the feed has another one."""
        ...


@runtime_checkable
class CoverageAdapter(Protocol):
    """An adapter that knows of which fixtures nothing can be trusted that it was told."""

    def uncovered(self) -> Mapping[str, str]:
        """Return the fixtures that it has lost, and why; ALL_FIXTURES stands for each of them.

        Bets on them are stopped already. One whose markets take no bets anyway need not be named.
        """
        ...


@runtime_checkable
class FactsAdapter(Protocol):
    """An adapter that can say more of its markets than odds and results, for people to look at."""

    def facts(self, fixture: str) -> Sequence[MarketFacts]:
        """Return what the feed says of a fixture's markets."""
        ...
