"""Hand-overs between producers, live coverage and cut-offs, told as stories with bets."""

import pytest

from tests.gateway.feeds.story.player import play
from tests.gateway.feeds.story.steps import (
    Story,
    bet,
    bet_stop,
    mark,
    odds,
    offers,
    restart,
    result,
    results,
    stands,
    status,
    story,
    xml,
)
from tests.gateway.feeds.uof.builders import MATCH_WINNER, market

PREMATCH, LIVE = 3, 1
INTERRUPTED = '<sport_event_status status="1" match_status="6" reporting="-1"/>'
COVERED = '<sport_event_status status="1" match_status="6" reporting="1"/>'
COVERAGE_CHANGED = xml('<fixture_change {head} change_type="5"/>')
HOME = results(result(1, o1="won", o2="lost", o3="lost"))


def quoted(home: str, *, by: int = LIVE, at: str = "", match: str = "") -> object:
    outcomes = (("1", home), ("2", "3.4"), ("3", "3.6"))
    return odds(market(1, outcomes), product=by, at=at, status=match)


def handed_over(*, by: int) -> object:
    return odds(market(1, status=-2), product=by)


EACH = (
    story(
        "a market goes to the live producer and back, and obeys the stops of both all the time",
        quoted("2.0", by=PREMATCH),
        bet("A", "1x2", "home", 1_000),
        handed_over(by=PREMATCH),
        bet("B", "1x2", "home", verdict="MARKET_SUSPENDED"),
        quoted("1.9"),
        bet("C", "1x2", "home", 1_000),
        bet_stop(product=PREMATCH),
        bet("D", "1x2", "home", verdict="MARKET_SUSPENDED"),
        quoted("1.8"),
        handed_over(by=LIVE),
        quoted("1.7", by=PREMATCH),
        restart("all"),
        offers("1x2", home=1700, draw=3400, away=3600),
        bet("E", "1x2", "home", 1_000),
        bet_stop(product=PREMATCH),
        bet("F", "1x2", "home", verdict="MARKET_SUSPENDED"),
        quoted("1.6", by=PREMATCH),
        bet_stop(product=LIVE),
        bet("G", "1x2", "home", verdict="MARKET_SUSPENDED"),
        HOME,
        stands("1x2", home="won"),
    ),
    story(
        "odds from before a hand-over open nothing",
        quoted("2.0", by=PREMATCH),
        mark("early"),
        quoted("1.9"),
        handed_over(by=LIVE),
        quoted("2.2", by=PREMATCH, at="early"),
        bet("A", "1x2", "home", verdict="MARKET_SUSPENDED"),
        offers("1x2", home=1900, draw=3400, away=3600),
    ),
    story(
        "no bet is taken while the coverage is interrupted, and bets are taken when it is back",
        quoted("1.9", match=COVERED),
        bet("A", "1x2", "home"),
        odds(status=INTERRUPTED),
        bet("B", "1x2", "home", verdict="MARKET_SUSPENDED"),
        odds(status=COVERED),
        bet("C", "1x2", "home"),
    ),
    story(
        "no pre-match bet is taken from the start on, wherever it moves",
        quoted("1.9", by=PREMATCH),
        bet("A", "1x2", "home"),
        xml('<fixture_change {head} change_type="2" start_time="{ms}"/>'),
        bet("B", "1x2", "home", verdict="MARKET_SUSPENDED"),
        xml('<fixture_change {head} change_type="2" start_time="9000000000000"/>'),
        bet("C", "1x2", "home"),
        xml('<fixture_change {head} change_type="2" start_time="{ms}"/>'),
        quoted("1.8", by=PREMATCH),
        bet("D", "1x2", "home", verdict="MARKET_SUSPENDED"),
        quoted("1.7", by=LIVE),
        bet("E", "1x2", "home"),
        HOME,
        stands("1x2", home="won"),
    ),
    story(
        "no bet is taken after the time of a market's next bet stop",
        odds(market(1, MATCH_WINNER, children='<market_metadata next_betstop="1"/>')),
        bet("A", "1x2", "home", verdict="MARKET_SUSPENDED"),
        odds(market(1, MATCH_WINNER, children='<market_metadata next_betstop="0"/>')),
        bet("B", "1x2", "home"),
    ),
    story(
        "a match that lost its coverage waits until it is booked again",
        quoted("1.9"),
        mark("early"),
        bet("A", "1x2", "home"),
        COVERAGE_CHANGED,
        bet("B", "1x2", "home", verdict="MARKET_SUSPENDED"),
        quoted("2.2", at="early"),
        bet("C", "1x2", "home", verdict="MARKET_SUSPENDED"),
        quoted("1.8"),
        status("1x2", "ACTIVE"),
        bet("D", "1x2", "home"),
        HOME,
        stands("1x2", home="won"),
    ),
)


@pytest.mark.parametrize("each", EACH, ids=lambda each: each.title)
def test_the_story_ends_as_it_says(each: Story) -> None:
    play(each)
