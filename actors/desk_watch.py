"""The desk's watch: rules over bets, odds, books, matches and feeds, as the desk hosts them.

Owns the stream of facts, made from what shells send to gateways; desk_actions.py has what rules do.
Rules and alerts are the desk's documents, on disk before they take effect; what detectors have
seen is in memory. More bets than `BETS_LENT_MAX` a second and shell are counted and not seen. Never
holds up a bet, a price or a request of the desk.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np

from actors.desk_actions import RuleActions
from actors.desk_arbitrage import DeskArbitrage
from actors.desk_matches import DeskMatches
from actors.desk_polls import DeskPolls
from actors.match_notices import WATCHER
from actors.messages import (
    MarketRoute,
    ShellRoute,
    decode_fixtures,
    decode_price_deltas,
    decode_price_images,
)
from actors.peer import Peer
from actors.routes import Routes
from engine.common.fixtures import Fixture, FixtureState
from engine.common.ids import AccountNo, MalformedIdError, MarketNo, parse_market_key
from engine.common.lifecycle import Status
from engine.common.reasons import WAITING
from engine.common.rows import BET, DECISION, FLAG_KNOWN
from engine.common.stated_results import MarketStatements, differing
from engine.common.units import Minor, Nanos, OddsMilli, base_minor
from engine.common.views import PriceDelta, PriceImage
from engine.watch.alerts import AlertRaised, Alerts
from engine.watch.arbitrage import ArbitrageRule
from engine.watch.bounds import FeedLagRule, LiabilityRule
from engine.watch.facts import (
    ArbitrageSeen,
    BetSeen,
    Fact,
    Finding,
    KickOffSeen,
    OddsSeen,
    ResultsSeen,
    ScoreSeen,
    StatusSeen,
)
from engine.watch.odds_apart import OddsApartRule
from engine.watch.rules import Action, Place, WatchRule
from engine.watch.watcher import Watcher

BETS_LENT_MAX: Final = 2_048
"""Bets that a shell may send in a second; what comes beyond is counted as missed."""
MARKETS_A_SECOND_MAX: Final = 512
"""Markets whose book, and whose odds by a source, are looked at in a second."""
FEEDS_EVERY: Final = 5
"""Seconds between two looks at the feeds."""
MATCHES_EVERY: Final = 2
"""Seconds between two looks at what feeds say of matches."""
FIXTURE_MARKETS_MAX: Final = 4_096
"""Markets of a fixture that one finding may suspend."""
CONFLICTS_MAX: Final = 4_096
"""Markets in conflict that are kept; past it the one that changed longest ago is forgotten."""
FINDINGS_WAITING_MAX: Final = 4_096
"""Findings that wait to be written; past it the oldest are dropped and counted."""
ALERTS_A_SECOND_MAX: Final = 32
"""Findings written in a second, each with a sync of the disk; the others wait."""
_CHECK_S: Final = 1.0

_WAITING: Final = np.array(sorted(WAITING), np.uint16)
logger = logging.getLogger("overround.desk")
_decode_statements: Final = msgspec.msgpack.Decoder(list[MarketStatements]).decode


class DeskWatch:
    """The watch of one desk.

    Parameters
    ----------
    alerts : callable
        The desk's rules and alerts.
    write : callable
        Writes documents and applies them; False: nothing has changed.
    clock_ns : callable
        UTC nanoseconds.
    on_kick_off : callable
        Is told of a fixture that has kicked off, once.
    """

    def __init__(
        self,
        *,
        alerts: Callable[[], Alerts],
        write: Callable[..., bool],
        clock_ns: Callable[[], int],
        on_kick_off: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._alerts = alerts
        self._on_kick_off = on_kick_off
        self._write = write
        self._clock_ns = clock_ns
        self._watcher = Watcher()
        self.routes = Routes(shards=1)
        self._prices: dict[MarketNo, PriceImage | PriceDelta] = {}
        self._places: dict[MarketNo, Place] = {}
        self._fixtures: dict[str, Fixture] = {}
        self._in_play: dict[str, None] = {}
        self._scores: dict[str, tuple[int, int]] = {}
        self._feeds: dict[str, Peer] = {}
        self._feeds_version = self._feeds_in = 0
        self.polls = DeskPolls(
            peer_of=self.routes.peer,
            fixture_of=lambda number: self._places[number].fixture,
            see=self._see,
            clock_ns=clock_ns,
        )
        self._in_scope: dict[type, list[MarketNo]] = {}
        """The markets that rules of a kind watch, as far as that was asked."""
        self._task: asyncio.Task[None] | None = None
        self.actions = RuleActions(
            routes=self.routes,
            alerts=alerts,
            write=write,
            source=f"{WATCHER}:{clock_ns()}",
            clock_ns=clock_ns,
        )
        self.arbitrage = DeskArbitrage(
            in_scope=lambda fixture: any(
                scope.fits(self.place_of(fixture)) for scope in self._watcher.scopes(ArbitrageRule)
            ),
            found=lambda fixture, plan: self._see(ArbitrageSeen(self._now(), fixture, plan)),
        )
        self._waiting: deque[tuple[WatchRule, Finding, Nanos]] = deque()
        self._allowed = ALERTS_A_SECOND_MAX
        self.matches = DeskMatches(see=self._see, clock_ns=clock_ns)
        self._matches_in = 0
        self.conflicts: dict[MarketNo, MarketStatements] = {}
        """Markets of which feeds state different results, the newest last."""
        self.findings_dropped = 0
        self.bets_seen = 0
        self.bets_missed = 0

    def start(self) -> None:
        """Begin to check once a second; a second call does nothing."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._check_for_ever())

    async def stop(self) -> None:
        """Check no more, and give up searches and actions that have no answer yet."""
        if self._task is not None:
            self._task.cancel()
        self.arbitrage.stop()
        self.polls.stop()
        await self.actions.stop()

    def rules_changed(self) -> None:
        """Watch by the rules that are set now; new ones begin with what stands."""
        self._in_scope.clear()
        fresh = self._watcher.set_rules(self._alerts().rules.values())
        if fresh:
            self._watcher.show(fresh, self._present())
            self.arbitrage.search_all()

    # --- what shells and the supervisor send -----------------------------------------------------

    def on_routes(
        self,
        version: int,
        shells: Sequence[ShellRoute],
        markets: Sequence[MarketRoute],
        peers: Mapping[str, Peer],
    ) -> None:
        """Take changed routes."""
        self.routes.update(version=version, shells=shells, markets=markets, peers=peers)
        for market in markets:
            self._place(market.market_no, market.key)

    def on_fixtures(self, payload: bytes) -> list[str]:
        """Take fixtures as the directory has them; one that goes live has kicked off.

        Return those of another sport or competition than before.
        """
        all_moved = []
        for fixture in decode_fixtures(payload):
            known = self._fixtures.get(fixture.fixture)
            if known is not None and known.version >= fixture.version:
                continue
            self._fixtures[fixture.fixture] = fixture
            moved = known is None or (known.sport, known.competition) != (
                fixture.sport,
                fixture.competition,
            )
            if moved:
                all_moved.append(fixture.fixture)
            for number in self.markets_of(fixture.fixture) if moved else ():
                self._place(number, self.routes.markets[number].key)
            if fixture.state is FixtureState.LIVE:
                self._kick_off(fixture.fixture)
        return all_moved

    def is_over(self, fixture: str) -> bool:
        """Say whether a fixture's match has ended, or will not be played."""
        known = self._fixtures.get(fixture)
        return known is not None and known.state in (FixtureState.ENDED, FixtureState.CANCELLED)

    def on_created(self, payload: bytes) -> list[MarketNo]:
        """Take images of markets: all odds and states; return their numbers."""
        images = decode_price_images(payload)
        for image in images:
            self._place(image.market_no, image.key)
            self._take_prices(image)
        return [image.market_no for image in images]

    def on_prices(self, payload: bytes) -> None:
        """Take changes of odds and states."""
        for delta in decode_price_deltas(payload):
            self._take_prices(delta)

    def on_bets(self, missed: int, at_ns: int, bets: bytes, decisions: bytes) -> None:
        """Take bets that a market shell has decided: BET and DECISION rows."""
        self.bets_missed += missed
        if not self._watcher:
            return
        rows = np.frombuffer(bets, BET)
        verdicts = np.frombuffer(decisions, DECISION)
        fresh = (verdicts["flags"] & FLAG_KNOWN == 0) & ~np.isin(verdicts["reason"], _WAITING)
        rows, verdicts = rows[fresh], verdicts[fresh]
        self.bets_seen += len(rows)
        columns = (
            rows["market_no"].tolist(),
            rows["outcome"].tolist(),
            rows["account_no"].tolist(),
            rows["stake_minor"].tolist(),
            rows["rate_micro"].tolist(),
            verdicts["odds_milli"].tolist(),
            verdicts["reason"].tolist(),
        )
        for market_no, outcome, account_no, stake, rate, odds, reason in zip(*columns, strict=True):
            place = self._places.get(market_no)
            if place is not None:
                self.polls.books_due.note(market_no)
                self._see(
                    BetSeen(
                        Nanos(at_ns),
                        place.fixture,
                        market_no,
                        outcome,
                        AccountNo(account_no),
                        Minor(base_minor(stake, rate)),
                        OddsMilli(odds),
                        not reason,
                    )
                )

    def on_feeds(self, version: int, feeds: Mapping[str, Peer]) -> None:
        """Take the pipelines of the feeds, by feed name."""
        if version >= self._feeds_version:
            self._feeds_version = version
            self._feeds.update(feeds)

    def on_match(
        self,
        fixture: str,
        *,
        in_play: bool,
        home: int,
        away: int,
        stopped: bool = False,
        changed: bool = True,
    ) -> None:
        """Take a match's score, as the last repricing of its fixture states it.

        The first one heard of is how the match stands, and no goal; so is one that has not
        `changed`, told to whoever may have missed when it did. `stopped` is as in ScoreSeen.
        """
        if in_play:
            self._kick_off(fixture)
        self.matches.priced(fixture, (home, away))
        before, self._scores[fixture] = self._scores.get(fixture), (home, away)
        if changed and before is not None and before != (home, away):
            self._see(ScoreSeen(self._now(), fixture, home, away, stopped=stopped))

    def place_of(self, what: MarketNo | str) -> Place:
        """Return where a known market belongs, or a fixture by its id."""
        if not isinstance(what, str):
            return self._places[what]
        fixture = self._fixtures.get(what)
        if fixture is None:
            return Place(what)
        return Place(what, sport=fixture.sport, competition=fixture.competition)

    def in_play(self, fixture: str) -> bool:
        """Say whether a fixture has kicked off, as far as this process knows."""
        return fixture in self._in_play

    def on_results(self, payload: bytes) -> None:
        """Take what feeds state as results; one in conflict is kept until they agree."""
        for market in _decode_statements(payload):
            number, place = market.market_no, self._places.get(market.market_no)
            self.conflicts.pop(number, None)
            if differing(market.statements):
                if len(self.conflicts) == CONFLICTS_MAX:
                    del self.conflicts[next(iter(self.conflicts))]
                self.conflicts[number] = market
            fixture = "" if place is None else place.fixture
            self._see(ResultsSeen(self._now(), fixture, number, market.statements))

    # --- facts -----------------------------------------------------------------------------------

    def _now(self) -> Nanos:
        return Nanos(self._clock_ns())

    def _place(self, market_no: MarketNo, key: str) -> None:
        try:
            parsed = parse_market_key(key)
        except MalformedIdError:
            return
        fixture = self._fixtures.get(parsed.fixture)
        place = Place(
            parsed.fixture,
            market_no,
            parsed.type,
            "" if fixture is None else fixture.sport,
            "" if fixture is None else fixture.competition,
        )
        if self._places.get(market_no) != place:
            self._places[market_no] = place
            self._in_scope.clear()
            self._watcher.place(place)

    def _take_prices(self, prices: PriceImage | PriceDelta) -> None:
        number = prices.market_no
        place, known = self._places.get(number), self._prices.get(number)
        if place is None or (known is not None and known.version >= prices.version):
            return
        self._prices[number] = prices
        self.polls.sources_due.note(number)
        self.arbitrage.take(place.fixture, prices)
        before = known is not None and known.status is Status.ACTIVE
        for fact in _facts(place, prices, at_ns=self._now(), before=before):
            self._see(fact)

    def _kick_off(self, fixture: str) -> None:
        if fixture not in self._in_play:
            self._in_play[fixture] = None
            self._on_kick_off(fixture)
            self._see(KickOffSeen(self._now(), fixture))

    def _present(self) -> Iterator[Fact]:
        """Yield what stands: the fixtures in play, and every market's odds and state."""
        at_ns = self._now()
        for fixture in self._in_play:
            yield KickOffSeen(at_ns, fixture)
        yield from self.matches.present()
        for number, prices in self._prices.items():
            yield from _facts(self._places[number], prices, at_ns=at_ns, before=False)

    def _see(self, fact: Fact) -> None:
        if self._watcher:
            self._found(self._watcher.see(fact), fact.at_ns)

    def _found(self, found: Iterable[tuple[WatchRule, Finding]], at_ns: Nanos) -> None:
        """Write what was found, as many findings as a second may have; the others wait."""
        for rule, finding in found:
            if len(self._waiting) == FINDINGS_WAITING_MAX:
                self._waiting.popleft()
                self.findings_dropped += 1
            self._waiting.append((rule, finding, at_ns))
        while self._waiting and self._allowed > 0:
            self._note(*self._waiting.popleft())

    def _note(self, rule: WatchRule, finding: Finding, at_ns: Nanos) -> None:
        """Write a finding, and act on what is found for the first time."""
        document = self._alerts().find(rule, finding, at_ns=at_ns)
        if document is None:
            return
        self._allowed -= 1
        if not self._write(document):
            self.findings_dropped += 1
        elif isinstance(document, AlertRaised) and rule.action is not Action.ALERT:
            numbers = [finding.market_no] if finding.market_no else None
            self.actions.begin(rule, document.alert, numbers or self.markets_of(finding.fixture))

    # --- once a second ---------------------------------------------------------------------------

    async def _check_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_S)
            try:
                await self.check()
            except Exception:  # a rule that fails must not end the watch
                logger.exception("the watch failed for a second")

    async def check(self) -> None:
        """Ask for bets, look at books where a rule needs them, and let detectors check."""
        self._allowed = ALERTS_A_SECOND_MAX
        self._matches_in -= 1
        if self._matches_in <= 0:
            self._matches_in = MATCHES_EVERY
            for feed, pipeline in self._feeds.items():
                ask = partial(self.matches.ask, feed, pipeline)
                self.polls.begin(f"feed {feed}: matches", ask)
        if not self._watcher:
            await self.polls.answered()
            self._waiting.clear()
            return
        for shell in self.routes.shells:
            peer = self.routes.peer(shell)
            if peer is not None:
                peer.notify("watch_bets", WATCHER, BETS_LENT_MAX)
        await self._poll()
        self.arbitrage.begin()
        at_ns = self._now()
        self._found(self._watcher.check(at_ns), at_ns)

    def _numbers(self, kind: type) -> list[MarketNo]:
        """Return the markets that rules of a kind watch, by rising number."""
        numbers = self._in_scope.get(kind)
        if numbers is None:
            scopes = self._watcher.scopes(kind)
            numbers = self._in_scope[kind] = sorted(
                number
                for number, place in (self._places.items() if scopes else ())
                if any(scope.fits(place) for scope in scopes)
            )
        return numbers

    async def _poll(self) -> None:
        """Look at books and sources of the markets whose turn it is, and now and then at feeds."""
        most, by_shell = MARKETS_A_SECOND_MAX, self.actions.by_shell
        books = by_shell(self.polls.books_due.take(self._numbers(LiabilityRule), most=most))
        sources = by_shell(self.polls.sources_due.take(self._numbers(OddsApartRule), most=most))
        for shell in dict.fromkeys((*books, *sources)):
            self.polls.at_shell(shell, books.get(shell, []), sources.get(shell, []))
        self._feeds_in -= 1
        if self._feeds_in <= 0 and self._watcher.scopes(FeedLagRule):
            self._feeds_in = FEEDS_EVERY
            for feed, peer in self._feeds.items():
                self.polls.at_feed(feed, peer)
        await self.polls.answered()

    def markets_of(self, fixture: str) -> list[MarketNo]:
        """Return a fixture's markets, the first of very many."""
        page, _ = self.routes.page(fixture=fixture, after=0, limit=FIXTURE_MARKETS_MAX)
        return [route.market_no for route in page]


def _facts(
    place: Place, prices: PriceImage | PriceDelta, *, at_ns: Nanos, before: bool
) -> Iterator[Fact]:
    """Yield a market's odds, and its state where it takes bets or did so `before`."""
    active = prices.status is Status.ACTIVE
    if active != before:
        yield StatusSeen(at_ns, place.fixture, place.market_no, active)
    yield OddsSeen(at_ns, place.fixture, place.market_no, prices.odds_milli, prices.active)
