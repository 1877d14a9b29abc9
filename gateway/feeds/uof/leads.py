"""Tell a match's 1x2 market when play began, and that a side leads by the configured goals.

Owns what was told of each event, which is bounded: past it the event that was heard of longest ago
is dropped, and told again when it is heard of. The market marks a leg once whatever it is told, so
telling twice is safe; telling late is not, since it covers bets that were placed meanwhile. So a
lead is told with the time of the message that brought it, and one that this process did not see
coming with a time by which play had begun: that covers pre-match bets alone, and those of the first
minutes where the match clock stood still meanwhile. It never takes a lead back.
"""

from collections import OrderedDict
from typing import Final

from engine.common.commands import FeedStep
from engine.common.early import BeginPlay, PayEarly
from engine.common.units import Nanos
from engine.pricing.football.axes import Scope
from engine.pricing.football.model import MatchState, Period
from gateway.feeds.core.adapter import MARKET_NO_LATER, MarketUpdate
from gateway.feeds.core.clock import FeedClock
from gateway.feeds.uof.market_registry import NO_OWNER, ListedMarket, MarketRegistry
from gateway.feeds.uof.match_state import match_state
from gateway.feeds.uof.messages import OddsChange

EVENTS_MAX: Final = 1 << 14
_SPORT: Final = "football"
_MARKET: Final = "1x2"
_SIDES: Final = ("home", "away")


class _Sent:
    __slots__ = ("began_ms", "leads_ms", "newest_ms")

    def __init__(self) -> None:
        self.newest_ms = 0
        """Timestamp of the newest message with a score."""
        self.began_ms = 0
        """A time by which play had begun, as told; 0: not told."""
        self.leads_ms: dict[str, int] = {}
        """For each side that leads by so much, the time that was told."""


class Leads:
    """The leads of one feed's football matches.

    Parameters
    ----------
    registry : MarketRegistry
        The feed's markets.
    clock : FeedClock
        Converts the feed's timestamps to engine time.
    goals : int
        The lead that is told, in goals; 0: none is.
    """

    def __init__(self, registry: MarketRegistry, *, clock: FeedClock, goals: int) -> None:
        self._registry: Final = registry
        self._clock: Final = clock
        self._goals: Final = goals
        self._events: OrderedDict[str, _Sent] = OrderedDict()

    def on_odds_change(self, message: OddsChange) -> list[MarketUpdate]:
        """Return what the match's market must be told; a recovery's messages tell it all again."""
        if not self._goals or message.status is None:
            return []
        state, listed = match_state(message.status), self._market(message.event_id)
        if state is None or listed is None or state.period is Period.PRE_MATCH:
            return []
        known = message.event_id in self._events
        sent = self._sent(message.event_id)
        if message.timestamp < sent.newest_ms:
            return []
        sent.newest_ms = message.timestamp
        again = message.request_id is not None
        by_ms = max(message.timestamp - 1_000 * state.clock_s, 0)
        steps: list[FeedStep] = []
        if not sent.began_ms or again:
            sent.began_ms = min(sent.began_ms or by_ms, by_ms)
            steps.append(BeginPlay(market_no=MARKET_NO_LATER, from_ns=self._ns(sent.began_ms)))
        for side in self._ahead(state):
            if side not in sent.leads_ms:
                sent.leads_ms[side] = message.timestamp if known else by_ms
            elif not again:
                continue
            pay = PayEarly(
                market_no=MARKET_NO_LATER,
                outcome=listed.market.outcomes.index(side),
                lead=self._goals,
                until_ns=self._ns(sent.leads_ms[side]),
            )
            steps.append(pay)
        for side in [side for side in sent.leads_ms if side not in self._ahead(state)]:
            del sent.leads_ms[side]
        if not steps:
            return []
        return [MarketUpdate(key=listed.market.key, mark=None, steps=tuple(steps))]

    def _ahead(self, state: MatchState) -> tuple[str, ...]:
        """Return the side that leads by enough in ninety minutes, if one does."""
        home, away = state.score(Scope.REGULAR)
        return _SIDES[:1] * (home - away >= self._goals) + _SIDES[1:] * (away - home >= self._goals)

    def _market(self, event_id: str) -> ListedMarket | None:
        """Return the market of the full-time result of a football match, if it was created."""
        key = f"{event_id}/{_MARKET}"
        for listed in self._registry.event_markets(event_id):
            if listed.market.key == key and listed.market.sport == _SPORT:
                return listed if listed.owner != NO_OWNER else None
        return None

    def _sent(self, event_id: str) -> _Sent:
        sent = self._events.get(event_id)
        if sent is None:
            sent = self._events[event_id] = _Sent()
            if len(self._events) > EVENTS_MAX:
                self._events.popitem(last=False)
        else:
            self._events.move_to_end(event_id)
        return sent

    def _ns(self, feed_ms: int) -> Nanos:
        return Nanos(self._clock.engine_ns(feed_ms))
