"""Bound the frames of one connection by a rate, with a burst.

Owns the token bucket. What happens to a frame over the rate is the connection's to decide.
"""

from collections.abc import Callable


class FrameRate:
    """The frames that a connection may still send now.

    Parameters
    ----------
    a_second : int
        Frames a second.
    burst : int
        Frames at once, after a silence.
    clock_s : callable
        Seconds, never going back.
    """

    __slots__ = ("_a_second", "_at_s", "_budget", "_burst", "_clock_s", "over")

    def __init__(self, *, a_second: int, burst: int, clock_s: Callable[[], float]) -> None:
        self._a_second = a_second
        self._burst = float(burst)
        self._budget = float(burst)
        self._clock_s = clock_s
        self._at_s = clock_s()
        self.over = 0
        """Frames over the rate in a row."""

    def take(self) -> bool:
        """Count a frame; return whether it is within the rate."""
        self._budget -= 1.0
        return self._budget >= 0.0 or self._refill()

    def spend(self, frames: int) -> None:
        """Count further frames."""
        self._budget -= frames

    def _refill(self) -> bool:
        now_s = self._clock_s()
        earned = (now_s - self._at_s) * self._a_second
        self._budget = min(self._budget + earned, self._burst)
        self._at_s = now_s
        if self._budget < 0.0:
            self._budget = max(self._budget, -self._burst)
            self.over += 1
            return False
        self.over = 0
        return True
