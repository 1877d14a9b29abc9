"""Tell which bets of an account shard are old, by a clock that nobody sets.

Owns samples of a shard's highest bet id and when each was taken. Bet ids of a shard only rise, so
every bet up to a sampled id is at least as old as the sample. Times in the shard's records tell no
age: when the wall clock has been ahead, a record's time is ahead too, until the clock catches up.
"""

from collections import deque
from typing import Final

_SAMPLES: Final = 16
"""Samples of one age: a bet counts as old at most a sixteenth of that age too late."""


class BetAges:
    """The bets of one shard that are older than an age.

    Parameters
    ----------
    age_s : float
        From this age on a bet is old. A bet given before the first sample counts from that sample.
    """

    def __init__(self, age_s: float) -> None:
        self._age_s = age_s
        self._samples: deque[tuple[float, int]] = deque()
        self._old_upto = 0

    def due(self, now_s: float) -> bool:
        """Return whether the highest bet id is to be sampled now."""
        return not self._samples or now_s >= self._samples[-1][0] + self._age_s / _SAMPLES

    def sample(self, last_bet_id: int, now_s: float) -> None:
        """Note the highest bet id that the shard had given at this time, or earlier."""
        self._samples.append((now_s, last_bet_id))

    def old_upto(self, now_s: float) -> int:
        """Return the highest bet id that is old; 0 when none is known to be."""
        while self._samples and self._samples[0][0] + self._age_s <= now_s:
            self._old_upto = self._samples.popleft()[1]
        return self._old_upto
