"""Races as a sport: market types of horse and greyhound racing, their prices and their settlement.

Owns the table of types, which orders of finish win each outcome, and what a dead heat or a
non-runner does to it. Never reads a time and never deducts from a price (race_terms.py).
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
from engine.common.units import DEAD_HEAT_DEN_MAX, OUTCOMES_MAX
from engine.pricing.ladder import Floats
from engine.pricing.lines import MarketTypeError
from engine.pricing.race.model import (
    RUNNERS_MAX,
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
    """What a bet says of the runners it names."""

    PLACED = "each among the first few"
    ORDERED = "first, second, ... in the order named"
    ANY_ORDER = "first, second, ... in any order"


class _Type(NamedTuple):
    kind: Kind
    named: int
    """Runners that an outcome names."""
    places: int | None
    """Places that win; None: a specifier says."""


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
    """A market of a field: what its outcomes are, each as the runners (from 0) that it names."""

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
        """Return what a market is.

        Outcomes are numbers of runners, or `names` where one runner makes an outcome. The size of
        the field is the specifier ``runners``, or follows from how many `names` there are.
        """
        row = TYPES.get(market_type)
        if row is None:
            raise MarketTypeError(f"market type: not in the table: {market_type!r}")
        given = dict(specifiers)
        wanted = ("runners",) if row.places is not None else ("places", "runners")
        if not set(given) <= set(wanted):
            raise MarketTypeError(f"{market_type}: specifiers must be: {', '.join(wanted)}")
        runners = _runners(market_type, row, given.get("runners"), names)
        places = row.places
        if places is None:
            places = _count("places", given.get("places", ""), places_max(runners))
        if places > runners:
            raise MarketTypeError(f"{market_type}: needs {places} runners")
        picks = permutations if row.kind is Kind.ORDERED else combinations
        outcomes = tuple(picks(range(runners), row.named))
        mark = _MARKS[row.kind]
        own = tuple(mark.join(str(runner + 1) for runner in outcome) for outcome in outcomes)
        if names is not None and row.named > 1 and names != own:
            raise MarketTypeError(f"{market_type}: outcomes must be {own[0]}, {own[1]}, ...")
        winners = float(places if row.kind is Kind.PLACED else 1)
        return SportMarket(names or own, winners, RaceRules(row.kind, runners, places, outcomes))

    def pricer(self, markets: Sequence[SportMarket]) -> Pricer:
        """Compile markets of one race.

        Nothing has a chance under a model of another field than the market's, nor has what names a
        non-runner.
        """
        rules: list[RaceRules] = [market.rules for market in markets]
        fields = {runners: _Scratch(runners, rules) for runners in (one.runners for one in rules)}

        def price(model: RaceModel, state: RaceState, chances: Floats) -> None:
            runners = len(model.win)
            left = [k for k in range(runners) if k + 1 not in state.withdrawn]
            if runners not in fields or not left:
                return
            field = _Field(model, left, fields[runners])
            first = 0
            for one in rules:
                last = first + len(one.outcomes)
                if one.runners == runners:
                    chances[first:last, 0] = [field.chance(one, pick) for pick in one.outcomes]
                first = last

        return price

    def results(self, market: SportMarket, state: RaceState) -> Results | None:
        """Settle a market once the result is known: dead heats as fractions, non-runners void.

        None, for a trader to settle, where fewer finished than an outcome names, and where so many
        ran a dead heat that a share has a denominator above `DEAD_HEAT_DEN_MAX`.
        """
        rules: RaceRules = market.rules
        if len(state.positions) != rules.runners:
            return None
        finished = sum(position > 0 for position in state.positions)
        if finished < len(rules.outcomes[0]):
            return None
        settled = tuple(_result(rules, state, outcome) for outcome in rules.outcomes)
        if any(one.dead_heat_den > DEAD_HEAT_DEN_MAX for one in settled):
            return None
        return settled


SPORT: Final = Race()


# --- specifiers ----------------------------------------------------------------------------------


def _count(name: str, text: str, most: int) -> int:
    if _COUNT.fullmatch(text) is None or int(text) > most:
        raise MarketTypeError(f"{name}: from 1 to {most}: {text!r}")
    return int(text)


def _runners(market_type: str, row: _Type, text: str | None, names: Names | None) -> int:
    """Return the size of the field, of which a market must hold every outcome."""
    count = _COUNTS[row.kind]
    most = max(n for n in range(1, RUNNERS_MAX + 1) if count(n, row.named) <= OUTCOMES_MAX)
    if text is not None:
        runners = _count("runners", text, most)
    elif names is None:
        raise MarketTypeError(f"{market_type}: runners, or the outcomes' names, must be given")
    else:
        fields = [n for n in range(1, most + 1) if count(n, row.named) == len(names)]
        runners = fields[0] if fields else 0
    outcomes = count(runners, row.named)
    if outcomes < 1 or (names is not None and len(names) != outcomes):
        raise MarketTypeError(f"{market_type}: names of no field, or of another")
    return runners


# --- prices --------------------------------------------------------------------------------------


class _Scratch:
    """What the markets of a field ask for: how many places, and how many runners in order."""

    def __init__(self, runners: int, rules: Sequence[RaceRules]) -> None:
        asked = [one for one in rules if one.runners == runners]
        placed = [one.places for one in asked if one.kind is Kind.PLACED]
        self.table: Final = Places(runners=runners, places=max(placed, default=1))
        self.named: Final = max(len(one.outcomes[0]) for one in asked)


class _Field:
    """The runners that are left, and the chances of their orders as far as markets ask."""

    def __init__(self, model: RaceModel, left: Sequence[int], asked: _Scratch) -> None:
        win = np.array([model.win[k] for k in left])
        self._at: Final = {runner: at for at, runner in enumerate(left)}
        self._placed: Final[Floats] = np.cumsum(asked.table.chances(win, model), axis=0)
        self._pairs: Final = forecasts(win, model) if asked.named >= 2 and len(left) >= 2 else None
        self._triples: Final = tricasts(win, model) if asked.named >= 3 and len(left) >= 3 else None

    def chance(self, rules: RaceRules, outcome: tuple[int, ...]) -> float:
        """Return the chance that an outcome wins; 0 where a runner of it is out."""
        if any(runner not in self._at for runner in outcome):
            return 0.0
        picks = tuple(self._at[runner] for runner in outcome)
        if rules.kind is Kind.PLACED:
            if rules.places >= len(self._at):
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
    share = _share(rules, state.positions, outcome)
    if share == 0:
        return OutcomeResult(won=False)
    return OutcomeResult(
        won=True, dead_heat_num=share.numerator, dead_heat_den=share.denominator
    )  # fmt: skip


def _share(rules: RaceRules, positions: Sequence[int], outcome: tuple[int, ...]) -> Fraction:
    """Return which part of a stake wins: of all ways to part the dead heats, how many win it.

    Runners in a dead heat share the places from theirs on, as many as they are, and every order of
    them is as good as any other.
    """
    if rules.kind is Kind.PLACED:
        position = positions[outcome[0]]
        if position == 0:
            return Fraction(0)
        tied = positions.count(position)
        return Fraction(min(max(rules.places - position + 1, 0), tied), tied)
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
