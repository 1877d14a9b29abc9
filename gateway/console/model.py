"""What all screens share: prices and books of every market, by fixture, as they change.

Owns the console's own connection and what has arrived by it. Each change has a number, so that a
screen asks only for what is newer than what it shows. It commands nothing.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from engine.common.ids import MalformedIdError, MarketNo, parse_market_key
from gateway.client import (
    ConnectionLostError,
    ControlSession,
    GatewayError,
    ReconnectingClient,
    ReconnectSettings,
    RefusedError,
    stay_connected_control,
)
from gateway.console.exposures import Exposures
from gateway.console.figures import (
    NO_FAIR_TYPES,
    WINNERS,
    book_sum_milli,
    expected_profit_minor,
    fair_probabilities,
    worst_minor,
)
from gateway.console.house_stop import HouseStop
from gateway.console.rounds import Rounds
from gateway.messages.bet_lines import BetLine
from gateway.messages.books import BOOKS_MAX
from gateway.messages.fixtures import FixtureLine, Fixtures
from gateway.messages.market import Market
from gateway.messages.trader import Book
from gateway.settings import FIXTURES_PAGE_MAX

logger = logging.getLogger("overround.console")

BOOKS_S: Final = 0.2
"""Seconds between two requests for the books that a screen shows."""
SWEEP_PART: Final = BOOKS_MAX
"""Books of the sweep in one round: 1,280 a second, so that 40,000 markets take half a minute."""
BETS_MAX: Final = 5_000
"""Bets of the ticker that are kept; past it the oldest go."""
CATALOGUE_S: Final = 1.0
FIXTURES_MAX: Final = 5_000
"""Fixtures whose description is followed."""
POINTS_MAX: Final = 600
"""Points of a chart that are kept for a market; past it the oldest go."""
UNSEEN_POINTS_MAX: Final = 60
"""The same while no screen shows its fixture; the last one only once it has results."""
OPEN: Final = frozenset({"active", "suspended", "handed_over", "inactive", "closed"})
_RETRY_S: Final = 1.0


@dataclass
class Line:
    """One market: its last image, its last book, and its figures."""

    number: MarketNo
    key: str
    fixture: str
    type: str
    name: str
    image: Market
    book: Book | None = None
    changed: int = 0
    fair: list[float] = field(default_factory=list)
    sum_milli: int = 0
    expected_minor: int | None = None
    worst_minor: int = 0
    bets_first: int = 0
    odds_history: deque[tuple[float, tuple[int, ...]]] = field(
        default_factory=lambda: deque(maxlen=POINTS_MAX)
    )
    """Time in seconds and odds, whenever they changed."""

    @property
    def has_fair(self) -> bool:
        """Whether the odds tell fair probabilities."""
        return self.type not in NO_FAIR_TYPES

    @property
    def held(self) -> bool:
        """Whether only a trader can resume it."""
        return self.book is not None and self.book.held

    @property
    def stake_minor(self) -> int:
        """Stakes taken that no cancellation gave back."""
        return 0 if self.book is None else self.book.stake_taken_minor

    @property
    def bets(self) -> int:
        """Bets accepted."""
        return 0 if self.book is None else self.book.bets

    @property
    def bets_since(self) -> int:
        """Bets accepted since its first book, which has those of all time before."""
        return self.bets - self.bets_first

    def work_out(self) -> None:
        """Bring the figures up to date."""
        winners = WINNERS.get(self.type, 1)
        image = self.image
        book = self.book
        if self.has_fair:
            # An outcome that a trader holds is not offered and has its odds all the same.
            held = () if book is None else book.outcome_held
            priced = [
                active or any(held[number : number + 1])
                for number, active in enumerate(image.active)
            ]
            # With an outcome left out the rest is no whole book, and says nothing of chances.
            whole = all(priced)
            self.fair = (
                fair_probabilities(image.odds_milli, priced, winners=winners) if whole else []
            )
            self.sum_milli = (
                book_sum_milli(image.odds_milli, priced, winners=winners) if whole else 0
            )
        if book is None:
            return
        self.worst_minor = worst_minor(book.liability_minor)
        self.expected_minor = None
        if self.fair and sum(self.fair) > 0:
            self.expected_minor = expected_profit_minor(
                book.payout_minor, book.stake_taken_minor, self.fair
            )


@dataclass
class FixtureView:
    """One fixture: its markets, and sums of their figures."""

    id: str
    lines: dict[int, Line] = field(default_factory=dict)
    changed: int = 0
    bet_times: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=POINTS_MAX))
    history: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=POINTS_MAX))
    """Time in seconds, worst case and expected profit, whenever they changed."""
    marks: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=200))
    """Times at which the fixture was suspended or resumed."""
    suspended: bool = False
    about: FixtureLine | None = None
    """What the directory knows of it."""

    @property
    def name(self) -> str:
        """What it is called, its id where nobody has described it."""
        return self.about.name if self.about is not None and self.about.name else self.id

    def bets_a_minute(self, now_s: float) -> int:
        """Return the bets accepted in the last minute."""
        bets = sum(line.bets_since for line in self.lines.values())
        before = bets
        for at_s, count in reversed(self.bet_times):
            before = count
            if at_s <= now_s - 60:
                break
        return bets - before

    @property
    def main(self) -> Line | None:
        """The market that a trader looks at first."""
        for kind in ("1x2", "winner", "win"):
            for line in self.lines.values():
                if line.type == kind:
                    return line
        return next(iter(self.lines.values()), None)

    def state(self) -> str:
        """Return the state of its markets in one word."""
        count: dict[str, int] = {}
        for line in self.lines.values():
            status = line.image.stale or line.image.status
            count[status] = count.get(status, 0) + 1
        for status in ("quarantined", "suspended", "active", "handed_over", "closed", "inactive"):
            if status == "suspended" and count.get("active", 0) > count.get("suspended", 0):
                continue
            if count.get(status):
                return status
        return "settled" if count else "empty"

    @property
    def needs_settlement(self) -> bool:
        """Whether betting on it is over, and a market of it has no results."""
        open_now = [line.image.status for line in self.lines.values() if line.image.status in OPEN]
        over = self.about is not None and self.about.state == "ended"
        return bool(open_now) and (over or all(status == "closed" for status in open_now))


class Model:
    """Prices and books of every market, and the connection that they arrive by."""

    def __init__(self) -> None:
        self.fixtures: dict[str, FixtureView] = {}
        self.lines: dict[int, Line] = {}
        self.change_no = 0
        self.state = "connecting"
        self.why = ""
        self.watched: dict[str, int] = {}
        """Fixtures that screens show, and on how many."""
        self.urls: tuple[str, ...] = ()
        self.token = ""
        self._client: ReconnectingClient[ControlSession] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._moved = asyncio.Event()
        self.bets: deque[tuple[int, BetLine]] = deque(maxlen=BETS_MAX)
        """The newest bets as they were decided, each with its number."""
        self.bets_no = 0
        self.house = HouseStop()
        """Whether the house is stopped, as it was last known."""
        self.bets_missed = 0
        self._rounds = Rounds()
        self.exposures = Exposures(lambda: self.session)

    def outcome_of(self, row: str) -> tuple[Line, int] | None:
        """Return the market and outcome that a row's id names; None where it names none."""
        number, _, outcome = row.partition("-")
        if not (number.isascii() and number.isdigit() and outcome.isascii() and outcome.isdigit()):
            return None
        line = self.lines.get(int(number[:12]))
        if line is None or int(outcome[:6]) >= len(line.image.outcomes):
            return None
        return line, int(outcome[:6])

    # --- the connection --------------------------------------------------------------------------

    def brief(self, urls: Sequence[str], token: str) -> None:
        """Take the gateways' addresses and a token; other addresses begin a new connection."""
        self.token = token
        if tuple(urls) != self.urls:
            self.urls = tuple(urls)
            self._moved.set()

    @property
    def session(self) -> ControlSession:
        """The console's own session.

        Raises
        ------
        ConnectionLostError
            There is none now.
        """
        if self._client is None:
            raise ConnectionLostError(1006, "not connected yet")
        return self._client.session

    async def follow(self) -> None:
        """Follow all markets until cancelled, with one connection after another."""
        while True:
            self._moved.clear()
            try:
                await self._follow_once()
            except GatewayError as error:
                self.state, self.why = "lost", str(error)
                await asyncio.sleep(_RETRY_S)

    async def _follow_once(self) -> None:
        settings = ReconnectSettings(longest_s=2.0)
        client = stay_connected_control(*self.urls, token=lambda: self.token, settings=settings)
        async with client:
            self._client = client
            await client.subscribe(all_markets=True)
            self.state, self.why = "connected", ""
            work = [
                asyncio.create_task(self._take_prices(client)),
                asyncio.create_task(self._ask_watched()),
                asyncio.create_task(self._sweep()),
                asyncio.create_task(self._follow_catalogue()),
                asyncio.create_task(self._follow_bets(client)),
                asyncio.create_task(self._watch_state(client)),
            ]
            moved: asyncio.Task[object] = asyncio.create_task(self._moved.wait())
            try:
                await asyncio.wait((*work, moved), return_when=asyncio.FIRST_COMPLETED)
                for one in work:
                    if one.done():
                        one.result()
            finally:
                self._client = None
                moved.cancel()
                for one in work:
                    one.cancel()
                await asyncio.gather(*work, moved, return_exceptions=True)

    async def _watch_state(self, client: ReconnectingClient[ControlSession]) -> None:
        while True:
            state = client.state
            self.state = state.phase
            self.why = "" if state.error is None or state.phase == "connected" else str(state.error)
            await asyncio.sleep(BOOKS_S)

    async def _take_prices(self, client: ReconnectingClient[ControlSession]) -> None:
        async for image in client.updates():
            self._take_image(image)

    # --- what arrives ----------------------------------------------------------------------------

    def _take_image(self, image: Market) -> None:
        line = self.lines.get(image.market)
        if line is None:
            line = self._new_line(image)
        line.image = image
        if not line.odds_history or line.odds_history[-1][1] != image.odds_milli:
            line.odds_history.append((time.time(), image.odds_milli))
        self._shorten(line)
        self._rounds.changed((image.market,))
        self._note(line)

    def _shorten(self, line: Line) -> None:
        """Drop points of a chart that no screen shows: of all markets they would be gigabytes."""
        if line.fixture not in self.watched:
            left = UNSEEN_POINTS_MAX if line.image.status in OPEN else 1
            while len(line.odds_history) > left:
                line.odds_history.popleft()

    def _new_line(self, image: Market) -> Line:
        kind, name = _names(image.key)
        fixture = image.key.partition("/")[0]
        line = Line(
            number=image.market, key=image.key, fixture=fixture, type=kind, name=name, image=image
        )
        self.lines[image.market] = line
        self.fixtures.setdefault(fixture, FixtureView(fixture)).lines[image.market] = line
        return line

    def _take_book(self, book: Book) -> None:
        line = self.lines.get(book.market)
        if line is None or line.book == book:
            return
        if line.book is None:
            line.bets_first = book.bets
        line.book = book
        self._note(line)

    def _note(self, line: Line) -> None:
        """Give a line and its fixture the next number, and keep the fixture's history."""
        line.work_out()
        self.change_no += 1
        line.changed = self.change_no
        fixture = self.fixtures[line.fixture]
        fixture.changed = self.change_no
        now_s = time.time()
        bets = sum(one.bets_since for one in fixture.lines.values())
        if not fixture.bet_times or fixture.bet_times[-1][1] != bets:
            fixture.bet_times.append((now_s, bets))
        main = fixture.main
        if main is not line:
            return
        suspended = line.image.status == "suspended"
        if suspended != fixture.suspended:
            fixture.suspended = suspended
            fixture.marks.append((now_s, "suspended" if suspended else "resumed"))
        if line.book is not None:
            point = (line.worst_minor, line.expected_minor or 0)
            if not fixture.history or fixture.history[-1][1:] != point:
                fixture.history.append((now_s, *point))

    async def _follow_bets(self, client: ReconnectingClient[ControlSession]) -> None:
        """Take bets as they are decided, in this session and those after it."""
        while True:
            session = await client.connected()
            try:
                await session.watch_bets()
            except (RefusedError, ConnectionLostError) as error:
                if isinstance(error, RefusedError):
                    logger.warning("bets are not shown: %s", error)
                await asyncio.sleep(_RETRY_S)
                continue
            async for seen in session.bets_seen():
                self.bets_missed += seen.missed
                for line in seen.bets:
                    self.bets_no += 1
                    self.bets.append((self.bets_no, line))
                    if line.market in self.lines:
                        self._rounds.changed((line.market,))

    async def _follow_catalogue(self) -> None:
        """Keep what is known of each fixture."""
        while True:
            after, count = "", 0
            while True:
                page = await self._page(after)
                for line in page.fixtures:
                    self._describe(line)
                after, count = page.next, count + len(page.fixtures)
                if not after or count >= FIXTURES_MAX:
                    break
            with contextlib.suppress(GatewayError):
                self.house.house = await self.session.house()
            await asyncio.sleep(CATALOGUE_S)

    async def _page(self, after: str) -> Fixtures:
        while True:
            try:
                return await self.session.fixtures(after=after, limit=FIXTURES_PAGE_MAX)
            except (RefusedError, ConnectionLostError):
                await asyncio.sleep(_RETRY_S)

    def _describe(self, line: FixtureLine) -> None:
        fixture = self.fixtures.setdefault(line.fixture, FixtureView(line.fixture))
        if fixture.about != line:
            fixture.about = line
            self.change_no += 1
            fixture.changed = self.change_no

    def take_fixture(self, line: FixtureLine) -> None:
        """Take what a command of this console has made of a fixture."""
        self._describe(line)

    # --- books -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def watching(self, fixture: str) -> Iterator[None]:
        """Keep a fixture's books fresh while a screen shows it."""
        self.watch(fixture)
        try:
            yield
        finally:
            self.unwatch(fixture)

    def watch(self, fixture: str) -> None:
        """Begin to keep a fixture's books fresh."""
        self.watched[fixture] = self.watched.get(fixture, 0) + 1

    def unwatch(self, fixture: str) -> None:
        """End one `watch`."""
        left = self.watched.get(fixture, 0) - 1
        if left > 0:
            self.watched[fixture] = left
        else:
            self.watched.pop(fixture, None)

    async def _ask_watched(self) -> None:
        """Ask for the books that screens show, and for those of markets that have changed."""
        while True:
            shown = [
                line.number
                for name in list(self.watched)
                if name in self.fixtures
                for line in self.fixtures[name].lines.values()
                if is_live(line)
            ]
            asked = [self.lines[number] for number in self._rounds.next(shown)]
            self._rounds.changed(await self._ask_books(asked))
            await asyncio.sleep(BOOKS_S)

    async def _sweep(self) -> None:
        """Ask for every open market's book in turn, a bounded number a second."""
        while True:
            lines = [one for one in self.lines.values() if is_live(one)]
            for start in range(0, max(len(lines), 1), SWEEP_PART):
                await self._ask_books(lines[start : start + SWEEP_PART])
                await asyncio.sleep(BOOKS_S)

    async def _ask_books(self, lines: Sequence[Line]) -> list[MarketNo]:
        """Ask for books, as many in a request as it may name; return those not answered."""
        numbers = [line.number for line in lines]
        for start in range(0, len(numbers), BOOKS_MAX):
            try:
                answer = await self.session.books(numbers[start : start + BOOKS_MAX])
            except RefusedError:
                return numbers[start:]  # the gateway is busy
            except ConnectionLostError:
                await asyncio.sleep(_RETRY_S)
                return numbers[start:]
            for book in answer.books:
                self._take_book(book)
        return []


def is_live(line: Line) -> bool:
    """Say whether a market's book may still change."""
    return line.book is None or line.image.status in OPEN


def _names(key: str) -> tuple[str, str]:
    """Return a market's type, and its name for people: the type in words, and its line."""
    try:
        parsed = parse_market_key(key)
    except MalformedIdError:
        rest = key.partition("/")[2]
        return rest.partition("?")[0], rest
    line = " ".join(value for _, value in parsed.specifiers)
    return parsed.type, f"{parsed.type.replace('_', ' ')} {line}".rstrip()
