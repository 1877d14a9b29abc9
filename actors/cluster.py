"""Start or join a Ray cluster, and run plain classes as Ray's actors.

Owns the start of Ray, its undocumented internals included, and the settings that this project
requires of it: listeners on loopback only, tokens on, no restarts and no retries of Ray's own,
uvloop under asynchronous actors. Never decides when a part starts or ends; the supervisor and the
system do. Ray is imported late because it reads its environment when it is imported.
"""

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final

from actors.blocking_calls import in_thread
from actors.peer import PeerError, PeerTimeoutError
from actors.process import PartSpec, check_pidfd
from actors.process_tree import kill_descendants
from actors.ray_checks import check_loopback, check_reachable
from actors.ray_classes import ClusterError, async_actor, is_async, vacant_actor
from actors.ray_process import RayPeer, RayProcess, ray_module
from actors.road.road import RoadSettings
from actors.settings import ClusterSettings

logger = logging.getLogger("overround.cluster")

_ENV: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    # Without it some versions warn on the terminal of a change that machines without
    # accelerators never see.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Switches of every Ray that is started or joined here; all are documented."""
_LOCAL_ENV: Final = {
    # Undocumented: turns addressing of clusters off, and then every listener binds 127.0.0.1.
    # `check_loopback` asserts the effect.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Undocumented: asynchronous actors run on uvloop. `check_uvloop` asserts the effect.
    "RAY_USE_UVLOOP": "1",
    # Ray runs workers at nice 15: any other process of the machine would go before every bet.
    "RAY_worker_niceness": "0",
    "RAY_AUTH_MODE": "token",
}
"""Further switches of a Ray that is started here; its processes inherit them."""
_MIB: Final = 1 << 20
_PART_TIMEOUT_S: Final = 2.0
_STOP_TIMEOUT_S: Final = 15.0
_SPARE_AFTER_S: Final = 2.0
_SPARE_START_S: Final = 60.0
"""How long a spare process may take to load its code."""
_SPARE_ASK_EVERY_S: Final = 1.0
_VACANT: Final = "shell."
"""First characters of the names of actors that take a part after their start."""
_CALLS_AT_ONCE_MAX: Final = 100_000
"""Calls that an asynchronous actor may run at once; its own bounds are lower and have names."""


# --- undocumented internals of Ray ---------------------------------------------------------------
def _job_config(ray: Any) -> Any:
    """Return the configuration of a driver whose current folder is not on its workers' path.

    Ray puts that folder first, and a package in it that is called `engine` or `gateway` would be
    imported instead of ours. `check_internals` asserts the attribute.
    """
    config = ray.job_config.JobConfig()
    config._client_job = True  # undocumented: its one effect without a runtime environment
    return config


def _silence(ray: Any) -> None:
    """Keep Ray from printing on this terminal that an actor ended; the supervisor reports it.

    Ray prints it whatever `log_to_driver` says, and has no public switch for it.
    """

    def drop(*_: object, **__: object) -> None:
        pass

    ray._private.worker.print_to_stdstream = drop


# --- actors --------------------------------------------------------------------------------------
class RayLauncher:
    """Start parts as actors on this node, where the journals' disk is.

    They are detached: a part outlives the process that started it, until it is killed or Ray ends.

    Parameters
    ----------
    namespace : str
        Ray's namespace of the actors; `running` finds what runs in it already.
    spare : type, optional
        A synchronous class of which one idle process is kept, its modules imported, so that the
        successor of a dead part need not start a process.
    answer_s : float
        A running part that leaves a question unanswered for so long is not taken over.
    road : RoadSettings, optional
        What parts need to join the road; without, all calls are Ray's.
    """

    def __init__(
        self,
        *,
        namespace: str,
        spare: type | None = None,
        answer_s: float = _PART_TIMEOUT_S,
        road: RoadSettings | None = None,
    ) -> None:
        ray = ray_module()
        self._namespace = namespace
        self._answer_s = answer_s
        self._road = road
        self._classes: dict[type, Any] = {}
        self._spare_class = spare
        self._spare: Any = None
        self._spare_pid = 0
        """The spare process, once it has answered; it can be killed by this id though frozen."""
        self._spare_ready = False
        """Whether it has loaded its code: while it compiles kernels, a new process is as fast."""
        self._spare_watch: asyncio.Task[None] | None = None
        self._spare_start: asyncio.TimerHandle | None = None
        self._node = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            node_id=ray.get_runtime_context().get_node_id(), soft=False
        )
        self._start_spare_later()

    async def begin(self, spec: PartSpec) -> RayProcess:
        """Begin an actor, or let the spare one take the part, once it has loaded its code.

        Ray neither restarts the actor nor retries a call to it.
        """
        if is_async(spec.factory):
            name = f"{spec.name}.{spec.generation}"
            actor = await self._create(spec.factory, name, _CALLS_AT_ONCE_MAX, spec.arguments)
            return self._process(actor, spec.name)
        pid = self.spare_pid
        if pid and spec.factory is self._spare_class:
            process = self._process(self._spare, spec.name)
            process.attach(pid)
            process.start_ticks = 1
            self._forget_spare()
            self._start_spare_later()
        else:
            process = self._process(await self._create_vacant(spec.factory), spec.name)
        process.take_part(spec)
        return process

    @property
    def spare_pid(self) -> int:
        """The spare process, once it has loaded its code; else 0."""
        return self._spare_pid if self._spare_ready else 0

    async def running(self, names: Collection[str]) -> dict[str, tuple[int, RayProcess]]:
        """Return the running actors of these parts; each part has one at most.

        An actor that does not answer is killed: frozen or busy, it holds a journal's lock, and if
        nobody took it over, its successor could never open the journal.
        """
        ray = ray_module()
        found: dict[str, tuple[int, RayProcess]] = {}
        for entry in ray.util.list_named_actors(all_namespaces=True):
            if entry["namespace"] != self._namespace or not entry["name"].startswith(_VACANT):
                continue
            try:
                actor = ray.get_actor(entry["name"], self._namespace)
                peer = RayPeer(actor, name=entry["name"])
                name, generation = await peer.ask("part_taken", timeout_s=self._answer_s)
            except PeerTimeoutError:
                ray.kill(actor, no_restart=True)
                continue
            except (ValueError, PeerError):
                continue  # the actor has ended since it was listed
            if name in names:
                found[name] = (generation, self._process(actor, name))
            elif not name:
                ray.kill(actor, no_restart=True)
        return found

    async def end_actors(self, *, shells: bool) -> list[str]:
        """Stop the parts that an earlier start left, last one first; return the actors' names.

        With `shells`, these end too: the supervisor's stop closes their journals. Without, they
        keep running, and a new supervisor takes them over.
        """
        ray = ray_module()
        names = [
            entry["name"]
            for entry in ray.util.list_named_actors(all_namespaces=True)
            if entry["namespace"] == self._namespace
        ]
        parts = [name for name in names if not name.startswith(_VACANT)]
        parts.sort(key=lambda name: int(name.rpartition(".")[2]), reverse=True)
        left = [name for name in names if name.startswith(_VACANT)] if shells else []
        for name in (*parts, *left):
            try:
                actor = ray.get_actor(name, self._namespace)
            except ValueError:
                continue  # it has ended since it was listed
            process = RayProcess(actor, name=name)
            with contextlib.suppress(PeerError, ClusterError, TimeoutError):
                await asyncio.wait_for(process.identify(), _PART_TIMEOUT_S)
                if shells and name in parts:
                    await process.peer.ask("stop", timeout_s=_STOP_TIMEOUT_S)
            process.kill()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait_gone(), _PART_TIMEOUT_S)
        return [*parts, *left]

    def close(self) -> None:
        """End the spare process; parts that were started belong to their supervisor."""
        if self._spare_start is not None:
            self._spare_start.cancel()
        if self._spare_watch is not None:
            self._spare_watch.cancel()
        self._kill_spare()

    def _process(self, actor: Any, name: str) -> RayProcess:
        return RayProcess(actor, name=name, road=self._road)

    async def _create(
        self, factory: type, name: str, concurrency: int, arguments: Mapping[str, Any]
    ) -> Any:
        """Create an actor, in a thread: the call blocks while Ray's head process is lost."""
        actor_class = self._classes.get(factory)
        if actor_class is None:
            body = async_actor(factory) if is_async(factory) else vacant_actor(factory)
            actor_class = self._classes[factory] = ray_module().remote(body)
        options = actor_class.options(
            name=name,
            namespace=self._namespace,
            lifetime="detached",
            num_cpus=0,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=concurrency,
            scheduling_strategy=self._node,
        )
        creation = asyncio.ensure_future(in_thread(partial(options.remote, **arguments)))
        try:
            return await asyncio.shield(creation)
        except asyncio.CancelledError:
            creation.add_done_callback(_kill_created)
            raise

    async def _create_vacant(self, factory: type) -> Any:
        return await self._create(factory, f"{_VACANT}{time.time_ns()}", 1, {})

    def _start_spare_later(self) -> None:
        """Start a spare process after the present start, with which it must not compete."""
        if self._spare_class is not None:
            loop = asyncio.get_running_loop()
            self._spare_start = loop.call_later(_SPARE_AFTER_S, self._start_spare)

    def _start_spare(self) -> None:
        self._spare_watch = asyncio.get_running_loop().create_task(self._keep_spare())

    async def _keep_spare(self) -> None:
        """Start a spare process; replace it when it does not answer: a fail-over must not wait."""
        assert self._spare_class is not None
        try:
            self._spare = await self._create_vacant(self._spare_class)
            await self._watch_spare()
        except Exception as error:  # whatever it is, the next one may do
            logger.warning("the spare process is replaced: %s", error)
        self._spare_watch = None
        self._start_spare_later()
        self._kill_spare()

    async def _watch_spare(self) -> None:
        """Ask the spare process again and again; raise PeerError when it does not answer."""
        peer, deadline_s = RayPeer(self._spare, name="spare"), _SPARE_START_S
        while True:
            pid = await peer.ask("process_id", timeout_s=deadline_s)
            if not self._spare_pid:
                self._spare_pid = pid
                await peer.ask("warm", timeout_s=_SPARE_START_S)
                self._spare_ready = True
            deadline_s = _PART_TIMEOUT_S
            await asyncio.sleep(_SPARE_ASK_EVERY_S)

    def _kill_spare(self) -> None:
        if self._spare is None:
            return
        process = RayProcess(self._spare, name="spare")
        if self._spare_pid:
            process.attach(self._spare_pid)
        self._forget_spare()
        process.kill()

    def _forget_spare(self) -> None:
        self._spare, self._spare_pid, self._spare_ready = None, 0, False
        if self._spare_watch is not None:
            self._spare_watch.cancel()
            self._spare_watch = None


def _kill_created(creation: "asyncio.Future[Any]") -> None:
    """Kill an actor whose starter was cancelled while Ray created it."""
    if not creation.cancelled() and creation.exception() is None:
        ray_module().kill(creation.result(), no_restart=True)


# --- cluster -------------------------------------------------------------------------------------
class Cluster:
    """A Ray that is started here, or a connection to a running cluster."""

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self._began = False

    def start(self) -> None:
        """Start a local Ray, or join the cluster at `settings.address`.

        Does nothing in a process that is connected already.

        Raises
        ------
        ClusterError
            When Ray was imported before its environment could be set, which would leave it open to
            the network or without its token; when it lacks an internal that is used here; when
            it binds other addresses than loopback; or when the cluster does not answer.
        PidfdMissingError
            When processes cannot be held by pidfd.
        """
        check_pidfd()
        settings = self.settings
        required = _ENV if settings.address else {**_ENV, **_LOCAL_ENV}
        if "ray" in sys.modules and any(os.environ.get(k) != v for k, v in required.items()):
            names = ", ".join(f"{key}={value}" for key, value in required.items())
            raise ClusterError(f"import ray after this call, or set {names} before importing it")
        os.environ.update(required)
        ray = ray_module()
        if ray.is_initialized():
            return
        common = {
            "namespace": settings.namespace,
            "log_to_driver": settings.log_to_driver,
            "logging_level": "ERROR",
            "configure_logging": True,
            "job_config": _job_config(ray),
        }
        if settings.address:
            check_reachable(settings.address)
            ray.init(address=settings.address, **common)
            self._began = True
        else:
            check_loopback(ray)
            ray.init(
                address="local",  # whatever RAY_ADDRESS says
                num_cpus=settings.cpus or os.cpu_count(),
                include_dashboard=False,
                object_store_memory=settings.object_store_mib * _MIB,
                **common,
            )
            self._began = True
            try:
                check_loopback(ray)
            except ClusterError:
                self.stop()
                raise
        if not settings.log_to_driver:
            _silence(ray)

    def stop(self) -> None:
        """Leave the cluster; a Ray that was started here ends, and every actor with it."""
        if self._began:
            ray_module().shutdown()
            self._began = False

    def ask_head(self) -> None:
        """Ask Ray's head process for its nodes; block while it does not answer, or raise."""
        ray_module().nodes()

    def end_at_once(self) -> None:
        """Kill a Ray that was started here and all its processes; for a stop during the start.

        In a running cluster nothing is killed: the next start takes over what was begun.
        """
        if not self.settings.address:
            kill_descendants(os.getpid())

    def launcher(self) -> RayLauncher:
        """Return a launcher of actors on this node."""
        return RayLauncher(namespace=self.settings.namespace)

    def __enter__(self) -> "Cluster":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
