"""What odds changes, bet stops and fixture changes of the Unified Odds Feed make of markets."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.common.commands import (
    SetOdds,
    SetStatus,
)
from engine.common.lifecycle import Status
from gateway.feeds.uof import market_registry
from gateway.feeds.uof.adapter import UofAdapter, UofSettings
from gateway.feeds.uof.market_registry import UofBook
from gateway.feeds.uof.messages import SOURCE_BEGAN
from gateway.feeds.uof.types import UofTypes
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    NOW_MS,
    OVER_UNDER,
    THREE_WAY,
    TOTAL,
    bet_settlement,
    bet_stop,
    floor,
    market,
    odds_change,
    settled,
    steps,
    tells,
    total,
)

# --- odds changes --------------------------------------------------------------------------------


def test_a_market_is_born_with_its_types_outcomes_and_opened_at_the_feeds_odds():
    house = floor()

    house.hear(odds_change(market(1, THREE_WAY), total(), at=1))

    one = house.image("1x2")
    assert (one.status, one.outcomes) == (Status.ACTIVE, ("home", "draw", "away"))
    assert (one.odds_milli, one.active) == ((2100, 3400, 3600), (True, True, True))
    assert house.image(TOTAL).odds_milli == (1900, 1950)


def test_a_message_is_marked_with_its_producer_its_time_and_its_own_digest():
    house = floor()
    body = odds_change(market(1, THREE_WAY), at=5)
    other = odds_change(market(1, (("1", "2.2"),)), at=5)

    marks = [tells(house.hear(message))[0].mark for message in (body, other)]

    assert all(mark is not None for mark in marks)
    assert [(mark.source, mark.position) for mark in marks] == [("uof:1/odds", NOW_MS + 5)] * 2
    assert marks[0].digest != marks[1].digest
    repeated = odds_change(market(1, THREE_WAY), at=5, request_id=8)
    assert tells(house.hear(repeated))[0].mark == marks[0]


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
def test_a_market_stands_as_the_feed_says(code, status):
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1, product=3))

    house.hear(odds_change(market(1, THREE_WAY, status=code), at=2, product=3))

    assert house.status("1x2") is status


def test_a_suspended_market_keeps_its_odds_in_sight():
    house = floor()

    house.hear(odds_change(market(1, THREE_WAY, status=-1), at=1))

    assert house.image("1x2").odds_milli == (2100, 3400, 3600)
    assert house.status("1x2") is Status.SUSPENDED


def test_an_inactive_market_may_return():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY, status=0), at=1))

    house.hear(odds_change(market(1, status=1), at=2))

    assert house.status("1x2") is Status.ACTIVE


def test_markets_that_a_message_leaves_out_stay_as_they_are():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), total(), at=1))
    before = house.image(TOTAL)

    house.hear(odds_change(market(1, THREE_WAY, status=-1), at=2))

    assert house.image(TOTAL) == before


def test_an_outcome_that_is_inactive_or_left_out_or_without_odds_is_not_offered():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))

    house.hear(odds_change(market(1, (("1", 'odds="2.5" active="0"'), ("2", "3.1"))), at=2))
    assert house.image("1x2").active == (False, True, False)
    assert house.image("1x2").odds_milli == (2500, 3100, 3600)

    house.hear(odds_change(market(1, (("1", "2.6"), ("2", 'active="1"'), ("3", "4.0"))), at=3))
    assert house.image("1x2").active == (True, False, True)


@pytest.mark.parametrize(("odds", "shown"), [("1.0", 1001), ("0.5", 1001), ("20000", 10_000_000)])
def test_odds_that_no_market_may_carry_are_not_offered(odds, shown):
    house = floor()

    house.hear(odds_change(total(outcomes=(("12", odds), ("13", "1.9"))), at=1))

    assert house.image(TOTAL).active == (False, True)
    assert house.image(TOTAL).odds_milli == (shown, 1900)


def test_a_market_is_never_opened_without_a_price():
    house = floor()
    house.hear(odds_change(total(outcomes=(("12", "1.0"), ("13", 'active="0"'))), at=1))
    assert house.status(TOTAL) is Status.SUSPENDED

    house.hear(odds_change(total(outcomes=()), at=2))

    assert house.status(TOTAL) is Status.SUSPENDED


def test_a_market_does_not_grow():
    house = floor()
    scorers = (("sr:player:1", "5.0"), ("sr:player:2", "6.0"))
    house.hear(odds_change(market(40, scorers), at=1))

    house.hear(odds_change(market(40, (*scorers, ("sr:player:3", "7.0"))), at=2))

    assert house.image("uof_40").outcomes == ("sr:player:1", "sr:player:2")
    assert house.image("uof_40").active == (True, True)
    assert house.adapter.counts["outcome never seen"] == 1


def test_a_market_that_cannot_be_one_is_counted_and_the_others_go_on():
    house = floor()
    broken = market(5, (("1", "2.0"), ("1", "3.0")))
    unnamed = market(6, (("1", "2.0"),), specifiers="score=a b")

    house.hear(odds_change(broken, unnamed, market(7, status=0), market(1, THREE_WAY), at=1))

    assert list(house.numbers) == [f"{EVENT}/1x2"]
    assert house.adapter.counts == {"market refused": 2, "market never seen": 1}
    assert len(house.adapter.refusals) == 3


def test_early_betting_after_a_stop_can_be_left_to_others():
    body = odds_change(market(1, THREE_WAY), at=1, odds='betting_status="2"')
    bold, careful = floor(), floor(UofSettings(watch=False, early_betting=False))
    bold.hear(body)
    careful.hear(body)

    assert steps(bold.hear(body))[-1].why == "betting status 2"
    assert bold.status("1x2") is Status.ACTIVE
    assert careful.status("1x2") is Status.SUSPENDED


def test_the_reason_of_a_bet_stop_follows_in_the_next_odds_change():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))

    received = house.hear(odds_change(market(1, status=-1), at=2, odds='betstop_reason="12"'))

    assert steps(received) == [
        SetStatus(market_no=0, status=Status.SUSPENDED, why="bet stop reason 12")
    ]


def test_probabilities_become_odds_where_they_are_asked_for_and_complete():
    house = floor(UofSettings(watch=False, price_from="probabilities"))
    full = [(name, f'odds="1.5" probabilities="{p}"') for name, p in (("12", 0.6), ("13", 0.4))]
    partly = [("12", 'odds="1.5" probabilities="0.6"'), ("13", 'odds="2.5"')]

    assert tells(house.hear(odds_change(total(outcomes=full), at=1)))[0].fair is not None
    assert house.image(TOTAL).odds_milli not in ((1500, 1500), (1001, 1001))
    assert tells(house.hear(odds_change(total(outcomes=partly), at=2)))[0].fair is None
    assert house.image(TOTAL).odds_milli == (1500, 2500)
    assert house.adapter.counts == {"no probabilities": 1}


def test_fair_chances_of_two_winners_add_up_to_two():
    house = floor(UofSettings(watch=False, price_from="probabilities"))
    chances = (("9", 0.7), ("10", 0.75), ("11", 0.55))

    received = house.hear(
        odds_change(market(10, [(i, f'probabilities="{p}"') for i, p in chances]), at=1)
    )

    fair = tells(received)[0].fair
    assert fair is not None
    assert (fair.winners, fair.probabilities) == (2, pytest.approx((0.7, 0.75, 0.55)))


# --- hand-over -----------------------------------------------------------------------------------


def test_a_market_handed_over_waits_for_the_live_producers_odds():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1, product=3))
    house.hear(odds_change(market(1, status=-2), at=2, product=3))
    assert house.status("1x2") is Status.HANDED_OVER

    house.hear(odds_change(market(1, THREE_WAY), at=3, product=3))
    assert house.status("1x2") is Status.HANDED_OVER

    house.hear(odds_change(market(1, (("1", "1.9"), ("2", "3.5"), ("3", "4.2"))), at=4))
    assert house.status("1x2") is Status.ACTIVE
    assert house.image("1x2").odds_milli == (1900, 3500, 4200)


def test_what_the_prematch_producer_says_after_the_live_one_is_not_heard():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1, product=3))
    house.hear(odds_change(market(1, THREE_WAY), at=2, product=1))
    before = house.state()

    for status in (-2, 0, 1, -1):
        house.hear(odds_change(market(1, OVER_UNDER, status=status), at=3, product=3))
    house.hear(bet_stop(at=4, product=3))

    assert house.state() == before
    assert house.adapter.counts == {"handed over": 4}


def test_a_market_that_the_live_producer_does_not_take_is_closed_by_the_other():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), total(), at=1, product=3))
    house.hear(odds_change(market(1, status=-2), total(status=0), at=2, product=3))

    assert house.status(TOTAL) is Status.INACTIVE


def test_a_hand_over_between_live_producers_may_be_said_after_the_new_one_has_spoken():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1, product=1))
    house.hear(odds_change(market(1, THREE_WAY), at=2, product=5))

    house.hear(odds_change(market(1, status=-2), at=3, product=1))

    assert house.status("1x2") is Status.ACTIVE


# --- bet stops -----------------------------------------------------------------------------------


def test_a_bet_stop_suspends_only_active_markets():
    house = floor()
    house.hear(
        odds_change(
            market(1, THREE_WAY),
            market(11, (("4", "1.6"), ("5", "2.2")), status=0),
            total(status=-1),
            market(26, (("70", "1.9"), ("72", "1.9")), status=-2),
            at=1,
        )
    )

    received = house.hear(bet_stop(at=2))

    assert [notify.key for notify in tells(received)] == [f"{EVENT}/1x2"]
    assert house.status("1x2") is Status.SUSPENDED
    assert house.status("draw_no_bet") is Status.INACTIVE
    assert house.status("odd_even") is Status.HANDED_OVER


def test_a_bet_stop_of_a_group_suspends_that_groups_markets():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), market(60, THREE_WAY), at=1))

    house.hear(bet_stop(at=2, groups="1st_half"))

    assert house.status("first_half_1x2") is Status.SUSPENDED
    assert house.status("1x2") is Status.ACTIVE


def test_a_bet_stop_may_deactivate():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))

    house.hear(bet_stop(at=2, more='market_status="0"'))

    assert house.status("1x2") is Status.INACTIVE


def test_odds_from_before_a_bet_stop_do_not_undo_it():
    house = floor()
    house.hear(odds_change(total(), at=1))
    house.hear(bet_stop(at=5))

    house.hear(odds_change(market(1, THREE_WAY), total(), at=4, request_id=1))
    assert house.status("1x2") is Status.SUSPENDED
    assert house.status(TOTAL) is Status.SUSPENDED

    house.hear(odds_change(market(1, THREE_WAY), total(), at=6))
    assert house.status("1x2") is Status.ACTIVE


# --- fixture changes -----------------------------------------------------------------------------


def fixture_change(kind, *, at, product=1):
    head = f'event_id="{EVENT}" product="{product}" timestamp="{NOW_MS + at}"'
    return f'<fixture_change {head} change_type="{kind}"/>'.encode()


def test_a_cancelled_fixture_is_suspended_and_nothing_is_voided():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1, product=3))
    house.hear(odds_change(total(), at=1, product=1))

    received = house.hear(fixture_change(3, at=2))

    assert [type(step) for step in steps(received)] == [SetStatus, SetStatus]
    assert house.status("1x2") is house.status(TOTAL) is Status.SUSPENDED
    house.hear(odds_change(total(), at=1, product=1))
    assert house.status(TOTAL) is Status.SUSPENDED


def test_coverage_that_ends_suspends_the_live_producers_markets():
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1, product=3))
    house.hear(odds_change(total(), at=1, product=1))

    house.hear(fixture_change(5, at=2, product=3))
    assert house.status("1x2") is house.status(TOTAL) is Status.ACTIVE
    house.hear(fixture_change(5, at=3, product=1))

    assert house.status("1x2") is Status.ACTIVE
    assert house.status(TOTAL) is Status.SUSPENDED


@pytest.mark.parametrize("kind", [1, 2, 4])
def test_other_changes_of_a_fixture_are_counted(kind):
    house = floor()
    house.hear(odds_change(market(1, THREE_WAY), at=1))

    assert house.hear(fixture_change(kind, at=2)).actions == ()
    assert house.adapter.counts == {f"fixture change {kind}": 1}


# --- anything ------------------------------------------------------------------------------------


def test_what_is_no_message_is_refused_and_changes_nothing():
    house = floor()

    received = house.adapter.receive(b"<odds_change/>", at_ns=1)

    assert (received.kind, received.actions) == ("malformed", ())
    assert received.refused == "odds_change: product: is missing"


def test_a_message_of_which_nothing_could_be_followed_says_why():
    house = floor()

    assert house.hear(odds_change(market(7, status=0), at=1)).refused.startswith(
        "market never seen: sr:match:77001: 7"
    )
    assert house.hear(odds_change(market(7, status=0), market(1, THREE_WAY), at=2)).refused == ""


@given(st.binary(max_size=64))
@settings(max_examples=100, deadline=None)
def test_bytes_of_any_kind_never_raise(body):
    assume(SOURCE_BEGAN not in body)  # the one message without attributes
    assert UofAdapter("uof").receive(body, at_ns=1).refused


def test_the_memory_of_markets_is_bounded_and_drops_those_that_are_over():
    house = floor(UofSettings(watch=False, markets_max=2))
    house.hear(odds_change(market(1, THREE_WAY), total(), market(40, (("a", "2"),)), at=1))
    assert house.adapter.counts == {"market refused": 1}
    house.hear(bet_settlement(settled(1, HOME_WON), at=2))

    house.hear(odds_change(market(40, (("a", "2"),)), at=3))

    assert house.status("uof_40") is Status.ACTIVE


def test_every_step_of_an_odds_change_names_odds_before_the_status():
    house = floor()

    received = house.hear(odds_change(market(1, THREE_WAY), at=1))

    assert [type(step) for step in steps(received)] == [SetOdds, SetStatus]


def test_bet_stops_are_kept_for_so_many_events_and_so_many_of_each(monkeypatch):
    monkeypatch.setattr(market_registry, "STOPPED_EVENTS_MAX", 1)
    book = UofBook(UofTypes(("football",)), prematch=(3,))
    for at_ms in range(10, 10 + market_registry.STOPS_MAX + 1):
        book.stop(EVENT, 1, ("all",), at_ms)
    assert book.stopped_since(EVENT, 1, 1, 10)
    assert not book.stopped_since(EVENT, 3, 1, 10)

    book.stop("sr:match:2", 1, ("all",), 99)

    assert not book.stopped_since(EVENT, 1, 1, 10)
