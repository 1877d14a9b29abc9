"""Which of our own moments a feed means: windows and deadlines come in the provider's time.

Owns the way from a feed's milliseconds to engine nanoseconds. Live, they are the same clock. Of a
recording that is played again, they are not: a moment is then the one at which its message came.
"""

from bisect import bisect_left
from typing import Final, Protocol

from engine.common.units import NS_PER_MS

MOMENTS_MAX: Final = 1 << 16
"""Moments of a recording that are kept; past it every second one is forgotten."""
ANSWERS_MAX: Final = 1 << 16
"""Answers that are repeated as they were given; past it the oldest is worked out anew."""


class FeedClock(Protocol):
    """A feed's time in the engine's."""

    def saw(self, *, feed_ms: int, at_ns: int) -> None:
        """Learn that a message of this feed time came at this engine time."""
        ...

    def engine_ns(self, feed_ms: int) -> int:
        """Return the engine's time for a moment of the feed."""
        ...


class LiveClock:
    """Both sides keep UTC."""

    def saw(self, *, feed_ms: int, at_ns: int) -> None:
        """Nothing is to be learnt."""

    def engine_ns(self, feed_ms: int) -> int:
        """Return the same moment, in nanoseconds."""
        return feed_ms * NS_PER_MS


class RecordedClock:
    """A recording's time is the time at which the first message from then, or later, was played.

    A moment after all that was played is the latest one seen: nothing can have been bet since.
    What was answered once is answered again, though more was played since: a window that is taken
    back must be the one that was given.
    """

    def __init__(self) -> None:
        self._feed_ms: list[int] = []
        self._at_ns: list[int] = []
        self._answers: dict[int, int] = {}

    def saw(self, *, feed_ms: int, at_ns: int) -> None:
        """Keep the moment, if it is later than all before it."""
        if self._feed_ms and feed_ms <= self._feed_ms[-1]:
            return
        self._feed_ms.append(feed_ms)
        self._at_ns.append(at_ns)
        if len(self._feed_ms) > MOMENTS_MAX:
            del self._feed_ms[1::2], self._at_ns[1::2]

    def engine_ns(self, feed_ms: int) -> int:
        """Return when that moment was played; 0 while nothing was."""
        if not self._at_ns:
            return 0
        answer = self._answers.get(feed_ms)
        if answer is None:
            place = bisect_left(self._feed_ms, feed_ms)
            answer = self._answers[feed_ms] = self._at_ns[min(place, len(self._at_ns) - 1)]
            if len(self._answers) > ANSWERS_MAX:
                del self._answers[next(iter(self._answers))]
        return answer
