"""Pauses between attempts at a recovery interface that fails: within its limits, and even."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.units import Nanos
from gateway.feeds.uof.recovery_schedule import RecoveryLimit, RecoverySchedule
from gateway.feeds.uof.settings import PROVIDER_RATES, RecoveryRate

HOUR_S = 3_600.0


def attempts_s(limit: RecoveryLimit, *, for_s: float) -> list[float]:
    """Return when attempts are made that all fail."""
    at_s, made = 0.0, []
    while at_s < for_s:
        at_ns = Nanos(round(at_s * 1e9))
        if limit.take(at_ns):
            made.append(at_s)
            at_s += limit.pause_s(at_ns)
        else:
            at_s += limit.soon_s
    return made


def gaps_s(made: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(made)]


@pytest.mark.parametrize(
    ("rate", "soon_s", "longest_s"),
    [(PROVIDER_RATES[0], 10, 100), (PROVIDER_RATES[1], 50, 500), (PROVIDER_RATES[2], 300, 2_700)],
)
def test_a_limit_is_used_evenly_and_first_attempts_are_soon(
    rate: RecoveryRate, soon_s: float, longest_s: float
) -> None:
    gaps = gaps_s(attempts_s(RecoveryLimit(rate), for_s=12 * HOUR_S))

    assert gaps[0] == soon_s
    assert max(gaps) <= longest_s


@given(
    requests_max=st.integers(1, 50),
    within_ms=st.integers(1, 10**6),
    long_requests_max=st.integers(1, 200),
    times=st.integers(1, 20),
    waiting=st.integers(0, 5),
)
def test_attempts_keep_both_limits_whatever_they_are(
    requests_max: int, within_ms: int, long_requests_max: int, times: int, waiting: int
) -> None:
    rate = RecoveryRate(
        age_ms=1,
        requests_max=requests_max,
        within_ms=within_ms,
        long_requests_max=long_requests_max,
        long_within_ms=times * within_ms,
    )
    limit = RecoveryLimit(rate)
    limit.waiting = waiting
    made = attempts_s(limit, for_s=3 * times * within_ms / 1_000)

    for most, window_ms in ((requests_max, within_ms), (long_requests_max, times * within_ms)):
        for first, last in zip(made, made[most:], strict=False):
            assert last - first > window_ms / 1_000 - 1e-6


def test_what_reaches_nobody_counts_against_nothing() -> None:
    limit = RecoveryLimit(PROVIDER_RATES[2])
    for at_ns in range(10):
        assert limit.take(Nanos(at_ns))
        limit.give_back(Nanos(at_ns))
    limit.give_back(Nanos(99))
    assert [limit.take(Nanos(at_ns)) for at_ns in (10, 11, 12)] == [True, True, False]


def test_a_request_has_the_limit_of_its_age_and_one_of_an_event_its_own() -> None:
    schedule = RecoverySchedule()
    ages_ms = (1, 3_600_000, 10**13)
    found = [schedule.limit_of(age_ms=age_ms, single_event=False).rate for age_ms in ages_ms]
    assert found == list(PROVIDER_RATES)

    event = schedule.limit_of(age_ms=10**13, single_event=True)
    assert all(event.take(Nanos(0)) for _ in range(100))
    assert not event.take(Nanos(0))
    assert schedule.limit_of(age_ms=10**13, single_event=False).take(Nanos(0))
