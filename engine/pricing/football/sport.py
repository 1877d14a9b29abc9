"""Football behind the interface of every sport: its market types, its model and its kernel.

Owns the translation and nothing else. `FixtureBoard` prices the same markets and offers more (it
also returns which markets are decided).
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from engine.common.ids import BUILDER, MarketKey
from engine.pricing.chances import CHANCES, WIN
from engine.pricing.football.builder.compiled_builders import CompiledBuilders
from engine.pricing.football.builder.legs import Leg
from engine.pricing.football.builder.selection import YES, builder_legs, void_rule
from engine.pricing.football.builder.settlement import VoidRule, settle
from engine.pricing.football.compiled_markets import CompiledMarkets
from engine.pricing.football.market_types import MARKET_TYPES, MarketRules, market_rules
from engine.pricing.football.model import (
    Floats,
    MatchModel,
    MatchState,
    pack_model,
    pack_state,
)
from engine.pricing.football.outcome_rules import WINNERS_VARY, outcome_result
from engine.pricing.sport import Names, Pricer, Results, Specifiers, SportMarket


class _Market(NamedTuple):
    """A market's rules and a key that yields them."""

    key: str
    rules: MarketRules


class _Builder(NamedTuple):
    """The canonical legs of a bet builder, and its rule for void ones."""

    legs: tuple[Leg, ...]
    void: VoidRule


class Football:
    """Association football: ninety minutes and extra time."""

    name: Final = "football"
    model_type: Final = MatchModel
    state_type: Final = MatchState
    market_types: Final[Mapping[str, int | None]] = {
        **{name: row.uof_id for name, row in MARKET_TYPES.items()},
        BUILDER: None,
    }

    def market(
        self, market_type: str, specifiers: Specifiers, names: Names | None = None
    ) -> SportMarket:
        """Return a market; its outcomes are fixed by its type, so `names` are not used."""
        del names
        if market_type == BUILDER:
            legs = builder_legs(specifiers)
            return SportMarket(
                (YES,), WINNERS_VARY, _Builder(legs, void_rule(specifiers)), len(legs)
            )
        rules = market_rules(market_type, specifiers)
        listed = _Market(str(MarketKey("fixture", market_type, specifiers)), rules)
        return SportMarket(tuple(rule.name for rule in rules.outcomes), rules.winners, listed)

    def pricer(self, markets: Sequence[SportMarket]) -> Pricer:
        """Return a function that prices these markets with the football kernels."""
        built = [isinstance(market.rules, _Builder) for market in markets]
        keys = [
            market.rules.key
            for market, is_built in zip(markets, built, strict=True)
            if not is_built
        ]
        builders = [
            market.rules.legs for market, is_built in zip(markets, built, strict=True) if is_built
        ]
        compiled = CompiledMarkets(keys) if keys else None
        compiled_builders = CompiledBuilders(builders)
        # Which rows of the chances are builders': each has one.
        rows = np.repeat(built, [len(market.outcomes) for market in markets])
        won = np.zeros(len(builders))

        def price(model: MatchModel, state: MatchState, chances: Floats) -> None:
            packed_model, packed_state = pack_model(model), pack_state(state)
            if compiled is not None:
                compiled.price(packed_model, packed_state)
                chances[~rows] = compiled.chances.reshape(-1, CHANCES)
            if builders:
                compiled_builders.price(packed_model, packed_state, won)
                chances[rows, WIN] = won

        return price

    def results(self, market: SportMarket, state: MatchState) -> Results | None:
        """Settle a market whose scope is over; return None when it cannot be settled (yet).

        A market that needs the order of goals is not settled while the order is not known. A market
        on an extra time that was not played is never settled: it is cancelled. A builder is lost as
        soon as a leg is.
        """
        if isinstance(market.rules, _Builder):
            legs = [_results(market_rules(*leg[:2]), state) for leg in market.rules.legs]
            of_legs = [
                None if results is None else results[leg.outcome]
                for leg, results in zip(market.rules.legs, legs, strict=True)
            ]
            decided = settle(of_legs, rule=market.rules.void).result
            return None if decided is None else (decided,)
        rules: MarketRules = market.rules.rules
        return _results(rules, state)


def _results(rules: MarketRules, state: MatchState) -> Results | None:
    """Settle a market of the table whose scope is over and whose order of goals is known."""
    if not state.over(rules.scope):
        return None
    play = state.play(rules.scope)
    if rules.needs_order and play.order is None:
        return None
    return tuple(outcome_result(rule, play) for rule in rules.outcomes)


SPORT: Final = Football()
