"""Keep every fixture of the system with counts of its markets, and list, search and count them.

Owns the gateway's copy of the directory's fixtures, their order by start, and the counts. A fixture
that only its markets' keys name is among them, without a description. It never changes a fixture.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from heapq import merge
from typing import Final, NamedTuple

from engine.common.fixtures import START_MS_MAX, Fixture, FixtureState
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import ALL_FIXTURES
from gateway.messages.fixtures import (
    AskFixtures,
    Catalogue,
    CompetitionLine,
    FixtureLine,
    Fixtures,
    SportLine,
)
from gateway.messages.market import STATUS_NAMES
from gateway.settings import COMPETITIONS_MAX, FIXTURE_SIDES_MAX, FIXTURES_EXAMINED_MAX

_UNKNOWN_START: Final = START_MS_MAX + 1
"""Where fixtures of unknown start stand in the order."""

_Place = tuple[int, str]
"""A fixture's place in the order: its start and its id."""


class _Entry:
    """One fixture with the counts of its markets."""

    __slots__ = ("by_status", "fixture", "lost", "markets", "place", "score", "text")

    def __init__(self, fixture: Fixture) -> None:
        self.fixture = fixture
        self.markets = 0
        self.by_status: dict[int, int] = {}
        self.score: tuple[int, int] | None = None
        self.lost: dict[str, str] = {}
        """Feeds that describe it and have lost it, each with why."""
        self.place: _Place = (fixture.start_ms or _UNKNOWN_START, fixture.fixture)
        self.text = _search_text(fixture)


class _Counts:
    """What one competition has: fixtures by state, and markets."""

    __slots__ = ("by_status", "country", "fixtures", "markets", "name")

    def __init__(self) -> None:
        self.name = ""
        self.country = ""
        self.fixtures: dict[FixtureState, int] = {}
        self.markets = 0
        self.by_status: dict[int, int] = {}


class FixturePage(NamedTuple):
    """Some fixtures, and where the next page begins; empty at the end."""

    lines: tuple[FixtureLine, ...]
    next: str


class FixtureCatalogue:
    """All fixtures that a gateway knows."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._places: dict[FixtureState, list[_Place]] = {state: [] for state in FixtureState}
        self._counts: dict[tuple[str, str], _Counts] = {}
        self._statuses: dict[int, int] = {}
        """The status under which each market is counted."""
        self._lost: dict[str, Mapping[str, str]] = {}
        """By feed, the fixtures that it has lost."""
        self.on_change: Callable[[str], None] | None = None
        """Called with a fixture's id when its line changes."""

    # --- what the other parts of the gateway say -------------------------------------------------

    def take(self, fixtures: Iterable[Fixture]) -> None:
        """Take fixtures of the directory; one that is not newer than the one held is passed over.

        Messages may overtake one another, and a gateway may be told of a fixture again.
        """
        for fixture in fixtures:
            entry = self._entries.get(fixture.fixture)
            if entry is None:
                self._enter(_Entry(fixture))
            elif fixture.version > entry.fixture.version:
                changed = _Entry(fixture)
                changed.markets, changed.by_status = entry.markets, entry.by_status
                changed.score = entry.score
                self._remove(entry)
                self._enter(changed)
            else:
                continue
            self._changed(fixture.fixture)

    def set_lost(self, feed: str, lost: Mapping[str, str]) -> None:
        """Note which fixtures a feed has lost now, and why; ALL_FIXTURES stands for each."""
        self._lost[feed] = lost
        for name, entry in self._entries.items():
            if feed in entry.fixture.external_ids:
                before = entry.lost
                entry.lost = self._lost_of(entry.fixture)
                if entry.lost != before:
                    self._changed(name)

    def _lost_of(self, fixture: Fixture) -> dict[str, str]:
        """Return the feeds that describe a fixture and have lost it, each with why."""
        found: dict[str, str] = {}
        for feed in fixture.external_ids:
            lost = self._lost.get(feed)
            why = lost and (lost.get(fixture.fixture) or lost.get(ALL_FIXTURES))
            if why:
                found[feed] = why
        return found

    def add_market(self, fixture: str) -> None:
        """Count a market that is new to the gateway."""
        entry = self._entries.get(fixture)
        if entry is None:
            entry = _Entry(Fixture(fixture=fixture))
            self._enter(entry)
        entry.markets += 1
        self._counts_of(entry).markets += 1
        self._changed(fixture)

    def set_score(self, fixture: str, score: tuple[int, int]) -> None:
        """Take both sides' goals in a match; that of a fixture without markets is passed over."""
        entry = self._entries.get(fixture)
        if entry is not None and entry.score != score:
            entry.score = score
            self._changed(fixture)

    def set_status(self, market_no: int, fixture: str, status: int) -> None:
        """Count a market under its present status."""
        before = self._statuses.get(market_no)
        if before == status:
            return
        self._statuses[market_no] = status
        entry = self._entries[fixture]
        counts = self._counts_of(entry)
        for by_status in (entry.by_status, counts.by_status):
            if before is not None:
                _add(by_status, before, -1)
            _add(by_status, status, 1)
        self._changed(fixture)

    # --- questions -------------------------------------------------------------------------------

    def line(self, fixture: str, *, for_bettors: bool) -> FixtureLine | None:
        """Return one fixture, None for an unknown one; bettors do not see who holds it."""
        entry = self._entries.get(fixture)
        return None if entry is None else _line(entry, for_bettors=for_bettors)

    def fixtures_of(self, sport: str, competition: str) -> tuple[set[str], set[str]]:
        """Return the fixtures of a sport, a competition or both (an empty one: of any).

        The second set may belong to them: nobody has said their sport or competition.
        """
        chosen: set[str] = set()
        unknown: set[str] = set()
        for name, entry in self._entries.items():
            fixture = entry.fixture
            if sport not in ("", fixture.sport or sport):
                continue
            if competition not in ("", fixture.competition or competition):
                continue
            undescribed = (sport and not fixture.sport) or (competition and not fixture.competition)
            (unknown if undescribed else chosen).add(name)
        return chosen, unknown

    def unsettled(self, over: Collection[FixtureState]) -> Iterator[tuple[str, bool]]:
        """Yield fixtures with markets to be settled, and whether they are in a state of `over`.

        Those in another state have markets that are closed.
        """
        for name, entry in self._entries.items():
            is_over = entry.fixture.state in over
            if is_over or entry.by_status.get(Status.CLOSED):
                yield name, is_over

    def answer(self, request: AskFixtures, *, for_bettors: bool) -> Fixtures:
        """Answer a question for fixtures."""
        page = self.page(request, for_bettors=for_bettors)
        return Fixtures(id=request.id, fixtures=page.lines, next=page.next)

    def page(self, request: AskFixtures, *, for_bettors: bool) -> FixturePage:
        """Return the fixtures that a question means, in order of their start.

        It ends with `limit` fixtures, before their sides pass `FIXTURE_SIDES_MAX`, and after
        `FIXTURES_EXAMINED_MAX` fixtures examined.
        """
        if request.fixture:
            line = self.line(request.fixture, for_bettors=for_bettors)
            return FixturePage(() if line is None else (line,), "")
        texts = request.text.casefold().split()
        lines: list[FixtureLine] = []
        sides = 0
        before = ""
        for examined, place in enumerate(self._from(request, *texts[:1]), start=1):
            entry = self._entries[place[1]]
            if all(text in entry.text for text in texts) and _fits(entry.fixture, request):
                sides += len(entry.fixture.sides)
                if len(lines) == request.limit or (lines and sides > FIXTURE_SIDES_MAX):
                    return FixturePage(tuple(lines), before)
                lines.append(_line(entry, for_bettors=for_bettors))
            before = f"{place[0]}/{place[1]}"
            if examined == FIXTURES_EXAMINED_MAX:
                return FixturePage(tuple(lines), before)
        return FixturePage(tuple(lines), "")

    def catalogue(self, number: int) -> Catalogue:
        """Return all sports and competitions with their counts, by id."""
        sports: dict[str, list[CompetitionLine]] = {}
        keys = sorted(self._counts)
        for sport, competition in keys[:COMPETITIONS_MAX]:
            counts = self._counts[sport, competition]
            sports.setdefault(sport, []).append(
                CompetitionLine(
                    competition=competition,
                    name=counts.name,
                    country=counts.country,
                    fixtures={state.value: count for state, count in counts.fixtures.items()},
                    markets=counts.markets,
                    by_status=_by_name(counts.by_status),
                )
            )
        return Catalogue(
            id=number,
            sports=tuple(
                SportLine(sport=sport, competitions=tuple(lines)) for sport, lines in sports.items()
            ),
            more=len(keys) > COMPETITIONS_MAX,
        )

    # --- order and counts ------------------------------------------------------------------------

    def _from(self, request: AskFixtures, text: str = "") -> Iterator[_Place]:
        """Yield the places of the wanted states in order, from where the page begins.

        Only of fixtures that have `text`, which is looked for in one pass: it is a tenth of what
        examining each of them costs.
        """
        start, _, name = request.after.partition("/")
        after = (int(start), name) if request.after else None
        low = (request.from_ms or 0, "")
        # A fixture of unknown start is in no span of time that has an end.
        high = (_UNKNOWN_START + 1 if request.until_ms is None else request.until_ms, "")
        parts: list[Iterator[_Place]] = []
        for state in request.states or tuple(FixtureState):
            places = self._places[state]
            first, last = bisect_left(places, low), bisect_left(places, high)
            if after is not None and request.newest_first:
                last = min(last, bisect_left(places, after))
            elif after is not None:
                first = max(first, bisect_right(places, after))
            at = range(last - 1, first - 1, -1) if request.newest_first else range(first, last)
            if text:
                entries = self._entries
                at_text = [at for at in places[first:last] if text in entries[at[1]].text]
                parts.append(reversed(at_text) if request.newest_first else iter(at_text))
            else:
                parts.append(map(places.__getitem__, at))
        return merge(*parts, reverse=request.newest_first)

    def _enter(self, entry: _Entry) -> None:
        entry.lost = self._lost_of(entry.fixture)
        self._entries[entry.fixture.fixture] = entry
        insort(self._places[entry.fixture.state], entry.place)
        self._count(entry, 1)

    def _remove(self, entry: _Entry) -> None:
        places = self._places[entry.fixture.state]
        del places[bisect_left(places, entry.place)]
        self._count(entry, -1)

    def _counts_of(self, entry: _Entry) -> _Counts:
        return self._counts[entry.fixture.sport, entry.fixture.competition]

    def _count(self, entry: _Entry, step: int) -> None:
        """Add a fixture to its competition's counts, or take it away."""
        key = (entry.fixture.sport, entry.fixture.competition)
        counts = self._counts.setdefault(key, _Counts())
        if step > 0:  # the newest description that has a name gives it
            counts.name = entry.fixture.competition_name or counts.name
            counts.country = entry.fixture.country or counts.country
        _add(counts.fixtures, entry.fixture.state, step)
        counts.markets += step * entry.markets
        for status, count in entry.by_status.items():
            _add(counts.by_status, status, step * count)
        if not counts.fixtures:
            del self._counts[key]

    def _changed(self, fixture: str) -> None:
        if self.on_change is not None:
            self.on_change(fixture)


def _add(counts: dict, key: object, step: int) -> None:  # type: ignore[type-arg]
    """Add to a count; one of zero is not kept."""
    count = counts.pop(key, 0) + step
    if count:
        counts[key] = count


def _by_name(by_status: dict[int, int]) -> dict[str, int]:
    return {STATUS_NAMES[status]: by_status[status] for status in sorted(by_status)}


def _search_text(fixture: Fixture) -> str:
    """Return what a search is made in, a line for each text."""
    texts = (
        fixture.fixture,
        fixture.name,
        *fixture.sides,
        fixture.sport,
        fixture.competition,
        fixture.competition_name,
        fixture.country,
        *fixture.external_ids.values(),
    )
    return "\n".join(texts).casefold()


def _fits(fixture: Fixture, request: AskFixtures) -> bool:
    return (
        request.sport in ("", fixture.sport)
        and request.competition in ("", fixture.competition)
        and request.owner in (None, fixture.owner)
    )


def _line(entry: _Entry, *, for_bettors: bool) -> FixtureLine:
    fixture = entry.fixture
    return FixtureLine(
        fixture=fixture.fixture,
        name=fixture.shown_name(),
        sport=fixture.sport,
        competition=fixture.competition,
        competition_name=fixture.competition_name,
        country=fixture.country,
        sides=fixture.sides,
        start_ms=fixture.start_ms,
        state=fixture.state.value,
        external_ids=fixture.external_ids,
        owner="" if for_bettors else fixture.owner,
        by_hand=() if for_bettors else fixture.by_hand,
        markets=entry.markets,
        by_status=_by_name(entry.by_status),
        score=() if for_bettors or entry.score is None else entry.score,
        lost={} if for_bettors else entry.lost,
        version=fixture.version,
    )
