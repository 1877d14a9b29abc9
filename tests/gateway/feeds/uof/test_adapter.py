"""The adapter protocol: kinds, refusals, and the markets that a feed owns."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import REFUSALS_KEPT
from gateway.feeds.core.clock import RecordedClock
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.messages import SUBSCRIPTION_STARTED
from gateway.feeds.uof.settings import UofSettings
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    MATCH_WINNER,
    NOW_MS,
    TOTAL,
    UNWATCHED,
    WATCHED,
    alive,
    bet_settlement,
    bet_stop,
    correction,
    feed_markets,
    fixture_change,
    market,
    odds_change,
    product_down,
    settled,
    snapshot_complete,
    total,
)


def test_a_malformed_body_is_refused_and_changes_nothing():
    feed = feed_markets()

    received = feed.adapter.receive(b"<odds_change/>", at_ns=1)

    assert (received.kind, received.actions) == ("malformed", ())
    assert received.refused == "odds_change: product: is missing"


def test_a_message_without_any_action_gives_the_reason():
    feed = feed_markets()

    assert feed.receive(odds_change(market(7, status=0), at=1)).refused.startswith(
        "market never seen: sr:match:77001: 7"
    )
    assert (
        feed.receive(odds_change(market(7, status=0), market(1, MATCH_WINNER), at=2)).refused == ""
    )


def test_a_message_without_action_or_refusal_gives_no_reason():
    feed = feed_markets()
    assert feed.receive(odds_change(market(7, status=0), at=1)).refused

    assert feed.receive(bet_stop(at=2)).refused == ""


def test_a_message_without_a_timestamp_does_not_set_the_clock():
    clock = RecordedClock()
    adapter = UofAdapter("uof", clock=clock)

    adapter.receive(fixture_change(1, at=None), at_ns=5)
    assert clock.engine_ns(NOW_MS) == 0
    adapter.receive(fixture_change(1, at=1), at_ns=7)
    assert clock.engine_ns(NOW_MS + 1) == 7


OUTCOMES = st.tuples(
    st.sampled_from(["1", "2", "3", "12", "13", "a"]),
    st.sampled_from(["2.1", "1.5", "9", "1.0", "0", "500000", "1e3"]),
    st.sampled_from(["0.3", "0.5", "", "0", "1"]),
    st.sampled_from([1, 1, 0]),
)
MARKETS = st.tuples(
    st.sampled_from([1, 18, 40]),
    st.sampled_from(["", "total=2.5", "total=1.5", "a b"]),
    st.sampled_from([1, 1, 1, 0, -1, -2, -3, -4]),
    st.lists(OUTCOMES, max_size=3, unique_by=lambda outcome: outcome[0]),
)


@given(st.lists(MARKETS, max_size=4), st.sampled_from(["odds", "probabilities"]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_an_odds_change_of_any_markets_and_outcomes_does_not_raise(rows, price_from, by_model):
    adapter = UofAdapter(
        "uof", UofSettings(watch=False, price_from=price_from, own_prices=by_model)
    )
    markets = [
        market(
            number,
            [
                (name, f'odds="{odds}" probabilities="{probability}" active="{active}"')
                for name, odds, probability, active in outcomes
            ],
            specifiers=specifiers,
            status=status,
        )
        for number, specifiers, status, outcomes in rows
    ]

    received = adapter.receive(odds_change(*markets, at=1), at_ns=1)

    assert received.actions or received.refused or not rows


@given(st.binary(max_size=64))
@settings(max_examples=100, deadline=None)
def test_bytes_of_any_kind_are_refused(body):
    assume(SUBSCRIPTION_STARTED not in body)  # the one message without attributes
    assert UofAdapter("uof").receive(body, at_ns=1).refused


def test_a_feed_owns_the_markets_whose_fixture_is_a_provider_urn():
    adapter = UofAdapter("uof")

    assert adapter.owns("sr:match:5/1x2")
    assert adapter.owns("vf:match:5/uof_14")
    assert not adapter.owns("wc22-64/1x2")
    assert not adapter.owns("exchange.1.200806927/match_odds")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (odds_change(at=1), "odds_change"),
        (bet_stop(at=1), "bet_stop"),
        (bet_settlement(at=1), "bet_settlement"),
        (correction("bet_cancel", at=1), "bet_cancel"),
        (correction("rollback_bet_settlement", at=1), "rollback_bet_settlement"),
        (correction("rollback_bet_cancel", at=1), "rollback_bet_cancel"),
        (fixture_change(1, at=1), "fixture_change"),
        (alive(at=1), "alive"),
        (snapshot_complete(at=1, request_id=1), "snapshot_complete"),
        (product_down(at=1), "product_down"),
        (SUBSCRIPTION_STARTED, "source_began"),
        (b"<weather/>", "malformed"),
    ],
)
def test_a_message_is_counted_by_its_kind(body, kind):
    assert UofAdapter("uof").receive(body, at_ns=1).kind == kind


def test_the_last_refusals_are_kept_and_all_are_counted():
    feed = feed_markets()
    for number in range(REFUSALS_KEPT + 5):
        feed.receive(odds_change(market(number, status=0), at=1))

    assert feed.adapter.passed_over() == {"market never seen": REFUSALS_KEPT + 5}
    assert len(feed.adapter.refusals()) == REFUSALS_KEPT
    assert feed.adapter.refusals()[-1] == f"market never seen: {EVENT}: {REFUSALS_KEPT + 4}"


# --- timestamps ahead of our clock ---------------------------------------------------------------

TEN_YEARS_MS = 10 * 365 * 86_400_000


@pytest.mark.parametrize("watched", [WATCHED, UNWATCHED])
def test_a_message_from_the_future_suspends_its_event_and_the_next_one_is_obeyed(watched):
    feed = feed_markets(watched)
    if watched.watch:
        feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=1), at=1)
    received = feed.receive(odds_change(market(1, MATCH_WINNER), at=TEN_YEARS_MS, product=1), at=2)
    assert "timestamp" in received.refused
    assert feed.status("1x2") is feed.status(TOTAL) is Status.SUSPENDED
    assert feed.adapter.passed_over()["feed time ahead"] == 1
    feed.receive(bet_stop(at=3), at=3)
    feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=4), at=4)
    assert feed.status("1x2") is feed.status(TOTAL) is Status.ACTIVE


def test_every_kind_of_message_of_an_event_from_the_future_changes_nothing_but_statuses():
    feed = feed_markets(UNWATCHED)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1), at=1)
    bodies = (
        bet_stop(at=TEN_YEARS_MS),
        bet_settlement(settled(1, HOME_WON), at=TEN_YEARS_MS),
    )
    for at, body in enumerate(bodies, start=2):
        feed.receive(body, at=at)
        assert feed.status("1x2") is Status.SUSPENDED
        feed.receive(odds_change(market(1, MATCH_WINNER), at=at), at=at)
        assert feed.status("1x2") is Status.ACTIVE, "no mark of the adapter holds it back"
    feed.receive(bet_settlement(settled(1, HOME_WON), at=5), at=5)
    assert feed.status("1x2") is Status.SETTLED


def test_an_alive_message_from_the_future_neither_trusts_a_producer_nor_makes_it_silent():
    feed = feed_markets(WATCHED)
    feed.receive(alive(at=TEN_YEARS_MS), at=0)
    assert feed.requests == []
    feed.recover(at=0)
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1), at=1)
    feed.receive(alive(at=TEN_YEARS_MS), at=10_000)
    feed.receive(alive(at=15_000), at=15_000)
    feed.tick(at=30_000)
    assert feed.status("1x2") is Status.ACTIVE
    feed.receive(alive(at=TEN_YEARS_MS), at=34_000)
    feed.tick(at=36_000)
    assert feed.status("1x2") is Status.SUSPENDED, "only messages from the future came"
