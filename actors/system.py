"""Start the whole system in order, on Ray or in this process, and stop it again.

Owns the order: Ray, supervisor (directory, account shards, market shells), reconciler, feed
pipelines, gateways. It restarts the parts that hold nothing durable (supervisor, reconciler,
pipelines, gateways) when their processes end. It never restarts a shell, which the supervisor does,
and holds no durable state: everything is found again from the data folder.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import zlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from actors.cluster import Cluster, RayLauncher
from actors.desk import NAME as DESK
from actors.desk import Desk
from actors.head_watch import HeadWatch
from actors.kernel_helpers import load_all_kernels
from actors.local import LocalLauncher, end_part
from actors.market_shell import MarketShell
from actors.messages import PartsStatus, encode
from actors.part_keeper import Part, PartKeeper
from actors.peer import Peer, PeerError
from actors.process import Launcher
from actors.reconciler import Reconciler
from actors.road.road import Road, RoadSettings, join_road, leave_road
from actors.serve_lock import kill_holders, lock_folder
from actors.supervisor import Supervisor
from actors.system_calls import SystemCalls
from actors.system_parts import FeedPart, GatewayPart, SystemSettings, road_settings
from persistence.disk import LocalLock

_START_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 15.0
"""Longer than the supervisor gives its shells (STOP_DEADLINE_S); a frozen part is then killed."""

logger = logging.getLogger("overround.system")


class System(SystemCalls):
    """A running bookmaker: an async context manager, or `start` and `stop`.

    Parameters
    ----------
    data_dir : str
        Folder of everything durable.
    settings : SystemSettings
        What the parts are given.
    gateways : sequence of GatewayPart
        Gateways to run, after everything else is up.
    feeds : sequence of FeedPart
        Feeds to follow, each through a pipeline of its own.
    embedded : bool
        Run all parts in this process, with no Ray: for tests and notebooks.
    """

    def __init__(
        self,
        *,
        data_dir: str,
        settings: SystemSettings | None = None,
        gateways: Sequence[GatewayPart] = (),
        feeds: Sequence[FeedPart] = (),
        embedded: bool = False,
    ) -> None:
        self.settings = settings or SystemSettings()
        super().__init__(shards=self.settings.supervisor.account_shards)
        self.gateways: list[Peer] = []
        self.ports: list[dict[str, int]] = []
        self.feeds: dict[str, Peer] = {}
        self._desk: Peer | None = None
        self._data_dir = os.path.abspath(data_dir)
        self._gateway_parts = gateways
        self._feed_parts = feeds
        self.started = False
        """True from the end of `start` to the end of `stop`."""
        self._cluster = None if embedded else Cluster(self.settings.cluster)
        self._lock: LocalLock | None = None
        self._launcher: Launcher | None = None
        self._road: RoadSettings | None = None
        self._process_nos = itertools.count(1)
        self._announced: dict[str, int] = {}
        """The number of the process with which each part was announced last."""
        self._keeper: PartKeeper | None = None
        self.opening = False
        """Whether gateways say that they are not ready: set it before `start`; `opened` ends it."""
        self.parts_down: dict[str, str] = {}
        """Why a part that is no shell does not run at this moment, by its name."""
        self._parts_version = 0
        self.head_lost = asyncio.Event()
        """Set when Ray's head process is lost: the owner of the system must end it then."""
        self.head_why = ""
        self._head_watch: asyncio.Task[None] | None = None

    # --- start and stop --------------------------------------------------------------------------

    async def start(self) -> None:
        """Start every part; at the return, everything that the data folder holds is served.

        The kernels are loaded before any part runs, so that no two processes compile the same.

        Raises
        ------
        KernelCacheError
            When compiled kernels cannot be stored; nothing has been started.
        """
        load_all_kernels()
        if self._cluster is not None:
            self._lock = lock_folder(Path(self._data_dir))
            await self._start_cluster(self._cluster)
            self._road = road_settings(self.settings.cluster, Path(self._data_dir))
            if self._road is not None:
                join_road(Road("system", self._road))
            self._launcher = launcher = self._make_launcher()()
            assert isinstance(launcher, RayLauncher)
            for name in await launcher.end_actors(shells=False):
                logger.warning("%s: left by a start that was killed; it is replaced", name)
        else:
            self._launcher = LocalLauncher()
        self._keeper = PartKeeper(
            launcher=self._launcher,
            deadline_ms=self.settings.supervisor.part_deadline_ms,
            on_change=self._on_parts,
        )
        keep = self._keeper.keep
        await keep(Part("supervisor", Supervisor, self._supervisor_arguments, self._supervisor_up))
        await keep(Part("reconciler", Reconciler, self._reconciler_arguments, self._reconciler_up))
        await keep(Part(DESK, Desk, self._desk_arguments, self._desk_up))
        for feed in self._feed_parts:
            name = f"feed-{feed.feed}"
            arguments = partial(self._feed_arguments, name, feed)
            on_up = partial(self._feed_up, feed.feed)
            await keep(Part(name, feed.factory, arguments, on_up))
        for number, gateway in enumerate(self._gateway_parts):
            name = f"gateway-{number}"
            arguments = partial(self._gateway_arguments, name, gateway)
            on_up = partial(self._gateway_up, number)
            await keep(Part(name, gateway.factory, arguments, on_up))
        await self.refresh()
        if self._cluster is not None:
            self._head_watch = asyncio.create_task(self._watch_head(self._cluster))
        self.started = True

    def end_at_once(self) -> None:
        """Kill what a start has begun so far, or everything when Ray's head process is lost.

        Nothing is lost: whatever was answered is on disk. The caller then ends its own process,
        which may be inside of a call of Ray, without waiting. Before the start is over, parts in a
        cluster that was joined run on; the next start takes them over.
        """
        if self._cluster is not None:
            self._cluster.end_at_once()
        if self._keeper is not None and self.head_lost.is_set():
            self._keeper.end()
            self._keeper.kill()
            kill_holders(Path(self._data_dir))

    async def _start_cluster(self, cluster: Cluster) -> None:
        """Start Ray; a cancellation waits for the end of the start, so that `stop` can end Ray."""
        starting = asyncio.ensure_future(asyncio.to_thread(cluster.start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])
            raise

    async def stop(self) -> None:
        """Stop every part in the opposite order; whatever was answered is on disk already."""
        if self._head_watch is not None:
            self._head_watch.cancel()
        parts = [] if self._keeper is None else self._keeper.parts
        if self._keeper is not None:
            self._keeper.end()
        for part in reversed(parts):
            if part.peer is not None:
                with contextlib.suppress(PeerError):  # a process that has ended is stopped
                    await part.peer.ask("stop", timeout_s=_STOP_TIMEOUT_S)
            if part.process is not None:
                part.process.kill()
                await part.process.wait_gone()
        self._keeper = None
        self.gateways.clear()
        self.feeds.clear()
        self.ports.clear()
        self._reconciler = self._supervisor = self._desk = None
        if self._cluster is not None:
            leave_road()
            await asyncio.to_thread(self._cluster.stop)
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self.started = False

    async def stop_left(self) -> list[str]:
        """Stop what a killed start has left in its cluster; return the names of the actors.

        Raises
        ------
        LockHeldError
            A process runs the system: it is the one to stop.
        """
        assert self._cluster is not None, "not embedded"
        self._lock = lock_folder(Path(self._data_dir))
        if not self.settings.cluster.address:
            return []  # a Ray that was started by a process ends with it
        await self._start_cluster(self._cluster)
        launcher = self._make_launcher()()
        assert isinstance(launcher, RayLauncher)
        return await launcher.end_actors(shells=True)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _on_parts(self, down: dict[str, str]) -> None:
        self.parts_down = down
        self._send_parts()

    def opened(self) -> None:
        """Tell every gateway that the opening file has been applied."""
        self.opening = False
        self._send_parts()

    def _parts_status(self) -> bytes:
        ports = {peer.name: ports for peer, ports in zip(self.gateways, self.ports, strict=True)}
        return encode(PartsStatus(down=self.parts_down, ports=ports, opening=self.opening))

    def _send_parts(self) -> None:
        """Tell every gateway which parts do not run now, and where each gateway listens.

        With a version, as calls may overtake one another.
        """
        self._parts_version += 1
        payload = self._parts_status()
        for gateway in self.gateways:
            gateway.notify("on_parts", self._parts_version, payload)

    async def _watch_head(self, cluster: Cluster) -> None:
        deadline_s = self.settings.cluster.head_deadline_ms / 1_000
        self.head_why = await HeadWatch(cluster.ask_head, deadline_s=deadline_s).wait_lost()
        self.head_lost.set()

    def _make_launcher(self, *, spare: type | None = None) -> Callable[[], Launcher]:
        """Return a callable that makes a launcher, here or in the supervisor's process.

        Each data folder's actors have a namespace of their own, so that systems which share a
        cluster never take over one another's shells.
        """
        if self._cluster is None:
            return lambda: self._launcher or LocalLauncher()
        namespace = f"{self.settings.cluster.namespace}-{zlib.crc32(self._data_dir.encode()):08x}"
        answer_s = self.settings.supervisor.tick_deadline_ms / 1_000
        return partial(
            RayLauncher, namespace=namespace, spare=spare, answer_s=answer_s, road=self._road
        )

    def _supervisor_arguments(self) -> dict[str, Any]:
        return {
            "data_dir": self._data_dir,
            "launcher": self._make_launcher(
                spare=MarketShell if self.settings.supervisor.spare_process else None
            ),
            "settings": self.settings.supervisor,
            "shell_settings": self.settings.markets,
            "journal": self.settings.journal,
            "cores": os.cpu_count() or 1,
            **self._ending(),
        }

    def _ending(self) -> dict[str, Any]:
        """Return what ends a part that must not go on, where it has no process of its own."""
        return {"exit_process": end_part} if self._cluster is None else {}

    def _reconciler_arguments(self) -> dict[str, Any]:
        return {
            "shards": self.settings.supervisor.account_shards,
            "settings": self.settings.reconciler,
        }

    def _desk_arguments(self) -> dict[str, Any]:
        return {
            "folder": str(Path(self._data_dir) / DESK),
            "settings": self.settings.desk,
            "options": self.settings.journal,
            **self._ending(),
        }

    def _gateway_arguments(self, name: str, gateway: GatewayPart) -> dict[str, Any]:
        return {**gateway.arguments, "name": name, "supervisor": self.supervisor}

    def _feed_arguments(self, name: str, feed: FeedPart) -> dict[str, Any]:
        return {
            **feed.arguments,
            "name": name,
            "feed": feed.feed,
            "supervisor": self.supervisor,
        }

    async def _supervisor_up(self, peer: Peer) -> None:
        await peer.ask("start", timeout_s=_START_TIMEOUT_S)
        self._supervisor = peer
        # After a restart, the new supervisor learns of the other parts here. A part that has ended
        # meanwhile is announced by its own restart.
        if self._reconciler is not None:
            with contextlib.suppress(PeerError):
                no = self._announced["reconciler"]
                await peer.ask("subscribe_routes", "reconciler", self._reconciler, no)
                await self._reconciler.ask("report_to", peer)
        if self._desk is not None:
            with contextlib.suppress(PeerError):
                no = self._announced[self._desk.name]
                await peer.ask("add_gateway", self._desk.name, self._desk, no)
        for feed, pipeline in self.feeds.items():
            with contextlib.suppress(PeerError):
                no = self._announced[pipeline.name]
                await peer.ask("subscribe_routes", pipeline.name, pipeline, no)
                await peer.ask("add_feed", feed, pipeline, no)
                await pipeline.ask("on_supervisor", peer)
        for gateway in self.gateways:
            with contextlib.suppress(PeerError):
                await peer.ask("add_gateway", gateway.name, gateway, self._announced[gateway.name])
                await gateway.ask("on_supervisor", peer)

    async def _reconciler_up(self, peer: Peer) -> None:
        no = next(self._process_nos)

        async def announce(supervisor: Peer) -> None:
            await supervisor.ask("subscribe_routes", "reconciler", peer, no)
            await peer.ask("report_to", supervisor)

        informed = await self._announce(announce)
        await peer.ask("start")
        self._reconciler, self._announced["reconciler"] = peer, no
        await self._announce(announce, informed)

    async def _desk_up(self, peer: Peer) -> None:
        """Announce the desk to gateways, and as one of them: it watches what they are sent.

        It starts without a supervisor too; the next one learns of it.
        """
        no = next(self._process_nos)

        async def announce(supervisor: Peer) -> None:
            await supervisor.ask("add_gateway", peer.name, peer, no)

        self._desk, self._announced[peer.name] = peer, no
        for gateway in self.gateways:
            gateway.notify("on_desk", peer)
        with contextlib.suppress(PeerError):
            await self._announce(announce)

    async def _feed_up(self, feed: str, peer: Peer) -> None:
        no = next(self._process_nos)

        async def announce(supervisor: Peer) -> None:
            await supervisor.ask("subscribe_routes", peer.name, peer, no)
            if peer is self.feeds.get(feed):
                await supervisor.ask("add_feed", feed, peer, no)
                await peer.ask("on_supervisor", supervisor)

        await self._announce(announce)
        await peer.ask("start", timeout_s=_START_TIMEOUT_S)
        self.feeds[feed], self._announced[peer.name] = peer, no
        await self._announce(announce)

    async def _gateway_up(self, number: int, peer: Peer) -> None:
        no = next(self._process_nos)

        async def announce(supervisor: Peer) -> None:
            await supervisor.ask("add_gateway", peer.name, peer, no)

        informed = await self._announce(announce)
        await peer.ask("on_parts", self._parts_version, self._parts_status())
        await peer.ask("on_desk", self._desk)
        ports = await peer.ask("start")
        self.gateways[number : number + 1] = [peer]
        self.ports[number : number + 1] = [ports]
        self._announced[peer.name] = no
        self._send_parts()
        peer.notify("on_desk", self._desk)  # which may be another since the gateway began
        await self._announce(announce, informed)

    async def _announce(
        self, announce: Callable[[Peer], Awaitable[None]], informed: Peer | None = None
    ) -> Peer:
        """Announce a part to the supervisor, and to any that takes its place; return the last."""
        while informed is not self.supervisor:
            informed = self.supervisor
            await announce(informed)
        return informed

    def pids(self) -> dict[str, int]:
        """Return the process id of each part that is not a shell; none when embedded."""
        parts = [] if self._keeper is None else self._keeper.parts
        return {part.name: part.process.pid for part in parts if part.process is not None}
