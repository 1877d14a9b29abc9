"""Keep results back while their producer is recovered, and return them sorted by time.

A market takes one producer's results in the order of their timestamps and refuses an older one. A
recovery repeats old messages while new ones arrive, so an older bet_cancel can arrive after a newer
bet_settlement. Sent in the order of arrival, that bet_cancel would be refused for good.

Owns the results that are kept back. It never changes one.
"""

from typing import Final

from gateway.feeds.core.adapter import MarketUpdate

RESULTS_KEPT_MAX: Final = 1 << 16


class ResultBuffer:
    """Results of producers that are being recovered.

    Parameters
    ----------
    results_max : int
        Results kept, of all producers; past it all of them are returned at once.
    """

    def __init__(self, *, results_max: int = RESULTS_KEPT_MAX) -> None:
        self._results_max: Final = results_max
        self._kept: dict[int, list[tuple[int, int, MarketUpdate]]] = {}
        self._count = 0
        self._arrivals = 0
        self.overflows = 0
        """How often the buffer was full."""

    def __len__(self) -> int:
        return self._count

    def keep(self, producer: int, update: MarketUpdate) -> list[MarketUpdate]:
        """Keep a result; return every kept result when the buffer is full, else nothing."""
        assert update.mark is not None, "a result has a position in its feed"
        self._arrivals += 1
        self._kept.setdefault(producer, []).append((update.mark.position, self._arrivals, update))
        self._count += 1
        if self._count <= self._results_max:
            return []
        self.overflows += 1
        return [update for number in list(self._kept) for update in self.release(number)]

    def release(self, producer: int) -> list[MarketUpdate]:
        """Remove and return a producer's results by timestamp; equal ones in order of arrival."""
        kept = sorted(self._kept.pop(producer, []), key=lambda entry: entry[:2])
        self._count -= len(kept)
        return [update for _, _, update in kept]
