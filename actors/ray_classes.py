"""Plain classes as Ray runs them: the few methods that an actor has besides its part's own.

Owns these subclasses and what they require of their process. It does not use Ray, which runs them.
"""

import asyncio
import os
from importlib import metadata
from typing import Any

import uvloop

from actors.heap import freeze_heap, freeze_heap_at_once


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
    """Return a subclass of a synchronous class that is constructed empty and takes a part later.

    Calls to a synchronous actor run in order, so every call after `take_part` finds the part
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

    def process_id(_: Any) -> int:
        return os.getpid()

    methods = (take_part, warm, part_taken, process_id)
    body = {"__init__": begin, **{method.__name__: method for method in methods}}
    return type(factory.__name__, (factory,), body)


def async_actor(factory: type) -> type:
    """Return a subclass of an asynchronous class that also answers for its process."""

    async def process_id(_: Any) -> int:
        check_uvloop(asyncio.get_running_loop(), ray_version=metadata.version("ray"))
        return os.getpid()

    async def freeze(_: Any) -> None:
        freeze_heap()

    return type(factory.__name__, (factory,), {"process_id": process_id, "freeze_heap": freeze})


def is_async(factory: type) -> bool:
    """Return whether a class has a coroutine among its methods, and so becomes an async actor."""
    return any(asyncio.iscoroutinefunction(getattr(factory, name)) for name in dir(factory))
