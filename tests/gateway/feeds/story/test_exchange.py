"""What an exchange says of its markets, told as stories."""

from typing import Any

import pytest

from gateway.feeds.exchange.fair_price import FairRules, OddsAtMost
from gateway.feeds.exchange.settings import ExchangeSettings
from tests.gateway.feeds.exchange.builders import definition, quoted, runner
from tests.gateway.feeds.story.player import play
from tests.gateway.feeds.story.steps import (
    Message,
    Story,
    bet,
    exchange,
    offers,
    restart,
    stands,
    status,
    story,
)

OLD = "uof.77.202311142200/win?market=1.5"
NEW = "uof.88.202311142200/win?market=1.5"


def copy(version: int, event: str, *chances: float, **fields: Any) -> dict[str, Any]:
    """Return a market of an image: its definition, and prices round these chances."""
    numbers = range(1, len(chances) + 1)
    defined = definition(*map(runner, numbers), version=version, eventId=event, **fields)
    prices = [quoted(number, chance) for number, chance in zip(numbers, chances, strict=True)]
    return {"id": "1.5", "marketDefinition": defined, "img": True, "rc": prices}


def ended(event: str, *results: str) -> Message:
    runners = [runner(number, one) for number, one in enumerate(results, 1)]
    return exchange(
        {
            "id": "1.5",
            "marketDefinition": definition(*runners, status="CLOSED", eventId=event, version=20),
        }
    )


def of_two(first: dict[str, Any], second: dict[str, Any], order: str) -> Story:
    return story(
        f"of two copies of a market in one image the newer one is followed: {order}",
        exchange(first, second),
        status(OLD, None),
        bet("A", NEW, "1", 1_000),
        bet("B", NEW, "1", odds_milli=3_750, verdict="ODDS_CHANGED"),
        restart("pipeline"),
        ended("88", "WINNER", "LOSER", "LOSER"),
        stands(NEW, {"1": "won"}),
        settings=ExchangeSettings(),
    )


def wide(odds_at_most: OddsAtMost, **odds_milli: int) -> Story:
    """Return a story of a runner that is laid off at 3.6 and might be worth more."""
    market = copy(9, "77", 0.5, 0.2, 0.3)
    market["rc"][1] = {"id": 2, "batb": [[0, 3.6, 50.0]], "batl": [[0, 5.5, 50.0]]}
    return story(
        f"odds of a runner whose own prices are far apart, odds_at_most = {odds_at_most}",
        exchange(market),
        offers(OLD, **odds_milli),
        bet("A", OLD, "2", 1_000),
        ended("77", "LOSER", "WINNER", "LOSER"),
        stands(OLD, {"2": "won"}),
        settings=ExchangeSettings(fair=FairRules(odds_at_most=odds_at_most)),
    )


BEFORE = copy(5, "77", 0.25, 0.35, 0.4)
AFTER = copy(9, "88", 0.5, 0.3, 0.2)

EACH = (
    of_two(BEFORE, AFTER, "the older one first"),
    of_two(AFTER, BEFORE, "the newer one first"),
    story(
        "a runner that is added before the market is made does not keep it from being made",
        exchange({"id": "1.5", "marketDefinition": definition(runner(1), runner(2))}),
        status(OLD, None),
        exchange({"id": "1.5", "marketDefinition": definition(*map(runner, (1, 2, 3)))}),
        exchange(copy(9, "77", 0.5, 0.3, 0.2)),
        bet("A", OLD, "3", 1_000),
        ended("77", "LOSER", "LOSER", "WINNER"),
        stands(OLD, {"3": "won"}),
        settings=ExchangeSettings(),
    ),
    wide("back", **{"1": 1_970, "2": 3_600, "3": 3_250}),
    wide("any", **{"1": 1_970, "2": 4_200, "3": 3_250}),
)


@pytest.mark.parametrize("each", EACH, ids=lambda each: each.title)
def test_the_story_ends_as_it_says(each: Story) -> None:
    play(each)
