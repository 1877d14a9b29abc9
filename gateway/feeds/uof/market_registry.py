"""The markets that one feed has spoken of: who speaks for each, and what was said last.

Owns the adapter's memory of markets: their names on both sides, the producer that has each, the
status it was last told, and bet stops that older news must not undo. All of it can be rebuilt from
what markets remember; it is bounded, and never decides what a message means.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from engine.common.ids import MalformedIdError, parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import MARKETS_MAX, ODDS_MILLI_MIN
from gateway.feeds.core.adapter import KnownMarket
from gateway.feeds.uof.messages import MarketName
from gateway.feeds.uof.types import OUTCOME_NAMES, UofMarket, UofTypes, stopped_by

STOPS_MAX: Final = 8
"""Bet stops of one event that are kept; past it the oldest is forgotten."""
STOPPED_EVENTS_MAX: Final = 1 << 14
"""Events whose bet stops are kept; past it those stopped longest ago are forgotten."""
NOBODY: Final = 0
_OVER: Final = (Status.CANCELLED, Status.CLOSED)

_Identity = tuple[str, int, tuple[tuple[str, str], ...]]


class Listed:
    """One market of the feed."""

    __slots__ = (
        "certainty",
        "market",
        "number",
        "odds_milli",
        "owner",
        "places",
        "priced",
        "result_ms",
        "sent_ms",
        "settled",
        "told",
    )  # fmt: skip

    def __init__(self, market: UofMarket, number: int) -> None:
        self.market = market
        self.number = number
        """The provider's number of its type."""
        self.places: dict[str, int] = {name: n for n, name in enumerate(market.outcomes)}
        self.odds_milli: list[int] = [ODDS_MILLI_MIN] * len(market.outcomes)
        self.priced = False
        self.owner = NOBODY
        """The producer whose word counts."""
        self.told = Status.INACTIVE
        """What the owner said last, whatever the watchdog made of it."""
        self.sent_ms = 0
        self.settled = False
        self.result_ms = 0
        self.certainty = 0

    @property
    def open(self) -> bool:
        """Whether it is to be open as soon as its producer can be trusted."""
        return self.told is Status.ACTIVE and not self.settled

    @property
    def over(self) -> bool:
        """Whether nothing but a correction can come."""
        return self.settled or self.told in _OVER

    def place(self, outcome_id: str) -> int | None:
        """Return which of its outcomes an id is; None where it is none of them."""
        name = OUTCOME_NAMES.get(outcome_id, "") if self.market.sport else outcome_id
        return self.places.get(name)


class UofBook:
    """All markets of a feed, found by the provider's names.

    Parameters
    ----------
    types : UofTypes
        What the provider's names are to us.
    prematch : Sequence[int]
        Producers that hand over to others when an event begins.
    markets_max : int
        Markets kept; past it those that are settled or cancelled are forgotten, and if there are
        none, a new market is refused.
    """

    def __init__(
        self, types: UofTypes, *, prematch: Sequence[int], markets_max: int = MARKETS_MAX
    ) -> None:
        self._types: Final = types
        self._prematch: Final = tuple(prematch)
        self._markets_max: Final = markets_max
        self._listed: dict[_Identity, Listed] = {}
        self._events: dict[str, dict[_Identity, None]] = {}
        self._stops: OrderedDict[str, list[tuple[int, int, tuple[str, ...]]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._listed)

    def __iter__(self) -> Iterator[Listed]:
        return iter(self._listed.values())

    def of_event(self, event_id: str) -> list[Listed]:
        """Return an event's markets."""
        return [self._listed[identity] for identity in self._events.get(event_id, ())]

    def find(self, event_id: str, name: MarketName) -> Listed | None:
        """Return a market by the provider's names; None where it was never seen."""
        identity = self._identity(event_id, name)
        return None if identity is None else self._listed.get(identity)

    def add(self, event_id: str, name: MarketName, outcome_ids: Sequence[str]) -> Listed | str:
        """Return a market that is new, or in a few words why it cannot be kept."""
        market = self._types.market(event_id, name, outcome_ids)
        identity = self._identity(event_id, name)
        if isinstance(market, str) or identity is None:
            return market if isinstance(market, str) else "market: no key"
        return self._enter(identity, market)

    def know(self, known: KnownMarket, *, feed: str) -> tuple[Listed, dict[int, int]] | None:
        """Take a market that exists already; return it and each producer's newest message.

        None where its key is not one of this feed's.
        """
        try:
            key = parse_market_key(known.image.key)
        except MalformedIdError:
            return None
        number = self._types.number(key)
        if number is None:
            return None
        market = self._types.known(key, known.image.outcomes)
        listed = self._enter((key.fixture, number, key.specifiers), market)
        if isinstance(listed, str):
            return None
        heard = _heard(known.positions, feed, "odds")
        listed.odds_milli = list(known.image.odds_milli)
        listed.priced = any(known.image.active)
        listed.told = known.image.status
        listed.settled = known.results_stand or known.image.status is Status.SETTLED
        listed.result_ms = max(_heard(known.positions, feed, "result").values(), default=0)
        if heard:
            listed.owner = max(heard, key=lambda producer: (self.rank(producer), heard[producer]))
            listed.sent_ms = heard[listed.owner]
        return listed, heard

    def rank(self, producer: int) -> int:
        """Return 0 for a producer that hands over when an event begins, else 1."""
        return 0 if producer in self._prematch else 1

    def speaks_for(self, listed: Listed, producer: int, status: Status, at_ms: int) -> bool:
        """Say whether a producer's word on a market counts.

        A market is its owner's until the owner hands it over or a live producer takes it. What
        the former owner says afterwards is not heard, nor is an owner's change of mind: a market
        that was handed over waits for its new producer.
        """
        if listed.owner in (NOBODY, producer):
            handed = listed.owner == producer and listed.told is Status.HANDED_OVER
            return not (handed and status in (Status.ACTIVE, Status.SUSPENDED))
        if status is Status.HANDED_OVER:
            return False
        if listed.told is Status.HANDED_OVER or self.rank(producer) > self.rank(listed.owner):
            return True
        return self.rank(producer) == self.rank(listed.owner) and at_ms >= listed.sent_ms

    # --- bet stops -------------------------------------------------------------------------------

    def stop(self, event_id: str, producer: int, groups: tuple[str, ...], at_ms: int) -> None:
        """Remember a bet stop, for news from before it that come late."""
        stops = self._stops.setdefault(event_id, [])
        if (at_ms, producer, groups) not in stops:
            stops.append((at_ms, producer, groups))
            stops.sort(key=lambda stop: stop[0])
            del stops[:-STOPS_MAX]
        self._stops.move_to_end(event_id)
        while len(self._stops) > STOPPED_EVENTS_MAX:
            self._stops.popitem(last=False)

    def stopped_since(self, event_id: str, producer: int, number: int, at_ms: int) -> bool:
        """Say whether a producer has stopped bets on a market after a time."""
        return any(
            stopped_ms > at_ms and by == producer and stopped_by(number, groups)
            for stopped_ms, by, groups in self._stops.get(event_id, ())
        )

    # --- inside ----------------------------------------------------------------------------------

    def _identity(self, event_id: str, name: MarketName) -> _Identity | None:
        key = self._types.key(event_id, "any", name.specifiers)
        return None if isinstance(key, str) else (event_id, name.id, key.specifiers)

    def _enter(self, identity: _Identity, market: UofMarket) -> Listed | str:
        if len(self._listed) >= self._markets_max:
            self._forget_those_over()
        if len(self._listed) >= self._markets_max:
            return f"markets: at most {self._markets_max} are followed"
        listed = self._listed[identity] = Listed(market, identity[1])
        self._events.setdefault(identity[0], {})[identity] = None
        return listed

    def _forget_those_over(self) -> None:
        for identity in [i for i, listed in self._listed.items() if listed.over]:
            del self._listed[identity]
            event = self._events[identity[0]]
            del event[identity]
            if not event:
                del self._events[identity[0]]


def odds_source(feed: str, producer: int) -> str:
    """Return the name under which markets remember a producer's odds."""
    return f"{feed}:{producer}/odds"


def result_source(feed: str, producer: int) -> str:
    """Return the name under which markets remember a producer's results."""
    return f"{feed}:{producer}/result"


def price_source(feed: str, producer: int) -> str:
    """Return the name under which markets remember prices of our own, by a producer's news."""
    return f"{feed}:{producer}/price"


def _heard(positions: dict[str, int], feed: str, channel: str) -> dict[int, int]:
    """Return each producer's position in a lane of this feed."""
    heard: dict[int, int] = {}
    for source, position in positions.items():
        whose, _, rest = source.rpartition(":")
        number, _, own_channel = rest.partition("/")
        if whose == feed and own_channel == channel and number.isascii() and number.isdigit():
            heard[int(number)] = position
    return heard
