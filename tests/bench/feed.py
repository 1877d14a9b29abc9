"""Measure feeds through the whole system: a goal, a busy provider, and a whole recording."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop
from msgspec.structs import replace
from rich.console import Console

from actors.system import System
from engine.pricing.football.model import MatchState, Period, Score
from gateway.client import BettorSession, FeedSession, connect, connect_feed
from gateway.configuration.config import Config
from gateway.feeds.core.settings import UofFeedSettings
from gateway.feeds.factory import feed_part
from gateway.feeds.uof.generator import LIVE, FeedGenerator
from gateway.market_limits import LimitsSettings
from gateway.messages.feed import FeedPushed
from gateway.replay.options import AS_FAST_AS_IT_GOES, ReplayOptions
from gateway.replay.run import Replay, read_summary
from gateway.session.tokens import Role
from simulations.timeline import match_by_id, world_cup_2022
from tests.bench.driver import Plan, Result
from tests.bench.exchange_parse import messages, ours, timed
from tests.bench.live import ACCOUNTS, drive, running, token
from tests.bench.table import Row

FEED = "uof"
FIXTURE = "sr:match:1"
MATCH = "wc22-64"
IDLE_GOALS = 200
LOAD_BETS = 400_000
LOAD_RUNS = 4
IN_FLIGHT = 16
BET_MARKETS = 4
WITHIN_S = 30.0

_LINES = ("2.5", "2.75", "3", "3.25", "3.5", "3.75", "4", "4.25", "4.5", "5.5")
_HANDICAPS = ("-2", "-1.75", "-1.5", "-1.25", "-1", "-0.75", "-0.5", "-0.25", "0", "0.25", "0.5")
GOAL_KEYS = (
    "1x2", "double_chance", "draw_no_bet", "odd_even", "correct_score", "half_time_full_time",
    "second_half_1x2", "second_half_correct_score", "second_half_odd_even",
    "second_half_both_teams_to_score", "second_half_double_chance", "second_half_draw_no_bet",
    "european_handicap?hcp=0:1", "european_handicap?hcp=1:0", "winning_margin", "exact_goals",
    "home_odd_even", "away_odd_even", "1x2_total?total=2.5", "1x2_total?total=3.5",
    *(f"total?total={line}" for line in _LINES),
    *(f"handicap?hcp={line}" for line in _HANDICAPS),
    *(f"{side}_total?total={line}" for side in ("home", "away") for line in ("1.5", "2.5", "3.5")),
    *(f"second_half_total?total={line}" for line in ("1.5", "2", "2.5", "3.5")),
    *(f"second_half_handicap?hcp={line}" for line in _HANDICAPS),
)  # fmt: skip
"""Markets that neither 1:0 nor 1:1 decides."""

MARKETS_LIVE = 2_000
FEED_A_MINUTE = 50_000
MARKETS_A_MESSAGE = 4
BUSY_S = 12.0
BUSY_RUNS = 3
PUSH_EVERY_S = 0.005
BETS_A_SECOND = 500
FLOOD_MESSAGES = 20_000
PUSHES_IN_FLIGHT = 64
FLOOD_BODIES = 64


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which this share of all samples lies."""
    ordered = sorted(samples)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _feed_url(system: System) -> str:
    return f"ws://127.0.0.1:{system.ports[0]['feed']}"


# --- a goal --------------------------------------------------------------------------------------


class Goals:
    """A match that alternates between 1:0 and 1:1, and a client that waits for its odds."""

    def __init__(self, source: FeedSession, watcher: BettorSession) -> None:
        self._generator = FeedGenerator(match_by_id(MATCH), event=FIXTURE, keys=GOAL_KEYS)
        self._source = source
        self._watcher = watcher
        self._at_ms = 1_700_000_000_000
        self._goals = 0
        self.prices = 0

    async def open(self) -> None:
        """Create, price and open all markets, and wait until the watcher has them."""
        await self._watcher.subscribe(fixtures=[FIXTURE])
        await self._source.push(FEED, [self._message()])
        async with asyncio.timeout(WITHIN_S):
            while not self._all_active():
                await asyncio.sleep(0.01)
        self.prices = sum(len(market.outcomes) for market in self._watcher.prices.values())

    async def goal_ms(self) -> float:
        """Push a goal; return the milliseconds until the watcher has every market's new odds."""
        before = {no: market.version for no, market in self._watcher.prices.items()}
        body = self._message()
        async with asyncio.timeout(WITHIN_S):
            began = time.perf_counter()
            answer = self._source.push(FEED, [body])
            async for market in self._watcher.updates():
                if market.status == "active" and market.version > before.get(market.market, 0):
                    before.pop(market.market, None)
                if not before:
                    break
            took = time.perf_counter() - began
            (result,) = (await answer).results
        assert not result.refused, result.refused
        return took * 1_000

    def _message(self) -> bytes:
        self._goals += 1
        self._at_ms += 1_000
        away = self._goals % 2
        state = MatchState(
            period=Period.SECOND_HALF,
            clock_s=2_700 + self._goals % 1_800,
            first_half=Score(home=1, away=0),
            second_half=Score(home=0, away=away),
            order="ha"[: 1 + away],
        )
        return self._generator.odds(self._at_ms, LIVE, state, status=1)[1]

    def _all_active(self) -> bool:
        markets = self._watcher.prices.values()
        return len(markets) == len(GOAL_KEYS) and all(m.status == "active" for m in markets)


async def goals() -> list[Row]:
    """Measure goals without other load, and under the load of the throughput measure."""
    part = feed_part(
        FEED, UofFeedSettings(enabled=True, own_prices=True, watch=False), limits=LimitsSettings()
    )
    async with running(markets=BET_MARKETS, markets_per_actor=128, feeds=[part]) as system:
        bets = f"ws://127.0.0.1:{system.ports[0]['bets']}"
        source = await connect_feed(_feed_url(system), token=token(0, role=Role.FEED))
        watcher = await connect(bets, token=token(0, role=Role.QUANT))
        try:
            match = Goals(source, watcher)
            await match.open()
            for _ in range(20):
                await match.goal_ms()
            idle = [await match.goal_ms() for _ in range(IDLE_GOALS)]
            loaded: list[float] = []
            rates: list[float] = []
            for run in range(LOAD_RUNS):
                load = asyncio.create_task(_bets_in_flight(bets, run=f"g{run}"))
                await asyncio.sleep(1.5)  # the driver's own start
                while not load.done():
                    loaded.append(await match.goal_ms())
                loaded.pop()  # the load ended during this goal
                result = load.result()
                rates.append(result.bets / result.seconds)
        finally:
            await source.close()
            await watcher.close()
    p50, p99 = quantile(loaded, 0.5), quantile(loaded, 0.99)
    return [
        Row(
            f"a goal in the feed to the last of {match.prices} new odds, p99 under bets",
            "ms",
            p99,
            p50,
            "the p50 of the same goals",
            "lower",
            3.0,
            "ratio",
            f"{len(GOAL_KEYS)} markets in one shell priced by our model, seen by one subscribed "
            f"client; {len(loaded)} goals while {ACCOUNTS} connections with {IN_FLIGHT} bets in "
            f"flight each place {statistics.median(rates):,.0f} bets/s; journals synced; without "
            f"bets ({IDLE_GOALS} goals) p50 {quantile(idle, 0.5):.1f} ms, "
            f"p99 {quantile(idle, 0.99):.1f} ms",
            loaded,
            idle,
        )
    ]


async def _bets_in_flight(url: str, *, run: str) -> Result:
    return await drive(
        Plan(
            urls=[url],
            tokens=[token(account) for account in range(ACCOUNTS)],
            markets=list(range(1, BET_MARKETS + 1)),
            in_flight=IN_FLIGHT,
            bets=LOAD_BETS,
            run=run,
        )
    )


# --- a busy provider -----------------------------------------------------------------------------


class Provider:
    """A provider of many matches at once, with a few markets of one match in each message."""

    def __init__(self, markets: int) -> None:
        self._rng = random.Random(7)
        self._at_ms = 1_700_000_000_000
        self._generators: list[FeedGenerator] = []
        self.markets = 0
        for number, match in enumerate(4 * list(world_cup_2022().values()), start=1):
            if self.markets >= markets:
                break
            one = FeedGenerator(match, event=f"sr:match:{number}")
            self._generators.append(one)
            self.markets += len(one.markets)
        self.matches = len(self._generators)
        self._states = [
            MatchState(period=Period.FIRST_HALF, clock_s=60 * minute) for minute in range(1, 45)
        ]

    def boards(self) -> list[bytes]:
        """Return for each match a message with all of its markets."""
        self._at_ms += 1_000
        return [
            one.odds(self._at_ms, LIVE, self._states[0], status=1)[1] for one in self._generators
        ]

    def messages(self, count: int) -> list[bytes]:
        """Return `count` messages in order of time."""
        bodies = []
        for _ in range(count):
            self._at_ms += 1
            one = self._rng.choice(self._generators)
            state = self._rng.choice(self._states)
            some = self._rng.sample(range(len(one.markets)), MARKETS_A_MESSAGE)
            bodies.append(one.odds(self._at_ms, LIVE, state, status=1, only=some)[1])
        return bodies


async def busy_provider() -> list[Row]:
    """Measure bets beside a feed of 50,000 messages a minute, and the feed's highest rate."""
    part = feed_part(FEED, UofFeedSettings(enabled=True, watch=False), limits=LimitsSettings())
    async with running(markets=BET_MARKETS, markets_per_actor=1_024, feeds=[part]) as system:
        bets = f"ws://127.0.0.1:{system.ports[0]['bets']}"
        source = await connect_feed(_feed_url(system), token=token(0, role=Role.FEED))
        try:
            provider = Provider(MARKETS_LIVE)
            for body in provider.boards():
                (result,) = (await source.push(FEED, [body])).results
                assert not result.refused, result.refused
            await _paced_bets(bets, run="w")
            idle: list[Result] = []
            busy: list[Result] = []
            answers_s: list[float] = []
            for run in range(BUSY_RUNS):
                idle.append(await _paced_bets(bets, run=f"i{run}"))
                bodies = provider.messages(int(FEED_A_MINUTE / 60 * 2 * BUSY_S))
                load = asyncio.create_task(_paced_bets(bets, run=f"b{run}"))
                answers_s += await _push_at_pace(source, bodies, until=load)
                busy.append(load.result())
            flood = await _flood(source, provider.messages(FLOOD_MESSAGES))
            shells = sum(one.kind == "market" for one in (await system.refresh()).shells.values())
        finally:
            await source.close()
    return _busy_rows(provider, idle, busy, answers_s, flood, shells=shells)


def _busy_rows(
    provider: Provider,
    idle: list[Result],
    busy: list[Result],
    answers_s: list[float],
    flood: float,
    *,
    shells: int,
) -> list[Row]:
    idle_p99 = statistics.median(result.p99_ms for result in idle)
    busy_p99 = statistics.median(result.p99_ms for result in busy)
    shared = (
        f"{provider.markets:,} live markets of {provider.matches} matches in {shells} shells, "
        f"{MARKETS_A_MESSAGE} markets per message, one source"
    )
    return [
        Row(
            f"bet p99 beside {FEED_A_MINUTE:,} feed messages a minute",
            "ms",
            busy_p99,
            idle_p99,
            "the same bets with no feed",
            "lower",
            2.0,
            "ratio",
            f"{shared}; {BETS_A_SECOND} bets/s at random times over {ACCOUNTS} connections, "
            f"{BUSY_S:.0f} s per run, median of {BUSY_RUNS}; bet p50 "
            f"{statistics.median(r.p50_ms for r in busy):.2f} ms against "
            f"{statistics.median(r.p50_ms for r in idle):.2f} without a feed; push to applied and "
            f"answered p50 {1_000 * quantile(answers_s, 0.5):.1f} ms, p99 "
            f"{1_000 * quantile(answers_s, 0.99):.1f} ms",
            [result.p99_ms for result in busy],
            [result.p99_ms for result in idle],
        ),
        Row(
            "feed messages a minute, highest rate",
            "/min",
            flood * 60,
            float(FEED_A_MINUTE),
            "a provider's rate in a busy minute",
            "higher",
            float(FEED_A_MINUTE),
            "ours",
            f"{shared}; {FLOOD_MESSAGES:,} messages, every one applied, journaled and synced",
        ),
    ]


async def _paced_bets(url: str, *, run: str) -> Result:
    return await drive(
        Plan(
            urls=[url],
            tokens=[token(account) for account in range(ACCOUNTS)],
            markets=list(range(1, BET_MARKETS + 1)),
            in_flight=1,
            bets=int(BETS_A_SECOND * BUSY_S),
            run=run,
            pace_s=ACCOUNTS / BETS_A_SECOND,
        )
    )


async def _push_at_pace(
    source: FeedSession, bodies: list[bytes], *, until: "asyncio.Task[Result]"
) -> list[float]:
    """Push at a provider's pace until the bets are done; return the seconds to each answer."""
    loop = asyncio.get_running_loop()
    answers_s: list[float] = []
    pushes: list[asyncio.Future[FeedPushed]] = []
    began, sent = loop.time(), 0
    while not until.done():
        due = min(int((loop.time() - began) * FEED_A_MINUTE / 60) - sent, FLOOD_BODIES)
        if due > 0 and sent < len(bodies):
            part = bodies[sent : sent + due]
            sent += len(part)
            pushed_s = loop.time()
            pushed = source.push(FEED, part)
            pushed.add_done_callback(lambda _, at_s=pushed_s: answers_s.append(loop.time() - at_s))
            pushes.append(pushed)
        await asyncio.sleep(PUSH_EVERY_S)
    elapsed_s = loop.time() - began
    _check_applied(await asyncio.gather(*pushes))
    assert sent / elapsed_s > 0.95 * FEED_A_MINUTE / 60, f"{sent} messages in {elapsed_s:.1f} s"
    return answers_s


async def _flood(source: FeedSession, bodies: list[bytes]) -> float:
    """Push as fast as answers arrive; return messages per second."""
    began = time.perf_counter()
    pushes: list[asyncio.Future[FeedPushed]] = []
    for start in range(0, len(bodies), FLOOD_BODIES):
        pushes.append(source.push(FEED, bodies[start : start + FLOOD_BODIES]))
        if len(pushes) >= PUSHES_IN_FLIGHT:
            await pushes[-PUSHES_IN_FLIGHT]
    answers = await asyncio.gather(*pushes)
    elapsed_s = time.perf_counter() - began
    _check_applied(answers)
    return len(bodies) / elapsed_s


def _check_applied(answers: Sequence[FeedPushed]) -> None:
    """Assert that no message was refused."""
    refused = [one.refused for answer in answers for one in answer.results if one.refused]
    assert not refused, f"{len(refused)} messages were refused, first: {refused[0]}"


# --- a recording ---------------------------------------------------------------------------------


def whole_recording() -> list[Row]:
    """Replay a recording without pauses through the whole system, with simulated bettors."""
    bodies, source = messages()
    parse_s = timed(lambda: ours(bodies, snapshots=False))
    with tempfile.TemporaryDirectory(dir=".", prefix="bench-") as folder:
        path = Path(folder) / "recording.jsonl"
        path.write_bytes(b"\n".join(bodies) + b"\n")
        figures = uvloop.run(_replay(path, Path(folder)))
    rate = figures["messages"] / figures["seconds"]
    return [
        Row(
            "a recording replayed through the whole system at --max",
            "messages/s",
            rate,
            len(bodies) / parse_s,
            "our parsing of the same messages into order books alone",
            "higher",
            FEED_A_MINUTE / 60,
            "ours",
            f"{source}; a market shell, an account shard, a gateway and 40 simulated bettors that "
            f"placed {figures['bets']:,.0f} bets meanwhile; every message applied, journaled and "
            f"synced, all markets settled and the books reconciled",
        )
    ]


async def _replay(path: Path, folder: Path) -> dict[str, float]:
    options = ReplayOptions(
        path=path,
        kind="",
        speed=AS_FAST_AS_IT_GOES,
        bettors=40,
        visits=25.0,
        markets_per_actor=256,
        seed=2022,
        base_port=0,
        data_dir=folder / "replay",
        plain=True,
    )
    with (folder / "output.txt").open("w", encoding="utf-8") as output:
        config = replace(Config(), data_dir=str(folder))
        run = Replay(options, config, recording=read_summary(path), console=Console(file=output))
        code = await run.run()
    assert code == 0, (folder / "output.txt").read_text(encoding="utf-8")
    return run.figures


def feeds() -> list[Row]:
    """Run the measures of feeds."""
    return [*uvloop.run(goals()), *uvloop.run(busy_provider()), *whole_recording()]
