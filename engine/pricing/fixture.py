"""A fixture's board: its markets compiled once, priced together as often as the match moves.

Owns the way from market keys, a model and a match state to quotes and results. Never issues a
command, never reads a clock, and remembers nothing that changes a price.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from engine.commands import OutcomeResult, Quote
from engine.pricing.axes import Scope
from engine.pricing.compiled import CompiledMarket, CompiledMarkets
from engine.pricing.football import (
    Floats,
    Ints,
    MatchModel,
    MatchState,
    pack_model,
    pack_state,
)
from engine.pricing.ladder import EXCHANGE, Ladder, Place, Rounding
from engine.pricing.layout import CHANCES, DUST, ORDER_COLUMN
from engine.pricing.margin import Method
from engine.pricing.margin_nb import ADD, margins_nb
from engine.pricing.rules import outcome_result

FAIR_MIN: Final = 1e-4
"""An outcome less likely than this is not offered."""
BOOK_MILLI_MAX: Final = 2_000

BookField = Annotated[int, Meta(ge=1_000, le=BOOK_MILLI_MAX)]


class Margin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a board's odds hold above fair: a method and a book sum, in thousandths per winner.

    `book_milli_by_type` overrides the book for some market types. Shin's method knows markets with
    one winner only: where two outcomes win, the odds ratio stands in for it.
    """

    method: Method = Method.ODDS_RATIO
    book_milli: BookField = 1_050
    book_milli_by_type: dict[str, BookField] = {}
    rounding: Rounding = Rounding.NEAREST

    def __post_init__(self) -> None:
        """Refuse a book that pays out more than it takes, or that no market can have."""
        for name, book_milli in (("book_milli", self.book_milli), *self.book_milli_by_type.items()):
            if not 1_000 <= book_milli <= BOOK_MILLI_MAX:
                raise ValueError(f"{name}: must be from 1000 to {BOOK_MILLI_MAX}")


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
        self._ladder: Final = ladder
        self.fixture: Final = self._compiled.fixture
        outcomes, markets = self._compiled.outcomes, len(keys)
        self._quoted: Floats = np.zeros(outcomes)
        self._odds_milli: Ints = np.zeros(outcomes, np.int64)
        self._places: Ints = np.zeros(outcomes, np.int64)
        self._parameters: Floats = np.zeros(markets)
        self._statuses: Ints = np.zeros(markets, np.int64)
        self._methods: Ints = np.zeros(markets, np.int64)
        self._targets: Floats = np.zeros(markets)
        self._margin: Margin | None = None
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
        self, model: MatchModel, state: MatchState, margin: Margin
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

        Returns
        -------
        dict[str, tuple[Quote, ...]]
            For each market key, in the board's order, a quote for each outcome. One that the score
            has decided, or that is too one-sided for the ladder, is not active, and its odds are
            the end of the ladder it fell off.
        """
        self._price(model, state)
        self._set_margin(margin)
        margins_nb(
            ADD,
            self._methods,
            self._compiled.fair,
            self._compiled.offsets,
            self._targets,
            self._quoted,
            self._parameters,
            self._statuses,
        )
        self._ladder.round_all(
            self._quoted, self._odds_milli, self._places, rounding=margin.rounding
        )
        active = (
            ((self._places == Place.ON_LADDER) | (self._places == Place.ABOVE))
            & (self._compiled.fair >= FAIR_MIN)
            & (self._compiled.fair < 1.0)
        ).tolist()
        odds_milli = self._odds_milli.tolist()
        return {
            market.key: tuple(
                [
                    Quote(outcome=k - market.first, odds_milli=odds_milli[k], active=active[k])
                    for k in range(market.first, market.last)
                ]
            )
            for market in self._markets
        }

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
        sure = np.maximum(rows.max(axis=1), 1.0 - rows.sum(axis=1)) >= 1.0 - DUST
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

    def _set_margin(self, margin: Margin) -> None:
        if margin == self._margin:
            return
        for number, market in enumerate(self._markets):
            book_milli = margin.book_milli_by_type.get(market.parsed.type, margin.book_milli)
            winners = market.rules.winners
            single = winners == 1 or margin.method is not Method.SHIN
            self._targets[number] = winners * book_milli / 1000.0
            self._methods[number] = margin.method if single else Method.ODDS_RATIO
        self._margin = margin


_GOALS_GALORE: Final = np.array((10.0, 10.0, 0.0, 0.5, 0.0, 0.0, 1.0, 1.0, 1.0))
"""A packed model under which every score still reachable has a chance that can be told from 0."""

assert len(_GOALS_GALORE) == len(pack_model(MatchModel(home_rate=1.0, away_rate=1.0)))
