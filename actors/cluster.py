"""Ray: the one file that knows it. Starts or joins a cluster, and runs plain classes as actors.

Owns the settings that bind Ray to the rules of the house: loopback only, tokens on, no restarts, no
retries. Never decides when a part starts or ends; that is the supervisor's. Ray is imported late
because it reads its environment when it is imported.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

from actors.heap import freeze_heap, freeze_heap_at_once
from actors.peer import PeerDiedError, PeerError, PeerTimeoutError
from actors.process import PartSpec, PidWatch
from actors.settings import ClusterSettings

_LOCAL_ENV: Final = {
    # Ray's switch for machines that are no cluster: every listener binds 127.0.0.1.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
}
_ENV: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
}
_MIB: Final = 1 << 20
_GONE_POLL_S: Final = 0.05
_PART_TIMEOUT_S: Final = 2.0
_WARM_AFTER_S: Final = 2.0
_VACANT: Final = "shell."
"""How names of actors begin that take a part after their start."""
_CALLS_AT_ONCE_MAX: Final = 100_000
"""Calls an async actor may have begun; its own bounds are tighter and have names."""


def _ray() -> Any:
    import ray  # noqa: PLC0415 - see the module's docstring

    return ray


class ClusterError(RuntimeError):
    """Ray cannot be started by the rules of the house; the message says what to change."""


class RayPeer:
    """A part in another process. May be sent along in calls, and used in any event loop."""

    def __init__(self, actor: Any, *, name: str) -> None:
        self._actor = actor
        self._name = name

    @property
    def name(self) -> str:
        """Name of the part, the same in all its lives."""
        return self._name

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        """Call the actor once and await its answer."""
        errors = _ray().exceptions
        try:
            reference = getattr(self._actor, method).remote(*args)
            if timeout_s is None:
                return await reference
            return await asyncio.wait_for(reference, timeout_s)
        except errors.RayTaskError as error:
            raise error.cause from error
        except TimeoutError as error:
            raise PeerTimeoutError(f"{self._name}.{method}: {timeout_s} s passed") from error
        except errors.RayError as error:
            raise PeerDiedError(f"{self._name}.{method}: {type(error).__name__}") from error

    def notify(self, method: str, /, *args: Any) -> None:
        """Call the actor and drop its answer; to a dead one this does nothing."""
        with contextlib.suppress(_ray().exceptions.RayError):
            getattr(self._actor, method).remote(*args)


class RayProcess:
    """One actor, which is one operating-system process on the node of whoever launched it."""

    def __init__(self, actor: Any, *, name: str) -> None:
        self._actor = actor
        self.peer = RayPeer(actor, name=name)
        self.pid = 0
        self._watch: PidWatch | None = None

    def attach(self, pid: int) -> None:
        """Hold the process by descriptor from now on."""
        self.pid = pid
        self._watch = PidWatch(pid)

    async def find(self) -> None:
        """Ask the actor for its process and hold it; for parts that have no tick to tell it.

        Raises
        ------
        PeerDiedError
            When the constructor failed or the process ended.
        """
        try:
            self.attach(await self._actor.__ray_call__.remote(_pid_of))
        except _ray().exceptions.RayError as error:
            raise PeerDiedError(f"{self.peer.name}: {error}") from error

    async def settle(self) -> None:
        """Have the process take what it began with for good (see actors.heap).

        Raises
        ------
        PeerDiedError
            When it has ended.
        """
        try:
            await self._actor.__ray_call__.remote(_settle)
        except _ray().exceptions.RayError as error:
            raise PeerDiedError(f"{self.peer.name}: {error}") from error

    def kill(self) -> None:
        """Send SIGKILL, and tell Ray."""
        if self._watch is not None:
            self._watch.kill()
        _ray().kill(self._actor, no_restart=True)

    async def gone(self) -> None:
        """Return when the kernel says so; before the first answer, when Ray does."""
        if self._watch is not None:
            await self._watch.gone()
            return
        with contextlib.suppress(_ray().exceptions.RayError):
            while True:
                await self._actor.__ray_ready__.remote()
                await asyncio.sleep(_GONE_POLL_S)


class RayLauncher:
    """Starts parts as actors on this very node, where the journals' disk is.

    They are detached: a part outlives whoever started it, until it is killed or Ray ends.

    Parameters
    ----------
    namespace : str
        Where actors have their names; what runs there already is found by `running`.
    spare : type, optional
        A synchronous class of which one process is kept waiting, its modules imported, so that a
        dead part's successor need not begin with a new process.
    """

    def __init__(self, *, namespace: str, spare: type | None = None) -> None:
        ray = _ray()
        self._namespace = namespace
        self._classes: dict[type, Any] = {}
        self._vacancies: dict[type, type] = {}
        self._spare_class = spare
        self._spare: Any = None
        self._warming: asyncio.TimerHandle | None = None
        self._node = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            node_id=ray.get_runtime_context().get_node_id(), soft=False
        )
        self._warm_later()

    def spawn(self, spec: PartSpec) -> RayProcess:
        """Begin an actor, or have the spare one take the part.

        Ray neither restarts it nor retries a call to it.
        """
        if _is_async(spec.factory):
            name = f"{spec.name}.{spec.generation}"
            actor = self._create(spec.factory, name, _CALLS_AT_ONCE_MAX, spec.arguments)
            return RayProcess(actor, name=spec.name)
        actor = self._spare
        if actor is None or spec.factory is not self._spare_class:
            actor = self._vacant(spec.factory)
        else:
            self._spare = None
            self._warm_later()
        actor.take_part.remote(spec.name, spec.generation, spec.arguments)
        return RayProcess(actor, name=spec.name)

    async def running(self, names: Collection[str]) -> dict[str, tuple[int, RayProcess]]:
        """Return the live actors of these parts; each has one, as its predecessor was buried.

        One that does not answer is killed: frozen or busy, it holds a journal's lock, and a part
        that nobody adopts would keep its successor out for ever.
        """
        ray = _ray()
        found: dict[str, tuple[int, RayProcess]] = {}
        for entry in ray.util.list_named_actors(all_namespaces=True):
            if entry["namespace"] != self._namespace or not entry["name"].startswith(_VACANT):
                continue
            try:
                actor = ray.get_actor(entry["name"], self._namespace)
                peer = RayPeer(actor, name=entry["name"])
                name, generation = await peer.ask("part_taken", timeout_s=_PART_TIMEOUT_S)
            except PeerTimeoutError:
                ray.kill(actor, no_restart=True)
                continue
            except (ValueError, PeerError):
                continue  # it has ended
            if name in names:
                found[name] = (generation, RayProcess(actor, name=name))
            elif not name:
                ray.kill(actor, no_restart=True)
        return found

    def close(self) -> None:
        """End the spare process; parts that were taken are their supervisor's."""
        if self._warming is not None:
            self._warming.cancel()
        if self._spare is not None:
            _ray().kill(self._spare, no_restart=True)
            self._spare = None

    def _create(
        self, factory: type, name: str, concurrency: int, arguments: Mapping[str, Any]
    ) -> Any:
        actor_class = self._classes.get(factory)
        if actor_class is None:
            actor_class = self._classes[factory] = _ray().remote(factory)
        return actor_class.options(
            name=name,
            namespace=self._namespace,
            lifetime="detached",
            num_cpus=0,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=concurrency,
            scheduling_strategy=self._node,
        ).remote(**arguments)

    def _vacant(self, factory: type) -> Any:
        vacancy = self._vacancies.get(factory)
        if vacancy is None:
            vacancy = self._vacancies[factory] = vacant(factory)
        return self._create(vacancy, f"{_VACANT}{time.time_ns()}", 1, {})

    def _warm_later(self) -> None:
        """Begin a spare when the present start is over: it must not compete with it."""
        if self._spare_class is not None:
            loop = asyncio.get_running_loop()
            self._warming = loop.call_later(_WARM_AFTER_S, self._warm)

    def _warm(self) -> None:
        assert self._spare_class is not None
        self._spare = self._vacant(self._spare_class)
        self._spare.warm.remote()


def vacant(factory: type) -> type:
    """Return a subclass that is constructed with nothing and becomes a part when it is told to.

    Calls to a synchronous actor run in order, so whatever is asked after `take_part` finds the part
    constructed.
    """

    def begin(self: Any) -> None:
        self.part = ("", 0)

    def take_part(self: Any, name: str, generation: int, arguments: dict[str, Any]) -> None:
        self.part = (name, generation)
        factory.__init__(self, **arguments)  # type: ignore[misc]
        freeze_heap_at_once()

    def warm(_: Any) -> None:
        getattr(factory, "warm_up", lambda: None)()

    def part_taken(self: Any) -> tuple[str, int]:
        part: tuple[str, int] = self.part
        return part

    body = {"__init__": begin, "take_part": take_part, "part_taken": part_taken, "warm": warm}
    return type(factory.__name__, (factory,), body)


def _is_async(factory: type) -> bool:
    return any(asyncio.iscoroutinefunction(getattr(factory, name)) for name in dir(factory))


def _pid_of(_: object) -> int:
    return os.getpid()


def _settle(_: object) -> None:
    freeze_heap()


def _quieten() -> None:
    """Keep Ray from printing on our terminal that an actor died: the supervisor tells it better.

    Ray prints it whatever `log_to_driver` says, and has no public switch for it.
    """
    from ray._private import worker  # noqa: PLC0415

    def drop(*_: object, **__: object) -> None:
        pass

    worker.print_to_stdstream = drop


class Cluster:
    """A Ray instance of our own, or a place in somebody else's."""

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self._began = False

    def start(self) -> None:
        """Start a local Ray, or join the cluster at `settings.address`.

        Does nothing in a process that is connected already.

        Raises
        ------
        ClusterError
            When Ray was imported before its environment could be set: it would listen to the
            world, or without its token.
        """
        settings = self.settings
        wanted = _ENV if settings.address else {**_ENV, **_LOCAL_ENV}
        if "ray" in sys.modules and any(os.environ.get(k) != v for k, v in wanted.items()):
            names = ", ".join(f"{key}={value}" for key, value in wanted.items())
            raise ClusterError(f"import ray after this call, or set {names} before importing it")
        os.environ.update(wanted)
        ray = _ray()
        if ray.is_initialized():
            return
        common = {
            "namespace": settings.namespace,
            "log_to_driver": settings.log_to_driver,
            "logging_level": "ERROR",
            "configure_logging": True,
        }
        if settings.address:
            ray.init(address=settings.address, **common)
        else:
            ray.init(
                address="local",  # whatever RAY_ADDRESS says
                num_cpus=settings.cpus or os.cpu_count(),
                include_dashboard=False,
                object_store_memory=settings.object_store_mib * _MIB,
                **common,
            )
        self._began = True
        if not settings.log_to_driver:
            _quieten()

    def stop(self) -> None:
        """Leave; a local Ray that was started here ends, and every actor with it."""
        if self._began:
            _ray().shutdown()
            self._began = False

    def launcher(self) -> RayLauncher:
        """Return what starts actors on this node, one process at a time."""
        return RayLauncher(namespace=self.settings.namespace)

    def __enter__(self) -> "Cluster":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
