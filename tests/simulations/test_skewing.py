"""Leaning on the book pays: the statistical claims of the comparison, on few seeds."""

import numpy as np
import pytest

from engine.pricing.quoting import Margin, Quoted
from engine.pricing.skew import LinearSkew
from simulations.skewing import OUTCOMES, Crowd, Demand, Trial, compare, shade, skews, table

FEW = Trial(seeds=12, markets=10)


@pytest.fixture(scope="module")
def few():
    return {row.skew: row for row in compare(FEW)}


def test_every_lean_narrows_the_spread_to_half_at_most(few):
    for name in ("linear", "log-odds", "optimal"):
        assert few[name].spread_minor < 0.5 * few["none"].spread_minor
        assert few[name].low_minor > 0.5 * few["none"].low_minor
        assert few[name].imbalance < 0.6 * few["none"].imbalance
        assert few[name].worst_minor > 0.5 * few["none"].worst_minor


def test_a_lean_gives_profit_away_for_certainty(few):
    for name in ("linear", "log-odds", "optimal"):
        assert 0.0 < few[name].profit_minor < few["none"].profit_minor
        error = few[name].certain_error_minor + few["none"].certain_error_minor
        assert few[name].certain_minor > few["none"].certain_minor + 3.0 * error


def test_the_optimal_leans_objective_is_at_least_the_others_within_error(few):
    best = few["optimal"]
    for name in ("none", "linear", "log-odds"):
        error = float(np.hypot(best.certain_error_minor, few[name].certain_error_minor))
        assert best.certain_minor > few[name].certain_minor - 2.0 * error
    assert best.unleant == 0
    assert best.certain_minor > few["linear"].certain_minor


def test_a_lean_that_may_not_move_prices_is_no_lean():
    small = Trial(seeds=2, markets=3, rounds=10)
    held = shade("held", LinearSkew(scale_minor=small.risk_minor, shift_milli_max=0), small)
    free = shade("held", None, small)
    assert held == free


def test_the_same_seeds_give_the_same_figures():
    small = Trial(seeds=2, markets=3, rounds=10)
    skew = skews(small)["optimal"]
    assert shade("x", skew, small) == shade("x", skew, small)
    other = Trial(seeds=2, markets=3, rounds=10, demand=Demand(tilt=0.0))
    assert shade("x", skew, small) != shade("x", skew, other)


def test_a_crowd_is_the_same_whatever_it_is_quoted():
    one, same, other = (Crowd(FEW, seed=seed) for seed in (1, 1, 2))
    assert one.fair.tolist() == same.fair.tolist() != other.fair.tolist()


def test_a_crowd_bets_less_on_what_got_shorter():
    trial = Trial(markets=1, demand=Demand(bets_per_round=1_000.0, fans_spread=0.0))
    fair = Crowd(trial, seed=3).fair
    counts = []
    for factor in (1.0, 1.05):
        price = fair * (1.03, 1.03, 1.03)
        price[0] *= factor
        odds = np.rint(1000.0 / price).astype(np.int64)
        quoted = Quoted(odds, np.ones(3, np.bool_), np.zeros(1, np.int64))
        rows = Crowd(trial, seed=3).bets(quoted)
        counts.append(np.bincount(rows["outcome"], minlength=len(OUTCOMES)))
    assert counts[1][0] < 0.75 * counts[0][0]
    assert abs(int(counts[1][1]) - int(counts[0][1])) < 0.2 * counts[0][1]


def test_without_a_margin_to_win_there_is_no_profit():
    fair = Trial(seeds=12, margin=Margin(book_milli=1_000), rounds=10)
    row = shade("none", None, fair)
    assert abs(row.profit_minor) < 0.01 * row.turnover_minor


def test_the_table_has_a_row_for_each_lean(few):
    lines = table(list(few.values())).splitlines()
    assert len(lines) == 2 + len(few)
    assert {line.count("|") for line in lines} == {10}
