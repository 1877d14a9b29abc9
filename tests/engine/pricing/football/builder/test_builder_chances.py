"""Chances of bet builders: against the board, every course of goals, scores and simulation."""

from collections import Counter
from functools import cache
from math import exp
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.pricing.football.builder.cells import LEG_SETS
from engine.pricing.football.builder.compiled_builders import CompiledBuilders
from engine.pricing.football.builder.legs import BuilderError, Leg
from engine.pricing.football.builder.selection import canonical_legs
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.market_types import market_rules
from engine.pricing.football.model import (
    MEASURED_PROCESS,
    STATE_FACTOR_FIELDS,
    MatchModel,
    MatchState,
    Period,
    Score,
    pack_model,
    pack_state,
)
from tests.engine.pricing.football import process_twin
from tests.engine.pricing.football.builder import builder_twin
from tests.engine.pricing.football.builder.builder_twin import every_leg, legs_of
from tests.engine.pricing.football.model_twin import current_rates, dixon_coles, remaining_goals
from tests.engine.pricing.football.settlement_twin import Match
from tests.engine.pricing.football.strategies import BOARD, models, states
from tests.engine.pricing.football.test_goal_process import CASES, processes

EVERY = every_leg()
SINGLES = CompiledBuilders([(leg,) for leg in EVERY])
MODEL = MatchModel(home_rate=1.6, away_rate=1.3, dependence=-0.1)
PROCESS = replace(MODEL, **MEASURED_PROCESS, draw_factor=1.1, dead_time_s=48)
LEADING = MatchState(
    period=Period.SECOND_HALF, clock_s=3300, first_half=Score(home=1, away=1),
    second_half=Score(home=1), order="hah", away_red_cards=1,
)  # fmt: skip


def chances(builders: list[tuple[Leg, ...]], model: MatchModel, state: MatchState) -> np.ndarray:
    found = np.zeros(len(builders))
    CompiledBuilders(builders).price(pack_model(model), pack_state(state), found)
    return found


def chance(texts: tuple[str, ...], model: MatchModel, state: MatchState) -> float:
    return float(chances([legs_of(*texts)], model, state)[0])


# --- against the board ---------------------------------------------------------------------------


def assert_singles_are_the_boards(model: MatchModel, state: MatchState, within: float) -> None:
    found = np.zeros(len(EVERY))
    SINGLES.price(pack_model(model), pack_state(state), found)
    board = FixtureBoard(list(dict.fromkeys(key_of(leg) for leg in EVERY)))
    expected = board.chances(model, state)
    for leg, own in zip(EVERY, found.tolist(), strict=True):
        assert own == pytest.approx(expected[key_of(leg)][leg.outcome, 0], abs=within), str(leg)


@cache
def key_of(leg: Leg) -> str:
    return f"m/{str(leg).rpartition(' ')[0]}"


def poisson(rate: float, goals: int) -> float:
    chance = exp(-rate)
    for k in range(1, goals + 1):
        chance *= rate / k
    return chance


def beyond(model: MatchModel, state: MatchState) -> float:
    """Return the chance of more than 15 goals of a side in a half: the cells do not tell these."""
    first, second, _ = remaining_goals(model, state)
    most = max(getattr(model, field) for field in STATE_FACTOR_FIELDS)
    total = 0.0
    for side, rate in zip(("home", "away"), current_rates(model, state), strict=True):
        for half, share in ((state.first_half, first), (state.second_half, second)):
            below = sum(poisson(most * rate * share, k) for k in range(16 - getattr(half, side)))
            total += max(1.0 - below, 0.0)
    return total


@settings(max_examples=40, deadline=None)
@given(models(), states())
def test_one_leg_has_the_chance_that_the_board_says(model: MatchModel, state: MatchState) -> None:
    assert_singles_are_the_boards(model, state, 1e-11 + 10.0 * beyond(model, state))


@settings(max_examples=40, deadline=None)
@given(processes(), states())
def test_one_leg_has_the_chance_of_the_board_where_scoring_depends_on_the_score(
    model: MatchModel, state: MatchState
) -> None:
    """The board leaves out what is less likely than 1e-11 in a number of chances."""
    assert_singles_are_the_boards(model, state, 2e-9 + 10.0 * beyond(model, state))


def test_the_order_of_goals_that_is_not_known_gives_no_chance() -> None:
    state = MatchState(
        period=Period.HALF_TIME, first_half=Score(home=1, away=1)
    )  # who scored first is not known
    assert chance(("next_goal?goalnr=1 home", "1x2 home"), MODEL, state) == 0.0
    assert chance(("next_goal?goalnr=3 home", "1x2 home"), MODEL, state) > 0.0
    assert chance(("last_goal home", "1x2 home"), MODEL, state) == 0.0


# --- against every course ------------------------------------------------------------------------


@cache
def courses(case: str) -> dict[Match, float]:
    model, state, goals_max = CASES[case]
    return process_twin.matches(model, state, goals_max)


@cache
def won(case: str, leg: Leg) -> frozenset[int]:
    return frozenset(
        n
        for n, match in enumerate(courses(case))
        if builder_twin.settle_leg(leg, match) == builder_twin.WON
    )


ORDERED = [
    leg
    for leg in EVERY
    if leg.type.endswith(("next_goal", "last_goal", "next_goal_1x2")) and leg.rule.name != "none"
]


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=25, deadline=None)
@given(
    drawn=st.lists(st.sampled_from(EVERY), min_size=1, max_size=4, unique=True),
    ordered=st.lists(st.sampled_from(ORDERED), max_size=3, unique=True),
)
def test_a_builder_has_the_chance_of_all_courses_that_win_every_leg(
    case: str, drawn: list[Leg], ordered: list[Leg]
) -> None:
    model, state, _ = CASES[case]
    legs = [*drawn, *ordered]
    common = frozenset.intersection(*(won(case, leg) for leg in legs))
    expected = sum(part for n, part in enumerate(courses(case).values()) if n in common)
    try:
        canonical = canonical_legs(legs)
    except BuilderError:
        assert expected == 0.0
        return
    assert chances([canonical], model, state)[0] == pytest.approx(expected, abs=2e-6)


@settings(max_examples=60, deadline=None)
@given(
    models() | processes(),
    states(),
    st.lists(st.sampled_from(EVERY), min_size=2, max_size=6, unique=True),
)
def test_no_leg_raises_the_chance_and_implied_ones_leave_it(
    model: MatchModel, state: MatchState, legs: list[Leg]
) -> None:
    try:
        canonical = canonical_legs(legs)
    except BuilderError:
        return
    without = [tuple(leg for leg in canonical if leg != left_out) for left_out in canonical]
    found = chances([canonical, *(part for part in without if part)], model, state)
    assert all(found[0] <= other + 1e-12 for other in found[1:])
    # The kernel takes any set of legs that do not name one goal twice: also the implied ones.
    goals = [LEG_SETS.where(leg).goal for leg in legs if LEG_SETS.where(leg).goal >= 0]
    if len(set(goals)) == len(goals):
        assert chances([tuple(legs)], model, state)[0] == pytest.approx(found[0], abs=1e-12)


# --- against the two halves' scores --------------------------------------------------------------


def test_worked_example_from_four_poisson_counts() -> None:
    """Half-time away, full-time home, at most five goals: summed by hand over all half scores."""
    texts = ("first_half_1x2 away", "1x2 home", "total?total=5.5 under")
    home, away = current_rates(MODEL, MatchState())
    first, second, _ = remaining_goals(MODEL, MatchState())
    expected, whole = 0.0, 0.0
    for h1 in range(14):
        for a1 in range(14):
            for h2 in range(14):
                for a2 in range(14):
                    part = (
                        poisson(home * first, h1) * poisson(away * first, a1)
                        * poisson(home * second, h2) * poisson(away * second, a2)
                        * dixon_coles(MODEL, h1 + h2, a1 + a2)
                    )  # fmt: skip
                    whole += part
                    if h1 < a1 and h1 + h2 > a1 + a2 and h1 + h2 + a1 + a2 < 6:
                        expected += part
    assert chance(texts, MODEL, MatchState()) == pytest.approx(expected / whole, rel=1e-11)


def test_known_figures() -> None:
    """At rates of 1 and 1: chances that can be worked out on paper."""
    even = MatchModel(home_rate=1.0, away_rate=1.0)
    start = MatchState()
    # 1:0 is one course; with two goals of each side, three of six orders begin with home's.
    assert chance(("correct_score 1:0", "next_goal?goalnr=1 home"), even, start) == pytest.approx(
        exp(-2.0), rel=1e-12
    )
    assert chance(("correct_score 2:2", "next_goal?goalnr=1 home"), even, start) == pytest.approx(
        exp(-2.0) / 8.0, rel=1e-12
    )
    # 2:1 in three orders: of these the last two goals are home's in one.
    assert chance(
        ("correct_score 2:1", "next_goal?goalnr=2 home", "last_goal home"), even, start
    ) == pytest.approx(exp(-2.0) / 2.0 / 3.0, rel=1e-12)


# --- against simulation --------------------------------------------------------------------------

MATCHES = 40_000
BUILDERS = (
    ("1x2 home", "both_teams_to_score yes"),
    ("1x2 home", "total?total=3.5 over", "next_goal?goalnr=4 away"),
    ("second_half_1x2 home", "last_goal away"),
    ("half_time_full_time draw/home", "home_total?total=3.5 under", "odd_even odd"),
    ("next_goal?goalnr=5 home", "next_goal?goalnr=4 home"),
    ("highest_scoring_half second", "1x2 home", "second_half_next_goal?goalnr=2 home"),
)  # fmt: skip


def simulated(model: MatchModel, state: MatchState, random: Random) -> Match:
    """Play the rest of a match: waiting times by the hazards of the goal difference now."""
    orders = []
    difference = process_twin.lead(state.order)
    for half in (1, 2):
        split = state.first_half.home + state.first_half.away
        order = state.order[:split] if half == 1 else state.order[split:]
        _, left = process_twin.left_of_half(model, state, half)
        while True:
            home, away = process_twin.hazards(model, state, difference)
            left -= random.expovariate(home + away)
            if left < 0.0:
                break
            by_home = random.random() * (home + away) < home
            order += "h" if by_home else "a"
            difference += 1 if by_home else -1
        orders.append(order)
    first, second = orders
    return Match(
        (first.count("h"), first.count("a")),
        (second.count("h"), second.count("a")),
        order=first + second,
    )


@pytest.mark.parametrize("state", [LEADING, MatchState(
    period=Period.FIRST_HALF, clock_s=1200, first_half=Score(home=1, away=1), order="ha"
)], ids=["leading", "level"])  # fmt: skip
def test_in_play_builders_win_as_often_as_their_chance_says(state: MatchState) -> None:
    model = MatchModel(home_rate=1.6, away_rate=1.3, **{**MEASURED_PROCESS, "level_factor": 1.3})
    random = Random(20_221_218)
    played = Counter(simulated(model, state, random) for _ in range(MATCHES))
    for texts in BUILDERS:
        said = chance(texts, model, state)
        legs = legs_of(*texts)
        wins = sum(
            count
            for match, count in played.items()
            if all(builder_twin.settle_leg(leg, match) == builder_twin.WON for leg in legs)
        )
        error = (said * (1.0 - said) / MATCHES) ** 0.5
        assert abs(wins / MATCHES - said) < 4.5 * error + 1e-9, (texts, wins / MATCHES, said)


# --- bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", Period)
def test_chances_are_chances_at_the_ends_of_models_and_states(period: Period) -> None:
    most = Score(home=15, away=15)
    state = MatchState(
        period=period,
        first_half=most if period >= Period.FIRST_HALF else Score(),
        second_half=most if period >= Period.SECOND_HALF else Score(),
        home_red_cards=4,
        away_red_cards=4,
    )
    for model in (
        MatchModel(home_rate=0.0, away_rate=0.0),
        MatchModel(home_rate=8.0, away_rate=8.0),
        MatchModel(home_rate=8.0, away_rate=8.0, two_behind_factor=2.0, dead_time_s=600),
        MatchModel(home_rate=8.0, away_rate=0.0, level_factor=0.5),
    ):
        found = np.zeros(len(EVERY))
        SINGLES.price(pack_model(model), pack_state(state), found)
        assert np.isfinite(found).all()
        assert ((found >= 0.0) & (found <= 1.0 + 1e-12)).all()
        sums: dict[str, float] = {}
        for leg, own in zip(EVERY, found.tolist(), strict=True):
            if market_rules(leg.type, leg.specifiers).winners == 1:
                sums[key_of(leg)] = sums.get(key_of(leg), 0.0) + own
        known = [key for key in sums if not key.endswith("_goal") and "goalnr" not in key]
        whole = [key for key in known if len(BOARD.outcomes(key)) == sum(
            key_of(leg) == key for leg in EVERY
        )]  # fmt: skip
        assert all(sums[key] == pytest.approx(1.0, abs=1e-9) for key in whole)


def test_no_chance_where_the_dependence_leaves_no_score_possible() -> None:
    rate = 0.3**-0.5  # 1 less the product of both rates and the dependence is 0, but for rounding
    model = MatchModel(home_rate=rate, away_rate=rate * (1.0 - 1e-15), dependence=0.3)
    ended = MatchState(period=Period.FULL_TIME)
    assert chance(("1x2 draw", "odd_even even"), model, ended) == 0.0
    assert chance(("1x2 draw", "odd_even even"), MODEL, ended) == 1.0
