"""Find arbitrage in related markets: stakes on offered outcomes that win at every score.

Owns the exact search. Odds that a trader set have no model to cap them at fair
(engine/pricing/fair_cap.py), so they need this search. Never prices a model and never changes odds.
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
"""Most offered outcomes of one search."""
SEARCH_GOALS: Final = 32
"""A search covers the scores below 32:32; lines of markets end at 30 goals."""
UNIT: Final = 2_000
"""The stake in units of half a thousandth, in which all returns are whole numbers."""


class SearchStoppedError(Exception):
    """A search was stopped before it had an answer."""


class PlannedStake(Struct, frozen=True, kw_only=True):
    """A stake on one outcome, part of an arbitrage."""

    key: str
    outcome: int
    stake: int
    """In whole units of any size; the stakes of an arbitrage have no common divisor."""


class Arbitrage(Struct, frozen=True, kw_only=True):
    """The stakes with the largest guaranteed return, above their sum at every score."""

    stakes: tuple[PlannedStake, ...]
    return_micro: int
    """The least return over all scores, in millionths of the sum of stakes, rounded down."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the markets that the stakes are on."""
        return tuple(dict.fromkeys(stake.key for stake in self.stakes))


def _never() -> bool:
    return False


def find_arbitrage(
    quotes: Mapping[str, Sequence[Quote]],
    *,
    score: tuple[int, int] = (0, 0),
    stop: Callable[[], bool] = _never,
) -> Arbitrage | None:
    """Find stakes on offered outcomes that win at every score; return None when there are none.

    The search is exact: it solves the zero-sum game between a bettor who mixes bets and an opponent
    who mixes scores. Without arbitrage, some mix of scores (state prices) exists under which no bet
    gains, and the simplex ends there.

    Parameters
    ----------
    quotes : Mapping[str, Sequence[Quote]]
        Quotes by market key: football markets of one fixture and one scope, settled by the score
        of that scope. A quote that is not active is not offered.
    score : tuple[int, int]
        Home and away goals of the scope so far; a score below them is not reachable.
    stop : callable
        Called before every step of the search; it returns True to stop the search.

    Raises
    ------
    SearchStoppedError
        When `stop` returned True.
    MarketTypeError
        When more than one score settles a market, or when a type or its specifiers are not in the
        table.
    MalformedIdError
        When a key breaks the grammar of keys.
    ValueError
        When fixtures or scopes differ, when a quote names an outcome that the market does not have,
        when more than `SEARCH_BETS_MAX` outcomes are offered, or when goals are not below
        `SEARCH_GOALS`.
    """
    if not 0 <= min(score) <= max(score) < SEARCH_GOALS:
        raise ValueError(f"score: goals must be from 0 to {SEARCH_GOALS - 1}")
    bets = _offered(quotes)
    if not bets:
        return None
    rows = [_returns(bet.rule, bet.quote.odds_milli, score) for bet in bets]
    states = sorted(dict.fromkeys(zip(*rows, strict=True)))
    if not all(map(any, states)):
        return None  # No offered bet returns anything at some score.
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
    """Return the offered bets; raise when one score does not settle them all."""
    bets: list[_Bet] = []
    scopes: set[tuple[str, Scope]] = set()
    for key, row in quotes.items():
        parsed = parse_market_key(key)
        rules = market_rules(parsed.type, parsed.specifiers)
        if rules.needs_order or rules.scope is Scope.HALVES:
            raise MarketTypeError(f"{key}: settled by more than one score")
        scopes.add((parsed.fixture, rules.scope))
        for quote in row:
            if quote.outcome >= len(rules.outcomes):
                raise ValueError(f"{key}: outcome must be below {len(rules.outcomes)}")
            if quote.active:
                bets.append(_Bet(key, quote, rules.outcomes[quote.outcome]))
    if len(scopes) > 1:
        raise ValueError("quotes: must be of one fixture and one scope")
    if len(bets) > SEARCH_BETS_MAX:
        raise ValueError(f"quotes: at most {SEARCH_BETS_MAX} offered outcomes")
    return bets


@lru_cache(maxsize=1 << 12)
def _settled(rule: OutcomeRule) -> tuple[tuple[OutcomeResult, ...], ...]:
    """Return an outcome's result at every score: rows by home goals, columns by away goals."""
    return tuple(
        tuple(outcome_result(rule, Play(home, away, 0, 0, None)) for away in range(SEARCH_GOALS))
        for home in range(SEARCH_GOALS)
    )


def _returns(rule: OutcomeRule, odds_milli: int, score: tuple[int, int]) -> list[int]:
    """Return a bet's return at each score reachable from one, in half thousandths of its stake."""
    return [
        1_000 * result.void_halves + (2 - result.void_halves) * odds_milli * result.won
        for results in _settled(rule)[score[0] :]
        for result in results[score[1] :]
    ]


def solve_game(
    returns: list[list[int]], stop: Callable[[], bool] = _never
) -> tuple[Fraction, list[int]]:
    """Return the value of a game of bets (rows) against states (columns), and the bets' weights.

    Parameters
    ----------
    returns : list[list[int]]
        What each bet returns in each state: at least 0, and in every state above 0 for some bet.
    stop : callable
        Called before every step; it returns True to stop.

    Returns
    -------
    tuple[Fraction, list[int]]
        What the best mix of bets returns in its worst state, and that mix in whole numbers.

    Raises
    ------
    SearchStoppedError
        When `stop` returned True.

    Notes
    -----
    The linear program prices the states: it finds the largest sum of prices at which no bet returns
    more than 1. That sum is one over the value, and the bets' weights are the duals. The start is
    feasible, so the simplex needs one phase. Bland's rule prevents cycles, and pivots stay in whole
    numbers (Edmonds), so an edge of a thousandth is never lost to rounding.
    """
    bets, states = len(returns), len(returns[0])
    table = [[*row, 1] for row in returns] + [[-1] * states + [0]]
    objective = table[-1]
    columns, basis = list(range(states)), list(range(states, states + bets))
    scale = 1
    while any(entry < 0 for entry in objective[:-1]):
        if stop():
            raise SearchStoppedError("search: stopped before it had an answer")
        column = min((k for k in range(states) if objective[k] < 0), key=lambda k: columns[k])
        row = min(
            (k for k in range(bets) if table[k][column] > 0),
            key=lambda k: (Fraction(table[k][-1], table[k][column]), basis[k]),
        )
        scale = _pivot(table, row, column, scale)
        columns[column], basis[row] = basis[row], columns[column]
    weights = [0] * bets
    for label, weight in zip(columns, objective[:-1], strict=True):
        if label >= states:
            weights[label - states] = weight
    return Fraction(scale, objective[-1]), weights


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
