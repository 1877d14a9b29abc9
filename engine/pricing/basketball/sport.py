"""Define basketball's model, state and market types, and price and settle its markets.

Owns the value objects, their bounds, the table of types and the packing for the kernel. The
arithmetic is in model_nb.py; this module never reads a clock.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from math import isfinite
from typing import Annotated, Final, NamedTuple

import numpy as np
from msgspec import Meta, Struct

from engine.pricing.basketball import model_nb as kernels
from engine.pricing.basketball.model_nb import price_basketball_nb
from engine.pricing.chances import TERM_COLUMNS
from engine.pricing.ladder import Floats, Ints
from engine.pricing.lines import (
    UNBOUNDED,
    Line,
    MarketTypeError,
    above,
    below,
    line_quarters,
    line_result,
    line_terms,
    one,
    over,
    under,
)
from engine.pricing.sport import Names, Pricer, Results, Specifiers, SportMarket

QUARTERS: Final = 4
PERIODS_MAX: Final = 16
"""Quarters and overtimes."""
PERIOD_POINTS_MAX: Final = 150
HANDICAP_MAX: Final = 100
TOTAL_MAX: Final = 500

MARGIN_SIGMA: Final = 12.2
"""Before the game. With the figures in play it leaves the first quarter a sigma of 7.1; those of
the others are 7.6, 7.9 and 7.2."""
PLAY_SIGMAS: Final = (11.3, 9.8, 7.2)
LEAD_PULL: Final = (0.35, 0.26, 0.16)
LEVEL_FACTOR: Final = 2.0
PULL_MAX: Final = 0.9
MARGIN_MAX: Final = 80.0
TOTAL_LOW: Final = 40.0
TOTAL_HIGH: Final = 400.0

Pull = Annotated[float, Meta(ge=0, le=PULL_MAX)]
SIGMA_MIN: Final = 1.0
"""Least sigma of a final margin: leads are whole points, and sums over them need it."""
Sigma = Annotated[float, Meta(ge=SIGMA_MIN, le=40)]

_QUARTER: Final = re.compile(r"[1-4]", re.ASCII)


class PeriodScore(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Points of each side in a quarter or an overtime."""

    home: Annotated[int, Meta(ge=0, le=PERIOD_POINTS_MAX)] = 0
    away: Annotated[int, Meta(ge=0, le=PERIOD_POINTS_MAX)] = 0


class BasketballModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Expected margin (home minus away) and total of the four quarters, each with its sigma.

    Margin and total are independent and accrue evenly over the game, overtimes included. A lead
    that is away from its expected path is pulled back. The defaults of pull, sigmas in play and
    level factor are those of 23,115 basketball games.

    Parameters
    ----------
    margin, total : float
        Expected over the four quarters.
    margin_sigma, total_sigma : float
        Standard deviations of both before the game.
    lead_pull : tuple[float, float, float]
        The share of a lead's deviation from its expected path that is lost, on average, between
        the end of the first, second and third quarter and the end of the four.
    play_sigmas : tuple[float, float, float] | None
        The standard deviation of the final margin at these three moments; it falls from
        `margin_sigma` on. None: `PLAY_SIGMAS` in proportion to `margin_sigma`.
    level_factor : float
        By how much a level score after four quarters, or after an overtime, is more frequent than
        under a normal margin; the `NEAR` leads on either side have the less.
    """

    margin: Annotated[float, Meta(ge=-MARGIN_MAX, le=MARGIN_MAX)]
    total: Annotated[float, Meta(ge=TOTAL_LOW, le=TOTAL_HIGH)]
    margin_sigma: Annotated[float, Meta(ge=2, le=40)] = MARGIN_SIGMA
    total_sigma: Annotated[float, Meta(ge=2, le=60)] = 18.0
    lead_pull: tuple[Pull, Pull, Pull] = LEAD_PULL
    play_sigmas: tuple[Sigma, Sigma, Sigma] | None = None
    level_factor: Annotated[float, Meta(ge=1, le=4)] = LEVEL_FACTOR

    def __post_init__(self) -> None:
        """Refuse parameters out of bounds, and sigmas that do not fall during the game."""
        _within("margin", self.margin, -MARGIN_MAX, MARGIN_MAX)
        _within("total", self.total, TOTAL_LOW, TOTAL_HIGH)
        _within("margin_sigma", self.margin_sigma, 2, 40)
        _within("total_sigma", self.total_sigma, 2, 60)
        _within("level_factor", self.level_factor, 1, 4)
        if len(self.lead_pull) != QUARTERS - 1:
            raise ValueError("lead_pull: one for each of three quarters")
        for pull in self.lead_pull:
            _within("lead_pull", pull, 0, PULL_MAX)
        sigmas = self.sigmas
        if len(sigmas) != QUARTERS or not all(isfinite(sigma) for sigma in sigmas):
            raise ValueError("play_sigmas: one for each of three quarters")
        if sigmas[-1] < SIGMA_MIN or any(a <= b for a, b in pairwise(sigmas)):
            raise ValueError(f"play_sigmas: must fall, from below margin_sigma to {SIGMA_MIN:g}")

    @property
    def sigmas(self) -> tuple[float, ...]:
        """Standard deviations of the final margin: before the game, and after three quarters."""
        if self.play_sigmas is not None:
            return (self.margin_sigma, *self.play_sigmas)
        scale = self.margin_sigma / MARGIN_SIGMA
        return (self.margin_sigma, *(scale * sigma for sigma in PLAY_SIGMAS))


class BasketballState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Points of each period that has begun, and the seconds left in the last of them.

    Periods are four quarters, then overtimes while the score is level. Before the game there are no
    periods; `left_s` is 0 then and in every break.
    """

    periods: Annotated[tuple[PeriodScore, ...], Meta(max_length=PERIODS_MAX)] = ()
    left_s: Annotated[int, Meta(ge=0, le=1200)] = 0
    quarter_s: Annotated[int, Meta(ge=60, le=1200)] = 720
    """600 under FIBA's rules."""
    overtime_s: Annotated[int, Meta(ge=60, le=1200)] = 300

    def __post_init__(self) -> None:
        """Refuse an impossible state."""
        _within("quarter_s", self.quarter_s, 60, 1200)
        _within("overtime_s", self.overtime_s, 60, 1200)
        if len(self.periods) > PERIODS_MAX:
            raise ValueError(f"periods: at most {PERIODS_MAX}")
        for number, period in enumerate(self.periods):
            _within(f"periods[{number}].home", period.home, 0, PERIOD_POINTS_MAX)
            _within(f"periods[{number}].away", period.away, 0, PERIOD_POINTS_MAX)
        for number in range(QUARTERS, len(self.periods)):
            home, away = self.score(0, number)
            if home != away:
                raise ValueError(f"periods: overtime after {home}:{away}")
        length = self.quarter_s if len(self.periods) <= QUARTERS else self.overtime_s
        _within("left_s", self.left_s, 0, length if self.periods else 0)

    def score(self, first: int, last: int) -> tuple[int, int]:
        """Return each side's points in periods `first` up to but not including `last`, from 0."""
        part = self.periods[first:last]
        return sum(period.home for period in part), sum(period.away for period in part)

    def finished(self) -> int:
        """Return the number of finished periods."""
        return len(self.periods) - (self.left_s > 0)

    @property
    def over(self) -> bool:
        """Whether the game is over: at least four finished quarters, and the score not level."""
        home, away = self.score(0, PERIODS_MAX)
        return self.finished() >= QUARTERS and self.left_s == 0 and home != away


class BasketballRules(NamedTuple):
    """A market: a scope, an axis of it, and a line for each outcome."""

    scope: int
    axis: int
    names: tuple[str, ...]
    lines: tuple[Line, ...]


class BasketballType(NamedTuple):
    """A row of the table; `uof_id` is the Unified Odds Feed's number, or None."""

    name: str
    uof_id: int | None
    scope: int | None
    """None: the quarter that the specifier ``quarternr`` gives."""
    specifiers: tuple[str, ...]
    build: Callable[[int, Mapping[str, str]], BasketballRules]


def _within(field: str, value: float, low: float, high: float) -> None:
    if not (isfinite(value) and low <= value <= high):
        raise ValueError(f"{field}: must be from {low:g} to {high:g}, not {value!r}")


# --- the table -----------------------------------------------------------------------------------


def _winner(scope: int, _: Mapping[str, str]) -> BasketballRules:
    """Home or away; a final level score refunds."""
    return BasketballRules(scope, kernels.MARGIN, ("home", "away"), (over(0), under(0)))


def _three_way(scope: int, _: Mapping[str, str]) -> BasketballRules:
    lines = Line(above(1)), Line(one(0)), Line(below(0))
    return BasketballRules(scope, kernels.MARGIN, ("home", "draw", "away"), lines)


def _handicap(scope: int, given: Mapping[str, str]) -> BasketballRules:
    line = -line_quarters(given["hcp"], most=HANDICAP_MAX, unit="points")
    return BasketballRules(scope, kernels.MARGIN, ("home", "away"), (over(line), under(line)))


def _total(axis: int) -> Callable[[int, Mapping[str, str]], BasketballRules]:
    def build(scope: int, given: Mapping[str, str]) -> BasketballRules:
        line = line_quarters(given["total"], most=TOTAL_MAX, unit="points")
        if line < 1:
            raise MarketTypeError(f"total: the line must be above 0: {given['total']!r}")
        return BasketballRules(scope, axis, ("over", "under"), (over(line), under(line)))

    return build


def _rows() -> list[BasketballType]:
    both, home, away = _total(kernels.TOTAL), _total(kernels.HOME), _total(kernels.AWAY)
    match, regular, half = kernels.MATCH, kernels.REGULAR, kernels.FIRST_HALF
    hcp, line, number = ("hcp",), ("total",), ("quarternr",)
    return [
        BasketballType("winner", 219, match, (), _winner),
        BasketballType("handicap", 223, match, hcp, _handicap),
        BasketballType("total", 225, match, line, both),
        BasketballType("home_total", 227, match, line, home),
        BasketballType("away_total", 228, match, line, away),
        BasketballType("1x2", 1, regular, (), _three_way),
        BasketballType("draw_no_bet", 11, regular, (), _winner),
        BasketballType("regular_handicap", 16, regular, hcp, _handicap),
        BasketballType("regular_total", 18, regular, line, both),
        BasketballType("first_half_1x2", 60, half, (), _three_way),
        BasketballType("first_half_draw_no_bet", 64, half, (), _winner),
        BasketballType("first_half_handicap", 66, half, hcp, _handicap),
        BasketballType("first_half_total", 68, half, line, both),
        BasketballType("first_half_home_total", 69, half, line, home),
        BasketballType("first_half_away_total", 70, half, line, away),
        BasketballType("quarter_1x2", 235, None, number, _three_way),
        BasketballType("quarter_draw_no_bet", 302, None, number, _winner),
        BasketballType("quarter_handicap", 303, None, (*hcp, *number), _handicap),
        BasketballType("quarter_total", 236, None, (*number, *line), both),
        BasketballType("quarter_home_total", None, None, (*number, *line), home),
        BasketballType("quarter_away_total", None, None, (*number, *line), away),
    ]


BASKETBALL_TYPES: Final[dict[str, BasketballType]] = {row.name: row for row in _rows()}


@lru_cache(maxsize=1 << 12)
def basketball_rules(market_type: str, specifiers: Specifiers) -> BasketballRules:
    """Return the rules of one market.

    Raises
    ------
    MarketTypeError
        When the type is not in the table or the specifiers are not those it takes.
    """
    row = BASKETBALL_TYPES.get(market_type)
    if row is None:
        raise MarketTypeError(f"market type: not in the table: {market_type!r}")
    if tuple(name for name, _ in specifiers) != row.specifiers:
        wanted = ", ".join(row.specifiers) or "none"
        raise MarketTypeError(f"{market_type}: specifiers must be: {wanted}")
    given = dict(specifiers)
    scope = row.scope
    if scope is None:
        if _QUARTER.fullmatch(given["quarternr"]) is None:
            raise MarketTypeError(f"quarternr: must be from 1 to 4: {given['quarternr']!r}")
        scope = int(given["quarternr"]) - 1
    return row.build(scope, given)


# --- packing -------------------------------------------------------------------------------------

_PERIODS: Final = {
    **{quarter: (quarter, quarter + 1) for quarter in range(QUARTERS)},
    kernels.FIRST_HALF: (0, 2),
    kernels.REGULAR: (0, QUARTERS),
    kernels.MATCH: (0, PERIODS_MAX),
}
"""The periods of a scope: the first, and one past the last."""


def pack_model(model: BasketballModel, state: BasketballState) -> Floats:
    """Return the model as the kernel's array, with the length of an overtime.

    Before the first quarter ends a deviation is pulled back by what the pull changes from the first
    quarter to the second, more than after it (at most `PULL_MAX`).
    """
    first, second, _ = model.lead_pull
    pulls = min(max(2.0 * first - second, 0.0), PULL_MAX), *model.lead_pull, 0.0
    figures = (
        model.margin,
        model.total,
        model.total_sigma**2,
        state.overtime_s / (QUARTERS * state.quarter_s),
        model.level_factor,
        *(1.0 - pull for pull in pulls),
        *(sigma**2 for sigma in model.sigmas),
        0.0,
    )
    return np.array(figures, np.float64)


def pack_state(state: BasketballState) -> Floats:
    """Return the state as the kernel's array: a row for each scope."""
    rows: list[tuple[float, ...]] = [()] * kernels.SCOPES
    begun, game_s = len(state.periods), QUARTERS * state.quarter_s
    home, away = [0], [0]
    for period in state.periods:
        home.append(home[-1] + period.home)
        away.append(away[-1] + period.away)
    for scope, (first, last) in _PERIODS.items():
        left_s = state.quarter_s * max(min(last, QUARTERS) - max(first, begun), 0)
        if first < begun <= last:
            left_s += state.left_s
        start, end = min(first, begun), min(last, begun)
        rows[scope] = (
            home[end] - home[start],
            away[end] - away[start],
            left_s / game_s,
            first / QUARTERS,
            min(last, QUARTERS) / QUARTERS,
        )
    return np.array(rows, np.float64)


class _Compiled:
    """Markets compiled to points and terms, with the kernel's scratch."""

    def __init__(self, rules: Sequence[BasketballRules]) -> None:
        points: dict[tuple[int, int, int], int] = {}
        terms: list[tuple[int, int, int]] = []
        outcome = 0
        for market in rules:

            def place(value: int, market: BasketballRules = market) -> int:
                if abs(value) >= UNBOUNDED:
                    return kernels.CERTAIN if value > 0 else kernels.IMPOSSIBLE
                point = (market.scope, market.axis, value)
                return kernels.POINTS_AT + points.setdefault(point, len(points))

            for line in market.lines:
                terms += line_terms(line, outcome, place)
                outcome += 1
        self._points: Ints = np.array(list(points), np.int64).reshape(-1, kernels.POINT_COLUMNS)
        self._terms: Ints = np.array(terms, np.int64).reshape(-1, TERM_COLUMNS)
        self._leads: Floats = np.zeros((kernels.SCOPES, kernels.LEAD_COLUMNS))
        self._weights: Floats = np.zeros((kernels.WEIGHT_ROWS, kernels.WEIGHT_COLUMNS))
        self._features: Floats = np.zeros(kernels.POINTS_AT + len(points))
        self._fair: Floats = np.zeros(outcome)

    def price(self, model: BasketballModel, state: BasketballState, chances: Floats) -> None:
        """Fill the chances of every outcome."""
        price_basketball_nb(
            pack_model(model, state),
            pack_state(state),
            self._points,
            self._terms,
            self._leads,
            self._weights,
            self._features,
            chances.reshape(-1),
            self._fair,
        )


class Basketball:
    """Basketball in four quarters, with overtime until there is a winner."""

    name: Final = "basketball"
    model_type: Final = BasketballModel
    state_type: Final = BasketballState
    market_types: Final[Mapping[str, int | None]] = {
        name: row.uof_id for name, row in BASKETBALL_TYPES.items()
    }

    def market(
        self, market_type: str, specifiers: Specifiers, names: Names | None = None
    ) -> SportMarket:
        """Return a market's definition; its type fixes the outcomes."""
        del names
        rules = basketball_rules(market_type, specifiers)
        return SportMarket(rules.names, 1, rules)

    def pricer(self, markets: Sequence[SportMarket]) -> Pricer:
        """Compile markets for the basketball kernel."""
        return _Compiled([market.rules for market in markets]).price

    def results(self, market: SportMarket, state: BasketballState) -> Results | None:
        """Settle a market whose periods are over."""
        rules: BasketballRules = market.rules
        first, last = _PERIODS[rules.scope]
        if not (state.over if rules.scope == kernels.MATCH else state.finished() >= last):
            return None
        home, away = state.score(first, last)
        value = (home - away, home + away, home, away)[rules.axis]
        return tuple(line_result(line, value) for line in rules.lines)


SPORT: Final = Basketball()
