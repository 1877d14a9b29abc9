"""Payoffs by score against the settlement of each score, and the cells that hold many scores."""

import numpy as np
import pytest
from msgspec import UNSET

from engine.common.payoff_codes import pack_codes, unpack_codes
from engine.common.payoffs import CELLS, Payoff, Payoffs
from engine.pricing.football.axes import Scope
from engine.pricing.football.builder.legs import parse_leg
from engine.pricing.football.builder.selection import selection
from engine.pricing.football.market_types import market_rules, results
from engine.pricing.football.score_payoffs import SIDE, score_payoffs

MARKETS = (
    "1x2", "double_chance", "draw_no_bet", "total?total=2.5", "total?total=2.25", "total?total=3",
    "both_teams_to_score", "correct_score", "handicap?hcp=-1.5", "handicap?hcp=0.25",
    "handicap?hcp=-1", "european_handicap?hcp=0:1", "home_total?total=1.5", "exact_goals",
    "odd_even", "first_half_1x2", "second_half_total?total=0.75",
)  # fmt: skip
SHEETS = {Scope.REGULAR: 0, Scope.FIRST_HALF: 1, Scope.SECOND_HALF: 2}


def rules_of(market: str):
    type_name, _, text = market.partition("?")
    specifiers = tuple(tuple(pair.split("=")) for pair in text.split("|")) if text else ()
    return type_name, specifiers, market_rules(type_name, specifiers)


def rank(result) -> int:
    """Return how much a result pays, from 0 to 4."""
    if result.void_halves == 2:
        return 2
    if result.void_halves == 1:
        return 3 if result.won else 1
    return 4 if result.won else 0


def cell_of(home: int, away: int) -> tuple[int, int]:
    """Take a goal from both sides, but not a side's only one, until neither has more than seven."""
    while max(home, away) > 7:
        home, away = (goals - 1 if goals > 1 else goals for goals in (home, away))
    return home, away


@pytest.mark.parametrize("market", MARKETS)
def test_a_cell_pays_the_most_that_a_settlement_of_its_scores_pays(market: str) -> None:
    type_name, specifiers, rules = rules_of(market)
    names = tuple(rule.name for rule in rules.outcomes)
    payoffs = score_payoffs(f"f/{market}", names)
    assert isinstance(payoffs, Payoffs)
    assert payoffs.sheet == SHEETS[rules.scope]
    most = np.zeros((len(names), SIDE, SIDE), np.uint8)
    for home in range(16):
        for away in range(16):
            for at, result in enumerate(results(type_name, specifiers, (home, away))):
                cell = (at, *cell_of(home, away))
                most[cell] = max(most[cell], rank(result))
    assert unpack_codes(payoffs.codes).tolist() == most.reshape(len(names), CELLS).tolist()


def test_home_and_away_win_in_no_cell_together() -> None:
    names = tuple(rule.name for rule in rules_of("1x2")[2].outcomes)
    codes = unpack_codes(score_payoffs("f/1x2", names).codes)
    assert (codes == Payoff.WON).sum(axis=0).tolist() == [1] * CELLS


def test_a_builder_pays_at_the_scores_at_which_all_its_legs_can_be_won() -> None:
    key = selection("f", [parse_leg("1a"), parse_leg("29a")]).market_key
    payoffs = score_payoffs(key, ("yes",))
    (codes,) = unpack_codes(payoffs.codes).reshape(1, SIDE, SIDE)
    wanted = [[4 * (home > away > 0) for away in range(SIDE)] for home in range(SIDE)]
    assert payoffs.sheet == 0
    assert codes.tolist() == wanted


@pytest.mark.parametrize(
    ("key", "outcomes"),
    [
        ("f/half_time_full_time", ()),
        ("f/last_goal", ("home", "none", "away")),
        ("f/corners_total?total=9.5", ("over", "under")),
        ("f/1x2", ("1", "x", "2")),
        ("f/total?total=61.5", ("over", "under")),
        ("f/builder?legs=1a", ("yes",)),
        ("no key", ("home",)),
    ],
)
def test_other_markets_have_no_cells(key: str, outcomes: tuple[str, ...]) -> None:
    if not outcomes:
        outcomes = tuple(rule.name for rule in rules_of(key.partition("/")[2])[2].outcomes)
    assert score_payoffs(key, outcomes) is UNSET


def test_packed_codes_are_the_codes() -> None:
    codes = (np.arange(3 * CELLS) % 5).astype(np.uint8).reshape(3, CELLS)
    assert np.array_equal(unpack_codes(pack_codes(codes)), codes)
