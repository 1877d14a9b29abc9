"""A bookmaker in this process that follows one feed: real adapter, pipeline, shells, reconciler.

Everything keeps virtual time, and every shell a disk in memory. Owns the starts and restarts of the
parts; `player` owns what a story's steps mean.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np

from actors.local import LocalLauncher, LocalProcess
from actors.messages import (
    BalanceQuery,
    ShellState,
    StatusQuery,
    decode_balance,
    decode_price_images,
    decode_slip,
    encode,
)
from actors.peer import LocalPeer, Peer
from actors.process import PartSpec
from actors.routes import account_shell_name
from actors.settings import SupervisorSettings
from actors.system import System
from actors.system_parts import FeedPart, SystemSettings
from engine.common.commands import Deposit
from engine.common.rows import DECISION, RESERVED, Rows
from engine.common.views import PriceImage
from gateway.feeds.core.adapter import RecoveryRequest
from gateway.feeds.core.messages import Answer, decode_answers, decode_facts, decode_requests
from gateway.feeds.core.pipeline import FeedPipeline, PipelineSettings
from gateway.messages.feed import FeedStats, MarketFacts
from persistence.journal import JournalOptions
from tests.actors.trade import bets_of, reservations
from tests.actors.virtual import now_s
from tests.faults.faulty_disk import FaultyDisk
from tests.gateway.feeds.uof.builders import NOW_MS

SHARDS = 2
ACCOUNTS = (2, 3)
BALANCE_MINOR = 1_000_000
FEED = "uof"
_JOURNAL = JournalOptions(allocate_bytes=1, snapshot_aside=False)
_NOWHERE: Final = "/dev/null/story"
"""A folder that no disk can have: a part that is given none in memory fails, and shares none."""


def now_ns() -> int:
    """Return the wall clock of every part: a story begins at NOW_MS."""
    return NOW_MS * 1_000_000 + round(now_s() * 1e6) * 1_000


class _Launcher(LocalLauncher):
    """Starts shells by the story's clock, each on the disk of its name."""

    def __init__(self, disks: dict[str, FaultyDisk]) -> None:
        super().__init__()
        self._disks = disks
        self.closed: dict[str, asyncio.Event] = {}
        """Shells that are not started again until their event is set."""

    async def begin(self, spec: PartSpec) -> LocalProcess:
        if spec.name in self.closed:
            await self.closed[spec.name].wait()
        return await super().begin(spec)

    def spawn(self, spec: PartSpec) -> LocalProcess:
        disk = self._disks.setdefault(spec.name, FaultyDisk())
        arguments = {**spec.arguments, "disk": disk, "clock": now_ns}
        return super().spawn(
            PartSpec(
                name=spec.name,
                generation=spec.generation,
                factory=spec.factory,
                arguments=arguments,
            )
        )


class _System(System):
    """A system whose supervisor and shells keep virtual time on disks in memory."""

    def __init__(self, disks: dict[str, FaultyDisk], feed: FeedPart) -> None:
        settings = SystemSettings(
            supervisor=SupervisorSettings(account_shards=SHARDS, markets_per_actor=1),
            journal=_JOURNAL,
        )
        super().__init__(data_dir=_NOWHERE, settings=settings, feeds=[feed], embedded=True)
        self.launcher = _Launcher(disks)
        self._disks = disks

    def _make_launcher(self, *, spare: type | None = None) -> Callable[[], Any]:
        return lambda: self.launcher

    def _supervisor_arguments(self) -> dict[str, Any]:
        return {
            **super()._supervisor_arguments(),
            "clock": now_s,
            "clock_ns": now_ns,
            "disk": self._disks.setdefault("directory", FaultyDisk()),
        }

    def _desk_arguments(self) -> dict[str, Any]:
        return {
            **super()._desk_arguments(),
            "clock_ns": now_ns,
            "disk": self._disks.setdefault("desk", FaultyDisk()),
        }


class FeedBookmaker:
    """The parts, and calls to them by key and account."""

    def __init__(
        self, make_adapter: Callable[[], Any], settings: PipelineSettings | None = None
    ) -> None:
        self._disks: dict[str, FaultyDisk] = {}
        arguments = {
            "make_adapter": make_adapter,
            "settings": settings or PipelineSettings(),
            "clock_ns": now_ns,
        }
        self._part = FeedPart(feed=FEED, factory=FeedPipeline, arguments=arguments)
        self.system = _System(self._disks, self._part)

    @property
    def _feed(self) -> Peer:
        return self.system.feeds[FEED]

    @property
    def pipeline(self) -> FeedPipeline:
        assert isinstance(self._feed, LocalPeer)
        return self._feed._target  # type: ignore[return-value]

    async def restart_pipeline(self) -> None:
        """Replace the pipeline by a new one, which knows only what markets remember."""
        old = self._feed
        await old.ask("stop")
        arguments = self.system._feed_arguments(old.name, self._part)
        await self.system._feed_up(FEED, LocalPeer(FeedPipeline(**arguments), name=old.name))

    async def restart_shells(self) -> None:
        """Kill every market shell, and wait until each serves again."""
        processes = self.system.launcher.processes
        before = {one.name: one for one in await self._market_shells() if one.name in processes}
        for name in before:
            processes[name].kill()
        while not all(
            shell.state is ShellState.SERVING and shell.generation > before[shell.name].generation
            for shell in await self._market_shells()
            if shell.name in before
        ):
            await asyncio.sleep(0.25)

    async def shell_of(self, key: str) -> str:
        """Return the name of the shell that hosts a market."""
        await self.system.refresh()
        routes = self.system.routes
        return routes.markets[routes.market_no_by_key[key]].shell

    def kill(self, shell: str) -> Callable[[], None]:
        """Kill a shell, which stays dead until the returned function is called."""
        closed = self.system.launcher.closed[shell] = asyncio.Event()
        self.system.launcher.processes[shell].kill()
        return closed.set

    async def restart_all(self) -> None:
        """Stop everything, and start it again from the disks."""
        await self.system.stop()
        self.system = _System(self._disks, self._part)
        await self.system.start()

    async def push(self, body: bytes) -> Answer:
        (answer,) = decode_answers(await self._feed.ask("push", [body]))
        return answer

    async def open_requests(self) -> list[RecoveryRequest]:
        """Return what the pipeline wants to have asked of the provider."""
        found: list[RecoveryRequest] = decode_requests(await self._feed.ask("requests"))
        return found

    async def request_done(self, producer: int, request_id: int) -> None:
        await self._feed.ask("request_done", producer, request_id)

    async def stats(self) -> FeedStats:
        """Return the feed's statistics as a gateway answers them."""
        return FeedStats(**await self._feed.ask("stats"))

    async def facts(self, key: str) -> MarketFacts:
        """Return what the feed says of a market."""
        markets, _ = decode_facts(await self._feed.ask("facts", key.partition("/")[0], ""))
        (found,) = (each for each in markets if each.key == key)
        return found

    async def images(self) -> dict[str, PriceImage]:
        """Return every market by its key."""
        images: dict[str, PriceImage] = {}
        for shell in await self._market_shells():
            raw = await self.system.peer(shell.name).ask("price_images")
            images.update({image.key: image for image in decode_price_images(raw)})
        return images

    async def place(
        self, ref: str, image: PriceImage, outcome: int, *, stake: int, odds: int, account: int
    ) -> Rows:
        """Place a bet as a gateway does; return the market's DECISION row."""
        requests = reservations(
            [ref],
            account_no=account,
            market_no=image.market_no,
            stake_minor=stake,
            odds_milli=odds,
            outcome=outcome,
        )
        shard = self.system.peer(account_shell_name(account % SHARDS))
        raw = await shard.ask("exchange", b"", requests.tobytes())
        assert np.frombuffer(raw, RESERVED)["reason"].tolist() == [0]
        shell = self.system.routes.market_shell(image.market_no)
        assert shell is not None
        decisions = await self.system.peer(shell).ask("place", bets_of(requests, raw).tobytes())
        await shard.ask("exchange", decisions, b"")
        decision: Rows = np.frombuffer(decisions, DECISION)[0]
        return decision

    async def slip(self, account: int, ref: str) -> Any:
        return decode_slip(await self._ask(account, StatusQuery(account_no=account, ref=ref)))

    async def balance(self, account: int) -> Any:
        return decode_balance(await self._ask(account, BalanceQuery(account_no=account)))

    async def open_accounts(self) -> None:
        await self.system.open_accounts(ACCOUNTS, currency="EUR")
        await self.system.deposit(
            Deposit(account_no=account, amount_minor=BALANCE_MINOR, ref="first")
            for account in ACCOUNTS
        )

    async def _ask(self, account: int, query: Any) -> bytes:
        shard = self.system.peer(account_shell_name(account % SHARDS))
        answer: bytes = await shard.ask("query", encode(query))
        return answer

    async def _market_shells(self) -> list[Any]:
        await self.system.refresh()
        shells = self.system.routes.shells.values()
        return [shell for shell in shells if shell.kind == "market"]


@asynccontextmanager
async def open_feed_bookmaker(
    make_adapter: Callable[[], Any], settings: PipelineSettings | None = None
) -> AsyncIterator[FeedBookmaker]:
    """Start a bookmaker with funded accounts."""
    bookmaker = FeedBookmaker(make_adapter, settings)
    await bookmaker.system.start()
    try:
        await bookmaker.open_accounts()
        yield bookmaker
    finally:
        await bookmaker.system.stop()
