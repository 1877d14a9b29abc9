"""Harmony of related markets: no stakes on what is offered may win whatever happens.

Owns the cap that makes odds safe against one another, and the search for stakes that win for sure
(trader-set odds have no model to be capped by). Never prices a model and never changes odds that a
trader has set.

The certificate is a measure: bets that each return at most their stake on average under one
probability measure return at most their stake together, so they cannot win in every case. Fair
probabilities of a fixture are of one measure, so it is enough that no odds exceed the fair ones.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from engine.common.commands import OutcomeResult, Quote
from engine.common.ids import parse_market_key
from engine.pricing.football.axes import Play, Scope
from engine.pricing.football.market_types import market_rules
from engine.pricing.football.outcome_rules import MarketTypeError, OutcomeRule, outcome_result

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SEARCH_BETS_MAX: Final = 512
"""Offered outcomes that one search takes."""
SEARCH_GOALS: Final = 32
"""Scores below 32:32 are told apart; the lines that markets have end at 30."""
UNIT: Final = 2_000
"""A returned stake in half thousandths, in which half wins are whole numbers."""


class SearchStoppedError(Exception):
    """A search was told to stop before it had an answer."""


class PlannedStake(Struct, frozen=True, kw_only=True):
    """A part of a plan that wins for sure."""

    key: str
    outcome: int
    stake: int
    """In whole units of any size; all stakes of a plan share no divisor."""


class Arbitrage(Struct, frozen=True, kw_only=True):
    """Stakes that return more than they cost whatever the score: of all plans the most for sure."""

    stakes: tuple[PlannedStake, ...]
    return_micro: int
    """What is returned at least, in millionths of all stakes, rounded down."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The markets that quarrel."""
        return tuple(dict.fromkeys(stake.key for stake in self.stakes))


def _never() -> bool:
    return False


def find_arbitrage(
    quotes: Mapping[str, Sequence[Quote]],
    *,
    score: tuple[int, int] = (0, 0),
    stop: Callable[[], bool] = _never,
) -> Arbitrage | None:
    """Find stakes on offered outcomes that win whatever the score; None when there are none.

    The search is exact: it solves the game of a bettor who picks bets against a score that picks
    itself. Where no stakes win for sure, the score has a mix (state prices) against which no bet
    gains, and there the simplex ends.

    Parameters
    ----------
    quotes : Mapping[str, Sequence[Quote]]
        Quotes by market key: football markets of one fixture and one stretch of play, settled by
        its score. Outcomes that are not active are not on offer.
    score : tuple[int, int]
        Goals of that stretch so far, home and away: no score below them can still be.
    stop : callable
        Asked before every step of the search whether to give up.

    Raises
    ------
    SearchStoppedError
        When `stop` said so.
    MarketTypeError
        When a market is settled by more than one score, when scopes differ, or when a type or its
        specifiers are not in the table.
    MalformedIdError
        When a key breaks the grammar of keys.
    ValueError
        When fixtures differ, a quote is of an outcome that the market does not have, more than
        `SEARCH_BETS_MAX` outcomes are offered, or the score is not below `SEARCH_GOALS`.
    """
    if not 0 <= min(score) <= max(score) < SEARCH_GOALS:
        raise ValueError(f"score: goals from 0 to {SEARCH_GOALS - 1}")
    bets = _offered(quotes)
    if not bets:
        return None
    rows = [_returns(bet.rule, bet.quote.odds_milli, score) for bet in bets]
    states = sorted(dict.fromkeys(zip(*rows, strict=True)))
    if not all(map(any, states)):
        return None  # A score in which nothing offered returns anything.
    value, weights = solve_game([list(row) for row in zip(*states, strict=True)], stop)
    if value <= UNIT:
        return None
    common = gcd(*weights)
    return Arbitrage(
        stakes=tuple(
            PlannedStake(key=bet.key, outcome=bet.quote.outcome, stake=weight // common)
            for bet, weight in zip(bets, weights, strict=True)
            if weight > 0
        ),
        return_micro=int(value * 1_000_000 // UNIT),
    )


class _Bet(NamedTuple):
    key: str
    quote: Quote
    rule: OutcomeRule


def _offered(quotes: Mapping[str, Sequence[Quote]]) -> list[_Bet]:
    """Return what may be bet on, once it is known to hang on one score."""
    bets: list[_Bet] = []
    stretches: set[tuple[str, Scope]] = set()
    for key, row in quotes.items():
        parsed = parse_market_key(key)
        rules = market_rules(parsed.type, parsed.specifiers)
        if rules.needs_order or rules.scope is Scope.HALVES:
            raise MarketTypeError(f"{key}: settled by more than one score")
        stretches.add((parsed.fixture, rules.scope))
        for quote in row:
            if quote.outcome >= len(rules.outcomes):
                raise ValueError(f"{key}: outcome: below {len(rules.outcomes)}")
            if quote.active:
                bets.append(_Bet(key, quote, rules.outcomes[quote.outcome]))
    if len(stretches) > 1:
        raise ValueError("quotes: of one fixture and one stretch of play")
    if len(bets) > SEARCH_BETS_MAX:
        raise ValueError(f"quotes: at most {SEARCH_BETS_MAX} offered outcomes")
    return bets


@lru_cache(maxsize=1 << 12)
def _settled(rule: OutcomeRule) -> tuple[tuple[OutcomeResult, ...], ...]:
    """Settle an outcome at every score: by home goals, and in each by away goals."""
    return tuple(
        tuple(outcome_result(rule, Play(home, away, 0, 0, None)) for away in range(SEARCH_GOALS))
        for home in range(SEARCH_GOALS)
    )


def _returns(rule: OutcomeRule, odds_milli: int, score: tuple[int, int]) -> list[int]:
    """Return what a bet gives back from a score on, in half thousandths of its stake."""
    return [
        1_000 * result.void_halves + (2 - result.void_halves) * odds_milli * result.won
        for results in _settled(rule)[score[0] :]
        for result in results[score[1] :]
    ]


def solve_game(
    returns: list[list[int]], stop: Callable[[], bool] = _never
) -> tuple[Fraction, list[int]]:
    """Return the value of a game of bets (rows) against states (columns), and weights of the bets.

    Parameters
    ----------
    returns : list[list[int]]
        What each bet returns in each state: nothing below 0, in every state something above it.
    stop : callable
        Asked before every step whether to give up.

    Returns
    -------
    tuple[Fraction, list[int]]
        What the best mix of bets returns in the worst state, and that mix, in whole numbers.

    Raises
    ------
    SearchStoppedError
        When `stop` said so.

    Notes
    -----
    States are priced by the linear program: the largest sum of prices at which no bet returns more
    than 1. The sum is one over the value, and the bets' weights are the duals. It starts feasible,
    so one phase of the simplex ends it; Bland's rule keeps it from going round in circles, and
    pivots stay in whole numbers (Edmonds), so that an edge of a thousandth is not rounding.
    """
    bets, states = len(returns), len(returns[0])
    table = [[*row, 1] for row in returns] + [[-1] * states + [0]]
    goal = table[-1]
    columns, basis = list(range(states)), list(range(states, states + bets))
    scale = 1
    while any(entry < 0 for entry in goal[:-1]):
        if stop():
            raise SearchStoppedError("search: stopped before its end")
        column = min((k for k in range(states) if goal[k] < 0), key=lambda k: columns[k])
        row = min(
            (k for k in range(bets) if table[k][column] > 0),
            key=lambda k: (Fraction(table[k][-1], table[k][column]), basis[k]),
        )
        scale = _pivot(table, row, column, scale)
        columns[column], basis[row] = basis[row], columns[column]
    weights = [0] * bets
    for label, weight in zip(columns, goal[:-1], strict=True):
        if label >= states:
            weights[label - states] = weight
    return Fraction(scale, goal[-1]), weights


def _pivot(table: list[list[int]], row: int, column: int, scale: int) -> int:
    """Exchange a row with a column in place; return the new common denominator."""
    pivot_row, pivot = table[row], table[row][column]
    for line in table:
        if line is pivot_row:
            continue
        factor = line[column]
        line[:] = [
            (entry * pivot - factor * other) // scale
            for entry, other in zip(line, pivot_row, strict=True)
        ]
        line[column] = -factor
    pivot_row[column] = scale
    return pivot
