"""Markets that a feed cannot open, loses or cannot settle, told as stories: it says so and why."""

import pytest

from gateway.feeds.exchange.settings import ExchangeSettings
from tests.gateway.feeds.story.player import play
from tests.gateway.feeds.story.steps import (
    Story,
    bet,
    counts,
    odds,
    race,
    restart,
    result,
    result_of,
    results,
    says,
    stands,
    status,
    story,
    wait,
)
from tests.gateway.feeds.uof.builders import EVENT, MATCH_WINNER, market

WIN = "uof.77.202311142200/win?market=1.5"
ON = odds(market(1, MATCH_WINNER))
LONG = ",".join(f"sr:competitor:{number:010}" for number in range(9))


EACH = (
    story(
        "an exchange that never has a fair price: no market is opened, and the feed says why",
        race("ACTIVE", "ACTIVE", prices=False),
        race("ACTIVE", "ACTIVE", "ACTIVE", prices=False),
        wait(61),
        says(0, unopened={WIN: "no fair price"}),
        race("ACTIVE", "ACTIVE", "ACTIVE"),
        bet("A", WIN, "3"),
        says(1),
        race("LOSER", "LOSER", "WINNER", status="CLOSED"),
        stands(WIN, {"3": "won"}),
        settings=ExchangeSettings(),
    ),
    story(
        "a market of a kind that is not followed is named, and is no loss",
        race("ACTIVE", "ACTIVE", marketType="EACH_WAY"),
        wait(61),
        says(0, unopened={"1.5": "two results in one bet"}),
        settings=ExchangeSettings(),
    ),
    story(
        "a market that cannot be had here is lost, and no more once it can",
        race("ACTIVE", "ACTIVE", eventId=""),
        wait(61),
        says(
            0,
            unopened={"1.5": "no event or no runners"},
            lost={"1.5": "market refused: no event or no runners"},
        ),
        race("ACTIVE", "ACTIVE"),
        says(1),
        bet("A", WIN, "1"),
        race("WINNER", "LOSER", status="CLOSED"),
        stands(WIN, {"1": "won"}),
        settings=ExchangeSettings(),
    ),
    story(
        "a runner that joins an open market loses it, and its bets are paid all the same",
        race("ACTIVE", "ACTIVE"),
        bet("A", WIN, "1"),
        race("ACTIVE", "ACTIVE", "ACTIVE"),
        bet("B", WIN, "1", verdict="MARKET_SUSPENDED"),
        says(1, lost={WIN: "a runner joined after the market was made"}),
        restart("pipeline"),
        race("ACTIVE", "ACTIVE", "ACTIVE"),
        bet("C", WIN, "1", verdict="MARKET_SUSPENDED"),
        race("WINNER", "LOSER", "LOSER", status="CLOSED"),
        stands(WIN, {"1": "won"}),
        settings=ExchangeSettings(),
    ),
    story(
        "results that are not whole are refused and named until they are",
        race("ACTIVE", "ACTIVE"),
        bet("A", WIN, "1"),
        race("WINNER", "ACTIVE", status="CLOSED"),
        bet("B", WIN, "1", verdict="MARKET_SUSPENDED"),
        says(1, lost={WIN: "results refused: runner 2 is ACTIVE"}),
        stands(WIN, rest="open"),
        race("WINNER", "LOSER", status="CLOSED"),
        says(1),
        stands(WIN, {"1": "won"}),
        settings=ExchangeSettings(),
    ),
    story(
        "a market that is suspended from its first message on is named with its reason",
        odds(market(1, MATCH_WINNER, status=-1)),
        wait(61),
        says(0, unopened={f"{EVENT}/1x2": "suspended"}),
        ON,
        says(1),
    ),
    story(
        "an outcome id of over 200 characters keeps its market closed, which says which it was",
        odds(market(40, [(LONG, "3.0"), ("a", "1.4")]), market(1, MATCH_WINNER)),
        status("uof_40", None),
        says(1, lost={f"{EVENT}: 40": f"market refused: outcomes: {LONG[:80]}"}),
        bet("A", "1x2", "home"),
        results(result_of(40, {LONG: "won", "a": "lost"})),
        results(result(1, o1="won", o2="lost", o3="lost")),
        stands("1x2", home="won"),
    ),
    story(
        "a market that is settled in part is counted, and settled when the rest is told",
        ON,
        bet("A", "1x2", "home"),
        bet("B", "1x2", "draw"),
        results(result(1, o1="won")),
        counts("settled in part", 1),
        stands("1x2", home="won", rest="open"),
        results(result(1, o2="lost", o3="lost")),
        says(1),
        stands("1x2", home="won"),
    ),
    story(
        "a result of outcomes that a market does not have is refused and named",
        ON,
        bet("A", "1x2", "home"),
        results(result_of(1, {"77": "won"})),
        bet("B", "1x2", "home", verdict="MARKET_SUSPENDED"),
        says(1, lost={f"{EVENT}/1x2": "settlement refused: settlement: it decides no outcome"}),
        results(result(1, o1="won", o2="lost", o3="lost")),
        says(1),
        stands("1x2", home="won"),
    ),
)


@pytest.mark.parametrize("each", EACH, ids=lambda each: each.title)
def test_the_story_ends_as_it_says(each: Story) -> None:
    play(each)
