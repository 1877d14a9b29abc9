"""One part that the system keeps running, and its present process.

Owns no decision: actors.system starts and restarts the part.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from actors.cluster import RayProcess
from actors.peer import Peer


class SystemPart:
    """A part that the system keeps running: its class, its arguments, and what follows a start."""

    def __init__(
        self,
        name: str,
        factory: type,
        arguments: Callable[[], dict[str, Any]],
        on_up: Callable[[Peer], Awaitable[None]],
    ) -> None:
        self.name = name
        self.factory = factory
        self.arguments = arguments
        self.on_up = on_up
        self.peer: Peer | None = None
        self.process: RayProcess | None = None
