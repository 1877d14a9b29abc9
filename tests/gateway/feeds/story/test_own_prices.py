"""Matches priced by our own model, told as stories: no bet without a model of the feed's odds."""

import pytest

from gateway.feeds.uof.settings import UofSettings
from tests.gateway.feeds.story.player import play
from tests.gateway.feeds.story.steps import (
    Message,
    Story,
    bet,
    bet_stop,
    counts,
    odds,
    restart,
    result,
    results,
    stands,
    status,
    story,
)
from tests.gateway.feeds.uof.builders import MATCH_WINNER, TOTAL, market, total

BY_MODEL = UofSettings(watch=False, own_prices=True)
BOTH = "both_teams_to_score"
BOTH_SCORE = market(29, (("74", "1.8"), ("76", "1.9")))
WINNER = market(1, MATCH_WINNER)
OPEN = odds(WINNER, total(), BOTH_SCORE)
NO_MODEL = market(1, (("1", "1.05"), ("2", "50"), ("3", "1.05")))


def clock(minute: int, home: int = 0) -> str:
    return (
        f'<sport_event_status status="1" match_status="6" home_score="{home}" away_score="0">'
        f'<clock match_time="{minute}:00"/></sport_event_status>'
    )


def without_model(what: str, unfit: Message, *, again: Message = OPEN) -> Story:
    """Return a story of a message to which no model is fitted, between two that have one."""
    return story(
        f"{what}: nothing that our model prices takes a bet until a model is fitted",
        OPEN,
        bet("A", BOTH, "yes"),
        bet("B", TOTAL, "over"),
        unfit,
        status(BOTH, "SUSPENDED"),
        bet("C", BOTH, "yes", verdict="MARKET_SUSPENDED"),
        bet("D", TOTAL, "over", verdict="MARKET_SUSPENDED"),
        bet("E", "1x2", "draw", verdict="MARKET_SUSPENDED"),
        restart("shells"),
        bet("F", BOTH, "yes", verdict="MARKET_SUSPENDED"),
        odds(BOTH_SCORE),
        bet("G", BOTH, "yes", verdict="MARKET_SUSPENDED"),
        again,
        status(BOTH, "ACTIVE"),
        status(TOTAL, "ACTIVE"),
        bet("H", BOTH, "no"),
        results(result(29, o74="won", o76="lost")),
        stands(BOTH, yes="won"),
        settings=BY_MODEL,
    )


EACH = (
    without_model("odds that no model explains", odds(NO_MODEL, total(), BOTH_SCORE)),
    without_model(
        "odds that no model explains, and only the match winner comes again",
        odds(NO_MODEL),
        again=odds(WINNER),
    ),
    without_model(
        "a match winner without the draw",
        odds(market(1, (MATCH_WINNER[0], MATCH_WINNER[2])), BOTH_SCORE),
    ),
    without_model("a match winner that is not offered", odds(market(1, MATCH_WINNER, status=-1))),
    without_model(
        "a match without totals", odds(total(status=-1), BOTH_SCORE), again=odds(total())
    ),
    without_model(
        "a status that tells no score",
        odds(status='<sport_event_status status="1" match_status="80"/>'),
        again=odds(WINNER, total(), status=clock(10)),
    ),
    story(
        "a goal without new odds takes no bet at the old ones",
        odds(WINNER, total(), BOTH_SCORE, status=clock(10)),
        bet("A", BOTH, "yes"),
        odds(status=clock(12, home=1)),
        bet("B", BOTH, "yes", verdict="MARKET_SUSPENDED"),
        odds(BOTH_SCORE, status=clock(13, home=1)),
        bet("C", BOTH, "yes", verdict="MARKET_SUSPENDED"),
        counts("no fit", 2),
        odds(market(1, (("1", "1.5"), ("2", "4.2"), ("3", "7"))), total(), status=clock(14, 1)),
        bet("D", BOTH, "yes"),
        settings=BY_MODEL,
    ),
    story(
        "a new pipeline has no model: odds of other markets open nothing until one is fitted",
        OPEN,
        bet("A", BOTH, "yes"),
        restart("pipeline"),
        odds(BOTH_SCORE, total()),
        bet("B", BOTH, "yes", verdict="MARKET_SUSPENDED"),
        bet("C", TOTAL, "over", verdict="MARKET_SUSPENDED"),
        odds(WINNER),
        bet("D", BOTH, "yes"),
        bet("E", TOTAL, "over"),
        settings=BY_MODEL,
    ),
    story(
        "a bet stop holds although a model is fitted again",
        OPEN,
        odds(NO_MODEL),
        bet_stop(),
        odds(WINNER),
        bet("A", BOTH, "yes", verdict="MARKET_SUSPENDED"),
        OPEN,
        bet("B", BOTH, "yes"),
        settings=BY_MODEL,
    ),
)


@pytest.mark.parametrize("each", EACH, ids=lambda each: each.title)
def test_story(each: Story) -> None:
    play(each)
