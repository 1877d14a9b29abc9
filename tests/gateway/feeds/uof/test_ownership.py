"""Hand-overs between a pre-match producer (3) and live ones (1), both ways, and whose stops count.

A case is a row: messages in the order in which they come, and the status and the first odds
that the market has afterwards.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from gateway.feeds.core.adapter import KnownMarket
from gateway.feeds.uof.adapter import UofAdapter
from tests.gateway.feeds.uof.builders import (
    NOW_MS,
    UNWATCHED,
    WATCHED,
    bet_stop,
    feed_markets,
    fixture_change,
    market,
    odds_change,
    product_down,
)

ACTIVE, SUSPENDED, HANDED_OVER = Status.ACTIVE, Status.SUSPENDED, Status.HANDED_OVER
NOT_STARTED = '<sport_event_status status="0" match_status="0"/>'
IN_PLAY = '<sport_event_status status="1" match_status="6"/>'
INTERRUPTED = '<sport_event_status status="1" match_status="6" reporting="-1"/>'
COVERED = '<sport_event_status status="1" match_status="6" reporting="1"/>'


def odds(home, *, at, by, match="", code=1):
    outcomes = (("1", home), ("2", "3.40"), ("3", "3.60")) if home else ()
    return odds_change(market(1, outcomes, status=code), at=at, product=by, status=match)


def after(*messages, settings=UNWATCHED):
    feed = feed_markets(settings)
    for message in messages:
        feed.receive(message)
    return feed


def seen(feed):
    image = feed.image("1x2")
    return image.status, image.odds_milli[0]


HAND_BACK = (
    odds("2.0", at=1, by=3),
    odds(None, at=2, by=3, code=-2),
    odds("1.9", at=3, by=1),
    odds(None, at=9, by=1, code=-2),
)
SEQUENCES = {
    "the live producer hands over and nobody has come": (HAND_BACK, HANDED_OVER, 1900),
    "the pre-match producer takes what the live one handed over": (
        (*HAND_BACK, odds("1.8", at=12, by=3)),
        ACTIVE,
        1800,
    ),
    "pre-match odds from before the hand-over to the live one take nothing back": (
        (*HAND_BACK, odds("1.5", at=2, by=3)),
        HANDED_OVER,
        1900,
    ),
    "pre-match odds from before the live producer's odds take nothing back": (
        (*HAND_BACK, odds("1.5", at=3, by=3)),
        HANDED_OVER,
        1900,
    ),
    "live odds from before the pre-match producer took the market do not reopen it": (
        (*HAND_BACK, odds("1.8", at=12, by=3), odds("1.9", at=11, by=1)),
        ACTIVE,
        1800,
    ),
    "the live producer takes it a second time with newer odds": (
        (*HAND_BACK, odds("1.8", at=12, by=3), odds("1.7", at=13, by=1)),
        ACTIVE,
        1700,
    ),
    "a stop of the pre-match producer is obeyed in the live producer's market": (
        (*HAND_BACK[:3], bet_stop(at=4, product=3)),
        SUSPENDED,
        1900,
    ),
    "the live producer's next odds end that stop": (
        (*HAND_BACK[:3], bet_stop(at=4, product=3), odds("1.8", at=5, by=1)),
        ACTIVE,
        1800,
    ),
    "odds from before that stop do not": (
        (*HAND_BACK[:3], bet_stop(at=6, product=3), odds("1.8", at=5, by=1)),
        SUSPENDED,
        1900,
    ),
    "a stop of the live producer is obeyed in the pre-match producer's market": (
        (odds("2.0", at=1, by=3), bet_stop(at=4, product=1)),
        SUSPENDED,
        2000,
    ),
    "a stop of a producer that never spoke of a live market is another's affair": (
        (odds("1.9", at=1, by=1), bet_stop(at=4, product=5)),
        ACTIVE,
        1900,
    ),
    "an old stop of the other producer changes nothing": (
        (odds("2.0", at=1, by=3), odds("1.9", at=5, by=1), bet_stop(at=4, product=3)),
        ACTIVE,
        1900,
    ),
}


@pytest.mark.parametrize("case", SEQUENCES)
def test_a_market_follows_one_producer_and_obeys_the_stops_of_both(case):
    messages, status, home = SEQUENCES[case]

    assert seen(after(*messages)) == (status, home)


DOWN = "down"
TAKEN_BACK = {
    "up": ((NOT_STARTED,), "", ACTIVE, 1900),
    "down, and the match not begun": ((NOT_STARTED,), DOWN, ACTIVE, 1800),
    "down, and the match in play": ((IN_PLAY,), DOWN, SUSPENDED, 1900),
    "down, and the match unknown": (("",), DOWN, SUSPENDED, 1900),
    "down, and the match begun meanwhile": ((NOT_STARTED, IN_PLAY), DOWN, SUSPENDED, 1900),
}


@pytest.mark.parametrize("case", TAKEN_BACK)
def test_a_prematch_producer_takes_a_market_back_before_the_match_while_the_live_one_is(case):
    matches, live, status, home = TAKEN_BACK[case]
    feed = feed_markets(WATCHED)
    feed.recover(at=0, product=3)
    feed.recover(at=0, product=1)
    for at, match in enumerate(matches, 1):
        feed.receive(odds("1.9", at=at, by=1, match=match))
    if live == DOWN:
        feed.receive(product_down(at=5), at=5)

    feed.receive(odds("1.8", at=6, by=3, match=NOT_STARTED), at=6)

    assert seen(feed) == (status, home)


def test_prematch_odds_of_a_match_that_has_begun_take_nothing_back():
    feed = feed_markets(WATCHED)
    feed.recover(at=0, product=3)
    feed.recover(at=0, product=1)
    feed.receive(odds("1.9", at=1, by=1, match=NOT_STARTED))
    feed.receive(product_down(at=5), at=5)

    feed.receive(odds("1.8", at=6, by=3, match=IN_PLAY), at=6)

    assert seen(feed) == (SUSPENDED, 1900)


def test_prematch_odds_older_than_the_live_ones_take_nothing_back():
    feed = feed_markets(WATCHED)
    feed.recover(at=0, product=3)
    feed.recover(at=0, product=1)
    feed.receive(odds("1.9", at=4, by=1, match=NOT_STARTED), at=4)
    feed.receive(product_down(at=5), at=5)

    feed.receive(odds("1.8", at=4, by=3), at=6)

    assert seen(feed) == (SUSPENDED, 1900)


def test_a_live_producer_that_is_back_takes_the_market_again_with_its_next_odds():
    feed = feed_markets(WATCHED)
    feed.recover(at=0, product=3)
    feed.recover(at=0, product=1)
    feed.receive(odds("1.9", at=1, by=1, match=NOT_STARTED))
    feed.receive(product_down(at=5), at=5)
    feed.receive(odds("1.8", at=6, by=3), at=6)

    feed.recover(at=7, product=1)
    assert seen(feed) == (ACTIVE, 1800)
    feed.receive(odds("1.7", at=8, by=1, match=IN_PLAY), at=8)

    assert seen(feed) == (ACTIVE, 1700)
    feed.receive(odds("1.6", at=9, by=3), at=9)
    assert seen(feed) == (ACTIVE, 1700)


# --- after a restart -----------------------------------------------------------------------------


def restarted(feed, settings=UNWATCHED):
    """Give a feed's markets a new adapter that knows what the markets remember."""
    known = [
        KnownMarket(
            image=feed.machine.price_image(number),
            positions=feed.machine.feed_positions(number),
        )
        for number in feed.numbers.values()
    ]
    feed.adapter = UofAdapter("uof", settings)
    received = feed.adapter.resume(known, at_ns=(NOW_MS + 60_000) * NS_PER_MS)
    feed.carry_out(received.actions, at=60_000)
    return feed


def test_after_a_restart_the_producer_that_took_a_market_back_still_owns_it():
    feed = restarted(after(*HAND_BACK, odds("1.8", at=12, by=3)))

    feed.receive(odds("1.7", at=13, by=3))
    assert seen(feed) == (ACTIVE, 1700)
    feed.receive(bet_stop(at=14, product=3))

    assert seen(feed) == (SUSPENDED, 1700)


def test_after_a_restart_the_live_producer_that_took_a_market_again_owns_it():
    feed = restarted(after(*HAND_BACK, odds("1.8", at=12, by=3), odds("1.7", at=13, by=1)))

    feed.receive(odds("1.5", at=14, by=3))

    assert seen(feed) == (ACTIVE, 1700)


def test_after_a_restart_a_stop_of_the_other_producer_has_not_changed_the_owner():
    feed = restarted(after(*HAND_BACK[:3], bet_stop(at=20, product=3)))

    feed.receive(odds("1.5", at=21, by=3))

    assert seen(feed) == (SUSPENDED, 1900)


_MESSAGE = st.tuples(st.sampled_from([1, 3]), st.sampled_from([1, 0, -1, -2, "stop"]))


@given(sent=st.lists(_MESSAGE, max_size=12))
def test_a_restart_changes_neither_owner_nor_status(sent):
    feed = after(odds("2.0", at=0, by=3))
    for at, (by, code) in enumerate(sent, 1):
        stop = code == "stop"
        feed.receive(bet_stop(at=at, product=by) if stop else odds("1.9", at=at, by=by, code=code))
    owner = next(iter(feed.adapter._registry)).owner
    status = seen(feed)[0]

    restarted(feed)

    listed = next(iter(feed.adapter._registry))
    assert (listed.owner, listed.last_status) == (owner, status)


# --- live coverage -------------------------------------------------------------------------------

COVERAGE = {
    "lost": ((fixture_change(5, at=5),), SUSPENDED, 1900),
    "lost, and older odds come late": (
        (fixture_change(5, at=5), odds("1.8", at=4, by=1)),
        SUSPENDED,
        1900,
    ),
    "booked again": ((fixture_change(5, at=5), odds("1.8", at=6, by=1)), ACTIVE, 1800),
    "booked again, and older odds come late": (
        (fixture_change(5, at=5), odds("1.8", at=6, by=1), odds("1.7", at=4, by=1)),
        ACTIVE,
        1800,
    ),
    "changed before the newest odds": ((fixture_change(5, at=2),), ACTIVE, 1900),
    "interrupted": ((odds("1.8", at=5, by=1, match=INTERRUPTED),), SUSPENDED, 1800),
    "interrupted without a word of the market": (
        (odds_change(at=5, status=INTERRUPTED),),
        SUSPENDED,
        1900,
    ),
    "interrupted, and no word of it in the next message": (
        (odds_change(at=5, status=INTERRUPTED), odds("1.8", at=6, by=1)),
        SUSPENDED,
        1800,
    ),
    "interrupted, in a status that cannot be read": (
        (odds("1.8", at=5, by=1, match=INTERRUPTED.replace('"6"', '"x"')),),
        SUSPENDED,
        1800,
    ),
    "unreadable": (
        (odds("1.8", at=5, by=1, match=INTERRUPTED.replace('"-1"', '"no"')),),
        SUSPENDED,
        1800,
    ),
    "covered, in a status that cannot be read": (
        (odds("1.8", at=5, by=1, match=COVERED.replace('"6"', '"x"')),),
        ACTIVE,
        1800,
    ),
    "back without a word of the market": (
        (odds_change(at=5, status=INTERRUPTED), odds_change(at=6, status=COVERED)),
        ACTIVE,
        1900,
    ),
    "back, but stopped meanwhile": (
        (
            odds_change(at=5, status=INTERRUPTED),
            bet_stop(at=6),
            odds_change(at=7, status=COVERED),
        ),
        SUSPENDED,
        1900,
    ),
}


@pytest.mark.parametrize("case", COVERAGE)
def test_a_live_market_is_suspended_while_its_coverage_is(case):
    messages, status, home = COVERAGE[case]

    assert seen(after(odds("1.9", at=3, by=1, match=IN_PLAY), *messages)) == (status, home)


def test_a_lost_coverage_leaves_the_prematch_producers_markets_alone():
    feed = after(odds("1.9", at=3, by=3), odds_change(at=5, status=INTERRUPTED))

    assert seen(feed) == (ACTIVE, 1900)


def test_a_prematch_producer_takes_the_markets_of_a_match_whose_live_coverage_was_cancelled():
    feed = after(
        odds("1.9", at=3, by=1, match=NOT_STARTED),
        fixture_change(5, at=5),
        odds("1.8", at=6, by=3, match=NOT_STARTED),
    )

    assert seen(feed) == (ACTIVE, 1800)


def test_a_recovery_does_not_reopen_a_market_while_its_coverage_is_interrupted():
    feed = feed_markets(WATCHED)
    feed.recover(at=0)
    feed.receive(odds("1.9", at=1, by=1, match=IN_PLAY), at=1)
    feed.receive(odds_change(at=2, status=INTERRUPTED), at=2)
    feed.receive(product_down(at=3), at=3)

    feed.recover(at=4)

    assert seen(feed) == (SUSPENDED, 1900)
