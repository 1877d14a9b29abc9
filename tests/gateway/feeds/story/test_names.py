"""Markets under several spellings of one name, and lawful messages that leave something out."""

import pytest

from tests.gateway.feeds.story.player import play
from tests.gateway.feeds.story.steps import (
    Story,
    bet,
    odds,
    restart,
    result,
    result_of,
    results,
    stands,
    status,
    story,
    xml,
)
from tests.gateway.feeds.uof.builders import market

TOTAL = "total?total=2.5"
HANDICAP = "extra_time_handicap?hcp=0.5"
OVERTIME = "extra_time_next_goal?goalnr=1"
LINES = (("12", 'odds="1.9"'), ("13", 'odds="1.9"'))
GOALS = (("6", 'odds="2.5"'), ("7", 'odds="3"'), ("8", 'odds="2.5"'))
OVER = {"o12": "won", "o13": "lost"}


def total(specifiers: str, state: int = 1) -> str:
    return market(18, LINES, specifiers=specifiers, status=state)


PAIRS = tuple(
    f"sr:player:{number}:" + ",".join(f"sr:competitor:{number}{n:05}" for n in range(9))
    for number in (1, 2, 3)
)
EACH = (
    story(
        "outcomes of several competitors are offered, bet on and settled, over restarts",
        odds(market(40, [(name, 'odds="3"') for name in PAIRS])),
        bet("A", "uof_40", PAIRS[1]),
        restart("all"),
        odds(market(40, [(name, 'odds="3"') for name in PAIRS])),
        bet("B", "uof_40", PAIRS[2]),
        results(result_of(40, {PAIRS[0]: "lost", PAIRS[1]: "won", PAIRS[2]: "lost"})),
        stands("uof_40", {PAIRS[1]: "won"}),
    ),
    *(
        story(
            f"{spelling} is the market total=2.5: odds, stop and result are of one market",
            odds(total("total=2.5")),
            bet("A", TOTAL, "over"),
            odds(total(spelling, -1)),
            bet("B", TOTAL, "over", verdict="MARKET_SUSPENDED"),
            restart("pipeline"),
            odds(total(spelling)),
            bet("C", TOTAL, "under"),
            results(result(18, spelling, **OVER)),
            stands(TOTAL, over="won"),
        )
        for spelling in ("total=2.5|", "total=2.50", "total=+2.5", "|total=02.5")
    ),
    story(
        "a market that was first named as total=2.50 is named total=2.5 here",
        odds(total("total=2.50")),
        status(TOTAL, "ACTIVE"),
        status("total?total=2.50", None),
    ),
    story(
        "a settlement that does not say how sure it is settles",
        odds(total("total=2.5")),
        bet("A", TOTAL, "over"),
        xml(
            "<bet_settlement {head}><outcomes>"
            '<market id="18" specifiers="total=2.5"><outcome id="12" result="1"/>'
            '<outcome id="13" result="0"/></market></outcomes></bet_settlement>'
        ),
        stands(TOTAL, over="won"),
    ),
    story(
        "number 117 is the handicap of overtime",
        odds(market(117, (("1714", 'odds="1.9"'), ("1715", 'odds="1.9"')), specifiers="hcp=0.5")),
        bet("A", HANDICAP, "home"),
        restart("all"),
        results(result(117, "hcp=0.5", o1714="lost", o1715="won")),
        stands(HANDICAP, away="won"),
    ),
    story(
        "number 115 is the next goal of overtime",
        odds(market(115, GOALS, specifiers="goalnr=1")),
        bet("A", OVERTIME, "home"),
        results(result(115, "goalnr=1", o6="won", o7="lost", o8="lost")),
        stands(OVERTIME, home="won"),
    ),
)


@pytest.mark.parametrize("one", EACH, ids=[one.title for one in EACH])
def test_a_story_of_names_ends_as_told(one: Story) -> None:
    play(one)
