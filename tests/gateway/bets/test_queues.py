"""When a call to an account shard leaves."""

import pytest

from gateway.bets.queues import WAVE_FREE, WAVES, leaves_at_once


@pytest.mark.parametrize(
    ("waiting", "tickets", "rows", "shards", "leaves"),
    [
        (1, 1, 1, 1, True),
        (1, WAVES * WAVE_FREE, WAVES * WAVE_FREE, 1, True),  # few: latency comes first
        (399, 800, 800, 1, False),
        (400, 800, 800, 1, True),  # a wave of singles
        (199, 800, 800, 2, False),
        (200, 800, 800, 2, True),  # of each shard
        (255, 800, 3_200, 1, False),
        (256, 800, 3_200, 1, True),  # slips of three legs that fill a call: a wave is 400
        (48, 800, 16_800, 1, True),  # of twenty legs
        (0, 0, 0, 1, True),
    ],
)
def test_a_call_leaves_with_a_wave_or_when_it_is_full(
    waiting: int, tickets: int, rows: int, shards: int, leaves: bool
) -> None:
    assert leaves is leaves_at_once(
        waiting, tickets=tickets, rows=rows, shards=shards, rows_max=1_024
    )
