"""A gateway whose shells a real supervisor keeps, in this process; one of them can be damaged."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from actors.messages import MarketControl, ShellState, decode_market_events, encode
from actors.peer import LocalPeer
from engine.common.commands import OpenMarket, SuspendMarket
from engine.common.events import Refused
from engine.common.ids import MarketNo
from persistence.chain import segment_paths
from persistence.disk import LocalDisk
from tests.actors.supervised import MARKET, SupervisedShells
from tests.actors.trade import market
from tests.gateway.price_gateway import PriceGateway, open_price_gateway

FIRST_PAYLOAD = 60
"""An offset in the first record of a journal, which has others behind it."""


class SupervisedHouse:
    """The gateway, and the supervisor with its shells: two markets, one account shard."""

    def __init__(self, system: PriceGateway, shells: SupervisedShells, folder: Path) -> None:
        self.system = system
        self.shells = shells
        self.folder = folder
        self.ports = system.ports

    async def damage(self) -> Path:
        """Kill the first market's shell, and flip bits in its journal; return the segment.

        Returns when the shell's next process is in quarantine.
        """
        (segment,) = segment_paths(LocalDisk(), self.folder / "shells" / MARKET)
        self.shells.local_process().kill()
        with segment.open("r+b") as file:
            file.seek(FIRST_PAYLOAD)
            file.write(b"\xff\xff")
        await self.shells.until(lambda: self.shells.status().state is ShellState.QUARANTINED)
        return segment


@asynccontextmanager
async def open_supervised_house(folder: Path) -> AsyncIterator[SupervisedHouse]:
    """Open a gateway and a supervisor that keeps its shells."""
    async with open_price_gateway() as system, SupervisedShells(folder) as shells:
        gateway = system.gateway
        gateway.on_supervisor(LocalPeer(shells.supervisor, name="supervisor"))
        await shells.create(market("cup-0/1x2"), market("cup-1/1x2"))
        for number in (1, 2):
            commands = (
                OpenMarket(market_no=MarketNo(number)),
                SuspendMarket(market_no=MarketNo(number)),
            )
            shell = shells.local_process(shells.routes.market_shell(MarketNo(number)) or "").target
            answer = shell.control(encode(MarketControl(by="test", commands=commands)))
            assert not any(isinstance(one, Refused) for one in decode_market_events(answer))
        await shells.supervisor.add_gateway(gateway.name, LocalPeer(gateway, name=gateway.name))
        try:
            yield SupervisedHouse(system, shells, folder)
        finally:
            await gateway.stop()
