"""One actor of Ray: how it is called, and the process that it is.

Owns calls to actors, their errors, and what a supervisor does to a process: hold it by pidfd, open
its road, kill it. Never starts one; cluster.py does.
"""

import asyncio
import contextlib
from functools import lru_cache
from typing import Any, Final

from actors.peer import Peer, PeerDiedError, PeerTimeoutError
from actors.process import PartSpec, PidWatch
from actors.ray_checks import check_internals
from actors.road.peer import RoadPeer
from actors.road.road import RoadSettings

_GONE_POLL_S: Final = 0.05


@lru_cache(maxsize=1)
def ray_module() -> Any:
    """Import Ray, and check its internals at the first call."""
    import ray  # noqa: PLC0415 - see the module's docstring

    check_internals(ray)
    return ray


class RayPeer:
    """A part in another process. May be sent in calls, and used in any event loop."""

    def __init__(self, actor: Any, *, name: str) -> None:
        self._actor = actor
        self._name = name

    @property
    def name(self) -> str:
        """Name of the part, the same in all its processes."""
        return self._name

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        """Call the actor once and await its answer."""
        errors = ray_module().exceptions
        try:
            reference = getattr(self._actor, method).remote(*args)
            if timeout_s is None:
                return await reference
            async with asyncio.timeout(timeout_s):
                return await reference
        except errors.RayTaskError as error:
            raise error.cause from error
        except TimeoutError as error:
            raise PeerTimeoutError(f"{self._name}.{method}: {timeout_s} s passed") from error
        except errors.RayError as error:
            raise PeerDiedError(f"{self._name}.{method}: {type(error).__name__}") from error

    def notify(self, method: str, /, *args: Any) -> None:
        """Call the actor and drop its answer; does nothing once the actor has ended."""
        with contextlib.suppress(ray_module().exceptions.RayError):
            getattr(self._actor, method).remote(*args)


class RayProcess:
    """One actor, which is one operating-system process on the launcher's node.

    Parameters
    ----------
    actor : ray.actor.ActorHandle
        The actor.
    name : str
        The part's name.
    road : RoadSettings, optional
        When given, `open_road` lets the process join the road.
    """

    def __init__(self, actor: Any, *, name: str, road: RoadSettings | None = None) -> None:
        self._actor = actor
        self._road = road
        self.peer: Peer = RayPeer(actor, name=name)
        self.pid = 0
        self.start_ticks = 0
        self._watch: PidWatch | None = None

    def attach(self, pid: int) -> None:
        """Hold the process by pidfd from now on."""
        if self.pid != pid:
            self.pid = pid
            self._watch = PidWatch(pid)

    async def open_road(self) -> None:
        """Let the part be called over the road from now on, unless this system has none."""
        if self._road is not None and not isinstance(self.peer, RoadPeer):
            address = await self.peer.ask("open_road", self.peer.name, self._road)
            self.peer = RoadPeer(self.peer, address)

    async def identify(self) -> None:
        """Ask the actor for its process id, attach it and open its road.

        For parts that answer no tick.

        Raises
        ------
        PeerDiedError
            When the constructor failed or the process ended.
        ClusterError
            When the actor is asynchronous and does not run on uvloop.
        """
        self.attach(await self._call("process_id"))
        await self.open_road()

    async def freeze_heap(self) -> None:
        """Freeze the part's start-up objects in its process (see actors.heap).

        Raises
        ------
        PeerDiedError
            When the process has ended.
        """
        await self._call("freeze_heap")

    async def ping(self, *, timeout_s: float) -> None:
        """Ask the part's event loop for a sign of life; a PeerError says that there is none."""
        await self.peer.ask("process_id", timeout_s=timeout_s)

    def take_part(self, spec: PartSpec) -> None:
        """Let a vacant actor construct a part; calls that follow find it constructed."""
        self._actor.take_part.remote(spec.name, spec.generation, spec.arguments)

    def kill(self) -> None:
        """Send SIGKILL, and let Ray forget the actor."""
        if self._watch is not None:
            self._watch.kill()
        ray_module().kill(self._actor, no_restart=True)

    async def wait_gone(self) -> None:
        """Return when the process has ended: by pidfd, or by Ray before a pid is attached."""
        if self._watch is not None:
            await self._watch.wait_gone()
            return
        with contextlib.suppress(ray_module().exceptions.RayError):
            while True:
                await self._actor.process_id.remote()
                await asyncio.sleep(_GONE_POLL_S)

    async def _call(self, method: str) -> Any:
        errors = ray_module().exceptions
        try:
            return await getattr(self._actor, method).remote()
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            raise PeerDiedError(f"{self.peer.name}: {error}") from error
