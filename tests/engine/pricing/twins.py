"""Plain-Python twins of the pricing kernels: slow, direct, and written from the definitions."""

from collections.abc import Callable, Sequence
from functools import cache
from math import exp, factorial, sqrt

from engine.common.commands import OutcomeResult
from engine.pricing.football.axes import Scope
from engine.pricing.football.market_types import Specifiers, results
from engine.pricing.football.model import MatchModel, MatchState, Period

Grid = dict[tuple[int, int], float]
GOALS = 36
SCORED = (Scope.REGULAR, Scope.FIRST_HALF, Scope.SECOND_HALF, Scope.EXTRA_TIME)


def intensity(share: float, part: float) -> float:
    """Goals per unit of match (0 to 1) as a multiple of the mean: a line through 1 at half-time."""
    return 1.0 + (4.0 - 8.0 * share) * (part - 0.5)


def integral(function: Callable[[float], float], low: float, high: float) -> float:
    """Simpson's rule, exact for the polynomials used here."""
    middle = 0.5 * (low + high)
    return (high - low) / 6.0 * (function(low) + 4.0 * function(middle) + function(high))


def left(model: MatchModel, state: MatchState) -> tuple[float, float, float]:
    """Return the goals still to come in either half and in extra time, as shares of a match's."""

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


def poisson(rate: float, goals: int) -> float:
    return exp(-rate) * rate**goals / factorial(goals)


def independent(home_rate: float, away_rate: float, start: tuple[int, int], goals: int) -> Grid:
    return {
        (start[0] + i, start[1] + j): poisson(home_rate, i) * poisson(away_rate, j)
        for i in range(goals)
        for j in range(goals)
    }


def dixon_coles(model: MatchModel, home: int, away: int) -> float:
    """Return the factor of a final score, as the table of four cells has it."""
    rho, home_rate, away_rate = model.dependence, model.home_rate, model.away_rate
    table = {
        (0, 0): 1.0 - home_rate * away_rate * rho,
        (0, 1): 1.0 + home_rate * rho,
        (1, 0): 1.0 + away_rate * rho,
        (1, 1): 1.0 - rho,
    }
    return table.get((home, away), 1.0)


def current_rates(model: MatchModel, state: MatchState) -> tuple[float, float]:
    own, other = model.red_card_own_factor, model.red_card_opponent_factor
    home = model.home_rate * own**state.home_red_cards * other**state.away_red_cards
    away = model.away_rate * own**state.away_red_cards * other**state.home_red_cards
    return home, away


def score_grid(model: MatchModel, state: MatchState, scope: Scope, goals: int = GOALS) -> Grid:
    """Return the distribution of a scope's final score."""
    first, second, extra = left(model, state)
    home, away = current_rates(model, state)
    if scope is Scope.EXTRA_TIME:
        return independent(home * extra, away * extra, state.score(scope), goals)
    if scope is Scope.REGULAR:
        grid = independent(
            home * (first + second), away * (first + second), state.score(scope), goals
        )
        grid = {score: mass * dixon_coles(model, *score) for score, mass in grid.items()}
    else:
        mine, others = (first, second) if scope is Scope.FIRST_HALF else (second, first)
        other_scope = Scope.SECOND_HALF if scope is Scope.FIRST_HALF else Scope.FIRST_HALF
        these = independent(home * mine, away * mine, state.score(scope), goals)
        rest = independent(home * others, away * others, state.score(other_scope), 3)
        inside = sum(rest.values())
        grid = {
            score: mass
            * (
                1.0
                - inside
                + sum(
                    other_mass * dixon_coles(model, score[0] + other[0], score[1] + other[1])
                    for other, other_mass in rest.items()
                )
            )
            for score, mass in these.items()
        }
    mass = sum(grid.values())
    return {score: chance / mass for score, chance in grid.items()}


def category(result: OutcomeResult) -> int | None:
    """Return which of win, half win, push, half lose a result is; None for lost."""
    table = {(True, 0): 0, (True, 1): 1, (False, 2): 2, (False, 1): 3, (False, 0): None}
    return table[result.won, result.void_halves]


@cache
def categories(
    market_type: str, specifiers: Specifiers, score: tuple[int, int]
) -> tuple[int | None, ...]:
    """Settle every outcome of a market by a score."""
    return tuple(category(result) for result in results(market_type, specifiers, score))


def chances(grid: Grid, market_type: str, specifiers: Specifiers) -> list[list[float]]:
    """Weigh every score's settlement by its chance."""
    rows: list[list[float]] = []
    for score, chance in grid.items():
        settled = categories(market_type, specifiers, score)
        rows = rows or [[0.0] * 4 for _ in settled]
        for row, place in zip(rows, settled, strict=True):
            if place is not None:
                row[place] += chance
    return rows


def bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising or falling function crosses zero."""
    rising = function(high) > function(low)
    for _ in range(300):
        middle = 0.5 * (low + high)
        if (function(middle) > 0.0) == rising:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


def shin_quoted(probabilities: Sequence[float], z: float) -> list[float]:
    """Return quoted probabilities when a share z of the money is insiders'."""
    roots = [sqrt(z * p + (1.0 - z) * p * p) for p in probabilities]
    return [root * sum(roots) for root in roots]
