"""The one back-off: doubling from a minimum to a maximum, with jitter, on a given clock."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.back_off import BackOff
from tests.actors.virtual import now_s, run_virtual


def test_delays_double_from_the_minimum_to_the_maximum_and_begin_anew_after_a_success() -> None:
    back_off = BackOff(0.1, 1.0, clock_s=lambda: 5.0)
    assert [back_off.failed() for _ in range(6)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    back_off.succeeded()
    assert back_off.failed() == pytest.approx(0.1)


def test_an_attempt_is_due_at_once_until_one_has_failed() -> None:
    now = 0.0
    back_off = BackOff(2.0, 2.0, clock_s=lambda: now)
    assert back_off.remaining_s == 0
    back_off.failed()
    now = 0.5
    assert back_off.remaining_s == pytest.approx(1.5)
    now = 3.0
    assert back_off.remaining_s == 0


@given(
    minimum_s=st.floats(0, 10),
    longer_s=st.floats(0, 100),
    jitter=st.floats(0, 1),
    drawn=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=80),
)
def test_no_delay_is_above_the_maximum_or_below_the_share_that_jitter_leaves(
    minimum_s: float, longer_s: float, jitter: float, drawn: list[float]
) -> None:
    numbers = iter(drawn)
    maximum_s = minimum_s + longer_s
    back_off = BackOff(
        minimum_s, maximum_s, jitter=jitter, clock_s=lambda: 0.0, uniform=lambda: next(numbers)
    )
    for _ in drawn:
        delay_s = back_off.failed()
        assert minimum_s * (1 - jitter) <= delay_s + 1e-9
        assert delay_s <= maximum_s


def test_a_delay_after_counted_failures_changes_neither_the_count_nor_the_next_attempt() -> None:
    back_off = BackOff(0.1, 1.0, clock_s=lambda: 5.0)
    assert [back_off.delay_s(n) for n in (1, 3, 2, 9)] == pytest.approx([0.1, 0.4, 0.2, 1.0])
    assert (back_off.failures, back_off.remaining_s) == (0, 0)


def test_failures_without_end_never_overflow() -> None:
    back_off = BackOff(0.1, 5.0, clock_s=lambda: 0.0)
    for _ in range(5_000):
        back_off.failed()
    assert back_off.failed() == 5.0


def test_a_wait_ends_when_the_attempt_is_due_or_when_it_is_woken() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        back_off = BackOff(3.0, 3.0, clock_s=loop.time)
        began_s = now_s()
        back_off.failed()
        await back_off.wait()
        assert now_s() - began_s == pytest.approx(3.0)
        wake = asyncio.Event()
        loop.call_later(1.0, wake.set)
        back_off.failed()
        await back_off.wait(wake)
        assert now_s() - began_s == pytest.approx(4.0)

    run_virtual(main())


@pytest.mark.parametrize(("minimum_s", "maximum_s", "jitter"), [(-1, 1, 0), (2, 1, 0), (0, 1, 1.5)])
def test_delays_and_jitter_out_of_bounds_are_refused(
    minimum_s: float, maximum_s: float, jitter: float
) -> None:
    with pytest.raises(ValueError, match=r"s: the first|outside"):
        BackOff(minimum_s, maximum_s, jitter=jitter)
