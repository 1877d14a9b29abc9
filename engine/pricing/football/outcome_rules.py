"""The rules that football markets are written with: intervals on axes, and how each is laid out.

Owns the outcome of every kind of question (a line, a result, a combination, ...); never a market's
name (types.py), never a probability and never an amount of money.
"""

import re
from collections.abc import Callable, Mapping
from itertools import product
from typing import Final, NamedTuple

from engine.common.commands import OutcomeResult
from engine.pricing import lines
from engine.pricing.football.axes import PLACES, Axis, Play, cell
from engine.pricing.football.layout import CAPPED, GOAL_NUMBERS
from engine.pricing.lines import (
    NEVER,
    Interval,
    Line,
    MarketTypeError,
    above,
    below,
    line_result,
    one,
    over,
    under,
)

__all__ = [
    "NEVER", "Interval", "MarketTypeError", "OutcomeRule", "Rules", "below", "one",
    "outcome_result",
]  # fmt: skip

LINE_GOALS_MAX: Final = 30
"""Lines reach so many goals either way."""
JOINT_LINE_MAX: Final = CAPPED - 1.5
CORRECT_SCORE_GOALS_MAX: Final = 4
GOAL_RANGES: Final = ((0, 1), (2, 3), (4, 6))
"""The ranges of goals below the open one, which begins where they end."""

_START: Final = re.compile(r"(\d{1,2}):(\d{1,2})", re.ASCII)
_UP_TO: Final = re.compile(r"sr:[a-z_]+:([1-9])\+")
_GOAL_NUMBER: Final = re.compile(r"[1-9]\d?", re.ASCII)


class OutcomeRule(NamedTuple):
    """Which values of an axis win an outcome, half win it, refund it or half lose it.

    `also` holds further values that win, where they do not lie side by side.
    """

    name: str
    axis: Axis
    win: Interval
    half_win: Interval = NEVER
    push: Interval = NEVER
    half_lose: Interval = NEVER
    also: tuple[Interval, ...] = ()


Rules = tuple[OutcomeRule, ...]
Build = Callable[[Mapping[str, str]], Rules]


def outcome_result(rule: OutcomeRule, play: Play) -> OutcomeResult:
    """Settle one outcome by what was played of its market's scope."""
    return line_result(Line(*rule[2:]), PLACES[rule.axis].measure(play))


# --- reading specifiers --------------------------------------------------------------------------


def line_quarters(text: str) -> int:
    """Return a line such as ``2.5`` or ``-0.25`` in quarters of a goal.

    Raises
    ------
    MarketTypeError
        Unless it is a decimal in quarter steps within 30 goals.
    """
    return lines.line_quarters(text, most=LINE_GOALS_MAX, unit="goals")


def _total_quarters(text: str) -> int:
    quarters = line_quarters(text)
    if quarters < 1:
        raise MarketTypeError(f"total: the line must be above nothing: {text!r}")
    return quarters


def _goals_over(text: str) -> int:
    """Return the fewest goals over a half line: joint markets know no other, as none refunds."""
    quarters = _total_quarters(text)
    if quarters % 4 != 2 or quarters > 4 * JOINT_LINE_MAX:
        raise MarketTypeError(
            f"total: a half line up to {JOINT_LINE_MAX:g} in a joint market: {text!r}"
        )
    return quarters // 4 + 1


def _up_to(specifiers: Mapping[str, str], default: int) -> int:
    text = specifiers.get("variant")
    if text is None:
        return default
    match = _UP_TO.fullmatch(text)
    if match is None:
        raise MarketTypeError(f"variant: not of the form sr:name:6+: {text!r}")
    return int(match[1])


# --- lines and results ---------------------------------------------------------------------------


def _over(name: str, axis: Axis, line: int) -> OutcomeRule:
    return OutcomeRule(name, axis, *over(line))


def _under(name: str, axis: Axis, line: int) -> OutcomeRule:
    return OutcomeRule(name, axis, *under(line))


def three_way(specifiers: Mapping[str, str]) -> Rules:
    """Home, draw, away, with a start such as 0:1 if there is one."""
    start = 0
    if "hcp" in specifiers:
        match = _START.fullmatch(specifiers["hcp"])
        if match is None:
            raise MarketTypeError(f"hcp: not a start such as 0:1: {specifiers['hcp']!r}")
        start = int(match[1]) - int(match[2])
    return (
        OutcomeRule("home", Axis.MARGIN, above(1 - start)),
        OutcomeRule("draw", Axis.MARGIN, one(-start)),
        OutcomeRule("away", Axis.MARGIN, below(-start)),
    )


def double_chance(_: Mapping[str, str]) -> Rules:
    """Two results out of three."""
    return (
        OutcomeRule("home_or_draw", Axis.MARGIN, above(0)),
        OutcomeRule("home_or_away", Axis.MARGIN, above(1), also=(below(0),)),
        OutcomeRule("draw_or_away", Axis.MARGIN, below(1)),
    )


def draw_no_bet(_: Mapping[str, str]) -> Rules:
    """Home or away; a draw refunds."""
    return _over("home", Axis.MARGIN, 0), _under("away", Axis.MARGIN, 0)


def home_no_bet(_: Mapping[str, str]) -> Rules:
    """Draw or away; a home win refunds."""
    return (
        OutcomeRule("draw", Axis.MARGIN, one(0), push=above(1)),
        OutcomeRule("away", Axis.MARGIN, below(0), push=above(1)),
    )


def away_no_bet(_: Mapping[str, str]) -> Rules:
    """Home or draw; an away win refunds."""
    return (
        OutcomeRule("home", Axis.MARGIN, above(1), push=below(0)),
        OutcomeRule("draw", Axis.MARGIN, one(0), push=below(0)),
    )


def handicap(specifiers: Mapping[str, str]) -> Rules:
    """Home or away, home's margin moved by a line."""
    line = -line_quarters(specifiers["hcp"])
    return _over("home", Axis.MARGIN, line), _under("away", Axis.MARGIN, line)


def winning_margin(specifiers: Mapping[str, str]) -> Rules:
    """Each margin of either side, the largest open-ended, and the draw."""
    last = _up_to(specifiers, 3)
    margins = range(1, last)
    return (
        OutcomeRule(f"home_by_{last}+", Axis.MARGIN, above(last)),
        *(OutcomeRule(f"home_by_{by}", Axis.MARGIN, one(by)) for by in reversed(margins)),
        OutcomeRule("draw", Axis.MARGIN, one(0)),
        *(OutcomeRule(f"away_by_{by}", Axis.MARGIN, one(-by)) for by in margins),
        OutcomeRule(f"away_by_{last}+", Axis.MARGIN, below(1 - last)),
    )


# --- goals ---------------------------------------------------------------------------------------


def total_on(axis: Axis) -> Build:
    """Over or under a line on an axis."""

    def build(specifiers: Mapping[str, str]) -> Rules:
        line = _total_quarters(specifiers["total"])
        return _over("over", axis, line), _under("under", axis, line)

    return build


def exact_on(axis: Axis, default: int) -> Build:
    """Each number of goals, the last open-ended."""

    def build(specifiers: Mapping[str, str]) -> Rules:
        last = _up_to(specifiers, default)
        exact = (OutcomeRule(str(goals), axis, one(goals)) for goals in range(last))
        return *exact, OutcomeRule(f"{last}+", axis, above(last))

    return build


def goal_range(specifiers: Mapping[str, str]) -> Rules:
    """Ranges of goals as the feed has them: 0-1, 2-3, 4-6, 7+."""
    last = GOAL_RANGES[-1][1] + 1
    if _up_to(specifiers, last) != last:
        raise MarketTypeError(f"variant: goal ranges end at {last}+: {specifiers['variant']!r}")
    ranges = (
        OutcomeRule(f"{low}-{high}", Axis.TOTAL, Interval(low, high + 1))
        for low, high in GOAL_RANGES
    )
    return *ranges, OutcomeRule(f"{last}+", Axis.TOTAL, above(last))


def parity_on(axis: Axis) -> Build:
    """Odd or even."""
    return fixed(OutcomeRule("odd", axis, one(1)), OutcomeRule("even", axis, one(0)))


def yes_on(axis: Axis, yes: Interval) -> Build:
    """Yes within an interval of an axis, no on either side of it."""
    no = OutcomeRule("no", axis, below(yes.low), also=(above(yes.high),))
    return fixed(OutcomeRule("yes", axis, yes), no)


def each_of(axis: Axis, *names: str) -> Build:
    """One outcome for each value of an axis, from 0."""
    return fixed(*(OutcomeRule(name, axis, one(value)) for value, name in enumerate(names)))


def fixed(*rules: OutcomeRule) -> Build:
    """Rules without specifiers."""
    return lambda _: rules


def correct_score(_: Mapping[str, str]) -> Rules:
    """Each score to four goals a side, and any other."""
    goals = range(CORRECT_SCORE_GOALS_MAX + 1)
    cells = (
        OutcomeRule(f"{home}:{away}", Axis.CELL, one(cell(home, away)))
        for home in goals
        for away in goals
    )
    beyond = goals.stop
    more_away = (Interval(cell(home, beyond), cell(home + 1, 0)) for home in goals)
    other = OutcomeRule("other", Axis.CELL, above(cell(beyond, 0)), also=tuple(more_away))
    return *cells, other


def nth_goal(specifiers: Mapping[str, str]) -> Rules:
    """Whose the n-th goal is, or that there is none."""
    text = specifiers["goalnr"]
    if _GOAL_NUMBER.fullmatch(text) is None or int(text) > GOAL_NUMBERS:
        raise MarketTypeError(f"goalnr: must be from 1 to {GOAL_NUMBERS}: {text!r}")
    return each_of(Axis(Axis.GOAL_1 + int(text) - 1), "home", "none", "away")(specifiers)


# --- combinations --------------------------------------------------------------------------------

_RESULTS: Final = {"home": (0,), "draw": (1,), "away": (2,)}
_DOUBLE: Final = {"home_or_draw": (0, 1), "home_or_away": (0, 2), "draw_or_away": (1, 2)}


def _joined(name: str, axis: Axis, intervals: list[Interval]) -> OutcomeRule:
    return OutcomeRule(name, axis, intervals[0], also=tuple(intervals[1:]))


def _within(row: int, goals: Interval) -> Interval:
    """Return a row's part of a joint axis whose rows are capped totals."""
    return Interval(CAPPED * row + max(goals.low, 0), CAPPED * row + min(goals.high, CAPPED))


def _and_both(picks: Mapping[str, tuple[int, ...]]) -> Build:
    return fixed(
        *(
            _joined(
                f"{name}_and_{word}", Axis.RESULT_BOTH, [one(2 * pick + yes) for pick in pick_of]
            )
            for (word, yes), (name, pick_of) in product({"yes": 1, "no": 0}.items(), picks.items())
        )
    )


def _and_total(picks: Mapping[str, tuple[int, ...]]) -> Build:
    def build(specifiers: Mapping[str, str]) -> Rules:
        goals = _goals_over(specifiers["total"])
        sides = {"over": above(goals), "under": below(goals)}
        return tuple(
            _joined(
                f"{name}_and_{side}", Axis.RESULT_TOTAL, [_within(pick, part) for pick in pick_of]
            )
            for (side, part), (name, pick_of) in product(sides.items(), picks.items())
        )

    return build


result_and_both: Final = _and_both(_RESULTS)
double_chance_and_both: Final = _and_both(_DOUBLE)
result_and_total: Final = _and_total(_RESULTS)
double_chance_and_total: Final = _and_total(_DOUBLE)


def total_and_both(specifiers: Mapping[str, str]) -> Rules:
    """Over or under a half line, with both scoring or not."""
    goals = _goals_over(specifiers["total"])
    sides = {"over": above(goals), "under": below(goals)}
    return tuple(
        OutcomeRule(f"{side}_and_{word}", Axis.BOTH_TOTAL, _within(both, part))
        for (word, both), (side, part) in product({"yes": 1, "no": 0}.items(), sides.items())
    )


# --- both halves ---------------------------------------------------------------------------------

half_time_full_time: Final = each_of(
    Axis.HALF_FULL, *(f"{half}/{full}" for half, full in product(_RESULTS, repeat=2))
)
both_to_score_in_halves: Final = fixed(
    *(
        OutcomeRule(name, Axis.BOTH_IN_HALVES, one(value))
        for name, value in (("no/no", 0), ("yes/no", 1), ("yes/yes", 3), ("no/yes", 2))
    )
)


def both_halves(side: int) -> Build:
    """Yes when a side (0 home, 2 away) wins both halves."""
    return yes_on(Axis.HALF_HALF, one(4 * side))


def either_half(side: int) -> Build:
    """Yes when a side (0 home, 2 away) wins a half at least."""
    wins = [side in (first, second) for first, second in product(range(3), repeat=2)]
    return fixed(
        *(
            _joined(name, Axis.HALF_HALF, [one(k) for k, won in enumerate(wins) if won == wanted])
            for name, wanted in (("yes", True), ("no", False))
        )
    )


def every_half(axis: Axis, *, over: bool) -> Build:
    """Yes when each half is over (by the poorer half) or under (by the richer) a half line."""

    def build(specifiers: Mapping[str, str]) -> Rules:
        goals = _goals_over(specifiers["total"])
        more, fewer = above(goals), below(goals)
        return (
            OutcomeRule("yes", axis, more if over else fewer),
            OutcomeRule("no", axis, fewer if over else more),
        )

    return build
