"""Results, cancellations and their roll-backs, told as stories."""

from collections.abc import Callable
from fractions import Fraction

import pytest

from engine.common.commands import OutcomeResult, SettleMarket
from gateway.feeds.exchange.settings import ExchangeSettings
from tests.gateway.feeds.story.player import play
from tests.gateway.feeds.story.steps import (
    Bet,
    Story,
    bet,
    bet_stop,
    cancel,
    counts,
    mark,
    named,
    odds,
    offers,
    race,
    restart,
    result,
    results,
    roll_back_cancel,
    roll_back_result,
    stands,
    status,
    story,
    trader,
)
from tests.gateway.feeds.uof.builders import MATCH_WINNER, market

WIN = "uof.77.202311142200/win?market=1.5"
CUT = "uof.77.202311142200/make_cut?market=1.5"
TOP_2 = "uof.77.202311142200/top_2_finish?market=1.5"
LOST = OutcomeResult(won=False)


def won(num: int = 1, den: int = 1) -> OutcomeResult:
    return OutcomeResult(won=True, dead_heat_num=num, dead_heat_den=den)


def settle(*given: OutcomeResult) -> Callable[[int], SettleMarket]:
    return lambda number: SettleMarket(market_no=number, results=given)


ON = odds(market(1, MATCH_WINNER))
HOME = results(result(1, o1="won", o2="lost", o3="lost"))


def bets(*names: str) -> tuple[Bet, ...]:
    """Return a bet on each outcome of the match winner."""
    return tuple(
        bet(*each) for each in zip(names, ("1x2",) * 3, ("home", "draw", "away"), strict=True)
    )


EACH = (
    story(
        "a bet before a stop is paid, one after it is refused, also over a restart of everything",
        ON,
        offers("1x2", home=2100, draw=3400, away=3600),
        bet("A", "1x2", "home", 1_000),
        bet_stop(),
        bet("B", "1x2", "home", verdict="MARKET_SUSPENDED"),
        restart("all"),
        status("1x2", "SUSPENDED"),
        HOME,
        stands("1x2", home="won"),
    ),
    story(
        "a window of cancelled bets is refunded, whatever the result and a restart of the shells",
        ON,
        bet("A", "1x2", "home"),
        bet("B", "1x2", "home"),
        bet("C", "1x2", "draw", account=3),
        cancel(named(1), start="B", end="C"),
        stands("1x2", rest="open", refunded=("B",)),
        HOME,
        restart("shells"),
        stands("1x2", home="won", refunded=("B",)),
        roll_back_cancel(named(1), start="B", end="C"),
        stands("1x2", home="won"),
        roll_back_result(named(1)),
        status("1x2", "SUSPENDED"),
        stands("1x2", rest="open"),
        restart("pipeline"),
        results(result(1, o1="half lost", o2="void", o3="won")),
        stands("1x2", home="half lost", draw="void", away="won"),
    ),
    story(
        "two winners of a race for one place share it",
        race("ACTIVE", "ACTIVE", "ACTIVE"),
        bet("A", WIN, "1", 1_000),
        bet("B", WIN, "3", 1_000),
        race("WINNER", "WINNER", "LOSER", status="CLOSED"),
        stands(WIN, {"1": Fraction(1, 2), "2": Fraction(1, 2)}),
        settings=ExchangeSettings(),
    ),
    story(
        "more winners than 64 in a market with as many are no dead heat",
        race(*("ACTIVE",) * 140, marketType="MAKE_CUT", numberOfWinners=65),
        bet("A", CUT, "1", 1_000),
        bet("B", CUT, "66", 1_000),
        race(
            *("WINNER",) * 65,
            *("LOSER",) * 75,
            status="CLOSED",
            marketType="MAKE_CUT",
            numberOfWinners=65,
        ),
        stands(CUT, {"1": "won"}),
        settings=ExchangeSettings(),
    ),
    story(
        "more winners than 64 of fewer places are left to a trader, as any tie is",
        race(*("ACTIVE",) * 140, marketType="MAKE_CUT", numberOfWinners=65),
        bet("A", CUT, "1", 1_000),
        race(
            *("WINNER",) * 66,
            *("LOSER",) * 74,
            status="CLOSED",
            marketType="MAKE_CUT",
            numberOfWinners=65,
        ),
        bet("B", CUT, "1", verdict="MARKET_SUSPENDED"),
        stands(CUT, rest="open"),
        trader(CUT, settle(*(won(),) * 64, won(1, 2), won(1, 2), *(LOST,) * 74)),
        stands(CUT, {"1": "won"}),
        settings=ExchangeSettings(),
    ),
    story(
        "three winners of two, who tied unknown: nothing is paid until a trader settles",
        race("ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", marketType="TOP_2_FINISH", numberOfWinners=2),
        bet("A", TOP_2, "1", 1_000),
        bet("B", TOP_2, "2", 1_000),
        race(
            *("WINNER", "WINNER", "WINNER", "LOSER"),
            status="CLOSED",
            marketType="TOP_2_FINISH",
            numberOfWinners=2,
        ),
        counts("results refused", 1),
        bet("C", TOP_2, "1", verdict="MARKET_SUSPENDED"),
        stands(TOP_2, rest="open"),
        trader(TOP_2, settle(won(), won(1, 2), won(1, 2), LOST)),
        stands(TOP_2, {"1": "won", "2": Fraction(1, 2), "3": Fraction(1, 2)}),
        settings=ExchangeSettings(),
    ),
    *(
        story(
            f"odds older than {title} never open their market",
            mark("odds"),
            ended,
            *between,
            odds(market(1, MATCH_WINNER), at="odds"),
            status("1x2", after),
        )
        for title, ended, between, after in (
            ("a result that came first", HOME, (), "SETTLED"),
            ("a cancellation that came first", cancel(named(1)), (), "SUSPENDED"),
            ("a stop that came first", bet_stop(), (), "SUSPENDED"),
            ("a roll-back that came first", roll_back_result(named(1)), (), "SUSPENDED"),
            ("a result before a restart", HOME, (restart("pipeline"),), None),
            ("a cancellation before a restart", cancel(named(1)), (restart("pipeline"),), None),
            ("a stop before a restart", bet_stop(), (restart("pipeline"),), None),
            ("a result before a restart of all", HOME, (restart("all"),), None),
        )
    ),
    *(
        story(
            f"odds older than {title} do not open a market after {stop}, newer odds do",
            ON,
            bet("A", "1x2", "home"),
            closing,
            mark("late"),
            ended,
            *between,
            odds(market(1, MATCH_WINNER), at="late"),
            status("1x2", "SUSPENDED"),
            ON,
            bet("B", "1x2", "away"),
            results(result(1, o1="won", o2="lost", o3="won")),
            stands("1x2", home="won", away="won", refunded=refunded),
        )
        for title, ended, between, refunded in (
            ("the result of one outcome", results(result(1, o1="won")), (), ()),
            ("a result with an unknown outcome", results(result(1, o1="won", x="lost")), (), ()),
            ("a result of nothing known", results(result(1, o77="won")), (), ()),
            ("the cancellation of one outcome", cancel(named(1, "1")), (), ("A",)),
            (
                "the result of one outcome before a restart",
                results(result(1, o1="won")),
                (restart("all"),),
                (),
            ),
        )
        for stop, closing in (
            ("a bet_stop", bet_stop()),
            ("a suspension", odds(market(1, status=-1))),
            ("an end of its offer", odds(market(1, status=0))),
        )
    ),
    story(
        "odds newer than a start create the market that older ones did not, and bets are paid",
        mark("odds"),
        restart("pipeline"),
        odds(market(1, MATCH_WINNER), at="odds"),
        status("1x2", None),
        ON,
        bet("A", "1x2", "home"),
        HOME,
        stands("1x2", home="won"),
    ),
    story(
        "a result, its roll-back and another result before the odds leave the last one",
        mark("odds"),
        HOME,
        roll_back_result(named(1)),
        results(result(1, o1="lost", o2="won", o3="lost")),
        odds(market(1, MATCH_WINNER), at="odds"),
        status("1x2", "SETTLED"),
    ),
    story(
        "a result that is rolled back after its market's first odds opens with newer odds alone",
        mark("odds"),
        HOME,
        odds(market(1, MATCH_WINNER), at="odds"),
        roll_back_result(named(1)),
        odds(market(1, (("1", "9.0"), ("2", "9.0"), ("3", "9.0"))), at="odds"),
        status("1x2", "SUSPENDED"),
        ON,
        bet("A", "1x2", "draw"),
        results(result(1, o1="lost", o2="won", o3="lost")),
        stands("1x2", draw="won"),
    ),
    story(
        "odds that are late but newer than the last ones do not open a rolled back market",
        ON,
        bet("A", "1x2", "home"),
        mark("late"),
        HOME,
        roll_back_result(named(1)),
        odds(market(1, MATCH_WINNER), at="late"),
        bet("B", "1x2", "home", verdict="MARKET_SUSPENDED"),
        restart("pipeline"),
        odds(market(1, MATCH_WINNER), at="late"),
        bet("C", "1x2", "home", verdict="MARKET_SUSPENDED"),
        stands("1x2", rest="open"),
    ),
    story(
        "cancelling one outcome refunds it alone, and every outcome settles by itself in any order",
        ON,
        *bets("A", "B", "C"),
        cancel(named(1, "2")),
        stands("1x2", rest="open", refunded=("B",)),
        results(result(1, o1="won")),
        stands("1x2", home="won", rest="open", refunded=("B",)),
        bet("D", "1x2", "away", verdict="MARKET_SUSPENDED"),
        restart("shells"),
        odds(market(1, MATCH_WINNER)),
        bet("E", "1x2", "home", odds_milli=2100, verdict="OUTCOME_INACTIVE"),
        bet("G", "1x2", "away"),
        roll_back_cancel(named(1, "2")),
        stands("1x2", home="won", rest="open"),
        restart("pipeline"),
        results(result(1, o2="lost", o3="void")),
        status("1x2", "SETTLED"),
        stands("1x2", home="won", draw="lost", away="void"),
        roll_back_result(named(1, "3")),
        status("1x2", "SUSPENDED"),
        stands("1x2", home="won", draw="lost", away="open"),
        odds(market(1, MATCH_WINNER)),
        offers("1x2", away=3600),
        bet("F", "1x2", "away"),
        results(result(1, o3="half lost")),
        status("1x2", "SETTLED"),
        stands("1x2", home="won", draw="lost", away="half lost"),
    ),
    story(
        "a roll-back of one outcome leaves the others of a cancelled market refunded",
        ON,
        *bets("A", "B", "C"),
        cancel(named(1)),
        stands("1x2", rest="open", refunded=("A", "B", "C")),
        roll_back_cancel(named(1, "1")),
        stands("1x2", rest="open", refunded=("B", "C")),
        HOME,
        stands("1x2", home="won", refunded=("B", "C")),
        restart("all"),
        roll_back_cancel(named(1)),
        stands("1x2", home="won"),
    ),
    story(
        "a window of one outcome leaves its later bets and those on the others",
        ON,
        *bets("A", "B", "C"),
        bet("D", "1x2", "draw"),
        cancel(named(1, "2", "3"), end="D"),
        stands("1x2", rest="open", refunded=("B", "C")),
        HOME,
        stands("1x2", home="won", refunded=("B", "C")),
        roll_back_cancel(named(1, "3"), end="D"),
        stands("1x2", home="won", refunded=("B",)),
        roll_back_result(named(1, "1", "2")),
        stands("1x2", home="open", draw="open", away="lost", refunded=("B",)),
        results(result(1, o1="lost", o2="won", o3="lost")),
        stands("1x2", draw="won", refunded=("B",)),
    ),
    story(
        "an outcome that the market does not have voids nothing",
        ON,
        *bets("A", "B", "C"),
        cancel(named(1, "77"), refused="names no outcome"),
        cancel(named(1, "77", "1")),
        stands("1x2", rest="open", refunded=("A",)),
    ),
    story(
        "results of single outcomes that come before the odds leave the others to newer odds",
        mark("odds"),
        results(result(1, o1="won", o2="open")),
        odds(market(1, MATCH_WINNER), at="odds"),
        status("1x2", "SUSPENDED"),
        ON,
        offers("1x2", draw=3400, away=3600),
        bet("A", "1x2", "draw"),
        counts("settled in part", 1),
        results(result(1, o2="won", o3="lost")),
        stands("1x2", home="won", draw="won"),
    ),
)


@pytest.mark.parametrize("each", EACH, ids=lambda each: each.title)
def test_the_story_ends_as_it_says(each: Story) -> None:
    play(each)
