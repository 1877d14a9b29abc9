"""Markets of any kind, priced by hand or by a feed, which say how likely each outcome is.

Owns the shape of what is said and its bounds; never a rule of any game. Margins, leans and ladders
are put on as on every other sport's markets, and results are those that are given.
"""

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from engine.common.commands import OutcomeResult
from engine.common.ids import MarketKey
from engine.common.units import OUTCOMES_MAX
from engine.pricing.ladder import Floats
from engine.pricing.lines import MarketTypeError
from engine.pricing.sport import Names, Pricer, Results, Specifiers, SportMarket

GENERIC_MARKETS_MAX: Final = 512
"""Markets of one fixture that one model or state speaks of."""
NAME_CHARS_MAX: Final = 128
SUM_TOLERANCE: Final = 1e-6

_WINNERS: Final = re.compile(r"[1-9]\d{0,2}", re.ASCII)

MarketName = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
"""A market key without its fixture: ``type?key=value|...``, specifiers in canonical order."""
Chances = Annotated[
    tuple[Annotated[float, Meta(ge=0.0, le=1.0)], ...],
    Meta(min_length=1, max_length=OUTCOMES_MAX),
]


class GenericModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How likely each outcome is, by market: what a trader or a feed says.

    A market that is not spoken of, or whose probabilities are not as many as its outcomes or do not
    add up to its winners within `SUM_TOLERANCE`, is not offered.
    """

    fair: Annotated[dict[MarketName, Chances], Meta(max_length=GENERIC_MARKETS_MAX)]

    def __post_init__(self) -> None:
        """Refuse what are no probabilities."""
        if len(self.fair) > GENERIC_MARKETS_MAX:
            raise ValueError(f"fair: at most {GENERIC_MARKETS_MAX} markets")
        for name, chances in self.fair.items():
            if not all(isfinite(chance) and 0.0 <= chance <= 1.0 for chance in chances):
                raise ValueError(f"fair: {name}: each from 0 to 1")

    def speaks_of(self, key: MarketKey) -> bool:
        """Say whether a market is spoken of: of all others of a fixture nothing is meant."""
        return _name(key.type, key.specifiers) in self.fair


class GenericState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How markets ended, by market; those that are not spoken of have not."""

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
    """Any market at all.

    Its outcomes are those it was created with. One outcome wins, unless the specifier ``winners``
    says how many do (``top?winners=3``).
    """

    name: Final = "generic"
    model_type: Final = GenericModel
    state_type: Final = GenericState
    market_types: Final[Mapping[str, int | None]] = {}
    """None of its own: it takes every type that a market key can name."""

    def market(
        self, market_type: str, specifiers: Specifiers, names: Names | None = None
    ) -> SportMarket:
        """Return what a market is: what it was created as."""
        if not names or len(names) > OUTCOMES_MAX:
            raise MarketTypeError(f"{market_type}: from 1 to {OUTCOMES_MAX} outcomes, by name")
        text = dict(specifiers).get("winners", "1")
        if _WINNERS.fullmatch(text) is None or int(text) > len(names):
            raise MarketTypeError(f"winners: from 1 to {len(names)}: {text!r}")
        rules = _Rules(_name(market_type, specifiers), len(names), int(text))
        return SportMarket(names, float(text), rules)

    def pricer(self, markets: Sequence[SportMarket]) -> Pricer:
        """Return what copies what was said to where it belongs."""
        rules: list[_Rules] = [market.rules for market in markets]

        def price(model: GenericModel, state: GenericState, chances: Floats) -> None:
            first = 0
            for one in rules:
                said = model.fair.get(one.name, ())
                if (
                    one.name not in state.results
                    and len(said) == one.outcomes
                    and abs(sum(said) - one.winners) <= SUM_TOLERANCE
                ):
                    chances[first : first + one.outcomes, 0] = said
                first += one.outcomes

        return price

    def results(self, market: SportMarket, state: GenericState) -> Results | None:
        """Return the results that were given, if there are as many as outcomes."""
        rules: _Rules = market.rules
        given = state.results.get(rules.name)
        return given if given is not None and len(given) == rules.outcomes else None


SPORT: Final = Generic()
