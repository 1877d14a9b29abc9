"""Keep the demo's scene up to date from the traders, the bettors, the gateway and the shells.

Owns the scene and how often each part is fetched, never how it is drawn. The match does not depend
on it: a late answer only makes the picture late.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

import numpy as np

from actors.messages import ShellState, ShellStatus
from actors.peer import PeerError
from actors.system import System
from engine.common.ids import parse_market_key
from engine.common.views import PriceImage
from gateway.bets.stats import quantile_s
from gateway.demo.bettors import Bettors
from gateway.demo.scene import (
    BesideLine,
    ExposureLine,
    LogLine,
    MarketLine,
    OutcomeLine,
    Scene,
    SlipsLine,
)
from gateway.demo.traders import Traders
from gateway.demo.view import View
from gateway.messages.exposure import Exposure
from gateway.messages.trader import Book
from simulations.crowd import PLACE_TYPES, WIN_TYPE
from simulations.programme import Fixture

FETCH_S: Final = 0.5
EXPOSURE_S: Final = 1.0
RATE_S: Final = 1.0
DRAW_S: Final = 0.2
LATENCY_SAMPLES: Final = 20
"""Samples of the gateway's histogram that the shown latencies cover: ten seconds."""
_PHASES: Final = ("first half", "second half")


class SceneUpdater:
    """Update a scene and show it.

    Parameters
    ----------
    scene : Scene
        What is shown.
    view : View
        Where it is shown.
    fixtures : sequence of Fixture
        The match that is played, and those beside it.
    """

    def __init__(self, scene: Scene, view: View, fixtures: Sequence[Fixture]) -> None:
        self.scene: Final = scene
        self.view: Final = view
        self.down_no = 0
        """A market known to be down, before the supervisor says so."""
        self.events: list[LogLine] = []
        """Events to print again at the end."""
        self._match = fixtures[0].match
        self._beside = tuple(fixtures[1:])
        self._homes = {one.match.match: one.match.home for one in fixtures[1:]}
        self._due: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._statuses: dict[str, ShellStatus] = {}
        self._shell_of: dict[int, str] = {}
        self._histograms: deque[np.ndarray[Any, np.dtype[np.int64]]] = deque(maxlen=LATENCY_SAMPLES)
        self._counted = 0

    def due(self, what: str, every_s: float) -> bool:
        """Say whether `every_s` seconds have passed since this was last due, and note the time."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._due.get(what, -1e9) < every_s:
            return False
        self._due[what] = now_s
        return True

    # --- the match --------------------------------------------------------------------

    def log(self, text: str, kind: str = "") -> None:
        """Note an event at the time of the match clock."""
        line = LogLine(self.scene.clock, text, kind)
        self.scene.log.append(line)
        if kind:
            self.events.append(line)
        self.view.log(line)

    def set_clock(self, played_s: float) -> None:
        """Move clock and score to a second of play."""
        match, scene = self._match, self.scene
        clock = match.clock_at(min(played_s, match.regular_s - 1))
        scene.clock = str(clock)
        scene.minute = clock.minute + clock.stoppage_s // 60
        scene.phase = _PHASES[clock.period] + (", stoppage" if clock.stoppage_s else "")
        scene.share = min(played_s / match.regular_s, 1.0)
        scene.score = match.score_at(min(played_s, match.regular_s))
        scene.beside = [_beside_line(fixture, played_s) for fixture in self._beside]

    async def starting(self) -> None:
        """Show, until cancelled, how long the start has taken."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while True:
            self.scene.phase = f"starting, {loop.time() - began_s:.0f} s"
            self.view.show(self.scene)
            await asyncio.sleep(DRAW_S)

    # --- the system --------------------------------------------------------------------

    def refresh(self, system: System, traders: Traders, bettors: Bettors) -> None:
        """Fetch each part that is due, and draw when that is due."""
        if self.due("fetch", FETCH_S):
            traders.ask_books()
            self._in_background("statuses", self._ask_statuses(system))
            self._in_background("gateway", self._ask_gateway(system))
        if self.due("exposure", EXPOSURE_S):
            traders.main.ask_exposure()
        if self.due("rate", RATE_S):
            answered = bettors.answers.answered
            self.scene.rates.append((answered - self._counted) / RATE_S)
            self._counted = answered
        if self.due("draw", DRAW_S):
            self.draw(traders, bettors)

    def draw(self, traders: Traders, bettors: Bettors) -> None:
        """Bring the scene up to date and show it."""
        scene = self.scene
        scene.now_s = asyncio.get_running_loop().time()
        scene.bettors, scene.in_flight = bettors.connected, bettors.in_flight
        answers = bettors.answers
        scene.answered, scene.answers = answers.answered, dict(answers.counts)
        scene.slips = SlipsLine(
            answers.slips_accepted, answers.slips_staked_minor, bettors.slips_paid_minor
        )
        prices, books = traders.prices, traders.books
        if prices:
            self._draw_result(prices[0], books)
        if traders.exposure is not None:
            scene.exposure = exposure_of(traders.exposure)
        scene.markets = [self._market_line(image, books) for image in prices]
        self.view.show(scene)

    def _draw_result(self, image: PriceImage, books: Mapping[int, Book]) -> None:
        scene = self.scene
        if not scene.result:
            names = {"home": scene.home, "away": scene.away}
            scene.result = [OutcomeLine(names.get(name, name)) for name in image.outcomes]
        book = books.get(image.market_no)
        for number, line in enumerate(scene.result):
            line.quote(
                odds_milli=image.odds_milli[number],
                active=image.active[number],
                now_s=scene.now_s,
            )
            if book is not None:
                line.liability_minor = book.liability_minor[number]
        if book is not None:
            scene.result_limit_minor = book.limits.outcome_liability_minor_max

    def _market_line(self, image: PriceImage, books: Mapping[int, Book]) -> MarketLine:
        parsed = parse_market_key(image.key)
        race = parsed.type in (WIN_TYPE, *PLACE_TYPES)
        home = parsed.fixture if race else self._homes.get(parsed.fixture, "")
        name = f"{home} {market_name(image.key)}".lstrip()
        line = MarketLine(name, image.status.name.lower())
        book = books.get(image.market_no)
        if book is not None:
            line.bets, line.stake_minor = book.bets, book.stake_taken_minor
            line.worst_minor = max(book.liability_minor)
        status = self._statuses.get(self._shell_of.get(image.market_no, ""))
        if status is not None:
            line.processes = status.restarts + 1
            line.pid = status.health.pid if status.health is not None else 0
            if status.state is not ShellState.SERVING or image.market_no == self.down_no:
                line.status, line.pid = ShellState.DOWN.value, 0
        return line

    async def _ask_statuses(self, system: System) -> None:
        for status in await system.statuses():
            self._statuses[status.name] = status
        self._shell_of = {no: route.shell for no, route in system.routes.markets.items()}

    async def _ask_gateway(self, system: System) -> None:
        stats = await system.gateways[0].ask("stats")
        counts = np.array(stats.get("latency_counts", [0]), np.int64)
        self._histograms.append(counts)
        recent = counts - self._histograms[0] if len(self._histograms) > 1 else counts
        self.scene.ack_p50_ms = 1_000 * quantile_s(recent, 0.5)
        self.scene.ack_p99_ms = 1_000 * quantile_s(recent, 0.99)

    def _in_background(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        """Start work unless the same work is still running."""
        if what in self._running:
            work.close()
            return

        async def run() -> None:
            try:
                await work
            except PeerError:
                pass  # the picture stays as it is until the next fetch
            finally:
                del self._running[what]

        self._running[what] = asyncio.create_task(run())

    async def close(self) -> None:
        """Cancel what is in progress."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _beside_line(fixture: Fixture, main_s: float) -> BesideLine:
    """Return the score of a match beside the main one, at a second of that one."""
    match, played_s = fixture.match, fixture.played_s(main_s)
    clock = str(match.clock_at(played_s)).partition(":")[0] + "'"
    return BesideLine(
        match.home,
        match.away,
        match.score_at(played_s),
        "full time" if fixture.is_over(main_s) else clock,
    )


def exposure_of(exposure: Exposure) -> ExposureLine:
    """Return the part of an exposure that is shown."""
    return ExposureLine(
        worst=exposure.worst.score,
        worst_minor=exposure.worst.profit_minor,
        best=exposure.best.score,
        best_minor=exposure.best.profit_minor,
        expected_minor=exposure.expected_minor,
        off_grid_minor=exposure.off_grid_worst_minor,
    )


def market_name(key: str) -> str:
    """Return a market's name for people: its type without underscores, and its line."""
    parsed = parse_market_key(key)
    line = " ".join(value for _, value in parsed.specifiers)
    return f"{parsed.type.replace('_', ' ')} {line}".rstrip()
