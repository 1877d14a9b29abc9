"""Compile the markets of one fixture to the arrays that the pricing kernel reads and fills.

Owns the way from market keys to terms, masks and scratch arrays; never a model, a margin or odds.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from engine.common.ids import MarketKey
from engine.pricing.board import board_keys
from engine.pricing.chances import CHANCES, TERM_COLUMNS
from engine.pricing.football.axes import feature_index, wanted_groups
from engine.pricing.football.goal_process_nb import PRICED
from engine.pricing.football.layout import FEATURES, SCOPES
from engine.pricing.football.market_types import MarketRules, market_rules
from engine.pricing.football.model import Floats, Ints
from engine.pricing.football.model_nb import price_board_nb
from engine.pricing.football.outcome_rules import OutcomeRule
from engine.pricing.football.scratch import give_back_scratch, take_scratch
from engine.pricing.lines import Line, line_terms


class CompiledMarket(NamedTuple):
    """One market and its range of outcomes in the arrays: `first` up to, not including, `last`."""

    key: str
    parsed: MarketKey
    rules: MarketRules
    first: int
    last: int


class CompiledMarkets:
    """The compiled markets of one fixture.

    An instance holds scratch arrays: threads must not share it.

    Parameters
    ----------
    keys : Sequence[str]
        Market keys of one fixture.

    Raises
    ------
    MalformedIdError
        When a key breaks the grammar of keys.
    MarketTypeError
        When a type or its specifiers are not in the table.
    ValueError
        When there are no keys or too many, when keys repeat, or belong to several fixtures.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        parsed = board_keys(keys)
        self.fixture: Final = parsed[0].fixture
        markets: list[CompiledMarket] = []
        first = 0
        for text, key in zip(keys, parsed, strict=True):
            rules = market_rules(key.type, key.specifiers)
            markets.append(CompiledMarket(text, key, rules, first, first + len(rules.outcomes)))
            first = markets[-1].last
        self.markets: Final = tuple(markets)
        self.outcomes: Final = first
        self.offsets: Final[Ints] = np.array([0, *(market.last for market in markets)], np.int64)
        self.terms: Final[Ints] = np.array(
            [
                term
                for market in markets
                for outcome, rule in enumerate(market.rules.outcomes, market.first)
                for term in _terms(market.rules, rule, outcome)
            ],
            np.int64,
        ).reshape(-1, TERM_COLUMNS)
        self.wanted: Final[Ints] = np.zeros(SCOPES, np.int64)
        for market in markets:
            for rule in market.rules.outcomes:
                self.wanted[market.rules.scope] |= wanted_groups(rule.axis)
        self.features: Final[Floats] = np.zeros(FEATURES)
        self.chances: Final[Floats] = np.zeros(CHANCES * first)
        self.fair: Final[Floats] = np.zeros(first)

    def price(self, model: Floats, state: Ints) -> None:
        """Fill `chances` and `fair` from a packed model and state.

        Both are all zeros when the dependence gives every reachable score chance 0.
        """
        scratch = take_scratch()
        code = price_board_nb(
            model,
            state,
            self.wanted,
            self.terms,
            scratch,
            self.features,
            self.chances,
            self.fair,
        )
        give_back_scratch(scratch)
        if code != PRICED:
            self.chances[:] = 0.0
            self.fair[:] = 0.0


def _terms(market: MarketRules, rule: OutcomeRule, outcome: int) -> list[tuple[int, int, int]]:
    """Return the intervals of a rule as the kernel reads them, without empty ones."""
    return line_terms(
        Line(*rule[2:]), outcome, lambda value: feature_index(market.scope, rule.axis, value)
    )
