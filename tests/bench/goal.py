"""Measure a goal in a feed to the last of a client's new odds, under bets, on both ways.

The two ways between processes take turns, each on a system of its own.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass, field

import uvloop

from engine.pricing.football.model import MatchState, Period, Score
from gateway.client import BettorSession, FeedSession, connect, connect_feed
from gateway.feeds.core.settings import UofFeedSettings
from gateway.feeds.factory import feed_part
from gateway.feeds.uof.generator import LIVE, FeedGenerator
from gateway.market_limits import LimitsSettings
from gateway.session.tokens import Role
from simulations.timeline import match_by_id
from tests.bench.driver import Plan
from tests.bench.live import ACCOUNTS, bet_urls, drive, feed_url, running, token
from tests.bench.table import Row, quantile

FEED = "uof"
FIXTURE = "sr:match:1"
MATCH = "wc22-64"
IDLE_GOALS = 50
LOAD_BETS = 300_000
RUNS = 2
IN_FLIGHT = 16
BET_MARKETS = 4
WITHIN_S = 30.0

_LINES = ("2.5", "2.75", "3", "3.25", "3.5", "3.75", "4", "4.25", "4.5", "5.5")
_HANDICAPS = ("-2", "-1.75", "-1.5", "-1.25", "-1", "-0.75", "-0.5", "-0.25", "0", "0.25", "0.5")
GOAL_KEYS = (
    "1x2", "double_chance", "draw_no_bet", "odd_even", "correct_score", "half_time_full_time",
    "second_half_1x2", "second_half_correct_score_to_two", "second_half_odd_even",
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


@dataclass
class Measured:
    """Milliseconds of goals without bets and under bets, and the bets per second."""

    idle_ms: list[float] = field(default_factory=list)
    loaded_ms: list[float] = field(default_factory=list)
    bets_s: list[float] = field(default_factory=list)
    prices: int = 0


async def _measure(result: Measured, *, road: bool) -> None:
    """Add a block of goals on a new system."""
    part = feed_part(
        FEED, UofFeedSettings(enabled=True, own_prices=True, watch=False), limits=LimitsSettings()
    )
    async with running(markets=BET_MARKETS, markets_per_actor=128, feeds=[part], road=road) as up:
        source = await connect_feed(feed_url(up), token=token(0, role=Role.FEED))
        watcher = await connect(bet_urls(up)[0], token=token(0, role=Role.QUANT))
        try:
            match = Goals(source, watcher)
            await match.open()
            result.prices = match.prices
            for _ in range(20):
                await match.goal_ms()
            result.idle_ms += [await match.goal_ms() for _ in range(IDLE_GOALS)]
            plan = Plan(
                urls=bet_urls(up),
                tokens=[token(account) for account in range(ACCOUNTS)],
                markets=list(range(1, BET_MARKETS + 1)),
                in_flight=IN_FLIGHT,
                bets=LOAD_BETS,
                run="g",
            )
            load = asyncio.create_task(drive(plan))
            await asyncio.sleep(1.5)  # the driver's own start
            while not load.done():
                result.loaded_ms.append(await match.goal_ms())
            result.loaded_ms.pop()  # the load ended during this goal
            bets = load.result()
            result.bets_s.append(bets.bets / bets.seconds)
        finally:
            await source.close()
            await watcher.close()


async def _both_ways() -> list[Row]:
    road, calls = Measured(), Measured()
    for _ in range(RUNS):
        await _measure(road, road=True)
        await _measure(calls, road=False)
    p50, p99 = quantile(road.loaded_ms, 0.5), quantile(road.loaded_ms, 0.99)
    named = f"a goal in the feed to the last of {road.prices} new odds"
    conditions = (
        f"{len(GOAL_KEYS)} markets in one shell priced by our model, seen by one subscribed "
        f"client, under {ACCOUNTS} connections with {IN_FLIGHT} bets in flight each, journals "
        f"synced; {_text(road)}; by calls of Ray {_text(calls)}"
    )
    return [
        Row(f"{named}, p50 under bets", "ms", p50, quantile(calls.loaded_ms, 0.5),
            "the same by calls of Ray, in turn", "lower", 0.5, "ratio", conditions,
            road.loaded_ms, calls.loaded_ms),
        Row(f"{named}, p99 under bets", "ms", p99, p50, "the p50 of the same goals", "lower", 2.0,
            "ratio", conditions, road.loaded_ms, road.loaded_ms),
    ]  # fmt: skip


def _text(measured: Measured) -> str:
    loaded, idle = measured.loaded_ms, measured.idle_ms
    return (
        f"{len(loaded)} goals p50 {quantile(loaded, 0.5):.1f} ms, p99 {quantile(loaded, 0.99):.1f} "
        f"ms beside {statistics.median(measured.bets_s):,.0f} bets/s, without bets p50 "
        f"{quantile(idle, 0.5):.1f} ms, p99 {quantile(idle, 0.99):.1f} ms"
    )


def goals() -> list[Row]:
    """Measure goals without other load, and under the load of the throughput measure."""
    return uvloop.run(_both_ways())
