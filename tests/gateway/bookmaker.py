"""A gateway with real shells in this process; their journals are files of the test's folder."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import asdict

from actors.account_shell import AccountShell
from actors.desk import Desk
from actors.local import LocalLauncher, LocalProcess, end_part
from actors.market_shell import MarketShell
from actors.messages import (
    LedgerControl,
    MarketControl,
    MarketRoute,
    ShellRoute,
    ShellState,
    decode_ledger_events,
    decode_market_events,
    encode,
)
from actors.peer import LocalPeer
from actors.process import PartSpec
from actors.routes import account_shell_name
from actors.settings import DeskSettings, MarketShellSettings
from engine.common.commands import (
    CreateMarket,
    Deposit,
    LedgerCommand,
    Limits,
    MarketCommand,
    OpenAccount,
    OpenMarket,
    SetRate,
)
from engine.common.events import Refused
from engine.common.rows import SETTLEMENT
from engine.common.views import LedgerTotals
from gateway.client import connect, connect_control
from gateway.session.tokens import Role
from persistence.journal import JournalOptions
from tests.gateway.price_gateway import PriceGateway, open_price_gateway, token

SHARDS = 2
OPTIONS = JournalOptions(segment_bytes=1 << 20, allocate_bytes=1 << 16)
BALANCE_MINOR = 100_000
ACCOUNTS = (7, 8)
KEYS = {1: "cup-0/1x2", 2: "cup-0/total?total=2.5", 3: "cup-1/1x2"}
SHELL_OF = {1: "market-a", 2: "market-a", 3: "market-b"}
"""Keys and shells of the markets, by number, unless a test names others."""


MARKET_SHELL = MarketShellSettings(odds_book_milli_min=990)
"""With a tolerance of one hundredth: some tests quote books of 100 that rounding leaves below."""


class Bookmaker(PriceGateway):
    """A gateway, two account shards, and two market shells: three markets, and `markets`."""

    def __init__(
        self,
        system: PriceGateway,
        folder: Path,
        markets: Mapping[int, tuple[str, str]],
        account_disk: Any = None,
    ) -> None:
        super().__init__(system.gateway, system.ports)
        self.folder = folder
        self.account_disk = account_disk
        self.keys = KEYS | {number: key for number, (_, key) in markets.items()}
        self.shell_of = SHELL_OF | {number: shell for number, (shell, _) in markets.items()}
        self.launcher = LocalLauncher()
        self.generations: dict[str, int] = {}
        self.version = 0
        self.processes: dict[str, LocalProcess] = {}
        self.desk: LocalPeer | None = None
        self.desk_part: Desk

    def start_shell(self, name: str) -> None:
        """Start a new process of a shell and notify the gateway."""
        generation = self.generations[name] = self.generations.get(name, 0) + 1
        arguments: dict[str, Any] = {
            "name": name, "folder": str(self.folder / name), "options": OPTIONS,
        }  # fmt: skip
        account = name.startswith("account")
        if account:
            arguments["shard"] = int(name.rpartition("-")[2])
            if self.account_disk is not None:
                arguments["disk"] = self.account_disk
        else:
            arguments["settings"] = MARKET_SHELL
        factory = AccountShell if account else MarketShell
        spec = PartSpec(name=name, generation=generation, factory=factory, arguments=arguments)
        self.processes[name] = self.launcher.spawn(spec)
        self._send_gateways(name)
        self.notify_routes(name, ShellState.SERVING)

    def _send_gateways(self, name: str) -> None:
        """Announce the gateway, and the desk where there is one, to a shell."""
        gateways = [LocalPeer(self.gateway, name=self.gateway.name)]
        gateways += [] if self.desk is None else [self.desk]
        self.processes[name].target.set_gateways(gateways)

    def start_desk(self, **settings: Any) -> None:
        """Start a process of the desk, with the journal of the one before."""
        desk = self.desk_part = Desk(
            folder=str(self.folder / "desk"),
            settings=DeskSettings(**settings),
            options=OPTIONS,
            exit_process=end_part,
        )
        self.desk = LocalPeer(desk, name="desk")
        self.gateway.on_desk(self.desk)
        for name, process in self.processes.items():
            if not process.ended:
                self._send_gateways(name)
                self.notify_routes(name, ShellState.SERVING)

    async def check_rules(self) -> None:
        """Let the desk check its rules, as it does once a second, and wait for what they do."""
        await self.desk_part.watch.check()
        await asyncio.gather(*self.desk_part.watch.actions.running)

    async def stop_desk(self) -> None:
        """Stop the desk's process; the gateway still has the way to it."""
        assert self.desk is not None
        await self.desk.ask("stop")
        self.desk = None
        self.gateway.on_desk(None)

    def kill_shell(self, name: str) -> None:
        """Kill a shell's process and notify the gateway."""
        self.processes[name].kill()
        self.notify_routes(name, ShellState.DOWN)

    def notify_routes(self, name: str, state: ShellState) -> None:
        self.version += 1
        account = name.startswith("account")
        route = ShellRoute(
            name=name,
            kind="account" if account else "market",
            generation=self.generations[name],
            state=state,
            shard=int(name.rpartition("-")[2]) if account else 0,
        )
        markets = [
            MarketRoute(market_no=no, key=key, shell=name)
            for no, key in self.keys.items()
            if self.shell_of[no] == name
        ]
        peers = {name: self.processes[name].peer}
        self.gateway.on_routes(self.version, [route], markets, peers)
        if self.desk is not None:
            self.desk.notify("on_routes", self.version, [route], markets, peers)

    def command(self, *commands: MarketCommand) -> None:
        """Run market commands without the gateway."""
        for command in commands:
            shell = self.shell_of[command.market_no]  # type: ignore[union-attr]
            payload = encode(MarketControl(by="test:setup", commands=(command,)))
            for event in decode_market_events(self.processes[shell].target.control(payload)):
                assert not isinstance(event, Refused), event

    def ledger(self, account_no: int, *commands: LedgerCommand) -> None:
        payload = encode(LedgerControl(by="test:setup", commands=commands))
        shell = self.processes[account_shell_name(account_no % SHARDS)].target
        for event in decode_ledger_events(shell.control(payload)):
            assert not isinstance(event, Refused), event

    def deliver_settlements(self) -> None:
        """Deliver settlements from markets to accounts, as the reconciler does."""
        for name in dict.fromkeys(self.shell_of.values()):
            for shard in self.processes[name].target.outbox_shards():
                rows = self.processes[name].target.outbox(shard, 1_000)
                assert len(rows) % SETTLEMENT.itemsize == 0
                self.processes[account_shell_name(shard)].target.settle(rows)

    def markets(self, name: str) -> Any:
        return self.processes[name].target

    def totals(self) -> list[LedgerTotals]:
        decode = msgspec.msgpack.Decoder(list[LedgerTotals]).decode
        return [
            total
            for shard in range(SHARDS)
            for total in decode(self.processes[account_shell_name(shard)].target.totals())
        ]

    def check(self) -> None:
        """Assert that every currency sums to zero in every shard."""
        for total in self.totals():
            assert (
                total.external_minor
                + total.available_minor
                + total.pending_minor
                + total.at_stake_minor
                + total.owed_minor
                + total.house_minor
                + total.offers_minor
            ) == 0


@asynccontextmanager
async def open_bookmaker(
    folder: Path,
    *,
    markets: Mapping[int, tuple[str, str]] | None = None,
    account_disk: Any = None,
    **changes: Any,
) -> AsyncIterator[Bookmaker]:
    """Open a bookmaker with further `markets`: shell and key by number.

    `account_disk` takes the place of the real disk for account shells.
    """
    async with open_price_gateway(**changes) as system:
        bookmaker = Bookmaker(system, folder, markets or {}, account_disk)
        bookmaker.start_desk(**asdict(changes.get("desk", DeskSettings())))
        for shard in range(SHARDS):
            bookmaker.start_shell(account_shell_name(shard))
        for name in dict.fromkeys(bookmaker.shell_of.values()):
            bookmaker.start_shell(name)
        for account in ACCOUNTS:
            bookmaker.ledger(
                account,
                SetRate(currency="EUR"),
                OpenAccount(account_no=account, currency="EUR"),
                Deposit(account_no=account, amount_minor=BALANCE_MINOR, ref="start"),
            )
        for number, key in bookmaker.keys.items():
            bookmaker.command(
                CreateMarket(
                    market_no=number,
                    key=key,
                    outcomes=("home", "draw", "away") if key.endswith("1x2") else ("over", "under"),
                    odds_milli=(2_500, 3_200, 3_000) if key.endswith("1x2") else (1_900, 2_000),
                    limits=Limits(stake_minor_max=10_000),
                ),
                OpenMarket(market_no=number),
            )
        try:
            yield bookmaker
        finally:
            await bookmaker.gateway.stop()
            await bookmaker.stop_desk()
            for local_process in bookmaker.processes.values():
                if not local_process.ended:
                    local_process.target.stop()


def bettor(bookmaker: Bookmaker, *, account: int = 7, codec: Any = "msgpack") -> Any:
    """Open a bettor's session."""
    return connect(bookmaker.bets_url, token=token(account=account), codec=codec)


def trader(bookmaker: Bookmaker, *, role: Role = Role.TRADER, sub: str = "") -> Any:
    """Open a trader's session, or another role's on the control listener."""
    return connect_control(bookmaker.control_url, token=token(role, sub=sub))


def head_trader(bookmaker: Bookmaker) -> Any:
    """Open the session of a head trader, who may do all that the control listener offers."""
    return trader(bookmaker, role=Role.HEAD_TRADER)
