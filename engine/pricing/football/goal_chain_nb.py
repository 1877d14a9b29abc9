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
    HALF_DIFFERENCES,
    LEVEL_FACTOR,
    LEVELS,
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
def idle_share_nb(model: Any, home_rate: float, away_rate: float, rate: float) -> float:
    """Return the largest share of chances, at any difference, that lead to nothing."""
    lowest = rate
    for d in range(-2, 3):
        at = home_rate * state_factor_nb(model, d) + away_rate * state_factor_nb(model, -d)
        lowest = min(lowest, at)
    return (rate - lowest) / rate if rate > 0.0 else 0.0


@kernel()
def fill_idles_nb(idles: Any, mean: float, share: float, last: int, least: float) -> None:
    """Fill how many chances may lead to nothing beside k goals; more are left out as too rare.

    `mean` is the mean number of chances, `share` the largest share that leads to nothing. The
    chance of k goals and i chances without one is at most Poisson's of k times (share mean)^i / i!.
    The numbers fall as k rises, and no k has more than `last` chances.
    """
    idle_mean = share * mean
    chance = 1.0
    most = 0
    while most < last and chance * idle_mean >= least * (most + 1):
        most += 1
        chance *= idle_mean / most
    goals = 1.0
    for k in range(last + 1):
        if k > mean:
            goals *= mean / k
        while most > 0 and goals * chance < least:
            chance *= most / idle_mean
            most -= 1
        idles[k] = min(most, last - k)


@kernel()
def add_counts_nb(both: Any, first: Any, first_last: int, second: Any, second_last: int) -> int:
    """Fill the chances that two periods bring so many together; return the last number used."""
    for n in range(LEVELS):
        both[n] = 0.0
    for m in range(first_last + 1):
        for n in range(second_last + 1):
            both[min(m + n, LEVELS - 1)] += first[m] * second[n]
    return min(first_last + second_last, LEVELS - 1)


@kernel()
def trim_counts_nb(counts: Any, last: int, needed: int, least: float) -> int:
    """Let the last number stand for those beyond that are less likely than `least` together.

    Numbers up to `needed` are kept.
    """
    while last > needed and counts[last] < least:
        counts[last - 1] += counts[last]
        last -= 1
    return last


@kernel()
def expect_nb(
    values: Any, home_values: Any, terminal: Any, counts: Any, last: int, radius: int, steps: Any,
    ordered: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Fill what is expected of a function of the period's last difference.

    Parameters
    ----------
    values : float64[6, DIFFERENCES]
        Out, at the period's start, for differences up to `radius` from the middle: row 0 has the
        expectation and, where `ordered`, row 2 that where home scores the period's last goal, row 4
        that where there is none. The other rows are scratch.
    home_values : float64[LEVELS, DIFFERENCES]
        Out: row n is the chance that a chance at a difference is a home goal, times what is
        expected after it when n chances came before: the sum over all numbers still to come.
    terminal : float64[DIFFERENCES]
        The function.
    """
    for row in range(6):
        for i in range(DIFFERENCES):
            values[row, i] = 0.0
    for r in range(last, -1, -1):
        now, then = r & 1, (r + 1) & 1
        width = 2 * (radius + r) + 1
        low = MIDDLE - radius - r
        end = low + width
        up, down = steps[UP + low : UP + end], steps[DOWN + low : DOWN + end]
        stay = steps[STAY + low : STAY + end]
        ends = terminal[low:end]
        here, above = values[then, low:end], values[then, low + 1 : end + 1]
        below = values[then, low - 1 : end - 1]
        new = values[now, low:end]
        home = home_values[r, low:end]
        count = counts[r]
        for i in range(width):
            home[i] = up[i] * above[i]
            new[i] = count * ends[i] + home[i] + down[i] * below[i] + stay[i] * here[i]
        if not ordered:
            continue
        here, above = values[2 + then, low:end], values[2 + then, low + 1 : end + 1]
        below = values[2 + then, low - 1 : end - 1]
        none_here, none_above = values[4 + then, low:end], values[4 + then, low + 1 : end + 1]
        by_home, none = values[2 + now, low:end], values[4 + now, low:end]
        for i in range(width):
            none[i] = count * ends[i] + stay[i] * none_here[i]
            by_home[i] = up[i] * (above[i] + none_above[i]) + down[i] * below[i] + stay[i] * here[i]


@kernel()
def split_nb(split: Any, table: Any, last: int) -> None:
    """Copy a table by number of chances and difference, split by parity: what that number reaches.

    Row n has the differences that n chances reach from the middle.
    """
    for n in range(last + 1):
        for at in range(MIDDLE - n, MIDDLE - n + min(n + 1, 2)):
            to = HALF_DIFFERENCES * (at & 1) + (at >> 1)
            width = (MIDDLE + n - at) // 2 + 1
            row = split[n, to : to + width]
            origin = table[n, at:]
            for x in range(width):
                row[x] = origin[2 * x]


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
