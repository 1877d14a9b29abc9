"""Convert provider timestamps (ms) to engine time (ns), live and in replay.

Owns the conversion of windows and deadlines, which a feed gives in the provider's time. Live, both
clocks are UTC. In a replay, a provider timestamp means the engine time at which its message was
played. It never reads a clock.
"""

from bisect import bisect_left
from typing import Final, Protocol

from engine.common.units import NS_PER_MS, Nanos

TIMES_MAX: Final = 1 << 16
"""Pairs of times of a recording that are kept; past it every second one is dropped."""
ANSWERS_MAX: Final = 1 << 16
"""Conversions that are kept so that they repeat; past it the oldest is dropped, and computed anew
when it is needed again."""


class FeedClock(Protocol):
    """A conversion from a feed's time to the engine's.

    `live` says that both clocks show the same time, so that a feed time cannot be far ahead.
    `latest_ns` is the engine time of the newest message.
    """

    live: bool
    latest_ns: Nanos

    def saw(self, *, feed_ms: int, at_ns: Nanos) -> None:
        """Note that a message of this feed time was received at this engine time."""
        ...

    def engine_ns(self, feed_ms: int) -> int:
        """Return the engine time of a feed time."""
        ...


class LiveClock:
    """The clock of a live feed: provider and engine both keep UTC."""

    live = True

    def __init__(self) -> None:
        self.latest_ns = Nanos(0)

    def saw(self, *, feed_ms: int, at_ns: Nanos) -> None:  # noqa: ARG002 - both clocks are the same
        """Keep when the message came."""
        self.latest_ns = at_ns

    def engine_ns(self, feed_ms: int) -> int:
        """Return the same time in nanoseconds."""
        return feed_ms * NS_PER_MS


class RecordedClock:
    """The clock of a replay: a feed time means when its message was played.

    A feed time between two messages is that of the later message. A feed time after the last played
    message is that of the last one: no bet can have been placed since. A conversion is repeated as
    it was first given, even if later messages would change it: a window that is taken back must be
    the window that was given.
    """

    live = False

    def __init__(self) -> None:
        self._feed_ms: list[int] = []
        self._at_ns: list[int] = []
        self._answers: dict[int, int] = {}
        self.latest_ns = Nanos(0)

    def saw(self, *, feed_ms: int, at_ns: Nanos) -> None:
        """Keep the pair of times, if the feed time is later than all before it."""
        self.latest_ns = at_ns
        if self._feed_ms and feed_ms <= self._feed_ms[-1]:
            return
        self._feed_ms.append(feed_ms)
        self._at_ns.append(at_ns)
        if len(self._feed_ms) > TIMES_MAX:
            del self._feed_ms[1::2], self._at_ns[1::2]

    def engine_ns(self, feed_ms: int) -> int:
        """Return the engine time at which a feed time was played; 0 while no message was."""
        if not self._at_ns:
            return 0
        answer = self._answers.get(feed_ms)
        if answer is None:
            index = bisect_left(self._feed_ms, feed_ms)
            answer = self._answers[feed_ms] = self._at_ns[min(index, len(self._at_ns) - 1)]
            if len(self._answers) > ANSWERS_MAX:
                del self._answers[next(iter(self._answers))]
        return answer
