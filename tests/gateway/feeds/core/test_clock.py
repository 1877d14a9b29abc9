"""Feed times of a live feed are engine times; those of a recording are when they were played."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feeds.core import clock
from gateway.feeds.core.clock import TIMES_MAX, LiveClock, RecordedClock


def test_a_live_feed_time_is_the_same_engine_time() -> None:
    live = LiveClock()
    live.saw(feed_ms=5, at_ns=77)
    assert live.engine_ns(5) == 5_000_000


def test_a_time_between_two_messages_is_that_of_the_later_one() -> None:
    recorded = RecordedClock()
    assert recorded.engine_ns(10) == 0
    recorded.saw(feed_ms=1_000, at_ns=50)
    recorded.saw(feed_ms=2_000, at_ns=60)
    assert [recorded.engine_ns(ms) for ms in (0, 1_000, 1_001, 2_000)] == [50, 50, 60, 60]


def test_a_time_after_the_recording_is_that_of_the_last_message_played() -> None:
    recorded = RecordedClock()
    recorded.saw(feed_ms=1_000, at_ns=50)
    assert recorded.engine_ns(9_999) == 50


def test_a_message_out_of_order_changes_no_time() -> None:
    recorded = RecordedClock()
    recorded.saw(feed_ms=2_000, at_ns=50)
    recorded.saw(feed_ms=1_000, at_ns=60)
    assert recorded.engine_ns(1_000) == 50


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=50))
def test_a_later_feed_time_is_never_an_earlier_engine_time(seen: list[tuple[int, int]]) -> None:
    recorded = RecordedClock()
    for at_ns, (feed_ms, _) in enumerate(seen):
        recorded.saw(feed_ms=feed_ms, at_ns=at_ns)
    feed_times = sorted({feed_ms for feed_ms, _ in seen})
    engine = [recorded.engine_ns(feed_ms) for feed_ms in feed_times]
    assert engine == sorted(engine)


def test_a_long_recording_keeps_a_bounded_number_of_times() -> None:
    recorded = RecordedClock()
    count = TIMES_MAX + 10
    for number in range(count):
        recorded.saw(feed_ms=number, at_ns=number)
    assert recorded.engine_ns(0) == 0
    assert recorded.engine_ns(count - 1) == count - 1
    middle = count // 2
    assert 0 <= recorded.engine_ns(middle) - middle <= 1
    assert len(recorded._at_ns) <= clock.TIMES_MAX


def test_a_conversion_is_repeated_as_it_was_first_given() -> None:
    recorded = RecordedClock()
    recorded.saw(feed_ms=1_000, at_ns=50)
    assert recorded.engine_ns(1_500) == 50
    recorded.saw(feed_ms=2_000, at_ns=60)
    assert recorded.engine_ns(1_500) == 50
    assert recorded.engine_ns(1_501) == 60


def test_past_the_bound_of_kept_conversions_the_oldest_is_computed_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "ANSWERS_MAX", 2)
    recorded = RecordedClock()
    recorded.saw(feed_ms=1_000, at_ns=50)
    assert [recorded.engine_ns(ms) for ms in (1_001, 1_002, 1_003)] == [50] * 3
    recorded.saw(feed_ms=2_000, at_ns=60)
    assert [recorded.engine_ns(ms) for ms in (1_003, 1_001)] == [50, 60]
