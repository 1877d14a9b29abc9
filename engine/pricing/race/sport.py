"""Define the market types of horse and greyhound racing, and price and settle them.

Owns the table of types, the orders of finish that win each outcome, and the effect of dead heats
and non-runners. Never reads a time and never applies deductions (race/terms.py).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from fractions import Fraction
from itertools import combinations, permutations
from math import comb, factorial, perm
from typing import Final, NamedTuple

import numpy as np

from engine.common.commands import OutcomeResult
from engine.common.ids import EACH_WAY, FRACTION
from engine.common.units import DEAD_HEAT_DEN_MAX, OUTCOMES_MAX
from engine.pricing.chances import WIN
from engine.pricing.ladder import Floats
from engine.pricing.lines import MarketTypeError
from engine.pricing.race.dead_heats import placed_share, result_of
from engine.pricing.race.field import RUNNERS_MAX
from engine.pricing.race.model import (
    Places,
    RaceModel,
    RaceState,
    forecasts,
    places_max,
    tricasts,
)
from engine.pricing.sport import Names, Pricer, Results, Specifiers, SportMarket

_COUNT: Final = re.compile(r"[1-9]\d?", re.ASCII)


class Kind(Enum):
    """What an outcome states about its runners."""

    PLACED = "each among the first few"
    ORDERED = "first, second, ... in the order named"
    ANY_ORDER = "first, second, ... in any order"


class _Type(NamedTuple):
    kind: Kind
    named: int
    """Runners per outcome."""
    places: int | None
    """Places that win; None: the specifier ``places`` gives them."""


TYPES: Final[Mapping[str, _Type]] = {
    "win": _Type(Kind.PLACED, 1, 1),
    "place": _Type(Kind.PLACED, 1, None),
    "each_way": _Type(Kind.PLACED, 1, None),
    "forecast": _Type(Kind.ORDERED, 2, 2),
    "reverse_forecast": _Type(Kind.ANY_ORDER, 2, 2),
    "tricast": _Type(Kind.ORDERED, 3, 3),
    "reverse_tricast": _Type(Kind.ANY_ORDER, 3, 3),
}
_COUNTS: Final[Mapping[Kind, Callable[[int, int], int]]] = {
    Kind.PLACED: comb,
    Kind.ORDERED: perm,
    Kind.ANY_ORDER: comb,
}
_MARKS: Final = {Kind.PLACED: "", Kind.ORDERED: "-", Kind.ANY_ORDER: "+"}


class RaceRules(NamedTuple):
    """A market of a field; an outcome is the tuple of its runners, numbered from 0."""

    kind: Kind
    runners: int
    places: int
    outcomes: tuple[tuple[int, ...], ...]


class Race:
    """Horse and greyhound racing."""

    name: Final = "race"
    model_type: Final = RaceModel
    state_type: Final = RaceState
    market_types: Final[Mapping[str, int | None]] = dict.fromkeys(TYPES)

    def market(
        self, market_type: str, specifiers: Specifiers, names: Names | None = None
    ) -> SportMarket:
        """Return a market's definition.

        Outcomes are numbers of runners, or `names` where an outcome has one runner. The size of the
        field is the specifier ``runners``, or follows from the number of `names`.
        """
        row = TYPES.get(market_type)
        if row is None:
            raise MarketTypeError(f"market type: not in the table: {market_type!r}")
        given = dict(specifiers)
        wanted = ("runners",) if row.places is not None else ("places", "runners")
        derived = market_type == EACH_WAY and FRACTION in given
        if not set(given) - ({FRACTION} if derived else set()) <= set(wanted):
            raise MarketTypeError(f"{market_type}: specifiers must be: {', '.join(wanted)}")
        runners = _runners(market_type, row, given.get("runners"), names)
        places = row.places
        if places is None:
            places = _count("places", given.get("places", ""), places_max(runners))
        if places > runners:
            raise MarketTypeError(f"{market_type}: needs at least {places} runners")
        picks = permutations if row.kind is Kind.ORDERED else combinations
        outcomes = tuple(picks(range(runners), row.named))
        mark = _MARKS[row.kind]
        own = tuple(mark.join(str(runner + 1) for runner in outcome) for outcome in outcomes)
        if names is not None and row.named > 1 and names != own:
            raise MarketTypeError(f"{market_type}: outcomes must be {own[0]}, {own[1]}, ...")
        winners = float(places if row.kind is Kind.PLACED else 1)
        rules = RaceRules(row.kind, runners, places, outcomes)
        return SportMarket(names or own, winners, rules, derived=derived)

    def pricer(self, markets: Sequence[SportMarket]) -> Pricer:
        """Compile markets of one race.

        All chances are 0 in a market of another field than the model's, and those of outcomes with
        a non-runner.
        """
        rules: list[RaceRules] = [market.rules for market in markets]
        needs = {
            runners: _FieldNeeds(runners, rules)
            for runners in dict.fromkeys(market.runners for market in rules)
        }

        def price(model: RaceModel, state: RaceState, chances: Floats) -> None:
            runners = len(model.win)
            left = [k for k in range(runners) if k + 1 not in state.withdrawn]
            if runners not in needs or not left:
                return
            field = _FieldChances(model, left, needs[runners])
            first = 0
            for market in rules:
                last = first + len(market.outcomes)
                if market.runners == runners:
                    chances[first:last, WIN] = [
                        field.chance(market, outcome) for outcome in market.outcomes
                    ]
                first = last

        return price

    def results(self, market: SportMarket, state: RaceState) -> Results | None:
        """Settle a market once the result is known: dead heats as fractions, non-runners void.

        Return None, so that a trader settles the market, where fewer runners finished than an
        outcome has, and where a dead heat gives a share with a denominator above
        `DEAD_HEAT_DEN_MAX`.
        """
        rules: RaceRules = market.rules
        if len(state.positions) != rules.runners:
            return None
        finished = sum(position > 0 for position in state.positions)
        if finished < len(rules.outcomes[0]):
            return None
        results = tuple(_result(rules, state, outcome) for outcome in rules.outcomes)
        if any(result.dead_heat_den > DEAD_HEAT_DEN_MAX for result in results):
            return None
        return results


SPORT: Final = Race()


# --- specifiers ----------------------------------------------------------------------------------


def _count(name: str, text: str, most: int) -> int:
    if _COUNT.fullmatch(text) is None or int(text) > most:
        raise MarketTypeError(f"{name}: from 1 to {most}: {text!r}")
    return int(text)


def _runners(market_type: str, row: _Type, text: str | None, names: Names | None) -> int:
    """Return the size of the field; a market must have every outcome of that field."""
    count = _COUNTS[row.kind]
    most = max(n for n in range(1, RUNNERS_MAX + 1) if count(n, row.named) <= OUTCOMES_MAX)
    if text is not None:
        runners = _count("runners", text, most)
    elif names is None:
        raise MarketTypeError(f"{market_type}: runners, or the outcomes' names, must be given")
    else:
        sizes = [n for n in range(1, most + 1) if count(n, row.named) == len(names)]
        runners = sizes[0] if sizes else 0
    outcomes = count(runners, row.named)
    if outcomes < 1 or (names is not None and len(names) != outcomes):
        raise MarketTypeError(f"{market_type}: the number of outcomes fits no field, or another")
    return runners


# --- chances -------------------------------------------------------------------------------------


class _FieldNeeds:
    """What the markets of one field size need: the most places, and the most runners in order."""

    def __init__(self, runners: int, rules: Sequence[RaceRules]) -> None:
        markets = [market for market in rules if market.runners == runners]
        placed = [market.places for market in markets if market.kind is Kind.PLACED]
        self.table: Final = Places(runners=runners, places=max(placed, default=1))
        self.named: Final = max(len(market.outcomes[0]) for market in markets)


class _FieldChances:
    """The chances of places, pairs and triples of the runners left, as far as markets need them."""

    def __init__(self, model: RaceModel, left: Sequence[int], needs: _FieldNeeds) -> None:
        win = np.array([model.win[k] for k in left])
        self._index: Final = {runner: index for index, runner in enumerate(left)}
        self._placed: Final[Floats] = np.cumsum(needs.table.chances(win, model), axis=0)
        self._pairs: Final = forecasts(win, model) if needs.named >= 2 and len(left) >= 2 else None
        self._triples: Final = tricasts(win, model) if needs.named >= 3 and len(left) >= 3 else None

    def chance(self, rules: RaceRules, outcome: tuple[int, ...]) -> float:
        """Return the chance that an outcome wins; 0 where one of its runners is withdrawn."""
        if any(runner not in self._index for runner in outcome):
            return 0.0
        picks = tuple(self._index[runner] for runner in outcome)
        if rules.kind is Kind.PLACED:
            if rules.places >= len(self._index):
                return 1.0
            return float(self._placed[rules.places - 1, picks[0]])
        chances = self._pairs if len(picks) == 2 else self._triples
        if chances is None:
            return 0.0
        orders = permutations(picks) if rules.kind is Kind.ANY_ORDER else (picks,)
        return float(sum(chances[order] for order in orders))


# --- settlement ----------------------------------------------------------------------------------


def _result(rules: RaceRules, state: RaceState, outcome: tuple[int, ...]) -> OutcomeResult:
    if any(runner + 1 in state.withdrawn for runner in outcome):
        return OutcomeResult(won=False, void_halves=2)
    return result_of(_share(rules, state.positions, outcome))


def _share(rules: RaceRules, positions: Sequence[int], outcome: tuple[int, ...]) -> Fraction:
    """Return the share of a stake that wins: of all ways to break the dead heats, those that win.

    The n runners of a dead heat share the n places from their position on; all orders of them count
    equally.
    """
    if rules.kind is Kind.PLACED:
        return placed_share(positions, outcome[0], places=rules.places)
    if rules.kind is Kind.ORDERED:
        return _ordered_share(positions, outcome)
    return sum((_ordered_share(positions, order) for order in permutations(outcome)), Fraction(0))


def _ordered_share(positions: Sequence[int], order: tuple[int, ...]) -> Fraction:
    share = Fraction(1)
    taken: dict[int, int] = {}
    for place, runner in enumerate(order, 1):
        position = positions[runner]
        tied = positions.count(position)
        if not position or not position <= place < position + tied:
            return Fraction(0)
        taken[position] = taken.get(position, 0) + 1
    for position, picked in taken.items():
        tied = positions.count(position)
        share *= Fraction(factorial(tied - picked), factorial(tied))
    return share
