"""Delays between attempts at something that fails: doubling, bounded and with jitter.

Owns the arithmetic of every retry in the system. It never retries by itself: the caller makes the
attempts and reports how each ended.
"""

import asyncio
import random
import time
from collections.abc import Callable


class BackOff:
    """When the next attempt may be made.

    After the n-th failure in a row the delay is ``minimum_s * 2 ** (n - 1)``, at most `maximum_s`,
    and shortened by a random share of up to `jitter`, so that many callers of one target do not
    retry together.

    Parameters
    ----------
    minimum_s, maximum_s : float
        The first and the longest delay, in seconds; equal for a constant delay.
    jitter : float
        Largest share, from 0 to 1, by which a delay is shortened.
    clock_s : callable
        Seconds of a clock that never goes back; an event loop's `time` in code that sleeps on it.
    uniform : callable
        Uniform random numbers from [0, 1).

    Raises
    ------
    ValueError
        When the delays are negative or out of order, or `jitter` is outside [0, 1].
    """

    __slots__ = (
        "_clock_s",
        "_jitter",
        "_maximum_s",
        "_minimum_s",
        "_next_s",
        "_uniform",
        "failures",
    )

    def __init__(
        self,
        minimum_s: float,
        maximum_s: float,
        *,
        jitter: float = 0.0,
        clock_s: Callable[[], float] = time.monotonic,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        if not 0 <= minimum_s <= maximum_s:
            message = f"delays from {minimum_s} to {maximum_s} s: the first is negative or longer"
            raise ValueError(message)
        if not 0 <= jitter <= 1:
            message = f"jitter {jitter} is outside 0 to 1"
            raise ValueError(message)
        self._minimum_s = minimum_s
        self._maximum_s = maximum_s
        self._jitter = jitter
        self._clock_s = clock_s
        self._uniform = uniform
        self._next_s = float("-inf")
        self.failures = 0
        """Failures in a row."""

    def delay_s(self, failures: int) -> float:
        """Return the delay after so many failures in a row, in seconds.

        For a caller that counts failures itself, for example those in a window; `failed` counts
        them for the others.

        Parameters
        ----------
        failures : int
            At least 1.
        """
        # The exponent is bounded so that years of failures do not overflow the float.
        delay_s = min(self._minimum_s * 2.0 ** min(failures - 1, 64), self._maximum_s)
        return delay_s * (1.0 - self._jitter * self._uniform())

    def failed(self) -> float:
        """Note that an attempt failed just now; return the seconds until the next one is due."""
        self.failures += 1
        delay_s = self.delay_s(self.failures)
        self._next_s = self._clock_s() + delay_s
        return delay_s

    def succeeded(self) -> None:
        """Note that an attempt succeeded: the next one is due at once."""
        self.failures = 0
        self._next_s = float("-inf")

    @property
    def remaining_s(self) -> float:
        """Seconds until the next attempt is due; 0 when it is due now."""
        return max(self._next_s - self._clock_s(), 0.0)

    async def wait(self, wake: asyncio.Event | None = None) -> None:
        """Sleep until the next attempt is due, or until `wake` is set."""
        remaining_s = self.remaining_s
        if wake is None:
            await asyncio.sleep(remaining_s)
            return
        try:
            await asyncio.wait_for(wake.wait(), remaining_s)
        except TimeoutError:
            return
