"""Exposure by brute force: every score settled by its plain meaning, every bound reached."""

from itertools import product
from random import Random

import numpy as np
import pytest

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CreateMarket,
    MarketCommand,
    OpenMarket,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.events import MarketSettled
from engine.common.rows import Policy
from engine.common.views import StakesImage
from engine.market.market import MarketMachine
from engine.pricing.football import exposure
from engine.pricing.football.axes import Scope
from engine.pricing.football.catalogue import full_board
from engine.pricing.football.exposure import Ending, FixtureExposure
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from tests.engine.market.builders import AT_NS, WIDE, bet, bet_rows, do, place
from tests.engine.pricing.football.model_twin import score_grid
from tests.engine.pricing.football.settlement_twin import (
    Match,
    needs_order,
    scope_of,
    settle_key,
)

MODEL = MatchModel(home_rate=1.6, away_rate=1.2, dependence=-0.08)
BOARD = full_board("m1", model=MODEL, extra_time=True)
HALF_TIME = MatchState(period=Period.HALF_TIME, first_half=Score(home=1, away=0))
LATE = MatchState(
    period=Period.SECOND_HALF, first_half=Score(home=1, away=0), second_half=Score(home=1, away=2)
)
Cell = tuple[tuple[int, int], tuple[int, int]]
"""The half-time score and the final score."""


ON_GRID = [key for key in BOARD if not needs_order(key) and scope_of(key) is not Scope.EXTRA_TIME]
ORDERED = [key for key in BOARD if needs_order(key) and scope_of(key) is Scope.REGULAR]
assert {scope_of(key) for key in ON_GRID} == set(Scope) - {Scope.EXTRA_TIME}


def names(key: str) -> tuple[str, ...]:
    """Return a market's outcomes."""
    return tuple(settle_key(key, Match((0, 0))))


def opened(*keys: str, seed: int = 1) -> MarketMachine:
    """Return a machine with these markets open at random odds, numbered from 1."""
    random = Random(seed)
    machine = MarketMachine()
    for number, key in enumerate(keys, 1):
        outcomes = names(key) if "custom" not in key else ("a", "b", "c")
        odds = tuple(random.randrange(1_010, 9_000) for _ in outcomes)
        create = CreateMarket(
            market_no=number, key=key, outcomes=outcomes, odds_milli=odds, limits=WIDE
        )
        do(machine, create, OpenMarket(market_no=number))
    return machine


def bet_at_random(machine: MarketMachine, count: int, *, seed: int = 1, after: int = 0) -> None:
    """Place bets, each accepted at the odds of its outcome."""
    random = Random(seed)
    images = [machine.price_image(no) for no in machine.market_nos()]
    for number in range(after + 1, after + count + 1):
        image = random.choice(images)
        outcome = random.randrange(len(image.outcomes))
        ((reason, *_),) = place(
            machine,
            bet(
                number,
                market=image.market_no,
                outcome=outcome,
                stake=random.randrange(1, 10_000),
                odds=image.odds_milli[outcome],
            ),
        )
        assert reason == 0


def images(machine: MarketMachine) -> list[StakesImage]:
    """Return what is staked in a machine's markets."""
    return [machine.stakes_image(no) for no in machine.market_nos()]


def exposure_of(machine: MarketMachine) -> FixtureExposure:
    """Return a new exposure of a machine's books."""
    fixture = FixtureExposure("m1")
    fixture.update(images(machine))
    return fixture


def results_at(key: str, cell: Cell, order: str = "") -> tuple[OutcomeResult, ...]:
    """Settle a market by a half-time score and a final score."""
    (first_home, first_away), (home, away) = cell
    match = Match((first_home, first_away), (home - first_home, away - first_away), order=order)
    return tuple(settle_key(key, match).values())


def settled_profit(machine: MarketMachine, cell: Cell) -> tuple[int, int]:
    """Settle every market by a score; return the profit and the number of half results."""
    copy = MarketMachine.load(machine.dump())
    profit = half_results = 0
    bets = machine.bets()
    for image in images(machine):
        number, key = image.market_no, image.key
        ended = results_at(key, cell)
        event = copy.apply(SettleMarket(market_no=number, results=ended), AT_NS)
        assert isinstance(event, MarketSettled)
        profit += image.stake_taken_minor - event.payouts_check
        of_market = bets["outcome"][bets["market_no"] == number].tolist()
        half_results += sum(ended[outcome].void_halves == 1 for outcome in of_market)
    return profit, half_results


def random_cells(random: Random, count: int) -> list[Cell]:
    """Return random half-time and final scores, low ones more often."""
    cells = []
    for _ in range(count):
        first = (min(int(random.expovariate(0.7)), 15), min(int(random.expovariate(0.7)), 15))
        second = (min(int(random.expovariate(0.6)), 15), min(int(random.expovariate(0.6)), 15))
        cells.append((first, (first[0] + second[0], first[1] + second[1])))
    return cells


def profit_at(fixture: FixtureExposure, cell: Cell) -> int:
    """Return an exposure's profit at one cell: the state is that of a match that ended there."""
    (first_home, first_away), (home, away) = cell
    over = MatchState(
        period=Period.FULL_TIME,
        first_half=Score(home=first_home, away=first_away),
        second_half=Score(home=home - first_home, away=away - first_away),
    )
    profits = fixture.profits(over)
    assert profits.worst == profits.best == Ending(*cell, profits.worst.profit_minor)
    assert profits.least_minor.tolist() == [[profits.worst.profit_minor]]
    return profits.worst.profit_minor


@pytest.mark.parametrize("seed", range(8))
def test_the_profit_at_a_score_is_that_of_settling_every_bet_by_it(seed):
    random = Random(seed)
    machine = opened(*random.sample(ON_GRID, 24), seed=seed)
    bet_at_random(machine, 200, seed=seed)
    fixture = exposure_of(machine)
    assert fixture.off_grid() == ()
    profits = fixture.profits()
    extremes = [(one.first_half, one.final) for one in (profits.worst, profits.best)]
    at_extremes = [profit_at(fixture, cell) for cell in extremes]
    assert at_extremes == [profits.worst.profit_minor, profits.best.profit_minor]
    for cell in [*extremes, *random_cells(random, 12)]:
        profit, half_results = settled_profit(machine, cell)
        assert 0 <= profit - profit_at(fixture, cell) <= (half_results + 1) // 2
        assert profits.worst.profit_minor <= profit_at(fixture, cell) <= profits.best.profit_minor


@pytest.mark.parametrize("seed", range(3))
def test_markets_without_half_results_are_exact_to_the_minor_unit(seed):
    no_half_results = (
        "1x2", "double_chance", "correct_score", "total?total=2.5", "handicap?hcp=-1",
        "half_time_full_time", "second_half_1x2", "both_teams_to_score",
    )  # fmt: skip
    machine = opened(*(f"m1/{name}" for name in no_half_results), seed=seed)
    bet_at_random(machine, 100, seed=seed)
    fixture = exposure_of(machine)
    for cell in random_cells(Random(seed), 20):
        assert settled_profit(machine, cell) == (profit_at(fixture, cell), 0)


def twice_profit(machine: MarketMachine, cell: Cell) -> int:
    """Return twice the profit at one score, summed outcome by outcome."""
    twice = 0
    for image in images(machine):
        ended = results_at(image.key, cell)
        for result, stake, payout in zip(ended, image.stake_minor, image.payout_minor, strict=True):
            won = payout * (2 - result.void_halves) if result.won else 0
            twice += 2 * stake - won - stake * result.void_halves
    return twice


@pytest.mark.parametrize("state", [LATE, HALF_TIME], ids=["late", "half-time"])
def test_every_reachable_score_has_its_profit_and_the_extremes_are_among_them(state):
    machine = opened(*Random(5).sample(ON_GRID, 16), seed=5)
    bet_at_random(machine, 120, seed=5)
    profits = exposure_of(machine).profits(state)
    home, away = state.score(Scope.REGULAR)
    first = (state.first_half.home, state.first_half.away)
    by_score = {
        (i, j): twice_profit(machine, (first, (i, j)))
        for i in range(home, first[0] + 16)
        for j in range(away, first[1] + 16)
    }
    assert profits.lowest == (home, away)
    assert profits.least_minor.shape == (first[0] + 16 - home, first[1] + 16 - away)
    for (i, j), twice in by_score.items():
        assert profits.least_minor[i - home, j - away] == twice // 2
    for ending, pick in ((profits.worst, min), (profits.best, max)):
        twice = pick(by_score.values())
        reached = [score for score, profit in by_score.items() if profit == twice]
        assert ending.profit_minor == twice // 2
        assert ending.final == min(reached, key=lambda score: (sum(score), score[0]))
        assert ending.first_half == first


def test_a_final_score_has_the_least_profit_of_its_half_time_scores():
    machine = opened("m1/1x2", "m1/first_half_1x2", "m1/half_time_full_time")
    bet_at_random(machine, 60)
    fixture = exposure_of(machine)
    least = fixture.profits().least_minor
    for home, away in product(range(4), range(4)):
        half_times = product(range(home + 1), range(away + 1))
        profits = [profit_at(fixture, (first, (home, away))) for first in half_times]
        assert least[home, away] == min(profits)


def test_a_stake_on_home_is_kept_at_every_score_without_a_home_win():
    machine = opened("m1/1x2")
    odds = machine.price_image(1).odds_milli[0]
    place(machine, bet(1, stake=1_000, odds=odds))
    profits = exposure_of(machine).profits()
    assert profits.worst == Ending((0, 0), (1, 0), 1_000 - odds)
    assert profits.best == Ending((0, 0), (0, 0), 1_000)
    assert profits.least_minor[2, 2] == 1_000


def test_a_quarter_line_is_half_won_and_half_refunded():
    machine = opened("m1/handicap?hcp=-0.75")
    odds = machine.price_image(1).odds_milli[0]
    place(machine, bet(1, stake=1_001, odds=odds))
    payout = 1_001 * odds // 1_000
    least = exposure_of(machine).profits().least_minor
    assert least[2, 0] == 1_001 - payout
    assert least[1, 0] == (2 * 1_001 - payout - 1_001) // 2
    assert least[0, 0] == 1_001


def test_a_score_that_is_no_longer_reachable_is_not_the_worst():
    machine = opened("m1/correct_score")
    prices = machine.price_image(1)
    outcome = prices.outcomes.index("0:0")
    place(machine, bet(1, outcome=outcome, stake=1_000, odds=prices.odds_milli[outcome]))
    fixture = exposure_of(machine)
    assert fixture.profits().worst.final == (0, 0)
    assert fixture.profits().worst.profit_minor < 0
    leading = MatchState(period=Period.FIRST_HALF, first_half=Score(home=1))
    assert fixture.profits(leading).worst == Ending((1, 0), (1, 0), 1_000)


# --- updates -------------------------------------------------------------------------------------


def test_an_exposure_updated_bet_by_bet_equals_a_new_one():
    machine = opened(*Random(2).sample(ON_GRID, 12), seed=2)
    updated = exposure_of(machine)
    for count in range(40):
        bet_at_random(machine, 1, seed=count, after=count)
        assert updated.update(images(machine)) == 1
        assert updated.update(images(machine)) == 0
        rebuilt = exposure_of(machine).profits()
        profits = updated.profits()
        assert np.array_equal(profits.least_minor, rebuilt.least_minor)
        assert profits[2:] == rebuilt[2:]
    assert updated.stake_minor == sum(image.stake_taken_minor for image in images(machine))


def test_a_fixture_without_markets_has_no_profit_at_any_score():
    fixture = FixtureExposure("m1")
    profits = fixture.profits()
    assert profits.worst == profits.best == Ending((0, 0), (0, 0), 0)
    assert not profits.least_minor.any()
    assert fixture.expected_minor(MODEL, MatchState()) == 0
    assert (fixture.off_grid_worst_minor, fixture.markets, fixture.decided) == (0, 0, 0)


@pytest.mark.parametrize(
    "decide",
    [
        SettleMarket(market_no=1, results=results_at("m1/1x2", ((0, 0), (1, 0)))),
        CancelMarket(market_no=1),
    ],
    ids=["settled", "cancelled"],
)
def test_a_decided_market_leaves_the_exposure(decide: MarketCommand):
    machine = opened("m1/1x2", "m1/total?total=2.5")
    bet_at_random(machine, 30)
    fixture = exposure_of(machine)
    do(machine, decide)
    fixture.update(images(machine))
    without = FixtureExposure("m1")
    without.update(images(machine)[1:])
    assert np.array_equal(fixture.profits().least_minor, without.profits().least_minor)
    assert (fixture.markets, fixture.decided, fixture.off_grid()) == (1, 1, ())


def test_a_market_counts_again_after_a_rollback():
    machine = opened("m1/1x2", "m1/total?total=2.5")
    bet_at_random(machine, 30)
    fixture = exposure_of(machine)
    before = fixture.profits().least_minor
    do(machine, SettleMarket(market_no=1, results=results_at("m1/1x2", ((0, 0), (1, 0)))))
    fixture.update(images(machine))
    do(machine, RollBackSettlement(market_no=1), CancelBets(market_no=2))
    fixture.update(images(machine))
    assert (fixture.markets, fixture.decided, fixture.off_grid()) == (2, 0, ())
    alone = FixtureExposure("m1")
    alone.update(images(machine)[:1])
    assert np.array_equal(fixture.profits().least_minor, alone.profits().least_minor)
    do(machine, RollBackCancel(market_no=2))
    assert fixture.update(images(machine)) == 2
    assert (fixture.markets, fixture.decided, fixture.off_grid()) == (2, 0, ())
    assert np.array_equal(fixture.profits().least_minor, before)


# --- off the grid --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_market_on_the_order_of_goals_loses_at_most_its_bound_and_reaches_it(seed):
    machine = opened(*ORDERED, seed=seed)
    bet_at_random(machine, 60, seed=seed)
    fixture = exposure_of(machine)
    assert (fixture.markets, fixture.stake_minor) == (0, 0)
    off_grid = {one.key: one for one in fixture.off_grid()}
    books = {image.key: image for image in images(machine)}
    reached = dict.fromkeys(off_grid, 0)
    for order in ("", "h", "a", "hh", "ha", "ah", "aa"):
        cell = ((0, 0), (order.count("h"), order.count("a")))
        for key, one in off_grid.items():
            assert one.why == "order"
            image, ended = books[key], results_at(key, cell, order)
            payout = sum(
                minor for result, minor in zip(ended, image.payout_minor, strict=True)
                if result.won
            )  # fmt: skip
            reached[key] = min(reached[key], image.stake_taken_minor - payout)
    assert {key: one.worst_minor for key, one in off_grid.items()} == reached
    assert fixture.off_grid_worst_minor == sum(reached.values())


def test_a_market_off_the_grid_is_listed_when_it_has_a_bet():
    machine = opened("m1/last_goal", "m1/extra_time_1x2", "m1/custom")
    fixture = exposure_of(machine)
    assert (fixture.off_grid(), fixture.off_grid_worst_minor) == ((), 0)
    place(machine, bet(1, market=3, odds=machine.price_image(3).odds_milli[0]))
    fixture.update(images(machine))
    assert [one.market_no for one in fixture.off_grid()] == [3]


def test_an_extra_time_market_is_off_the_grid():
    machine = opened("m1/extra_time_1x2")
    odds = machine.price_image(1).odds_milli
    for outcome in range(3):
        place(machine, bet(1 + outcome, outcome=outcome, odds=odds[outcome], stake=1_000))
    (one,) = exposure_of(machine).off_grid()
    assert (one.market_no, one.key, one.why) == (1, "m1/extra_time_1x2", "extra_time")
    assert one.worst_minor == min(0, 3_000 - max(odds))


@pytest.mark.parametrize("key", ["m1/custom", "m1/custom?player=9"])
def test_every_outcome_of_a_market_without_rules_may_win_at_once(key):
    machine = opened(key)
    bet_at_random(machine, 20)
    (one,) = exposure_of(machine).off_grid()
    (image,) = images(machine)
    assert one.why == "unknown"
    assert one.worst_minor == image.stake_taken_minor - sum(image.payout_minor)


def test_a_market_of_a_football_type_with_other_outcomes_is_unknown():
    machine = MarketMachine()
    create = CreateMarket(
        market_no=1, key="m1/1x2", outcomes=("1", "X", "2"), odds_milli=(2_000,) * 3, limits=WIDE
    )
    do(machine, create, OpenMarket(market_no=1))
    place(machine, bet(1, odds=2_000, stake=500))
    fixture = exposure_of(machine)
    assert [(one.why, one.worst_minor) for one in fixture.off_grid()] == [("unknown", -500)]
    assert fixture.profits().worst.profit_minor == 0


def test_a_market_with_a_cancelled_window_counts_with_its_other_bets_only():
    keys = ("m1/1x2", "m1/handicap?hcp=-0.75")
    machine = opened(*keys)
    bet_at_random(machine, 40)
    fixture = exposure_of(machine)
    before = fixture.profits().least_minor
    late = AT_NS + 1
    rows = bet_rows([bet(1_000 + at, stake=70, market=2, policy=Policy.ANY) for at in range(9)])
    assert not machine.place(rows, late)["reason"].any()
    fixture.update(images(machine))
    assert not np.array_equal(fixture.profits().least_minor, before)
    do(machine, CancelBets(market_no=2, from_ns=late))
    fixture.update(images(machine))
    assert (fixture.markets, fixture.off_grid()) == (2, ())
    assert np.array_equal(fixture.profits().least_minor, before)


def test_a_market_after_a_full_grid_is_off_the_grid(monkeypatch):
    monkeypatch.setattr(exposure, "GRID_MARKETS_MAX", 1)
    machine = opened("m1/1x2", "m1/total?total=2.5")
    bet_at_random(machine, 20)
    fixture = exposure_of(machine)
    (one,) = fixture.off_grid()
    (image,) = images(machine)[1:]
    assert (one.market_no, one.why, fixture.markets) == (2, "room", 1)
    assert one.worst_minor == min(0, image.stake_taken_minor - max(image.payout_minor))


# --- expected profit -----------------------------------------------------------------------------


@pytest.mark.parametrize("state", [MatchState(), LATE], ids=["before kick-off", "late"])
def test_the_expected_profit_is_the_mean_over_all_scores(state):
    keys = [key for key in ON_GRID if scope_of(key) is Scope.REGULAR]
    machine = opened(*Random(7).sample(keys, 20), seed=7)
    bet_at_random(machine, 150, seed=7)
    mean = 0.0
    for (home, away), chance in score_grid(MODEL, state, Scope.REGULAR, 14).items():
        if chance > 1e-12:
            mean += chance * twice_profit(machine, ((0, 0), (home, away))) / 2
    expected = exposure_of(machine).expected_minor(MODEL, state)
    assert expected is not None
    assert 0.0 <= mean + 1e-3 - expected < 1.1


@pytest.mark.parametrize("scope", [Scope.FIRST_HALF, Scope.SECOND_HALF])
def test_the_expected_profit_of_a_halfs_markets_is_the_mean_over_its_scores(scope):
    machine = opened(*[key for key in ON_GRID if scope_of(key) is scope][:12], seed=8)
    bet_at_random(machine, 80, seed=8)
    mean = 0.0
    for (home, away), chance in score_grid(MODEL, MatchState(), scope, 12).items():
        first = (home, away) if scope is Scope.FIRST_HALF else (0, 0)
        mean += chance * twice_profit(machine, (first, (home, away))) / 2
    expected = exposure_of(machine).expected_minor(MODEL, MatchState())
    assert expected is not None
    assert 0.0 <= mean + 1e-3 - expected < 1.1


def test_a_score_of_chance_0_has_no_expected_profit():
    machine = opened("m1/1x2")
    bet_at_random(machine, 5)
    no_goals = MatchModel(home_rate=0.0, away_rate=0.0)
    assert exposure_of(machine).expected_minor(no_goals, MatchState()) is not None
    ruled_out = MatchModel(home_rate=5.0, away_rate=0.2, dependence=-0.2)
    over = MatchState(period=Period.FULL_TIME, first_half=Score(home=0, away=1))
    assert exposure_of(machine).expected_minor(ruled_out, over) is None
