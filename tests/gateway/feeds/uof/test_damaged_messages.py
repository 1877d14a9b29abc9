"""Whatever one field of a message is replaced with, what the message stops is stopped."""

import contextlib
from collections.abc import Iterator
from xml.etree.ElementTree import Element, fromstring, tostring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from gateway.feeds.uof.bet_stop_groups import ALL
from gateway.feeds.uof.damaged_messages import REPAIRS_MAX, read_damaged
from gateway.feeds.uof.messages import BetStop, FixtureChange, OddsChange
from gateway.feeds.uof.settings import UofSettings
from gateway.feeds.uof.xml import GROUPS_MAX, KINDS, read
from gateway.feeds.uof.xml_fields import ATTRIBUTES_MAX, UOF_BYTES_MAX, UofMalformedError
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

STATUS = (
    '<sport_event_status status="1" match_status="7" home_score="2" away_score="1" reporting="1">'
    '<clock match_time="45:00" stoppage_time="2:30"/><period_scores>'
    '<period_score match_status_code="6" number="1" home_score="1" away_score="1"/>'
    "</period_scores><statistics>"
    '<red_cards home="1" away="0"/></statistics></sport_event_status>'
)
OUTCOMES = (
    ("1", 'odds="2.2" probabilities="0.45" active="1"'),
    ("2", 'odds="3.4" probabilities="0.28" active="0"'),
    ("3", 'odds="3.6" probabilities="0.27" active="1"'),
)
HALF = '<market id="60" status="0" favourite="1"/>'
SAMPLES = (
    odds_change(
        market(1, OUTCOMES),
        total(status=-1),
        HALF,
        market(62, MATCH_WINNER, children=f'<market_metadata next_betstop="{NOW_MS + 3}"/>'),
        at=5,
        status=STATUS,
        odds='betting_status="3" betstop_reason="4"',
        request_id=9,
    ),
    odds_change(market(1, OUTCOMES, status=-4), total(), at=5),
    bet_stop(at=5, groups="score|combo", attributes='market_status="-1" request_id="5"'),
    bet_stop(at=5, groups="1st_half", attributes='market_status="0"'),
    bet_settlement(
        settled(1, (("1", 'result="1" dead_heat_factor="0.5"'), *HOME_WON[1:])),
        settled(18, (("12", 'result="0" void_factor="0.5"'), ("13", 'result="1"'))),
        at=5,
    ),
    correction(
        "bet_cancel",
        1,
        at=5,
        attributes='start_time="5" end_time="9" superceded_by="sr:match:1"',
        reason='void_reason="12"',
    ),
    correction("rollback_bet_settlement", 1, at=5, reason='void_reason="12"'),
    correction("rollback_bet_cancel", 1, at=5, attributes='start_time="5" end_time="9"'),
    fixture_change(3, at=5).replace(b"product", b'start_time="9" product'),
    fixture_change(5, at=5),
    alive(at=5, subscribed=0),
    alive(at=5),
    snapshot_complete(at=5, request_id=77),
    product_down(at=5),
)
ODD = (
    "", "x", "-1", "+1", "-7", "99999999999", "NaN", "inf", "1.0000000000000002", "0.3.3", "75",
    "1e3", "\u0661", " 1", "all|", "a b", "=", "9" * 30, "x" * 300,
)  # fmt: skip


def elements(root: Element) -> list[Element]:
    return list(root.iter())


def damaged_bodies(body: bytes, texts: tuple[str, ...] = ODD) -> Iterator[tuple[str, bytes]]:
    """Yield a body with one attribute replaced or missing, for every attribute but the event."""
    for index, element in enumerate(elements(fromstring(body))):
        for attribute in element.attrib:
            if attribute == "event_id":
                continue
            for text in (None, *texts):
                root = fromstring(body)
                changed = elements(root)[index]
                del changed.attrib[attribute]
                if text is not None:
                    changed.set(attribute, text)
                yield f"{element.tag}.{attribute}={text!r}"[:60], tostring(root)


def is_lawful(body: bytes) -> bool:
    """Say whether a body is a message that the strict reader takes: another one, not a damaged one.

    Specifiers that are no name are taken by the reader, and no market can have them.
    """
    with contextlib.suppress(UofMalformedError):
        read(body)
        return not any(b'specifiers="%b"' % text in body for text in (b"a b", b"=", b"x"))
    return False


def open_feed(uof_settings: UofSettings):
    """Return a feed with four open markets; one of them follows another producer."""
    feed = feed_markets(uof_settings)
    if uof_settings.watch:
        feed.recover(at=0)
        feed.recover(at=0, product=3)
    feed.receive(
        odds_change(market(1, MATCH_WINNER), total(), market(60, MATCH_WINNER), at=1), at=1
    )
    feed.receive(odds_change(market(40, (("a", "2"), ("b", "3"))), at=2, product=3), at=2)
    assert len(offers(feed)) == 10
    return feed


def offers(feed) -> dict[tuple[str, str], int]:
    """Return the odds of every outcome on which bets are taken."""
    images = [feed.machine.price_image(number) for number in feed.numbers.values()]
    return {
        (image.key, outcome): odds_milli
        for image in images
        if image.status is Status.ACTIVE
        for outcome, odds_milli, active in zip(
            image.outcomes, image.odds_milli, image.active, strict=True
        )
        if active
    }


@pytest.mark.parametrize("body", SAMPLES, ids=lambda body: body[1:30].decode())
@pytest.mark.parametrize(
    "uof_settings",
    [WATCHED, UNWATCHED, UofSettings(watch=False, price_from="probabilities", early_betting=False)],
    ids=["watched", "unwatched", "probabilities"],
)
def test_what_a_message_stops_is_stopped_whatever_one_field_is_replaced_with(body, uof_settings):
    whole = open_feed(uof_settings)
    whole.receive(body, at=5)
    lawful = offers(whole)

    for name, damaged in damaged_bodies(body):
        if is_lawful(damaged):
            continue
        feed = open_feed(uof_settings)
        feed.receive(damaged, at=5)

        assert offers(feed).items() <= lawful.items(), name


@given(st.sampled_from(SAMPLES), st.data())
@settings(max_examples=150, deadline=None)
def test_what_a_message_stops_is_stopped_whatever_text_a_field_has(body, data):
    root = fromstring(body)
    fields = [(e, name) for e in elements(root) for name in e.attrib if name != "event_id"]
    element, attribute = data.draw(st.sampled_from(fields))
    element.set(
        attribute, data.draw(st.text(st.characters(codec="utf-8", exclude_categories=("C",))))
    )
    damaged = tostring(root)
    whole, feed = open_feed(UNWATCHED), open_feed(UNWATCHED)
    whole.receive(body, at=5)

    feed.receive(damaged, at=5)

    with contextlib.suppress(UofMalformedError):
        read(damaged)
        return  # another message, and no damaged one
    assert offers(feed).items() <= offers(whole).items()


@pytest.mark.parametrize("body", SAMPLES[:10], ids=lambda body: body[1:30].decode())
def test_a_body_that_breaks_off_after_its_event_suspends_it(body):
    start = body.index(EVENT.encode()) + len(EVENT) + 1
    for end in range(start, len(body) - 1):
        feed = open_feed(UNWATCHED)

        received = feed.receive(body[:end], at=5)

        assert not offers(feed), body[:end]
        assert (received.kind, bool(received.refused)) == ("malformed", True)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff" + bet_stop(at=5),
        b"<!DOCTYPE x>" + bet_stop(at=5),
        bet_stop(at=5) + b" " * UOF_BYTES_MAX,
        bet_stop(at=5) + b"</bet_stop>",
        bet_stop(at=5).replace(b"bet_stop", b"bet_stopp"),
        bet_stop(at=5, attributes=" ".join(f'a{n}="1"' for n in range(ATTRIBUTES_MAX))),
        bet_stop(at=5).replace(b'"', b"'").replace(b"product='1'", b"product='one'"),
        bet_stop(at=5).replace(b"bet_stop", b"x:bet_stop"),
    ],
)
def test_a_body_of_which_only_the_event_can_be_read_suspends_it_until_it_is_repeated(body):
    feed = open_feed(WATCHED)
    before = len(feed.requests)

    feed.receive(body, at=5)

    assert not offers(feed)
    events = [(each.producer, each.event_id) for each in feed.requests[before:]]
    assert events in ([(1, EVENT), (3, EVENT)], [(3, EVENT), (1, EVENT)])
    feed.receive(odds_change(total(), at=0), at=6)
    assert not offers(feed), "older than what was lost"
    feed.receive(odds_change(total(), at=7), at=7)
    assert feed.status(TOTAL) is Status.ACTIVE


def test_a_figure_that_stops_nothing_is_dropped_and_counted_by_name():
    feed = open_feed(UNWATCHED)
    rows = (("1", 'odds="NaN" active="1"'), ("2", 'odds="3.1" probabilities="1.0000000000000002"'))
    status = '<sport_event_status status="-1" home_score="+1" away_score="-1"/>'

    received = feed.receive(
        odds_change(market(1, (*rows, ("3", "3.2"))), total(status=-1), at=5, status=status), at=5
    )

    assert (received.kind, received.refused) == ("odds_change", "")
    assert feed.status(TOTAL) is Status.SUSPENDED
    assert feed.image("1x2").active == (False, True, True)
    assert feed.image("1x2").odds_milli[1:] == (3_100, 3_200)
    assert feed.adapter.passed_over() == {
        "malformed": 1,
        "unreadable sport_event_status.status": 1,
        "unreadable odds.market.outcome.odds": 1,
        "unreadable odds.market.outcome.probabilities": 1,
    }
    assert len(feed.requests) == 0


def test_a_clock_may_be_bare_minutes():
    status = '<sport_event_status status="1"><clock match_time="75"/></sport_event_status>'
    message = read(odds_change(at=1, status=status))
    assert isinstance(message, OddsChange)
    assert message.status is not None
    assert message.status.clock_s == 75 * 60


def test_a_market_whose_status_cannot_be_read_is_suspended_and_its_event_repeated():
    feed = open_feed(WATCHED)
    before = len(feed.requests)

    feed.receive(odds_change(market(1, MATCH_WINNER), at=5).replace(b'status="1"', b'status="5"'))

    assert feed.status("1x2") is Status.SUSPENDED
    assert feed.status(TOTAL) is Status.ACTIVE
    assert [(each.producer, each.event_id) for each in feed.requests[before:]] == [(1, EVENT)]


def test_a_market_that_cannot_be_named_may_be_any_that_the_message_does_not_name():
    feed = open_feed(UNWATCHED)
    body = odds_change(market(1, MATCH_WINNER), total(status=-1), at=5)

    feed.receive(body.replace(b'id="18"', b'id="eighteen"'), at=5)

    assert feed.status("1x2") is Status.ACTIVE
    assert feed.status(TOTAL) is feed.status("uof_40") is Status.SUSPENDED


def test_a_settlement_that_cannot_be_read_settles_nothing_and_the_others_are_settled():
    feed = open_feed(UNWATCHED)
    rows = (("12", 'result="2"'), ("13", 'result="1"'))

    feed.receive(
        bet_settlement(settled(1, HOME_WON), settled(18, rows, specifiers="total=2.5"), at=5)
    )

    assert feed.status("1x2") is Status.SETTLED
    assert feed.status(TOTAL) is Status.SUSPENDED
    lawful = (("12", 'result="0"'), ("13", 'result="1"'))
    feed.receive(bet_settlement(settled(18, lawful, specifiers="total=2.5"), at=5))
    assert feed.status(TOTAL) is Status.SETTLED


@pytest.mark.parametrize("count", [GROUPS_MAX, GROUPS_MAX + 2, 500])
def test_a_bet_stop_of_too_many_groups_is_one_of_all_markets(count):
    feed = open_feed(UNWATCHED)
    names = ["break", "cup", "leg", "map"]
    groups = "|".join(names[n % 4] for n in range(count))

    feed.receive(bet_stop(at=5, groups=groups))

    stopped = count > GROUPS_MAX
    assert (feed.status("1x2") is Status.SUSPENDED) == stopped
    message = read_damaged(bet_stop(at=5, groups=groups)).message
    assert isinstance(message, BetStop)
    assert (message.groups == (ALL,)) == stopped


def test_more_damage_than_is_repaired_is_the_loss_of_the_event():
    rows = tuple((str(number), "NaN") for number in range(REPAIRS_MAX + 1))
    feed = open_feed(UNWATCHED)

    feed.receive(odds_change(market(1, rows), at=5), at=5)

    assert not offers(feed)


@pytest.mark.parametrize("body", SAMPLES, ids=lambda body: body[1:30].decode())
def test_a_message_without_damage_is_read_as_the_strict_reader_reads_it(body):
    damaged = read_damaged(body)

    assert damaged.message == read(body)
    assert (damaged.lost, damaged.dropped) == (None, ())


def test_the_samples_are_of_every_kind_of_the_provider():
    assert {fromstring(body).tag for body in SAMPLES} == {*KINDS} - {"source_began"}


def test_a_fixture_change_without_a_readable_timestamp_is_obeyed():
    message = read_damaged(
        fixture_change(3, at=5).replace(str(NOW_MS + 5).encode(), b"soon")
    ).message

    assert isinstance(message, FixtureChange)
    assert (message.change_type, message.timestamp) == (3, 0)


@pytest.mark.parametrize(
    "body",
    [
        product_down(at=5).replace(b'product="1"', b'product="?"'),
        product_down(at=5)[:-2],
        product_down(at=10**12),
        alive(at=5, subscribed=0).replace(b"timestamp", b"time"),
        alive(at=10**12, subscribed=0),
    ],
)
def test_a_producer_that_says_it_is_down_is_down_whatever_else_it_says(body):
    feed = open_feed(WATCHED)

    feed.receive(body, at=5)

    assert feed.status("1x2") is feed.status(TOTAL) is Status.SUSPENDED


def test_a_match_whose_score_cannot_be_read_is_not_priced_by_our_model():
    feed = feed_markets(UofSettings(watch=False, own_prices=True))
    live = STATUS.replace('home_score="2"', 'home_score="1"').replace(
        'away_score="1"', 'away_score="1"'
    )
    feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=1, status=live), at=1)
    odd = live.replace('home_score="1"', 'home_score="one"')

    received = feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=2, status=odd), at=2)

    assert feed.status("1x2") is feed.status(TOTAL) is Status.SUSPENDED
    assert not any(getattr(action, "resume", False) for action in received.actions)


def test_a_market_whose_odds_were_lost_is_opened_by_new_odds_only():
    feed = open_feed(UNWATCHED)
    lost = odds_change(market(1, (("1", "1.5"), ("2", "4.5"), ("3", "7"))), at=5)

    feed.receive(lost[:-30], at=5)
    feed.receive(odds_change(market(1), at=6), at=6)
    assert feed.status("1x2") is Status.SUSPENDED, "its odds of before are no longer the feed's"
    feed.receive(lost.replace(str(NOW_MS + 5).encode(), str(NOW_MS + 7).encode()), at=7)
    assert feed.image("1x2").odds_milli == (1_500, 4_500, 7_000)
    feed.receive(odds_change(market(1, status=-1), at=8), at=8)
    feed.receive(odds_change(market(1), at=9), at=9)

    assert feed.status("1x2") is Status.ACTIVE


def test_an_unreadable_announcement_of_stoppage_loses_nothing_else() -> None:
    status = STATUS.replace("<clock ", '<clock stoppage_time_announced="soon" ')
    damaged = read_damaged(odds_change(market(1, MATCH_WINNER), at=1, status=status))

    assert damaged.dropped == ("sport_event_status.clock.stoppage_time_announced",)
    assert damaged.lost is None
    assert damaged.message == read(odds_change(market(1, MATCH_WINNER), at=1, status=STATUS))
