"""From the provider's sockets to bets and balances: bridge, gateway, pipeline and real shells."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from actors.peer import PeerError
from engine.common.commands import Deposit
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.units import NS_PER_MS
from gateway.client import BettorSession, connect
from gateway.feeds.bridge.bridge import Bridge
from gateway.feeds.bridge.transports import LsportsTransport
from gateway.feeds.lsports.adapter import LsportsAdapter, LsportsSettings
from gateway.feeds.lsports.trust import TrustSettings
from tests.gateway.feeds.feed_system import FeedSystem, feed_token, open_feed_system
from tests.gateway.feeds.lsports.provider import MATCH, ODDS, Provider
from tests.gateway.feeds.lsports.server import ProviderServer
from tests.gateway.feeds.lsports.test_connection import api_of, socket_of
from tests.gateway.price_gateway import token, until

KEY = f"tiny.{MATCH}/lsports_1"
SETTINGS = LsportsSettings(trust=TrustSettings(every_ms=0))
START_MINOR = 10_000
WAIT_S = 30.0
"""A whole system shares the machine with others."""


class WholeWay:
    """A provider, the system that follows it, and a bettor."""

    def __init__(self, server: ProviderServer, feeds: FeedSystem, bettor: BettorSession) -> None:
        self.server, self.provider, self.feeds, self.bettor = server, server.provider, feeds, bettor

    async def is_now(self, status: Status, *odds: int) -> None:
        """Return when the market has a status, and these odds."""

        async def holds() -> bool:
            try:
                image = (await self.feeds.images()).get(KEY)
            except PeerError:  # a shell that starts
                return False
            found = image is not None and image.status is status
            return found and (not odds or image.odds_milli == odds)

        await until(holds, wait_s=WAIT_S)

    async def shows_the_match(self) -> bool:
        """Say whether a bettor finds the match as the provider describes it."""
        found = (await self.bettor.fixtures(fixture=f"tiny.{MATCH}")).fixtures
        return bool(found) and (found[0].sport, found[0].state) == ("football", "live")

    async def bet(self, ref: str, outcome: int, odds: int) -> tuple[str, int]:
        """Bet 100; return the state and the reason."""
        number = (await self.feeds.images())[KEY].market_no
        bet = await self.bettor.place(
            ref=ref, market=number, outcome=outcome, stake_minor=100, odds_milli=odds
        )
        return bet.state, int(bet.reason)

    async def settled(self, balance_minor: int) -> None:
        """Return when the bettor's balance is as expected; the books must agree."""

        async def holds() -> bool:
            await self.feeds.system.reconciler.ask("step")
            return (await self.bettor.balance()).available_minor == balance_minor

        await until(holds, wait_s=WAIT_S)
        assert (await self.feeds.system.compare_bets_and_slips()).agree


@asynccontextmanager
async def whole_way(folder: Path) -> AsyncIterator[WholeWay]:
    provider = Provider(clock_ms=lambda: time.time_ns() // NS_PER_MS)
    adapter = partial(LsportsAdapter, feed="tiny", settings=SETTINGS)
    async with (
        ProviderServer(provider).running() as server,
        open_feed_system(folder, make_adapter=adapter, gateway={}, tick_ms=20) as feeds,
    ):
        await feeds.system.open_accounts([7], currency="EUR")
        await feeds.system.deposit([Deposit(account_no=7, amount_minor=START_MINOR, ref="start")])
        transport = LsportsTransport(socket_of(server), api_of(server))
        bridge = Bridge(transport=transport, feed="tiny", url=feeds.feed_url, token=feed_token)
        running = asyncio.create_task(bridge.run())
        bets_url = f"ws://127.0.0.1:{feeds.system.ports[0]['bets']}"
        try:
            await until(lambda: len(server.connections) == 1, wait_s=WAIT_S)
            async with connect(bets_url, token=token()) as bettor:
                yield WholeWay(server, feeds, bettor)
        finally:
            bridge.stop()
            await running


async def test_a_match_is_traded_from_its_first_odds_to_paid_bets_over_broken_connections(
    tmp_path: Path,
) -> None:
    async with whole_way(tmp_path) as way:
        server, provider = way.server, way.provider
        await server.send(provider.fixture(), provider.odds(ODDS))
        await way.is_now(Status.ACTIVE, 2_100, 3_400, 3_600)
        assert await way.bet("home", 0, 2_100) == ("accepted", 0)
        await until(way.shows_the_match, wait_s=WAIT_S)

        await server.send(provider.suspend())
        await way.is_now(Status.SUSPENDED)
        assert await way.bet("stopped", 0, 2_100) == ("rejected", Reason.MARKET_SUSPENDED)
        await server.send(provider.odds({"1": "1.60", "X": "3.90", "2": "5.00"}))
        await way.is_now(Status.ACTIVE, 1_600, 3_900, 5_000)

        asked = len(server.snapshots)
        server.refusing += [503] * 3
        await server.drop()
        provider.odds({"1": "1.20", "X": "6.00", "2": "15.00"})  # nobody hears this
        await way.is_now(Status.SUSPENDED)
        await until(lambda: len(server.snapshots) > asked, wait_s=WAIT_S)
        assert server.snapshots[-1]["Timestamp"] > 0
        await way.is_now(Status.ACTIVE, 1_200, 6_000, 15_000)
        assert await way.bet("away", 2, 15_000) == ("accepted", 0)

        await server.send(provider.odds({"1": "1.15"}))
        server.losing = True
        await server.send(provider.odds({"1": "1.10"}))
        server.losing = False
        await server.send(provider.odds({"1": "1.05"}))  # its number shows that one is missing
        await until(lambda: len(server.snapshots) > asked + 1, wait_s=WAIT_S)
        await way.is_now(Status.ACTIVE, 1_050, 6_000, 15_000)

        await server.send(provider.fixture(status=3), provider.settle({"1": 2, "X": 1, "2": 1}))
        await way.settled(START_MINOR + 110 - 100)
        await server.send(provider.settle({"1": 1, "2": 2}))
        await way.settled(START_MINOR - 100 + 1_400)
        await server.send(provider.settle({"1": -1, "X": -1, "2": -1}))
        await way.is_now(Status.SUSPENDED)
        await way.settled(START_MINOR - 200)
        await server.send(provider.settle({"1": 3, "X": 3, "2": 3}))
        await way.settled(START_MINOR)


async def test_a_new_pipeline_suspends_and_is_told_the_whole_state(tmp_path: Path) -> None:
    async with whole_way(tmp_path) as way:
        server, provider = way.server, way.provider
        await server.send(provider.fixture(), provider.odds(ODDS))
        await way.is_now(Status.ACTIVE, 2_100, 3_400, 3_600)
        assert await way.bet("home", 0, 2_100) == ("accepted", 0)
        server.losing = True
        await server.send(provider.settle({"1": 2, "X": 1, "2": 1}))
        server.losing = False

        (shell,) = {route.shell for route in way.feeds.system.routes.markets.values()}
        way.feeds.pipeline._resumption.resume_again(shell)
        await way.is_now(Status.SUSPENDED)
        await server.send(provider.heartbeat())
        await way.settled(START_MINOR + 110)


async def test_a_shell_that_dies_misses_nothing_of_the_feed(tmp_path: Path) -> None:
    async with whole_way(tmp_path) as way:
        server, provider = way.server, way.provider
        await server.send(provider.fixture(), provider.odds(ODDS))
        await way.is_now(Status.ACTIVE)
        assert await way.bet("draw", 1, 3_400) == ("accepted", 0)
        (shell,) = {route.shell for route in way.feeds.system.routes.markets.values()}
        way.feeds.local_process(shell).kill()
        await server.send(provider.suspend(), provider.settle({"1": 1, "X": 2, "2": 1}))
        await way.settled(START_MINOR + 240)
