"""The adapter of LSports' feed: messages in, actions for our markets out.

Owns the adapter protocol and the way of a message through its parts: the registry keeps what is
known of every bet, the trust says whether that can be relied on, and the updates compare it with
what the markets were sent. It does no I/O and reads no clock.

Messages are differences, so a lost one leaves the memory wrong until a snapshot. A connection that
begins, a silent provider, and a gap in the numbers of messages are therefore doubts: the markets
concerned are suspended until a snapshot that was requested afterwards is complete.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any, Final
from zlib import crc32

from msgspec import Meta, MsgspecError, Raw, Struct

from engine.common.commands import Limits
from engine.common.fixtures import FeedDescription
from engine.common.units import MARKETS_MAX, NS_PER_MS, Nanos
from gateway.feeds.core.adapter import (
    ALL_FIXTURES,
    REFUSALS_KEPT,
    Action,
    KnownMarket,
    Received,
)
from gateway.feeds.core.descriptions import Descriptions
from gateway.feeds.core.losses import LOSSES_MAX, Losses
from gateway.feeds.core.said_matches import SaidMatches
from gateway.feeds.lsports.about import STATES, read_about
from gateway.feeds.lsports.market_registry import (
    FIXTURES_MAX,
    NO_NAME,
    NO_OUTCOME,
    Fixture,
    Market,
    MarketRegistry,
)
from gateway.feeds.lsports.market_updates import MarketUpdates
from gateway.feeds.lsports.messages import (
    FIXTURE,
    HEARTBEAT,
    KEEP_ALIVE,
    KINDS,
    LIVESCORE,
    MARKET,
    SETTLEMENT,
    SNAPSHOT,
    SNAPSHOT_ENDED,
    SOURCE_BEGAN,
    BetPart,
    EventPart,
    MarketPart,
    Message,
    Unreadable,
)
from gateway.feeds.lsports.names import market_name
from gateway.feeds.lsports.reader import read
from gateway.feeds.lsports.trust import Trust, TrustSettings

_NUMBERED: Final = (FIXTURE, LIVESCORE, MARKET, SETTLEMENT)
"""Types of messages about fixtures that a live connection carries."""
PARTLY_READ: Final = "a message about it is missing or cannot be read"
NAMES_SHOWN_MAX: Final = 3
"""Outcomes without a settlement that are named."""
_REASON_CHARS_MAX: Final = 300


class LsportsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How LSports' feed is followed.

    `watch` false trusts every message, for a recording: no provider can be asked for a snapshot.
    `sequences` false looks for no gaps in the numbers of messages.
    """

    watch: bool = True
    sequences: bool = True
    trust: TrustSettings = TrustSettings()
    ahead_ms_max: Annotated[int, Meta(ge=1, le=3_600_000)] = 60_000
    fixtures_max: Annotated[int, Meta(ge=1, le=FIXTURES_MAX)] = FIXTURES_MAX
    markets_max: Annotated[int, Meta(ge=1, le=MARKETS_MAX)] = MARKETS_MAX
    limits: Limits | None = None


class LsportsAdapter:
    """Follow LSports' feed (see gateway.feeds.core.adapter.Adapter).

    Parameters
    ----------
    feed : str
        The feed's name, which begins its markets' keys and its marks' sources.
    settings : LsportsSettings
        How the feed is followed.
    """

    def __init__(self, *, feed: str = "lsports", settings: LsportsSettings | None = None) -> None:
        self.feed: Final = feed
        self._settings: Final = settings or LsportsSettings()
        self._registry: Final = MarketRegistry(
            feed,
            fixtures_max=self._settings.fixtures_max,
            markets_max=self._settings.markets_max,
        )
        self._updates: Final = MarketUpdates(feed, self._settings.limits)
        self._descriptions: Final = Descriptions(feed)
        self._trust = Trust(self._settings.trust)
        self._newest_ms = 0
        self._counts: dict[str, int] = {}
        self._reason = ""
        self._losses: Final = Losses()
        self._refusals: deque[str] = deque(maxlen=REFUSALS_KEPT)

    # --- the adapter protocol --------------------------------------------------------------------

    def owns(self, key: str) -> bool:
        """Say whether a market belongs to this feed, by its key."""
        return market_name(self.feed, key) is not None

    def passed_over(self) -> dict[str, int]:
        """Return how often a part of a message was passed over, by reason."""
        return dict(self._counts)

    def lost(self) -> dict[str, str]:
        """Return what could not be added, and markets that are settled in part, and why."""
        return dict(self._losses.whys)

    def unopened(self) -> dict[str, str]:
        """Return the first markets that never took bets and were not made, by key, and why."""
        unmade = (market for market in self._registry if not market.outcomes)
        return {
            market.key: self._updates.why_suspended(market, self._doubted(market.fixture))
            for market in islice(unmade, LOSSES_MAX)
        }

    def uncovered(self) -> dict[str, str]:
        """Return why all fixtures are lost, or those of which messages are missing."""
        trust = self._trust
        if trust.why:
            return {ALL_FIXTURES: trust.why}
        return {f"{self.feed}.{number}": trust.doubted(number) for number in trust.doubts()}

    def resume(self, markets: Sequence[KnownMarket], *, at_ns: Nanos) -> Received:
        """Begin with the markets that exist; suspend open ones until the snapshot is complete."""
        self._trust = Trust(self._settings.trust)
        if not self._settings.watch:
            self._trust.why = ""
        latest_ms = self._latest_ms(at_ns)
        actions: list[Action] = []
        for known in markets:
            market = self._restore(known, latest_ms)
            if market is None:
                self._count("market unknown", known.image.key)
            else:
                actions += self._updates.suspend(market, "the feed restarted")
        return Received(kind="resume", actions=tuple(actions))

    def receive(self, body: bytes, *, at_ns: Nanos) -> Received:
        """Take one message; never raise, whatever the bytes."""
        self._reason = ""
        message = read(body)
        if isinstance(message, Unreadable):
            return self._unreadable(message, at_ns)
        kind = KINDS.get(message.type, "other")
        for odd in message.odd:
            self._count("odd figure", odd)
        if message.ms > self._latest_ms(at_ns):
            return self._refuse_ahead(message, kind, at_ns)
        if message.ms or message.type == SOURCE_BEGAN:
            self._trust.received(message.ms or at_ns // NS_PER_MS, at_ns=at_ns)
        actions = list(self._dispatch(message, body))
        if message.type > 0:
            self._newest_ms = max(self._newest_ms, message.ms)
        actions += self._request(at_ns)
        return Received(kind=kind, actions=tuple(actions), refused="" if actions else self._reason)

    def tick(self, *, at_ns: Nanos) -> Received:
        """Take the time: a silent provider is doubted, and asked again when it is due."""
        actions: list[Action] = []
        if self._settings.watch and not self._trust.why and self._trust.silent(at_ns=at_ns):
            actions += self._doubt_all("the provider is silent", since_ms=self._newest_ms)
        actions += self._request(at_ns)
        return Received(kind="tick", actions=tuple(actions))

    # --- kinds of messages -----------------------------------------------------------------------

    def _dispatch(self, message: Message, body: bytes) -> Iterator[Action]:
        if message.type == SNAPSHOT:
            yield from self._snapshot(message)
        elif message.type in _NUMBERED:
            digest = crc32(body.strip())
            for event in message.events:
                yield from self._live(message, event, digest)
        elif message.type == KEEP_ALIVE:
            yield from self._keep_alive(message)
        elif message.type == SOURCE_BEGAN:
            if self._settings.watch:
                yield from self._doubt_all("the connection began", since_ms=self._newest_ms)
        elif message.type == SNAPSHOT_ENDED:
            yield from self._snapshot_ended(message)
        elif message.type != HEARTBEAT:
            self._count("type not followed", str(message.type))

    def _unreadable(self, message: Unreadable, at_ns: Nanos) -> Received:
        """Suspend the fixtures that an unreadable message names, and have them repeated."""
        self._count("malformed", message.why)
        actions: list[Action] = []
        for fixture_id in message.fixture_ids:
            actions += self._miss(fixture_id)
        actions += self._request(at_ns)
        return Received(kind="malformed", actions=tuple(actions), refused=message.why)

    def _refuse_ahead(self, message: Message, kind: str, at_ns: Nanos) -> Received:
        """Refuse a message from the future: it would outrank every later one."""
        why = f"ServerTimestamp: {message.ms} is over {self._latest_ms(at_ns)}, our time and more"
        self._count("feed time ahead", why)
        actions: list[Action] = []
        for event in message.events:
            actions += self._miss(event.fixture_id)
        actions += self._request(at_ns)
        return Received(kind=kind, actions=tuple(actions), refused=why)

    def _live(self, message: Message, event: EventPart, digest: int) -> Iterator[Action]:
        """Take an event of a live message."""
        fixture = self._registry.fixture(event.fixture_id)
        if fixture is None:
            self._lose("no room for another fixture", str(event.fixture_id))
            return
        missed_ms = self._missed_since(message, event, fixture)
        if missed_ms is not None:
            self._count("message missing", f"{event.fixture_id}, before {message.sequence}")
            yield from self._doubt(event.fixture_id, since_ms=missed_ms)
        stopped, live = fixture.stopped, fixture.live
        fixture.take(event, message.ms)
        self._describe(event, message.ms)
        touched: dict[Market, None] = {}
        doubtful = event.doubtful
        for part in event.markets:
            found, unsure = self._bets(fixture, part)
            doubtful = doubtful or unsure
            for market, bet, name in found:
                if self._take(market, bet, name, message):
                    touched[market] = None
        if doubtful:
            yield from self._doubt(event.fixture_id, since_ms=message.ms)
        doubt = self._trust.doubted(event.fixture_id) or (PARTLY_READ if doubtful else "")
        for market in touched:
            if message.type == SETTLEMENT:
                yield from self._updates.of_results(market, ms=message.ms, digest=digest)
                yield from self._updates.of_change(market, doubt=doubt, ms=message.ms)
            else:
                yield from self._updates.of_odds(market, ms=message.ms, digest=digest, doubt=doubt)
                yield from self._updates.of_results(market, ms=message.ms, digest=digest)
        changed = (stopped, live) != (fixture.stopped, fixture.live)
        for market in fixture.markets.values() if changed else touched:
            self._note_results(market)
        if changed:
            yield from self._compare(fixture, without=touched)

    def _describe(self, event: EventPart, ms: int) -> None:
        """Note what an event says of its fixture itself, for the directory."""
        about: dict[str, Any] = {}
        if event.fixture:
            try:
                about = read_about(Raw(event.fixture), feed=self.feed)
            except (MsgspecError, UnicodeDecodeError, RecursionError):
                self._count("fixture not described", str(event.fixture_id))
        state = STATES.get(event.status or 0)
        said = about if state is None else {**about, "state": state}
        number = str(event.fixture_id)
        self._descriptions.take(f"{self.feed}.{number}", number, said, ms)

    def descriptions(self) -> list[FeedDescription]:
        """Return the descriptions of fixtures that have changed since the last call."""
        return self._descriptions.changed()

    def said_matches(self) -> SaidMatches:
        """Return what was said of matches."""
        return self._descriptions.matches

    def _missed_since(self, message: Message, event: EventPart, fixture: Fixture) -> int | None:
        """Return the time from which messages about an event are missing; None: none is."""
        watched = self._settings.watch and self._settings.sequences
        if not watched or message.sequence is None or len(message.events) != 1:
            return None
        market_id = event.markets[0].market_id if len(event.markets) == 1 else 0
        return fixture.gap_since_ms(message.type, market_id, message.sequence, message.ms)

    def _bets(
        self, fixture: Fixture, part: MarketPart
    ) -> tuple[list[tuple[Market, BetPart, str]], bool]:
        """Return a market's bets with their places here, and whether some has none it might have.

        A bet that cannot be placed may be one that takes bets here under another name.
        """
        found: list[tuple[Market, BetPart, str]] = []
        met: dict[tuple[str, str], str] = {}
        unsure = part.doubtful
        for bet in part.bets:
            place = self._registry.bet(fixture, part.market_id, bet)
            if isinstance(place, str):
                note = self._count if place in (NO_NAME, NO_OUTCOME) else self._lose
                note(place, f"{fixture.fixture_id}, market {part.market_id}: {bet.name}")
                unsure = unsure or not bet.name
                continue
            market, name = place
            if met.setdefault((market.key, name), bet.bet_id) != bet.bet_id:
                self._count("two bets of one name", f"{market.key}: {name}")
                market.bets[name].ambiguous = True
            found.append((market, bet, name))
        return found, unsure

    def _take(self, market: Market, part: BetPart, name: str, message: Message) -> bool:
        """Take a bet's part of a live message; return whether its market may change by it."""
        bet, ms = market.bets[name], message.ms
        if message.type == SETTLEMENT or part.settlement:
            if ms < market.result_floor_ms:
                self._count("older than what an earlier process obeyed", market.key)
                return False
            bet.take_result(part, ms)
        elif ms < market.odds_floor_ms:
            self._count("older than what an earlier process obeyed", market.key)
            return False
        elif market.results_stand or not bet.take_odds(part, ms):
            # After a restart the bets of a settled market are not known, but that it is settled.
            self._count("odds of a settled bet", market.key)
        return True

    def _keep_alive(self, message: Message) -> Iterator[Action]:
        """Compare the provider's list of live fixtures with ours: one that it lacks is stopped."""
        if message.active is None or not self._settings.watch:
            return
        listed = dict.fromkeys(message.active)
        for fixture in self._registry.fixtures.values():
            unlisted = fixture.live and fixture.ms < message.ms and fixture.fixture_id not in listed
            if unlisted != fixture.unlisted:
                fixture.unlisted = unlisted
                yield from self._compare(fixture)

    def _snapshot(self, message: Message) -> Iterator[Action]:
        """Take a piece of the snapshot that was requested; a market opens when it is complete."""
        if self._settings.watch and not self._trust.expects(message.request_id):
            self._count("snapshot of another request", str(message.request_id))
            return
        ms = self._trust.requested_ms
        for event in message.events:
            fixture = self._registry.fixture(event.fixture_id)
            if fixture is None:
                self._lose("no room for another fixture", str(event.fixture_id))
                continue
            fixture.take(event, ms)
            self._describe(event, ms)
            touched: dict[Market, None] = {}
            for part in event.markets:
                for market, bet, name in self._bets(fixture, part)[0]:
                    market.bets[name].take_snapshot(bet, ms)
                    touched[market] = None
            for market in touched:
                yield from self._updates.of_results(market, ms=None)
                self._note_results(market)
            yield from self._compare(fixture)

    def _snapshot_ended(self, message: Message) -> Iterator[Action]:
        if not self._settings.watch:
            return
        if not self._trust.complete(message.request_id, message.events_total):
            self._count("snapshot not complete or not awaited", str(message.request_id))
            return
        for fixture in self._registry.fixtures.values():
            yield from self._compare(fixture)

    # --- doubts ----------------------------------------------------------------------------------

    def _doubt_all(self, why: str, *, since_ms: int) -> Iterator[Action]:
        self._trust.doubt_all(why, since_ms=since_ms)
        for fixture in self._registry.fixtures.values():
            fixture.sequences.clear()  # the snapshot covers what the next numbers jump over
            yield from self._compare(fixture)

    def _miss(self, fixture_id: int) -> Iterator[Action]:
        """Doubt a fixture for a message that was not taken, whose number may be unknown."""
        fixture = self._registry.fixtures.get(fixture_id)
        if fixture is not None:
            fixture.sequences.clear()
        yield from self._doubt(fixture_id, since_ms=self._newest_ms)

    def _doubt(self, fixture_id: int, *, since_ms: int) -> Iterator[Action]:
        """Doubt a fixture; without a watch its markets are suspended until their next message."""
        fixture = self._registry.fixtures.get(fixture_id)
        before = self._trust.why
        if self._settings.watch:
            self._trust.doubt(fixture_id, since_ms=since_ms)
        if self._trust.why != before:
            for other in self._registry.fixtures.values():
                yield from self._compare(other)
        for market in fixture.markets.values() if fixture is not None else ():
            yield from self._updates.suspend(market, PARTLY_READ)

    def _compare(
        self, fixture: Fixture, *, without: dict[Market, None] | None = None
    ) -> Iterator[Action]:
        """Yield what brings a fixture's markets from what they were sent to what they should be."""
        doubt = self._doubted(fixture)
        for market in fixture.markets.values():
            if without is None or market not in without:
                yield from self._updates.of_change(market, doubt=doubt, ms=self._trust.requested_ms)

    def _doubted(self, fixture: Fixture) -> str:
        return self._trust.doubted(fixture.fixture_id)

    def _note_results(self, market: Market) -> None:
        """Note a market that a finished fixture leaves settled in part, or that is whole again."""
        missing = [name for name in market.outcomes if not market.bets[name].has_result]
        if market.fixture.over and 0 < len(missing) < len(market.outcomes):
            named = ", ".join(missing[:NAMES_SHOWN_MAX])
            self._losses.note(market.key, f"results refused: no settlement of {named}")
        else:
            self._losses.clear(market.key)

    def _request(self, at_ns: Nanos) -> Iterator[Action]:
        if self._settings.watch:
            request = self._trust.request(self._newest_ms, at_ns=at_ns)
            if request is not None:
                yield request

    # --- inside ----------------------------------------------------------------------------------

    def _restore(self, known: KnownMarket, latest_ms: int) -> Market | None:
        """Add a market that exists; None when it cannot be told which of the provider's it is."""
        name = market_name(self.feed, known.image.key)
        fixture = None if name is None else self._registry.fixture(name.fixture_id)
        if name is None or fixture is None:
            return None
        market = self._registry.market(fixture, name.market_id, name.line)
        if isinstance(market, str):
            return None
        odds_ms, result_ms = (
            # A position ahead of our clock would outrank every message.
            min(known.positions.get(f"{self.feed}/{channel}", 0), latest_ms)
            for channel in ("odds", "result")
        )
        market.restore(known, odds_ms=odds_ms, result_ms=result_ms)
        return market

    def _latest_ms(self, at_ns: Nanos) -> int:
        return at_ns // NS_PER_MS + self._settings.ahead_ms_max

    def _lose(self, reason: str, what: str) -> None:
        """Count a fixture or a market that could not be added, and keep why."""
        self._count(reason, what)
        self._losses.note(what, f"market refused: {reason}")

    def _count(self, reason: str, what: str) -> None:
        self._counts[reason] = self._counts.get(reason, 0) + 1
        self._reason = f"{reason}: {what}"[:_REASON_CHARS_MAX]
        self._refusals.append(self._reason)

    def refusals(self) -> list[str]:
        """Return the last reasons why something was passed over, the oldest first."""
        return list(self._refusals)
