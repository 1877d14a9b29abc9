"""The time of records: never back, and jumps of the wall clock are noticed."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from actors.record_clock import JUMP_MS_MAX, RecordClock
from engine.common.units import NS_PER_MS

HOUR_MS = 3_600_000


class TwoClocks:
    """A wall clock and a steady one that a test moves."""

    def __init__(self) -> None:
        self.wall_ms = self.steady_ms = 5 * HOUR_MS
        self.record_clock = RecordClock(
            "test",
            wall_ns=lambda: self.wall_ms * NS_PER_MS,
            steady_ns=lambda: self.steady_ms * NS_PER_MS,
        )

    def advance(self, *, wall_ms: int, steady_ms: int) -> int:
        self.wall_ms += wall_ms
        self.steady_ms += steady_ms
        return self.record_clock()


@given(
    st.lists(st.tuples(st.integers(-2 * HOUR_MS, 2 * HOUR_MS), st.integers(0, 60_000)), max_size=30)
)
def test_times_never_go_back_and_every_jump_counts(steps: list[tuple[int, int]]):
    clocks = TwoClocks()
    times = [clocks.record_clock()]
    times += [clocks.advance(wall_ms=wall, steady_ms=steady) for wall, steady in steps]
    assert all(before <= after for before, after in pairwise(times))
    assert clocks.record_clock.jumps == sum(
        abs(wall - steady) > JUMP_MS_MAX for wall, steady in steps
    )
    behind_ns = times[-1] - clocks.wall_ms * NS_PER_MS
    assert clocks.record_clock.behind_ms == behind_ns // NS_PER_MS


def test_two_clocks_that_go_alike_do_not_jump():
    clocks = TwoClocks()
    for ms in (1, 250, HOUR_MS, 24 * HOUR_MS):
        clocks.advance(wall_ms=ms, steady_ms=ms + JUMP_MS_MAX)
        clocks.advance(wall_ms=ms + JUMP_MS_MAX, steady_ms=ms)
    assert clocks.record_clock.jumps == 0


def test_a_journal_that_is_ahead_of_the_clock_gives_the_first_time(caplog):
    clocks = TwoClocks()
    clocks.record_clock.begin_after(clocks.wall_ms * NS_PER_MS + HOUR_MS * NS_PER_MS)
    assert clocks.record_clock() == (clocks.wall_ms + HOUR_MS) * NS_PER_MS
    assert clocks.record_clock.behind_ms == HOUR_MS
    assert f"{HOUR_MS} ms behind" in caplog.text
    clocks.advance(wall_ms=-HOUR_MS, steady_ms=10)
    assert "jumped by" in caplog.text


def test_a_time_that_the_clock_is_behind_goes_on_at_half_its_pace_until_it_is_caught_up():
    clocks = TwoClocks()
    before = clocks.record_clock()
    set_back = clocks.advance(wall_ms=-HOUR_MS, steady_ms=0)
    assert set_back == before
    for second in range(1, 11):  # a wait of five seconds ends after ten
        passed_ns = clocks.advance(wall_ms=1_000, steady_ms=1_000) - before
        assert passed_ns == second * 500 * NS_PER_MS
    assert clocks.record_clock.behind_ms == HOUR_MS - 5_000
    clocks.advance(wall_ms=2 * HOUR_MS, steady_ms=2 * HOUR_MS)
    assert clocks.record_clock.behind_ms == 0
    assert clocks.record_clock() == clocks.wall_ms * NS_PER_MS
