"""The board of one football fixture: compile its markets once, then price them together.

Owns the way from market keys, a model and a match state to quotes and results. Never issues a
command, never reads a clock, and keeps no state that changes a price.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.common.commands import OutcomeResult, Quote
from engine.pricing.board import quotes_by_key
from engine.pricing.chances import CERTAINTY_SLACK, CHANCES
from engine.pricing.football.axes import Scope
from engine.pricing.football.compiled_markets import CompiledMarket, CompiledMarkets
from engine.pricing.football.layout import ORDER_COLUMN
from engine.pricing.football.model import (
    Floats,
    Ints,
    MatchModel,
    MatchState,
    pack_model,
    pack_state,
)
from engine.pricing.football.outcome_rules import outcome_result
from engine.pricing.ladder import EXCHANGE, Ladder
from engine.pricing.quoting import FAIR_MIN, BookFigures, Margin, Quoter
from engine.pricing.skew import Skew

__all__ = ["FAIR_MIN", "BookFigures", "FixtureBoard", "Margin"]


class FixtureBoard:
    """Some markets of one football fixture, compiled to arrays.

    One kernel call prices all of them. A board holds scratch arrays: threads must not share it.

    Parameters
    ----------
    keys : Sequence[str]
        Market keys of one fixture, in the order of the quotes to return.
    ladder : Ladder
        The odds that may be quoted.

    Raises
    ------
    MalformedIdError
        When a key breaks the grammar of keys.
    MarketTypeError
        When a type or its specifiers are not in the table.
    ValueError
        When there are no keys or too many, when keys repeat, or belong to several fixtures.
    """

    def __init__(self, keys: Sequence[str], *, ladder: Ladder = EXCHANGE) -> None:
        self._compiled: Final = CompiledMarkets(keys)
        self._markets: Final = self._compiled.markets
        self.fixture: Final = self._compiled.fixture
        self._quoter: Final = Quoter(
            self._compiled.offsets,
            np.array([market.rules.winners for market in self._markets], np.float64),
            [market.parsed.type for market in self._markets],
            ladder=ladder,
        )
        # The last model and state with their packed forms; model and state are frozen.
        self._model: MatchModel | None = None
        self._state: MatchState | None = None
        self._packed_model: Floats = np.zeros(0)
        self._packed_state: Ints = np.zeros(0, np.int64)

    @property
    def keys(self) -> tuple[str, ...]:
        """The board's market keys, as given."""
        return tuple(market.key for market in self._markets)

    def outcomes(self, key: str) -> tuple[str, ...]:
        """Return the outcome names of one of the board's markets."""
        return tuple(rule.name for rule in self._market(key).rules.outcomes)

    def quotes(
        self,
        model: MatchModel,
        state: MatchState,
        margin: Margin,
        skew: Skew | None = None,
        figures: BookFigures | None = None,
    ) -> dict[str, tuple[Quote, ...]]:
        """Quote every outcome of every market.

        Parameters
        ----------
        model : MatchModel
            Rates, dependence and intensity of the match.
        state : MatchState
            Period, clock, goals and red cards so far.
        margin : Margin
            The margin to put on the fair probabilities.
        skew : Skew | None
            How odds follow the book; None for no skew.
        figures : BookFigures | None
            Stakes and payouts of every outcome, in the board's order; None for no skew.

        Returns
        -------
        dict[str, tuple[Quote, ...]]
            For each market key, in the board's order, a quote for each outcome. A quote is not
            active when the score has decided its outcome, when its outcome is less likely than
            ``FAIR_MIN``, or when its odds are too short for the ladder. Odds beyond an end of the
            ladder are quoted at that end; too long ones stay active.
        """
        self._price(model, state)
        quoted = self._quoter.quote(self._compiled.fair, margin=margin, skew=skew, figures=figures)
        return quotes_by_key(self._markets, quoted)

    def fair(self, model: MatchModel, state: MatchState) -> Floats:
        """Return all fair probabilities as one array, market after market: the cheapest call.

        The array belongs to the board; the next pricing call overwrites it.
        """
        self._price(model, state)
        return self._compiled.fair

    def probabilities(self, model: MatchModel, state: MatchState) -> dict[str, tuple[float, ...]]:
        """Return each outcome's fair probability: one over the odds with expected return 1."""
        self._price(model, state)
        fair = self._compiled.fair.tolist()
        return {market.key: tuple(fair[market.first : market.last]) for market in self._markets}

    def chances(self, model: MatchModel, state: MatchState) -> dict[str, Floats]:
        """Return each market's chances to win, half win, push and half lose.

        Returns
        -------
        dict[str, Floats]
            For each market key an array of shape (outcomes, 4). The rest of a row up to 1 is the
            chance to lose.
        """
        self._price(model, state)
        rows = self._compiled.chances.reshape(-1, CHANCES)
        return {market.key: rows[market.first : market.last].copy() for market in self._markets}

    def decided(self, state: MatchState) -> tuple[str, ...]:
        """Return the keys of the markets whose every outcome the score has already decided.

        The clock is not used: a market is decided when no goal in a period that is not over could
        change its results.
        """
        packed = pack_state(state)
        packed[1] = 0
        # A goal that has fallen is decided even when its scorer is not known: assume one.
        packed[ORDER_COLUMN:] = np.maximum(packed[ORDER_COLUMN:], 0)
        self._compiled.price(_ALL_SCORES_POSSIBLE, packed)
        rows = self._compiled.chances.reshape(-1, CHANCES)
        certain = np.maximum(rows.max(axis=1), 1.0 - rows.sum(axis=1)) >= 1.0 - CERTAINTY_SLACK
        return tuple(
            market.key
            for market in self._markets
            if bool(certain[market.first : market.last].all())
        )

    def results(self, state: MatchState) -> dict[str, tuple[OutcomeResult, ...]]:
        """Settle the markets whose scope is over; the result holds no other market.

        It holds no extra-time market of a match without extra time (those are cancelled), and no
        market on the order of goals while the order is not known.
        """
        plays = {scope: state.play(scope) for scope in Scope if state.over(scope)}
        return {
            market.key: tuple(
                outcome_result(rule, plays[market.rules.scope]) for rule in market.rules.outcomes
            )
            for market in self._markets
            if market.rules.scope in plays
            and (plays[market.rules.scope].order is not None or not market.rules.needs_order)
        }

    def _market(self, key: str) -> CompiledMarket:
        for market in self._markets:
            if market.key == key:
                return market
        raise KeyError(key)

    def _price(self, model: MatchModel, state: MatchState) -> None:
        if model is not self._model:
            self._model, self._packed_model = model, pack_model(model)
        if state is not self._state:
            self._state, self._packed_state = state, pack_state(state)
        self._compiled.price(self._packed_model, self._packed_state)


_ALL_SCORES_POSSIBLE: Final = np.array((10.0, 10.0, 0.0, 0.5, 0.0, 0.0, *(1.0,) * 11, 0.0, 0.0))
"""A packed model that gives every score still reachable a chance well above rounding."""

assert len(_ALL_SCORES_POSSIBLE) == len(pack_model(MatchModel(home_rate=1.0, away_rate=1.0)))
