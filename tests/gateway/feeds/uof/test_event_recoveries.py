"""When the recovery of a single event is requested."""

from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from gateway.feeds.uof.event_recoveries import AGAIN_NS, WANTED_MAX, EventRecoveries
from gateway.feeds.uof.producers import Producers, State
from gateway.feeds.uof.settings import PROVIDER_EVENT_RATE, WatchSettings
from tests.gateway.feeds.uof.builders import (
    EVENT,
    MATCH_WINNER,
    UNWATCHED,
    WATCHED,
    feed_markets,
    market,
    odds_change,
)

START_NS = 1_700_000_000_000 * NS_PER_MS
MINUTE_NS = 60_000 * NS_PER_MS


def recovered_producer() -> Producers:
    """Return producers of which number 1 is recovered."""
    producers = Producers(WatchSettings())
    update = producers.alive(
        1, timestamp_ms=START_NS // NS_PER_MS, subscribed=True, late_ms=0, at_ns=START_NS
    )
    producers.snapshot_complete(1, update.requests[0].request_id)
    assert producers.state(1) is State.UP
    return producers


def test_an_event_is_requested_once_and_again_after_a_minute():
    recoveries = EventRecoveries(recovered_producer(), PROVIDER_EVENT_RATE)
    recoveries.want(1, EVENT)
    first = recoveries.requests(at_ns=START_NS)
    recoveries.want(1, EVENT)

    assert [(each.producer, each.event_id, each.after_ms) for each in first] == [(1, EVENT, 0)]
    assert recoveries.requests(at_ns=START_NS + AGAIN_NS - 1) == ()
    (again,) = recoveries.requests(at_ns=START_NS + AGAIN_NS)
    assert again.request_id > first[0].request_id
    assert recoveries.requests(at_ns=START_NS + 2 * AGAIN_NS) == ()


def test_events_past_the_rate_wait_for_it():
    recoveries = EventRecoveries(recovered_producer(), PROVIDER_EVENT_RATE)
    for number in range(PROVIDER_EVENT_RATE.requests_max + 5):
        recoveries.want(1, f"sr:match:{number}")

    made = recoveries.requests(at_ns=START_NS)
    later = recoveries.requests(at_ns=START_NS + 11 * MINUTE_NS)

    assert len(made) == PROVIDER_EVENT_RATE.requests_max
    assert len(later) == 5
    assert len({each.request_id for each in (*made, *later)}) == len(made) + 5


def test_an_event_waits_until_its_producer_is_recovered():
    producers = Producers(WatchSettings())
    recoveries = EventRecoveries(producers, PROVIDER_EVENT_RATE)
    recoveries.want(1, EVENT)
    assert recoveries.requests(at_ns=START_NS) == ()

    update = producers.alive(
        1, timestamp_ms=START_NS // NS_PER_MS, subscribed=True, late_ms=0, at_ns=START_NS
    )
    assert recoveries.requests(at_ns=START_NS) == ()
    producers.snapshot_complete(1, update.requests[0].request_id)

    assert len(recoveries.requests(at_ns=START_NS)) == 1


def test_more_events_than_may_wait_are_a_recovery_of_their_producers_in_full():
    producers = recovered_producer()
    recoveries = EventRecoveries(producers, PROVIDER_EVENT_RATE)
    updates = [recoveries.want(1, f"sr:match:{number}") for number in range(WANTED_MAX + 1)]

    assert [change.trusted for change in updates[-1].trust_changes] == [False]
    assert recoveries.requests(at_ns=START_NS) == ()
    update = producers.alive(
        1,
        timestamp_ms=START_NS // NS_PER_MS + 5_000,
        subscribed=True,
        late_ms=0,
        at_ns=START_NS + 5_000 * NS_PER_MS,
    )
    assert [request.after_ms for request in update.requests] == [0]


def test_a_feed_without_a_watch_requests_no_event():
    feed = feed_markets(UNWATCHED)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1), at=1)

    feed.receive(odds_change(market(1, MATCH_WINNER), at=2)[:-30], at=2)

    assert feed.status("1x2") is Status.SUSPENDED
    assert feed.requests == []


def test_a_request_that_has_to_wait_is_made_at_a_tick():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1), at=1)
    for at in (2, 3):
        feed.receive(odds_change(market(1, MATCH_WINNER), at=at)[:-30], at=at)
    assert [each.event_id for each in feed.requests] == ["", EVENT]

    feed.adapter.receive(b"<alive/>", at_ns=1)
    feed.tick(at=10_000)
    assert len(feed.requests) == 2
