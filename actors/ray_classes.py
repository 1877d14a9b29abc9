"""Plain classes as Ray runs them: the few methods that an actor has besides its part's own.

Owns these subclasses and what they require of their process. It does not use Ray, which runs them.
"""

import asyncio
import os
from collections.abc import Callable
from functools import lru_cache
from importlib import metadata
from typing import Any

import uvloop

from actors.heap import freeze_heap, freeze_heap_at_once
from actors.peer import PeerRefusedError
from actors.road.address import RoadAddress
from actors.road.road import RoadSettings, serve_on_road
from actors.road.work_thread import WorkThread


class ClusterError(RuntimeError):
    """Ray does not meet what this project requires of it; the message says what to change."""


def check_uvloop(loop: asyncio.AbstractEventLoop, *, ray_version: str) -> None:
    """Check that an asynchronous actor runs on uvloop, as its throughput was measured on it.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
        The actor's event loop, which Ray creates before the actor.
    ray_version : str
        For the message.

    Raises
    ------
    ClusterError
        When the loop is not uvloop's.
    """
    if not isinstance(loop, uvloop.Loop):
        name = f"{type(loop).__module__}.{type(loop).__qualname__}"
        raise ClusterError(
            f"Ray {ray_version} runs asynchronous actors on {name} and not on uvloop: set "
            "RAY_USE_UVLOOP=1 and install uvloop on every node of the cluster"
        )


def vacant_actor(factory: type) -> type:
    """Return a class that holds no part at first, and later one of a synchronous class.

    Calls of one process to a synchronous actor run in order, so each call of the starter after
    `take_part` finds the part constructed. A call of another process may overtake that one, and is
    refused. Once its road is open, the part runs in one thread whatever way its calls come.
    """

    def begin(self: Any) -> None:
        self.taken = ("", 0)
        self.part = None
        self.address = None
        self.settings = None
        self.thread = None

    def take_part(self: Any, name: str, generation: int, arguments: dict[str, Any]) -> None:
        self.taken = (name, generation)
        self.part = factory(**arguments)
        freeze_heap_at_once()

    def open_road(self: Any, name: str, settings: RoadSettings) -> RoadAddress:
        if self.thread is None:
            self.thread = WorkThread(name)
        if self.settings != settings:  # at first, or from a start with another secret
            self.address = self.thread.wait(serve_on_road(self.part, name, settings))
            self.settings = settings
        address: RoadAddress = self.address
        return address

    def warm(_: Any) -> None:
        getattr(factory, "warm_up", lambda: None)()

    def part_taken(self: Any) -> tuple[str, int]:
        taken: tuple[str, int] = self.taken
        return taken

    def process_id(_: Any) -> int:
        return os.getpid()

    methods = (take_part, open_road, warm, part_taken, process_id)
    body: dict[str, Any] = {"__init__": begin, **{each.__name__: each for each in methods}}
    names = (name for name in dir(factory) if not name.startswith("_") and name not in body)
    body.update({name: _forwarded(name) for name in names if callable(getattr(factory, name))})
    return type(factory.__name__, (), body)


def _forwarded(name: str) -> Callable[..., Any]:
    """Return a method of an actor that calls the part's method of this name."""

    def call(self: Any, *args: Any) -> Any:
        if self.part is None:
            raise PeerRefusedError(f"{name}: this process has taken no part yet")
        method = getattr(self.part, name)
        return method(*args) if self.thread is None else self.thread.call(method, *args)

    call.__name__ = name
    return call


def async_actor(factory: type) -> type:
    """Return a subclass of an asynchronous class that also answers for its process."""

    async def process_id(_: Any) -> int:
        check_uvloop(asyncio.get_running_loop(), ray_version=_ray_version())
        return os.getpid()

    async def open_road(self: Any, name: str, settings: RoadSettings) -> RoadAddress:
        return await serve_on_road(self, name, settings)

    async def freeze(_: Any) -> None:
        freeze_heap()

    body = {"process_id": process_id, "open_road": open_road, "freeze_heap": freeze}
    return type(factory.__name__, (factory,), body)


@lru_cache(maxsize=1)
def _ray_version() -> str:
    """Read the version once: every ping asks, and it parses a file."""
    return metadata.version("ray")


def is_async(factory: type) -> bool:
    """Return whether a class has a coroutine among its methods, and so becomes an async actor."""
    return any(asyncio.iscoroutinefunction(getattr(factory, name)) for name in dir(factory))
