"""One demo match: start the system, play, kill and recover a market, close the books.

Owns the order of these steps and how an interruption ends them. Odds come from the traders and the
shells, bets from the bettors; nothing of either is decided here.
"""

import asyncio
import contextlib
from typing import Final

import numpy as np
from msgspec.structs import replace
from rich.console import Console

from actors.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED
from actors.peer import PeerError
from engine.common.commands import CreateMarket
from engine.common.ids import MarketNo
from engine.common.units import Minor
from gateway.client import GatewayError, connect_control
from gateway.configuration.config import Config
from gateway.configuration.opening import Opening, OpeningMarket, open_books
from gateway.configuration.system import system_of
from gateway.demo.bettors import Bettors, EachWayRefusedError
from gateway.demo.closing import (
    Check,
    ClosedBooks,
    close_books,
    refusal_lines,
    settled_and_paid,
)
from gateway.demo.console import open_console
from gateway.demo.environment import (
    CURRENCY,
    FIRST_ACCOUNT,
    RunTokens,
    accounts_of,
    end_before_start,
    own_config,
)
from gateway.demo.figures import money
from gateway.demo.fixtures import described
from gateway.demo.market_kill import KillFailedError, MarketKill
from gateway.demo.offers import put_offers
from gateway.demo.options import NEVER, PROCESSES, DemoOptions
from gateway.demo.run_folder import Progress, RunFolder, choose_run
from gateway.demo.scene import Scene
from gateway.demo.traders import Traders
from gateway.demo.view import make_view
from gateway.demo.view_model import SceneUpdater, exposure_of
from gateway.market_limits import LimitsSettings, patch_of
from gateway.session.tokens import Role
from gateway.signals import STOPS, TakenSignals
from simulations.crowd import Bettor, crowd
from simulations.programme import Fixture, programme
from simulations.races import races_beside
from simulations.timeline import Event, EventKind, MatchTimeline, match_by_id
from simulations.trader import MatchTrader

POLL_S: Final = 0.05
SAVE_S: Final = 1.0
REPRICE_S: Final = 1.5
"""Longest time between two repricings of the fixture, in seconds."""
REPRICE_PLAYED_S: Final = 180
"""The same bound in seconds of play; the shorter one holds."""
REPRICE_S_MIN: Final = 0.2
SETTLE_DEADLINE_S: Final = 90.0
ANSWER_DEADLINE_S: Final = 20.0
_STOPPED: Final = "stopped; `overround demo --resume` plays on"


class DemoFailedError(Exception):
    """A step of the demo did not end in time; the message names it."""


_FAILURES: Final = (DemoFailedError, KillFailedError, EachWayRefusedError)


async def play(options: DemoOptions, config: Config, signals: TakenSignals) -> int:
    """Play, resume or finish a run, and return the exit code."""
    asked = Progress(
        match=options.match,
        seed=options.seed,
        bettors=options.bettors,
        markets=options.markets,
        beside=options.beside,
        slips=options.slips,
    )
    match_by_id(options.match)
    folder, progress = choose_run(options.data_dir, asked, resume=options.resume)
    match = match_by_id(progress.match)
    progress = replace(progress, starts=progress.starts + 1)
    folder.save(progress)
    console = Console()
    demo = Demo(options, config, match=match, folder=folder, progress=progress, console=console)
    with signals.handled(dict.fromkeys(STOPS, demo.interrupt)):
        return await demo.run()


class Demo:
    """A run as played by one process; a resumed run has several.

    Parameters
    ----------
    options, config : DemoOptions, Config
        The command line's options, and the settings of the system.
    match : MatchTimeline
        What is played.
    folder, progress : RunFolder, Progress
        The run's folder, and how far it has been played.
    console : Console
        The terminal.
    """

    def __init__(
        self,
        options: DemoOptions,
        config: Config,
        *,
        match: MatchTimeline,
        folder: RunFolder,
        progress: Progress,
        console: Console,
    ) -> None:
        self._options = options
        self._match = match
        self._folder = folder
        self._progress = progress
        self._console = console
        self._fixtures = programme(match, markets=progress.markets, beside=progress.beside)
        self._races = races_beside(progress.seed) if progress.slips else ()
        config = self._own(config)
        self._config = config
        self._system = system_of(config)
        self._tokens = RunTokens(config, sub="trader")
        self._interrupted = asyncio.Event()
        self._stopped = False
        self._played_s = progress.played_s
        self._traders: Traders
        self._bettors: Bettors
        self._crowd: list[Bettor] = []
        self._place_nos: list[MarketNo] = []
        self._result_no = MarketNo(0)
        self._checks: list[Check] = []
        self._kill: asyncio.Task[None] | None = None
        scene = Scene(
            fixture=f"World Cup 2022, {match.stage}",
            home=match.home,
            away=match.away,
            currency=CURRENCY,
            speed=options.speed,
        )
        self._show = SceneUpdater(scene, make_view(console, plain=options.plain), self._fixtures)
        self._show.set_clock(progress.played_s)

    def _own(self, config: Config) -> Config:
        """Return the settings of this run's system."""
        markets = sum(len(fixture.keys) for fixture in self._fixtures) + 2 * len(self._races)
        shared = self._options.markets_per_actor or -(-markets // PROCESSES)
        return own_config(
            config,
            data_dir=self._folder.data_dir,
            base_port=self._options.base_port,
            markets_per_actor=shared,
        )

    # --- start and stop --------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Stop in good order, as soon as possible."""
        self._interrupted.set()

    async def run(self) -> int:
        """Play until the books are closed, or until stopped; return the exit code."""
        work = asyncio.create_task(self._run())
        stop = asyncio.create_task(self._interrupted.wait())
        try:
            await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
            code = work.result() if work.done() else await self._interrupt(work)
            if self._stopped:
                self._show.view.close()
                self._console.print(_STOPPED, highlight=False)
            return code
        except (*_FAILURES, GatewayError, PeerError, TimeoutError) as error:
            self._show.view.close()
            self._console.print(f"the demo failed: {error or 'out of time'}", highlight=False)
            return EXIT_FAILED
        finally:
            stop.cancel()
            self._show.view.close()

    async def _interrupt(self, work: asyncio.Task[int]) -> int:
        """Cancel the run and save how far it was played."""
        self._show.log("shutting down; everything answered is on disk")
        self._show.view.show(self._show.scene)
        self._stopped = True
        if not self._system.started:
            self._save()
            self._show.view.close()
            end_before_start(self._system, _STOPPED)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        self._save()
        return EXIT_INTERRUPTED

    async def _run(self) -> int:
        """Start the system, play, close the books, and stop the system."""
        self._show.log("starting Ray, the supervisor, the account shards and the gateway")
        starting = asyncio.create_task(self._show.starting())
        try:
            async with self._system:
                await self._open_books()
                return await self._trade(starting)
        finally:
            starting.cancel()

    async def _trade(self, starting: asyncio.Task[None]) -> int:
        """Connect trader and bettors, play, and close the books."""
        ports = self._system.ports[0]
        self._show.log(
            f"bets ws://127.0.0.1:{ports['bets']}, control ws://127.0.0.1:{ports['control']}"
        )
        control = connect_control(
            f"ws://127.0.0.1:{ports['control']}", token=self._tokens.of(Role.HEAD_TRADER)
        )
        console = open_console(
            self._system,
            self._config,
            token=RunTokens(self._config, sub="floor").of(Role.HEAD_TRADER),
            second=RunTokens(self._config, sub="second").of(Role.SETTLER),
            wanted=self._options.console,
            log=self._show.log,
        )
        async with control as session, console:
            self._traders = Traders(self._fixtures, session, self._races)
            self._bettors = self._make_bettors(ports["bets"])
            try:
                await self._traders.follow()
                await self._traders.prepare(self._progress.played_s)
                await put_offers(
                    session, [one.account_no for one in self._crowd], currency=CURRENCY
                )
                await self._bettors.open()
                await self._sell_each_way()
                starting.cancel()
                if await self._play():
                    return await self._close()
                self._show.log("shutting down; everything answered is on disk")
                self._stopped = True
                return 0
            finally:
                if self._kill is not None:
                    self._kill.cancel()
                await self._bettors.close()
                await self._traders.close()
                await self._show.close()

    async def _sell_each_way(self) -> None:
        """Have the place market of each race created."""
        known = self._system.routes.market_no_by_key
        self._place_nos = await self._bettors.ask_each_way(known[one.key] for one in self._races)

    async def _open_books(self) -> None:
        """Create the markets, accounts and deposits that do not exist yet."""
        rng = np.random.default_rng([self._progress.seed])
        self._crowd = crowd(
            self._progress.bettors,
            rng=rng,
            first_account_no=FIRST_ACCOUNT,
            slips=self._progress.slips,
        )
        commands = [command for one in self._fixtures for command in _create(one)]
        commands += [race.create() for race in self._races]
        opening = Opening(
            fixtures=described(self._fixtures, self._races),
            markets=tuple(
                OpeningMarket(
                    key=command.key,
                    outcomes=command.outcomes,
                    odds_milli=command.odds_milli,
                    limits=patch_of(command.limits),
                )
                for command in commands
            ),
            accounts=accounts_of(self._crowd),
        )
        self._show.log(f"starting {len(commands)} markets and opening the books")
        refused = await open_books(self._system, opening, limits=LimitsSettings())
        if refused and self._progress.starts == 1:
            raise DemoFailedError(f"the books could not be opened: {'; '.join(refused)}")
        if self._progress.starts > 1:
            await self._log_recovery()
        self._result_no = self._system.routes.market_no_by_key[self._fixtures[0].keys[0]]

    async def _log_recovery(self) -> None:
        statuses = await self._system.statuses()
        known = [one.health for one in statuses if one.health is not None]
        bets = sum(health.bets for health in known if health.markets)
        slowest_ms = max((health.recovery_ms for health in known), default=0.0)
        self._show.log(
            f"back from disk: {len(known)} journals with {bets:,} bets replayed, "
            f"the slowest in {slowest_ms:.0f} ms"
        )

    def _make_bettors(self, port: int) -> Bettors:
        return Bettors(
            self._crowd,
            url=f"ws://127.0.0.1:{port}",
            fixtures=[
                *(one.match.match for one in self._fixtures),
                *(race.fixture for race in self._races),
            ],
            token=self._tokens.bettor,
            seed=[self._progress.seed],
            start_no=self._progress.starts,
        )

    # --- play ------------------------------------------------------------------------------------

    async def _play(self) -> bool:
        """Run the match clock; return whether it reached the end of regular time."""
        options, match, loop = self._options, self._match, asyncio.get_running_loop()
        until_s = match.regular_s
        if options.until_minute != NEVER:
            until_s = min(until_s, match.played_at_minute(options.until_minute))
        begin_s, began_s = self._progress.played_s, loop.time()
        if begin_s >= match.regular_s:
            return True
        due = self._events(begin_s)
        if begin_s:
            self._show.log(f"play goes on at {match.clock_at(begin_s)}")
        self._bettors.start()
        while True:
            now_s = loop.time()
            played_s = min(begin_s + (now_s - began_s) * options.speed, float(until_s))
            self._played_s = played_s
            self._show.set_clock(played_s)
            while due and due[0][0] <= played_s:
                _, fixture, event = due.pop(0)
                self._on_event(fixture, event)
            self._step(played_s)
            if played_s >= until_s:
                self._save()
                return until_s == match.regular_s
            await asyncio.sleep(POLL_S)

    def _step(self, played_s: float) -> None:
        """Do what is due at this second of play."""
        show = self._show
        every_s = min(REPRICE_S, REPRICE_PLAYED_S / self._options.speed)
        reprice = show.due("reprice", max(every_s, REPRICE_S_MIN))
        self._traders.step(played_s, reprice=reprice)
        minute = self._options.kill_minute
        wanted = minute != NEVER and not self._progress.killed
        if wanted and played_s >= self._match.played_at_minute(minute):
            self._progress = replace(self._progress, killed=True)
            self._kill = asyncio.create_task(self._kill_result_market())
        show.refresh(self._system, self._traders, self._bettors)
        if show.due("save", SAVE_S):
            self._save()

    def _save(self) -> None:
        self._progress = replace(self._progress, played_s=self._played_s)
        self._folder.save(self._progress)

    def _events(self, begin_s: float) -> list[tuple[float, Fixture, Event]]:
        """Return the events of every match from a second on, by seconds of the main match."""
        events = [
            (float(event.played_s - fixture.ahead_s), fixture, event)
            for fixture in self._fixtures
            for event in fixture.match.events()
            if event.played_s < fixture.match.regular_s or event.kind is EventKind.FULL_TIME
        ]
        last_s = self._match.regular_s
        return sorted((one for one in events if begin_s <= one[0] < last_s), key=lambda one: one[0])

    def _on_event(self, fixture: Fixture, event: Event) -> None:
        match = fixture.match
        beside = match is not self._match
        if event.kind is EventKind.GOAL:
            assert event.goal is not None
            self._bettors.on_goal()
            scorer = match.home if event.goal.side.value == "h" else match.away
            kind = {"p": " (penalty)", "o": " (own goal)"}.get(event.goal.kind.value, "")
            goal = f"GOAL {scorer} {event.goal.at}{kind}: {match.home} {event.score} {match.away}"
            if beside:
                self._show.log(goal)
            else:
                self._show.log(f"{goal}; markets suspend, reprice and reopen", "goal")
        elif not beside:
            self._show.log(event.kind.value)
        elif event.kind is EventKind.FULL_TIME:
            self._show.log(
                f"full time: {match.home} {match.full_time} {match.away}; slips run on without it"
            )

    async def _kill_result_market(self) -> None:
        """Kill the 1x2 market's process, and check what came back."""
        kill = MarketKill(
            self._system,
            data_dir=self._folder.data_dir,
            market_no=self._result_no,
            show=self._show,
            draw=lambda: self._show.draw(self._traders, self._bettors),
        )
        self._checks.append(await kill.run(self._bettors.answers))

    # --- the whistle -----------------------------------------------------------------------------

    async def _close(self) -> int:
        """Settle, pay, and close the books; return the exit code."""
        match, folder = self._match, self._folder
        self._show.scene.phase = "full time"
        if self._kill is not None:
            await self._kill
        if self._options.settle_by_hand:
            await self._leave_results()
        self._show.log(
            f"full time: {match.home} {match.full_time} {match.away}; every market settles"
        )
        await self._traders.main.on_exposure(match.regular_state_at(match.regular_s - 1))
        unsettled = await self._traders.settle(deadline_s=SETTLE_DEADLINE_S)
        if unsettled:
            raise DemoFailedError(f"not settled in time: {', '.join(unsettled)}")
        await self._bettors.stop_betting(deadline_s=ANSWER_DEADLINE_S)
        left = await settled_and_paid(self._system, deadline_s=SETTLE_DEADLINE_S)
        if left:
            raise DemoFailedError(f"not everybody could be paid in time: {left}")
        unknown = await self._bettors.resolve(deadline_s=ANSWER_DEADLINE_S)
        if unknown:
            raise DemoFailedError(f"{unknown} bets stayed without an answer")
        self._show.log(
            f"bettors are paid: {self._bettors.settlements:,} settlements received to "
            f"{self._bettors.connected} of them, {money(self._bettors.paid_minor)} {CURRENCY}"
        )
        self._show.draw(self._traders, self._bettors)
        books = await close_books(
            self._system,
            data_dir=folder.data_dir,
            results=self._traders.results(),
            received=self._bettors.answers,
            currency=CURRENCY,
        )
        books = replace(books, checks=(*books.checks, *self._checks))
        if books.sound:
            self._progress = replace(self._progress, closed=True)
        self._played_s = float(match.regular_s)
        self._save()
        balances = await self._bettors.balances()
        self._show.view.close()
        for line in self._report(books, balances):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        return 0 if books.sound else EXIT_FAILED

    async def _leave_results(self) -> None:
        """Wait until somebody has settled every market of the main match, however long."""
        self._show.log(
            "full time: the results are yours; settle every market of the match at the console"
        )
        while self._traders.leave_results():
            self._show.refresh(self._system, self._traders, self._bettors)
            await asyncio.sleep(POLL_S)

    def _report(self, books: ClosedBooks, balances: dict[int, Minor]) -> list[str]:
        """Return what is printed at the end."""
        match = self._match
        after = ""
        if match.extra_time is not None:
            after = f"; {match.extra_time} after extra time"
            after += f", {match.shoot_out} on penalties" if match.shoot_out else ""
        gains = {
            bettor: balances[bettor.account_no] - bettor.bankroll_minor
            for bettor in self._crowd
            if bettor.account_no in balances
        }
        best = max(gains, key=lambda bettor: gains[bettor], default=None)
        lines = [f"{match.home} {match.full_time} {match.away} after 90 minutes{after}"]
        lines += [f"{line.clock:>12}  {line.text}" for line in self._show.events]
        lines += books.lines()
        if self._races:
            slips = self._bettors.answers.accepted_on(self._place_nos)
            ended = "; ".join(race.finish() for race in self._races)
            lines.append(f"each-way: {slips:,} slips on the places of {ended}")
        if self._traders.exposure is not None:
            exposure = exposure_of(self._traders.exposure).text()
            lines.append(f"exposure before the whistle, in {CURRENCY}: {exposure}")
        lines += [f"refused {line}" for line in refusal_lines(books.audit, books.slips)]
        if best is not None:
            name = best.profile.name.lower().replace("_", " ")
            article = "an" if name[0] in "aeiou" else "a"
            lines.append(f"best bettor: {article} {name}, {money(gains[best])} {CURRENCY} up")
        return lines


def _create(fixture: Fixture) -> list[CreateMarket]:
    """Return the commands that create a match's markets with their first odds."""
    trader = MatchTrader(fixture.match, fixture.keys)
    return trader.create(fixture.match.state_at(-1), liability_factor=fixture.liability_factor)
