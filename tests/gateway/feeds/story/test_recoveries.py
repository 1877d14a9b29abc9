"""The provider's interface is away and comes back: how soon bets are taken, told as stories."""

import pytest

from tests.gateway.feeds.story.player import play
from tests.gateway.feeds.story.provider import GRANTED, UNREACHABLE
from tests.gateway.feeds.story.steps import (
    Story,
    asked,
    bet,
    odds,
    provider,
    restart,
    result,
    results,
    stands,
    story,
    wait,
    xml,
)
from tests.gateway.feeds.uof.builders import EVENT, MATCH_WINNER, WATCHED, market

BUSY, FAILING = 429, 503
ON = odds(market(1, MATCH_WINNER))
HOME = results(result(1, o1="won", o2="lost", o3="lost"))
TRUSTED = (provider(beats=True, answers=GRANTED), wait(12), ON, bet("A", "1x2", "home", 1_000))
SILENT = (provider(beats=False), wait(25), bet("B", "1x2", "home", verdict="MARKET_SUSPENDED"))


def away(why: str, answers: int, *, for_s: float, back_s: float, restarts: bool = False) -> Story:
    """Return a story of an interface that is away for a time, and of bets soon after its return."""
    return story(
        f"an interface that {why} for {for_s:g} s: bets are taken {back_s:g} s after its return",
        *TRUSTED,
        *SILENT,
        provider(beats=True, answers=answers),
        *((restart("pipeline"), ON) if restarts else ()),
        wait(for_s),
        bet("C", "1x2", "home", verdict="MARKET_SUSPENDED"),
        provider(answers=GRANTED),
        wait(back_s),
        *((ON,) if restarts else ()),
        bet("D", "1x2", "home", 1_000),
        HOME,
        stands("1x2", home="won"),
        settings=WATCHED,
    )


EACH = (
    story(
        "a message that breaks off: its event is suspended, and the provider is asked for it alone",
        *TRUSTED,
        xml("<odds_change {head}><odds><market id=", refused="xml"),
        bet("B", "1x2", "home", verdict="MARKET_SUSPENDED"),
        wait(2),
        asked(f"/odds/events/{EVENT}/", 1),
        asked(f"/stateful_messages/events/{EVENT}/", 1),
        asked("/recovery/", 1),
        ON,
        bet("C", "1x2", "home"),
        HOME,
        stands("1x2", home="won"),
        settings=WATCHED,
    ),
    away("nobody reaches", UNREACHABLE, for_s=90, back_s=32),
    away("fails", FAILING, for_s=90, back_s=12),
    away("has too many requests", BUSY, for_s=90, back_s=12),
    away("nobody reaches, also over a restart,", UNREACHABLE, for_s=90, back_s=32, restarts=True),
    away("nobody reaches", UNREACHABLE, for_s=1_200, back_s=32),
    away("fails", FAILING, for_s=1_200, back_s=75),
    away("has too many requests", BUSY, for_s=4_000, back_s=460),
)


@pytest.mark.parametrize("each", EACH, ids=lambda each: each.title)
def test_the_story_ends_as_it_says(each: Story) -> None:
    play(each)
