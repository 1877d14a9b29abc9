"""One demo match: start the system, play, kill and recover a market, close the books.

Owns the order of these steps and how an interruption ends them. Odds come from the trader and the
shells, bets from the bettors; nothing of either is decided here.
"""

import asyncio
import contextlib
import os
import signal
from typing import Final

import numpy as np
from msgspec.structs import replace
from rich.console import Console

from actors.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED
from actors.messages import ShellState, ShellStatus, decode_health
from actors.peer import PeerError
from engine.common.ids import MarketNo
from engine.common.units import Minor
from gateway.client import GatewayError, connect_control
from gateway.configuration.config import Config
from gateway.configuration.opening import Opening, OpeningMarket, open_books
from gateway.configuration.system import system_of
from gateway.demo.bettors import Bettors
from gateway.demo.closing import (
    Check,
    ClosedBooks,
    close_books,
    refusal_lines,
    same_as_journal,
    settled_and_paid,
)
from gateway.demo.environment import (
    CURRENCY,
    FIRST_ACCOUNT,
    RunTokens,
    accounts_of,
    end_before_start,
    own_config,
)
from gateway.demo.figures import money
from gateway.demo.options import NEVER, PROCESSES, DemoOptions
from gateway.demo.run_folder import Progress, RunFolder, choose_run
from gateway.demo.scene import Scene
from gateway.demo.trader import Trader
from gateway.demo.view import make_view
from gateway.demo.view_model import SceneUpdater, exposure_of
from gateway.market_limits import LimitsSettings, patch_of
from gateway.session.tokens import Role
from gateway.signals import STOPS, TakenSignals
from simulations.crowd import Bettor, crowd
from simulations.timeline import Event, EventKind, MatchTimeline, match_by_id
from simulations.trader import RESULT, MatchTrader, by_market_no, market_keys

POLL_S: Final = 0.05
RECOVERY_POLL_S: Final = 0.01
SAVE_S: Final = 1.0
REPRICE_S: Final = 1.5
"""Longest time between two repricings of the fixture, in seconds."""
REPRICE_PLAYED_S: Final = 180
"""The same bound in seconds of play; the shorter one holds."""
REPRICE_S_MIN: Final = 0.2
RECOVERY_DEADLINE_S: Final = 90.0
SETTLE_DEADLINE_S: Final = 90.0
ANSWER_DEADLINE_S: Final = 20.0
_STOPPED: Final = "stopped; `overround demo --resume` plays on"


class DemoFailedError(Exception):
    """A step of the demo did not end in time; the message names it."""


async def play(options: DemoOptions, config: Config, signals: TakenSignals) -> int:
    """Play, resume or finish a run, and return the exit code."""
    asked = Progress(
        match=options.match,
        seed=options.seed,
        bettors=options.bettors,
        markets=options.markets,
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
        self._keys = market_keys(match, markets=progress.markets)
        config = self._own(config)
        self._system = system_of(config)
        self._tokens = RunTokens(config, sub="trader")
        self._interrupted = asyncio.Event()
        self._stopped = False
        self._played_s = progress.played_s
        self._trader: Trader
        self._bettors: Bettors
        self._crowd: list[Bettor] = []
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
        self._show = SceneUpdater(scene, make_view(console, plain=options.plain), match)
        self._show.set_clock(progress.played_s)

    def _own(self, config: Config) -> Config:
        """Return the settings of this run's system."""
        shared = self._options.markets_per_actor or -(-self._progress.markets // PROCESSES)
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
        except (DemoFailedError, GatewayError, PeerError, TimeoutError) as error:
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
            f"ws://127.0.0.1:{ports['control']}", token=self._tokens.of(Role.TRADER)
        )
        async with control as session:
            self._trader = Trader(self._match, self._keys, session)
            self._bettors = self._make_bettors(ports["bets"])
            try:
                await self._trader.follow()
                await self._trader.prepare(self._progress.played_s)
                await self._bettors.open()
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
                await self._trader.close()
                await self._show.close()

    async def _open_books(self) -> None:
        """Create the markets, accounts and deposits that do not exist yet."""
        rng = np.random.default_rng([self._progress.seed])
        self._crowd = crowd(self._progress.bettors, rng=rng, first_account_no=FIRST_ACCOUNT)
        commands = MatchTrader(self._match, self._keys).create(self._match.state_at(-1))
        opening = Opening(
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
        self._show.log(f"starting {len(self._keys)} markets and opening the books")
        refused = await open_books(self._system, opening, limits=LimitsSettings())
        if refused and self._progress.starts == 1:
            raise DemoFailedError(f"the books could not be opened: {'; '.join(refused)}")
        if self._progress.starts > 1:
            await self._log_recovery()
        self._result_no = self._system.routes.market_no_by_key[self._keys[0]]

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
            fixture=self._match.match,
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
        due = [event for event in match.events() if begin_s <= event.played_s < match.regular_s]
        if begin_s:
            self._show.log(f"play goes on at {match.clock_at(begin_s)}")
        self._bettors.start()
        while True:
            now_s = loop.time()
            played_s = min(begin_s + (now_s - began_s) * options.speed, float(until_s))
            self._played_s = played_s
            self._show.set_clock(played_s)
            while due and due[0].played_s <= played_s:
                self._on_event(due.pop(0))
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
        self._trader.step(played_s, reprice=reprice)
        minute = self._options.kill_minute
        wanted = minute != NEVER and not self._progress.killed
        if wanted and played_s >= self._match.played_at_minute(minute):
            self._progress = replace(self._progress, killed=True)
            self._kill = asyncio.create_task(self._kill_result_market())
        show.refresh(self._system, self._trader, self._bettors)
        if show.due("save", SAVE_S):
            self._save()

    def _save(self) -> None:
        self._progress = replace(self._progress, played_s=self._played_s)
        self._folder.save(self._progress)

    def _on_event(self, event: Event) -> None:
        match event.kind:
            case EventKind.GOAL:
                assert event.goal is not None
                self._bettors.on_goal()
                scorer = self._match.home if event.goal.side.value == "h" else self._match.away
                kind = {"p": " (penalty)", "o": " (own goal)"}.get(event.goal.kind.value, "")
                self._show.log(
                    f"GOAL {scorer} {event.goal.at}{kind}: {self._match.home} {event.score} "
                    f"{self._match.away}; markets suspend, reprice and reopen",
                    "goal",
                )
            case kind:
                self._show.log(kind.value)

    # --- killing a market ------------------------------------------------------------------------

    async def _kill_result_market(self) -> None:
        """Kill the 1x2 market's process, wait for its successor, compare it with the journal."""
        loop = asyncio.get_running_loop()
        await self._system.refresh()
        shell = self._system.routes.market_shell(self._result_no)
        assert shell is not None, "the market has been created"
        before = await self._status(shell)
        assert before.health is not None, "it has been serving"
        os.kill(before.health.pid, signal.SIGKILL)
        killed_s = loop.time()
        self._show.log(
            f"{RESULT}: process {before.health.pid} killed (SIGKILL) while bets arrive", "kill"
        )
        self._show.scene.outage, self._show.down_no = f"{RESULT} is down", self._result_no
        self._show.draw(self._trader, self._bettors)
        async with asyncio.timeout(RECOVERY_DEADLINE_S):
            while True:
                now = await self._status(shell)
                took_s = loop.time() - killed_s
                if now.state is ShellState.SERVING and now.generation != before.generation:
                    break
                self._show.scene.outage = f"{RESULT} is down: {took_s:.1f} s"
                await asyncio.sleep(RECOVERY_POLL_S)
        self._show.scene.outage, self._show.down_no = "", 0
        self._show.scene.recovery = f"{RESULT} was down for {took_s:.2f} s"
        await self._system.refresh()
        health = decode_health(await self._system.peer(shell).ask("tick"))
        self._show.log(
            f"{RESULT}: back after {took_s:.2f} s as process {health.pid}; "
            f"{health.recovered_bets:,} bets replayed in {health.recovery_ms:.0f} ms",
            "back",
        )
        same, text = await same_as_journal(self._system, shell, self._folder.data_dir)
        text = f"hash {text[:16]} is its journal's" if same else f"NOT its journal's: {text}"
        self._show.log(f"{RESULT}: state {text}", "back" if same else "kill")
        self._show.scene.recovery += f", state {text}"
        detail = f"down for {took_s:.2f} s, {health.recovered_bets:,} bets, {text}"
        self._checks.append(
            Check(name=f"the killed {RESULT} market came back whole", passed=same, detail=detail)
        )

    async def _status(self, shell: str) -> ShellStatus:
        for status in await self._system.statuses():
            if status.name == shell:
                return status
        raise DemoFailedError(f"the supervisor does not know {shell}")

    # --- the whistle -----------------------------------------------------------------------------

    async def _close(self) -> int:
        """Settle, pay, and close the books; return the exit code."""
        match, folder = self._match, self._folder
        self._show.scene.phase = "full time"
        if self._kill is not None:
            await self._kill
        self._show.log(
            f"full time: {match.home} {match.full_time} {match.away}; every market settles"
        )
        await self._trader.on_exposure(match.regular_state_at(match.regular_s - 1))
        unsettled = await self._trader.settle(deadline_s=SETTLE_DEADLINE_S)
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
        state = match.regular_state_at(match.regular_s)
        results = by_market_no(self._trader.trader.results(state), self._trader.prices)
        self._show.draw(self._trader, self._bettors)
        books = await close_books(
            self._system,
            data_dir=folder.data_dir,
            results=results,
            received=self._bettors.received,
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
        if self._trader.exposure is not None:
            exposure = exposure_of(self._trader.exposure).text()
            lines.append(f"exposure before the whistle, in {CURRENCY}: {exposure}")
        lines += [f"refused {line}" for line in refusal_lines(books.audit)]
        if best is not None:
            name = best.profile.name.lower().replace("_", " ")
            lines.append(f"best bettor: a {name}, {money(gains[best])} {CURRENCY} up")
        return lines
