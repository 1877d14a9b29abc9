"""The latencies of acknowledgements: each is counted once, whenever the histogram is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bets.stats import BetStats, latency_edges_s


@given(
    latencies_s=st.lists(st.floats(0.0, 30.0), max_size=200),
    repeats=st.integers(1, 30),
    read_every=st.integers(1, 3_000),
)
def test_every_latency_is_in_its_bucket_and_in_the_sum(
    latencies_s: list[float], repeats: int, read_every: int
) -> None:
    stats = BetStats()
    given_s = latencies_s * repeats
    for at, latency_s in enumerate(given_s):
        stats.observe(latency_s)
        if at % read_every == 0:
            assert int(stats.latency_counts.sum()) == at + 1
    edges = np.array(latency_edges_s())
    expected = np.zeros(len(edges) + 1, np.int64)
    for latency_s in given_s:
        expected[int((edges < latency_s).sum())] += 1
    assert stats.latency_counts.tolist() == expected.tolist()
    assert stats.latency_sum_s == pytest.approx(sum(given_s))
