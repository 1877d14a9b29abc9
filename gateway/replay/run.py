"""One replay: start the system, push a recording while a crowd bets, settle, close the books.

Owns the order of these steps and the pace. The feed's adapter interprets messages, the markets
apply them, and what every bet is owed is computed from the journals alone.
"""

import asyncio
import contextlib
import time
from collections import Counter, deque
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console

from actors.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED
from actors.messages import decode_price_images
from actors.peer import PeerError
from actors.system_parts import FeedPart
from engine.common.commands import CancelMarket
from engine.common.events import Refused
from engine.common.lifecycle import Status
from gateway.client import ControlSession, FeedSession, GatewayError, connect_control, connect_feed
from gateway.configuration.config import Config
from gateway.configuration.opening import Opening, open_books
from gateway.configuration.system import system_of
from gateway.demo.closing import Check, ClosedBooks, close_books, refusal_lines, settled_and_paid
from gateway.demo.environment import (
    CURRENCY,
    FIRST_ACCOUNT,
    RunTokens,
    accounts_of,
    end_before_start,
    own_config,
)
from gateway.demo.figures import money, pad
from gateway.demo.run_folder import next_run
from gateway.feeds.bridge.recordings import (
    EXCHANGE,
    LSPORTS,
    UOF,
    RecordingDamagedError,
    kind_of,
    read_messages,
)
from gateway.feeds.core.clock import RecordedClock
from gateway.feeds.exchange.adapter import ExchangeAdapter
from gateway.feeds.exchange.fair_price import FairRules
from gateway.feeds.exchange.settings import ExchangeSettings
from gateway.feeds.factory import feed_part, uof_settings
from gateway.feeds.lsports.adapter import LsportsAdapter, LsportsSettings
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.settings import UofSettings
from gateway.market_limits import LimitsSettings
from gateway.messages.feed import FeedPushed, FeedStats
from gateway.replay.bettors import ReplayBettors
from gateway.replay.feed_verdict import feed_checks, feed_lines
from gateway.replay.options import AS_FAST_AS_IT_GOES, ReplayOptions
from gateway.replay.view import ReplayScene, ReplayView, make_replay_view, moment
from gateway.session.tokens import Role
from gateway.settings import FEED_BODIES_MAX
from gateway.signals import STOPS, TakenSignals
from persistence.journal import JournalOptions
from simulations.crowd import Bettor, crowd
from simulations.expected_payouts import expected_payouts_minor

NO_RESULT: Final = "the recording ended without a result"
BODIES_A_PUSH_MAX: Final = 64
PUSHES_MIN: Final = 200
"""Smallest number of pushes for a recording: answers, and so progress, come push by push."""
PUSHES_IN_FLIGHT_MAX: Final = 32
"""Largest number of pushes without an answer; past it no more are sent. They fill two calls to the
pipeline: it receives one while the other waits."""
BATCH_BYTES_MAX: Final = 1 << 20
ALL_JOURNAL_BYTES: Final = 1 << 40
"""Journaled bytes before a snapshot is due: no segment may go, since expected payouts are computed
from the first record on."""
POLL_S: Final = 0.1
SETTLE_DEADLINE_S: Final = 120.0
ANSWER_DEADLINE_S: Final = 30.0
_OVER: Final = frozenset({Status.SETTLED, Status.CANCELLED})
_COMMANDS_A_CALL: Final = 256

assert BODIES_A_PUSH_MAX <= FEED_BODIES_MAX


class ReplayFailedError(Exception):
    """A step of the replay did not end in time; the message names it."""


class Recording(Struct, frozen=True, kw_only=True):
    """What a first reading found in a recording; `damage` says where it breaks off."""

    kind: str
    messages: int
    first_ms: int | None
    last_ms: int | None
    damage: str = ""

    def lines(self) -> list[str]:
        """Return the lines to print."""
        span = ""
        if self.first_ms is not None and self.last_ms is not None:
            hours = (self.last_ms - self.first_ms) / 3.6e6
            span = f" over {hours:,.1f} h from {moment(self.first_ms)} UTC"
        found = [f"{self.messages:,} messages ({self.kind}){span}"]
        return [*found, f"damaged: {self.damage}"] if self.damage else found


def read_summary(path: Path, *, kind: str = "") -> Recording:
    """Read a recording once from end to end.

    Raises
    ------
    RecordingError
        When no message can be read.
    """
    kind = kind or kind_of(path)
    count, first_ms, last_ms, damage = 0, None, None, ""
    try:
        for recorded in read_messages(path, kind=kind):
            count += 1
            if recorded.at_ms is not None:
                first_ms = recorded.at_ms if first_ms is None else min(first_ms, recorded.at_ms)
                last_ms = recorded.at_ms if last_ms is None else max(last_ms, recorded.at_ms)
    except RecordingDamagedError as error:
        damage = str(error)
    return Recording(kind=kind, messages=count, first_ms=first_ms, last_ms=last_ms, damage=damage)


def recorded_feed(recording: Recording, config: Config) -> FeedPart:
    """Return the feed part for a recording.

    Its clock maps provider time to the replay's time. Producers are not watched, because no
    provider can repeat anything; every price is followed, however fast the recording is played.
    """
    if recording.kind == UOF:
        uof = replace(uof_settings(config.feed_uof), watch=False, before_start_ms=0)
        return feed_part(
            UOF, config.feed_uof, limits=config.limits, make_adapter=partial(recorded_uof, uof)
        )
    if recording.kind == LSPORTS:
        lsports = LsportsSettings(watch=False)
        return feed_part(
            LSPORTS,
            config.feed_lsports,
            limits=config.limits,
            make_adapter=partial(LsportsAdapter, feed=LSPORTS, settings=lsports),
        )
    fair = FairRules(odds_at_most=config.feed_exchange.odds_at_most)
    exchange = ExchangeSettings(fair=fair, every_ms=0)
    return feed_part(
        EXCHANGE,
        config.feed_exchange,
        limits=config.limits,
        make_adapter=partial(ExchangeAdapter, feed=EXCHANGE, settings=exchange),
    )


def recorded_uof(settings: UofSettings) -> UofAdapter:
    """Return an adapter on the replay's clock."""
    return UofAdapter(UOF, settings, clock=RecordedClock())


async def play(options: ReplayOptions, config: Config, signals: TakenSignals) -> int:
    """Replay a recording, and return the exit code."""
    recording = await asyncio.to_thread(read_summary, options.path, kind=options.kind)
    console = Console()
    run = Replay(options, config, recording=recording, console=console)
    with signals.handled(dict.fromkeys(STOPS, run.interrupt)):
        return await run.run()


class Replay:
    """One process's replay of one recording.

    Parameters
    ----------
    options, config : ReplayOptions, Config
        The command line's options, and the settings of the system.
    recording : Recording
        The recording.
    console : Console
        The terminal.
    """

    def __init__(
        self, options: ReplayOptions, config: Config, *, recording: Recording, console: Console
    ) -> None:
        self.figures: dict[str, float] = {}
        """Figures for benches: messages, seconds, bets."""
        self._options = options
        self._recording = recording
        self._console = console
        self._folder = next_run(options.data_dir)
        config = self._own(config)
        self._system = system_of(config, feeds=[recorded_feed(recording, config)])
        self._tokens = RunTokens(config, sub="replay")
        self._interrupted = asyncio.Event()
        self._kinds: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._crowd: list[Bettor] = []
        self._bettors: ReplayBettors
        self._stats: FeedStats
        self._scene = ReplayScene(title=options.path.name, messages_total=recording.messages)
        self._view: ReplayView = make_replay_view(console, plain=options.plain)

    def _own(self, config: Config) -> Config:
        """Return the settings of this replay's system, whose journals keep every record."""
        config = own_config(
            config,
            data_dir=self._folder.data_dir,
            base_port=self._options.base_port,
            markets_per_actor=self._options.markets_per_actor,
        )
        return replace(config, journal=JournalOptions(snapshot_bytes=ALL_JOURNAL_BYTES))

    # --- start and stop --------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Stop in good order, as soon as possible."""
        self._interrupted.set()

    async def run(self) -> int:
        """Play until the books are closed, or until stopped; return the exit code."""
        for line in self._recording.lines():
            self._view.say(line)
        work = asyncio.create_task(self._run())
        stop = asyncio.create_task(self._interrupted.wait())
        try:
            await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            stopped = f"stopped; what was played is in {self._folder.path}"
            if not self._system.started:
                self._view.close()
                end_before_start(self._system, stopped)
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            self._view.close()
            self._say(stopped)
            return EXIT_INTERRUPTED
        except (ReplayFailedError, GatewayError, PeerError, TimeoutError) as error:
            self._view.close()
            self._say(f"the replay failed: {error or 'out of time'}")
            return EXIT_FAILED
        finally:
            stop.cancel()
            self._view.close()

    async def _run(self) -> int:
        async with self._system:
            await self._open_books()
            ports = self._system.ports[0]
            self._view.say(
                f"bets ws://127.0.0.1:{ports['bets']}, control ws://127.0.0.1:{ports['control']}, "
                f"feed ws://127.0.0.1:{ports['feed']}"
            )
            feed = connect_feed(f"ws://127.0.0.1:{ports['feed']}", token=self._tokens.of(Role.FEED))
            control = connect_control(
                f"ws://127.0.0.1:{ports['control']}", token=self._tokens.of(Role.TRADER)
            )
            async with feed as source, control as trader:
                await trader.subscribe(all_markets=True)
                self._bettors = self._make_bettors(ports["bets"])
                try:
                    await self._bettors.open()
                    self._bettors.start()
                    drawing = asyncio.create_task(self._draw(trader))
                    try:
                        await self._play(source)
                        self._stats = await source.stats(self._recording.kind)
                    finally:
                        drawing.cancel()
                    return await self._close()
                finally:
                    await self._bettors.close()

    async def _open_books(self) -> None:
        rng = np.random.default_rng([self._options.seed])
        self._crowd = crowd(
            self._options.bettors,
            rng=rng,
            first_account_no=FIRST_ACCOUNT,
            slips=self._options.slips,
        )
        opening = Opening(accounts=accounts_of(self._crowd))
        refused = await open_books(self._system, opening, limits=LimitsSettings())
        if refused:
            raise ReplayFailedError(f"the books could not be opened: {'; '.join(refused)}")

    def _make_bettors(self, port: int) -> ReplayBettors:
        return ReplayBettors(
            self._crowd,
            url=f"ws://127.0.0.1:{port}",
            token=self._tokens.bettor,
            seed=self._options.seed,
            visits=self._options.visits,
        )

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    # --- play ------------------------------------------------------------------------------------

    async def _play(self, source: FeedSession) -> None:
        """Push the recording at its pace, and wait until every message is answered."""
        pace = Pace(self._options.speed, self._recording.first_ms)
        flying: deque[asyncio.Future[FeedPushed]] = deque()
        bodies: list[bytes] = []
        size = 0
        bodies_max = max(1, min(BODIES_A_PUSH_MAX, self._recording.messages // PUSHES_MIN))
        began_s = time.monotonic()

        async def push() -> None:
            nonlocal bodies, size
            if bodies:
                flying.append(source.push(self._recording.kind, bodies))
                bodies, size = [], 0
            while len(flying) >= PUSHES_IN_FLIGHT_MAX or (flying and flying[0].done()):
                self._count(await flying.popleft())
                self._scene.elapsed_s = time.monotonic() - began_s

        with contextlib.suppress(RecordingDamagedError):  # printed before, from the summary
            for recorded in read_messages(self._options.path, kind=self._recording.kind):
                while (wait_s := pace.wait_s(recorded.at_ms)) > 0:
                    await push()
                    await asyncio.sleep(min(wait_s, POLL_S))
                bodies.append(recorded.body)
                size += len(recorded.body)
                self._scene.feed_ms = recorded.at_ms or self._scene.feed_ms
                if len(bodies) >= bodies_max or size >= BATCH_BYTES_MAX:
                    await push()
        await push()
        while flying:
            self._count(await flying.popleft())
        took_s = time.monotonic() - began_s
        self._scene.elapsed_s = took_s
        self.figures = {"messages": float(self._scene.messages), "seconds": took_s}

    def _count(self, pushed: FeedPushed) -> None:
        for result in pushed.results:
            self._scene.messages += 1
            self._kinds[result.kind] += 1
            if result.refused:
                self._scene.refused += 1
                self._refusals[result.refused] += 1
        self._bettors.played(self._scene.share)

    async def _draw(self, trader: ControlSession) -> None:
        """Update the scene and draw it."""
        while True:
            statuses = [market.status for market in trader.prices.values()]
            self._scene.markets, self._scene.active = len(statuses), statuses.count("active")
            answers = self._bettors.answers
            self._scene.accepted = answers.counts["accepted"]
            self._scene.declined = answers.answered - answers.counts["accepted"]
            self._view.show(self._scene)
            await asyncio.sleep(POLL_S)

    # --- the end ---------------------------------------------------------------------------------

    async def _close(self) -> int:
        """Void unsettled markets, wait for payments, close the books; return the exit code."""
        await self._bettors.stop_betting(deadline_s=ANSWER_DEADLINE_S)
        settled, voided = await self._void_unsettled()
        left = await settled_and_paid(self._system, deadline_s=SETTLE_DEADLINE_S)
        if left:
            raise ReplayFailedError(f"not every bettor could be paid in time: {left}")
        unknown = await self._bettors.resolve(deadline_s=ANSWER_DEADLINE_S)
        if unknown:
            raise ReplayFailedError(f"{unknown} bets have no answer")
        folders = {
            kind: [
                self._folder.data_dir / "shells" / shell.name
                for shell in self._system.routes.shells.values()
                if shell.kind == kind
            ]
            for kind in ("market", "account")
        }
        payouts = await asyncio.to_thread(
            expected_payouts_minor, folders["market"], folders["account"]
        )
        books = await close_books(
            self._system,
            data_dir=self._folder.data_dir,
            expected_payouts_minor=payouts,
            received=self._bettors.answers,
            currency=CURRENCY,
        )
        checks = (*books.checks, self._recording_check(), *feed_checks(self._stats))
        books = replace(books, checks=checks)
        self.figures["bets"] = float(books.audit.bets)
        self._view.close()
        for line in self._report(books, settled=settled, voided=voided):
            self._say(line)
        return 0 if books.sound else EXIT_FAILED

    def _recording_check(self) -> Check:
        """Check that the recording is of this feed: at least one message was not refused."""
        scene = self._scene
        return Check(
            name="the recording is one of the feed's",
            passed=scene.refused < scene.messages,
            detail=f"{scene.refused:,} of {scene.messages:,} messages were refused",
        )

    async def _void_unsettled(self) -> tuple[int, int]:
        """Cancel every market without a result; return how many have one and how many do not."""
        await self._system.refresh()
        images = []
        for name, shell in self._system.routes.shells.items():
            if shell.kind == "market":
                raw = await self._system.peer(name).ask("price_images", None)
                images += decode_price_images(raw)
        open_nos = [image.market_no for image in images if image.status not in _OVER]
        for start in range(0, len(open_nos), _COMMANDS_A_CALL):
            events = await self._system.control(
                [
                    CancelMarket(market_no=number, why=NO_RESULT)
                    for number in open_nos[start : start + _COMMANDS_A_CALL]
                ],
                by="trader:replay",
            )
            refused = [event for event in events if isinstance(event, Refused)]
            if refused:
                raise ReplayFailedError(f"a market could not be cancelled: {refused[0].message}")
        settled = sum(image.status is Status.SETTLED for image in images)
        return settled, len(open_nos)

    def _report(self, books: ClosedBooks, *, settled: int, voided: int) -> list[str]:
        """Return what is printed at the end."""
        scene = self._scene
        pace = (
            "as fast as it goes"
            if self._options.speed == AS_FAST_AS_IT_GOES
            else f"{self._options.speed:g} recorded seconds a second"
        )
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self._kinds.most_common())
        figures = [
            ("messages", f"{scene.messages:,} in {scene.elapsed_s:.2f} s: {scene.rate:,.0f}/s"),
            ("pace", pace),
            ("kinds", kinds),
            ("markets", f"{settled:,} settled, {voided:,} void: {NO_RESULT}"),
        ]
        lines = pad(figures)
        lines += [
            f"message refused {n:,} times: {why}" for why, n in self._refusals.most_common(10)
        ]
        lines += feed_lines(self._stats)
        lines += books.lines()
        lines += [f"refused {line}" for line in refusal_lines(books.audit, books.slips)]
        lines.append(
            f"bettors received {self._bettors.settlements:,} settlements, "
            f"{money(self._bettors.paid_minor)} {CURRENCY}"
        )
        return lines


class Pace:
    """The time at which a recorded message is due.

    Parameters
    ----------
    speed : float
        Recorded seconds a second; 0 waits for nothing.
    first_ms : int or None
        The recording's first time; None where messages carry no time, and nothing waits.
    """

    def __init__(self, speed: float, first_ms: int | None) -> None:
        self._speed = speed
        self._first_ms = first_ms
        self._began_s = time.monotonic()

    def wait_s(self, at_ms: int | None) -> float:
        """Return how long to wait for a message of this time."""
        if self._speed == AS_FAST_AS_IT_GOES or at_ms is None or self._first_ms is None:
            return 0.0
        due_s = self._began_s + (at_ms - self._first_ms) / 1_000 / self._speed
        return due_s - time.monotonic()
