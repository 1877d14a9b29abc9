"""The bettors of a replay: they bet equally often at any speed of the recording.

Owns when they bet; gateway.demo.bettors owns how.
"""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from engine.common.ids import AccountNo
from gateway.demo.bettors import Bettors
from simulations.crowd import BEHAVIOURS, Bettor, Profile


class ReplayBettors(Bettors):
    """A crowd whose pauses are shares of a recording instead of seconds.

    Parameters
    ----------
    bettors : sequence of Bettor
        The bettors; their accounts must exist.
    url : str
        The gateway's bets listener.
    token : callable
        Gives a bettor's token by account number.
    seed : int
        Seeds every bettor's choices.
    visits : float
        How often a bettor bets during the whole recording, in the mean of the crowd; profiles with
        longer pauses bet less often.
    """

    def __init__(
        self,
        bettors: Sequence[Bettor],
        *,
        url: str,
        token: Callable[[AccountNo], str],
        seed: int,
        visits: float,
    ) -> None:
        super().__init__(bettors, url=url, fixtures=(), token=token, seed=[seed], start_no=1)
        think_s = [BEHAVIOURS[bettor.profile].think_s for bettor in bettors]
        self._share_a_think_s = 1.0 / (visits * float(np.mean(think_s)))
        self._share = 0.0
        self._moved = asyncio.Event()

    def played(self, share: float) -> None:
        """Take the share of the recording, 0 to 1, that has been played."""
        self._share = share
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _pause(self, profile: Profile, rng: np.random.Generator) -> bool:
        """Wait for the next visit; return False, since no goal is known here."""
        think_s = float(rng.exponential(BEHAVIOURS[profile].think_s))
        due = self._share + think_s * self._share_a_think_s
        while self._share < due and not self._whistle.is_set():
            await self._moved.wait()
        return False

    async def stop_betting(self, *, deadline_s: float) -> bool:
        """Begin no further bet, wait for answers, and return whether all arrived."""
        self._whistle.set()
        self.played(self._share)
        return await super().stop_betting(deadline_s=deadline_s)

    async def close(self) -> None:
        """Close every session."""
        self._whistle.set()
        self.played(self._share)
        await super().close()
