"""A fixture's board: its markets compiled once, priced together as often as the match moves.

Owns the way from market keys, a model and a match state to quotes and results. Never issues a
command, never reads a clock, and remembers nothing that changes a price.
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

    One call of a kernel prices all of them. Not to be shared between threads: scratch arrays are
    its own.

    Parameters
    ----------
    keys : Sequence[str]
        Market keys of one fixture, in the order in which quotes are wanted.
    ladder : Ladder
        The odds that may be quoted.

    Raises
    ------
    MalformedIdError
        When a key breaks the grammar of keys.
    MarketTypeError
        When a type or its specifiers are not in the table.
    ValueError
        When keys repeat, belong to several fixtures, or are too many.
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
        # Packed forms of the model and the state that came last; both are frozen.
        self._model: MatchModel | None = None
        self._state: MatchState | None = None
        self._packed_model: Floats = np.zeros(0)
        self._packed_state: Ints = np.zeros(0, np.int64)

    @property
    def keys(self) -> tuple[str, ...]:
        """The board's market keys, as they were given."""
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
            What is believed of the match.
        state : MatchState
            What has happened in it.
        margin : Margin
            What the odds hold above fair.
        lean : Lean | None
            How odds follow the book; None: not at all.
        figures : BookFigures | None
            The book of every outcome, in the board's order; None: nothing is leaned on.

        Returns
        -------
        dict[str, tuple[Quote, ...]]
            For each market key, in the board's order, a quote for each outcome. One that the score
            has decided, or that is too one-sided for the ladder, is not active, and its odds are
            the end of the ladder it fell off.
        """
        self._price(model, state)
        quoted = self._quoter.quote(self._compiled.fair, margin=margin, skew=skew, figures=figures)
        return quotes_by_key(self._markets, quoted)

    def fair(self, model: MatchModel, state: MatchState) -> Floats:
        """Return all fair probabilities as one array, market after market: what a call costs least.

        It is the board's own and is overwritten by whatever is priced next.
        """
        self._price(model, state)
        return self._compiled.fair

    def probabilities(self, model: MatchModel, state: MatchState) -> dict[str, tuple[float, ...]]:
        """Return each outcome's fair probability: one over the odds that return the stake."""
        self._price(model, state)
        fair = self._compiled.fair.tolist()
        return {market.key: tuple(fair[market.first : market.last]) for market in self._markets}

    def chances(self, model: MatchModel, state: MatchState) -> dict[str, Floats]:
        """Return each market's chances to win, half win, push and half lose.

        Returns
        -------
        dict[str, Floats]
            For each market key an array of shape (outcomes, 4); the rest of a row is to lose.
        """
        self._price(model, state)
        rows = self._compiled.chances.reshape(-1, CHANCES)
        return {market.key: rows[market.first : market.last].copy() for market in self._markets}

    def decided(self, state: MatchState) -> tuple[str, ...]:
        """Return the keys of markets whose every outcome the score alone has settled.

        The clock is not consulted: a market is decided when no goal still to come, in a period not
        yet over, could change it.
        """
        packed = pack_state(state)
        packed[1] = 0
        # Whoever scored: that it is not known who leaves a market no less decided.
        packed[ORDER_COLUMN:] = np.maximum(packed[ORDER_COLUMN:], 0)
        self._compiled.price(_GOALS_GALORE, packed)
        rows = self._compiled.chances.reshape(-1, CHANCES)
        sure = np.maximum(rows.max(axis=1), 1.0 - rows.sum(axis=1)) >= 1.0 - CERTAINTY_SLACK
        return tuple(
            market.key for market in self._markets if bool(sure[market.first : market.last].all())
        )

    def results(self, state: MatchState) -> dict[str, tuple[OutcomeResult, ...]]:
        """Settle the markets whose stretch of play is over; the others are left out.

        Extra-time markets of a match that had none are left out too: they are cancelled. So are
        markets on the order of goals while that is not known.
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


_GOALS_GALORE: Final = np.array((10.0, 10.0, 0.0, 0.5, 0.0, 0.0, 1.0, 1.0, 1.0))
"""A packed model under which every score still reachable has a chance that can be told from 0."""

assert len(_GOALS_GALORE) == len(pack_model(MatchModel(home_rate=1.0, away_rate=1.0)))
