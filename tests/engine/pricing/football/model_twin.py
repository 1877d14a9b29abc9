"""Plain-Python twin of the football kernels: slow, direct, and written from the definitions.

It shares no table with the kernels: scores come from the state's own fields, and markets are
settled by settlement_twin.
"""

from collections.abc import Callable
from functools import cache
from math import exp, factorial

from engine.common.commands import OutcomeResult
from engine.pricing.football.axes import Scope
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from tests.engine.pricing.football.settlement_twin import Played, settle

Grid = dict[tuple[int, int], float]
GOALS = 36
ONE_SCORE_SCOPES = (Scope.REGULAR, Scope.FIRST_HALF, Scope.SECOND_HALF, Scope.EXTRA_TIME)


# --- the goals still to come ---------------------------------------------------------------------


def intensity(share: float, part: float) -> float:
    """Return goals per unit of match time (0 to 1) over their mean: linear, 1 at half-time."""
    return 1.0 + (4.0 - 8.0 * share) * (part - 0.5)


def integral(function: Callable[[float], float], low: float, high: float) -> float:
    """Integrate by Simpson's rule, exact for the polynomials used here."""
    middle = 0.5 * (low + high)
    return (high - low) / 6.0 * (function(low) + 4.0 * function(middle) + function(high))


def remaining_goals(model: MatchModel, state: MatchState) -> tuple[float, float, float]:
    """Return the goals still to come in each half and in extra time, as shares of a match's."""

    def played(start_s: float, length_s: float) -> float:
        return min(max((state.clock_s - start_s) / length_s, 0.0), 1.0)

    def share(part: float) -> float:
        return intensity(model.first_half_share, part)

    first = {
        Period.PRE_MATCH: 0.0,
        Period.FIRST_HALF: played(0, 2700 + model.first_half_stoppage_s),
    }
    second = {
        Period.PRE_MATCH: 0.0,
        Period.FIRST_HALF: 0.0,
        Period.HALF_TIME: 0.0,
        Period.SECOND_HALF: played(2700, 2700 + model.second_half_stoppage_s),
    }
    extra = 1.0
    if state.period >= Period.EXTRA_FIRST:
        extra -= 0.5 * (played(5400, 900) if state.period is Period.EXTRA_FIRST else 1.0)
    if state.period >= Period.EXTRA_SECOND:
        extra -= 0.5 * (played(6300, 900) if state.period is Period.EXTRA_SECOND else 1.0)
    return (
        integral(share, 0.5 * first.get(state.period, 1.0), 0.5),
        integral(share, 0.5 + 0.5 * second.get(state.period, 1.0), 1.0),
        extra * model.extra_time_share,
    )


def current_rates(model: MatchModel, state: MatchState) -> tuple[float, float]:
    """Return both sides' rates of a whole match, changed by red cards."""
    own, other = model.red_card_own_factor, model.red_card_opponent_factor
    home = model.home_rate * own**state.home_red_cards * other**state.away_red_cards
    away = model.away_rate * own**state.away_red_cards * other**state.home_red_cards
    return home, away


# --- the distribution of a score -----------------------------------------------------------------


def poisson(rate: float, goals: int) -> float:
    return exp(-rate) * rate**goals / factorial(goals)


def independent(home_rate: float, away_rate: float, start: tuple[int, int], goals: int) -> Grid:
    """Return the distribution of a score when both sides add independent Poisson goals."""
    return {
        (start[0] + i, start[1] + j): poisson(home_rate, i) * poisson(away_rate, j)
        for i in range(goals)
        for j in range(goals)
    }


def dixon_coles(model: MatchModel, home: int, away: int) -> float:
    """Return the factor of a final score, from the published table of four cells."""
    rho, home_rate, away_rate = model.dependence, model.home_rate, model.away_rate
    factors = {
        (0, 0): 1.0 - home_rate * away_rate * rho,
        (0, 1): 1.0 + home_rate * rho,
        (1, 0): 1.0 + away_rate * rho,
        (1, 1): 1.0 - rho,
    }
    return factors.get((home, away), 1.0)


def score_so_far(state: MatchState, scope: Scope) -> tuple[int, int]:
    """Return a scope's home and away goals so far."""
    periods: dict[Scope, list[Score]] = {
        Scope.REGULAR: [state.first_half, state.second_half],
        Scope.FIRST_HALF: [state.first_half],
        Scope.SECOND_HALF: [state.second_half],
        Scope.EXTRA_TIME: [state.extra_first, state.extra_second],
    }
    return sum(part.home for part in periods[scope]), sum(part.away for part in periods[scope])


def score_grid(model: MatchModel, state: MatchState, scope: Scope, goals: int = GOALS) -> Grid:
    """Return the distribution of a scope's final score."""
    first, second, extra = remaining_goals(model, state)
    home, away = current_rates(model, state)
    start = score_so_far(state, scope)
    if scope is Scope.EXTRA_TIME:
        return independent(home * extra, away * extra, start, goals)
    if scope is Scope.REGULAR:
        grid = independent(home * (first + second), away * (first + second), start, goals)
        grid = {score: mass * dixon_coles(model, *score) for score, mass in grid.items()}
    else:
        own, other = (first, second) if scope is Scope.FIRST_HALF else (second, first)
        other_scope = Scope.SECOND_HALF if scope is Scope.FIRST_HALF else Scope.FIRST_HALF
        other_start = score_so_far(state, other_scope)
        rest = independent(home * other, away * other, other_start, 3)
        grid = {
            score: mass * expected_factor(model, score, rest)
            for score, mass in independent(home * own, away * own, start, goals).items()
        }
    mass = sum(grid.values())
    return {score: chance / mass for score, chance in grid.items()}


def expected_factor(model: MatchModel, score: tuple[int, int], rest: Grid) -> float:
    """Return the mean factor of a score plus the goals of another half, distributed as `rest`.

    `rest` may leave out high scores: their factor is 1.
    """
    return (
        1.0
        - sum(rest.values())
        + sum(
            mass * dixon_coles(model, score[0] + other[0], score[1] + other[1])
            for other, mass in rest.items()
        )
    )


# --- chances -------------------------------------------------------------------------------------


def column(result: OutcomeResult) -> int | None:
    """Return the column of a result: win, half win, push, half lose; None for lost."""
    columns = {(True, 0): 0, (True, 1): 1, (False, 2): 2, (False, 1): 3, (False, 0): None}
    return columns[result.won, result.void_halves]


@cache
def columns_at(
    market_type: str, specifiers: tuple[tuple[str, str], ...], score: tuple[int, int]
) -> tuple[int | None, ...]:
    """Settle every outcome of a market by a score."""
    settled = settle(market_type, specifiers, Played(*score))
    return tuple(column(result) for result in settled.values())


def chances(
    grid: Grid, market_type: str, specifiers: tuple[tuple[str, str], ...]
) -> list[list[float]]:
    """Weight every score's settlement by its chance: a row of four chances for each outcome."""
    rows: list[list[float]] = []
    for score, chance in grid.items():
        columns = columns_at(market_type, specifiers, score)
        rows = rows or [[0.0] * 4 for _ in columns]
        for row, at in zip(rows, columns, strict=True):
            if at is not None:
                row[at] += chance
    return rows
