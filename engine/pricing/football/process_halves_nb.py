"""Kernels of both halves together where the second half depends on the first.

The second half's scoring depends on the goal difference at half-time and on nothing else of the
first half. So it is run once for each difference at half-time, side by side: branch e of an array
is the e-th difference. What compares the halves is summed over the first half's scores of each.

Owns the masses of the block of both halves; never the block of a single half.
"""

from typing import Any, Final

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    AWAY_HIGHEST_HALF_AT,
    AWAY_SCORES_IN_HALVES_AT,
    BOTH_SCORE_IN_HALVES_AT,
    CAPPED_TOTALS,
    HALF_RESULTS_AT,
    HALF_TIME_FULL_TIME_AT,
    HALVES_AT,
    HIGHEST_HALF_AT,
    HOME_HIGHEST_HALF_AT,
    HOME_SCORES_IN_HALVES_AT,
    MAX_HALF_TOTAL_AT,
    MIN_HALF_TOTAL_AT,
)

_MASS_MIN: Final = 1e-13
"""A score of the first half less likely than this is left out."""


@kernel()
def result_nb(difference: int) -> int:
    """Return 0 for a home win, 1 for a draw, 2 for an away win."""
    return 0 if difference > 0 else 1 if difference == 0 else 2


@kernel()
def fill_marginals_nb(
    sums: Any, branches: int, last: int, totals: Any, homes: Any, aways: Any, margins: Any
) -> None:
    """Fill the cumulative masses of a half's goals to come, and the masses of its difference.

    Parameters
    ----------
    sums
        Masses by score as `run_branches_nb` leaves them, of up to `last` goals.
    totals, homes, aways : float64[(last + 1) * branches]
        Out: entry k * branches + e is the mass of at most k goals of both sides, of home, of away.
    margins : float64[(2 * last + 1) * branches]
        Out: entry (d + last) * branches + e is the mass of a difference of d.
    """
    for k in range((last + 1) * branches):
        totals[k] = homes[k] = aways[k] = 0.0
    for k in range((2 * last + 1) * branches):
        margins[k] = 0.0
    cell = 0
    for k in range(last + 1):
        total = totals[k * branches : (k + 1) * branches]
        for x in range(k + 1):
            mass = sums[cell : cell + branches]
            home = homes[x * branches : (x + 1) * branches]
            away = aways[(k - x) * branches : (k - x + 1) * branches]
            at = (last + 2 * x - k) * branches
            margin = margins[at : at + branches]
            for e in range(branches):
                total[e] += mass[e]
                home[e] += mass[e]
                away[e] += mass[e]
                margin[e] += mass[e]
            cell += branches
    for k in range(branches, (last + 1) * branches):
        totals[k] += totals[k - branches]
        homes[k] += homes[k - branches]
        aways[k] += aways[k - branches]


@kernel()
def at_most_nb(masses: Any, branches: int, branch: int, last: int, count: int) -> float:
    """Return the mass of at most `count` goals to come in a branch."""
    return masses[min(count, last) * branches + branch] if count >= 0 else 0.0


@kernel()
def add_comparison_nb(
    features: Any, to: int, first: int, now: int, masses: Any, branches: int, branch: int,
    last: int, part: float,
) -> None:  # fmt: skip
    """Add three masses: the first half's count is above, equal to, below the second half's.

    The second half's count is `now` and what `masses` is the cumulative distribution of.
    """
    below = at_most_nb(masses, branches, branch, last, first - now - 1)
    not_above = at_most_nb(masses, branches, branch, last, first - now)
    features[to] += part * below
    features[to + 1] += part * (not_above - below)
    features[to + 2] += part * (masses[last * branches + branch] - not_above)


@kernel()
def add_half_totals_nb(
    features: Any,
    first: int,
    now: int,
    totals: Any,
    branches: int,
    branch: int,
    last: int,
    part: float,
) -> None:
    """Add the masses of the lower and the higher capped total of the two halves."""
    lower = HALVES_AT + MIN_HALF_TOTAL_AT + 1
    higher = HALVES_AT + MAX_HALF_TOTAL_AT + 1
    cap = CAPPED_TOTALS - 1
    below = at_most_nb(totals, branches, branch, last, first - now - 1)
    not_above = at_most_nb(totals, branches, branch, last, first - now)
    features[lower + min(first, cap)] += part * (totals[last * branches + branch] - below)
    features[higher + min(first, cap)] += part * not_above
    before = 0.0
    for k in range(last + 1):
        mass = totals[k * branches + branch] - before
        before += mass
        if now + k < first:
            features[lower + min(now + k, cap)] += part * mass
        elif now + k > first:
            features[higher + min(now + k, cap)] += part * mass


@kernel()
def add_results_nb(
    features: Any, first: int, full: int, second: int, margins: Any, branches: int, last: int
) -> None:
    """Add the masses of the results: first half with full time, and with second half.

    `first`, `full` and `second` are the differences of branch 0: of the first half, and of the
    match and the second half before the second half's goals to come.
    """
    for branch in range(branches):
        by_full = HALVES_AT + HALF_TIME_FULL_TIME_AT + 1 + 3 * result_nb(first + branch)
        by_second = HALVES_AT + HALF_RESULTS_AT + 1 + 3 * result_nb(first + branch)
        for m in range(-last, last + 1):
            mass = margins[(last + m) * branches + branch]
            features[by_full + result_nb(full + branch + m)] += mass
            features[by_second + result_nb(second + m)] += mass


@kernel()
def add_scorers_nb(
    features: Any, state: Any, home: int, away: int, totals: Any, homes: Any, aways: Any,
    branches: int, branch: int, last: int, part: float,
) -> None:  # fmt: skip
    """Add the masses of who scores in which half, for one score of the first half."""
    at = HALVES_AT + 1
    every = totals[last * branches + branch]
    home_none = homes[branch] if state[4] == 0 else 0.0
    away_none = aways[branch] if state[5] == 0 else 0.0
    none = totals[branch] if state[4] + state[5] == 0 else 0.0
    both = max(every - home_none - away_none + none, 0.0)
    home_scored = 1 if home > 0 else 0
    away_scored = 1 if away > 0 else 0
    scored = at + BOTH_SCORE_IN_HALVES_AT + home_scored * away_scored
    features[scored] += part * (every - both)
    features[scored + 2] += part * both
    scored = at + HOME_SCORES_IN_HALVES_AT + home_scored
    features[scored] += part * home_none
    features[scored + 2] += part * (every - home_none)
    scored = at + AWAY_SCORES_IN_HALVES_AT + away_scored
    features[scored] += part * away_none
    features[scored + 2] += part * (every - away_none)


@kernel()
def add_halves_nb(
    features: Any, state: Any, first: Any, top: int, branch_masses: Any, lowest: int, branches: int,
    last: int, totals: Any, homes: Any, aways: Any, margins: Any,
) -> None:  # fmt: skip
    """Add the masses of the axes of both halves.

    Parameters
    ----------
    first : float64[LEVELS, LEVELS]
        The first half's masses: row k, column x for k goals to come, x of them home's; rows up to
        `top` are used.
    branch_masses : float64[branches]
        The sums of these by difference, from `lowest`.
    totals, homes, aways, margins
        The second half's masses in each branch (`fill_marginals_nb`), up to `last` goals.
    """
    add_results_nb(
        features, state[2] - state[3] + lowest,
        state[2] + state[4] - state[3] - state[5] + lowest, state[4] - state[5], margins, branches,
        last,
    )  # fmt: skip
    at = HALVES_AT + 1
    for k in range(top + 1):
        for x in range(k + 1):
            branch = 2 * x - k - lowest
            if not (0 <= branch < branches and first[k, x] > _MASS_MIN):
                continue
            part = first[k, x] / branch_masses[branch]
            home, away = state[2] + x, state[3] + k - x
            add_comparison_nb(
                features, at + HIGHEST_HALF_AT, home + away, state[4] + state[5], totals, branches,
                branch, last, part,
            )  # fmt: skip
            add_comparison_nb(
                features,
                at + HOME_HIGHEST_HALF_AT,
                home,
                state[4],
                homes,
                branches,
                branch,
                last,
                part,
            )
            add_comparison_nb(
                features,
                at + AWAY_HIGHEST_HALF_AT,
                away,
                state[5],
                aways,
                branches,
                branch,
                last,
                part,
            )
            add_scorers_nb(
                features, state, home, away, totals, homes, aways, branches, branch, last, part
            )
            add_half_totals_nb(
                features, home + away, state[4] + state[5], totals, branches, branch, last, part
            )
