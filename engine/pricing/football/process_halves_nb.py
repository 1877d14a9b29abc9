"""Kernels of both halves together where the second half depends on the first.

The second half's scoring depends on the goal difference at half-time and on nothing else of the
first half. So it is run once for each difference at half-time, side by side: branch e of an array
is the e-th difference, and given that, the halves are independent. What compares them is a sum over
branches of products of one half's masses and the other's cumulative ones.

Owns the masses of the block of both halves; never the block of a single half.
"""

from typing import Any, Final

from engine.common.jit import kernel
from engine.pricing.football.both_halves_nb import few_score_nb
from engine.pricing.football.goal_passes_nb import dot_nb
from engine.pricing.football.layout import (
    AWAY_SCORES_IN_HALVES_AT,
    BOTH_SCORE_IN_HALVES_AT,
    BRANCHES_MAX,
    CAPPED_TOTALS,
    EVENTS,
    FEW_GOALS,
    FEW_SCORES,
    FEW_SCORES_AT,
    FEW_SCORES_SIZE,
    HALF_RESULTS_AT,
    HALF_TIME_FULL_TIME_AT,
    HALVES_AT,
    HIGHEST_HALF_AT,
    HOME_SCORES_IN_HALVES_AT,
    MAX_HALF_TOTAL_AT,
    MIN_HALF_TOTAL_AT,
    RESULT_BOTH_FIRST_AT,
    RESULT_BOTH_SECOND_AT,
    RESULTS_FIRST_TOTAL_AT,
    RESULTS_TOTAL_AT,
)

# Rows by branch: their places in an array, in rows of BRANCHES_MAX. Of the second half the masses
# of totals, home's and away's goals to come (cumulative) and of differences; of the first the
# chances of these, given the branch, and of some score at all and of both sides scoring.
MASSES: Final = 0
"""The mass of each branch."""
TOTALS: Final = 1
HOMES: Final = TOTALS + EVENTS
AWAYS: Final = HOMES + EVENTS
MARGINS: Final = AWAYS + EVENTS
"""For either parity of the goals: (last + 1) // 2 * 2 + 1 differences."""
FIRST_TOTALS: Final = MARGINS + 2 * (EVENTS + 1)
FIRST_HOMES: Final = FIRST_TOTALS + EVENTS
FIRST_AWAYS: Final = FIRST_HOMES + EVENTS
FIRST_ALL: Final = FIRST_AWAYS + EVENTS
FIRST_BOTH: Final = FIRST_ALL + 1

_MASS_MIN: Final = 1e-13
"""A score of the first half less likely than this is left out."""


@kernel(inline=True)
def part_nb(rows: Any, at: int, size: int) -> Any:
    """Return an array of the rows by branch."""
    return rows[at * BRANCHES_MAX : at * BRANCHES_MAX + size]


@kernel()
def accumulate_rows_nb(array: Any, branches: int, last: int) -> None:
    """Make the rows 0 to `last` of an array cumulative."""
    for k in range(1, last + 1):
        row = array[k * branches : (k + 1) * branches]
        before = array[(k - 1) * branches : k * branches]
        for e in range(branches):
            row[e] += before[e]


@kernel()
def fill_marginals_nb(rows: Any, sums: Any, branches: int, last: int) -> None:
    """Fill the second half's rows from its masses by score (`run_branches_nb`)."""
    size = (last + 1) * branches
    half = (last + 1) // 2
    totals, homes = part_nb(rows, TOTALS, size), part_nb(rows, HOMES, size)
    aways = part_nb(rows, AWAYS, size)
    margin_size = (2 * half + 1) * branches
    margins = part_nb(rows, MARGINS, 2 * margin_size)
    for j in range(size):
        totals[j] = homes[j] = aways[j] = 0.0
    for j in range(2 * margin_size):
        margins[j] = 0.0
    cell = 0
    for k in range(last + 1):
        width = (k + 1) * branches
        at = (k & 1) * margin_size + (half - ((k + 1) >> 1)) * branches
        masses, margin = sums[cell : cell + width], margins[at : at + width]
        for j in range(width):
            homes[j] += masses[j]
            margin[j] += masses[j]
        total = totals[k * branches : (k + 1) * branches]
        for x in range(k + 1):
            masses = sums[cell : cell + branches]
            away = aways[(k - x) * branches : (k - x + 1) * branches]
            for e in range(branches):
                total[e] += masses[e]
                away[e] += masses[e]
            cell += branches
    for count in range(3):
        accumulate_rows_nb(part_nb(rows, TOTALS + count * EVENTS, size), branches, last)


@kernel()
def fill_first_nb(
    rows: Any, first: Any, top: int, lowest: int, branches: int, home_now: int, away_now: int
) -> None:
    """Fill the first half's rows from its masses by score."""
    size = (top + 1) * branches
    totals, homes = part_nb(rows, FIRST_TOTALS, size), part_nb(rows, FIRST_HOMES, size)
    aways = part_nb(rows, FIRST_AWAYS, size)
    every, both = part_nb(rows, FIRST_ALL, branches), part_nb(rows, FIRST_BOTH, branches)
    for j in range(size):
        totals[j] = homes[j] = aways[j] = 0.0
    for e in range(branches):
        every[e] = both[e] = 0.0
    for k in range(top + 1):
        for x in range(k + 1):
            if not first[k, x] > _MASS_MIN:
                continue
            e = min(max(2 * x - k - lowest, 0), branches - 1)
            part = first[k, x] / rows[e]
            totals[k * branches + e] += part
            homes[x * branches + e] += part
            aways[(k - x) * branches + e] += part
            every[e] += part
            if home_now + x > 0 and away_now + k - x > 0:
                both[e] += part


@kernel()
def add_comparison_nb(
    features: Any, to: int, firsts: Any, first_now: int, top: int, seconds: Any, now: int,
    last: int, branches: int, mass: float,
) -> None:  # fmt: skip
    """Add three masses: the first half's count is above, equal to, below the second half's.

    The counts are `first_now` and `now` and what `firsts` has the chances of (up to `top`) and
    `seconds` the cumulative masses (up to `last`); `mass` is that of all.
    """
    below, not_above = 0.0, 0.0
    for k in range(max(now - first_now, 0), top + 1):
        row = firsts[k * branches : (k + 1) * branches]
        at = min(first_now + k - now, last) * branches
        not_above += dot_nb(row, seconds[at : at + branches])
        if first_now + k > now:
            at = min(first_now + k - now - 1, last) * branches
            below += dot_nb(row, seconds[at : at + branches])
    features[to] += below
    features[to + 1] += max(not_above - below, 0.0)
    features[to + 2] += max(mass - not_above, 0.0)


@kernel()
def add_half_totals_nb(
    features: Any, rows: Any, first_now: int, top: int, now: int, last: int, branches: int,
    mass: float,
) -> None:  # fmt: skip
    """Add the masses of the lower and the higher capped total of the two halves.

    The first half's totals are cumulative as well.
    """
    firsts = part_nb(rows, FIRST_TOTALS, (top + 1) * branches)
    every = part_nb(rows, FIRST_ALL, branches)
    seconds = part_nb(rows, TOTALS, (last + 1) * branches)
    all_seconds = seconds[last * branches : (last + 1) * branches]
    lower, higher = HALVES_AT + MIN_HALF_TOTAL_AT + 1, HALVES_AT + MAX_HALF_TOTAL_AT + 1
    lower_before, higher_before = 0.0, 0.0
    for k in range(CAPPED_TOTALS):
        first, second, both = 0.0, 0.0, 0.0
        at = min(k - first_now, top) * branches
        to = min(k - now, last) * branches
        if k == CAPPED_TOTALS - 1:
            first, second, both = mass, mass, mass
        else:
            if at >= 0:
                first = dot_nb(firsts[at : at + branches], all_seconds)
            if to >= 0:
                second = dot_nb(every, seconds[to : to + branches])
            if at >= 0 and to >= 0:
                both = dot_nb(firsts[at : at + branches], seconds[to : to + branches])
        features[lower + k] += max(first + second - both - lower_before, 0.0)
        features[higher + k] += max(both - higher_before, 0.0)
        lower_before, higher_before = first + second - both, both


@kernel()
def add_results_nb(
    features: Any, first: int, full: int, second: int, margins: Any, branches: int, half: int
) -> None:
    """Add the masses of the results: first half with full time, and with second half.

    `first`, `full` and `second` are the differences of branch 0: of the first half, and of the
    match and the second half before the second half's goals to come.
    """
    for e in range(branches):
        home, draw, away, home_second, draw_second, away_second = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        at = e
        for odd in range(2):
            for m in range(odd - 2 * half, odd + 2 * half + 1, 2):
                mass = margins[at]
                at += branches
                if full + e + m > 0:
                    home += mass
                elif full + e + m == 0:
                    draw += mass
                else:
                    away += mass
                if second + m > 0:
                    home_second += mass
                elif second + m == 0:
                    draw_second += mass
                else:
                    away_second += mass
        result = 0 if first + e > 0 else 1 if first + e == 0 else 2
        to = HALVES_AT + HALF_TIME_FULL_TIME_AT + 1 + 3 * result
        features[to] += home
        features[to + 1] += draw
        features[to + 2] += away
        to = HALVES_AT + HALF_RESULTS_AT + 1 + 3 * result
        features[to] += home_second
        features[to + 1] += draw_second
        features[to + 2] += away_second


@kernel()
def add_two_events_nb(
    features: Any, to: int, mass: float, first: float, second: float, both: float
) -> None:
    """Add four masses of two events: neither, the first alone, the second alone, both."""
    features[to] += max(mass - first - second + both, 0.0)
    features[to + 1] += max(first - both, 0.0)
    features[to + 2] += max(second - both, 0.0)
    features[to + 3] += both


@kernel()
def add_scorers_nb(
    features: Any, state: Any, rows: Any, last: int, branches: int, mass: float
) -> None:
    """Add the masses of who scores in which half."""
    at = HALVES_AT + 1
    every = part_nb(rows, FIRST_ALL, branches)
    totals = part_nb(rows, TOTALS, (last + 1) * branches)
    no_home, no_away = part_nb(rows, HOMES, branches), part_nb(rows, AWAYS, branches)
    first_no_home = part_nb(rows, FIRST_HOMES, branches)
    first_no_away = part_nb(rows, FIRST_AWAYS, branches)
    first_both = part_nb(rows, FIRST_BOTH, branches)
    first, second, both = 0.0, 0.0, 0.0
    first_home, second_home, both_home = 0.0, 0.0, 0.0
    first_away, second_away, both_away = 0.0, 0.0, 0.0
    for e in range(branches):
        whole = totals[last * branches + e]
        home = whole - no_home[e] if state[4] == 0 else whole
        away = whole - no_away[e] if state[5] == 0 else whole
        none = totals[e] if state[4] + state[5] == 0 else 0.0
        sides = max(home + away - whole + none, 0.0)
        by_home = every[e] - first_no_home[e] if state[2] == 0 else every[e]
        by_away = every[e] - first_no_away[e] if state[3] == 0 else every[e]
        first += first_both[e] * whole
        second += every[e] * sides
        both += first_both[e] * sides
        first_home += by_home * whole
        second_home += every[e] * home
        both_home += by_home * home
        first_away += by_away * whole
        second_away += every[e] * away
        both_away += by_away * away
    add_two_events_nb(features, at + BOTH_SCORE_IN_HALVES_AT, mass, first, second, both)
    add_two_events_nb(
        features, at + HOME_SCORES_IN_HALVES_AT, mass, first_home, second_home, both_home
    )
    add_two_events_nb(
        features, at + AWAY_SCORES_IN_HALVES_AT, mass, first_away, second_away, both_away
    )


@kernel()
def add_result_and_both_nb(
    features: Any, state: Any, rows: Any, lowest: int, branches: int, sums: Any, last: int
) -> None:
    """Add the masses of the match's result with whether both sides scored in either half.

    The parameters are those of `add_halves_nb`, which has filled the rows by branch.
    """
    in_first = HALVES_AT + RESULT_BOTH_FIRST_AT + 1
    in_second = HALVES_AT + RESULT_BOTH_SECOND_AT + 1
    half = (last + 1) // 2
    margins = part_nb(rows, MARGINS, 2 * (2 * half + 1) * branches)
    first_both = part_nb(rows, FIRST_BOTH, branches)
    for e in range(branches):
        full = state[2] + state[4] - state[3] - state[5] + lowest + e
        at = e
        for odd in range(2):
            for m in range(odd - 2 * half, odd + 2 * half + 1, 2):
                to = 0 if full + m > 0 else 2 if full + m == 0 else 4
                features[in_first + to] += margins[at] * max(1.0 - first_both[e], 0.0)
                features[in_first + to + 1] += margins[at] * first_both[e]
                features[in_second + to + 1] += margins[at]
                at += branches
        # The scores at which a side has none: one at either end of those of k goals.
        for k in range(last + 1):
            for x in range(0, k + 1, max(k, 1)):
                if state[4] + x > 0 and state[5] + k - x > 0:
                    continue
                mass = sums[(k * (k + 1) // 2 + x) * branches + e]
                difference = full + 2 * x - k
                to = 0 if difference > 0 else 2 if difference == 0 else 4
                features[in_second + to] += mass
                features[in_second + to + 1] -= mass
    for result in range(3):
        at = in_second + 2 * result + 1
        features[at] = max(features[at], 0.0)


@kernel()
def add_results_and_totals_nb(
    features: Any, state: Any, top: int, rows: Any, lowest: int, branches: int, sums: Any,
    last: int,
) -> None:  # fmt: skip
    """Add the masses of half-time/full-time with the match's and with the first half's total.

    The parameters are those of `add_halves_nb`, which has filled the rows by branch and made the
    first half's totals cumulative.
    """
    firsts = part_nb(rows, FIRST_TOTALS, (top + 1) * branches)
    cap = CAPPED_TOTALS - 1
    first_now = state[2] + state[3]
    now = first_now + state[4] + state[5]
    for e in range(branches):
        first = state[2] - state[3] + lowest + e
        full = first + state[4] - state[5]
        row = 3 * CAPPED_TOTALS * (0 if first > 0 else 1 if first == 0 else 2) + HALVES_AT + 1
        cell = e
        for goals in range(last + 1):
            home, level, away = 0.0, 0.0, 0.0
            for x in range(goals + 1):
                mass = sums[cell]
                cell += branches
                if full + 2 * x - goals > 0:
                    home += mass
                elif full + 2 * x - goals == 0:
                    level += mass
                else:
                    away += mass
            before = 0.0
            for k in range(top + 1):
                chance = max(firsts[k * branches + e] - before, 0.0)
                before = firsts[k * branches + e]
                at = row + RESULTS_TOTAL_AT + min(now + k + goals, cap)
                in_first = row + RESULTS_FIRST_TOTAL_AT + min(first_now + k, cap)
                features[at] += chance * home
                features[at + CAPPED_TOTALS] += chance * level
                features[at + 2 * CAPPED_TOTALS] += chance * away
                features[in_first] += chance * home
                features[in_first + CAPPED_TOTALS] += chance * level
                features[in_first + 2 * CAPPED_TOTALS] += chance * away


@kernel()
def add_few_scores_nb(
    features: Any, state: Any, first: Any, top: int, rows: Any, lowest: int, branches: int,
    sums: Any, last: int,
) -> None:  # fmt: skip
    """Add the masses of the score at half-time with the final one.

    The parameters are those of `add_halves_nb`, which has filled the rows by branch.
    """
    to = HALVES_AT + FEW_SCORES_AT + 1
    whole = part_nb(rows, TOTALS, (last + 1) * branches)[last * branches :]
    others = dot_nb(part_nb(rows, FIRST_ALL, branches), whole)
    for first_home in range(state[2], FEW_GOALS + 1):
        for first_away in range(state[3], FEW_GOALS + 1 - first_home):
            x, k = first_home - state[2], first_home - state[2] + first_away - state[3]
            if k > top or not first[k, x] > _MASS_MIN:
                continue
            e = min(max(2 * x - k - lowest, 0), branches - 1)
            part = first[k, x] / rows[e]
            row = to + (FEW_SCORES + 1) * few_score_nb(first_home, first_away)
            rest = part * whole[e]
            others -= rest
            for home in range(first_home + state[4], FEW_GOALS + 1):
                for away in range(first_away + state[5], FEW_GOALS + 1 - home):
                    y = home - first_home - state[4]
                    goals = y + away - first_away - state[5]
                    if goals > last:
                        continue
                    mass = part * sums[(goals * (goals + 1) // 2 + y) * branches + e]
                    features[row + few_score_nb(home, away)] += mass
                    rest -= mass
            features[row + FEW_SCORES] += max(rest, 0.0)
    features[to + FEW_SCORES_SIZE - 1] += max(others, 0.0)


@kernel()
def add_halves_nb(
    features: Any, state: Any, first: Any, top: int, rows: Any, lowest: int, branches: int,
    sums: Any, last: int,
) -> None:  # fmt: skip
    """Add the masses of the axes of both halves.

    Parameters
    ----------
    first : float64[LEVELS, LEVELS]
        The first half's masses: row k, column x for k goals to come, x of them home's; rows up to
        `top` are used.
    rows : float64[BY_BRANCH * BRANCHES_MAX]
        Rows by branch, of which the branches' masses are filled, from difference `lowest`.
    sums
        The second half's masses in each branch (`run_branches_nb`), up to `last` goals.
    """
    fill_marginals_nb(rows, sums, branches, last)
    fill_first_nb(rows, first, top, lowest, branches, state[2], state[3])
    half = (last + 1) // 2
    add_results_nb(
        features, state[2] - state[3] + lowest,
        state[2] + state[4] - state[3] - state[5] + lowest, state[4] - state[5],
        part_nb(rows, MARGINS, 2 * (2 * half + 1) * branches), branches, half,
    )  # fmt: skip
    size, first_size = (last + 1) * branches, (top + 1) * branches
    totals, first_totals = part_nb(rows, TOTALS, size), part_nb(rows, FIRST_TOTALS, first_size)
    mass = dot_nb(part_nb(rows, FIRST_ALL, branches), totals[last * branches :])
    first_now, now = state[2] + state[3], state[4] + state[5]
    for count in range(3):  # of both sides, of home, of away: the axes follow each other
        add_comparison_nb(
            features, HALVES_AT + 1 + HIGHEST_HALF_AT + 4 * count,
            part_nb(rows, FIRST_TOTALS + count * EVENTS, first_size),
            first_now if count == 0 else state[1 + count], top,
            part_nb(rows, TOTALS + count * EVENTS, size),
            now if count == 0 else state[3 + count], last, branches, mass,
        )  # fmt: skip
    add_scorers_nb(features, state, rows, last, branches, mass)
    accumulate_rows_nb(first_totals, branches, top)
    add_half_totals_nb(features, rows, first_now, top, now, last, branches, mass)
