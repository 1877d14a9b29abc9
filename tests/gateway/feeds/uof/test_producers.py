"""A producer is trusted while its heart beats and nothing it said is missing; else it is asked."""

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.feeds.core.adapter import RecoveryRequest
from gateway.feeds.uof.producers import (
    FULL,
    PRODUCERS_MAX,
    PROVIDER_RATES,
    Producers,
    ProducerUpdate,
    State,
    Turn,
    WatchSettings,
)

T0_MS = 1_700_000_000_000
NS = 1_000_000
MINUTE, HOUR = 60_000, 3_600_000


class Watch:
    """Producers whose heartbeats come when they are sent."""

    def __init__(self, settings: WatchSettings | None = None) -> None:
        self.producers = Producers(settings or WatchSettings())
        self.asked: list[RecoveryRequest] = []
        self.turns: list[Turn] = []

    def alive(self, at: int, *, producer=1, sent=None, subscribed=True, late=0) -> ProducerUpdate:
        news = self.producers.alive(
            producer,
            timestamp_ms=T0_MS + (at if sent is None else sent),
            subscribed=subscribed,
            late_ms=late,
            at_ns=(T0_MS + at) * NS,
        )
        return self.note(news)

    def tick(self, at: int) -> ProducerUpdate:
        return self.note(self.producers.tick(at_ns=(T0_MS + at) * NS))

    def complete(self, producer=1, request_id=None) -> ProducerUpdate:
        request = self.asked[-1].request_id if request_id is None else request_id
        return self.note(self.producers.complete(producer, request))

    def note(self, news: ProducerUpdate) -> ProducerUpdate:
        self.asked += news.recovers
        self.turns += news.turns
        return news

    def up(self, at: int = 0, *, producer=1) -> None:
        self.alive(at, producer=producer)
        self.complete(producer)
        assert self.producers.is_up(producer)


def test_a_producer_is_down_until_its_first_recovery_is_complete():
    watch = Watch()

    assert watch.producers.state(1) is State.DOWN
    news = watch.alive(0)
    assert [(r.producer, r.after_ms) for r in news.recovers] == [(1, FULL)]
    assert watch.producers.state(1) is State.RECOVERING
    assert watch.complete().turns == (Turn(1, up=True),)
    assert watch.producers.is_up(1)


def test_twenty_seconds_without_a_heartbeat_take_it_down_and_no_sooner():
    watch = Watch()
    watch.up()

    assert watch.tick(20_000) == ProducerUpdate()
    assert watch.tick(20_001).turns == (Turn(1, up=False, why="feed silent"),)
    assert watch.tick(30_000) == ProducerUpdate()


def test_only_the_silent_producer_goes_down():
    watch = Watch()
    watch.up(producer=1)
    watch.up(producer=3)
    watch.alive(15_000, producer=3)

    assert watch.tick(25_000).turns == (Turn(1, up=False, why="feed silent"),)
    assert watch.producers.is_up(3)


def test_recovery_is_asked_for_when_the_heartbeat_is_back_from_the_last_good_one():
    watch = Watch()
    watch.up()
    watch.alive(10_000)
    watch.tick(40_000)

    assert len(watch.asked) == 1
    news = watch.alive(45_000)
    assert [(r.producer, r.after_ms) for r in news.recovers] == [(1, T0_MS + 10_000)]
    assert news.turns == ()
    watch.alive(55_000)
    assert watch.complete().turns == (Turn(1, up=True),)
    watch.tick(100_000)
    assert watch.alive(101_000).recovers[0].after_ms == T0_MS + 55_000


def test_silence_is_noticed_by_the_heartbeat_that_ends_it():
    watch = Watch()
    watch.up()

    news = watch.alive(25_000)

    assert news.turns == (Turn(1, up=False, why="feed silent"),)
    assert news.recovers[0].after_ms == T0_MS


def test_a_gap_between_the_times_of_two_heartbeats_is_a_gap_though_both_came():
    watch = Watch()
    watch.up()

    news = watch.alive(10_000, sent=30_001)

    assert news.turns == (Turn(1, up=False, why="feed gap"),)
    assert news.recovers[0].after_ms == T0_MS


def test_a_heartbeat_that_was_overtaken_or_repeated_keeps_nothing_alive():
    watch = Watch()
    watch.up()
    watch.alive(10_000)
    watch.alive(19_000, sent=10_000)
    watch.alive(25_000, sent=5_000)

    assert watch.tick(30_001).turns == (Turn(1, up=False, why="feed silent"),)


def test_a_producer_whose_clock_was_put_back_is_recovered_in_full():
    watch = Watch()
    watch.up(100_000)
    watch.tick(130_000)

    news = watch.alive(131_000, sent=50_000)

    assert news.recovers[0].after_ms == FULL


def test_not_subscribed_is_down_but_is_expected_while_recovering():
    watch = Watch()
    watch.alive(0, subscribed=False)
    assert watch.producers.state(1) is State.RECOVERING
    assert watch.alive(10_000, subscribed=False) == ProducerUpdate()
    watch.complete()

    news = watch.alive(20_000, subscribed=False)

    assert news.turns == (Turn(1, up=False, why="feed not subscribed"),)
    assert news.recovers[0].after_ms == T0_MS + 10_000


def test_product_down_waits_for_the_next_heartbeat():
    watch = Watch()
    watch.up()

    assert watch.note(watch.producers.product_down(1)).turns[0].why == "producer down"
    assert watch.tick(1_000).recovers == ()
    assert watch.alive(2_000).recovers[0].after_ms == T0_MS


def test_the_end_of_a_recovery_that_nobody_waits_for_means_nothing():
    watch = Watch()
    watch.alive(0)

    assert watch.complete(request_id=4711) == ProducerUpdate()
    assert watch.note(watch.producers.complete(1, None)) == ProducerUpdate()
    assert watch.complete(producer=3) == ProducerUpdate()
    assert not watch.producers.is_up(1)


def test_a_recovery_begun_before_a_silence_does_not_end_it():
    watch = Watch()
    watch.alive(0)
    old = watch.asked[-1].request_id
    watch.tick(30_000)
    watch.alive(31_000)

    assert watch.complete(request_id=old) == ProducerUpdate()
    assert watch.complete().turns == (Turn(1, up=True),)


def test_a_recovery_that_does_not_end_is_asked_for_again_and_either_end_will_do():
    watch = Watch(WatchSettings(recovery_timeout_ms=60_000))
    for at in range(0, 60_000, 10_000):
        watch.alive(at)
    assert len(watch.asked) == 1

    watch.alive(60_000)

    first, second = watch.asked
    assert first.after_ms == second.after_ms
    assert second.request_id > first.request_id
    assert watch.complete(request_id=first.request_id).turns == (Turn(1, up=True),)


def test_late_heartbeats_take_it_down_and_it_is_up_again_without_a_recovery():
    watch = Watch()
    watch.up()

    assert watch.alive(10_000, late=20_001).turns == (Turn(1, up=False, why="feed late"),)
    assert watch.producers.state(1) is State.LATE
    news = watch.alive(20_000)
    assert news == ProducerUpdate((Turn(1, up=True),))
    assert len(watch.asked) == 1


@pytest.mark.parametrize(
    ("producer", "away", "after"),
    [
        (1, 9 * HOUR, T0_MS),
        (1, 10 * HOUR, FULL),
        (3, 10 * HOUR, T0_MS),
        (3, 71 * HOUR, T0_MS),
        (3, 72 * HOUR, FULL),
        (5, 72 * HOUR, T0_MS),
    ],
)
def test_past_the_providers_window_everything_current_is_asked_for(producer, away, after):
    watch = Watch()
    watch.up(producer=producer)

    assert watch.alive(away, producer=producer).recovers[0].after_ms == after


@pytest.mark.parametrize(
    ("newest", "back", "after"),
    [
        (-5 * MINUTE, 0, T0_MS - 10 * HOUR + MINUTE),
        (-5 * MINUTE, 10 * MINUTE, T0_MS - 15 * MINUTE),
        (-11 * HOUR, 0, FULL),
    ],
)
def test_after_a_restart_as_much_is_asked_for_as_may_be_missing(newest, back, after):
    watch = Watch(WatchSettings(resume_back_ms=back))
    watch.producers.resume(1, newest_ms=T0_MS + newest)

    assert watch.alive(0).recovers[0].after_ms == after


def test_numbers_of_recoveries_rise_and_are_not_those_of_an_earlier_process():
    first, second = Watch(), Watch()
    first.alive(0)
    first.alive(0, producer=3)
    second.alive(2_000)

    one, three = first.asked
    assert one.request_id < three.request_id < second.asked[0].request_id


def test_a_producer_too_many_is_never_trusted():
    watch = Watch()
    for number in range(1, PRODUCERS_MAX + 1):
        watch.alive(0, producer=number)

    assert watch.alive(0, producer=PRODUCERS_MAX + 1) == ProducerUpdate()
    assert watch.producers.state(PRODUCERS_MAX + 1) is State.DOWN


def test_requests_past_the_allowance_wait_for_room():
    rate = PROVIDER_RATES[0]
    watch = Watch()
    watch.up()
    at = 0
    while len(watch.asked) < rate.requests_max + 1:
        at += 21_000
        watch.alive(at)
        watch.complete()
    assert not watch.alive(at + 21_000).recovers

    waited = at + 21_000
    while watch.asked[-1].after_ms != T0_MS + at:
        waited += 10_000
        watch.alive(waited)
        assert waited < at + rate.within_ms

    assert waited >= 21_000 + rate.within_ms


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("alive"), st.integers(1, 2), st.booleans(), st.integers(0, 40_000)),
        st.tuples(st.just("complete"), st.integers(1, 2), st.integers(0, 3)),
        st.tuples(st.just("down"), st.integers(1, 2)),
        st.tuples(st.just("wait"), st.integers(1, 45_000)),
        st.tuples(st.just("wait"), st.integers(1, 3 * HOUR)),
    ),
    max_size=120,
)


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_turns_alternate_and_no_rate_is_exceeded(steps):
    watch = Watch(WatchSettings(recovery_timeout_ms=30_000))
    at = 0
    asked_at: deque[tuple[int, int]] = deque()
    for step in steps:
        if step[0] == "alive":
            news = watch.alive(at, producer=step[1], subscribed=step[2], late=step[3])
        elif step[0] == "complete":
            mine = [r.request_id for r in watch.asked if r.producer == step[1]]
            news = watch.complete(step[1], mine[-1 - step[2] % len(mine)] if mine else 1)
        elif step[0] == "down":
            news = watch.note(watch.producers.product_down(step[1]))
        else:
            at += step[1]
            news = watch.tick(at)
        for request in news.recovers:
            age = HOUR * 24 if request.after_ms == FULL else T0_MS + at - request.after_ms
            asked_at.append((at, age))
        for producer in (1, 2):
            turns = [turn.up for turn in watch.turns if turn.producer == producer]
            assert turns == [n % 2 == 0 for n in range(len(turns))]
            assert watch.producers.is_up(producer) == (bool(turns) and turns[-1])
    for rate, younger in zip(
        PROVIDER_RATES, (0, *(r.age_ms for r in PROVIDER_RATES)), strict=False
    ):
        times = [when for when, age in asked_at if younger <= age < rate.age_ms]
        for when in times:
            for count, within in (
                (rate.requests_max, rate.within_ms), (rate.more_max, rate.more_within_ms),
            ):  # fmt: skip
                assert sum(0 <= when - other < within for other in times) <= count
