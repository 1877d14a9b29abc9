"""What a feed says of a market besides odds and results, and whose margin odds hold, as stories."""

import pytest

from gateway.feeds.uof.settings import UofSettings
from tests.gateway.feeds.story.player import play
from tests.gateway.feeds.story.steps import (
    Message,
    Story,
    bet,
    cancel,
    named,
    odds,
    offers,
    restart,
    result,
    result_of,
    results,
    roll_back_cancel,
    shows,
    stands,
    story,
    xml,
)
from tests.gateway.feeds.uof.builders import MATCH_WINNER, NOW_MS, market, total

STOP_MS = NOW_MS + 3_600_000
PLAYERS = {"sr:player:17": "Vos, Anna", "sr:player:18": "Berg, Ida"}
SCORERS = (("sr:player:17", "2.0"), ("sr:player:18", "3.0"), ("sr:player:99", "4.0"))
WINNER = "pre:outcometext:5982"
CHANCES = tuple(
    (number, f'odds="{milli}" probabilities="{chance}"')
    for number, milli, chance in (("1", 2.1, 0.5), ("2", 3.4, 0.3), ("3", 3.6, 0.2))
)
_OTHERS = (("2", 0.3), ("3", 0.1))
ALONE = (
    ("1", 'odds="2.1" probabilities="0.6"'),
    *((number, f'odds="3" probabilities="{chance}" active="0"') for number, chance in _OTHERS),
)
OURS = {"home": 1920, "draw": 3150, "away": 4700}
"""Odds ratio to a book sum of 1.05: 1.9234, 3.1545 and 4.6934 before the ladder."""


def flagged(flags: str, stop_ms: int | None = None) -> Message:
    """Return odds of the match winner with some flags, and the time of its next bet stop."""
    children = "" if stop_ms is None else f'<market_metadata next_betstop="{stop_ms}"/>'
    text = market(1, MATCH_WINNER, children=children).replace("<market ", f"<market {flags} ", 1)
    return odds(text)


def priced(title: str, *rules: str, one: dict[str, int], two: dict[str, int]) -> Story:
    """Return a story of rules for margins, of a market with probabilities and one without."""
    return story(
        f"margins of {title}",
        odds(market(1, CHANCES), total()),
        offers("1x2", **one),
        offers("total?total=2.5", **two),
        bet("A", "1x2", "home", 1_000),
        bet("B", "total?total=2.5", "over", 1_000),
        restart("all"),
        results(
            result(1, o1="won", o2="lost", o3="lost"),
            result(18, "total=2.5", o12="won", o13="lost"),
        ),
        stands("1x2", home="won"),
        stands("total?total=2.5", over="won"),
        settings=UofSettings(watch=False, margins=rules),
    )


EACH = (
    story(
        "favourite, cash-out and next bet stop are shown as the newest message has them",
        flagged('favourite="1" cashout_status="1"', STOP_MS),
        shows("1x2", favourite=True, cashout=1, next_betstop_ms=STOP_MS),
        bet("A", "1x2", "home"),
        flagged('cashout_status="-2"'),
        shows("1x2", cashout=-2, next_betstop_ms=STOP_MS),
        results(result(1, o1="won", o2="lost", o3="lost")),
        stands("1x2", home="won"),
    ),
    story(
        "why bets are refunded is shown until the cancellation is rolled back",
        odds(market(1, MATCH_WINNER)),
        bet("A", "1x2", "home"),
        cancel(named(1, reason="12")),
        shows("1x2", void_reason=12),
        stands("1x2", rest="void"),
        roll_back_cancel(named(1)),
        shows("1x2"),
        xml(
            '<bet_settlement {head} certainty="2"><outcomes><market id="1" void_reason="7">'
            '<outcome id="1" result="0" void_factor="1"/><outcome id="2" result="0"/>'
            '<outcome id="3" result="0"/></market></outcomes></bet_settlement>'
        ),
        shows("1x2", void_reason=7),
        stands("1x2", home="void"),
    ),
    story(
        "players and texts go by their ids and are shown by their names",
        odds(market(40, SCORERS), market(41, ((WINNER, "1.9"), ("pre:outcometext:1", "1.9")))),
        shows("uof_40", names=PLAYERS),
        shows("uof_41", names={WINNER: "Dakar"}),
        bet("A", "uof_40", "sr:player:18"),
        bet("B", "uof_40", "sr:player:99"),
        bet("C", "uof_41", WINNER),
        restart("all"),
        odds(market(40, SCORERS)),
        shows("uof_40", names=PLAYERS),
        results(
            result_of(40, {"sr:player:17": "void", "sr:player:18": "won", "sr:player:99": "lost"}),
            result_of(41, {WINNER: "won", "pre:outcometext:1": "lost"}),
        ),
        stands("uof_40", {"sr:player:18": "won"}),
        stands("uof_41", {WINNER: "won"}),
        names={**PLAYERS, WINNER: "Dakar"},
    ),
    story(
        "where our margin cannot be had, as over one outcome alone, nothing stays on old odds",
        odds(market(1, CHANCES)),
        bet("A", "1x2", "home"),
        odds(market(1, ALONE)),
        offers("1x2"),
        bet("B", "1x2", "home", verdict="OUTCOME_INACTIVE"),
        restart("shells"),
        bet("C", "1x2", "home", odds_milli=1_920, verdict="OUTCOME_INACTIVE"),
        odds(market(1, CHANCES)),
        offers("1x2", **OURS),
        bet("D", "1x2", "home"),
        results(result(1, o1="won", o2="lost", o3="lost")),
        stands("1x2", home="won"),
        settings=UofSettings(watch=False, margins=("*=ours",)),
    ),
    priced(
        "theirs: the odds of the feed are offered",
        one={"home": 2100, "draw": 3400, "away": 3600},
        two={"over": 1900, "under": 1950},
    ),
    priced(
        "ours for one type: odds are made of its probabilities, the other type keeps the feed's",
        "1x2=probabilities",
        one=OURS,
        two={"over": 1900, "under": 1950},
    ),
    priced(
        "ours for all types: the feed's margin is taken off where it gives no probabilities",
        "*=ours",
        one=OURS,
        two={"over": 1880, "under": 1930},
    ),
)


@pytest.mark.parametrize("each", EACH, ids=lambda each: each.title)
def test_the_story_ends_as_it_says(each: Story) -> None:
    play(each)
