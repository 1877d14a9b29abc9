"""Measure a busy provider of many live matches: bets beside its feed, and its highest rate."""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvloop

from actors.system import System
from engine.pricing.football.model import MatchState, Period
from gateway.client import FeedSession, connect_feed
from gateway.feeds.core.settings import UofFeedSettings
from gateway.feeds.factory import feed_part
from gateway.feeds.uof.generator import LIVE, FeedGenerator
from gateway.market_limits import LimitsSettings
from gateway.messages.feed import FeedPushed
from gateway.session.tokens import Role
from simulations.timeline import world_cup_2022
from tests.bench.driver import Plan, Result
from tests.bench.live import ACCOUNTS, WAYS, bet_urls, drive, feed_url, pids_by_kind, running, token
from tests.bench.processor_time import seconds_by_kind
from tests.bench.table import Row, cost_text, quantile

FEED = "uof"
BET_MARKETS = 4
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
FLOOD_RUNS = 2


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


@dataclass(frozen=True)
class Live:
    """A system that follows a provider, which has sent all of its markets."""

    system: System
    source: FeedSession
    provider: Provider
    shells: int

    def __str__(self) -> str:
        provider = self.provider
        return (
            f"{provider.markets:,} live markets of {provider.matches} matches in {self.shells} "
            f"shells, {MARKETS_A_MESSAGE} markets per message, one source"
        )


@asynccontextmanager
async def _live(*, road: bool | None = None) -> AsyncIterator[Live]:
    part = feed_part(FEED, UofFeedSettings(enabled=True, watch=False), limits=LimitsSettings())
    async with running(
        markets=BET_MARKETS, markets_per_actor=1_024, feeds=[part], road=road
    ) as system:
        source = await connect_feed(feed_url(system), token=token(0, role=Role.FEED))
        try:
            provider = Provider(MARKETS_LIVE)
            for body in provider.boards():
                (result,) = (await source.push(FEED, [body])).results
                assert not result.refused, result.refused
            shells = sum(one.kind == "market" for one in (await system.refresh()).shells.values())
            yield Live(system, source, provider, shells)
        finally:
            await source.close()


# --- bets beside a feed --------------------------------------------------------------------------


async def _busy() -> list[Row]:
    idle: list[Result] = []
    busy: list[Result] = []
    answers_s: list[float] = []
    async with _live() as live:
        bets = bet_urls(live.system)
        await _paced_bets(bets, run="w")
        for run in range(BUSY_RUNS):
            idle.append(await _paced_bets(bets, run=f"i{run}"))
            bodies = live.provider.messages(int(FEED_A_MINUTE / 60 * 2 * BUSY_S))
            load = asyncio.create_task(_paced_bets(bets, run=f"b{run}"))
            answers_s += await _push_at_pace(live.source, bodies, until=load)
            busy.append(load.result())
    return [
        Row(
            f"bet p99 beside {FEED_A_MINUTE:,} feed messages a minute",
            "ms",
            statistics.median(result.p99_ms for result in busy),
            statistics.median(result.p99_ms for result in idle),
            "the same bets with no feed",
            "lower",
            1.3,
            "ratio",
            f"{live}; {BETS_A_SECOND} bets/s at random times over {ACCOUNTS} connections, "
            f"{BUSY_S:.0f} s per run, in turn, median of {BUSY_RUNS}; bet p50 "
            f"{statistics.median(r.p50_ms for r in busy):.2f} ms against "
            f"{statistics.median(r.p50_ms for r in idle):.2f} without a feed; push to applied and "
            f"answered p50 {1_000 * quantile(answers_s, 0.5):.1f} ms, p99 "
            f"{1_000 * quantile(answers_s, 0.99):.1f} ms",
            [result.p99_ms for result in busy],
            [result.p99_ms for result in idle],
        )
    ]


async def _paced_bets(urls: list[str], *, run: str) -> Result:
    return await drive(
        Plan(
            urls=urls,
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


# --- as many as it takes -------------------------------------------------------------------------


async def _highest() -> list[Row]:
    """Push to a system of each way in turn."""
    rates: dict[bool, list[float]] = {True: [], False: []}
    cost_us: dict[bool, dict[str, float]] = {}
    for _ in range(FLOOD_RUNS):
        for road in WAYS:
            async with _live(road=road) as live:
                pids = await pids_by_kind(live.system)
                bodies = live.provider.messages(FLOOD_MESSAGES)
                used_s = seconds_by_kind(pids)
                rates[road].append(60 * await _flood(live.source, bodies))
                cost_us[road] = {
                    kind: (seconds - used_s[kind]) * 1e6 / FLOOD_MESSAGES
                    for kind, seconds in seconds_by_kind(pids).items()
                }
    return [
        Row(
            "feed messages a minute, highest rate",
            "/min",
            statistics.median(rates[True]),
            statistics.median(rates[False]),
            "the same by calls of Ray, in turn",
            "higher",
            500_000.0,
            "ours",
            f"{live}; {FLOOD_MESSAGES:,} messages, every one applied, journaled and synced, median "
            f"of {FLOOD_RUNS}; {cost_text(cost_us[True], a='message')}; by calls of Ray: "
            f"{cost_text(cost_us[False], a='message')}",
            rates[True],
            rates[False],
        )
    ]


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


def busy_provider() -> list[Row]:
    """Measure bets beside a feed of 50,000 messages a minute."""
    return uvloop.run(_busy())


def highest_rate() -> list[Row]:
    """Measure the most messages a minute that one source gets applied."""
    return uvloop.run(_highest())
