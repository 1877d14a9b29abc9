"""Exposures of fixtures, asked for once for all screens.

Owns the last answer of each fixture that a screen shows.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.client import ControlSession
from gateway.messages.exposure import Exposure

GOALS: Final = 6
EVERY_S: Final = 0.9
"""Seconds for which an answer serves: screens look once a second."""
KEPT_S: Final = 10.0


class Exposures:
    """Answers by fixture; those that no screen has asked for in a while go."""

    def __init__(self, session_of: Callable[[], ControlSession]) -> None:
        self._session_of = session_of
        self._kept: dict[str, tuple[float, asyncio.Task[Exposure]]] = {}

    async def of(self, fixture: str, now_s: float) -> Exposure:
        """Return a fixture's exposure, asked for at most about once a second.

        Raises
        ------
        GatewayError
            The gateway refused it, or cannot be reached.
        """
        at_s, task = self._kept.get(fixture, (0.0, None))
        if task is None or now_s - at_s >= EVERY_S:
            session = self._session_of()
            self._kept = {name: one for name, one in self._kept.items() if now_s - one[0] < KEPT_S}
            task = asyncio.create_task(session.exposure(fixture, goals=GOALS))
            self._kept[fixture] = now_s, task
        return await asyncio.shield(task)
