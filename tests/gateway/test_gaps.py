"""What is told again over a road when a connection has broken and notifications may be lost."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from actors.messages import ShellRoute, ShellState
from actors.peer import LocalPeer
from actors.road.peer import RoadPeer
from actors.road.road import Road, RoadSettings, join_road, leave_road
from actors.routes import Routes, account_shell_name
from engine.common.ids import AccountNo, ShardNo
from gateway.feeds.core.adapter import RecoveryRequest
from gateway.feeds.core.messages import decode_request
from gateway.feeds.core.recovery_requests import RecoveryRequests
from gateway.messages.bettor import BetEvent, MoneyEvent
from gateway.services.accounts import Accounts
from gateway.settings import GatewaySettings

SETTINGS = RoadSettings(secret=b"the secret of these tests")
ENDED_S = 20.0
SHELL = account_shell_name(ShardNo(0))


class Receiver:
    """Keeps what it was notified of."""

    def __init__(self) -> None:
        self.watched: list[list[int]] = []
        self.requested: list[int] = []

    def watch(self, gateway: str, account_nos: list[int]) -> None:
        """Keep the accounts."""
        assert gateway == "gateway-0"
        self.watched.append(account_nos)

    def on_feed_request(self, feed: str, payload: bytes) -> None:
        """Keep the request."""
        assert feed == "uof"
        self.requested.append(decode_request(payload).request_id)


class Watcher:
    """A session that only watches."""

    def on_account_event(self, event: BetEvent | MoneyEvent) -> None:
        """Expect none."""
        raise AssertionError(event)


class Line:
    """A receiver on a road, and this test's own road to it."""

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.callee = Road(SHELL, SETTINGS)
        self.peer: RoadPeer

    def cut(self) -> None:
        """End the connections, and leave both ends alive."""
        assert self.callee.server is not None
        assert self.callee.server.connections
        for connection in list(self.callee.server.connections):
            connection.abort()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """A receiver, and this process on the road."""
    made = Line()
    address = await made.callee.serve(made.receiver)
    made.peer = RoadPeer(LocalPeer(made.receiver, name=SHELL), address)
    join_road(Road("gateway-0", SETTINGS))
    yield made
    leave_road()
    made.callee.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(ENDED_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_watched_accounts_are_told_again(line: Line) -> None:
    routes = Routes(shards=1)
    route = ShellRoute(name=SHELL, kind="account", generation=1, state=ShellState.SERVING)
    routes.update(version=1, shells=[route], markets=[], peers={SHELL: line.peer})
    accounts = Accounts(routes=routes, settings=GatewaySettings(), gateway="gateway-0")
    accounts.watch(AccountNo(7), Watcher())
    accounts.watch(AccountNo(9), Watcher())
    await until(lambda: line.receiver.watched == [[7], [9]])
    line.cut()
    await until(lambda: line.receiver.watched == [[7], [9], [7, 9]])


async def test_open_recovery_requests_are_told_again(line: Line) -> None:
    requests = RecoveryRequests("uof")
    requests.on_gateways(1, [line.peer])
    for producer in (1, 3):
        request = RecoveryRequest(producer=producer, after_ms=1_000, request_id=10 * producer)
        requests.add(request)
    await until(lambda: line.receiver.requested == [10, 30])
    requests.done(1, 10)
    line.cut()
    await until(lambda: line.receiver.requested == [10, 30, 30])
