"""The time of a shell's records: the wall clock, except that it never goes back.

Owns the rule (the later of the clock and of the last record's time) and the recognition of jumps.
While the wall clock is behind, the time goes on at half the pace of a steady clock: so what waits
by it ends, at the latest after twice its time, and the wall clock catches up all the same.
It never sets a clock. A jump is a difference between the steps of the wall clock and of a steady
clock: a person or NTP set the clock, or the machine was asleep.
"""

import logging
from collections.abc import Callable
from typing import Final

from engine.common.units import NS_PER_MS, Nanos

JUMP_MS_MAX: Final = 1_000
"""A larger difference between the two clocks' steps is a jump; NTP's slewing stays far below."""
_BEHIND_PACE: Final = 2
"""Steady nanoseconds for one of the records' while the wall clock is behind."""

logger = logging.getLogger("overround.clock")


class RecordClock:
    """UTC nanoseconds that never go back.

    Parameters
    ----------
    name : str
        Whose clock it is, for the log.
    wall_ns : callable
        UTC nanoseconds.
    steady_ns : callable or None
        Nanoseconds that no one sets. None: jumps are not recognised, and the time stands still
        while the wall clock is behind.
    """

    def __init__(
        self,
        name: str,
        *,
        wall_ns: Callable[[], int],
        steady_ns: Callable[[], int] | None = None,
    ) -> None:
        self.jumps = 0
        """Jumps of the wall clock since the start, of more than JUMP_MS_MAX either way."""
        self.wall_ns = wall_ns
        self._name = name
        self._steady_ns = steady_ns
        self._last_ns = 0
        self._seen: tuple[int, int] | None = None

    def __call__(self) -> Nanos:
        """Return the time for a record, and note a jump since the last call."""
        wall_ns, passed_ns = self.wall_ns(), 0
        if self._steady_ns is not None:
            passed_ns = self._compare(wall_ns, self._steady_ns())
        if wall_ns < self._last_ns:
            self._last_ns += passed_ns // _BEHIND_PACE
        self._last_ns = max(self._last_ns, wall_ns)
        return Nanos(self._last_ns)

    def begin_after(self, last_ns: int) -> None:
        """Begin no earlier than the last record of the journal."""
        self._last_ns = max(self._last_ns, last_ns)
        behind_ms = self.behind_ms
        if behind_ms > JUMP_MS_MAX:
            logger.warning(
                "%s: the clock is %d ms behind the last record; their time goes on at half "
                "the pace until the clock has caught up",
                self._name,
                behind_ms,
            )

    @property
    def behind_ms(self) -> int:
        """Milliseconds by which the wall clock is behind the last record's time."""
        return max(0, self._last_ns - self.wall_ns()) // NS_PER_MS

    def _compare(self, wall_ns: int, steady_ns: int) -> int:
        """Note a jump since the last call; return how long ago that was by the steady clock."""
        seen, self._seen = self._seen, (wall_ns, steady_ns)
        if seen is None:
            return 0
        jump_ms = ((wall_ns - seen[0]) - (steady_ns - seen[1])) // NS_PER_MS
        if abs(jump_ms) > JUMP_MS_MAX:
            self.jumps += 1
            logger.warning("%s: the clock jumped by %d ms", self._name, jump_ms)
        return steady_ns - seen[1]
