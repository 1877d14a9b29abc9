"""Price markets of any kind from probabilities that a trader or a feed gives.

Owns the model (probabilities by market), the state (results by market) and their bounds; never
knows a rule of any game. Margin, skew and ladder apply as to every other sport's markets, and
results are taken as given.
"""

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from engine.common.commands import OutcomeResult
from engine.common.ids import MarketKey
from engine.common.units import OUTCOMES_MAX
from engine.pricing.chances import WIN
from engine.pricing.ladder import Floats
from engine.pricing.lines import MarketTypeError
from engine.pricing.sport import Names, Pricer, Results, Specifiers, SportMarket

GENERIC_MARKETS_MAX: Final = 512
"""Markets of one fixture that one model or one state may name."""
NAME_CHARS_MAX: Final = 128
SUM_TOLERANCE: Final = 1e-6
"""How far a market's probabilities may be from adding up to its number of winners."""

_WINNERS: Final = re.compile(r"[1-9]\d{0,2}", re.ASCII)

MarketName = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
"""A market key without its fixture: ``type?key=value|...``, specifiers in canonical order."""
Chances = Annotated[
    tuple[Annotated[float, Meta(ge=0.0, le=1.0)], ...],
    Meta(min_length=1, max_length=OUTCOMES_MAX),
]


class GenericModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The probability of each outcome, by market, as a trader or a feed gives it.

    A market is not offered if the model does not name it, if it has another number of outcomes than
    the model gives probabilities, or if these do not add up to its winners within `SUM_TOLERANCE`.
    """

    fair: Annotated[dict[MarketName, Chances], Meta(max_length=GENERIC_MARKETS_MAX)]

    def __post_init__(self) -> None:
        """Refuse too many markets, and numbers that are no probabilities."""
        if len(self.fair) > GENERIC_MARKETS_MAX:
            raise ValueError(f"fair: at most {GENERIC_MARKETS_MAX} markets")
        for name, chances in self.fair.items():
            if not all(isfinite(chance) and 0.0 <= chance <= 1.0 for chance in chances):
                raise ValueError(f"fair: {name}: each from 0 to 1")

    def has_market(self, key: MarketKey) -> bool:
        """Return whether the model gives a market; a reprice changes no other market's odds."""
        return _name(key.type, key.specifiers) in self.fair


class GenericState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The results of markets, by market; a market that is not named has no result yet."""

    results: Annotated[
        dict[
            MarketName,
            Annotated[tuple[OutcomeResult, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)],
        ],
        Meta(max_length=GENERIC_MARKETS_MAX),
    ] = {}


def _name(market_type: str, specifiers: Specifiers) -> str:
    tail = "|".join(f"{key}={value}" for key, value in specifiers)
    return f"{market_type}?{tail}" if tail else market_type


class _Rules(NamedTuple):
    name: str
    outcomes: int
    winners: int


class Generic:
    """Any market.

    Its outcomes are those it was created with. One outcome wins, unless the specifier ``winners``
    gives another number (``top?winners=3``).
    """

    name: Final = "generic"
    model_type: Final = GenericModel
    state_type: Final = GenericState
    market_types: Final[Mapping[str, int | None]] = {}
    """Empty: the sport accepts every type that a market key can have."""

    def market(
        self, market_type: str, specifiers: Specifiers, names: Names | None = None
    ) -> SportMarket:
        """Return a market with the outcomes it was created with."""
        if not names or len(names) > OUTCOMES_MAX:
            raise MarketTypeError(f"{market_type}: needs the names of 1 to {OUTCOMES_MAX} outcomes")
        text = dict(specifiers).get("winners", "1")
        if _WINNERS.fullmatch(text) is None or int(text) > len(names):
            raise MarketTypeError(f"winners: from 1 to {len(names)}: {text!r}")
        rules = _Rules(_name(market_type, specifiers), len(names), int(text))
        return SportMarket(names, float(text), rules)

    def pricer(self, markets: Sequence[SportMarket]) -> Pricer:
        """Return a function that copies the model's probabilities to the chances of winning."""
        rules: list[_Rules] = [market.rules for market in markets]

        def price(model: GenericModel, state: GenericState, chances: Floats) -> None:
            first = 0
            for market in rules:
                fair = model.fair.get(market.name, ())
                if (
                    market.name not in state.results
                    and len(fair) == market.outcomes
                    and abs(sum(fair) - market.winners) <= SUM_TOLERANCE
                ):
                    chances[first : first + market.outcomes, WIN] = fair
                first += market.outcomes

        return price

    def results(self, market: SportMarket, state: GenericState) -> Results | None:
        """Return the results that the state gives, if there is one for each outcome."""
        rules: _Rules = market.rules
        given = state.results.get(rules.name)
        return given if given is not None and len(given) == rules.outcomes else None


SPORT: Final = Generic()
