"""A supervisor whose shells run in this process, with processes that fail as real ones do."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from actors.local import LocalLauncher, LocalProcess
from actors.messages import (
    CreateMarkets,
    MarketAnswer,
    MarketRoute,
    ShellRoute,
    ShellState,
    ShellStatus,
    decode_market_answers,
    decode_shell_statuses,
    encode,
)
from actors.peer import LocalPeer, Peer
from actors.process import PartSpec
from actors.routes import Routes
from actors.settings import MarketShellSettings, SupervisorSettings
from actors.supervisor import Supervisor
from engine.common.commands import CreateMarket
from persistence.disk import Disk
from persistence.journal import JournalOptions
from tests.actors.virtual import now_s

MARKET = "market-00000"


class FreezesAfterFirstCall(LocalProcess):
    """A process that answers one call and leaves every later one unanswered."""

    async def admit(self, what: str, timeout_s: float | None) -> None:
        await super().admit(what, timeout_s)
        self.freeze()


class EndsSlowly(LocalProcess):
    """A process that ends 3 s after it was killed, as one does that frees much memory."""

    ended_at_s = float("inf")

    async def wait_gone(self) -> None:
        await super().wait_gone()
        await asyncio.sleep(3)
        self.ended_at_s = now_s()


class RecordingLauncher(LocalLauncher):
    """A launcher that records every start; `make_process` and `on_start` alter what starts."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: list[tuple[str, float]] = []
        self.make_process: Callable[[PartSpec], LocalProcess] = LocalProcess
        self.on_start: Callable[[LocalProcess], None] = lambda local_process: None

    def spawn(self, spec: PartSpec) -> LocalProcess:
        self.starts.append((spec.name, now_s()))
        local_process = self.processes[spec.name] = self.make_process(spec)
        self.on_start(local_process)
        return local_process

    def starts_of(self, name: str) -> list[float]:
        return [at_s for started, at_s in self.starts if started == name]


class SupervisedShells:
    """A supervisor, its launcher, and the routes of a part that subscribed to them."""

    def __init__(self, folder: Path, *, disk: Disk | None = None, **settings: int) -> None:
        self.launcher = RecordingLauncher()
        self.routes = Routes(shards=1)
        self.supervisor = Supervisor(
            data_dir=str(folder),
            launcher=lambda: self.launcher,
            settings=SupervisorSettings(
                **{"account_shards": 1, "markets_per_actor": 1, **settings}
            ),
            shell_settings=MarketShellSettings(),
            journal=JournalOptions(),
            cores=2,
            clock=now_s,
            rng=random.Random(7),
            disk=disk,
        )

    def on_routes(
        self,
        version: int,
        shells: Iterable[ShellRoute],
        markets: Iterable[MarketRoute],
        peers: Mapping[str, Peer],
    ) -> None:
        self.routes.update(version=version, shells=shells, markets=markets, peers=peers)

    async def __aenter__(self) -> "SupervisedShells":
        await self.supervisor.start()
        await self.supervisor.subscribe_routes("test", LocalPeer(self, name="test"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.supervisor.stop()

    async def create(self, *markets: CreateMarket) -> list[MarketAnswer]:
        request = encode(CreateMarkets(by="test", markets=markets))
        answers = decode_market_answers(await self.supervisor.create_markets(request))
        await asyncio.sleep(0)  # notifications of new routes arrive in the next turn
        return answers

    def status(self, name: str = MARKET) -> ShellStatus:
        (status,) = [s for s in decode_shell_statuses(self.supervisor.status()) if s.name == name]
        return status

    def local_process(self, name: str = MARKET) -> LocalProcess:
        return self.launcher.processes[name]

    async def until(self, condition: Callable[[], bool], *, within_s: float = 600) -> None:
        deadline = now_s() + within_s
        while not condition():
            assert now_s() < deadline, "the deadline has passed"
            await asyncio.sleep(0.001)

    async def until_serving(self, *, generation: int, name: str = MARKET) -> None:
        def serves() -> bool:
            status = self.status(name)
            return status.generation == generation and status.state is ShellState.SERVING

        await self.until(serves)

    async def kill_repeatedly(self, times: int) -> None:
        """Kill the market shell's process, and each of its successors when it answers."""
        for _ in range(times):
            local_process = self.local_process()
            local_process.kill()
            await self.until(lambda before=local_process: self.local_process() is not before)
            await self.until(lambda: self.status().state is not ShellState.DOWN)
