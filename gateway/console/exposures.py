"""Exposures of fixtures, asked for once for all screens.

Owns the last answer of each fixture that a screen shows, and the last worst case by score of every
fixture whose turn has come.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from gateway.client import ControlSession, GatewayError
from gateway.messages.exposure import Exposure

GOALS: Final = 6
EVERY_S: Final = 0.9
"""Seconds for which an answer serves: screens look once a second."""
KEPT_S: Final = 10.0
TURN_S: Final = 0.5
"""Seconds between two questions of the turn of all fixtures: 300 have theirs in 150 s."""


class Exposures:
    """Answers by fixture; those that no screen has asked for in a while go."""

    def __init__(self, session_of: Callable[[], ControlSession]) -> None:
        self._session_of = session_of
        self._kept: dict[str, tuple[float, asyncio.Task[Exposure]]] = {}
        self._worst: dict[str, int] = {}
        self._turn = 0
        self._turned_s = 0.0

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

    def worst_minor(self, fixture: str) -> int | None:
        """Return a fixture's profit at its worst score as it was last known; None where never."""
        return self._worst.get(fixture)

    async def turn(self, named: Callable[[], Sequence[str]], now_s: float) -> None:
        """Ask for the next of all fixtures, where the last question is long enough ago."""
        if now_s - self._turned_s < TURN_S:
            return
        self._turned_s = now_s
        fixtures = named()
        if not fixtures:
            return
        self._turn = (self._turn + 1) % len(fixtures)
        name = fixtures[self._turn]
        try:
            answer = await self._session_of().exposure(name, goals=0)
        except GatewayError:
            self._worst.pop(name, None)
            return
        self._worst[name] = answer.worst.profit_minor - answer.off_grid_worst_minor
