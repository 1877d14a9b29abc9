"""Outcome rules of football markets: which values of an axis win, halve, refund or lose an outcome.

Owns the rules of every kind of market that asks one question (lines, results, goals, ...); never
those that join two (combined_rules.py), never a market's name (market_types.py), never a
probability and never an amount of money.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Final, NamedTuple

from engine.common.commands import OutcomeResult
from engine.pricing import lines
from engine.pricing.football.axes import AXIS_SPECS, Axis, Play, score_cell
from engine.pricing.football.layout import CAPPED_TOTALS, CELL_SIDE, GOAL_NUMBERS, WIDE_SIDE
from engine.pricing.lines import (
    NEVER,
    WINNERS_VARY,
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
    "NEVER", "WINNERS_VARY", "Interval", "MarketTypeError", "OutcomeRule", "Rules", "above",
    "below", "one", "outcome_result",
]  # fmt: skip

LINE_GOALS_MAX: Final = 30
"""The largest line, in goals, above or below 0."""
COMBINED_LINE_MAX: Final = CAPPED_TOTALS - 1.5
"""The largest line of a market that combines a total with something else."""
GOAL_RANGES: Final = ((0, 1), (2, 3), (4, 6))
"""The closed ranges of goals (both ends included); an open range follows them."""
_POINT_RANGES: Final = ((0, 1), (2, 3), (4, 5))
_POINT_RANGE_VARIANT: Final = "sr:point_range:6+"
"""The variant of the goal range that has `_POINT_RANGES`."""

_MULTISCORES: Final = (
    "1:0/2:0/3:0", "0:1/0:2/0:3", "4:0/5:0/6:0", "0:4/0:5/0:6", "2:1/3:1/4:1", "1:2/1:3/1:4",
    "3:2/4:2/4:3/5:1", "2:3/2:4/3:4/1:5",
)  # fmt: skip
"""The groups of scores that are sold together, as the Unified Odds Feed defines them."""

_HEAD_START: Final = re.compile(r"(\d{1,2}):(\d{1,2})", re.ASCII)
_SCORE_SO_FAR: Final = re.compile(r"(\d):(\d)", re.ASCII)
"""A score of which up to 15 goals of a side can still be told apart after six more."""
_OPEN_ENDED: Final = re.compile(r"sr:[a-z_]+:([1-9])\+")
_GOAL_NUMBER: Final = re.compile(r"[1-9]\d?", re.ASCII)


class OutcomeRule(NamedTuple):
    """Which values of an axis win an outcome, half win it, refund it or half lose it.

    All other values lose it. `also` holds further winning intervals, where the winning values are
    not contiguous.
    """

    name: str
    axis: Axis
    win: Interval
    half_win: Interval = NEVER
    push: Interval = NEVER
    half_lose: Interval = NEVER
    also: tuple[Interval, ...] = ()


Rules = tuple[OutcomeRule, ...]
RuleBuilder = Callable[[Mapping[str, str]], Rules]


def outcome_result(rule: OutcomeRule, play: Play) -> OutcomeResult:
    """Settle one outcome by the play in its market's scope."""
    return line_result(Line(*rule[2:]), AXIS_SPECS[rule.axis].measure(play))


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
        raise MarketTypeError(f"total: the line must be above 0: {text!r}")
    return quarters


def goals_over(text: str) -> int:
    """Return the fewest goals over a half line, the only line of a combined market (no refunds)."""
    quarters = _total_quarters(text)
    if quarters % 4 != 2 or quarters > 4 * COMBINED_LINE_MAX:
        raise MarketTypeError(
            f"total: must be a half line up to {COMBINED_LINE_MAX:g} in this market: {text!r}"
        )
    return quarters // 4 + 1


def _open_end(specifiers: Mapping[str, str], default: int) -> int:
    text = specifiers.get("variant")
    if text is None:
        return default
    match = _OPEN_ENDED.fullmatch(text)
    if match is None:
        raise MarketTypeError(f"variant: not of the form sr:name:6+: {text!r}")
    return int(match[1])


# --- lines and results ---------------------------------------------------------------------------


def _over(name: str, axis: Axis, line: int) -> OutcomeRule:
    return OutcomeRule(name, axis, *over(line))


def _under(name: str, axis: Axis, line: int) -> OutcomeRule:
    return OutcomeRule(name, axis, *under(line))


def three_way(specifiers: Mapping[str, str]) -> Rules:
    """Home, draw, away; with a head start such as 0:1 if the specifiers have one."""
    head_start = 0
    if "hcp" in specifiers:
        match = _HEAD_START.fullmatch(specifiers["hcp"])
        if match is None:
            raise MarketTypeError(f"hcp: not of the form 0:1: {specifiers['hcp']!r}")
        head_start = int(match[1]) - int(match[2])
    return (
        OutcomeRule("home", Axis.MARGIN, above(1 - head_start)),
        OutcomeRule("draw", Axis.MARGIN, one(-head_start)),
        OutcomeRule("away", Axis.MARGIN, below(-head_start)),
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
    """Home or away, with the line added to home's margin."""
    line = -line_quarters(specifiers["hcp"])
    return _over("home", Axis.MARGIN, line), _under("away", Axis.MARGIN, line)


def winning_margin(specifiers: Mapping[str, str]) -> Rules:
    """Each margin of either side, the largest open-ended, and the draw."""
    last = _open_end(specifiers, 3)
    margins = range(1, last)
    return (
        OutcomeRule(f"home_by_{last}+", Axis.MARGIN, above(last)),
        *(OutcomeRule(f"home_by_{by}", Axis.MARGIN, one(by)) for by in reversed(margins)),
        OutcomeRule("draw", Axis.MARGIN, one(0)),
        *(OutcomeRule(f"away_by_{by}", Axis.MARGIN, one(-by)) for by in margins),
        OutcomeRule(f"away_by_{last}+", Axis.MARGIN, below(1 - last)),
    )


# --- goals ---------------------------------------------------------------------------------------


def total_on(axis: Axis) -> RuleBuilder:
    """Over or under a line on an axis."""

    def build(specifiers: Mapping[str, str]) -> Rules:
        line = _total_quarters(specifiers["total"])
        return _over("over", axis, line), _under("under", axis, line)

    return build


def exact_on(axis: Axis, default: int) -> RuleBuilder:
    """Each number of goals, the last open-ended."""

    def build(specifiers: Mapping[str, str]) -> Rules:
        last = _open_end(specifiers, default)
        exact = (OutcomeRule(str(goals), axis, one(goals)) for goals in range(last))
        return *exact, OutcomeRule(f"{last}+", axis, above(last))

    return build


def goal_range(specifiers: Mapping[str, str]) -> Rules:
    """Ranges of goals as the Unified Odds Feed defines them: to 7+, or to 6+ in a variant."""
    to_six = specifiers.get("variant") == _POINT_RANGE_VARIANT
    closed = _POINT_RANGES if to_six else GOAL_RANGES
    last = closed[-1][1] + 1
    if _open_end(specifiers, last) != last:
        raise MarketTypeError(f"variant: goal ranges end at {last}+: {specifiers['variant']!r}")
    ranges = (
        OutcomeRule(f"{low}-{high}", Axis.TOTAL, Interval(low, high + 1)) for low, high in closed
    )
    return *ranges, OutcomeRule(f"{last}+", Axis.TOTAL, above(last))


def multigoals_on(axis: Axis, most: int) -> RuleBuilder:
    """No goal, each range of two or more numbers from 1 to `most`, and more.

    The ranges overlap: several outcomes win.
    """
    ranges = (
        OutcomeRule(f"{low}-{high}", axis, Interval(low, high + 1))
        for low in range(1, most)
        for high in range(low + 1, most + 1)
    )
    none = OutcomeRule("none", axis, one(0))
    return fixed(none, *ranges, OutcomeRule(f"{most + 1}+", axis, above(most + 1)))


def parity_on(axis: Axis) -> RuleBuilder:
    """Odd or even."""
    return fixed(OutcomeRule("odd", axis, one(1)), OutcomeRule("even", axis, one(0)))


def yes_on(axis: Axis, yes: Interval) -> RuleBuilder:
    """Yes for the values in an interval of an axis, no for those below and above it."""
    no = OutcomeRule("no", axis, below(yes.low), also=(above(yes.high),))
    return fixed(OutcomeRule("yes", axis, yes), no)


def each_of(axis: Axis, *names: str) -> RuleBuilder:
    """One outcome for each value of an axis, starting at 0."""
    return fixed(*(OutcomeRule(name, axis, one(value)) for value, name in enumerate(names)))


def fixed(*rules: OutcomeRule) -> RuleBuilder:
    """Return a builder of the same rules for all specifiers."""
    return lambda _: rules


def _scores_to(goals_max: int) -> Rules:
    """Return each score of up to some goals a side, and any other score."""
    goals = range(goals_max + 1)
    cells = (
        OutcomeRule(f"{home}:{away}", Axis.SCORE_CELL, one(score_cell(home, away)))
        for home in goals
        for away in goals
    )
    beyond = goals.stop
    more_away = (Interval(score_cell(home, beyond), score_cell(home + 1, 0)) for home in goals)
    other = OutcomeRule(
        "other", Axis.SCORE_CELL, above(score_cell(beyond, 0)), also=tuple(more_away)
    )
    return *cells, other


def flex_correct_score(goals_max: int) -> RuleBuilder:
    """Each score that up to so many more goals make of the score so far, which is a specifier.

    After more goals than that no outcome wins.
    """
    more = [(home, away) for home, away in product(range(goals_max + 1), repeat=2)]

    def build(specifiers: Mapping[str, str]) -> Rules:
        match = _SCORE_SO_FAR.fullmatch(specifiers["score"])
        if match is None:
            raise MarketTypeError(f"score: not of the form 1:0 up to 9:9: {specifiers['score']!r}")
        home_now, away_now = int(match[1]), int(match[2])
        return tuple(
            OutcomeRule(
                f"+{home}:{away}",
                Axis.WIDE_CELL,
                one(score_cell(home_now + home, away_now + away, WIDE_SIDE)),
            )
            for home, away in more
            if home + away <= goals_max
        )

    return build


def _of_scores(name: str, values: Iterable[int]) -> OutcomeRule:
    """Return an outcome that some values of the SCORE_CELL axis win."""
    first, *others = [one(value) for value in sorted(values)]
    return OutcomeRule(name, Axis.SCORE_CELL, first, also=tuple(others))


def _multiscores() -> Rules:
    values = {score: score_cell(*score) for score in product(range(CELL_SIDE + 1), repeat=2)}
    groups = [[(int(text[0]), int(text[2])) for text in name.split("/")] for name in _MULTISCORES]
    listed = {score for scores in groups for score in scores}
    rules = [
        _of_scores(name, (values[score] for score in scores))
        for name, scores in zip(_MULTISCORES, groups, strict=True)
    ]
    others = {
        "draw": {values[h, a] for h, a in values if h == a},
        "other_home": {values[h, a] for h, a in values if h > a and (h, a) not in listed},
        "other_away": {values[h, a] for h, a in values if h < a and (h, a) not in listed},
    }
    draw, *wins = (_of_scores(name, values) for name, values in others.items())
    return draw, *rules, *wins


multiscores: Final = fixed(*_multiscores())
correct_score: Final = fixed(*_scores_to(4))
correct_score_to_two: Final = fixed(*_scores_to(2))
to_win_either: Final = fixed(
    OutcomeRule("yes", Axis.MARGIN, above(1), also=(below(0),)),
    OutcomeRule("no", Axis.MARGIN, one(0)),
)


def goal_number(specifiers: Mapping[str, str]) -> int:
    """Return the number of the goal that a market is on, counted from 1."""
    text = specifiers["goalnr"]
    if _GOAL_NUMBER.fullmatch(text) is None or int(text) > GOAL_NUMBERS:
        raise MarketTypeError(f"goalnr: must be from 1 to {GOAL_NUMBERS}: {text!r}")
    return int(text)


def nth_goal(specifiers: Mapping[str, str]) -> Rules:
    """Which side scores the n-th goal, or neither."""
    axis = Axis(Axis.GOAL_1 + goal_number(specifiers) - 1)
    return each_of(axis, "home", "none", "away")(specifiers)
