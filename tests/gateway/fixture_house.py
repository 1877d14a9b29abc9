"""A gateway with a real supervisor, whose shells run in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from actors.local import LocalLauncher, end_part
from actors.messages import CreateMarkets, encode
from actors.peer import LocalPeer
from actors.settings import MarketShellSettings, SupervisorSettings
from actors.supervisor import Supervisor
from engine.common.commands import CreateMarket, Limits
from engine.common.ids import MarketNo
from persistence.journal import JournalOptions
from tests.gateway.price_gateway import SHARDS, PriceGateway, open_price_gateway, until


class FixtureHouse(PriceGateway):
    """The gateway, and its supervisor."""

    def __init__(self, system: PriceGateway, folder: Path) -> None:
        super().__init__(system.gateway, system.ports)
        self.folder = folder
        self.supervisor = self._new_supervisor()

    def _new_supervisor(self) -> Supervisor:
        return Supervisor(
            data_dir=str(self.folder),
            launcher=LocalLauncher,
            settings=SupervisorSettings(account_shards=SHARDS),
            shell_settings=MarketShellSettings(),
            journal=JournalOptions(segment_bytes=1 << 20, allocate_bytes=1 << 16),
            cores=2,
            exit_process=end_part,
        )

    async def start(self) -> None:
        """Start the supervisor, or a new one, and let it and the gateway know one another."""
        await self.supervisor.start()
        gateway = self.gateway
        gateway.on_supervisor(LocalPeer(self.supervisor, name="supervisor"))
        await self.supervisor.add_gateway(gateway.name, LocalPeer(gateway, name=gateway.name))

    async def start_again(self) -> None:
        """Stop the supervisor and start another one on the same folder."""
        await self.supervisor.stop()
        self.supervisor = self._new_supervisor()
        await self.start()

    async def create(self, *keys: str) -> None:
        """Create markets of two outcomes, as the opening file does."""
        markets = tuple(
            CreateMarket(
                market_no=MarketNo(0),
                key=key,
                outcomes=("yes", "no"),
                odds_milli=(1_900, 2_000),
                limits=Limits(),
            )
            for key in keys
        )
        await self.supervisor.create_markets(encode(CreateMarkets(by="test", markets=markets)))
        await until(lambda: not self.gateway.fanout.missing())


@asynccontextmanager
async def open_fixture_house(folder: Path, **changes: Any) -> AsyncIterator[FixtureHouse]:
    async with open_price_gateway(**changes) as system:
        house = FixtureHouse(system, folder)
        await house.start()
        try:
            yield house
        finally:
            await house.gateway.stop()
            await house.supervisor.stop()
