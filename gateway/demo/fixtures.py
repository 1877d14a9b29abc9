"""What the demo's directory knows of its matches and races, and their state as they are played.

Owns the descriptions, and the requests that set a state. Never commands a market.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from engine.common.fixtures import FixturePatch, FixtureState
from gateway.client import ControlSession, GatewayError
from simulations.programme import Fixture
from simulations.races import Race

logger = logging.getLogger("overround.demo")


def described(fixtures: Sequence[Fixture], races: Sequence[Race]) -> tuple[FixturePatch, ...]:
    """Return the descriptions of a programme's matches and races, for the opening."""
    matches = [
        FixturePatch(
            fixture=one.match.match,
            sport="football",
            competition="wc22",
            competition_name="World Cup 2022",
            country="Qatar",
            sides=(one.match.home, one.match.away),
            start_ms=int(one.match.kick_off.timestamp() * 1_000),
        )
        for one in fixtures
    ]
    beside = [
        FixturePatch(fixture=race.fixture, sport="race", name=f"Race {number}", sides=race.runners)
        for number, race in enumerate(races, start=1)
    ]
    return (*matches, *beside)


class FixtureStates:
    """The states of the demo's fixtures, as a trader sets them: each change once.

    Parameters
    ----------
    session : ControlSession
        The traders' session.
    """

    def __init__(self, session: ControlSession) -> None:
        self._session: Final = session
        self._states: dict[str, FixtureState] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, fixture: str, state: FixtureState) -> None:
        """Set a fixture's state where it is another one."""
        if self._states.get(fixture) is state:
            return
        self._states[fixture] = state
        task = asyncio.get_running_loop().create_task(self._set(fixture, state))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _set(self, fixture: str, state: FixtureState) -> None:
        try:
            await self._session.set_fixture(fixture, state=state)
        except GatewayError as error:  # what is shown of a match must not end the match
            logger.warning("%s is not %s: %s", fixture, state, error)

    async def close(self) -> None:
        """Cancel what is in progress."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
