"""The times at which markets stop by themselves: the start of an event, and the next bet stop."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from gateway.feeds.core.clock import RecordedClock
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.cut_offs import CutOffs
from gateway.feeds.uof.market_registry import ListedMarket
from gateway.feeds.uof.settings import UofSettings
from gateway.feeds.uof.types import UofMarket
from tests.gateway.feeds.uof.builders import (
    EVENT,
    MATCH_WINNER,
    NOW_MS,
    TOTAL,
    UNWATCHED,
    WATCHED,
    FeedMarkets,
    feed_markets,
    market,
    odds_change,
    steps,
    total,
)

ACTIVE, SUSPENDED = Status.ACTIVE, Status.SUSPENDED
PREMATCH, LIVE = 3, 1


def start(at_ms, *, at=1, change=2, product=PREMATCH):
    """Return a fixture_change that gives a start, in milliseconds after NOW_MS."""
    head = f'event_id="{EVENT}" product="{product}" timestamp="{NOW_MS + at}"'
    return f'<fixture_change {head} change_type="{change}" start_time="{NOW_MS + at_ms}"/>'.encode()


def betstop(at_ms):
    return f'<market_metadata next_betstop="{NOW_MS + at_ms if at_ms else 0}"/>'


def winner(*, at, product=PREMATCH, children=""):
    return odds_change(market(1, MATCH_WINNER, children=children), at=at, product=product)


def sent(feed, *bodies):
    for body in bodies:
        feed.receive(body)
    return feed


def test_the_prematch_markets_of_an_event_stop_at_its_start_without_a_message():
    feed = sent(feed_markets(), winner(at=1), odds_change(total(), at=1, product=LIVE))
    sent(feed, start(5_000))

    feed.tick(at=4_999)
    assert feed.status("1x2") is ACTIVE
    feed.tick(at=5_000)

    assert feed.status("1x2") is SUSPENDED
    assert feed.status(TOTAL) is ACTIVE
    assert steps(feed.tick(at=6_000)) == []


def test_they_stop_earlier_where_the_setting_says_so():
    feed = feed_markets(UofSettings(watch=False, before_start_ms=2_000))
    sent(feed, winner(at=1), start(5_000))

    feed.tick(at=2_999)
    assert feed.status("1x2") is ACTIVE
    feed.tick(at=3_000)
    assert feed.status("1x2") is SUSPENDED


def test_prematch_odds_after_the_start_open_nothing_and_live_odds_do():
    feed = sent(feed_markets(), winner(at=1), start(5_000))

    feed.receive(winner(at=4_000), at=5_001)
    assert feed.status("1x2") is SUSPENDED
    feed.receive(odds_change(total(), at=5_002, product=PREMATCH), at=5_002)
    assert feed.status(TOTAL) is SUSPENDED
    feed.receive(winner(at=5_003, product=LIVE), at=5_003)

    assert feed.status("1x2") is ACTIVE


def test_a_start_that_moves_away_opens_the_markets_again_and_stops_them_later():
    feed = sent(feed_markets(), winner(at=1), start(5_000))
    feed.tick(at=5_000)

    feed.receive(start(9_000, at=6_000), at=6_000)
    assert feed.status("1x2") is ACTIVE
    feed.tick(at=9_000)

    assert feed.status("1x2") is SUSPENDED


def test_a_start_that_moves_away_opens_no_market_that_was_stopped_meanwhile():
    feed = sent(feed_markets(), winner(at=1), start(5_000))
    feed.tick(at=5_000)
    feed.receive(odds_change(market(1, status=-1), at=5_500, product=PREMATCH), at=5_500)

    feed.receive(start(9_000, at=6_000), at=6_000)

    assert feed.status("1x2") is SUSPENDED


def test_a_start_that_moves_away_opens_no_market_whose_next_bet_stop_has_come():
    feed = sent(feed_markets(), winner(at=1, children=betstop(4_000)), start(5_000))
    feed.tick(at=5_000)

    feed.receive(start(9_000, at=6_000), at=6_000)

    assert feed.status("1x2") is SUSPENDED


def test_a_start_that_moves_nearer_stops_the_markets_then_or_at_once():
    feed = sent(feed_markets(), winner(at=1), start(50_000))

    feed.receive(start(5_000, at=2), at=2)
    feed.tick(at=5_000)
    assert feed.status("1x2") is SUSPENDED

    feed = sent(feed_markets(), winner(at=1), start(50_000))
    feed.receive(start(5_000, at=2), at=6_000)
    assert feed.status("1x2") is SUSPENDED


def test_an_older_fixture_change_that_comes_late_moves_nothing():
    feed = sent(feed_markets(), winner(at=1), start(5_000, at=3), start(50_000, at=2))

    feed.tick(at=5_000)

    assert feed.status("1x2") is SUSPENDED


def test_a_recovery_opens_no_market_whose_event_has_started():
    feed = feed_markets(WATCHED)
    feed.recover(at=0, product=PREMATCH)
    sent(feed, winner(at=1), start(5_000))
    feed.tick(at=30_000)

    feed.recover(at=31_000, product=PREMATCH)

    assert feed.status("1x2") is SUSPENDED


def test_in_a_replay_the_newest_message_tells_the_time():
    feed = FeedMarkets(UofAdapter("uof", UNWATCHED, clock=RecordedClock()))
    sent(feed, winner(at=1), start(5_000))
    feed.tick(at=10**9)
    assert feed.status("1x2") is ACTIVE

    feed.receive(odds_change(total(), at=5_000, product=LIVE))

    assert feed.status("1x2") is SUSPENDED


# --- next_betstop --------------------------------------------------------------------------------

BETSTOPS: dict[str, tuple[tuple[tuple[int, Any], ...], Status]] = {
    "has come": (((1, betstop(5_000)),), SUSPENDED),
    "is later": (((1, betstop(5_001)),), ACTIVE),
    "has moved away": (((1, betstop(5_000)), (2, betstop(9_000))), ACTIVE),
    "has moved nearer": (((1, betstop(9_000)), (2, betstop(4_000))), SUSPENDED),
    "is not repeated": (((1, betstop(5_000)), (2, "")), SUSPENDED),
    "is taken back": (((1, betstop(5_000)), (2, betstop(0))), ACTIVE),
    "is an older message's": (((2, betstop(9_000)), (1, betstop(4_000))), ACTIVE),
    "is given after it has come": (((1, ""), (2, betstop(1))), SUSPENDED),
}


@pytest.mark.parametrize("case", BETSTOPS)
@pytest.mark.parametrize("product", [PREMATCH, LIVE])
def test_a_market_is_stopped_when_its_next_bet_stop(case, product):
    messages, status = BETSTOPS[case]
    feed = feed_markets()
    for at, children in messages:
        feed.receive(winner(at=at, product=product, children=children), at=at)

    feed.tick(at=5_000)

    assert feed.status("1x2") is status


def test_odds_after_the_next_bet_stop_leave_a_market_stopped():
    feed = sent(feed_markets(), winner(at=1, children=betstop(5_000)))

    feed.receive(winner(at=6_000), at=6_000)

    assert feed.status("1x2") is SUSPENDED


def test_a_new_owner_of_a_market_sets_its_own_next_bet_stop():
    feed = sent(feed_markets(), winner(at=1, children=betstop(5_000)))

    feed.receive(winner(at=6_000, product=LIVE), at=6_000)

    assert feed.status("1x2") is ACTIVE


# --- the times themselves ------------------------------------------------------------------------


def listed_market(number):
    return ListedMarket(UofMarket(f"{EVENT}/uof_{number}", "", ("a", "b"), None), number)


_MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.integers(0, 2), st.integers(1, 50)),
        st.tuples(st.just("betstop"), st.integers(0, 2), st.integers(0, 50)),
        st.tuples(st.just("time"), st.just(0), st.integers(0, 50)),
    ),
    max_size=200,
)


@given(_MOVES)
def test_each_time_is_due_once_when_it_comes_however_often_it_moves(moves):
    cut_offs, markets = CutOffs(), [listed_market(number) for number in range(3)]
    now, starts = 0, {}
    for what, number, at_ms in moves:
        if what == "start":
            cut_offs.set_start(str(number), at_ms, given_ms=0)
            starts[str(number)] = at_ms
        elif what == "betstop":
            cut_offs.set_betstop(markets[number], at_ms)
        else:
            due = cut_offs.advance(at_ms)
            now = max(now, at_ms)
            assert all(starts[event_id] <= now for event_id in due.event_ids)
            assert all(0 < one.betstop_ms <= now for one in due.markets)
            again = cut_offs.advance(now)
            assert (again.event_ids, again.markets) == ([], [])
    for event_id, at_ms in starts.items():
        assert cut_offs.has_started(event_id) == (at_ms <= now)
    for one in markets:
        assert cut_offs.is_stopped(one) == (0 < one.betstop_ms <= now)
    due = cut_offs.advance(100)
    assert {one for one in starts if starts[one] > now} <= {*due.event_ids}
    assert {one for one in markets if one.betstop_ms > now} <= {*due.markets}


def test_the_start_given_longest_ago_is_dropped_and_times_that_moved_are_not_kept():
    cut_offs, listed = CutOffs(starts_max=2), listed_market(1)
    for event_id in ("a", "b", "a", "c"):
        cut_offs.set_start(event_id, 10, given_ms=0)
    for at_ms in range(1_000, 2_000):
        cut_offs.set_betstop(listed, at_ms)
        cut_offs.set_start("c", at_ms, given_ms=0)
    cut_offs.advance(3_000)
    assert [cut_offs.has_started(one) for one in "abc"] == [True, False, True]

    for at_ms in range(4_000, 5_000):
        cut_offs.set_betstop(listed, at_ms)
        cut_offs.set_start("c", at_ms, given_ms=0)
        assert len(cut_offs._due_markets) <= 18
        assert len(cut_offs._due_starts) <= 4


def test_the_start_of_an_event_is_a_number_of_milliseconds():
    feed = feed_markets()

    received = feed.receive(start(5_000).replace(b'start_time="', b'start_time="x'))

    assert received.refused.startswith("fixture_change: start_time: must be a whole number")
