"""The markets that a bet_stop suspends."""

from engine.common.lifecycle import Status
from tests.gateway.feeds.uof.builders import (
    EVENT,
    MATCH_WINNER,
    TOTAL,
    bet_stop,
    feed_markets,
    market,
    odds_change,
    total,
    updates,
)


def test_a_bet_stop_suspends_what_is_active_or_should_be_suspended():
    feed = feed_markets()
    feed.receive(
        odds_change(
            market(1, MATCH_WINNER),
            market(11, (("4", "1.6"), ("5", "2.2")), status=0),
            total(status=-1),
            market(26, (("70", "1.9"), ("72", "1.9")), status=-2),
            at=1,
        )
    )

    received = feed.receive(bet_stop(at=2))

    assert [update.key for update in updates(received)] == [f"{EVENT}/1x2", f"{EVENT}/{TOTAL}"]
    assert feed.status("1x2") is Status.SUSPENDED
    assert feed.status("draw_no_bet") is Status.INACTIVE
    assert feed.status("odd_even") is Status.HANDED_OVER


def test_a_bet_stop_of_a_group_suspends_that_groups_markets():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), market(60, MATCH_WINNER), at=1))

    feed.receive(bet_stop(at=2, groups="1st_half"))

    assert feed.status("first_half_1x2") is Status.SUSPENDED
    assert feed.status("1x2") is Status.ACTIVE


def test_a_bet_stop_with_market_status_0_makes_markets_inactive():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    feed.receive(bet_stop(at=2, attributes='market_status="0"'))

    assert feed.status("1x2") is Status.INACTIVE


def test_an_odds_change_older_than_a_bet_stop_does_not_undo_it():
    feed = feed_markets()
    feed.receive(odds_change(total(), at=1))
    feed.receive(bet_stop(at=5))

    feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=4, request_id=1))
    assert feed.status("1x2") is Status.SUSPENDED
    assert feed.status(TOTAL) is Status.SUSPENDED

    feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=6))
    assert feed.status("1x2") is Status.ACTIVE


def test_a_bet_stop_older_than_the_last_status_changes_nothing():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=5))

    assert feed.receive(bet_stop(at=4)).actions == ()
    assert feed.status("1x2") is Status.ACTIVE


def test_a_hand_over_older_than_a_bet_stop_is_ignored():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(bet_stop(at=5))
    feed.receive(odds_change(market(1, status=-2), at=4, request_id=1))

    feed.receive(odds_change(market(1, MATCH_WINNER), at=6))

    assert feed.status("1x2") is Status.ACTIVE
