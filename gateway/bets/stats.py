"""Counters of the bet path: answers by reason and how long acknowledgements took.

Owns numbers only; metrics, the demonstration's view and the bench read and publish them.
"""

from typing import Final

import numpy as np

from engine.common.reasons import Reason
from engine.common.rows import I64s

_BUCKETS_PER_OCTAVE: Final = 8
_OCTAVES: Final = 24
_EDGES_S: Final = 1e-6 * 2.0 ** (np.arange(_OCTAVES * _BUCKETS_PER_OCTAVE) / _BUCKETS_PER_OCTAVE)
"""Upper edges from 1 us to 16 s, eight to the octave: a quantile is right within 9%."""

_UNCOUNTED_MAX: Final = 1_024
"""Latencies that wait to be counted; counting them stops the event loop for about 50 us."""


class BetStats:
    """Answers and latencies since the start of a bet path."""

    def __init__(self) -> None:
        self.answers: dict[Reason, int] = {}
        self.unknown = 0
        self._latency_counts = np.zeros(len(_EDGES_S) + 1, np.int64)
        self._latency_sum_s = 0.0
        self._latencies_s: list[float] = []
        """Latencies that are not in the buckets yet: their count costs less for many at once."""
        self.calls = 0
        self.rows = 0

    @property
    def answered(self) -> int:
        """Count of bets that were answered, whatever the answer."""
        return sum(self.answers.values()) + self.unknown

    def count(self, state: str, reason: Reason) -> None:
        """Count an answer: by its reason, unless it is `unknown`."""
        if state == "unknown":
            self.unknown += 1
        else:
            self.answers[reason] = self.answers.get(reason, 0) + 1

    def observe(self, latency_s: float) -> None:
        """Count the acknowledgement latency of one bet, in seconds."""
        self._latencies_s.append(latency_s)
        if len(self._latencies_s) >= _UNCOUNTED_MAX:
            self._count()

    @property
    def latency_counts(self) -> I64s:
        """Count of latencies in each bucket; the last one is past the last edge."""
        self._count()
        return self._latency_counts

    @property
    def latency_sum_s(self) -> float:
        """Sum of all latencies in seconds."""
        self._count()
        return self._latency_sum_s

    def _count(self) -> None:
        if self._latencies_s:
            latencies_s = np.array(self._latencies_s)
            self._latencies_s.clear()
            buckets = np.searchsorted(_EDGES_S, latencies_s)
            self._latency_counts += np.bincount(buckets, minlength=len(self._latency_counts))
            self._latency_sum_s += float(latencies_s.sum())

    def quantile_s(self, q: float) -> float:
        """Return a latency quantile in seconds, 0 when nothing was observed yet."""
        return quantile_s(self.latency_counts, q)


def latency_edges_s() -> list[float]:
    """Return the buckets' upper edges in seconds, ascending."""
    return [float(edge) for edge in _EDGES_S]


def quantile_s(counts: I64s, q: float) -> float:
    """Return the upper edge of the bucket that holds quantile `q` of a histogram, in seconds."""
    total = int(counts.sum())
    if total == 0:
        return 0.0
    bucket = int(np.searchsorted(np.cumsum(counts), q * total))
    return float(_EDGES_S[min(bucket, len(_EDGES_S) - 1)])
