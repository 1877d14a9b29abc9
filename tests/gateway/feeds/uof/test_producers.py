"""When a producer is trusted, and which recoveries are requested, from heartbeats and time."""

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.units import NS_PER_MS
from gateway.feeds.core.adapter import RecoveryRequest
from gateway.feeds.uof.producers import (
    FULL_RECOVERY,
    PENDING_RECOVERIES_MAX,
    PRODUCERS_MAX,
    Producers,
    State,
    TrustChange,
    WatchUpdate,
)
from gateway.feeds.uof.settings import PROVIDER_RATES, RecoveryRate, WatchSettings

T0_MS = 1_700_000_000_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
GAINED = TrustChange(1, trusted=True)


def lost(why: str) -> TrustChange:
    return TrustChange(1, trusted=False, why=why)


class Watch:
    """Producers, with every trust change and recovery request so far; `at` is ms after T0_MS."""

    def __init__(self, settings: WatchSettings | None = None) -> None:
        self.producers = Producers(settings or WatchSettings())
        self.requests: list[RecoveryRequest] = []
        self.changes: list[TrustChange] = []

    def alive(self, at: int, *, producer=1, sent=None, subscribed=True, late=0) -> WatchUpdate:
        update = self.producers.alive(
            producer,
            timestamp_ms=T0_MS + (at if sent is None else sent),
            subscribed=subscribed,
            late_ms=late,
            at_ns=(T0_MS + at) * NS_PER_MS,
        )
        return self.note(update)

    def tick(self, at: int) -> WatchUpdate:
        return self.note(self.producers.tick(at_ns=(T0_MS + at) * NS_PER_MS))

    def complete(self, producer=1, request_id=None) -> WatchUpdate:
        request = self.requests[-1].request_id if request_id is None else request_id
        return self.note(self.producers.snapshot_complete(producer, request))

    def note(self, update: WatchUpdate) -> WatchUpdate:
        self.requests += update.requests
        self.changes += update.trust_changes
        return update

    def bring_up(self, at: int = 0, *, producer=1) -> None:
        self.alive(at, producer=producer)
        self.complete(producer)
        assert self.producers.is_trusted(producer)


def test_a_producer_is_down_until_its_first_recovery_is_complete():
    watch = Watch()

    assert watch.producers.state(1) is State.DOWN
    update = watch.alive(0)
    assert [(r.producer, r.after_ms) for r in update.requests] == [(1, FULL_RECOVERY)]
    assert watch.producers.state(1) is State.RECOVERING
    assert watch.complete().trust_changes == (GAINED,)
    assert watch.producers.is_trusted(1)


def test_a_producer_is_down_after_more_than_20_s_without_a_heartbeat():
    watch = Watch()
    watch.bring_up()

    assert watch.tick(20_000) == WatchUpdate()
    assert watch.tick(20_001).trust_changes == (lost("feed silent"),)
    assert watch.tick(30_000) == WatchUpdate()


def test_only_the_silent_producer_goes_down():
    watch = Watch()
    watch.bring_up(producer=1)
    watch.bring_up(producer=3)
    watch.alive(15_000, producer=3)

    assert watch.tick(25_000).trust_changes == (lost("feed silent"),)
    assert watch.producers.is_trusted(3)


def test_recovery_is_requested_when_the_heartbeat_is_back_from_the_last_complete_time():
    watch = Watch()
    watch.bring_up()
    watch.alive(10_000)
    watch.tick(40_000)

    assert len(watch.requests) == 1
    update = watch.alive(45_000)
    assert [(r.producer, r.after_ms) for r in update.requests] == [(1, T0_MS + 10_000)]
    assert update.trust_changes == ()
    watch.alive(55_000)
    assert watch.complete().trust_changes == (GAINED,)
    watch.tick(100_000)
    assert watch.alive(101_000).requests[0].after_ms == T0_MS + 55_000


def test_silence_is_noticed_by_the_heartbeat_that_ends_it():
    watch = Watch()
    watch.bring_up()

    update = watch.alive(25_000)

    assert update.trust_changes == (lost("feed silent"),)
    assert update.requests[0].after_ms == T0_MS


def test_a_gap_between_the_timestamps_of_two_heartbeats_takes_the_producer_down():
    watch = Watch()
    watch.bring_up()

    update = watch.alive(10_000, sent=30_001)

    assert update.trust_changes == (lost("feed gap"),)
    assert update.requests[0].after_ms == T0_MS


def test_an_overtaken_or_repeated_heartbeat_does_not_end_a_silence():
    watch = Watch()
    watch.bring_up()
    watch.alive(10_000)
    watch.alive(19_000, sent=10_000)
    watch.alive(25_000, sent=5_000)

    assert watch.tick(30_001).trust_changes == (lost("feed silent"),)


def test_a_producer_whose_clock_was_put_back_is_recovered_in_full():
    watch = Watch()
    watch.bring_up(100_000)
    watch.tick(130_000)

    update = watch.alive(131_000, sent=50_000)

    assert update.requests[0].after_ms == FULL_RECOVERY


def test_not_subscribed_takes_a_producer_down_except_while_recovering():
    watch = Watch()
    watch.alive(0, subscribed=False)
    assert watch.producers.state(1) is State.RECOVERING
    assert watch.alive(10_000, subscribed=False) == WatchUpdate()
    watch.complete()

    update = watch.alive(20_000, subscribed=False)

    assert update.trust_changes == (lost("feed not subscribed"),)
    assert update.requests[0].after_ms == T0_MS + 10_000


def test_product_down_waits_for_the_next_heartbeat():
    watch = Watch()
    watch.bring_up()

    assert watch.note(watch.producers.product_down(1)).trust_changes[0].why == "producer down"
    assert watch.tick(1_000).requests == ()
    assert watch.alive(2_000).requests[0].after_ms == T0_MS


def test_the_end_of_a_recovery_that_is_not_pending_changes_nothing():
    watch = Watch()
    watch.alive(0)

    assert watch.complete(request_id=4711) == WatchUpdate()
    assert watch.note(watch.producers.snapshot_complete(1, None)) == WatchUpdate()
    assert watch.complete(producer=3) == WatchUpdate()
    assert not watch.producers.is_trusted(1)


def test_a_recovery_begun_before_a_silence_does_not_end_it():
    watch = Watch()
    watch.alive(0)
    old = watch.requests[-1].request_id
    watch.tick(30_000)
    watch.alive(31_000)

    assert watch.complete(request_id=old) == WatchUpdate()
    assert watch.complete().trust_changes == (GAINED,)


def test_a_recovery_that_times_out_is_requested_again_and_either_end_completes_it():
    watch = Watch(WatchSettings(recovery_timeout_ms=60_000))
    for at in range(0, 60_000, 10_000):
        watch.alive(at)
    assert len(watch.requests) == 1

    watch.alive(60_000)

    first, second = watch.requests
    assert first.after_ms == second.after_ms
    assert second.request_id > first.request_id
    assert watch.complete(request_id=first.request_id).trust_changes == (GAINED,)


def test_late_heartbeats_take_trust_and_a_timely_one_gives_it_back_without_a_recovery():
    watch = Watch()
    watch.bring_up()

    assert watch.alive(10_000, late=20_001).trust_changes == (lost("feed late"),)
    assert watch.producers.state(1) is State.LATE
    update = watch.alive(20_000)
    assert update == WatchUpdate((GAINED,))
    assert len(watch.requests) == 1


@pytest.mark.parametrize(
    ("producer", "away", "after"),
    [
        (1, 9 * HOUR_MS, T0_MS),
        (1, 10 * HOUR_MS, FULL_RECOVERY),
        (3, 10 * HOUR_MS, T0_MS),
        (3, 71 * HOUR_MS, T0_MS),
        (3, 72 * HOUR_MS, FULL_RECOVERY),
        (5, 72 * HOUR_MS, T0_MS),
    ],
)
def test_past_the_providers_window_a_full_recovery_is_requested(producer, away, after):
    watch = Watch()
    watch.bring_up(producer=producer)

    assert watch.alive(away, producer=producer).requests[0].after_ms == after


@pytest.mark.parametrize(
    ("newest", "back", "after"),
    [
        (-5 * MINUTE_MS, 0, T0_MS - 10 * HOUR_MS + MINUTE_MS),
        (-5 * MINUTE_MS, 10 * MINUTE_MS, T0_MS - 15 * MINUTE_MS),
        (-11 * HOUR_MS, 0, FULL_RECOVERY),
    ],
)
def test_after_a_restart_a_recovery_reaches_back_as_far_as_the_settings_say(newest, back, after):
    watch = Watch(WatchSettings(resume_back_ms=back))
    watch.producers.resume(1, newest_ms=T0_MS + newest)

    assert watch.alive(0).requests[0].after_ms == after


def test_the_newest_of_the_messages_that_markets_remember_counts():
    watch = Watch(WatchSettings(resume_back_ms=MINUTE_MS))
    for newest_ms in (T0_MS - 9_000, T0_MS - 5_000, T0_MS - 7_000):
        watch.producers.resume(1, newest_ms=newest_ms)

    assert watch.alive(0).requests[0].after_ms == T0_MS - 5_000 - MINUTE_MS


@pytest.mark.parametrize(("away_ms", "requests"), [(28 * MINUTE_MS, 1), (29 * MINUTE_MS, 0)])
def test_a_request_counts_as_a_minute_older_than_its_start(away_ms, requests):
    young, old = (
        RecoveryRate(
            age_ms=age_ms,
            requests_max=1,
            within_ms=HOUR_MS,
            long_requests_max=1,
            long_within_ms=HOUR_MS,
        )
        for age_ms in (30 * MINUTE_MS, 24 * HOUR_MS)
    )
    watch = Watch(WatchSettings(rates=(young, old)))
    watch.bring_up()  # by a full recovery, which uses up the older rate

    assert len(watch.alive(away_ms).requests) == requests


def test_past_the_bound_of_pending_recoveries_the_oldest_is_not_waited_for():
    rate = RecoveryRate(
        age_ms=24 * HOUR_MS,
        requests_max=1_000,
        within_ms=HOUR_MS,
        long_requests_max=1_000,
        long_within_ms=HOUR_MS,
    )
    watch = Watch(WatchSettings(recovery_timeout_ms=10_000, rates=(rate,)))
    for number in range(PENDING_RECOVERIES_MAX + 1):
        watch.alive(10_000 * number)
    first, second, *_ = watch.requests
    assert len(watch.requests) == PENDING_RECOVERIES_MAX + 1

    assert watch.complete(request_id=first.request_id) == WatchUpdate()
    assert watch.complete(request_id=second.request_id).trust_changes == (GAINED,)


def test_request_ids_rise_and_differ_from_those_of_an_earlier_process():
    first, second = Watch(), Watch()
    first.alive(0)
    first.alive(0, producer=3)
    second.alive(2_000)

    one, three = first.requests
    assert one.request_id < three.request_id < second.requests[0].request_id


def test_a_producer_past_the_bound_is_never_trusted():
    watch = Watch()
    for number in range(1, PRODUCERS_MAX + 1):
        watch.alive(0, producer=number)

    assert watch.alive(0, producer=PRODUCERS_MAX + 1) == WatchUpdate()
    assert watch.producers.state(PRODUCERS_MAX + 1) is State.DOWN


def test_requests_past_the_providers_rate_wait():
    rate = PROVIDER_RATES[0]
    watch = Watch()
    watch.bring_up()
    at = 0
    while len(watch.requests) < rate.requests_max + 1:
        at += 21_000
        watch.alive(at)
        watch.complete()
    assert not watch.alive(at + 21_000).requests

    waited = at + 21_000
    while watch.requests[-1].after_ms != T0_MS + at:
        waited += 10_000
        watch.alive(waited)
        assert waited < at + rate.within_ms

    assert waited >= 21_000 + rate.within_ms


def test_full_recoveries_keep_both_limits_of_the_longest_rate():
    rate = PROVIDER_RATES[-1]
    watch = Watch(WatchSettings(recovery_timeout_ms=MINUTE_MS))
    times = [
        at
        for at in range(0, rate.long_within_ms + 1, 10_000)
        for request in watch.alive(at).requests
        if request.after_ms == FULL_RECOVERY
    ]

    assert sum(at <= rate.within_ms for at in times) == rate.requests_max
    assert len(times) == rate.long_requests_max


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("alive"), st.integers(1, 2), st.booleans(), st.integers(0, 40_000)),
        st.tuples(st.just("complete"), st.integers(1, 2), st.integers(0, 3)),
        st.tuples(st.just("down"), st.integers(1, 2)),
        st.tuples(st.just("wait"), st.integers(1, 45_000)),
        st.tuples(st.just("wait"), st.integers(1, 3 * HOUR_MS)),
    ),
    max_size=120,
)


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_no_sequence_of_messages_repeats_a_trust_change_or_exceeds_a_rate(steps):
    watch = Watch(WatchSettings(recovery_timeout_ms=30_000))
    at = 0
    requested_at: deque[tuple[int, int]] = deque()
    for step in steps:
        if step[0] == "alive":
            update = watch.alive(at, producer=step[1], subscribed=step[2], late=step[3])
        elif step[0] == "complete":
            mine = [r.request_id for r in watch.requests if r.producer == step[1]]
            update = watch.complete(step[1], mine[-1 - step[2] % len(mine)] if mine else 1)
        elif step[0] == "down":
            update = watch.note(watch.producers.product_down(step[1]))
        else:
            at += step[1]
            update = watch.tick(at)
        for request in update.requests:
            full = request.after_ms == FULL_RECOVERY
            age = 24 * HOUR_MS if full else T0_MS + at - request.after_ms
            requested_at.append((at, age))
        for producer in (1, 2):
            trusted = [c.trusted for c in watch.changes if c.producer == producer]
            assert trusted == [n % 2 == 0 for n in range(len(trusted))]
            assert watch.producers.is_trusted(producer) == (bool(trusted) and trusted[-1])
    younger_ms = 0
    for rate in PROVIDER_RATES:
        times = [when for when, age in requested_at if younger_ms <= age < rate.age_ms]
        younger_ms = rate.age_ms
        for when in times:
            for count, within in (
                (rate.requests_max, rate.within_ms),
                (rate.long_requests_max, rate.long_within_ms),
            ):
                assert sum(0 <= when - other < within for other in times) <= count
