"""Cancellations that come again, late or in any order with their roll-backs, told as stories."""

import pytest

from engine.common.commands import CANCEL_WINDOWS_MAX
from tests.gateway.feeds.story.player import play
from tests.gateway.feeds.story.steps import (
    Step,
    Story,
    bet,
    cancel,
    mark,
    named,
    odds,
    restart,
    result,
    results,
    roll_back_cancel,
    stands,
    status,
    story,
)
from tests.gateway.feeds.uof.builders import MATCH_WINNER, market

ON = odds(market(1, MATCH_WINNER))
OFF = odds(market(1, MATCH_WINNER, status=-1))
HOME = results(result(1, o1="won", o2="lost", o3="lost"))
DOUBLED = (cancel(named(1), at="cancelled"), cancel(named(1), at="cancelled"))


def a(name: str, outcome: str = "home") -> Step:
    """Return an accepted bet on the match winner."""
    return bet(name, "1x2", outcome)


def windows(count: int) -> tuple[Step, ...]:
    """Return that many bets, and for each the cancellation of its window."""
    names = [f"bet{number}" for number in range(count)]
    placed = [a(name) for name in names]
    cancelled = [
        cancel(named(1), start=name, end=later)
        for name, later in zip(names, [*names[1:], "end"], strict=True)
    ]
    return (*placed, mark("end"), *cancelled)


EACH = (
    story(
        "a market cancelled again refunds the bets placed since, and one roll-back takes both back",
        ON,
        a("A"),
        cancel(named(1)),
        status("1x2", "ACTIVE"),
        a("B"),
        a("C", "draw"),
        stands("1x2", rest="open", refunded=("A",)),
        cancel(named(1)),
        stands("1x2", rest="open", refunded=("A", "B", "C")),
        a("D"),
        restart("all"),
        HOME,
        stands("1x2", home="won", refunded=("A", "B", "C")),
        roll_back_cancel(named(1)),
        stands("1x2", home="won"),
        cancel(named(1)),
        stands("1x2", home="won", refunded=("A", "B", "C", "D")),
    ),
    story(
        "a market cancelled again after odds that opened it anew refunds the bets in between",
        ON,
        a("A"),
        cancel(named(1)),
        OFF,
        ON,
        a("B"),
        cancel(named(1)),
        OFF,
        HOME,
        stands("1x2", home="won", refunded=("A", "B")),
    ),
    story(
        "a window without an end is cancelled again for the bets placed since",
        ON,
        a("A"),
        a("B"),
        cancel(named(1), start="B"),
        a("C"),
        a("D", "draw"),
        cancel(named(1), start="B"),
        a("E"),
        HOME,
        stands("1x2", home="won", refunded=("B", "C", "D")),
        roll_back_cancel(named(1), start="C"),
        stands("1x2", home="won", refunded=("B", "C", "D")),
        roll_back_cancel(named(1), start="B"),
        stands("1x2", home="won"),
    ),
    story(
        "one outcome cancelled again leaves the others, and the whole market again takes them in",
        ON,
        a("A"),
        a("B", "draw"),
        cancel(named(1, "1")),
        a("C"),
        a("D", "draw"),
        cancel(named(1, "1")),
        stands("1x2", rest="open", refunded=("A", "C")),
        a("E"),
        a("F", "draw"),
        cancel(named(1)),
        stands("1x2", rest="open", refunded=("A", "B", "C", "D", "E", "F")),
        a("G", "draw"),
        cancel(named(1, "2")),
        roll_back_cancel(named(1, "1")),
        stands("1x2", rest="open", refunded=("B", "D", "F", "G")),
        restart("shells"),
        HOME,
        stands("1x2", home="won", refunded=("B", "D", "F", "G")),
        roll_back_cancel(named(1)),
        stands("1x2", home="won"),
    ),
    story(
        "of windows that overlap each is rolled back alone, in whatever order they came",
        ON,
        a("A"),
        a("B"),
        a("C", "draw"),
        a("D"),
        cancel(named(1), start="B", end="D"),
        cancel(named(1)),
        cancel(named(1, "1"), start="A", end="C"),
        cancel(named(1), end="B"),
        roll_back_cancel(named(1)),
        stands("1x2", rest="open", refunded=("A", "B", "C")),
        roll_back_cancel(named(1), start="B", end="D"),
        stands("1x2", rest="open", refunded=("A", "B")),
        HOME,
        roll_back_cancel(named(1, "1"), start="A", end="C"),
        stands("1x2", home="won", refunded=("A",)),
        roll_back_cancel(named(1), end="B"),
        stands("1x2", home="won"),
    ),
    story(
        "a cancellation that comes twice voids no bet placed in between, also over restarts",
        ON,
        a("A"),
        mark("cancelled"),
        DOUBLED[0],
        a("B"),
        DOUBLED[1],
        stands("1x2", rest="open", refunded=("A",)),
        restart("pipeline"),
        DOUBLED[1],
        restart("all"),
        DOUBLED[1],
        stands("1x2", rest="open", refunded=("A",)),
        HOME,
        stands("1x2", home="won", refunded=("A",)),
    ),
    story(
        "a cancellation behind newer odds voids the bets at older odds, and none at the newer",
        ON,
        a("A"),
        mark("cancelled"),
        a("B"),
        ON,
        a("C"),
        DOUBLED[0],
        stands("1x2", rest="open", refunded=("A", "B")),
        a("D"),
        HOME,
        stands("1x2", home="won", refunded=("A", "B")),
        roll_back_cancel(named(1)),
        stands("1x2", home="won"),
    ),
    story(
        "a cancellation far behind newer odds voids by its own time",
        ON,
        a("A"),
        mark("cancelled"),
        ON,
        a("B"),
        ON,
        a("C"),
        DOUBLED[0],
        stands("1x2", rest="open", refunded=("A",)),
        cancel(named(1)),
        stands("1x2", rest="open", refunded=("A", "B", "C")),
    ),
    story(
        "a cancellation that comes after a restart of the pipeline voids by its own time",
        ON,
        a("A"),
        mark("cancelled"),
        ON,
        a("B"),
        restart("pipeline"),
        DOUBLED[0],
        stands("1x2", rest="open", refunded=("A",)),
    ),
    story(
        "a roll-back that comes before its cancellation leaves no bet refunded",
        ON,
        a("A"),
        mark("cancelled"),
        roll_back_cancel(named(1)),
        DOUBLED[0],
        HOME,
        stands("1x2", home="won"),
    ),
    story(
        "more windows than a market holds are obeyed, and those that end first are final",
        ON,
        *windows(CANCEL_WINDOWS_MAX + 2),
        HOME,
        stands(
            "1x2",
            home="won",
            refunded=tuple(f"bet{number}" for number in range(CANCEL_WINDOWS_MAX + 2)),
        ),
        roll_back_cancel(named(1), start="bet1", end="bet2"),
        roll_back_cancel(named(1), start="bet2", end="bet3"),
        stands(
            "1x2",
            home="won",
            refunded=tuple(
                f"bet{number}" for number in range(CANCEL_WINDOWS_MAX + 2) if number != 2
            ),
        ),
    ),
)


@pytest.mark.parametrize("each", EACH, ids=lambda each: each.title)
def test_the_story_ends_as_it_says(each: Story) -> None:
    play(each)
