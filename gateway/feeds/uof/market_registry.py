"""The markets of one feed: the producer each belongs to, and the last status each was given.

Owns the adapter's memory of markets: their names on both sides, their owners, their last status,
and the bet_stops that an older message must not undo. The memory is bounded and can be rebuilt from
what the engine's markets remember. This module never decides what a message does to a market.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from engine.common.commands import TIME_NS_MAX
from engine.common.ids import MalformedIdError, parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import MARKETS_MAX, NS_PER_MS, ODDS_MILLI_MIN
from gateway.feeds.core.adapter import KnownMarket, NewMarket
from gateway.feeds.uof.bet_stop_groups import ALL, stopped_by
from gateway.feeds.uof.early_results import EarlyResults
from gateway.feeds.uof.grammar import are_specifiers
from gateway.feeds.uof.messages import NO_PRODUCT, MarketName
from gateway.feeds.uof.types import OUTCOME_NAMES, UofMarket, UofTypes

STOPS_MAX: Final = 8
"""Groups of bet_stops kept of one event and producer; past it all become one stop of everything, at
the time of the newest, which stops more than was asked for and never less."""
STOPPED_EVENTS_MAX: Final = 1 << 14
FORMER_MAX: Final = 8
"""Former owners kept of one market; past it the one heard of longest ago is dropped."""
NO_OWNER: Final = 0
_ANY_PRODUCER: Final = NO_PRODUCT
_NO_FORMER: Final[Mapping[int, int]] = {}
TIME_MS_MAX: Final = TIME_NS_MAX // NS_PER_MS
_FINAL_STATUSES: Final = (Status.CANCELLED, Status.CLOSED)

_Identity = tuple[str, int, tuple[tuple[str, str], ...]]
"""Event id, market id and sorted specifiers."""
_Named = tuple[str, int, str]
"""Event id, market id and the specifiers as a message writes them."""


class ListedMarket:
    """One market of the feed: its names, its owner, its last status and its last result.

    Parameters
    ----------
    market : UofMarket
        The market under the engine's names.
    market_id : int
        The provider's market id.
    """

    __slots__ = (
        "_index_by_outcome_id",
        "any_result_ms",
        "betstop_ms",
        "cashout",
        "certainty",
        "closed_at_start",
        "decided",
        "ended_ms",
        "favourite",
        "former_ms",
        "has_price",
        "last_status",
        "market",
        "market_id",
        "new_market",
        "odds_milli",
        "opened_at_ns",
        "opened_before_ms",
        "opened_ms",
        "owner",
        "result_ms",
        "settled",
        "status_ms",
        "void_reason",
    )

    def __init__(self, market: UofMarket, market_id: int) -> None:
        self.market = market
        self.market_id = market_id
        self._index_by_outcome_id = _index_by_outcome_id(market)
        self.new_market: NewMarket | None = None
        """What the market was created with, in the phase of its owner."""
        self.odds_milli: list[int] = [ODDS_MILLI_MIN] * len(market.outcomes)
        """The feed's last odds, in the order of the outcomes."""
        self.has_price = False
        """Whether some outcome was offered at least once."""
        self.owner = NO_OWNER
        """The producer whose odds and statuses the market follows."""
        self.former_ms: Mapping[int, int] = _NO_FORMER
        """Newest message of each producer that is not the owner, or the message with which the
        next owner took the market, whichever is newer: provider timestamps."""
        self.last_status = Status.INACTIVE
        """Status of the owner's newest message, before the producer watch changed it."""
        self.status_ms = 0
        """Provider timestamp of the message that set `last_status`."""
        self.opened_ms = self.opened_before_ms = 0
        """Provider timestamps of the newest odds that opened the market, and of those before."""
        self.opened_at_ns = 0
        """When the newest odds that opened the market came, by our clock."""
        self.betstop_ms = 0
        """When the market stops by itself, as its owner said: a provider timestamp; 0: never."""
        self.settled = False
        """Whether every outcome has a result."""
        self.decided: set[int] = set()
        """The outcomes that have a result while others have none."""
        self.result_ms = 0
        """Newest provider timestamp of a settlement or a settlement roll-back."""
        self.any_result_ms = 0
        """Newest provider timestamp of any result, cancellation or roll-back."""
        self.ended_ms = 0
        """Newest provider timestamp of what ended the market: odds older than it never open it."""
        self.closed_at_start = False
        """Whether the market was not open when the feed started: what closed it, and when, may be
        forgotten."""
        self.favourite = False
        self.cashout = 0
        """The provider's cash-out flag: 1 available, -1 unavailable, -2 closed, 0 not given."""
        self.void_reason = 0
        """The provider's number of why bets on the market are refunded; 0: none is, or not said."""
        self.certainty = 0
        """Certainty of the last bet_settlement: 1 scouted, 2 confirmed, 0 none."""

    @property
    def event_id(self) -> str:
        """The event's urn."""
        return self.market.key.partition("/")[0]

    @property
    def may_be_open(self) -> bool:
        """Whether bets may be taken now, should the market have refused an earlier suspension."""
        return self.last_status in (Status.ACTIVE, Status.SUSPENDED) and not self.settled

    @property
    def open_when_trusted(self) -> bool:
        """Whether the market is to be ACTIVE while its owner is trusted."""
        return self.last_status is Status.ACTIVE and not self.settled

    @property
    def finished(self) -> bool:
        """Whether only a correction can still change the market."""
        return self.settled or self.last_status in _FINAL_STATUSES

    def note_former(self, producer: int, at_ms: int) -> None:
        """Note a message of a producer that does not own the market, or does no longer."""
        at_ms = max(at_ms, self.former_ms.get(producer, at_ms))
        former = {**self.former_ms, producer: at_ms}
        if len(former) > FORMER_MAX:
            del former[min(former, key=former.__getitem__)]
        self.former_ms = former

    def note_open(self, at_ms: int, at_ns: int) -> None:
        """Note odds that open the market, and when they came."""
        if at_ms > self.opened_ms:
            self.opened_before_ms, self.opened_ms = self.opened_ms, at_ms
            self.opened_at_ns = at_ns

    def settle(self, outcomes: Iterable[int]) -> None:
        """Note that outcomes have a result."""
        if not self.settled:
            self.decided |= set(outcomes)
            self.settled = len(self.decided) == len(self.market.outcomes)
        if self.settled:
            self.decided = set()

    def roll_back_results(self, outcomes: Iterable[int]) -> None:
        """Note that outcomes have no result; a settled market waits for odds to open it."""
        if self.settled:
            self.decided = set(range(len(self.market.outcomes)))
            self.settled, self.certainty, self.void_reason = False, 0, 0
            self.last_status = Status.SUSPENDED
        self.decided -= set(outcomes)

    def outcome_index(self, outcome_id: str) -> int | None:
        """Return the index of the outcome with a provider's id; None when there is none."""
        return self._index_by_outcome_id.get(outcome_id)


def _index_by_outcome_id(market: UofMarket) -> dict[str, int]:
    """Return the index of each outcome, by every provider's id that stands for it."""
    by_name = {name: index for index, name in enumerate(market.outcomes)}
    if not market.sport:
        return by_name
    return {
        outcome_id: by_name[name] for outcome_id, name in OUTCOME_NAMES.items() if name in by_name
    }


class MarketRegistry:
    """All markets of a feed, found by the provider's names.

    Parameters
    ----------
    types : UofTypes
        Translates the provider's names to the engine's.
    prematch : Sequence[int]
        Producers that hand their markets over to a live producer.
    markets_max : int
        Markets kept. When the registry is full, settled, cancelled and closed markets are dropped;
        when there are none, a new market is refused.
    stopped_events_max : int
        Events whose bet_stops are kept; past it the event stopped longest ago is dropped, and odds
        older than its newest stop create no market.
    early : EarlyResults | None
        Is told of the bet_stops that are dropped.
    """

    def __init__(
        self,
        types: UofTypes,
        *,
        prematch: Sequence[int],
        markets_max: int = MARKETS_MAX,
        stopped_events_max: int = STOPPED_EVENTS_MAX,
        early: EarlyResults | None = None,
    ) -> None:
        self._early: Final = EarlyResults() if early is None else early
        self._types: Final = types
        self._prematch: Final = tuple(prematch)
        self._markets_max: Final = markets_max
        self._stopped_events_max: Final = stopped_events_max
        self._markets: dict[_Identity, ListedMarket] = {}
        self._found: dict[_Named, ListedMarket] = {}
        """Markets by the names under which messages found them; emptied at twice `markets_max`."""
        self._events: dict[str, dict[_Identity, None]] = {}
        self._stops: OrderedDict[str, dict[tuple[int, tuple[str, ...]], int]] = OrderedDict()
        """By event: the time of the newest bet_stop of each producer and groups."""
        self.unnamed = 0
        """How often a message named a market by what cannot be the name of one."""

    def __len__(self) -> int:
        return len(self._markets)

    def __iter__(self) -> Iterator[ListedMarket]:
        return iter(self._markets.values())

    def event_markets(self, event_id: str) -> list[ListedMarket]:
        """Return an event's markets."""
        return [self._markets[identity] for identity in self._events.get(event_id, ())]

    def find(self, event_id: str, name: MarketName) -> ListedMarket | None:
        """Return a market by the provider's names; None when the registry does not hold it."""
        named = (event_id, name.id, name.specifiers)
        found = self._found.get(named)
        if found is None:
            identity = self.identity(event_id, name)
            found = None if identity is None else self._markets.get(identity)
            if found is not None:
                if len(self._found) >= 2 * self._markets_max:
                    self._found.clear()
                self._found[named] = found
        return found

    def identity(self, event_id: str, name: MarketName) -> _Identity | None:
        """Return what identifies a market; None when its specifiers are malformed."""
        key = self._types.key(event_id, "any", name.specifiers)
        if isinstance(key, str) and not are_specifiers(name.specifiers):
            self.unnamed += 1
        return None if isinstance(key, str) else (event_id, name.id, key.specifiers)

    def add(
        self, event_id: str, name: MarketName, outcome_ids: Sequence[str]
    ) -> ListedMarket | str:
        """Add a new market and return it, or return the reason why it is refused."""
        market = self._types.market(event_id, name, outcome_ids)
        identity = self.identity(event_id, name)
        if isinstance(market, str) or identity is None:
            return market if isinstance(market, str) else "market: no key"
        return self._store(identity, market)

    def restore(
        self, known: KnownMarket, *, feed: str, latest_ms: int = TIME_MS_MAX
    ) -> tuple[ListedMarket, dict[int, int]] | None:
        """Add a market that the engine already has.

        Parameters
        ----------
        known : KnownMarket
            The market's image and the feed positions it remembers.
        feed : str
            The feed's name.
        latest_ms : int
            Positions are taken up to this time only: one that is ahead of our clock would outrank
            every message of the producer.

        Returns
        -------
        tuple of ListedMarket and dict, or None
            The market, and the timestamp in ms of each producer's newest odds message. None when
            the key is not one of this feed's, or the registry is full.
        """
        try:
            key = parse_market_key(known.image.key)
        except MalformedIdError:
            return None
        market_id = self._types.market_id(key)
        if market_id is None:
            return None
        market = self._types.existing_market(key, known.image.outcomes)
        name = MarketName(
            id=market_id, specifiers="|".join(f"{name}={value}" for name, value in key.specifiers)
        )
        identity = self.identity(key.fixture, name)
        # Of two markets under two spellings of one name, which journals of before may have, the
        # first is followed.
        if identity is None or identity in self._markets:
            return None
        listed = self._store(identity, market)
        if isinstance(listed, str):
            return None
        positions = {source: min(ms, latest_ms) for source, ms in known.positions.items()}
        odds_ms = _positions_by_producer(positions, feed, "odds")
        result_ms = _positions_by_producer(positions, feed, "result")
        listed.odds_milli = list(known.image.odds_milli)
        listed.has_price = any(known.image.active)
        listed.last_status = known.image.status
        listed.closed_at_start = known.image.status is not Status.ACTIVE
        listed.settled = known.results_stand or known.image.status is Status.SETTLED
        listed.decided = set(known.decided)
        listed.result_ms = listed.ended_ms = max(result_ms.values(), default=0)
        listed.any_result_ms = listed.result_ms
        if odds_ms:
            listed.owner = self._owner(odds_ms, _positions_by_producer(positions, feed, "taken"))
            listed.status_ms = odds_ms[listed.owner]
            if listed.last_status is Status.ACTIVE:
                # Nobody knows what came before these odds, nor when they came.
                listed.opened_ms = listed.opened_before_ms = listed.status_ms
            listed.former_ms = {
                producer: at_ms for producer, at_ms in odds_ms.items() if producer != listed.owner
            }
        return listed, odds_ms

    def _owner(self, odds_ms: Mapping[int, int], taken_ms: Mapping[int, int]) -> int:
        """Return the owner of a market from its positions: the newest live producer.

        A pre-match producer is the owner if it took the market from a live one that has written
        nothing since.
        """
        owner = max(odds_ms, key=lambda number: (self.rank(number), odds_ms[number]))
        taker = max(taken_ms, key=taken_ms.__getitem__, default=owner)
        return taker if taken_ms.get(taker, -1) > odds_ms[owner] and taker in odds_ms else owner

    def rank(self, producer: int) -> int:
        """Return 0 for a pre-match producer, 1 for a live one."""
        return 0 if producer in self._prematch else 1

    # --- bet stops -------------------------------------------------------------------------------

    def record_bet_stop(
        self, event_id: str, producer: int, groups: tuple[str, ...], at_ms: int
    ) -> None:
        """Record a bet_stop, so that an older message that arrives later does not undo it.

        `producer` NO_PRODUCT: the stop is one of every producer.
        """
        stops = self._stops.setdefault(event_id, {})
        stops[producer, groups] = max(stops.get((producer, groups), 0), at_ms)
        own = [stop for stop in stops if stop[0] == producer]
        if len(own) > STOPS_MAX:
            stops[producer, (ALL,)] = max(stops.pop(stop) for stop in own)
        self._stops.move_to_end(event_id)
        while len(self._stops) > self._stopped_events_max:
            _, forgotten = self._stops.popitem(last=False)
            self._early.forget_before(max(forgotten.values()))

    def has_bet_stop(self, event_id: str) -> bool:
        """Say whether a bet_stop of an event is known."""
        return event_id in self._stops

    def bet_stopped_since(
        self, event_id: str, obeyed: Callable[[int], bool], market_id: int, at_ms: int
    ) -> bool:
        """Say whether a bet_stop of a producer that is obeyed stopped a market after a time."""
        stops = self._stops.get(event_id)
        return stops is not None and any(
            stopped_ms > at_ms
            and stopped_by(market_id, groups)
            and (stopping == _ANY_PRODUCER or obeyed(stopping))
            for (stopping, groups), stopped_ms in stops.items()
        )

    # --- inside ----------------------------------------------------------------------------------

    def _store(self, identity: _Identity, market: UofMarket) -> ListedMarket | str:
        if len(self._markets) >= self._markets_max:
            self._drop_finished()
        if len(self._markets) >= self._markets_max:
            return f"markets: at most {self._markets_max} are followed"
        if identity in self._markets:
            self._found.clear()
        listed = self._markets[identity] = ListedMarket(market, identity[1])
        self._events.setdefault(identity[0], {})[identity] = None
        return listed

    def _drop_finished(self) -> None:
        self._found.clear()
        for identity in [i for i, listed in self._markets.items() if listed.finished]:
            del self._markets[identity]
            event = self._events[identity[0]]
            del event[identity]
            if not event:
                del self._events[identity[0]]


def odds_source(feed: str, producer: int) -> str:
    """Return the source of a producer's odds and statuses, for marks."""
    return f"{feed}:{producer}/odds"


def result_source(feed: str, producer: int) -> str:
    """Return the source of a producer's results, for marks."""
    return f"{feed}:{producer}/result"


def taken_source(feed: str, producer: int) -> str:
    """Return the source of a producer's takings of markets from a live one, for marks."""
    return f"{feed}:{producer}/taken"


def price_source(feed: str, producer: int) -> str:
    """Return the source of model prices that a producer's messages cause, for marks."""
    return f"{feed}:{producer}/price"


def is_source_of(feed: str, source: str) -> bool:
    """Say whether the source of a mark is one of a feed."""
    return source.rpartition(":")[0] == feed


def _positions_by_producer(positions: dict[str, int], feed: str, channel: str) -> dict[int, int]:
    """Return each producer's position in one channel of a feed."""
    found: dict[int, int] = {}
    for source, position in positions.items():
        source_feed, _, rest = source.rpartition(":")
        number, _, source_channel = rest.partition("/")
        if (
            source_feed == feed
            and source_channel == channel
            and number.isascii()
            and number.isdigit()
        ):
            found[int(number)] = position
    return found
