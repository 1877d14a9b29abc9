"""The claims about skews in docs/pricing.md hold statistically, on few seeds."""

import numpy as np
import pytest

from engine.pricing.quoting import Margin, Quoted
from engine.pricing.skew import LinearSkew
from simulations.skewing import OUTCOMES, Crowd, Demand, Trial, compare, run_skew, skews, table

FEW = Trial(seeds=12, markets=10)


def quoted(crowd, *, book, first=1.0):
    """Return quotes of `book` times the fair probabilities, of the first `first` times more."""
    price = crowd.fair * book
    price[0] *= first
    odds = np.rint(1000.0 / price).astype(np.int64)
    return Quoted(odds, np.ones(len(odds), np.bool_), np.zeros(len(odds) // 3, np.int64))


@pytest.fixture(scope="module")
def few():
    return {row.skew: row for row in compare(FEW)}


def test_every_skew_halves_the_spread(few):
    for name in ("linear", "log-odds", "optimal"):
        assert few[name].spread_minor < 0.5 * few["none"].spread_minor
        assert few[name].low_minor > 0.5 * few["none"].low_minor
        assert few[name].imbalance < 0.6 * few["none"].imbalance
        assert few[name].worst_minor > 0.5 * few["none"].worst_minor


def test_a_skew_costs_profit_and_raises_the_certainty_equivalent(few):
    for name in ("linear", "log-odds", "optimal"):
        assert 0.0 < few[name].profit_minor < few["none"].profit_minor
        error = few[name].certain_error_minor + few["none"].certain_error_minor
        assert few[name].certain_minor > few["none"].certain_minor + 3.0 * error


def test_the_optimal_skew_has_the_highest_certainty_equivalent_within_error(few):
    best = few["optimal"]
    for name in ("none", "linear", "log-odds"):
        error = float(np.hypot(best.certain_error_minor, few[name].certain_error_minor))
        assert best.certain_minor > few[name].certain_minor - 2.0 * error
    assert best.unskewed == 0
    assert best.certain_minor > few["linear"].certain_minor


def test_a_skew_that_may_not_move_prices_equals_no_skew():
    small = Trial(seeds=2, markets=3, rounds=10)
    held = run_skew("held", LinearSkew(scale_minor=small.risk_minor, shift_milli_max=0), small)
    free = run_skew("held", None, small)
    assert held == free


def test_the_same_seeds_give_the_same_figures():
    small = Trial(seeds=2, markets=3, rounds=10)
    skew = skews(small)["optimal"]
    assert run_skew("x", skew, small) == run_skew("x", skew, small)
    other = Trial(seeds=2, markets=3, rounds=10, demand=Demand(tilt=0.0))
    assert run_skew("x", skew, small) != run_skew("x", skew, other)


def test_a_seed_gives_the_same_markets_whatever_was_quoted_before():
    one, same, other = (Crowd(FEW, seed=seed) for seed in (1, 1, 2))
    fair = one.fair.tolist()
    one.bets(quoted(one, book=1.03))
    assert fair == one.fair.tolist() == same.fair.tolist() != other.fair.tolist()


def test_a_seed_gives_the_same_bets_for_the_same_quotes():
    one, same, other = (Crowd(FEW, seed=seed) for seed in (1, 1, 2))
    quotes = quoted(one, book=1.03)
    bets = one.bets(quotes)
    assert np.array_equal(bets, same.bets(quotes))
    assert not np.array_equal(bets, other.bets(quotes))
    assert not np.array_equal(bets, one.bets(quotes)), "the next round draws other bets"


def test_a_crowd_bets_less_on_an_outcome_whose_odds_shorten():
    trial = Trial(markets=1, demand=Demand(bets_per_round=1_000.0, popularity_spread=0.0))
    counts = []
    for factor in (1.0, 1.05):
        crowd = Crowd(trial, seed=3)
        rows = crowd.bets(quoted(crowd, book=1.03, first=factor))
        counts.append(np.bincount(rows["outcome"], minlength=len(OUTCOMES)))
    assert counts[1][0] < 0.75 * counts[0][0]
    assert abs(int(counts[1][1]) - int(counts[0][1])) < 0.2 * counts[0][1]


def test_without_a_margin_there_is_no_profit():
    fair = Trial(seeds=12, margin=Margin(book_milli=1_000), rounds=10)
    row = run_skew("none", None, fair)
    assert abs(row.profit_minor) < 0.01 * row.turnover_minor


def test_the_table_has_a_row_for_each_skew(few):
    lines = table(list(few.values())).splitlines()
    assert len(lines) == 2 + len(few)
    assert {line.count("|") for line in lines} == {10}
