"""How one part calls another over the road, and over Ray where the road does not go.

Owns the choice for each call. What it promises is what every Peer promises.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from actors.peer import Peer
from actors.road.address import RoadAddress
from actors.road.frames import METHOD_NUMBERS
from actors.road.road import Road, road_here


class RoadPeer:
    """A part in another process. May be sent in calls.

    Parameters
    ----------
    rare : Peer
        Carries calls of methods that the road does not know, and every call of a process that is
        not on the road.
    address : RoadAddress
        The process.
    """

    def __init__(self, rare: Peer, address: RoadAddress) -> None:
        self._rare = rare
        self._address = address

    @property
    def name(self) -> str:
        """Name of the part, the same in all its processes."""
        return self._rare.name

    def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Awaitable[Any]:
        """Call the process once, at once where the road goes; return the answer to await."""
        road = self._road(method)
        if road is None:
            return self._rare.ask(method, *args, timeout_s=timeout_s)
        return road.ask(self._address, method, args, timeout_s)

    def notify(self, method: str, /, *args: Any) -> None:
        """Call the process and drop its answer; does nothing once the process has ended."""
        road = self._road(method)
        if road is None:
            self._rare.notify(method, *args)
        else:
            road.notify(self._address, method, args)

    def subscribe(self, on_gap: Callable[[], None]) -> None:
        """Have `on_gap` called after notifications may have been missed, once they go again."""
        road = self.here()
        if road is not None and self._address.reachable:
            road.subscribe(self._address, on_gap)

    def unsubscribe(self) -> None:
        """Have nothing called any more."""
        road = self.here()
        if road is not None:
            road.unsubscribe(self._address)

    @staticmethod
    def here() -> Road | None:
        """Return the road of the process that calls, if it has one."""
        return road_here()

    def _road(self, method: str) -> Road | None:
        if method not in METHOD_NUMBERS or not self._address.reachable:
            return None
        return self.here()
