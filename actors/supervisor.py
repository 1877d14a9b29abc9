"""Keep every shell of the data folder running, place and create markets, and publish the routes.

Owns which shell hosts which market (through the directory), which processes run, and when a
process is given up. The directory survives a crash of the supervisor, on disk; everything else is
found again by asking the shells. Never handles a bet, and no bet waits for the supervisor.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from actors.builder_counts import BuilderCounts
from actors.directory import MARKETS_IN_RECORD_MAX, Directory, record_bounds
from actors.failstop import ExitProcess, FailStop, exit_at_once
from actors.fixture_changes import fixture_pages, put_fixtures
from actors.market_requests import check_markets, meets_builder_bound
from actors.messages import (
    MarketAnswer,
    MarketControl,
    MarketRoute,
    ShellRoute,
    ShellState,
    decode_create_markets,
    decode_market_events,
    decode_put_fixtures,
    encode,
)
from actors.owed_stops import OwedStops
from actors.peer import Peer, PeerDiedError, PeerError
from actors.placement import Placement
from actors.process import Launcher
from actors.process_keeper import ProcessKeeper, ShellProcess
from actors.routes import account_shell_name
from actors.settings import MarketShellSettings, SupervisorSettings
from actors.shell_kinds import account_process, market_process
from actors.shell_reports import peers_of, shell_route, shell_status, with_healths
from actors.stop_messages import decode_keep_stops
from actors.tail_check import TailCheck
from engine.common.events import Refused
from engine.common.ids import MarketNo, ShardNo
from engine.common.reasons import RETRYABLE, Reason
from engine.common.units import Nanos
from persistence.disk import Disk, LocalDisk
from persistence.journal import JournalBrokenError, JournalOptions

BY = "supervisor"


class Supervisor:
    """Keep every shell of the data folder running, or report why one is not.

    Parameters
    ----------
    data_dir : str
        Folder of the directory and of the shells' journals.
    launcher : callable
        Returns what starts processes; called by `start`, in the supervisor's own process.
    settings, shell_settings, journal
        Deadlines and budgets; what the shells are given.
    clock : callable
        Monotonic seconds, for budgets and outages.
    clock_ns : callable
        UTC nanoseconds, for the directory's records.
    rng : random.Random
        Jitter of the back-off.
    cores : int
        Shells that may recover at once, unless the settings state a number.
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
        exit_process: ExitProcess = exit_at_once,
    ) -> None:
        self._fail_stop = FailStop(BY, exit_process)
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
        self._builder_counts: BuilderCounts | None = None
        self._placement = Placement(markets_per_actor=settings.markets_per_actor)
        self._launcher: Launcher | None = None
        self._keeper: ProcessKeeper | None = None
        self._tail_check: TailCheck | None = None
        self._stops: OwedStops | None = None
        self._shells: dict[str, ShellProcess] = {}
        self._subscribers: dict[str, Peer] = {}
        self._process_nos: dict[str, int] = {}
        """The highest process number with which each part was announced."""
        self._gateways: dict[str, Peer] = {}
        self._feeds: dict[str, Peer] = {}
        self._refused: dict[int, Refused] = {}
        self._reconciliation = b""
        self._version = 0
        self._stopping = False

    # --- start and stop --------------------------------------------------------------------------
    async def start(self) -> None:
        """Open the directory and start every shell in it; return when each has an answer.

        Account shards come first, because a market shell is useless without them. Shells that an
        earlier supervisor left running are taken over as they are, without interrupting bets.

        Raises
        ------
        DirectoryMismatchError, JournalDamagedError, LockHeldError
            When the directory cannot be used; no shell has been started.
        """
        self._directory = Directory.open(
            self._folder / "directory",
            disk=self._disk,
            at_ns=Nanos(self._clock_ns()),
            options=self._journal,
            account_shards=self._settings.account_shards,
        )
        self._builder_counts = BuilderCounts(
            self._directory,
            peer=lambda shell: peers_of([self._shells[shell]]).get(shell),
            timeout_s=self._settings.tick_deadline_ms / 1_000,
        )
        self._version = self._directory.epoch << 32
        placed = [(p.command.key, p.shell) for p in self._directory.markets.values()]
        self._placement = Placement(
            markets_per_actor=self._settings.markets_per_actor,
            placed=placed,
            shells=self._directory.shells,
        )
        shards = range(self._settings.account_shards)
        names = {account_shell_name(ShardNo(shard)) for shard in shards} | {
            shell for _, shell in placed
        }
        self._tail_check = TailCheck(
            shells=self._shells, directory=self._directory, settings=self._settings
        )
        self._stops = OwedStops(
            directory=self._directory,
            shells=self._shells,
            commands_max=self._shell_settings.commands_max,
            timeout_s=self._settings.tick_deadline_ms / 1_000,
            clock_ns=self._clock_ns,
            fail_stop=self._fail_stop,
            publish=lambda status: self._notify_gateways("on_stops", encode(status)),
        )
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
        accounts = self._keep_shells(
            account_process(ShardNo(shard), folder=self._folder, journal=self._journal)
            for shard in shards
        )
        await asyncio.gather(*(shell.answering.wait() for shell in accounts))
        market_shells = dict.fromkeys(shell for _, shell in placed)
        markets = self._keep_shells([self._market_process(name) for name in market_shells])
        await asyncio.gather(*(shell.answering.wait() for shell in markets))

    async def stop(self) -> None:
        """Stop every shell, each after it has closed its journal, and close the directory.

        From now on no market is created: its shell would start behind the last of them.
        """
        self._stopping = True
        if self._stops is not None:
            self._stops.stop()
        if self._keeper is not None:
            await asyncio.gather(*map(self._keeper.end, self._shells.values()))
            self._note_ends()
        if self._launcher is not None:
            self._launcher.close()
        if self._directory is not None:
            self._directory.close()

    def _note_ends(self) -> None:
        assert self._directory is not None
        ended = {shell.name: shell.ended_seq for shell in self._shells.values() if shell.ended_seq}
        if ended:
            with contextlib.suppress(JournalBrokenError):
                self._directory.note_ends(ended, at_ns=Nanos(self._clock_ns()))

    def _keep_shells(self, shells: Iterable[ShellProcess]) -> list[ShellProcess]:
        """Start the shells that are not kept yet, and return them."""
        assert self._keeper is not None, "started"
        fresh = [shell for shell in shells if shell.name not in self._shells]
        for shell in fresh:
            self._shells[shell.name] = shell
            self._keeper.keep(shell)
        return fresh

    def _market_process(self, name: str) -> ShellProcess:
        return market_process(
            name, folder=self._folder, journal=self._journal, settings=self._shell_settings
        )

    def _begin_process(self, name: str) -> int:
        assert self._directory is not None
        with self._fail_stop:
            return self._directory.begin_process(name, at_ns=Nanos(self._clock_ns()))

    # --- markets ---------------------------------------------------------------------------------
    async def create_markets(self, payload: bytes) -> bytes:
        """Place and create markets; answer a route or a refusal for each, in order.

        The directory is written before any shell is asked to create a market, so whatever a crash
        leaves unfinished is finished by the next start, or by the same request sent again.

        Parameters
        ----------
        payload : bytes
            CreateMarkets in msgpack.

        Returns
        -------
        bytes
            list[MarketAnswer] in msgpack.

        Raises
        ------
        PeerDiedError
            Once the supervisor stops; the same request may be sent to its successor.
        """
        if self._stopping:
            raise PeerDiedError("the supervisor stops")
        request = decode_create_markets(payload)
        directory = self._directory
        assert directory is not None, "started"
        counts, settings = self._builder_counts, self._settings
        assert counts is not None, "started"
        checked = check_markets(request, directory, counts.counting(), settings=settings)
        if meets_builder_bound(checked[-1]):
            await counts.refresh()
            checked = check_markets(request, directory, counts.counting(), settings=settings)
        keys, fresh, refusals = checked
        if request.beside and fresh:
            shells = [directory.markets[request.beside].shell] * len(fresh)
        else:
            shells = self._placement.place(list(fresh))
        with self._fail_stop:
            directory.place(
                list(fresh.values()),
                shells=shells,
                by=request.by,
                at_ns=Nanos(self._clock_ns()),
                account_no=request.account_no,
            )
        hosts = [directory.markets[n].shell for n in map(directory.no_by_key.get, keys) if n]
        await self._create_on(list(dict.fromkeys(hosts)))
        answers = [self._market_answer(key, refusals.get(key)) for key in keys]
        self._withdraw(fresh)
        self._publish_routes(shells=(), markets=[a.route for a in answers if a.route is not None])
        return encode(answers)

    async def _create_on(self, names: list[str]) -> None:
        """Create every missing market of these shells, and start the shells that are new.

        Markets of a shell that crashes again and again are not waited for, since markets of other
        shells would wait too: the shell's next process that answers creates them.
        """
        fresh = self._keep_shells([self._market_process(name) for name in names])
        shells = [self._shells[name] for name in names]
        await asyncio.gather(*(shell.answers_or_crashes() for shell in shells))
        for shell in shells:
            if shell not in fresh and shell.answering.is_set():
                with contextlib.suppress(PeerError):  # its next process creates what is missing
                    await self._create_missing(shell)

    async def _create_missing(self, shell: ShellProcess) -> None:
        """Create the markets that the directory has for a shell and the shell does not have."""
        assert self._directory is not None
        if shell.state is not ShellState.SERVING:
            return
        present = set(await shell.peer.ask("market_nos"))
        missing = [
            placed.command
            for market_no, placed in self._directory.markets.items()
            if placed.shell == shell.name and market_no not in present
        ]
        bound = min(self._shell_settings.commands_max, MARKETS_IN_RECORD_MAX)
        for start, stop in record_bounds(missing, most=bound):
            commands = tuple(missing[start:stop])
            payload = encode(MarketControl(by=BY, commands=commands))
            events = decode_market_events(await shell.peer.ask("control", payload))
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
        """Withdraw new markets that their shell refused with a reason no retry would change."""
        assert self._directory is not None
        withdrawn = []
        for key in keys:
            market_no = self._directory.no_by_key[key]
            refused = self._refused.get(market_no)
            if refused is not None and refused.reason not in RETRYABLE:
                withdrawn.append(market_no)
                del self._refused[market_no]
        if withdrawn:
            placed = [self._directory.markets[market_no] for market_no in withdrawn]
            with self._fail_stop:
                self._directory.withdraw(withdrawn, at_ns=Nanos(self._clock_ns()))
            for each in placed:
                self._placement.withdraw(each.command.key, each.shell)

    # --- fixtures --------------------------------------------------------------------------------
    async def put_fixtures(self, payload: bytes) -> bytes:
        """Change what is known of fixtures: a PutFixtures; answer list[FixtureAnswer], in order.

        What has changed is on disk before it is answered, and sent to every gateway.

        Raises
        ------
        PeerDiedError
            Once the supervisor stops; the same request may be sent to its successor.
        """
        if self._stopping:
            raise PeerDiedError("the supervisor stops")
        assert self._directory is not None, "started"
        request = decode_put_fixtures(payload)
        with self._fail_stop:
            answers, changed = put_fixtures(request, self._directory, at_ns=Nanos(self._clock_ns()))
        for page in fixture_pages(changed):
            self._notify_gateways("on_fixtures", page)
        return encode(answers)

    # --- stops -----------------------------------------------------------------------------------
    async def keep_stops(self, payload: bytes) -> bytes:
        """Keep stops, or lift them: a KeepStops; answer a StopsStatus."""
        if self._stops is None or self._stopping:
            raise PeerDiedError("the supervisor does not run")
        return encode(await self._stops.keep(decode_keep_stops(payload)))

    # --- routes, gateways and feeds --------------------------------------------------------------
    async def subscribe_routes(self, name: str, peer: Peer, process_no: int = 0) -> None:
        """Send a part all routes, now and at every change; the part has them at the return.

        Of the processes of a part the one with the highest number counts: the announcement of a
        process that has ended since may arrive after that of its successor.
        """
        if process_no < self._process_nos.get(name, 0):
            return
        self._process_nos[name] = process_no
        self._subscribers[name] = peer
        await peer.ask("on_routes", *self.routes())

    async def add_gateway(self, name: str, peer: Peer, process_no: int = 0) -> None:
        """Send a gateway all routes, fixtures and feeds; announce it to shells and feeds.

        The highest process number counts, as in `subscribe_routes`.
        """
        if process_no < self._process_nos.get(name, 0):
            return
        self._gateways[name] = peer
        await self.subscribe_routes(name, peer, process_no)
        assert self._directory is not None, "started"
        for page in fixture_pages(list(self._directory.fixtures.values())):
            await peer.ask("on_fixtures", page)
        if self._feeds:
            await peer.ask("on_feeds", self._version, dict(self._feeds))
        if self._reconciliation:
            peer.notify("on_reconciliation", self._reconciliation)
        assert self._stops is not None
        peer.notify("on_stops", encode(self._stops.status()))
        self._send_gateways_to_shells(self._shells.values())
        self._send_gateways_to_feeds()

    async def add_feed(self, feed: str, peer: Peer, process_no: int = 0) -> None:
        """Announce to the gateways the part that takes a feed's messages, and them to the part.

        The highest process number counts, as in `subscribe_routes`, which comes first.
        """
        if process_no < self._process_nos.get(peer.name, 0):
            return
        self._feeds[feed] = peer
        self._version += 1
        self._notify_gateways("on_feeds", self._version, {feed: peer})
        self._send_gateways_to_feeds()

    def on_reconciliation(self, payload: bytes) -> None:
        """Pass the reconciler's status on to every gateway, with what the shells' ticks said."""
        self._reconciliation = with_healths(payload, self._shells.values())
        self._notify_gateways("on_reconciliation", self._reconciliation)

    def _notify_gateways(self, method: str, *args: Any) -> None:
        for gateway in self._gateways.values():
            gateway.notify(method, *args)

    def routes(self) -> tuple[int, list[ShellRoute], list[MarketRoute], dict[str, Peer]]:
        """Return everything that a caller's `Routes` holds: version, shells, markets, peers."""
        assert self._directory is not None
        return (
            self._version,
            [shell_route(shell) for shell in self._shells.values()],
            [self._market_route(market_no) for market_no in self._directory.markets],
            peers_of(self._shells.values()),
        )

    def status(self) -> bytes:
        """Return the status of every shell: list[ShellStatus] in msgpack."""
        return encode([shell_status(shell) for shell in self._shells.values()])

    def spare_pid(self) -> int:
        """Return the idle process that is ready to take a dead shell's place, 0 for none."""
        return 0 if self._launcher is None else self._launcher.spare_pid

    def _publish_routes(
        self, *, shells: Sequence[ShellProcess], markets: list[MarketRoute]
    ) -> None:
        self._version += 1
        routes = [shell_route(shell) for shell in shells]
        peers = peers_of(shells)
        for subscriber in self._subscribers.values():
            subscriber.notify("on_routes", self._version, routes, markets, peers)

    def _market_route(self, market_no: MarketNo) -> MarketRoute:
        assert self._directory is not None
        placed = self._directory.markets[market_no]
        return MarketRoute(market_no=market_no, key=placed.command.key, shell=placed.shell)

    def _send_gateways_to_shells(self, shells: Iterable[ShellProcess]) -> None:
        """Send shells the list of gateways; a shell receives it again in its next process."""
        gateways = list(self._gateways.values())
        for shell in shells:
            if shell.state in (ShellState.SERVING, ShellState.QUARANTINED):
                shell.peer.notify("set_gateways", gateways)

    def _send_gateways_to_feeds(self) -> None:
        self._version += 1
        for feed in self._feeds.values():
            feed.notify("on_gateways", self._version, list(self._gateways.values()))

    # --- shells ----------------------------------------------------------------------------------
    def suspect(self, name: str) -> None:
        """Tick a shell now, because a caller had no answer from it; unknown names are ignored."""
        shell = self._shells.get(name)
        if shell is not None:
            shell.suspected.set()

    async def release(self, name: str) -> None:
        """Give a quarantined shell a new process and a full restart budget."""
        shell = self._shells[name]
        shell.quarantine = ""
        shell.restarts.clear()
        shell.answering.clear()
        if shell.process is not None:
            shell.process.kill()
        await shell.answering.wait()

    async def _on_up(self, shell: ShellProcess) -> None:
        assert self._tail_check is not None
        await self._tail_check.check(shell)
        if shell.kind == "market":
            await self._create_missing(shell)
        assert self._stops is not None
        await self._stops.fit_out(shell)
        self._send_gateways_to_shells([shell])

    def _on_change(self, shell: ShellProcess) -> None:
        self._publish_routes(shells=[shell], markets=[])
