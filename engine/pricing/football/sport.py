"""Football behind the interface of every sport: its market types, its model and its kernel.

Owns the translation and nothing else. `FixtureBoard` prices the same markets and offers more (it
also returns which markets are decided).
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from engine.common.ids import MarketKey
from engine.pricing.chances import CHANCES
from engine.pricing.football.compiled_markets import CompiledMarkets
from engine.pricing.football.market_types import MARKET_TYPES, MarketRules, market_rules
from engine.pricing.football.model import (
    Floats,
    MatchModel,
    MatchState,
    pack_model,
    pack_state,
)
from engine.pricing.football.outcome_rules import outcome_result
from engine.pricing.sport import Names, Pricer, Results, Specifiers, SportMarket


class _Market(NamedTuple):
    """A market's rules and a key that yields them."""

    key: str
    rules: MarketRules


class Football:
    """Association football: ninety minutes and extra time."""

    name: Final = "football"
    model_type: Final = MatchModel
    state_type: Final = MatchState
    market_types: Final[Mapping[str, int | None]] = {
        name: row.uof_id for name, row in MARKET_TYPES.items()
    }

    def market(
        self, market_type: str, specifiers: Specifiers, names: Names | None = None
    ) -> SportMarket:
        """Return a market; its outcomes are fixed by its type, so `names` are not used."""
        del names
        rules = market_rules(market_type, specifiers)
        listed = _Market(str(MarketKey("fixture", market_type, specifiers)), rules)
        return SportMarket(tuple(rule.name for rule in rules.outcomes), rules.winners, listed)

    def pricer(self, markets: Sequence[SportMarket]) -> Pricer:
        """Return a function that prices these markets with the football kernel."""
        compiled = CompiledMarkets([market.rules.key for market in markets])

        def price(model: MatchModel, state: MatchState, chances: Floats) -> None:
            compiled.price(pack_model(model), pack_state(state))
            chances[:] = compiled.chances.reshape(-1, CHANCES)

        return price

    def results(self, market: SportMarket, state: MatchState) -> Results | None:
        """Settle a market whose scope is over; return None when it cannot be settled (yet).

        A market that needs the order of goals is not settled while the order is not known. A market
        on an extra time that was not played is never settled: it is cancelled.
        """
        rules: MarketRules = market.rules.rules
        if not state.over(rules.scope):
            return None
        play = state.play(rules.scope)
        if rules.needs_order and play.order is None:
            return None
        return tuple(outcome_result(rule, play) for rule in rules.outcomes)


SPORT: Final = Football()
