"""Football's market types: their names, their Unified Odds Feed numbers and their settlement.

Owns the table of types. A market is defined once, as intervals on axes, and both its price and its
settlement follow from that definition; never a probability and never an amount of money.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from engine.common.commands import OutcomeResult
from engine.pricing.football import combined_rules as combined
from engine.pricing.football import outcome_rules as rules
from engine.pricing.football.axes import Axis, Play, Scope, needs_order
from engine.pricing.football.outcome_rules import (
    WINNERS_VARY,
    MarketTypeError,
    OutcomeRule,
    RuleBuilder,
    line_quarters,
    outcome_result,
)

__all__ = [
    "MARKET_TYPES", "PERIOD_GOALS_MAX", "MarketRules", "MarketType", "MarketTypeError",
    "OutcomeRule", "Specifiers", "line_quarters", "market_rules", "outcome_names", "results",
]  # fmt: skip

Specifiers = tuple[tuple[str, str], ...]
"""Pairs of key and value, as ``engine.common.ids.parse_market_key`` gives them."""

PERIOD_GOALS_MAX: Final = 15
"""The most goals of one side in one period; the goals of two periods fit a goals axis."""


class MarketRules(NamedTuple):
    """A market's scope, its number of winning outcomes, and a rule for each outcome.

    The winners are ``WINNERS_VARY`` where their number depends on the score.
    """

    scope: Scope
    winners: int
    outcomes: tuple[OutcomeRule, ...]

    @property
    def needs_order(self) -> bool:
        """Whether the market is settled by who scored which goal."""
        return needs_order(self.outcomes[0].axis)


class MarketType(NamedTuple):
    """A row of the table; `uof_id` is the Unified Odds Feed's number, None if it has none."""

    name: str
    uof_id: int | None
    scope: Scope
    specifiers: tuple[str, ...]
    """Names of the specifiers that the type accepts."""
    required: bool
    """Whether all specifiers must be given; else a missing one has a default."""
    winners: int
    build: RuleBuilder


# --- the table -----------------------------------------------------------------------------------

_PREFIXES: Final = {
    Scope.REGULAR: "",
    Scope.FIRST_HALF: "first_half_",
    Scope.SECOND_HALF: "second_half_",
    Scope.EXTRA_TIME: "extra_time_",
    Scope.HALVES: "",
}
_WITH_SCORE: Final = (Scope.REGULAR, Scope.FIRST_HALF, Scope.SECOND_HALF, Scope.EXTRA_TIME)


class _Family(NamedTuple):
    """One kind of market in each scope that offers it, with the feed's number in each."""

    name: str
    uof_ids: tuple[int | None, ...]
    """For each of `scopes` in order; a scope beyond the end does not offer the market, and None
    stands for a market that the feed does not have."""
    build: RuleBuilder
    specifiers: tuple[str, ...] = ()
    required: bool = False
    winners: int = 1
    scopes: tuple[Scope, ...] = _WITH_SCORE


_BOTH_HALVES: Final = (Scope.HALVES,)
_TOTAL: Final = ("total",)
_VARIANT: Final = ("variant",)

_FAMILIES: Final = (
    _Family("1x2", (1, 60, 83, 113), rules.three_way),
    _Family("next_goal", (8, 62, 84, 115), rules.nth_goal, ("goalnr",), required=True),
    _Family("next_goal_1x2", (184,), combined.nth_goal_and_result, ("goalnr",), required=True),
    _Family("last_goal", (9, None, None), rules.each_of(Axis.LAST_GOAL, "home", "none", "away")),
    _Family("double_chance", (10, 63, 85, None), rules.double_chance, winners=2),
    _Family("draw_no_bet", (11, 64, 86, None), rules.draw_no_bet),
    _Family("home_no_bet", (12, None, None), rules.home_no_bet),
    _Family("away_no_bet", (13, None, None), rules.away_no_bet),
    _Family("european_handicap", (14, 65, 87), rules.three_way, ("hcp",), required=True),
    _Family("winning_margin", (15, None, None), rules.winning_margin, _VARIANT),
    _Family("handicap", (16, 66, 88, 117), rules.handicap, ("hcp",), required=True),
    _Family("total", (18, 68, 90, 116), rules.total_on(Axis.TOTAL), _TOTAL, required=True),
    _Family("home_total", (19, 69, 91, None), rules.total_on(Axis.HOME), _TOTAL, required=True),
    _Family("away_total", (20, 70, 92, None), rules.total_on(Axis.AWAY), _TOTAL, required=True),
    _Family("exact_goals", (21, 71, 93), rules.exact_on(Axis.TOTAL, 6), _VARIANT),
    _Family("home_exact_goals", (23, 72, None), rules.exact_on(Axis.HOME, 3), _VARIANT),
    _Family("away_exact_goals", (24, 73, None), rules.exact_on(Axis.AWAY, 3), _VARIANT),
    _Family("goal_range", (25, None, None), rules.goal_range, _VARIANT),
    _Family("odd_even", (26, 74, 94), rules.parity_on(Axis.PARITY)),
    _Family("home_odd_even", (27, None, None), rules.parity_on(Axis.HOME_PARITY)),
    _Family("away_odd_even", (28, None, None), rules.parity_on(Axis.AWAY_PARITY)),
    _Family(
        "both_teams_to_score", (29, 75, 95, None), rules.yes_on(Axis.SCORING_SIDES, rules.one(3))
    ),
    _Family(
        "which_team_to_score",
        (30, None, None),
        rules.each_of(Axis.SCORING_SIDES, "none", "only_home", "only_away", "both"),
    ),
    _Family("home_clean_sheet", (31, 76, 96), rules.yes_on(Axis.SCORING_SIDES, rules.below(2))),
    _Family("away_clean_sheet", (32, 77, 97), rules.yes_on(Axis.HOME, rules.one(0))),
    _Family("home_win_to_nil", (33, None, None), rules.yes_on(Axis.SCORING_SIDES, rules.one(1))),
    _Family("away_win_to_nil", (34, None, None), rules.yes_on(Axis.SCORING_SIDES, rules.one(2))),
    _Family("1x2_both_teams_to_score", (35, 78, 543), combined.result_and_both),
    _Family(
        "total_both_teams_to_score",
        (36, None, None),
        combined.total_and_both,
        _TOTAL,
        required=True,
    ),
    _Family("1x2_total", (37, 79, 544), combined.result_and_total, _TOTAL, required=True),
    _Family("correct_score", (45, None, None), rules.correct_score),
    *(
        _Family(
            "flex_correct_score",
            (uof_id,),
            rules.flex_correct_score(goals_max),
            ("score",),
            required=True,
            winners=WINNERS_VARY,
            scopes=(scope,),
        )
        for uof_id, goals_max, scope in ((41, 6, Scope.REGULAR), (80, 3, Scope.FIRST_HALF))
    ),
    _Family("correct_score_to_two", (None, 81, 98), rules.correct_score_to_two),
    _Family(
        "double_chance_both_teams_to_score",
        (546, 542, 545),
        combined.double_chance_and_both,
        winners=2,
    ),
    _Family(
        "double_chance_total",
        (547, None, None),
        combined.double_chance_and_total,
        _TOTAL,
        required=True,
        winners=2,
    ),
    *(
        _Family(
            f"{side}_or_{name}",
            (uof_id + 2 * result,),
            combined.result_or_total(result, over=over),
            _TOTAL,
            required=True,
        )
        for result, side in enumerate(("home", "draw", "away"))
        for uof_id, name, over in ((854, "over", True), (855, "under", False))
    ),
    *(
        _Family(f"{side}_or_{name}", (uof_id + result,), combined.result_or_both(result, both=both))
        for result, side in enumerate(("home", "draw", "away"))
        for uof_id, name, both in (
            (860, "both_teams_to_score", True),
            (863, "any_clean_sheet", False),
        )
    ),
    _Family(
        "multigoals",
        (548,),
        rules.multigoals_on(Axis.TOTAL, 6),
        winners=WINNERS_VARY,
        scopes=(Scope.REGULAR,),
    ),
    *(
        _Family(
            name, (uof_id,), rules.multigoals_on(axis, 3), winners=WINNERS_VARY, scopes=(scope,)
        )
        for name, uof_id, axis, scope in (
            ("home_multigoals", 549, Axis.HOME, Scope.REGULAR),
            ("away_multigoals", 550, Axis.AWAY, Scope.REGULAR),
            ("multigoals", 552, Axis.TOTAL, Scope.FIRST_HALF),
            ("multigoals", 553, Axis.TOTAL, Scope.SECOND_HALF),
        )
    ),
    _Family("multiscores", (551,), rules.multiscores),
    _Family("away_to_win", (879,), rules.yes_on(Axis.MARGIN, rules.below(0))),
    _Family("home_to_win", (880,), rules.yes_on(Axis.MARGIN, rules.above(1))),
    _Family("any_team_to_win", (881,), rules.to_win_either),
    *(
        _Family(
            f"double_chance_{half}_half_both_teams_to_score",
            (uof_id,),
            build,
            winners=2,
            scopes=_BOTH_HALVES,
        )
        for half, uof_id, build in (
            ("first", 540, combined.double_chance_and_both_in_first),
            ("second", 541, combined.double_chance_and_both_in_second),
        )
    ),
    _Family("half_time_full_time", (47,), combined.half_time_full_time, scopes=_BOTH_HALVES),
    *(
        _Family(
            f"half_time_full_time_{name}",
            (uof_id,),
            build,
            _TOTAL,
            required=True,
            scopes=_BOTH_HALVES,
        )
        for name, uof_id, build in (
            ("total", 818, combined.half_time_full_time_and_total),
            ("first_half_total", 819, combined.half_time_full_time_and_first_total),
        )
    ),
    _Family(
        "half_time_full_time_exact_goals",
        (820,),
        combined.half_time_full_time_and_exact,
        scopes=_BOTH_HALVES,
    ),
    _Family(
        "half_time_full_time_correct_score",
        (46,),
        combined.half_time_full_time_score,
        scopes=_BOTH_HALVES,
    ),
    _Family("home_win_both_halves", (48,), combined.wins_both_halves(0), scopes=_BOTH_HALVES),
    _Family("away_win_both_halves", (49,), combined.wins_both_halves(2), scopes=_BOTH_HALVES),
    _Family("home_win_either_half", (50,), combined.wins_either_half(0), scopes=_BOTH_HALVES),
    _Family("away_win_either_half", (51,), combined.wins_either_half(2), scopes=_BOTH_HALVES),
    _Family(
        "highest_scoring_half",
        (52,),
        rules.each_of(Axis.HIGHEST_HALF, "first", "equal", "second"),
        scopes=_BOTH_HALVES,
    ),
    _Family(
        "home_highest_scoring_half",
        (53,),
        rules.each_of(Axis.HOME_HIGHEST_HALF, "first", "equal", "second"),
        scopes=_BOTH_HALVES,
    ),
    _Family(
        "away_highest_scoring_half",
        (54,),
        rules.each_of(Axis.AWAY_HIGHEST_HALF, "first", "equal", "second"),
        scopes=_BOTH_HALVES,
    ),
    _Family(
        "halves_both_teams_to_score", (55,), combined.both_to_score_in_halves, scopes=_BOTH_HALVES
    ),
    _Family(
        "home_score_in_both_halves",
        (56,),
        rules.yes_on(Axis.HOME_SCORES_IN_HALVES, rules.one(3)),
        scopes=_BOTH_HALVES,
    ),
    _Family(
        "away_score_in_both_halves",
        (57,),
        rules.yes_on(Axis.AWAY_SCORES_IN_HALVES, rules.one(3)),
        scopes=_BOTH_HALVES,
    ),
    _Family(
        "both_halves_over",
        (58,),
        combined.every_half(Axis.MIN_HALF_TOTAL, over=True),
        _TOTAL,
        required=True,
        scopes=_BOTH_HALVES,
    ),
    _Family(
        "both_halves_under",
        (59,),
        combined.every_half(Axis.MAX_HALF_TOTAL, over=False),
        _TOTAL,
        required=True,
        scopes=_BOTH_HALVES,
    ),
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
    for scope, uof_id in zip(family.scopes, family.uof_ids, strict=False)
}


@lru_cache(maxsize=1 << 12)
def market_rules(market_type: str, specifiers: Specifiers) -> MarketRules:
    """Return the rules of one market.

    Raises
    ------
    MarketTypeError
        When the type is not in the table or does not accept the specifiers.
    """
    row = MARKET_TYPES.get(market_type)
    if row is None:
        raise MarketTypeError(f"market type: not in the table: {market_type!r}")
    given: Mapping[str, str] = dict(specifiers)
    if (row.required and len(given) != len(row.specifiers)) or any(
        name not in row.specifiers for name in given
    ):
        wanted = ", ".join(row.specifiers) or "none"
        raise MarketTypeError(f"{market_type}: specifiers must be: {wanted}")
    return MarketRules(row.scope, row.winners, row.build(given))


def outcome_names(market_type: str, specifiers: Specifiers) -> tuple[str, ...]:
    """Return the names of a market's outcomes in the order of its odds and results."""
    return tuple(rule.name for rule in market_rules(market_type, specifiers).outcomes)


def results(
    market_type: str,
    specifiers: Specifiers,
    final_score: Sequence[int],
    *,
    first_half: Sequence[int] | None = None,
    order: str | None = None,
) -> tuple[OutcomeResult, ...]:
    """Settle every outcome of a market.

    Parameters
    ----------
    market_type : str
        A name of the table, such as ``handicap``.
    specifiers : Specifiers
        The market's specifiers.
    final_score : Sequence[int]
        Home and away goals of the market's own scope: the ninety minutes without extra time for a
        type without prefix, the first half for a ``first_half_`` type.
    first_half : Sequence[int] | None
        Home and away goals of the first half, for a type on both halves.
    order : str | None
        An ``h`` or an ``a`` for each goal of the scope, for a type on who scores which goal.

    Raises
    ------
    MarketTypeError
        When the type or specifiers are not in the table, when goals are negative or do not add up,
        or when the first half or the order that the type needs is missing.
    """
    home, away = final_score
    market = market_rules(market_type, specifiers)
    if min(home, away) < 0:
        raise MarketTypeError(f"score: goals cannot be negative: {home}:{away}")
    if market.needs_order and (
        order is None
        or (order.count("h"), order.count("a"), len(order)) != (home, away, home + away)
    ):
        raise MarketTypeError(f"{market_type}: the order of {home}:{away} must be given")
    first_home, first_away = first_half or (0, 0)
    if market.scope is Scope.HALVES and (
        first_half is None or not (0 <= first_home <= home and 0 <= first_away <= away)
    ):
        raise MarketTypeError(f"{market_type}: the first half of {home}:{away} must be given")
    play = Play(home, away, first_home, first_away, order)
    return tuple(outcome_result(rule, play) for rule in market.outcomes)
