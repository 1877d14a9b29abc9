"""The markets that a fixture_change suspends."""

import pytest

from engine.common.commands import SetStatus
from engine.common.lifecycle import Status
from tests.gateway.feeds.uof.builders import (
    MATCH_WINNER,
    TOTAL,
    WATCHED,
    feed_markets,
    fixture_change,
    market,
    odds_change,
    steps,
    total,
    updates,
)


def test_a_cancelled_fixture_is_suspended_and_no_bet_is_voided():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1, product=3))
    feed.receive(odds_change(total(), at=1, product=1))

    received = feed.receive(fixture_change(3, at=2))

    assert [type(step) for step in steps(received)] == [SetStatus, SetStatus]
    assert feed.status("1x2") is feed.status(TOTAL) is Status.SUSPENDED
    feed.receive(odds_change(total(), at=1, product=1))
    assert feed.status(TOTAL) is Status.SUSPENDED


def test_a_coverage_change_of_a_live_producer_suspends_that_producers_markets():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1, product=3))
    feed.receive(odds_change(total(), at=1, product=1))

    feed.receive(fixture_change(5, at=2, product=3))
    assert feed.status("1x2") is feed.status(TOTAL) is Status.ACTIVE
    feed.receive(fixture_change(5, at=3, product=1))

    assert feed.status("1x2") is Status.ACTIVE
    assert feed.status(TOTAL) is Status.SUSPENDED


@pytest.mark.parametrize("kind", [1, 2, 4])
def test_other_fixture_changes_are_only_counted(kind):
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    assert feed.receive(fixture_change(kind, at=2)).actions == ()
    assert feed.adapter.passed_over() == {f"fixture change {kind}": 1}


def test_a_fixture_change_older_than_the_last_status_changes_nothing():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=5))

    assert feed.receive(fixture_change(3, at=4)).actions == ()
    assert feed.status("1x2") is Status.ACTIVE


def test_a_fixture_change_without_a_timestamp_suspends_without_a_mark():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=5))

    received = feed.receive(fixture_change(3, at=None))

    assert [update.mark for update in updates(received)] == [None]
    assert feed.status("1x2") is Status.SUSPENDED


def test_a_recovery_does_not_reopen_the_markets_of_a_cancelled_fixture():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1), at=1)
    feed.receive(fixture_change(3, at=5), at=5)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=4, request_id=1), at=6)
    feed.tick(at=30_000)

    feed.recover(at=31_000)

    assert feed.status("1x2") is Status.SUSPENDED


@pytest.mark.parametrize("change", [3, 5])
def test_odds_from_before_a_fixture_change_open_no_other_market(change):
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(fixture_change(change, at=5))
    feed.receive(odds_change(market(1, MATCH_WINNER), at=6))

    feed.receive(odds_change(total(), at=4))

    assert feed.status("1x2") is Status.ACTIVE
    assert feed.status(TOTAL) is Status.SUSPENDED
