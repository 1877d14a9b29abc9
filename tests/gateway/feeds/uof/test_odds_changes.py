"""The odds and statuses that markets take from odds_change messages, and hand-overs."""

import pytest

from engine.common.commands import Limits, SetOdds, SetStatus
from engine.common.lifecycle import Status
from engine.common.units import Minor
from gateway.feeds.uof.settings import UofSettings
from tests.gateway.feeds.uof.builders import (
    EVENT,
    MATCH_WINNER,
    NOW_MS,
    OVER_UNDER,
    TOTAL,
    feed_markets,
    market,
    odds_change,
    steps,
    total,
    updates,
)


def test_a_new_market_has_its_types_outcomes_and_is_active_at_the_feeds_odds():
    feed = feed_markets()

    feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=1))

    one = feed.image("1x2")
    assert (one.status, one.outcomes) == (Status.ACTIVE, ("home", "draw", "away"))
    assert (one.odds_milli, one.active) == ((2100, 3400, 3600), (True, True, True))
    assert feed.image(TOTAL).odds_milli == (1900, 1950)


def test_a_mark_names_producer_timestamp_and_a_digest_without_the_request_id():
    feed = feed_markets()
    body = odds_change(market(1, MATCH_WINNER), at=5)
    other = odds_change(market(1, (("1", "2.2"),)), at=5)

    marks = [updates(feed.receive(message))[0].mark for message in (body, other)]

    assert all(mark is not None for mark in marks)
    assert [(mark.source, mark.position) for mark in marks] == [("uof:1/odds", NOW_MS + 5)] * 2
    assert marks[0].digest != marks[1].digest
    repeated = odds_change(market(1, MATCH_WINNER), at=5, request_id=8)
    assert updates(feed.receive(repeated))[0].mark == marks[0]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (1, Status.ACTIVE),
        (0, Status.INACTIVE),
        (-1, Status.SUSPENDED),
        (-2, Status.HANDED_OVER),
        (-3, Status.SUSPENDED),
        (-4, Status.CANCELLED),
    ],
)
def test_a_status_code_gives_the_market_its_status(code, status):
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1, product=3))

    feed.receive(odds_change(market(1, MATCH_WINNER, status=code), at=2, product=3))

    assert feed.status("1x2") is status


def test_a_suspended_market_still_takes_the_feeds_odds():
    feed = feed_markets()

    feed.receive(odds_change(market(1, MATCH_WINNER, status=-1), at=1))

    assert feed.image("1x2").odds_milli == (2100, 3400, 3600)
    assert feed.status("1x2") is Status.SUSPENDED


def test_an_inactive_market_becomes_active_again():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER, status=0), at=1))

    feed.receive(odds_change(market(1, status=1), at=2))

    assert feed.status("1x2") is Status.ACTIVE


def test_a_market_that_a_message_does_not_list_does_not_change():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=1))
    before = feed.image(TOTAL)

    feed.receive(odds_change(market(1, MATCH_WINNER, status=-1), at=2))

    assert feed.image(TOTAL) == before


def test_an_outcome_that_is_inactive_or_not_listed_or_without_odds_is_not_offered():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    feed.receive(odds_change(market(1, (("1", 'odds="2.5" active="0"'), ("2", "3.1"))), at=2))
    assert feed.image("1x2").active == (False, True, False)
    assert feed.image("1x2").odds_milli == (2500, 3100, 3600)

    feed.receive(odds_change(market(1, (("1", "2.6"), ("2", 'active="1"'), ("3", "4.0"))), at=3))
    assert feed.image("1x2").active == (True, False, True)


@pytest.mark.parametrize(
    ("odds", "odds_milli"), [("1.0", 1001), ("0.5", 1001), ("20000", 10_000_000)]
)
def test_odds_outside_the_engines_bounds_are_not_offered(odds, odds_milli):
    feed = feed_markets()

    feed.receive(odds_change(total(outcomes=(("12", odds), ("13", "1.05"))), at=1))

    assert feed.image(TOTAL).active == (False, True)
    assert feed.image(TOTAL).odds_milli == (odds_milli, 1050)


def test_a_market_without_a_price_is_suspended_and_not_active():
    feed = feed_markets()
    feed.receive(odds_change(total(outcomes=(("12", "1.0"), ("13", 'active="0"'))), at=1))
    assert feed.status(TOTAL) is Status.SUSPENDED

    feed.receive(odds_change(total(outcomes=()), at=2))

    assert feed.status(TOTAL) is Status.SUSPENDED


def test_an_outcome_that_a_market_does_not_have_is_passed_over():
    feed = feed_markets()
    scorers = (("sr:player:1", "5.0"), ("sr:player:2", "6.0"))
    feed.receive(odds_change(market(40, scorers), at=1))

    feed.receive(odds_change(market(40, (*scorers, ("sr:player:3", "7.0"))), at=2))

    assert feed.image("uof_40").outcomes == ("sr:player:1", "sr:player:2")
    assert feed.image("uof_40").active == (True, True)
    assert feed.adapter.passed_over() == {"outcome never seen": 1}
    assert feed.adapter.refusals() == [f"outcome never seen: {EVENT}/uof_40 sr:player:3"]


def test_a_refused_market_is_counted_and_the_others_of_the_message_are_followed():
    feed = feed_markets()
    doubled = market(5, (("1", "2.0"), ("1", "3.0")))
    malformed = market(6, (("1", "2.0"),), specifiers="score=a b")

    feed.receive(
        odds_change(doubled, malformed, market(7, status=0), market(1, MATCH_WINNER), at=1)
    )

    assert list(feed.numbers) == [f"{EVENT}/1x2"]
    assert feed.adapter.passed_over() == {"market refused": 2, "market never seen": 1}
    assert len(feed.adapter.refusals()) == 3


def test_early_betting_opens_a_market_unless_the_settings_forbid_it():
    body = odds_change(market(1, MATCH_WINNER), at=1, odds='betting_status="2"')
    allowed, forbidden = (
        feed_markets(UofSettings(watch=False, early_betting=early)) for early in (True, False)
    )
    reasons = [steps(feed.receive(body))[-1].why for feed in (allowed, forbidden)]

    assert reasons == ["betting status 2", "early, betting status 2"]
    assert allowed.status("1x2") is Status.ACTIVE
    assert forbidden.status("1x2") is Status.SUSPENDED


def test_the_betstop_reason_of_an_odds_change_is_the_reason_of_the_status():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    received = feed.receive(odds_change(market(1, status=-1), at=2, odds='betstop_reason="12"'))

    assert steps(received) == [
        SetStatus(market_no=0, status=Status.SUSPENDED, why="bet stop reason 12")
    ]


def test_probabilities_are_taken_where_the_settings_say_so_and_every_outcome_has_one():
    feed = feed_markets(UofSettings(watch=False, price_from="probabilities"))
    full = [(name, f'odds="1.5" probabilities="{p}"') for name, p in (("12", 0.6), ("13", 0.4))]
    partly = [("12", 'odds="1.5" probabilities="0.6"'), ("13", 'odds="2.5"')]

    assert updates(feed.receive(odds_change(total(outcomes=full), at=1)))[0].fair is not None
    assert feed.image(TOTAL).odds_milli not in ((1500, 1500), (1001, 1001))
    assert updates(feed.receive(odds_change(total(outcomes=partly), at=2)))[0].fair is None
    assert feed.image(TOTAL).odds_milli == (1500, 2500)
    assert feed.adapter.passed_over() == {"no probabilities": 1}


def test_fair_probabilities_of_two_winners_add_up_to_two():
    feed = feed_markets(UofSettings(watch=False, price_from="probabilities"))
    chances = (("9", 0.7), ("10", 0.75), ("11", 0.55))

    received = feed.receive(
        odds_change(market(10, [(i, f'probabilities="{p}"') for i, p in chances]), at=1)
    )

    fair = updates(received)[0].fair
    assert fair is not None
    assert (fair.winners, fair.probabilities) == (2, pytest.approx((0.7, 0.75, 0.55)))


def test_a_new_market_has_the_limits_of_the_settings():
    limits = Limits(stake_minor_max=Minor(500))
    feed = feed_markets(UofSettings(watch=False, limits=limits))

    received = feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    assert [update.new_market.limits for update in updates(received)] == [limits]


def test_odds_are_set_before_the_status():
    feed = feed_markets()

    received = feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    assert [type(step) for step in steps(received)] == [SetOdds, SetStatus]


# --- hand-over -----------------------------------------------------------------------------------


def test_a_market_handed_over_waits_for_the_live_producers_odds():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1, product=3))
    feed.receive(odds_change(market(1, status=-2), at=2, product=3))
    assert feed.status("1x2") is Status.HANDED_OVER

    feed.receive(odds_change(market(1, MATCH_WINNER), at=3, product=3))
    assert feed.status("1x2") is Status.HANDED_OVER

    feed.receive(odds_change(market(1, (("1", "1.9"), ("2", "3.5"), ("3", "4.2"))), at=4))
    assert feed.status("1x2") is Status.ACTIVE
    assert feed.image("1x2").odds_milli == (1900, 3500, 4200)


def test_prematch_messages_are_ignored_once_the_live_producer_owns_the_market():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1, product=3))
    feed.receive(odds_change(market(1, MATCH_WINNER), at=2, product=1))
    before = feed.state()

    for status in (-2, 0, 1, -1):
        feed.receive(odds_change(market(1, OVER_UNDER, status=status), at=3, product=3))

    assert feed.state() == before
    assert feed.adapter.passed_over() == {"handed over": 4}


def test_the_prematch_producer_may_make_its_market_inactive_at_the_hand_over():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=1, product=3))
    feed.receive(odds_change(market(1, status=-2), total(status=0), at=2, product=3))

    assert feed.status(TOTAL) is Status.INACTIVE


def test_a_hand_over_that_arrives_after_the_new_producers_odds_is_ignored():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1, product=1))
    feed.receive(odds_change(market(1, MATCH_WINNER), at=2, product=5))

    feed.receive(odds_change(market(1, status=-2), at=3, product=1))

    assert feed.status("1x2") is Status.ACTIVE


def test_a_market_follows_another_live_producer_only_with_newer_odds():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=5, product=1))
    other = market(1, (("1", "1.9"), ("2", "3.5"), ("3", "4.2")))

    feed.receive(odds_change(other, at=4, product=5))
    assert feed.image("1x2").odds_milli == (2100, 3400, 3600)
    feed.receive(odds_change(other, at=5, product=5))
    assert feed.image("1x2").odds_milli == (1900, 3500, 4200)
