"""Exposure by brute force: every score settled on a machine of its own, every bound reached for."""

from itertools import islice, product
from random import Random

import numpy as np
import pytest
from msgspec.structs import replace

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
from engine.common.ids import parse_market_key
from engine.market.market import MarketMachine
from engine.pricing.football import exposure
from engine.pricing.football.axes import Scope
from engine.pricing.football.catalogue import full_board
from engine.pricing.football.exposure import Ending, FixtureExposure
from engine.pricing.football.market_types import market_rules, outcome_names, results
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from tests.engine.market.builders import AT_NS, WIDE, bet, do, place
from tests.engine.pricing.twins import score_grid

MODEL = MatchModel(home_rate=1.6, away_rate=1.2, dependence=-0.08)
BOARD = full_board("m1", model=MODEL, extra_time=True)
HALF_TIME = MatchState(period=Period.HALF_TIME, first_half=Score(home=1, away=0))
LATE = MatchState(
    period=Period.SECOND_HALF, first_half=Score(home=1, away=0), second_half=Score(home=1, away=2)
)
Cell = tuple[tuple[int, int], tuple[int, int]]
"""The score at the break and the final one."""


def rules(key: str):
    parsed = parse_market_key(key)
    return market_rules(parsed.type, parsed.specifiers)


ON_GRID = [
    key for key in BOARD if not rules(key).needs_order and rules(key).scope is not Scope.EXTRA_TIME
]
ORDERED = [key for key in BOARD if rules(key).needs_order and rules(key).scope is Scope.REGULAR]
assert {rules(key).scope for key in ON_GRID} == set(Scope) - {Scope.EXTRA_TIME}


def names(key: str) -> tuple[str, ...]:
    parsed = parse_market_key(key)
    return outcome_names(parsed.type, parsed.specifiers)


def opened(*keys: str, seed: int = 1) -> MarketMachine:
    """Return a machine with these markets open, number by number, at random odds."""
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
    for serial in range(after + 1, after + count + 1):
        image = random.choice(images)
        outcome = random.randrange(len(image.outcomes))
        ((reason, *_),) = place(
            machine,
            bet(
                serial,
                market=image.market_no,
                outcome=outcome,
                stake=random.randrange(1, 10_000),
                odds=image.odds_milli[outcome],
            ),
        )
        assert reason == 0


def images(machine: MarketMachine):
    return [machine.book_image(no) for no in machine.market_nos()]


def of(machine: MarketMachine) -> FixtureExposure:
    fresh = FixtureExposure("m1")
    fresh.update(images(machine))
    return fresh


def results_at(key: str, cell: Cell, order: str | None = None) -> tuple[OutcomeResult, ...]:
    """Settle a market by a score at the break and a final one."""
    (first_home, first_away), (home, away) = cell
    parsed = parse_market_key(key)
    scores = {
        Scope.FIRST_HALF: (first_home, first_away),
        Scope.SECOND_HALF: (home - first_home, away - first_away),
    }
    score = scores.get(rules(key).scope, (home, away))
    first = (first_home, first_away)
    return results(parsed.type, parsed.specifiers, score, first_half=first, order=order)


def settled_profit(machine: MarketMachine, cell: Cell) -> tuple[int, int]:
    """Settle every market of a copy by a score; return the profit and how many bets were halved."""
    copy = MarketMachine.load(machine.dump())
    profit = halved = 0
    bets = machine.bets()
    for image in images(machine):
        number, key = image.prices.market_no, image.prices.key
        ended = results_at(key, cell)
        event = copy.apply(SettleMarket(market_no=number, results=ended), AT_NS)
        assert isinstance(event, MarketSettled)
        profit += image.stake_taken_minor - event.payout_minor
        of_market = bets["outcome"][bets["market_no"] == number].tolist()
        halved += sum(ended[outcome].void_halves == 1 for outcome in of_market)
    return profit, halved


def random_cells(random: Random, count: int) -> list[Cell]:
    cells = []
    for _ in range(count):
        first = (min(int(random.expovariate(0.7)), 15), min(int(random.expovariate(0.7)), 15))
        more = (min(int(random.expovariate(0.6)), 15), min(int(random.expovariate(0.6)), 15))
        cells.append((first, (first[0] + more[0], first[1] + more[1])))
    return cells


def at_cell(fixture: FixtureExposure, cell: Cell) -> int:
    """Return the profit that an exposure has for one way to end: all else is ruled out."""
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
def test_the_profit_of_a_score_is_that_of_settling_every_bet_by_it(seed):
    random = Random(seed)
    machine = opened(*random.sample(ON_GRID, 24), seed=seed)
    bet_at_random(machine, 200, seed=seed)
    fixture = of(machine)
    assert fixture.off_grid() == ()
    profits = fixture.profits()
    extremes = [(one.first_half, one.final) for one in (profits.worst, profits.best)]
    told = [at_cell(fixture, cell) for cell in extremes]
    assert told == [profits.worst.profit_minor, profits.best.profit_minor]
    for cell in [*extremes, *random_cells(random, 12)]:
        profit, halved = settled_profit(machine, cell)
        assert 0 <= profit - at_cell(fixture, cell) <= (halved + 1) // 2
        assert profits.worst.profit_minor <= at_cell(fixture, cell) <= profits.best.profit_minor


@pytest.mark.parametrize("seed", range(3))
def test_markets_without_halves_are_exact_to_the_minor_unit(seed):
    whole = ("1x2", "double_chance", "correct_score", "total?total=2.5", "handicap?hcp=-1",
             "half_time_full_time", "second_half_1x2", "both_teams_to_score")  # fmt: skip
    machine = opened(*(f"m1/{name}" for name in whole), seed=seed)
    bet_at_random(machine, 100, seed=seed)
    fixture = of(machine)
    for cell in random_cells(Random(seed), 20):
        assert settled_profit(machine, cell) == (at_cell(fixture, cell), 0)


def twice_by_hand(machine: MarketMachine, cell: Cell) -> int:
    """Add up twice the profit of one score outcome by outcome."""
    twice = 0
    for image in images(machine):
        ended = results_at(image.prices.key, cell)
        for result, stake, payout in zip(ended, image.stake_minor, image.payout_minor, strict=True):
            won = payout * (2 - result.void_halves) if result.won else 0
            twice += 2 * stake - won - stake * result.void_halves
    return twice


@pytest.mark.parametrize("state", [LATE, HALF_TIME], ids=["late", "half-time"])
def test_every_score_that_is_left_is_laid_out_and_the_extremes_are_among_them(state):
    machine = opened(*Random(5).sample(ON_GRID, 16), seed=5)
    bet_at_random(machine, 120, seed=5)
    profits = of(machine).profits(state)
    home, away = state.score(Scope.REGULAR)
    first = (state.first_half.home, state.first_half.away)
    by_hand = {
        (i, j): twice_by_hand(machine, (first, (i, j)))
        for i in range(home, first[0] + 16)
        for j in range(away, first[1] + 16)
    }
    assert profits.lowest == (home, away)
    assert profits.least_minor.shape == (first[0] + 16 - home, first[1] + 16 - away)
    for (i, j), twice in by_hand.items():
        assert profits.least_minor[i - home, j - away] == twice // 2
    for ending, pick in ((profits.worst, min), (profits.best, max)):
        twice = pick(by_hand.values())
        reached = [score for score, profit in by_hand.items() if profit == twice]
        assert ending.profit_minor == twice // 2
        assert ending.final == min(reached, key=lambda score: (sum(score), score[0]))
        assert ending.first_half == first


def test_a_final_score_has_the_least_profit_of_the_ways_to_it():
    machine = opened("m1/1x2", "m1/first_half_1x2", "m1/half_time_full_time")
    bet_at_random(machine, 60)
    fixture = of(machine)
    least = fixture.profits().least_minor
    for home, away in product(range(4), range(4)):
        ways = product(range(home + 1), range(away + 1))
        profits = [at_cell(fixture, (first, (home, away))) for first in ways]
        assert least[home, away] == min(profits)


def test_a_stake_on_the_home_side_is_won_by_all_other_scores():
    machine = opened("m1/1x2")
    odds = machine.price_image(1).odds_milli[0]
    place(machine, bet(1, stake=1_000, odds=odds))
    profits = of(machine).profits()
    assert profits.worst == Ending((0, 0), (1, 0), 1_000 - odds)
    assert profits.best == Ending((0, 0), (0, 0), 1_000)
    assert profits.least_minor[2, 2] == 1_000


def test_a_quarter_line_is_half_won_and_half_refunded():
    machine = opened("m1/handicap?hcp=-0.75")
    odds = machine.price_image(1).odds_milli[0]
    place(machine, bet(1, stake=1_001, odds=odds))
    back = 1_001 * odds // 1_000
    least = of(machine).profits().least_minor
    assert least[2, 0] == 1_001 - back
    assert least[1, 0] == (2 * 1_001 - back - 1_001) // 2
    assert least[0, 0] == 1_001


def test_scores_that_can_no_longer_happen_are_not_counted_as_worst():
    machine = opened("m1/correct_score")
    prices = machine.price_image(1)
    outcome = prices.outcomes.index("0:0")
    place(machine, bet(1, outcome=outcome, stake=1_000, odds=prices.odds_milli[outcome]))
    fixture = of(machine)
    assert fixture.profits().worst.final == (0, 0)
    assert fixture.profits().worst.profit_minor < 0
    led = MatchState(period=Period.FIRST_HALF, first_half=Score(home=1))
    assert fixture.profits(led).worst == Ending((1, 0), (1, 0), 1_000)


# --- keeping up ----------------------------------------------------------------------------------


def test_what_is_kept_up_bet_by_bet_is_what_a_rebuild_has():
    machine = opened(*Random(2).sample(ON_GRID, 12), seed=2)
    kept = of(machine)
    for serial in range(40):
        bet_at_random(machine, 1, seed=serial, after=serial)
        assert kept.update(images(machine)) == 1
        assert kept.update(images(machine)) == 0
        fresh = of(machine).profits()
        profits = kept.profits()
        assert np.array_equal(profits.least_minor, fresh.least_minor)
        assert profits[2:] == fresh[2:]
    assert kept.stake_minor == sum(image.stake_taken_minor for image in images(machine))


def test_an_empty_fixture_makes_nothing_anywhere():
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
def test_a_market_that_is_decided_leaves_the_exposure(decide: MarketCommand):
    machine = opened("m1/1x2", "m1/total?total=2.5")
    bet_at_random(machine, 30)
    fixture = of(machine)
    do(machine, decide)
    fixture.update(images(machine))
    without = FixtureExposure("m1")
    without.update(images(machine)[1:])
    assert np.array_equal(fixture.profits().least_minor, without.profits().least_minor)
    assert (fixture.markets, fixture.decided, fixture.off_grid()) == (1, 1, ())


def test_what_is_rolled_back_counts_again():
    machine = opened("m1/1x2", "m1/total?total=2.5")
    bet_at_random(machine, 30)
    fixture = of(machine)
    before = fixture.profits().least_minor
    do(machine, SettleMarket(market_no=1, results=results_at("m1/1x2", ((0, 0), (1, 0)))))
    fixture.update(images(machine))
    do(machine, RollBackSettlement(market_no=1), CancelBets(market_no=2))
    fixture.update(images(machine))
    assert [(one.market_no, one.why) for one in fixture.off_grid()] == [(2, "refunds")]
    do(machine, RollBackCancel(market_no=2))
    assert fixture.update(images(machine)) == 2
    assert (fixture.markets, fixture.decided, fixture.off_grid()) == (2, 0, ())
    assert np.array_equal(fixture.profits().least_minor, before)


# --- off the grid --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_market_on_who_scores_never_loses_more_than_its_bound(seed):
    machine = opened(*ORDERED, seed=seed)
    bet_at_random(machine, 60, seed=seed)
    fixture = of(machine)
    assert (fixture.markets, fixture.stake_minor) == (0, 0)
    listed = {one.key: one for one in fixture.off_grid()}
    books = {image.prices.key: image for image in images(machine)}
    reached = dict.fromkeys(listed, 0)
    for order in ("", "h", "a", "hh", "ha", "ah", "aa"):
        cell = ((0, 0), (order.count("h"), order.count("a")))
        for key, one in listed.items():
            assert one.why == "order"
            image, ended = books[key], results_at(key, cell, order)
            back = sum(
                payout for result, payout in zip(ended, image.payout_minor, strict=True)
                if result.won
            )  # fmt: skip
            reached[key] = min(reached[key], image.stake_taken_minor - back)
    assert {key: one.worst_minor for key, one in listed.items()} == reached
    assert fixture.off_grid_worst_minor == sum(reached.values())


def test_a_market_off_the_grid_is_listed_once_it_has_a_bet():
    machine = opened("m1/last_goal", "m1/extra_time_1x2", "m1/custom")
    fixture = of(machine)
    assert (fixture.off_grid(), fixture.off_grid_worst_minor) == ((), 0)
    place(machine, bet(1, market=3, odds=machine.price_image(3).odds_milli[0]))
    fixture.update(images(machine))
    assert [one.market_no for one in fixture.off_grid()] == [3]


def test_extra_time_stands_off_the_grid_as_it_may_not_be_played():
    machine = opened("m1/extra_time_1x2")
    odds = machine.price_image(1).odds_milli
    for outcome in range(3):
        place(machine, bet(1 + outcome, outcome=outcome, odds=odds[outcome], stake=1_000))
    (one,) = of(machine).off_grid()
    assert (one.market_no, one.key, one.why) == (1, "m1/extra_time_1x2", "extra_time")
    assert one.worst_minor == min(0, 3_000 - max(odds))


@pytest.mark.parametrize("key", ["m1/custom", "m1/custom?player=9"])
def test_of_a_market_without_rules_every_outcome_may_win(key):
    machine = opened(key)
    bet_at_random(machine, 20)
    (one,) = of(machine).off_grid()
    (image,) = images(machine)
    assert one.why == "unknown"
    assert one.worst_minor == image.stake_taken_minor - sum(image.payout_minor)


def test_a_football_type_with_other_outcomes_is_not_taken_for_it():
    machine = MarketMachine()
    create = CreateMarket(
        market_no=1, key="m1/1x2", outcomes=("1", "X", "2"), odds_milli=(2_000,) * 3, limits=WIDE
    )
    do(machine, create, OpenMarket(market_no=1))
    place(machine, bet(1, odds=2_000, stake=500))
    fixture = of(machine)
    assert [(one.why, one.worst_minor) for one in fixture.off_grid()] == [("unknown", -500)]
    assert fixture.profits().worst.profit_minor == 0


@pytest.mark.parametrize("seed", range(3))
def test_whichever_bets_were_refunded_an_open_market_loses_no_more_than_its_bound(seed):
    """With a window of bets cancelled, a market's sums hold bets that stand refunded."""
    random = Random(seed)
    machine = opened("m1/handicap?hcp=-0.75", seed=seed)
    bet_at_random(machine, 12, seed=seed)
    (image,) = images(machine)
    fixture = FixtureExposure("m1")
    fixture.update([replace(image, windows=1)])
    (one,) = fixture.off_grid()
    assert (one.why, fixture.markets) == ("refunds", 0)
    bets = machine.bets()
    lowest = 0
    for cell in islice((((0, 0), (i, j)) for i in range(4) for j in range(4)), 16):
        ended = results_at(image.prices.key, cell)
        lost = []
        for outcome, stake, odds in bets[["outcome", "stake_minor", "odds_milli"]].tolist():
            result = ended[outcome]
            won = (stake * odds // 1_000) * (2 - result.void_halves) if result.won else 0
            lost.append(2 * stake - won - stake * result.void_halves)
        live = [profit for profit in lost if random.random() < 0.5]
        assert sum(live) // 2 >= one.worst_minor
        lowest = min(lowest, sum(profit for profit in lost if profit < 0) // 2)
    assert one.worst_minor == lowest
    fixture.update([image])
    assert fixture.off_grid() == ()


def test_a_full_grid_leaves_later_markets_to_stand_by_themselves(monkeypatch):
    monkeypatch.setattr(exposure, "GRID_MARKETS_MAX", 1)
    machine = opened("m1/1x2", "m1/total?total=2.5")
    bet_at_random(machine, 20)
    fixture = of(machine)
    (one,) = fixture.off_grid()
    (image,) = images(machine)[1:]
    assert (one.market_no, one.why, fixture.markets) == (2, "room", 1)
    assert one.worst_minor == min(0, image.stake_taken_minor - max(image.payout_minor))


# --- expected ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [MatchState(), LATE], ids=["before kick-off", "late"])
def test_the_expected_profit_is_that_of_all_scores_weighed_by_their_chance(state):
    keys = [key for key in ON_GRID if rules(key).scope is Scope.REGULAR]
    machine = opened(*Random(7).sample(keys, 20), seed=7)
    bet_at_random(machine, 150, seed=7)
    weighed = 0.0
    for (home, away), chance in score_grid(MODEL, state, Scope.REGULAR, 14).items():
        if chance > 1e-12:
            weighed += chance * twice_by_hand(machine, ((0, 0), (home, away))) / 2
    expected = of(machine).expected_minor(MODEL, state)
    assert expected is not None
    assert 0.0 <= weighed + 1e-3 - expected < 1.1


@pytest.mark.parametrize("scope", [Scope.FIRST_HALF, Scope.SECOND_HALF])
def test_the_expected_profit_of_a_half_is_weighed_by_its_own_scores(scope):
    machine = opened(*[key for key in ON_GRID if rules(key).scope is scope][:12], seed=8)
    bet_at_random(machine, 80, seed=8)
    weighed = 0.0
    for (home, away), chance in score_grid(MODEL, MatchState(), scope, 12).items():
        first = (home, away) if scope is Scope.FIRST_HALF else (0, 0)
        weighed += chance * twice_by_hand(machine, (first, (home, away))) / 2
    expected = of(machine).expected_minor(MODEL, MatchState())
    assert expected is not None
    assert 0.0 <= weighed + 1e-3 - expected < 1.1


def test_a_score_that_the_model_rules_out_has_no_expectation():
    machine = opened("m1/1x2")
    bet_at_random(machine, 5)
    nothing = MatchModel(home_rate=0.0, away_rate=0.0)
    assert of(machine).expected_minor(nothing, MatchState()) is not None
    ruled_out = MatchModel(home_rate=5.0, away_rate=0.2, dependence=-0.2)
    over = MatchState(period=Period.FULL_TIME, first_half=Score(home=0, away=1))
    assert of(machine).expected_minor(ruled_out, over) is None
