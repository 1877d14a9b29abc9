"""Hold messages with results while their producer is recovered, and release them sorted by time.

A market takes one producer's results in the order of their timestamps and refuses an older one. A
recovery repeats old messages while new ones arrive, so an older bet_cancel can arrive after a newer
bet_settlement. Sent in the order of arrival, that bet_cancel would be refused for good.

Owns which messages are held. None of them is acknowledged to its source before its markets have
obeyed, so their count is bounded; past the bound the oldest ones are released early. It never
changes an update.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Final

from gateway.feeds.core.adapter import Action, Hold, Mark, MarketUpdate, Release
from gateway.settings import FEED_MESSAGES_HELD_MAX

_Entry = tuple[int, int, tuple[MarketUpdate, ...]]
"""A held message: its position, its number (numbers rise in order of arrival), its updates."""


_Name = tuple[int, tuple[tuple[str, Mark | None], ...]]
"""A message's producer, and the key and mark of each of its updates.

A message that comes twice may have other steps the second time, as of what came in between.
"""


class ResultBuffer:
    """Messages with results of producers that are being recovered.

    Parameters
    ----------
    messages_max : int
        Messages held, of all producers. Past it the oldest of the producer that holds the most is
        released: recoveries come roughly in the order of time, so it is seldom followed by an
        older one, which its market would refuse.
    """

    def __init__(self, *, messages_max: int = FEED_MESSAGES_HELD_MAX) -> None:
        self._messages_max: Final = messages_max
        self._held: Final[dict[int, list[_Entry]]] = {}
        """A heap for each producer."""
        self._numbers: Final[dict[_Name, int]] = {}
        """The numbers of held messages."""
        self._last = 0
        self.released_early = 0
        """How many messages were released because too many were held."""

    def __len__(self) -> int:
        return len(self._numbers)

    def hold(self, producer: int, updates: tuple[MarketUpdate, ...]) -> list[Action]:
        """Hold a message; return what follows, its own `Hold` first."""
        mark = updates[0].mark
        assert mark is not None, "a result has a position in its feed"
        name = _name(producer, updates)
        number = self._numbers.get(name)
        if number is not None:  # the source sent it again, since it has no answer yet
            return [Hold(number=number)]
        self._last += 1
        self._numbers[name] = self._last
        heappush(self._held.setdefault(producer, []), (mark.position, self._last, updates))
        actions: list[Action] = [Hold(number=self._last)]
        if len(self) > self._messages_max:
            self.released_early += 1
            fullest = max(self._held, key=lambda each: len(self._held[each]))
            actions += self._pop(fullest)
        return actions

    def add_early(self, producer: int, update: MarketUpdate) -> None:
        """Hold an update whose message was answered; no source waits for it.

        It takes no room of a message: `EarlyResults` bounds how many there are.
        """
        assert update.mark is not None, "a result has a position in its feed"
        self._last += 1
        entry = (update.mark.position, self._last, (update,))
        heappush(self._held.setdefault(producer, []), entry)

    def release(self, producer: int) -> list[Action]:
        """Release a producer's messages by timestamp; equal ones in order of arrival."""
        released: list[Action] = []
        while self._held.get(producer):
            released += self._pop(producer)
        return released

    def _pop(self, producer: int) -> Sequence[Action]:
        _, number, updates = heappop(self._held[producer])
        name = _name(producer, updates)
        if self._numbers.get(name) != number:
            return updates  # those of an answered message
        del self._numbers[name]
        return [Release(number=number, updates=updates)]


def _name(producer: int, updates: Sequence[MarketUpdate]) -> _Name:
    return producer, tuple((update.key, update.mark) for update in updates)
