"""Outcome rules of combinations: results with scorers or totals, and both halves together.

Owns the rules of markets that join two questions; never a market's name (market_types.py), never a
probability and never an amount of money.
"""

from collections.abc import Mapping
from itertools import product
from typing import Final

from engine.pricing.football.axes import AXIS_SPECS, Axis, Play
from engine.pricing.football.layout import CAPPED_TOTALS, FEW_GOALS
from engine.pricing.football.outcome_rules import (
    OutcomeRule,
    RuleBuilder,
    Rules,
    each_of,
    fixed,
    goal_number,
    goals_over,
    yes_on,
)
from engine.pricing.lines import Interval, above, below, one

# --- results, scorers and totals -----------------------------------------------------------------

_RESULTS: Final = {"home": (0,), "draw": (1,), "away": (2,)}
_DOUBLE_CHANCES: Final = {"home_or_draw": (0, 1), "home_or_away": (0, 2), "draw_or_away": (1, 2)}
"""The results (0 home, 1 draw, 2 away) that win each outcome."""
_BOTH_SCORE: Final = {"yes": 1, "no": 0}


def _joined(name: str, axis: Axis, intervals: list[Interval]) -> OutcomeRule:
    return OutcomeRule(name, axis, intervals[0], also=tuple(intervals[1:]))


def _row_interval(row: int, goals: Interval) -> Interval:
    """Return the values of some totals within one row of a combined axis of capped totals."""
    start = CAPPED_TOTALS * row
    return Interval(start + max(goals.low, 0), start + min(goals.high, CAPPED_TOTALS))


def _and_both(names: Mapping[str, tuple[int, ...]], axis: Axis = Axis.RESULT_BOTH) -> RuleBuilder:
    """Return each named set of results combined with both sides scoring or not."""
    return fixed(
        *(
            _joined(
                f"{name}_and_{answer}",
                axis,
                [one(2 * result + both) for result in won_by],
            )
            for (answer, both), (name, won_by) in product(_BOTH_SCORE.items(), names.items())
        )
    )


def _and_total(names: Mapping[str, tuple[int, ...]], axis: Axis = Axis.RESULT_TOTAL) -> RuleBuilder:
    """Return each named set of results combined with a total over or under a half line."""

    def build(specifiers: Mapping[str, str]) -> Rules:
        goals = goals_over(specifiers["total"])
        sides = {"over": above(goals), "under": below(goals)}
        return tuple(
            _joined(
                f"{name}_and_{side}",
                axis,
                [_row_interval(result, totals) for result in won_by],
            )
            for (side, totals), (name, won_by) in product(sides.items(), names.items())
        )

    return build


result_and_both: Final = _and_both(_RESULTS)
double_chance_and_both: Final = _and_both(_DOUBLE_CHANCES)
double_chance_and_both_in_first: Final = _and_both(_DOUBLE_CHANCES, Axis.RESULT_BOTH_FIRST)
double_chance_and_both_in_second: Final = _and_both(_DOUBLE_CHANCES, Axis.RESULT_BOTH_SECOND)
result_and_total: Final = _and_total(_RESULTS)
double_chance_and_total: Final = _and_total(_DOUBLE_CHANCES)


def total_and_both(specifiers: Mapping[str, str]) -> Rules:
    """Over or under a half line, combined with both sides scoring or not."""
    goals = goals_over(specifiers["total"])
    sides = {"over": above(goals), "under": below(goals)}
    return tuple(
        OutcomeRule(f"{side}_and_{answer}", Axis.BOTH_TOTAL, _row_interval(both, totals))
        for (answer, both), (side, totals) in product(_BOTH_SCORE.items(), sides.items())
    )


def result_or_both(result: int, *, both: bool) -> RuleBuilder:
    """Yes for a result (0 home, 1 draw, 2 away), and where both sides score or do not."""
    won = [value // 2 == result or value % 2 == int(both) for value in range(6)]
    return fixed(
        *(
            _joined(
                name, Axis.RESULT_BOTH, [one(k) for k, wins in enumerate(won) if wins == wanted]
            )
            for name, wanted in (("yes", True), ("no", False))
        )
    )


def result_or_total(result: int, *, over: bool) -> RuleBuilder:
    """Yes for a result (0 home, 1 draw, 2 away), and for a total over or under a half line."""

    def build(specifiers: Mapping[str, str]) -> Rules:
        goals = goals_over(specifiers["total"])
        wins, loses = (above(goals), below(goals)) if over else (below(goals), above(goals))
        others = [other for other in range(3) if other != result]
        yes = [_row_interval(result, Interval(0, CAPPED_TOTALS))]
        yes += [_row_interval(other, wins) for other in others]
        no = [_row_interval(other, loses) for other in others]
        return _joined("yes", Axis.RESULT_TOTAL, yes), _joined("no", Axis.RESULT_TOTAL, no)

    return build


def nth_goal_and_result(specifiers: Mapping[str, str]) -> Rules:
    """Which side scores the n-th goal, with the result; or that there is no such goal."""
    axis = Axis(Axis.GOAL_1_RESULT + goal_number(specifiers) - 1)
    return *(
        OutcomeRule(f"{side}_and_{name}", axis, one(first + result))
        for (side, first), (name, (result,)) in product(
            (("home", 0), ("away", 4)), _RESULTS.items()
        )
    ), OutcomeRule("none", axis, one(3))


# --- both halves ---------------------------------------------------------------------------------

_HALF_FULL_TIME: Final = {
    f"{half}/{full}": (value,) for value, (half, full) in enumerate(product(_RESULTS, repeat=2))
}
half_time_full_time: Final = each_of(Axis.HALF_TIME_FULL_TIME, *_HALF_FULL_TIME)
half_time_full_time_and_total: Final = _and_total(_HALF_FULL_TIME, Axis.RESULTS_TOTAL)
half_time_full_time_and_first_total: Final = _and_total(_HALF_FULL_TIME, Axis.RESULTS_FIRST_TOTAL)


def _half_time_full_time_and_exact(last: int) -> Rules:
    """Return half-time/full-time with each number of goals that can make it, and with more."""
    measure, score = AXIS_SPECS[Axis.RESULTS_TOTAL].measure, range(last)
    plays = (Play(h + h1, a + a1, h1, a1) for h, a, h1, a1 in product(score, repeat=4))
    reached = {measure(play) for play in plays}
    values = product(range(last), _HALF_FULL_TIME.items())
    cells = [(goals, name, CAPPED_TOTALS * row + goals) for goals, (name, (row,)) in values]
    return *(
        OutcomeRule(f"{name}_and_{goals}", Axis.RESULTS_TOTAL, one(value))
        for goals, name, value in cells
        if value in reached
    ), *(
        OutcomeRule(f"{name}_and_{last}+", Axis.RESULTS_TOTAL, _row_interval(row, above(last)))
        for name, (row,) in _HALF_FULL_TIME.items()
    )


half_time_full_time_and_exact: Final = fixed(*_half_time_full_time_and_exact(5))


def _half_time_full_time_score() -> Rules:
    """Return each score at half-time with each final score that it can lead to.

    Scores have up to ``FEW_GOALS`` goals; all others are one final score, and one at half-time.
    """
    measure, goals, more = AXIS_SPECS[Axis.FEW_SCORES].measure, range(FEW_GOALS + 1), FEW_GOALS + 1
    scores = [(home, away) for home, away in product(goals, repeat=2) if home + away <= FEW_GOALS]
    rules = []
    for half in scores:
        reached = [score for score in scores if score[0] >= half[0] and score[1] >= half[1]]
        plays = {f"{home}:{away}": Play(home, away, *half) for home, away in reached}
        plays[f"{more}+"] = Play(half[0] + more, half[1], *half)
        rules += [
            OutcomeRule(f"{half[0]}:{half[1]}/{final}", Axis.FEW_SCORES, one(measure(play)))
            for final, play in plays.items()
        ]
    last = one(measure(Play(more, 0, more, 0)))
    return *rules, OutcomeRule(f"{more}+/{more}+", Axis.FEW_SCORES, last)


half_time_full_time_score: Final = fixed(*_half_time_full_time_score())
both_to_score_in_halves: Final = fixed(
    *(
        OutcomeRule(name, Axis.BOTH_SCORE_IN_HALVES, one(value))
        for name, value in (("no/no", 0), ("yes/no", 1), ("yes/yes", 3), ("no/yes", 2))
    )
)


def wins_both_halves(side: int) -> RuleBuilder:
    """Yes when a side (0 home, 2 away) wins both halves."""
    return yes_on(Axis.HALF_RESULTS, one(4 * side))


def wins_either_half(side: int) -> RuleBuilder:
    """Yes when a side (0 home, 2 away) wins at least one half."""
    wins = [side in (first, second) for first, second in product(range(3), repeat=2)]
    return fixed(
        *(
            _joined(
                name, Axis.HALF_RESULTS, [one(k) for k, won in enumerate(wins) if won == wanted]
            )
            for name, wanted in (("yes", True), ("no", False))
        )
    )


def every_half(axis: Axis, *, over: bool) -> RuleBuilder:
    """Yes when each half's total is over, or each is under, a half line.

    `axis` is MIN_HALF_TOTAL for over and MAX_HALF_TOTAL for under.
    """

    def build(specifiers: Mapping[str, str]) -> Rules:
        goals = goals_over(specifiers["total"])
        above_line, below_line = above(goals), below(goals)
        return (
            OutcomeRule("yes", axis, above_line if over else below_line),
            OutcomeRule("no", axis, below_line if over else above_line),
        )

    return build
