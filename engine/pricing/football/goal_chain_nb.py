"""Kernels of the goal process: how many chances a period brings, and what each leads to.

Scoring depends on the score. A period brings a random number of *chances*; at a goal difference
d each is a goal of the home side, a goal of the away side or nothing, with probabilities that
depend on d alone. Chances arrive at the rate of the difference at which most goals fall, so that
elsewhere some lead to nothing (uniformisation); after each, no other arrives for a dead time. Their
number does not depend on what they lead to, so the process is a Markov chain stopped after a random
number of steps, and k steps reach (k + 1)(k + 2)/2 scores.

An array by difference has difference d at index d - start + MIDDLE, where `start` is the one now.
Since a number of goals leads to every other difference, some have a copy split by parity: even
indices, halved, from 0, odd ones from HALF_DIFFERENCES.

Owns the chain and the sums over its steps; never knows an axis, a scope or a market.
"""

from math import exp
from typing import Any, Final

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    DIFFERENCES,
    EVENTS,
    GOAL_NUMBERS,
    HALF_DIFFERENCES,
    LEAST_MASS,
    LEVEL_FACTOR,
    MIDDLE,
    ONE_AHEAD_FACTOR,
    ONE_BEHIND_FACTOR,
    TWO_AHEAD_FACTOR,
    TWO_BEHIND_FACTOR,
)

UP: Final = 0
DOWN: Final = DIFFERENCES
STAY: Final = 2 * DIFFERENCES


@kernel()
def state_factor_nb(model: Any, ahead: int) -> float:
    """Return the factor on a side's rate when it is `ahead` by so many goals."""
    column = LEVEL_FACTOR
    if ahead == 1:
        column = ONE_AHEAD_FACTOR
    elif ahead > 1:
        column = TWO_AHEAD_FACTOR
    elif ahead == -1:
        column = ONE_BEHIND_FACTOR
    elif ahead < -1:
        column = TWO_BEHIND_FACTOR
    return float(model[column])


@kernel()
def chance_rate_nb(model: Any, home_rate: float, away_rate: float) -> float:
    """Return the rate of chances: that of goals at the difference at which most fall."""
    rate = 0.0
    for d in range(-2, 3):
        at = home_rate * state_factor_nb(model, d) + away_rate * state_factor_nb(model, -d)
        rate = max(rate, at)
    return rate


@kernel()
def fill_steps_nb(
    model: Any, home_rate: float, away_rate: float, rate: float, start: int, radius: int,
    steps: Any, split: Any,
) -> None:  # fmt: skip
    """Fill what a chance leads to at each difference up to `radius` from the middle.

    `rate` is that of chances and `start` the difference now; `steps` gets three arrays by
    difference: the probabilities of a home goal, of an away goal and of none; `split` gets them
    split by parity.
    """
    scale = 1.0 / rate if rate > 0.0 else 0.0
    for i in range(MIDDLE - radius, MIDDLE + radius + 1):
        d = start + i - MIDDLE
        to = HALF_DIFFERENCES * (i & 1) + (i >> 1)
        up = home_rate * state_factor_nb(model, d) * scale
        down = away_rate * state_factor_nb(model, -d) * scale
        stay = max(1.0 - up - down, 0.0)
        steps[UP + i] = split[UP + to] = up
        steps[DOWN + i] = split[DOWN + to] = down
        steps[STAY + i] = split[STAY + to] = stay


@kernel()
def poisson_tail_nb(mean: float, count: int) -> float:
    """Return P(Poisson(mean) >= count)."""
    term = exp(-mean)
    below = 0.0
    for k in range(count):
        below += term
        term *= mean / (k + 1)
    return max(1.0 - below, 0.0)


@kernel()
def fill_counts_nb(counts: Any, mean: float, dead: float, least: float) -> int:
    """Fill the chances that a period brings so many; return the last number that is used.

    `mean` is the rate of chances times what is left of the period, `dead` the rate times the dead
    time; a number less likely than `least` is left out. The n-th comes in time when n - 1 dead
    times and n waiting times fit in.
    """
    reached = 1.0
    for n in range(EVENTS - 1):
        left = mean - n * dead
        following = poisson_tail_nb(left, n + 1) if left > 0.0 else 0.0
        if following < least:
            counts[n] = reached
            return n
        counts[n] = reached - following
        reached = following
    counts[EVENTS - 1] = reached
    return EVENTS - 1


@kernel()
def most_idle_nb(model: Any, home_rate: float, away_rate: float, rate: float, part: float) -> int:
    """Return how many chances of a period may lead to nothing; more are left out as too rare.

    `rate` is that of chances in a match, `part` the period's part of it.
    """
    lowest = rate
    for d in range(-2, 3):
        at = home_rate * state_factor_nb(model, d) + away_rate * state_factor_nb(model, -d)
        lowest = min(lowest, at)
    mean = (rate - lowest) * part
    most = 0
    while most < EVENTS and poisson_tail_nb(mean, most + 1) >= model[LEAST_MASS]:
        most += 1
    return most


@kernel()
def value_back_nb(
    values: Any, home_values: Any, split: Any, terminal: Any, counts: Any, last: int, radius: int,
    steps: Any, splitting: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Fill what is expected of a function of the period's last difference.

    Parameters
    ----------
    values : float64[2, DIFFERENCES]
        Out: row 0 has the expectation at the period's start, for differences up to `radius` from
        the middle.
    home_values, split : float64[EVENTS, DIFFERENCES]
        Out: row n is the chance that a chance at a difference is a home goal, times what is
        expected after it when n chances came before: the sum over all numbers still to come; and
        the same split by parity, where `splitting`.
    terminal : float64[DIFFERENCES]
        The function.
    """
    for i in range(DIFFERENCES):
        values[0, i] = values[1, i] = 0.0
    for r in range(last, -1, -1):
        width = 2 * (radius + r) + 1
        low = MIDDLE - radius - r
        new = values[r & 1, low : low + width]
        here = values[(r + 1) & 1, low : low + width]
        above = values[(r + 1) & 1, low + 1 : low + 1 + width]
        below = values[(r + 1) & 1, low - 1 : low - 1 + width]
        up = steps[UP + low : UP + low + width]
        down = steps[DOWN + low : DOWN + low + width]
        stay = steps[STAY + low : STAY + low + width]
        ends = terminal[low : low + width]
        home = home_values[r, low : low + width]
        count = counts[r]
        for i in range(width):
            home[i] = up[i] * above[i]
            new[i] = count * ends[i] + home[i] + down[i] * below[i] + stay[i] * here[i]
        if not splitting:
            continue
        for i in range(width):
            at = low + i
            split[r, HALF_DIFFERENCES * (at & 1) + (at >> 1)] = home[i]


@kernel()
def last_goal_back_nb(
    by_home: Any, no_goal: Any, by_home_after: Any, no_goal_after: Any, counts: Any, last: int,
    radius: int, steps: Any,
) -> None:  # fmt: skip
    """Fill what is expected of a function of the last difference where home scores last.

    Parameters
    ----------
    by_home, no_goal : float64[2, DIFFERENCES]
        Out: row 0 has at each difference up to `radius` from the middle the expectation where the
        last goal from the period's start is home's, and where there is none.
    by_home_after, no_goal_after : float64[DIFFERENCES]
        The same two from the period's end, by its last difference.
    """
    for i in range(DIFFERENCES):
        by_home[0, i] = by_home[1, i] = no_goal[0, i] = no_goal[1, i] = 0.0
    for r in range(last, -1, -1):
        width = 2 * (radius + r) + 1
        low = MIDDLE - radius - r
        new = by_home[r & 1, low : low + width]
        here = by_home[(r + 1) & 1, low : low + width]
        above = by_home[(r + 1) & 1, low + 1 : low + 1 + width]
        below = by_home[(r + 1) & 1, low - 1 : low - 1 + width]
        none = no_goal[r & 1, low : low + width]
        none_here = no_goal[(r + 1) & 1, low : low + width]
        none_above = no_goal[(r + 1) & 1, low + 1 : low + 1 + width]
        up = steps[UP + low : UP + low + width]
        down = steps[DOWN + low : DOWN + low + width]
        stay = steps[STAY + low : STAY + low + width]
        ends = by_home_after[low : low + width]
        none_ends = no_goal_after[low : low + width]
        count = counts[r]
        for i in range(width):
            none[i] = count * none_ends[i] + stay[i] * none_here[i]
            new[i] = (
                count * ends[i]
                + up[i] * (above[i] + none_above[i])
                + down[i] * below[i]
                + stay[i] * here[i]
            )


@kernel()
def low_scores_nb(low: Any, counts: Any, last: int, steps: Any, shift: int) -> None:
    """Fill the chances that a period adds 0:0, 1:0, 0:1 or 1:1, and 1:1 with home's goal first.

    `shift` is the difference at the period's start, from the middle.
    """
    level = MIDDLE + shift
    ahead, behind = level + 1, level - 1
    none, home, away, home_first, away_first = 1.0, 0.0, 0.0, 0.0, 0.0
    for k in range(5):
        low[k] = 0.0
    for n in range(last + 1):
        low[0] += counts[n] * none
        low[1] += counts[n] * home
        low[2] += counts[n] * away
        low[3] += counts[n] * (home_first + away_first)
        low[4] += counts[n] * home_first
        home_first = home_first * steps[STAY + level] + home * steps[DOWN + ahead]
        away_first = away_first * steps[STAY + level] + away * steps[UP + behind]
        home = home * steps[STAY + ahead] + none * steps[UP + level]
        away = away * steps[STAY + behind] + none * steps[DOWN + level]
        none *= steps[STAY + level]


@kernel()
def run_forward_nb(
    grid: Any, sums: Any, flows: Any, top: int, limit: int, idle: int, counts: Any, last: int,
    split: Any, home_values: Any, flowing: bool,  # noqa: FBT001
) -> int:  # fmt: skip
    """Carry the masses of scores through a period.

    Parameters
    ----------
    grid : float64[LEVELS, LEVELS]
        Row k, column x: the mass of k goals, x of them home's; rows up to `top` are filled, those
        up to `limit` must be zero. Overwritten. Goals beyond `limit` do not count.
    sums : float64[LEVELS, LEVELS]
        Out: added to it, the masses after the period.
    flows : float64[LEVELS, LEVELS]
        Out: where `flowing`, added to it, the mass of a next goal by home, weighted by
        `home_values` (see `value_back_nb`; split by parity).
    idle : int
        Most chances that lead to nothing (`most_idle_nb`).
    split : float64[3 * DIFFERENCES]
        Steps, split by parity.

    Returns
    -------
    int
        The last row with a mass.
    """
    for n in range(last + 1):
        count = counts[n]
        for k in range(min(top + 1, limit), max(n - idle, 0) - 1, -1):
            at = MIDDLE - k
            here = HALF_DIFFERENCES * (at & 1) + (at >> 1)
            row = grid[k, : k + 1]
            if k <= top:
                total = sums[k, : k + 1]
                if flowing:
                    flow = flows[k, : k + 1]
                    values = home_values[n, here : here + k + 1]
                    for x in range(k + 1):
                        total[x] += count * row[x]
                        flow[x] += row[x] * values[x]
                else:
                    for x in range(k + 1):
                        total[x] += count * row[x]
            if n == last:
                continue
            if k == 0:
                row[0] *= split[STAY + here]
                continue
            before = HALF_DIFFERENCES * ((at + 1) & 1) + ((at + 1) >> 1)
            up = split[UP + before : UP + before + k]
            down = split[DOWN + before : DOWN + before + k]
            origin = grid[k - 1, :k]
            if k < limit:
                stay = split[STAY + here : STAY + here + k + 1]
                for x in range(k):
                    row[x] = row[x] * stay[x] + origin[x] * down[x]
                row[k] *= stay[k]
            else:
                for x in range(k):
                    row[x] += origin[x] * down[x]
            row = grid[k, 1 : k + 1]
            for x in range(k):
                row[x] += origin[x] * up[x]
        if n < last:
            top = min(top + 1, limit)
    return top


@kernel()
def fill_branch_steps_nb(
    branch_steps: Any, branches: int, first: int, last: int, steps: Any
) -> None:
    """Copy the steps of every score's branches, in the layout of `run_branches_nb`.

    `branch_steps` gets three arrays, for a home goal, an away goal and none.
    """
    size = len(branch_steps) // 3
    for way in range(3):
        cell = way * size
        origin = way * DIFFERENCES + MIDDLE + first
        for k in range(last + 1):
            for x in range(k + 1):
                to = branch_steps[cell : cell + branches]
                at = origin + 2 * x - k
                step = steps[at : at + branches]
                for e in range(branches):
                    to[e] = step[e]
                cell += branches


@kernel()
def run_branches_nb(
    grid: Any, sums: Any, branch_steps: Any, branches: int, idle: int, counts: Any, last: int
) -> None:
    """Carry the masses of scores through a period from several differences at once.

    Parameters
    ----------
    grid : float64[(last + 1) * (last + 2) / 2 * branches]
        Branch e of cell c = k * (k + 1) / 2 + x, at c * branches + e, is the mass of k goals, x of
        them home's, from the e-th difference; cell 0 is filled. Overwritten.
    sums
        Out: the masses after the period, of the same shape.
    branch_steps
        As `fill_branch_steps_nb` fills it.
    """
    size = len(branch_steps) // 3
    for k in range(branches, (last + 1) * (last + 2) // 2 * branches):
        grid[k] = 0.0
    for k in range((last + 1) * (last + 2) // 2 * branches):
        sums[k] = 0.0
    for n in range(last + 1):
        count = counts[n]
        for k in range(min(n + 1, last), max(n - idle, 0) - 1, -1):
            cell = k * (k + 1) // 2 * branches
            width = (k + 1) * branches
            own = grid[cell : cell + width]
            if k <= n:
                total = sums[cell : cell + width]
                for i in range(width):
                    total[i] += count * own[i]
            if n == last:
                continue
            stay = branch_steps[2 * size + cell : 2 * size + cell + width]
            if k == 0:
                for i in range(width):
                    own[i] *= stay[i]
                continue
            before = cell - k * branches
            origin = grid[before:cell]
            up = branch_steps[before:cell]
            down = branch_steps[size + before : size + cell]
            for i in range(width - branches):
                own[i] = own[i] * stay[i] + origin[i] * down[i]
            for i in range(width - branches, width):
                own[i] *= stay[i]
            own = grid[cell + branches : cell + width]
            for i in range(width - branches):
                own[i] += origin[i] * up[i]


@kernel()
def run_home_goals_nb(
    masses: Any, flows: Any, goals: Any, low: int, high: int, idle: int, last: int, steps: Any,
    home_values: Any,
) -> None:  # fmt: skip
    """Add to `goals` the mass of home scoring a period's first goal, its second, ...

    Parameters
    ----------
    masses : float64[GOAL_NUMBERS, DIFFERENCES]
        Row 0: the masses by difference at the start, from index `low` to `high`; the rest must be
        zero. Overwritten.
    flows : float64[GOAL_NUMBERS, DIFFERENCES]
        Scratch; zero.
    home_values
        As `value_back_nb` fills it.
    """
    for n in range(last):
        for k in range(min(n + 1, GOAL_NUMBERS - 1), max(n - idle, 0) - 1, -1):
            start = low - k
            width = high - low + 1 + 2 * k
            own = masses[k, start : start + width]
            flow = flows[k, start : start + width]
            value = home_values[n, start : start + width]
            stay = steps[STAY + start : STAY + start + width]
            if k == 0:
                for i in range(width):
                    flow[i] += own[i] * value[i]
                    own[i] *= stay[i]
                continue
            lower = masses[k - 1, start - 1 : start - 1 + width]
            upper = masses[k - 1, start + 1 : start + 1 + width]
            up = steps[UP + start - 1 : UP + start - 1 + width]
            down = steps[DOWN + start + 1 : DOWN + start + 1 + width]
            for i in range(width):
                flow[i] += own[i] * value[i]
                own[i] = own[i] * stay[i] + lower[i] * up[i] + upper[i] * down[i]
    for k in range(min(last, GOAL_NUMBERS)):
        for i in range(low - k, high + k + 1):
            goals[k] += flows[k, i]
