"""The supervisor: desired shells against live ones, one task of bringing up and watching for each.

Owns which market lives where (through the directory), which processes run, and when one is given
up. What survives its own crash: the directory, on disk; everything else it finds again by asking
the shells. It never touches a bet, and no bet waits for it.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from actors.account_shell import AccountShell
from actors.directory import MARKETS_IN_RECORD_MAX, Directory
from actors.failstop import ExitProcess, fail_stop, leave
from actors.market_shell import MarketShell
from actors.messages import (
    MarketAnswer,
    MarketControl,
    MarketRoute,
    ShellRoute,
    ShellState,
    ShellStatus,
    decode_create_markets,
    decode_market_events,
    encode,
)
from actors.peer import Peer, PeerError
from actors.placement import Placement
from actors.process import Launcher
from actors.process_keeper import ProcessKeeper, ShellProcess
from actors.routes import account_shell_name
from actors.settings import MarketShellSettings, SupervisorSettings
from engine.common.commands import CreateMarket
from engine.common.events import Refused
from engine.common.reasons import RETRYABLE, Reason
from persistence.disk import Disk, LocalDisk
from persistence.journal import JournalOptions

BY = "supervisor"


class Supervisor:
    """Keeps every shell of the data folder alive, or says why one is not.

    Parameters
    ----------
    data_dir : str
        Folder of the directory and of the shells' journals.
    launcher : callable
        Gives what starts processes, when the supervisor starts; so that it may live elsewhere.
    settings, shell_settings, journal
        Deadlines and budgets; what the shells are given.
    clock : callable
        Monotonic seconds, for budgets and outages.
    clock_ns : callable
        UTC nanoseconds, for the directory's records.
    rng : random.Random
        Jitter of the back-off.
    cores : int
        Shells that may recover at once, unless the settings say.
    disk, exit_process
        The directory's disk; what ends the process when its journal breaks.
    """

    def __init__(
        self,
        *,
        data_dir: str,
        launcher: Callable[[], Launcher],
        settings: SupervisorSettings,
        shell_settings: MarketShellSettings,
        journal: JournalOptions,
        cores: int,
        clock: Callable[[], float] = time.monotonic,
        clock_ns: Callable[[], int] = time.time_ns,
        rng: random.Random | None = None,
        disk: Disk | None = None,
        exit_process: ExitProcess = leave,
    ) -> None:
        self._exit_process = exit_process
        self._folder = Path(data_dir)
        self._make_launcher = launcher
        self._settings = settings
        self._shell_settings = shell_settings
        self._journal = journal
        self._cores = settings.recoveries_max or cores
        self._clock = clock
        self._clock_ns = clock_ns
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._disk = disk or LocalDisk()
        self._directory: Directory | None = None
        self._placement = Placement(markets_per_actor=settings.markets_per_actor)
        self._launcher: Launcher | None = None
        self._keeper: ProcessKeeper | None = None
        self._processes: dict[str, ShellProcess] = {}
        self._gateways: dict[str, Peer] = {}
        self._listeners: dict[str, Peer] = {}
        self._feeds: dict[str, Peer] = {}
        self._refused: dict[int, Refused] = {}
        self._version = 0

    # --- start and stop --------------------------------------------------------------------------
    async def start(self) -> None:
        """Open the directory and bring up every shell in it; return when each has an answer.

        Account shards come first: a market shell has no use without them. Shells that an earlier
        supervisor left running are taken over as they are, and bets never notice.

        Raises
        ------
        DirectoryMismatchError, JournalDamagedError, LockHeldError
            When the directory cannot be used; no shell has been started.
        """
        self._directory = Directory.open(
            self._folder / "directory",
            disk=self._disk,
            at_ns=self._clock_ns(),
            options=self._journal,
            account_shards=self._settings.account_shards,
        )
        self._version = self._directory.epoch << 32
        placed = [(p.command.key, p.shell) for p in self._directory.markets.values()]
        self._placement = Placement(
            markets_per_actor=self._settings.markets_per_actor, placed=placed
        )
        shards = range(self._settings.account_shards)
        names = {account_shell_name(shard) for shard in shards} | {shell for _, shell in placed}
        launcher = self._launcher = self._make_launcher()
        self._keeper = ProcessKeeper(
            launcher=launcher,
            running=await launcher.running(names),
            settings=self._settings,
            recoveries_max=self._cores,
            begin_process=self._begin_process,
            on_up=self._on_up,
            on_change=self._on_change,
            clock=self._clock,
            rng=self._rng,
        )
        await self._run([self._account_process(shard) for shard in shards])
        await self._run(
            [self._market_process(name) for name in dict.fromkeys(s for _, s in placed)]
        )

    async def stop(self) -> None:
        """End every shell in good order and close the directory."""
        if self._keeper is not None:
            await asyncio.gather(*map(self._keeper.end, self._processes.values()))
        if self._launcher is not None:
            self._launcher.close()
        if self._directory is not None:
            self._directory.close()

    async def _run(self, shell_processes: Iterable[ShellProcess]) -> None:
        assert self._keeper is not None, "started"
        fresh = [
            shell_process
            for shell_process in shell_processes
            if shell_process.name not in self._processes
        ]
        for shell_process in fresh:
            self._processes[shell_process.name] = shell_process
            self._keeper.keep(shell_process)
        await asyncio.gather(*(shell_process.settled.wait() for shell_process in fresh))

    def _account_process(self, shard: int) -> ShellProcess:
        name = account_shell_name(shard)
        arguments = {**self._shell_arguments(name), "shard": shard}
        return ShellProcess(
            name=name, kind="account", shard=shard, factory=AccountShell, arguments=arguments
        )

    def _market_process(self, name: str) -> ShellProcess:
        arguments = {**self._shell_arguments(name), "settings": self._shell_settings}
        return ShellProcess(
            name=name, kind="market", shard=0, factory=MarketShell, arguments=arguments
        )

    def _shell_arguments(self, name: str) -> dict[str, Any]:
        folder = str(self._folder / "shells" / name)
        return {"name": name, "folder": folder, "options": self._journal}

    def _begin_process(self, name: str) -> int:
        assert self._directory is not None
        with fail_stop(BY, self._exit_process):
            return self._directory.begin_process(name, at_ns=self._clock_ns())

    # --- markets ---------------------------------------------------------------------------------
    async def create_markets(self, payload: bytes) -> bytes:
        """Place and create markets; answer a route or a refusal for each, in order.

        The directory is written before any shell hears of a market, so a crash at any point
        leaves nothing that the next start, or the same request made again, does not finish.

        Parameters
        ----------
        payload : bytes
            CreateMarkets in msgpack.

        Returns
        -------
        bytes
            list[MarketAnswer] in msgpack.
        """
        request = decode_create_markets(payload)
        directory = self._directory
        assert directory is not None, "started"
        keys: list[str] = []
        refusals: dict[str, Refused] = {}
        fresh: dict[str, CreateMarket] = {}
        numbers: set[int] = set()
        for asked in request.markets:
            market, refused = directory.check(asked)
            keys.append(market.key)
            if refused is not None:
                refusals.setdefault(market.key, refused)
            elif market.market_no and market.market_no in numbers:
                message = f"{market.market_no} is asked for twice"
                refusals[market.key] = Refused(
                    reason=Reason.MARKET_EXISTS, field="market_no", message=message
                )
            else:
                fresh.setdefault(market.key, market)
                numbers.add(market.market_no)
        shells = self._placement.place(list(fresh))
        with fail_stop(BY, self._exit_process):
            directory.place(
                list(fresh.values()), shells=shells, by=request.by, at_ns=self._clock_ns()
            )
        touched = [directory.markets[n].shell for n in map(directory.no_by_key.get, keys) if n]
        await self._create_on(list(dict.fromkeys(touched)))
        answers = [self._market_answer(key, refusals.get(key)) for key in keys]
        self._withdraw(fresh)
        self._notify_routes(shells=(), markets=[a.route for a in answers if a.route is not None])
        return encode(answers)

    async def _create_on(self, shells: list[str]) -> None:
        """Have every market of these shells created, starting the shells that are new."""
        up = [name for name in shells if name in self._processes]
        await self._run([self._market_process(name) for name in shells])
        for name in up:
            shell_process = self._processes[name]
            await shell_process.settled.wait()
            with contextlib.suppress(PeerError):  # its next life creates what is missing
                await self._create_missing(shell_process)

    async def _create_missing(self, shell_process: ShellProcess) -> None:
        """Create what the directory has for a shell and the shell has not."""
        assert self._directory is not None
        if shell_process.state is not ShellState.SERVING:
            return
        known = set(await shell_process.peer.ask("market_nos"))
        missing = [
            placed.command
            for market_no, placed in self._directory.markets.items()
            if placed.shell == shell_process.name and market_no not in known
        ]
        bound = min(self._shell_settings.commands_max, MARKETS_IN_RECORD_MAX)
        for start in range(0, len(missing), bound):
            commands = tuple(missing[start : start + bound])
            answer = await shell_process.peer.ask(
                "control", encode(MarketControl(by=BY, commands=commands))
            )
            events = decode_market_events(answer)
            for command, event in zip(commands, events, strict=True):
                self._refused.pop(command.market_no, None)
                if isinstance(event, Refused) and event.reason is not Reason.MARKET_EXISTS:
                    self._refused[command.market_no] = event

    def _market_answer(self, key: str, refused: Refused | None) -> MarketAnswer:
        assert self._directory is not None
        market_no = self._directory.no_by_key.get(key)
        if market_no is None:
            return MarketAnswer(key=key, refused=refused)
        not_created = self._refused.get(market_no)
        if not_created is not None:
            return MarketAnswer(key=key, refused=not_created)
        return MarketAnswer(key=key, route=self._market_route(market_no))

    def _withdraw(self, keys: Iterable[str]) -> None:
        """Take back new markets whose refusal no repetition would change."""
        assert self._directory is not None
        hopeless = []
        for key in keys:
            market_no = self._directory.no_by_key[key]
            refused = self._refused.get(market_no)
            if refused is not None and refused.reason not in RETRYABLE:
                hopeless.append(market_no)
                del self._refused[market_no]
        if hopeless:
            with fail_stop(BY, self._exit_process):
                self._directory.withdraw(hopeless, at_ns=self._clock_ns())

    def _market_route(self, market_no: int) -> MarketRoute:
        assert self._directory is not None
        placed = self._directory.markets[market_no]
        return MarketRoute(market_no=market_no, key=placed.command.key, shell=placed.shell)

    # --- who is told -----------------------------------------------------------------------------
    async def add_gateway(self, name: str, peer: Peer) -> None:
        """Tell a gateway all routes, now and at every change, and shells and feeds of it."""
        self._gateways[name] = peer
        await self.add_listener(name, peer)
        if self._feeds:
            await peer.ask("on_feeds", self._version, dict(self._feeds))
        await self._introduce(self._processes.values())
        self._introduce_to_feeds()

    async def add_feed(self, feed: str, peer: Peer) -> None:
        """Tell gateways that this part takes a feed's messages now, and it of the gateways."""
        self._feeds[feed] = peer
        self._version += 1
        for gateway in self._gateways.values():
            gateway.notify("on_feeds", self._version, {feed: peer})
        self._introduce_to_feeds()

    def _introduce_to_feeds(self) -> None:
        self._version += 1
        for feed in self._feeds.values():
            feed.notify("on_gateways", self._version, list(self._gateways.values()))

    async def add_listener(self, name: str, peer: Peer) -> None:
        """Tell a part all routes at every change, and now: it knows them when this returns."""
        self._listeners[name] = peer
        await peer.ask("on_routes", *self.routes())

    async def remove_listener(self, name: str) -> None:
        """Tell a part, and of it, no more."""
        self._listeners.pop(name, None)
        if self._gateways.pop(name, None) is not None:
            await self._introduce(self._processes.values())

    def routes(self) -> tuple[int, list[ShellRoute], list[MarketRoute], dict[str, Peer]]:
        """Return everything a caller's map needs: version, shells, markets, peers."""
        assert self._directory is not None
        return (
            self._version,
            [self._shell_route(shell_process) for shell_process in self._processes.values()],
            [self._market_route(market_no) for market_no in self._directory.markets],
            {
                shell_process.name: shell_process.peer
                for shell_process in self._processes.values()
                if shell_process.process is not None
            },
        )

    def status(self) -> bytes:
        """Return list[ShellStatus] in msgpack: how every shell fares."""
        return encode([_status(shell_process) for shell_process in self._processes.values()])

    def _notify_routes(self, *, shells: Iterable[ShellProcess], markets: list[MarketRoute]) -> None:
        self._version += 1
        routes = [self._shell_route(shell_process) for shell_process in shells]
        peers = {
            shell_process.name: shell_process.peer
            for shell_process in shells
            if shell_process.process is not None
        }
        for listener in self._listeners.values():
            listener.notify("on_routes", self._version, routes, markets, peers)

    def _shell_route(self, shell_process: ShellProcess) -> ShellRoute:
        return ShellRoute(
            name=shell_process.name,
            kind=shell_process.kind,
            generation=shell_process.generation,
            state=shell_process.state,
            shard=shell_process.shard,
        )

    async def _introduce(self, shell_processes: Iterable[ShellProcess]) -> None:
        """Tell shells which gateways there are; one that dies is told again in its next life."""
        gateways = list(self._gateways.values())
        for shell_process in shell_processes:
            if shell_process.state in (ShellState.SERVING, ShellState.QUARANTINED):
                shell_process.peer.notify("set_gateways", gateways)

    # --- lives -----------------------------------------------------------------------------------
    def suspect(self, name: str) -> None:
        """Look at a shell now: a caller had no answer from it. Unknown names are ignored."""
        shell_process = self._processes.get(name)
        if shell_process is not None:
            shell_process.suspected.set()

    async def release(self, name: str) -> None:
        """Give a quarantined shell a new process and a full restart budget."""
        shell_process = self._processes[name]
        shell_process.quarantine = ""
        shell_process.restarts.clear()
        shell_process.settled.clear()
        if shell_process.process is not None:
            shell_process.process.kill()
        await shell_process.settled.wait()

    async def _on_up(self, shell_process: ShellProcess) -> None:
        if shell_process.kind == "market":
            await self._create_missing(shell_process)
        await self._introduce([shell_process])

    def _on_change(self, shell_process: ShellProcess) -> None:
        self._notify_routes(shells=[shell_process], markets=[])


def _status(shell_process: ShellProcess) -> ShellStatus:
    return ShellStatus(
        name=shell_process.name,
        kind=shell_process.kind,
        generation=shell_process.generation,
        state=shell_process.state,
        restarts=len(shell_process.restarts),
        outage_ms=shell_process.outage_ms,
        why=shell_process.why,
        health=shell_process.health,
    )
