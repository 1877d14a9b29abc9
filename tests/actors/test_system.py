"""The whole system in one process, as notebooks run it."""

from pathlib import Path

import pytest

from actors.desk import NAME as DESK
from actors.desk import Desk
from actors.directory import DirectoryMismatchError
from actors.peer import PeerDiedError
from actors.settings import DeskSettings, ReconcilerSettings, SupervisorSettings
from actors.system import System
from actors.system_parts import GatewayPart, SystemSettings
from engine.common.commands import Deposit, OpenMarket
from engine.common.events import AccountOpened, Deposited, MarketOpened, Refused
from engine.common.reasons import Reason
from persistence.disk import LockHeldError
from persistence.journal import JournalOptions
from tests.actors.trade import bets_of, market, market_control, reservations, settle_home
from tests.actors.virtual import run_virtual


def system_in(folder: Path, *, account_shards: int = 2, **arguments: object) -> System:
    settings = SystemSettings(
        supervisor=SupervisorSettings(account_shards=account_shards, markets_per_actor=2),
        reconciler=ReconcilerSettings(period_ms=100),
    )
    return System(data_dir=str(folder), settings=settings, embedded=True, **arguments)  # type: ignore[arg-type]


def test_a_bet_is_placed_settled_and_paid_and_agrees_with_its_slip(tmp_path: Path):
    async def main():
        async with system_in(tmp_path) as system:
            answers = await system.create_markets([market("a/1x2"), market("a/btts")])
            numbers = [answer.route.market_no for answer in answers if answer.route]
            opened = await system.control([OpenMarket(market_no=no) for no in reversed(numbers)])
            assert [event.market_no for event in opened if isinstance(event, MarketOpened)] == [
                2,
                1,
            ]
            assert {route.shell for route in system.routes.markets.values()} == {"market-00000"}
            accounts = await system.open_accounts([2, 3], currency="EUR")
            assert [type(event) for event in accounts] == [AccountOpened] * 2
            account = system.peer("account-000")
            requests = reservations(["a"], account_no=2)
            await system.deposit([Deposit(account_no=2, amount_minor=1_000, ref="d")])
            bets = bets_of(requests, await account.ask("exchange", b"", requests.tobytes()))
            decided = await system.peer("market-00000").ask("place", bets.tobytes())
            await account.ask("exchange", decided, b"")
            await system.control([settle_home()])
            await system.reconciler.ask("step")
            report = await system.compare_bets_and_slips()
            assert report.agree
            assert report.accepted == 1
            (euro, _) = report.totals
            assert (euro.available_minor, euro.house_minor) == (1_100, -100)

    run_virtual(main())


def test_a_folder_that_is_in_use_fails_the_start_and_ends_no_process(tmp_path: Path):
    """Tests of two processes shared one, and the second process ended without a word."""

    async def main():
        async with system_in(tmp_path):
            with pytest.raises(LockHeldError):
                await system_in(tmp_path).start()
        desk = Desk(folder=str(tmp_path / DESK), settings=DeskSettings(), options=JournalOptions())
        with pytest.raises(PeerDiedError, match="ended itself"):
            await system_in(tmp_path).start()
        await desk.stop()

    run_virtual(main())


def test_repeated_accounts_and_deposits_change_nothing_after_a_restart(tmp_path: Path):
    async def main():
        deposit = Deposit(account_no=3, amount_minor=500, ref="first")
        async with system_in(tmp_path) as system:
            await system.open_accounts([3], currency="EUR")
            await system.deposit([deposit])
        async with system_in(tmp_path) as system:
            (existing,) = await system.open_accounts([3], currency="EUR")
            assert isinstance(existing, Refused)
            assert existing.reason is Reason.ACCOUNT_EXISTS
            (known,) = await system.deposit([deposit])
            assert isinstance(known, Deposited)
            assert (known.known, known.available_minor) == (True, 500)

    run_virtual(main())


def test_a_system_that_cannot_start_releases_its_journals(tmp_path: Path):
    async def main():
        async with system_in(tmp_path):
            pass
        with pytest.raises(DirectoryMismatchError, match="account_shards"):
            async with system_in(tmp_path, account_shards=3):
                pass
        async with system_in(tmp_path) as system:
            assert len(await system.statuses()) == 2

    run_virtual(main())


class CountingGateway:
    """A gateway that records its notifications."""

    def __init__(self, *, name: str, supervisor: object, port: int) -> None:
        self.name = name
        self.port = port
        self.received: list[str] = []

    def on_routes(self, *_: object) -> None:
        self.received.append("on_routes")

    def on_desk(self, _: object) -> None:
        """Receive the desk's peer; nothing is counted."""

    def on_parts(self, *_: object) -> None:
        self.received.append("on_parts")

    def on_created(self, _: bytes) -> None:
        self.received.append("on_created")

    def on_prices(self, _: bytes) -> None:
        self.received.append("on_prices")

    async def start(self) -> dict[str, int]:
        assert self.received == ["on_routes", "on_parts"], "both come before listeners open"
        return {"bets": self.port}

    async def stop(self) -> None:
        self.received.append("stop")

    def notifications(self) -> list[str]:
        return self.received


def test_gateways_have_routes_before_they_open_and_receive_changes_of_markets(tmp_path: Path):
    async def main():
        part = GatewayPart(factory=CountingGateway, arguments={"port": 7})
        async with system_in(tmp_path, gateways=[part]) as system:
            assert system.ports == [{"bets": 7}]
            await system.create_markets([market("a/1x2")])
            await system.create_markets([market("a/btts")])
            shell = system.peer("market-00000")
            await shell.ask("control", market_control(OpenMarket(market_no=1)))
            await system.reconciler.ask("step")
            received = await system.gateways[0].ask("notifications")
            assert {"on_routes", "on_parts", "on_created", "on_prices"} == set(received)

    run_virtual(main())


def test_a_command_for_a_market_without_a_route_raises(tmp_path: Path):
    async def main():
        async with system_in(tmp_path) as system:
            with pytest.raises(KeyError):
                await system.control([OpenMarket(market_no=9)])

    run_virtual(main())
