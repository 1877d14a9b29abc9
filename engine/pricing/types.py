"""Football's market types: their outcomes, and how a score settles each of them.

Owns the table of types. A market is written once, as intervals on axes of the score, and both its
price and its settlement are read off that; never a probability and never an amount of money.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from engine.commands import OutcomeResult
from engine.pricing.axes import PLACES, Axis, Scope, cell

Specifiers = tuple[tuple[str, str], ...]
"""Pairs of key and value, as ``engine.ids.parse_market_key`` gives them."""

FAR: Final = 1 << 20
"""An end of an interval past any score."""
LINE_QUARTERS_MAX: Final = 120
"""Lines reach 30 goals either way."""
CORRECT_SCORE_GOALS_MAX: Final = 4
PERIOD_GOALS_MAX: Final = 15
"""Goals one side may score in one period; two periods fit a goals axis."""

_LINE: Final = re.compile(r"[+-]?\d{1,2}(?:\.(?:0|00|25|5|50|75))?", re.ASCII)
_START: Final = re.compile(r"(\d{1,2}):(\d{1,2})", re.ASCII)
_UP_TO: Final = re.compile(r"sr:[a-z_]+:([1-9])\+")
_QUARTERS: Final = {"": 0, "0": 0, "00": 0, "25": 1, "5": 2, "50": 2, "75": 3}


class MarketTypeError(ValueError):
    """A market type or its specifiers are not in the table; the message names the rule."""


class Interval(NamedTuple):
    """Values from `low` up to but not including `high`."""

    low: int
    high: int


NEVER: Final = Interval(0, 0)


class OutcomeRule(NamedTuple):
    """Which values of an axis win an outcome, half win it, refund it or half lose it."""

    name: str
    axis: Axis
    win: Interval
    half_win: Interval = NEVER
    push: Interval = NEVER
    half_lose: Interval = NEVER


class MarketRules(NamedTuple):
    """A market's scope, how many of its outcomes win, and a rule for each outcome."""

    scope: Scope
    winners: int
    outcomes: tuple[OutcomeRule, ...]


class MarketType(NamedTuple):
    """A row of the table; `uof_id` is the Unified Odds Feed's number, where it has one."""

    name: str
    uof_id: int | None
    scope: Scope
    specifiers: tuple[str, ...]
    """Names it takes."""
    required: bool
    """Whether it needs them all, or falls back on a default."""
    winners: int
    build: Callable[[Mapping[str, str]], tuple[OutcomeRule, ...]]


# --- reading specifiers --------------------------------------------------------------------------


def line_quarters(text: str) -> int:
    """Return a line such as ``2.5`` or ``-0.25`` in quarters of a goal.

    Raises
    ------
    MarketTypeError
        Unless it is a decimal in quarter steps within 30 goals.
    """
    if _LINE.fullmatch(text) is None:
        raise MarketTypeError(f"line: not a decimal in quarter steps: {text!r}")
    whole, _, fraction = text.lstrip("+-").partition(".")
    quarters = 4 * int(whole) + _QUARTERS[fraction]
    if quarters > LINE_QUARTERS_MAX:
        raise MarketTypeError(f"line: at most {LINE_QUARTERS_MAX // 4} goals: {text!r}")
    return -quarters if text.startswith("-") else quarters


def _total_quarters(text: str) -> int:
    quarters = line_quarters(text)
    if quarters < 1:
        raise MarketTypeError(f"total: the line must be above nothing: {text!r}")
    return quarters


def _up_to(specifiers: Mapping[str, str], default: int) -> int:
    text = specifiers.get("variant")
    if text is None:
        return default
    match = _UP_TO.fullmatch(text)
    if match is None:
        raise MarketTypeError(f"variant: not of the form sr:name:6+: {text!r}")
    return int(match[1])


# --- outcome rules -------------------------------------------------------------------------------


def _one(value: int) -> Interval:
    return Interval(value, value + 1)


def _above(value: int) -> Interval:
    return Interval(value, FAR)


def _below(value: int) -> Interval:
    return Interval(-FAR, value)


def _at_quarters(quarters: int) -> Interval:
    return _one(quarters // 4) if quarters % 4 == 0 else NEVER


def _over(name: str, axis: Axis, line: int) -> OutcomeRule:
    """Win above a line in quarters: half on each neighbour of a quarter line."""
    win = _above(-((-line - 2) // 4))
    return OutcomeRule(
        name, axis, win, _at_quarters(line + 1), _at_quarters(line), _at_quarters(line - 1)
    )


def _under(name: str, axis: Axis, line: int) -> OutcomeRule:
    win = _below((line - 2) // 4 + 1)
    return OutcomeRule(
        name, axis, win, _at_quarters(line - 1), _at_quarters(line), _at_quarters(line + 1)
    )


def _three_way(specifiers: Mapping[str, str]) -> tuple[OutcomeRule, ...]:
    start = 0
    if "hcp" in specifiers:
        match = _START.fullmatch(specifiers["hcp"])
        if match is None:
            raise MarketTypeError(f"hcp: not a start such as 0:1: {specifiers['hcp']!r}")
        start = int(match[1]) - int(match[2])
    return (
        OutcomeRule("home", Axis.MARGIN, _above(1 - start)),
        OutcomeRule("draw", Axis.MARGIN, _one(-start)),
        OutcomeRule("away", Axis.MARGIN, _below(-start)),
    )


def _double_chance(_: Mapping[str, str]) -> tuple[OutcomeRule, ...]:
    return (
        OutcomeRule("home_or_draw", Axis.MARGIN, _above(0)),
        OutcomeRule("home_or_away", Axis.DISTANCE, _above(1)),
        OutcomeRule("draw_or_away", Axis.MARGIN, _below(1)),
    )


def _draw_no_bet(_: Mapping[str, str]) -> tuple[OutcomeRule, ...]:
    return _over("home", Axis.MARGIN, 0), _under("away", Axis.MARGIN, 0)


def _handicap(specifiers: Mapping[str, str]) -> tuple[OutcomeRule, ...]:
    line = -line_quarters(specifiers["hcp"])
    return _over("home", Axis.MARGIN, line), _under("away", Axis.MARGIN, line)


def _total_on(axis: Axis) -> Callable[[Mapping[str, str]], tuple[OutcomeRule, ...]]:
    def build(specifiers: Mapping[str, str]) -> tuple[OutcomeRule, ...]:
        line = _total_quarters(specifiers["total"])
        return _over("over", axis, line), _under("under", axis, line)

    return build


def _exact_on(axis: Axis, default: int) -> Callable[[Mapping[str, str]], tuple[OutcomeRule, ...]]:
    def build(specifiers: Mapping[str, str]) -> tuple[OutcomeRule, ...]:
        last = _up_to(specifiers, default)
        exact = (OutcomeRule(str(goals), axis, _one(goals)) for goals in range(last))
        return *exact, OutcomeRule(f"{last}+", axis, _above(last))

    return build


def _parity_on(axis: Axis) -> Callable[[Mapping[str, str]], tuple[OutcomeRule, ...]]:
    rules = OutcomeRule("odd", axis, _one(1)), OutcomeRule("even", axis, _one(0))
    return lambda _: rules


def _yes_on(
    axis: Axis, yes: Interval, no: Interval
) -> Callable[[Mapping[str, str]], tuple[OutcomeRule, ...]]:
    rules = OutcomeRule("yes", axis, yes), OutcomeRule("no", axis, no)
    return lambda _: rules


def _which_team_to_score(_: Mapping[str, str]) -> tuple[OutcomeRule, ...]:
    names = ("none", "only_home", "only_away", "both")
    return tuple(OutcomeRule(name, Axis.SCORERS, _one(value)) for value, name in enumerate(names))


def _winning_margin(specifiers: Mapping[str, str]) -> tuple[OutcomeRule, ...]:
    last = _up_to(specifiers, 3)
    margins = range(1, last)
    return (
        OutcomeRule(f"home_by_{last}+", Axis.MARGIN, _above(last)),
        *(OutcomeRule(f"home_by_{by}", Axis.MARGIN, _one(by)) for by in reversed(margins)),
        OutcomeRule("draw", Axis.MARGIN, _one(0)),
        *(OutcomeRule(f"away_by_{by}", Axis.MARGIN, _one(-by)) for by in margins),
        OutcomeRule(f"away_by_{last}+", Axis.MARGIN, _below(1 - last)),
    )


def _correct_score(_: Mapping[str, str]) -> tuple[OutcomeRule, ...]:
    goals = range(CORRECT_SCORE_GOALS_MAX + 1)
    cells = (
        OutcomeRule(f"{home}:{away}", Axis.CELL, _one(cell(home, away)))
        for home in goals
        for away in goals
    )
    return *cells, OutcomeRule("other", Axis.HIGHER, _above(CORRECT_SCORE_GOALS_MAX + 1))


# --- the table -----------------------------------------------------------------------------------

_PREFIXES: Final = {
    Scope.REGULAR: "",
    Scope.FIRST_HALF: "first_half_",
    Scope.SECOND_HALF: "second_half_",
    Scope.EXTRA_TIME: "extra_time_",
}


class _Family(NamedTuple):
    """One kind of market over the scopes that have it, with the feed's number in each."""

    name: str
    uof_ids: tuple[int | None, ...]
    build: Callable[[Mapping[str, str]], tuple[OutcomeRule, ...]]
    specifiers: tuple[str, ...] = ()
    required: bool = False
    winners: int = 1


_YES_LOWER: Final = _yes_on(Axis.LOWER, _above(1), _below(1))
_FAMILIES: Final = (
    _Family("1x2", (1, 60, 83, 113), _three_way),
    _Family("double_chance", (10, 63, 85, None), _double_chance, winners=2),
    _Family("draw_no_bet", (11, 64, 86, None), _draw_no_bet),
    _Family("european_handicap", (14, 65, 87), _three_way, ("hcp",), required=True),
    _Family("winning_margin", (15,), _winning_margin, ("variant",)),
    _Family("handicap", (16, 66, 88, 115), _handicap, ("hcp",), required=True),
    _Family("total", (18, 68, 90, 116), _total_on(Axis.TOTAL), ("total",), required=True),
    _Family("home_total", (19, 69, 91), _total_on(Axis.HOME), ("total",), required=True),
    _Family("away_total", (20, 70, 92), _total_on(Axis.AWAY), ("total",), required=True),
    _Family("exact_goals", (21, 71, 93), _exact_on(Axis.TOTAL, 6), ("variant",)),
    _Family("home_exact_goals", (23,), _exact_on(Axis.HOME, 3), ("variant",)),
    _Family("away_exact_goals", (24,), _exact_on(Axis.AWAY, 3), ("variant",)),
    _Family("odd_even", (26, 74, 94), _parity_on(Axis.PARITY)),
    _Family("home_odd_even", (27,), _parity_on(Axis.HOME_PARITY)),
    _Family("away_odd_even", (28,), _parity_on(Axis.AWAY_PARITY)),
    _Family("both_teams_to_score", (29, 75, 95), _YES_LOWER),
    _Family("which_team_to_score", (30,), _which_team_to_score),
    _Family("home_clean_sheet", (31, 76, 96), _yes_on(Axis.AWAY, _one(0), _above(1))),
    _Family("away_clean_sheet", (32, 77, 97), _yes_on(Axis.HOME, _one(0), _above(1))),
    _Family("home_win_to_nil", (33,), _yes_on(Axis.HOME_TO_NIL, _one(1), _one(0))),
    _Family("away_win_to_nil", (34,), _yes_on(Axis.AWAY_TO_NIL, _one(1), _one(0))),
    _Family("correct_score", (45, 81, 98), _correct_score),
)

MARKET_TYPES: Final[dict[str, MarketType]] = {
    _PREFIXES[scope] + family.name: MarketType(
        _PREFIXES[scope] + family.name,
        uof_id,
        scope,
        family.specifiers,
        family.required,
        family.winners,
        family.build,
    )
    for family in _FAMILIES
    for scope, uof_id in zip(Scope, family.uof_ids, strict=False)
}


@lru_cache(maxsize=1 << 12)
def market_rules(market_type: str, specifiers: Specifiers) -> MarketRules:
    """Return the rules of one market.

    Raises
    ------
    MarketTypeError
        When the type is not in the table or the specifiers are not those it takes.
    """
    row = MARKET_TYPES.get(market_type)
    if row is None:
        raise MarketTypeError(f"market type: not in the table: {market_type!r}")
    given = dict(specifiers)
    if (row.required and len(given) != len(row.specifiers)) or any(
        name not in row.specifiers for name in given
    ):
        wanted = ", ".join(row.specifiers) or "none"
        raise MarketTypeError(f"{market_type}: specifiers must be: {wanted}")
    return MarketRules(row.scope, row.winners, row.build(given))


def outcome_names(market_type: str, specifiers: Specifiers) -> tuple[str, ...]:
    """Return a market's outcomes in order, which is the order of its odds and results."""
    return tuple(rule.name for rule in market_rules(market_type, specifiers).outcomes)


def outcome_result(rule: OutcomeRule, *, home: int, away: int) -> OutcomeResult:
    """Settle one outcome by a score of its market's scope."""
    value = PLACES[rule.axis].measure(home, away)

    def within(interval: Interval) -> bool:
        return interval.low <= value < interval.high

    if within(rule.win):
        return OutcomeResult(won=True)
    if within(rule.half_win):
        return OutcomeResult(won=True, void_halves=1)
    if within(rule.push):
        return OutcomeResult(won=False, void_halves=2)
    if within(rule.half_lose):
        return OutcomeResult(won=False, void_halves=1)
    return OutcomeResult(won=False)


def results(
    market_type: str, specifiers: Specifiers, final_score: Sequence[int]
) -> tuple[OutcomeResult, ...]:
    """Settle every outcome of a market.

    Parameters
    ----------
    market_type : str
        A name of the table, such as ``handicap``.
    specifiers : Specifiers
        The market's specifiers.
    final_score : Sequence[int]
        Home and away goals of the market's own scope: of the ninety minutes, not of extra time,
        for a type without prefix; of the first half for a ``first_half_`` type.
    """
    home, away = final_score
    if min(home, away) < 0:
        raise MarketTypeError(f"score: goals cannot be negative: {home}:{away}")
    rules = market_rules(market_type, specifiers).outcomes
    return tuple(outcome_result(rule, home=home, away=away) for rule in rules)
