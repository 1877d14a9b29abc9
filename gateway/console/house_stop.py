"""The kill switch as the console shows it, and a stop that is asked for again until it is whole.

Owns the repeated request of a stop that did not reach every account shard, and its bound.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from gateway.client import ControlSession, GatewayError
from gateway.messages.house import House

AGAIN_S: Final = 1.0
AGAIN_MAX: Final = 300
"""Requests after the first; past them a person presses the key again, as the banner says."""


class HouseStop:
    """Whether the house is stopped, as it was last known."""

    def __init__(self) -> None:
        self.house = House()
        self._asking: asyncio.Task[None] | None = None

    @property
    def asking(self) -> bool:
        """Whether shards that did not answer are asked again."""
        return self._asking is not None and not self._asking.done()

    @property
    def banner(self) -> str:
        """What every screen shows of it; empty while bets are taken."""
        house = self.house
        if not house.stopped and not self.asking:
            return ""
        if is_part(house):
            return f"\u2716 HOUSE PARTLY STOPPED: {part_text(house)}"
        return f"\u2716 HOUSE STOPPED by {house.by}: {house.why}"

    async def stop(self, session_of: Callable[[], ControlSession], why: str) -> House:
        """Stop the house, and go on to ask shards that did not answer.

        Raises
        ------
        GatewayError
            The gateway refused it, or cannot be reached.
        """
        self.house = await session_of().stop_house(why=why)
        self.give_up()
        if is_part(self.house):
            self._asking = asyncio.create_task(self._ask_again(session_of, why))
        return self.house

    async def start(self, session_of: Callable[[], ControlSession]) -> House:
        """Take bets again.

        Raises
        ------
        GatewayError
            The gateway refused it, or cannot be reached.
        """
        self.house = await session_of().start_house()
        self.give_up()
        return self.house

    def give_up(self) -> None:
        """Ask no shard again."""
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _ask_again(self, session_of: Callable[[], ControlSession], why: str) -> None:
        """Stop the shards that are missing, until none is or somebody has started the house."""
        reached = self.house.stopped > 0
        for _ in range(AGAIN_MAX):
            await asyncio.sleep(AGAIN_S)
            with contextlib.suppress(GatewayError):
                house = await session_of().house()
                if reached and not house.stopped:
                    self.house = house
                    return
                self.house = await session_of().stop_house(why=why)
                reached = reached or self.house.stopped > 0
                if not is_part(self.house):
                    return


def is_part(house: House) -> bool:
    """Say whether a stop has not reached every account shard."""
    return bool(house.missing) or house.stopped < house.shards


def part_text(house: House) -> str:
    """Return how many account shards a stop has reached, and what to do."""
    missing = f", MISSING {len(house.missing)}" if house.missing else ""
    return f"{house.stopped} of {house.shards} account shards stopped{missing}: press X again"
