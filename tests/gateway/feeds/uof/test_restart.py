"""What an adapter learns from the markets that exist when it starts."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from gateway.feeds.core.adapter import KnownMarket
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.settings import UofSettings
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    MATCH_WINNER,
    NOW_MS,
    TOTAL,
    UNWATCHED,
    WATCHED,
    bet_settlement,
    bet_stop,
    feed_markets,
    market,
    odds_change,
    settled,
    total,
    updates,
)


def restarted(feed, positions, uof_settings=WATCHED):
    """Return a new adapter that resumes with a feed's markets, and its first actions.

    `positions` holds the positions that each market remembers, by source.
    """
    known = [
        KnownMarket(
            image=feed.machine.price_image(number),
            positions=remembered,
            results_stand=feed.machine.price_image(number).status is Status.SETTLED,
        )
        for number, remembered in zip(feed.numbers.values(), positions, strict=True)
        if feed.adapter.owns(feed.machine.price_image(number).key)
    ]
    adapter = UofAdapter("uof", uof_settings)
    return adapter, adapter.resume(known, at_ns=(NOW_MS + 60_000) * NS_PER_MS)


def test_after_a_restart_active_markets_wait_for_a_recovery():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(
        odds_change(market(1, MATCH_WINNER), total(status=0), market(40, (("a", "2"),)), at=1)
    )
    remembered = {"uof:1/odds": NOW_MS + 1, "else:1/odds": 5}

    adapter, received = restarted(feed, [remembered] * 3)

    feed.adapter = adapter
    feed.carry_out(received.actions, at=0)
    assert [update.key for update in updates(received)] == [f"{EVENT}/1x2", f"{EVENT}/uof_40"]
    assert feed.status("1x2") is Status.SUSPENDED
    feed.recover(at=70_000)
    assert 0 < feed.requests[-1].after_ms < NOW_MS
    assert feed.status("1x2") is feed.status("uof_40") is Status.ACTIVE
    assert feed.status(TOTAL) is Status.INACTIVE


def test_after_a_restart_the_owner_of_a_market_is_known():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1, product=3))
    feed.receive(odds_change(market(1, MATCH_WINNER), at=2, product=1))
    remembered = {"uof:3/odds": NOW_MS + 3, "uof:1/odds": NOW_MS + 2}
    feed.adapter, _ = restarted(feed, [remembered], UNWATCHED)

    feed.receive(odds_change(market(1, status=-2), at=3, product=3))

    assert feed.status("1x2") is Status.ACTIVE


def test_a_settled_market_is_left_alone_by_a_restart():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.receive(bet_settlement(settled(1, HOME_WON), at=2))
    _, received = restarted(feed, [{"uof:1/odds": NOW_MS + 1, "uof:1/result": NOW_MS + 2}])

    assert received.actions == ()


def test_a_market_of_another_feed_is_left_alone_by_a_restart():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    image = feed.machine.price_image(1)
    others = [replace(image, key=key) for key in (f"{EVENT}/no_such_type", "no key at all")]

    adapter = UofAdapter("uof")
    received = adapter.resume([KnownMarket(image=one) for one in others], at_ns=1)

    assert received.actions == ()
    assert adapter.passed_over() == {"market unknown": 2}


def test_after_a_restart_a_market_that_had_a_price_may_be_opened_without_odds():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER, status=-1), at=1))
    feed.adapter, _ = restarted(feed, [{"uof:1/odds": NOW_MS + 1}], UNWATCHED)

    feed.receive(odds_change(market(1, status=1), at=60_001), at=60_001)

    assert feed.status("1x2") is Status.ACTIVE


def test_after_a_restart_an_outcome_without_odds_keeps_its_last_odds():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    feed.adapter, _ = restarted(feed, [{"uof:1/odds": NOW_MS + 1}], UNWATCHED)

    feed.receive(odds_change(market(1, (("1", "2.2"),)), at=2))

    assert feed.image("1x2").odds_milli == (2200, 3400, 3600)
    assert feed.image("1x2").active == (True, False, False)


def test_after_a_restart_a_market_whose_results_stand_is_not_suspended():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    image = feed.machine.price_image(1)

    received = UofAdapter("uof").resume([KnownMarket(image=image, results_stand=True)], at_ns=1)

    assert image.status is Status.ACTIVE
    assert received.actions == ()


def test_after_a_restart_an_older_settlement_does_not_set_the_certainty():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
    remembered = {"uof:1/odds": NOW_MS + 1, "uof:1/result": NOW_MS + 5}
    feed.adapter, _ = restarted(feed, [remembered], UNWATCHED)

    for at, certainty in ((4, 0), (5, 2)):
        feed.receive(bet_settlement(settled(1, HOME_WON), at=at, certainty=2))
        assert feed.adapter.certainty(f"{EVENT}/1x2") == certainty


def test_after_a_restart_without_the_watch_no_market_is_suspended():
    feed = feed_markets()
    feed.receive(odds_change(market(1, MATCH_WINNER), at=1))

    _, received = restarted(feed, [{"uof:1/odds": NOW_MS + 1}], UNWATCHED)

    assert received.actions == ()


def test_positions_ahead_of_our_clock_outrank_no_message_after_a_restart():
    feed = feed_markets(UNWATCHED)
    feed.receive(odds_change(market(1, MATCH_WINNER), total(), at=1))
    ten_years_on = NOW_MS + 10 * 365 * 86_400_000
    remembered = {"uof:1/odds": ten_years_on, "uof:1/result": ten_years_on}

    feed.adapter, received = restarted(feed, [remembered, {}], UNWATCHED)

    later = 60_000 + 120_000
    stop = odds_change(market(1, MATCH_WINNER, status=-1), at=later)
    received = feed.adapter.receive(stop, at_ns=(NOW_MS + later) * NS_PER_MS)
    assert [update.key for update in updates(received)] == [f"{EVENT}/1x2"]
    listed = next(iter(feed.adapter._registry))
    assert (listed.last_status, listed.status_ms) == (Status.SUSPENDED, NOW_MS + later)


def test_a_market_that_the_feed_can_no_longer_follow_is_suspended():
    feed = feed_markets(UNWATCHED)
    feed.receive(odds_change(total(), at=1))
    feed.receive(odds_change(market(1, MATCH_WINNER, status=0), at=1))
    remembered = {"uof:1/odds": NOW_MS + 1}

    no_sport = UofSettings(watch=False, sports=())
    feed.adapter, received = restarted(feed, [remembered] * 2, no_sport)

    feed.carry_out(received.actions, at=2)
    assert feed.adapter.passed_over() == {"market unknown": 2}
    assert feed.status(TOTAL) is Status.SUSPENDED
    assert feed.status("1x2") is Status.INACTIVE


EVENT_IDS = st.one_of(
    st.sampled_from(
        ["sr:match:77001", "wns:draw:-12345", "vf:match:7", "sr:race_event:9", "VDR:stage:a-9.b_c"]
    ),
    st.from_regex(r"[A-Za-z0-9:._-]{1,66}", fullmatch=True),
)


@given(EVENT_IDS)
@settings(max_examples=150, deadline=None)
def test_a_market_of_any_event_that_is_read_hears_stop_and_result_after_a_restart(event):
    body = odds_change(market(1, MATCH_WINNER), at=1, event=event)
    feed = feed_markets(UNWATCHED)
    received = feed.receive(body)
    key = f"{event}/1x2"
    if received.kind == "malformed":
        assert not feed.adapter.owns(key)
        return
    assert feed.adapter.owns(key)

    feed.adapter, resumed = restarted(feed, [{"uof:1/odds": NOW_MS + 1}], UNWATCHED)
    feed.carry_out(resumed.actions, at=2)
    (number,) = feed.numbers.values()
    assert feed.machine.price_image(number).status is Status.ACTIVE
    feed.receive(bet_stop(at=3).replace(EVENT.encode(), event.encode()))
    assert feed.machine.price_image(number).status is Status.SUSPENDED
    feed.receive(bet_settlement(settled(1, HOME_WON), at=4).replace(EVENT.encode(), event.encode()))
    assert feed.machine.price_image(number).status is Status.SETTLED


def test_a_bet_stop_stops_a_market_that_only_our_model_priced_before_the_restart():
    feed = feed_markets(UNWATCHED)
    feed.receive(odds_change(total(), at=1))
    feed.adapter, _ = restarted(feed, [{"uof:1/price": NOW_MS + 1}], UNWATCHED)

    feed.receive(bet_stop(at=2))

    assert feed.status(TOTAL) is Status.SUSPENDED
