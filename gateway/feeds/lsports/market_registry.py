"""The fixtures, markets and bets of LSports' feed: what the newest messages say of each.

Owns the adapter's memory and its bounds. It keeps bets of markets that do not exist here yet, so
that a result which comes before the odds is not lost. It never decides what a market should do.
"""

from collections.abc import Iterator
from typing import Final

from engine.common.commands import OUTCOME_CHARS_MAX, OutcomeResult, Quote
from engine.common.ids import MalformedIdError
from engine.common.lifecycle import Status
from engine.common.units import MARKETS_MAX, NS_PER_MS, ODDS_MILLI_MIN, OUTCOMES_MAX, OddsMilli
from gateway.feeds.core.adapter import KnownMarket
from gateway.feeds.lsports.messages import (
    CANCELLED,
    HALF_LOST,
    HALF_WON,
    IN_PROGRESS,
    LOSER,
    NOT_SETTLED,
    OPEN,
    OVER_STATUSES,
    PRICE_REFUSED,
    REFUND,
    SETTLED,
    STOPPING_STATUSES,
    SUSPENDED,
    UNREADABLE_STATUS,
    UPDATES_END,
    WINNER,
    BetPart,
    EventPart,
)
from gateway.feeds.lsports.names import MarketName, canonical_line, market_key

FIXTURES_MAX: Final = 1 << 16
SEQUENCES_MAX: Final = 4_096
"""Numbers kept of one fixture's messages; past it all are forgotten, and no gap is seen at once."""
RESULTS: Final = {
    LOSER: OutcomeResult(won=False),
    WINNER: OutcomeResult(won=True),
    REFUND: OutcomeResult(won=False, void_halves=2),
    HALF_LOST: OutcomeResult(won=False, void_halves=1),
    HALF_WON: OutcomeResult(won=True, void_halves=1),
}
"""Our three result figures by the provider's settlement."""
NO_OUTCOME: Final = "an outcome that the market does not have"
NO_NAME: Final = "a bet without a name"
_UNKNOWN: Final = 0


class Bet:
    """One bet of the provider, which is an outcome of a market here."""

    __slots__ = (
        "ambiguous",
        "odds_ms",
        "price_milli",
        "result_ms",
        "settlement",
        "status",
        "updated_ns",
    )

    def __init__(self) -> None:
        self.status = _UNKNOWN
        self.price_milli = PRICE_REFUSED
        self.settlement = NOT_SETTLED
        self.updated_ns = 0
        """The provider's time of the last change."""
        self.odds_ms = 0
        """Time of the newest message of odds."""
        self.result_ms = 0
        """Time of the newest settlement."""
        self.ambiguous = False
        """Whether two bets of one message had its name: it is not offered, and has no result."""

    @property
    def offered(self) -> bool:
        """Whether bets on it may be taken."""
        priced = self.price_milli > PRICE_REFUSED and not self.ambiguous
        return priced and self.status == OPEN and not self.settlement

    @property
    def has_result(self) -> bool:
        """Whether it has a settlement that counts."""
        return self.settlement != NOT_SETTLED and not self.ambiguous

    def take_odds(self, part: BetPart, ms: int) -> bool:
        """Take a live message's odds and status; return whether the bet is not settled.

        The odds of a settled bet are passed over: only a cancelled settlement opens it again.
        """
        if self.settlement and part.settlement != CANCELLED:
            return False
        if ms >= self.odds_ms:
            self.odds_ms = ms
            self._take(part, ms)
        return True

    def take_result(self, part: BetPart, ms: int) -> None:
        """Take a live settlement: of all that a bet was sent, the newest stands."""
        if ms >= self.result_ms:
            self.result_ms = ms
            self._take(part, ms)

    def take_snapshot(self, part: BetPart, ms: int) -> None:
        """Take a snapshot's figures unless the bet was changed since, by the provider's times."""
        changed_ns = ms * NS_PER_MS if part.updated_ns is None else part.updated_ns
        if changed_ns < self.updated_ns:
            return
        if part.status in (OPEN, SUSPENDED) and not part.settlement:
            self.settlement = NOT_SETTLED  # the settlement was cancelled, and we missed it
        self._take(part, ms)

    def _take(self, part: BetPart, ms: int) -> None:
        changed_ns = ms * NS_PER_MS if part.updated_ns is None else part.updated_ns
        self.updated_ns = max(self.updated_ns, changed_ns)
        if part.status is not None:
            self.status = part.status
        if part.price_milli is not None:
            self.price_milli = part.price_milli
        if part.settlement == CANCELLED:
            self.settlement = NOT_SETTLED
            self.status = SUSPENDED
        elif part.settlement:
            self.settlement, self.status = part.settlement, SETTLED


class Market:
    """One market: its bets by outcome name, and what was last sent to it.

    Parameters
    ----------
    key : str
        Its key here.
    fixture : Fixture
        Its fixture.
    """

    __slots__ = (
        "bets",
        "fixture",
        "key",
        "odds_floor_ms",
        "odds_ms",
        "outcomes",
        "quotes",
        "refused",
        "result_floor_ms",
        "result_ms",
        "results",
        "results_stand",
        "sent_status",
    )

    def __init__(self, key: str, fixture: "Fixture") -> None:
        self.key = key
        self.fixture = fixture
        self.bets: dict[str, Bet] = {}
        self.outcomes: tuple[str, ...] = ()
        """Its outcomes here, in order; empty while it does not exist."""
        self.refused = ""
        """Why it cannot exist here; empty when it can."""
        self.odds_ms = 0
        """The newest position of odds that was sent."""
        self.result_ms = 0
        self.odds_floor_ms = 0
        """Older messages were obeyed by an earlier process, or outranked by what it obeyed."""
        self.result_floor_ms = 0
        self.sent_status: Status | None = None
        self.quotes: tuple[Quote, ...] = ()
        self.results: tuple[OutcomeResult, ...] = ()
        """The results that were last sent."""
        self.results_stand = False

    def current_quotes(self) -> tuple[Quote, ...]:
        """Return a quote for each outcome, at its last price."""
        quotes = []
        for index, name in enumerate(self.outcomes):
            bet = self.bets[name]
            milli = OddsMilli(max(bet.price_milli, ODDS_MILLI_MIN))
            quotes.append(Quote(outcome=index, odds_milli=milli, active=bet.offered))
        return tuple(quotes)

    def current_results(self) -> tuple[OutcomeResult, ...]:
        """Return the results in the order of the outcomes; empty while some bet has none."""
        bets = [self.bets[name] for name in self.outcomes]
        if not all(bet.has_result for bet in bets):
            return ()
        return tuple(RESULTS[bet.settlement] for bet in bets)

    @property
    def settlement_cancelled(self) -> bool:
        """Whether some bet is said to be open or suspended after results were given."""
        return any(
            not bet.settlement and bet.status in (OPEN, SUSPENDED)
            for bet in map(self.bets.__getitem__, self.outcomes)
        )

    def restore(self, known: KnownMarket, *, odds_ms: int, result_ms: int) -> None:
        """Begin with a market that exists; nothing is known of its bets."""
        self.outcomes = known.image.outcomes
        for name in self.outcomes:
            self.bets.setdefault(name, Bet())
        self.sent_status = known.image.status
        self.results_stand = known.results_stand
        self.odds_ms = self.odds_floor_ms = odds_ms
        self.result_ms = self.result_floor_ms = result_ms


class Fixture:
    """One fixture, its markets, and the last numbers of its messages."""

    __slots__ = (
        "bets_by_id",
        "ended",
        "fixture_id",
        "markets",
        "ms",
        "sequences",
        "sport",
        "status",
        "unlisted",
    )

    def __init__(self, fixture_id: int) -> None:
        self.fixture_id = fixture_id
        self.status = _UNKNOWN
        self.ended = False
        """Whether the provider sends nothing more about it."""
        self.unlisted = False
        """Whether it is in play, and missing in the provider's last list of such fixtures."""
        self.sport = ""
        self.ms = 0
        self.markets: dict[tuple[int, str], Market] = {}
        """By market id and line."""
        self.bets_by_id: dict[tuple[int, str], tuple[Market, str]] = {}
        """Market and outcome by market id and bet id, for messages without name and line."""
        self.sequences: dict[tuple[int, int], tuple[int, int]] = {}
        """The last number and its time, by message type and market id (0: of all markets)."""

    def take(self, part: EventPart, ms: int) -> None:
        """Take what a message says of the fixture itself, unless it is older than the last."""
        if part.sport:
            self.sport = part.sport.lower()
        if ms < self.ms:
            return
        if part.status is not None:
            self.status, self.ms = part.status, ms
        if part.subscription is not None:
            self.ended, self.ms = part.subscription in UPDATES_END, ms

    @property
    def stopped(self) -> str:
        """Why none of its markets takes bets; empty when they may."""
        if self.ended:
            return "the provider sends no more of it"
        if self.status == UNREADABLE_STATUS:
            return "its status cannot be read"
        if self.unlisted:
            return "not in the provider's list of live fixtures"
        return STOPPING_STATUSES.get(self.status, "")

    @property
    def over(self) -> bool:
        """Whether nothing more is played of it."""
        return self.status in OVER_STATUSES

    @property
    def live(self) -> bool:
        """Whether it is in play."""
        return self.status == IN_PROGRESS

    def gap_since_ms(self, kind: int, market_id: int, number: int, ms: int) -> int | None:
        """Note a message's number; return the time of the last before a gap, None: there is none.

        The provider counts "by type of message", each market for itself. Samples leave it open
        whether it counts a fixture's markets together, so a number is missing only if it is by
        either reading. A number that is not higher begins anew.
        """
        since: list[int | None] = []
        if len(self.sequences) >= SEQUENCES_MAX:
            self.sequences.clear()
        for name in {(kind, market_id): None, (kind, 0): None}:
            last, last_ms = self.sequences.get(name, (number - 1, ms))
            since.append(last_ms if number > last + 1 else None)
            self.sequences[name] = (number, ms)
        return None if None in since else min(each for each in since if each is not None)


class MarketRegistry:
    """All fixtures of a feed and their markets.

    Parameters
    ----------
    feed : str
        The feed's name, which begins every key.
    fixtures_max, markets_max : int
        Bounds. When one is reached, fixtures that are over or of which nothing more comes are
        dropped; when there are none, what is new is refused.
    """

    def __init__(
        self, feed: str, *, fixtures_max: int = FIXTURES_MAX, markets_max: int = MARKETS_MAX
    ) -> None:
        self.fixtures: dict[int, Fixture] = {}
        self._feed: Final = feed
        self._fixtures_max: Final = fixtures_max
        self._markets_max: Final = markets_max
        self._markets = 0

    def __iter__(self) -> Iterator[Market]:
        """Iterate over all markets."""
        for fixture in self.fixtures.values():
            yield from fixture.markets.values()

    def fixture(self, fixture_id: int) -> Fixture | None:
        """Return a fixture, a new one if it is not known; None: no room."""
        found = self.fixtures.get(fixture_id)
        if found is None:
            if len(self.fixtures) >= self._fixtures_max and not self._drop_finished():
                return None
            found = self.fixtures[fixture_id] = Fixture(fixture_id)
        return found

    def market(self, fixture: Fixture, market_id: int, line: str) -> Market | str:
        """Return a market of a fixture, a new one if it is not known; or why it is refused."""
        line = canonical_line(line)
        found = fixture.markets.get((market_id, line))
        if found is None:
            if self._markets >= self._markets_max and not self._drop_finished():
                return "no room for another market"
            try:
                key = market_key(self._feed, MarketName(fixture.fixture_id, market_id, line))
            except MalformedIdError as error:
                return str(error)[:100]
            found = fixture.markets[market_id, line] = Market(key, fixture)
            self._markets += 1
        return found

    def bet(self, fixture: Fixture, market_id: int, part: BetPart) -> tuple[Market, str] | str:
        """Return the market and the outcome of a bet, or why it has none.

        A bet is found by its id, if it was met before; else by line and name.
        """
        found = fixture.bets_by_id.get((market_id, part.bet_id))
        if found is not None:
            return found
        if not part.name:
            return NO_NAME
        market = self.market(fixture, market_id, part.line)
        if isinstance(market, str):
            return market
        if part.name not in market.bets:
            why = self._no_outcome(market, part.name)
            if why:
                return why
            market.bets[part.name] = Bet()
        if len(fixture.bets_by_id) < self._markets_max:
            fixture.bets_by_id[market_id, part.bet_id] = market, part.name
        return market, part.name

    def _no_outcome(self, market: Market, name: str) -> str:
        """Return why a market has no outcome of a name; empty when it can have it."""
        if market.outcomes:
            return NO_OUTCOME
        if len(name) > OUTCOME_CHARS_MAX:
            market.refused = f"an outcome's name has over {OUTCOME_CHARS_MAX} characters"
        elif len(market.bets) >= OUTCOMES_MAX:
            market.refused = f"over {OUTCOMES_MAX} outcomes"
        return market.refused

    def _drop_finished(self) -> bool:
        """Drop the fixtures of which no market is to be settled; return whether there was one."""
        finished = [
            fixture
            for fixture in self.fixtures.values()
            if fixture.stopped
            and all(not one.outcomes or one.results_stand for one in fixture.markets.values())
        ]
        for fixture in finished:
            self._markets -= len(fixture.markets)
            del self.fixtures[fixture.fixture_id]
        return bool(finished)
