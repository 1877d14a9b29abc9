"""Counters of the bet path: answers by reason and how long acknowledgements took.

Owns numbers only; metrics, the demonstration's view and the bench read and publish them.
"""

from typing import Final

import numpy as np

from engine.common.reasons import Reason

_BUCKETS_PER_OCTAVE: Final = 8
_OCTAVES: Final = 24
_EDGES_S: Final = 1e-6 * 2.0 ** (np.arange(_OCTAVES * _BUCKETS_PER_OCTAVE) / _BUCKETS_PER_OCTAVE)
"""Upper edges from 1 us to 16 s, eight to the octave: a quantile is right within 9%."""


class BetStats:
    """Answers and latencies since the start of a bet path."""

    def __init__(self) -> None:
        self.answers: dict[Reason, int] = {}
        self.unknown = 0
        self.latency_counts = np.zeros(len(_EDGES_S) + 1, np.int64)
        self.latency_sum_s = 0.0
        self.calls = 0
        self.rows = 0

    @property
    def answered(self) -> int:
        """Count of bets that were answered, whatever the answer."""
        return sum(self.answers.values()) + self.unknown

    def observe(self, latencies_s: list[float]) -> None:
        """Count acknowledgement latencies, in seconds, of one batch."""
        values = np.asarray(latencies_s)
        np.add.at(self.latency_counts, np.searchsorted(_EDGES_S, values), 1)
        self.latency_sum_s += float(values.sum())

    def quantile_s(self, q: float) -> float:
        """Return a latency quantile in seconds, 0 when nothing was observed yet."""
        return quantile_s(self.latency_counts, q)


def latency_edges_s() -> list[float]:
    """Return the buckets' upper edges in seconds, ascending."""
    return [float(edge) for edge in _EDGES_S]


def quantile_s(counts: np.ndarray[tuple[int], np.dtype[np.int64]], q: float) -> float:
    """Return the upper edge of the bucket that holds quantile `q` of a histogram, in seconds."""
    total = int(counts.sum())
    if total == 0:
        return 0.0
    bucket = int(np.searchsorted(np.cumsum(counts), q * total))
    return float(_EDGES_S[min(bucket, len(_EDGES_S) - 1)])
