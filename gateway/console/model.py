"""What all screens share: prices and books of every market, by fixture, as they change.

Owns the console's own connection and what has arrived by it. Each change has a number, so that a
screen asks only for what is newer than what it shows. Fixtures come by their changes and are listed
once for each connection; those that are done leave after a while. It commands nothing.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from engine.common.fixtures import FixtureState
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
from gateway.console.house_stop import HouseStop
from gateway.console.lines import OPEN, OVER, POINTS_MAX, FixtureView, Line, OddsHistory
from gateway.console.rounds import Rounds
from gateway.messages.bet_lines import BetLine
from gateway.messages.fixtures import FixtureLine
from gateway.messages.market import Market
from gateway.messages.trader import Book
from gateway.settings import FIXTURES_PAGE_MAX

logger = logging.getLogger("overround.console")

BOOKS_S: Final = 0.2
"""Seconds between two requests for the books that a screen shows."""
ASKED_MAX: Final = 32
"""Books of one request: a market's shell takes no bet while it makes its part of an answer."""
SWEEP_PART: Final = 64
FIRST_S: Final = 0.05
"""Seconds between two rounds of the sweep until every book is held: 40,000 take half a minute."""
SWEEP_S: Final = 0.2
"""The same once they are, after decided bets were missed: two minutes."""
CALM_S: Final = 0.5
"""The same while none was: what the sweep then finds is only what no change of odds and no bet
tells, as new limits."""
BETS_MAX: Final = 5_000
"""Bets of the ticker that are kept; past it the oldest go."""
HOUSE_S: Final = 1.0
FIXTURES_MAX: Final = 5_000
"""Fixtures that are to be played whose description is followed."""
UNSEEN_POINTS_MAX: Final = 60
"""Points of a chart while no screen shows its fixture; one only once it has results."""
DONE_KEPT_S: Final = 1_800.0
"""Seconds after its last change for which a fixture whose markets all have results is kept."""
DONE_MAX: Final = 200
"""Of these the ones that changed last; a screen that shows one keeps it."""
TIDY_S: Final = 10.0
LEFT_MAX: Final = 16_384
"""Names of fixtures that have left: they come back whole when a market of one has no results."""
PLAYED: Final = tuple(state for state in FixtureState if state not in OVER)
DONE: Final = tuple(state for state in FixtureState if state in OVER)
_RETRY_S: Final = 1.0


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
        self.listings = 0
        """Times that fixtures were listed: once a session, as changes come by themselves."""
        self._left: dict[str, None] = {}
        self._recalled: dict[str, None] = {}
        self._recall = asyncio.Event()
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

    def name_of(self, fixture: str) -> str:
        """Return what a fixture is called; its id where nobody has described it."""
        view = self.fixtures.get(fixture)
        return fixture if view is None else view.name

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
                asyncio.create_task(self._follow_catalogue(client)),
                asyncio.create_task(self._follow_house()),
                asyncio.create_task(self._follow_bets(client)),
                asyncio.create_task(self._keep_tidy(client)),
                asyncio.create_task(self._fetch_recalled(client)),
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
        before, line.image = line.image, image
        now_s = time.time()
        line.odds_history.add(now_s, image.odds_milli, points_max=self._points_max(line))
        # Odds alone change no book; what a trader has done to them is on a shown fixture's page.
        if (
            line.book is None
            or line.fixture in self.watched
            or (before.status, before.active) != (image.status, image.active)
        ):
            self._rounds.changed((image.market,))
        self._note(line, now_s)

    def _points_max(self, line: Line) -> int:
        """Return how many points a chart keeps: of all markets the most would be gigabytes."""
        if line.fixture in self.watched:
            return POINTS_MAX
        return UNSEEN_POINTS_MAX if line.image.status in OPEN else 1

    def _new_line(self, image: Market) -> Line:
        kind, name = _names(image.key)
        fixture = image.key.partition("/")[0]
        line = Line(
            number=image.market,
            key=image.key,
            fixture=fixture,
            type=kind,
            name=name,
            image=image,
            odds_history=OddsHistory(len(image.outcomes)),
        )
        self.lines[image.market] = line
        self._view(fixture).add(line)
        if fixture in self._left:
            del self._left[fixture]
            if image.status in OPEN:
                self.recall(fixture)
        return line

    def _view(self, fixture: str) -> FixtureView:
        view = self.fixtures.get(fixture)
        if view is None:
            view = self.fixtures[fixture] = FixtureView(fixture, changed_s=time.time())
        return view

    def _take_book(self, book: Book) -> None:
        line = self.lines.get(book.market)
        if line is None or line.book == book:
            return
        if line.book is None:
            line.bets_first = book.bets
        line.book = book
        self._note(line, time.time())

    def _note(self, line: Line, now_s: float) -> None:
        """Give a line and its fixture the next number, and keep the fixture's sums and history."""
        line.work_out()
        self.change_no += 1
        line.changed = self.change_no
        fixture = self.fixtures[line.fixture]
        fixture.changed, fixture.changed_s = self.change_no, now_s
        fixture.count(line)
        fixture.note_pace(now_s)
        if fixture.main is not line:
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

    # --- fixtures --------------------------------------------------------------------------------

    async def _follow_catalogue(self, client: ReconnectingClient[ControlSession]) -> None:
        """Take fixtures as they change; list them once in each session, to begin with."""
        while True:
            session = await client.connected()
            session.on_fixtures = self._take_fixtures
            try:
                await session.watch_fixtures()
                await self._list_fixtures(session, PLAYED, FIXTURES_MAX)
                await self._list_fixtures(session, DONE, DONE_MAX, newest_first=True)
            except GatewayError as error:
                if isinstance(error, RefusedError):
                    logger.warning("fixtures are not listed: %s", error)
                await asyncio.sleep(_RETRY_S)
                continue
            self.listings += 1
            await session.wait_lost()

    async def _list_fixtures(
        self,
        session: ControlSession,
        states: Sequence[FixtureState],
        most: int,
        *,
        newest_first: bool = False,
    ) -> None:
        after, count = "", 0
        while count < most:
            page = await session.fixtures(
                states=states, newest_first=newest_first, after=after, limit=FIXTURES_PAGE_MAX
            )
            self._take_fixtures(page.fixtures)
            after, count = page.next, count + len(page.fixtures)
            if not after:
                return

    def _take_fixtures(self, lines: Sequence[FixtureLine]) -> None:
        for line in lines:
            self.take_fixture(line)

    def take_fixture(self, line: FixtureLine) -> None:
        """Take what is known of a fixture."""
        name = line.fixture
        if name in self._left:
            # Of the ones that have left only those that are bet on or played again come back.
            if not any(line.by_status.get(status) for status in OPEN) and line.state in OVER:
                return
            del self._left[name]
            self.recall(name)
        fixture = self._view(name)
        if fixture.about != line:
            before = fixture.score_text
            fixture.about = line
            if before and fixture.score_text not in (before, ""):
                fixture.marks.append((time.time(), fixture.score_text))
            self.change_no += 1
            fixture.changed, fixture.changed_s = self.change_no, time.time()

    async def _follow_house(self) -> None:
        """Keep whether the house is stopped."""
        while True:
            with contextlib.suppress(GatewayError):
                self.house.house = await self.session.house()
            await asyncio.sleep(HOUSE_S)

    async def _keep_tidy(self, client: ReconnectingClient[ControlSession]) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            client.release(self.tidy(time.time()))

    def tidy(self, now_s: float) -> list[MarketNo]:
        """Drop fixtures that have been done for long, or are too many; return their markets."""
        done = [
            view
            for view in self.fixtures.values()
            if view.is_done(now_s) and view.id not in self.watched
        ]
        done.sort(key=lambda view: view.changed)
        past = len(done) - DONE_MAX
        numbers: list[MarketNo] = []
        for place, view in enumerate(done):
            if place < past or now_s - view.changed_s >= DONE_KEPT_S:
                numbers += self._drop(view)
        return numbers

    def _drop(self, view: FixtureView) -> list[MarketNo]:
        del self.fixtures[view.id]
        for number in view.lines:
            del self.lines[MarketNo(number)]
        self._left[view.id] = None
        if len(self._left) > LEFT_MAX:
            del self._left[next(iter(self._left))]
        return [line.number for line in view.lines.values()]

    def recall(self, fixture: str) -> None:
        """Ask for the markets of a fixture that is not held, at most so many at a time."""
        if len(self._recalled) < FIXTURES_MAX:
            self._recalled[fixture] = None
            self._recall.set()

    async def _fetch_recalled(self, client: ReconnectingClient[ControlSession]) -> None:
        """Ask for the images of recalled fixtures: who follows all markets is sent them again."""
        while True:
            await self._recall.wait()
            self._recall.clear()
            while self._recalled:
                fixture = next(iter(self._recalled))
                del self._recalled[fixture]
                with contextlib.suppress(GatewayError):  # not a fixture's name, or none now
                    await client.subscribe(fixtures=(fixture,))
                    for line in (await client.session.fixtures(fixture=fixture)).fixtures:
                        self.take_fixture(line)

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
        missed = -1
        while True:
            calm, missed = missed == self.bets_missed, self.bets_missed
            shown = [
                line.number
                for name in list(self.watched)
                if name in self.fixtures
                for line in self.fixtures[name].lines.values()
                if is_live(line)
            ]
            asked = [self.lines[number] for number in self._rounds.next(shown, calm=calm)]
            self._rounds.changed(await self._ask_books(asked))
            await asyncio.sleep(BOOKS_S)

    async def _sweep(self) -> None:
        """Ask for every open market's book in turn, a bounded number a second."""
        missed = -1
        while True:
            lines = [one for one in self.lines.values() if is_live(one)]
            first = any(one.book is None for one in lines)
            calm, missed = missed == self.bets_missed, self.bets_missed
            for start in range(0, max(len(lines), 1), SWEEP_PART):
                await self._ask_books(lines[start : start + SWEEP_PART])
                await asyncio.sleep(FIRST_S if first else CALM_S if calm else SWEEP_S)

    async def _ask_books(self, lines: Sequence[Line]) -> list[MarketNo]:
        """Ask for books, as many in a request as it may name; return those not answered."""
        numbers = [line.number for line in lines]
        for start in range(0, len(numbers), ASKED_MAX):
            try:
                answer = await self.session.books(numbers[start : start + ASKED_MAX])
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
