"""The kernel of the joint distribution of both halves' goals, for either model and any state.

Chances come in a random number, and each leads to a goal of either side or to none by the goal
difference (goal_chain_nb.py states the process; two independent sides are the case in which each
chance is a goal and the difference does not matter). The first half is carried through once, the
second once from each difference at half-time. A pattern of scorers stops what does not fit it on
the way, so the cells then hold the mass of both: these goals, in such an order.

Owns the cells' masses; never knows a market, a leg or a price.
"""

from typing import Any, Final

from numba import float64, int64

from engine.common.jit import kernel
from engine.pricing.football.builder.layout import (
    AWAY_SCORES,
    CELLS,
    COUNTS_AT,
    HALF_CELLS,
    HOME_SCORES,
    LAST_AT,
    LEVEL,
    NOBODY_SCORES,
    SIDE,
    SPAN,
    SPANS,
    STEPS,
    STEPS_AT,
    TABLE,
    TILE_AT,
)
from engine.pricing.football.goal_chain_nb import (
    chance_rate_nb,
    fill_counts_nb,
    state_factor_nb,
)
from engine.pricing.football.layout import (
    DEAD_TIME,
    DRAW_FACTOR,
    EVENTS,
    FIRST_HALF,
    GOAL_NUMBERS,
    ORDER_COLUMN,
    REGULAR,
    SECOND_HALF,
)
from engine.pricing.football.remaining_goals_nb import remaining_goals_nb
from engine.pricing.football.score_axes_nb import tilt_nb

LEAST: Final = 1e-15
"""A number of chances less likely than this is counted as the number before it."""
_LEAST_SPAN: Final = 1e-17
"""A span of cells, or a score of the first half, with less mass is left out."""


@kernel()
def fill_difference_steps_nb(steps: Any, model: Any, home_rate: float, away_rate: float) -> float:
    """Fill what a chance leads to at each goal difference; return the rate of chances.

    `steps` gets three arrays by difference, 0 in their middle: the probabilities of a home goal, of
    an away goal and of none.
    """
    rate = chance_rate_nb(model, home_rate, away_rate)
    scale = 1.0 / rate if rate > 0.0 else 0.0
    for i in range(STEPS):
        d = min(max(i - LEVEL, -2), 2)
        up = home_rate * state_factor_nb(model, d) * scale
        down = away_rate * state_factor_nb(model, -d) * scale
        steps[i] = up
        steps[STEPS + i] = down
        steps[2 * STEPS + i] = max(1.0 - up - down, 0.0)
    return rate


@kernel()
def idle_nb(steps: Any) -> bool:
    """Say whether a chance may lead to nothing."""
    most = 0.0
    for i in range(LEVEL - 2, LEVEL + 3):
        most = max(most, steps[2 * STEPS + i])
    return bool(most > 1e-12)


@kernel()
def run_half_nb(
    masses: Any, last_home: Any, work: Any, counts: Any, last: int, start: int, steps: Any,
    idle: bool, scorers: Any, ordered: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Carry a half from a goal difference to its scores.

    Parameters
    ----------
    masses, last_home : float64[TABLE]
        Out: at k * EVENTS + x the mass of k goals to come, x of them home's, and where `ordered`
        its part in which home scores the last of them.
    work : float64[2 * TABLE]
        Scratch.
    counts : float64[EVENTS]
        The chances of each number of chances up to `last`.
    start : int
        The goal difference of the match at the half's start (or now).
    scorers : float64[EVENTS]
        For the first goal to come, the second, ... which side must score it.
    """
    for k in range(last + 1):
        for x in range(k + 1):
            masses[k * EVENTS + x] = last_home[k * EVENTS + x] = 0.0
            work[k * EVENTS + x] = work[TABLE + k * EVENTS + x] = 0.0
    work[0] = 1.0
    masses[0] = counts[0]
    for n in range(1, last + 1):
        count = counts[n]
        for k in range(n, -1 if idle else n - 1, -1):
            row = k * EVENTS
            before = row - EVENTS
            scorer = int(scorers[k - 1]) if k > 0 else 0
            up_allowed = 1.0 if scorer in (0, HOME_SCORES) else 0.0
            down_allowed = 1.0 if scorer in (0, AWAY_SCORES) else 0.0
            here = LEVEL + start - k
            for x in range(k + 1):
                by_home = 0.0
                by_away = 0.0
                if x > 0:
                    by_home = steps[here + 2 * x - 1] * up_allowed * work[before + x - 1]
                if x < k:
                    by_away = steps[STEPS + here + 2 * x + 1] * down_allowed * work[before + x]
                stay = steps[2 * STEPS + here + 2 * x] if idle else 0.0
                if ordered:
                    held = stay * work[TABLE + row + x]
                    work[TABLE + row + x] = by_home + held
                    last_home[row + x] += count * (by_home + held)
                mass = by_home + by_away + stay * work[row + x]
                work[row + x] = mass
                masses[row + x] += count * mass


@kernel()
def known_side_nb(order: int, number: int) -> int:
    """Return who scored a goal that has fallen; NOBODY_SCORES where the order is not known."""
    if order < 0:
        return int(NOBODY_SCORES)
    return int(HOME_SCORES) if (order >> (number - 1)) & 1 == 1 else int(AWAY_SCORES)


@kernel()
def goals_now_nb(state: Any, scope: int) -> int:
    """Return the goals of a scope so far."""
    if scope == REGULAR:
        return int(state[2] + state[3] + state[4] + state[5])
    return int(state[2 * scope] + state[2 * scope + 1])


@kernel()
def fits_so_far_nb(pattern: Any, state: Any) -> bool:
    """Say whether the goals that have fallen were scored as a pattern says, as far as is known.

    As on a board, nothing that hangs on an order that is not known has a chance.
    """
    for scope in range(SECOND_HALF + 1):
        order = state[ORDER_COLUMN + scope]
        now = goals_now_nb(state, scope)
        for number in range(1, min(now, GOAL_NUMBERS) + 1):
            side = pattern[scope * GOAL_NUMBERS + number - 1]
            if side != 0 and side != known_side_nb(order, number):
                return False
        if pattern[LAST_AT + scope] != 0 and now > 0 and order < 0:
            return False
    return True


@kernel()
def merge_side_nb(a: int, b: int) -> int:
    """Return which side satisfies both of two demands."""
    if a == 0 or a == b:
        return b
    return a if b == 0 else int(NOBODY_SCORES)


@kernel()
def fill_scorers_nb(scorers: Any, pattern: Any, scope: int, now: int, before: int) -> None:
    """Fill which side must score each goal to come of a half.

    `now` goals of the half have fallen, and `before` goals of the match before the half.
    """
    for k in range(EVENTS):
        number = now + k + 1
        of_half = 0
        of_match = 0
        if number <= GOAL_NUMBERS:
            of_half = pattern[scope * GOAL_NUMBERS + number - 1]
        if before + number <= GOAL_NUMBERS:
            of_match = pattern[REGULAR * GOAL_NUMBERS + before + number - 1]
        scorers[k] = float(merge_side_nb(of_half, of_match))


@kernel()
def scored_last_nb(mass: float, home: float, goals: int, now: int, known: int, side: int) -> float:
    """Return the part of a half's mass in which a side scores the half's last goal.

    `home` is the part where home scores the last of `goals` to come; `now` have fallen, the last of
    them by the side `known`. For side 0 it is all of the mass.
    """
    if side == 0:
        return mass
    if goals > 0:
        return home if side == HOME_SCORES else max(mass - home, 0.0)
    return mass if now > 0 and side == known else 0.0


@kernel()
def orders_match_nb(pattern: Any) -> bool:
    """Say whether a pattern names goals of the match by number."""
    named = 0
    for number in range(GOAL_NUMBERS):
        named += pattern[REGULAR * GOAL_NUMBERS + number]
    return bool(named > 0)


@kernel()
def last_known_nb(state: Any, scope: int) -> int:
    """Return who scored a half's last goal so far; 0 where there is none."""
    now = goals_now_nb(state, scope)
    return known_side_nb(state[ORDER_COLUMN + scope], now) if now > 0 else 0


@kernel()
def fill_tile_nb(
    tile: Any, second: Any, second_home: Any, last: int, state: Any, side: int, known: int
) -> None:
    """Fill the second half's masses by its score, where it has a goal.

    Parameters
    ----------
    second, second_home : float64[TABLE]
        As `run_half_nb` fills them.
    side, known : int
        Which side must score the half's last goal, and who scored the last so far.
    """
    for k in range(HALF_CELLS):
        tile[k] = 0.0
    home_now, away_now = state[4], state[5]
    now = home_now + away_now
    for k in range(0 if now > 0 else 1, last + 1):
        for x in range(k + 1):
            mass = scored_last_nb(
                second[k * EVENTS + x], second_home[k * EVENTS + x], k, now, known, side
            )
            tile[SIDE * min(home_now + x, SIDE - 1) + min(away_now + k - x, SIDE - 1)] += mass


@kernel()
def add_cells_nb(cells: Any, tile: Any, model: Any, home: int, away: int, first: float) -> None:
    """Add to the cells of one score of the first half the masses of every score of the second.

    `first` is the mass of the first half's score, `home` and `away` are its goals. The factors of
    the final score are multiplied in.
    """
    for k in range(HALF_CELLS):
        cells[k] += first * tile[k]
    if model[DRAW_FACTOR] != 1.0:
        for later in range(max(away - home, 0), SIDE - max(home - away, 0)):
            at = SIDE * later + home + later - away
            cells[at] += first * tile[at] * (model[DRAW_FACTOR] - 1.0)
    if model[2] == 0.0:
        return
    for all_home in range(home, 2):
        for all_away in range(away, 2):
            at = SIDE * (all_home - home) + all_away - away
            mass = first * tile[at]
            if all_home == all_away:
                mass *= model[DRAW_FACTOR]
            cells[at] += mass * tilt_nb(all_home, all_away, model[0], model[1], model[2])


@kernel()
def add_score_nb(
    masses: Any, tile: Any, none: float, model: Any, state: Any, pattern: Any, home: int, away: int,
    goals: int, mass: float, last_home: float,
) -> None:  # fmt: skip
    """Add all cells of one score of the first half.

    Parameters
    ----------
    tile : float64[HALF_CELLS]
        The second half's masses by its score, where it has a goal.
    none : float
        Its mass without a goal. The match's last goal is then the first half's.
    home, away, goals : int
        The first half's score, and how many of its goals are to come.
    mass, last_home : float
        The mass of that score, and its part in which home scores the last goal to come.
    """
    cell = HALF_CELLS * (SIDE * min(home, SIDE - 1) + min(away, SIDE - 1))
    cells = masses[cell : cell + HALF_CELLS]
    now, known = state[2] + state[3], last_known_nb(state, int(FIRST_HALF))
    side = pattern[LAST_AT + FIRST_HALF]
    first = scored_last_nb(mass, last_home, goals, now, known, side)
    add_cells_nb(cells, tile, model, home, away, first)
    if none > 0.0:
        side = merge_side_nb(side, pattern[LAST_AT + REGULAR])
        first = scored_last_nb(mass, last_home, goals, now, known, side) * none
        factor = model[DRAW_FACTOR] if home == away else 1.0
        cells[0] += first * factor * (1.0 + tilt_nb(home, away, model[0], model[1], model[2]))


@kernel()
def sum_spans_nb(masses: Any, span_masses: Any) -> float:
    """Fill each span's mass, 0 where it is too small to count; return the mass of all."""
    total = 0.0
    for span in range(SPANS):
        at = span * SPAN
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        for k in range(at, at + SPAN, 4):
            a += masses[k]
            b += masses[k + 1]
            c += masses[k + 2]
            d += masses[k + 3]
        mass = a + b + (c + d)
        total += mass
        span_masses[span] = mass if mass > _LEAST_SPAN else 0.0
    return total


@kernel()
def set_up_nb(
    model: Any, state: Any, counts: Any, second_counts: Any, steps: Any
) -> tuple[int, int]:
    """Fill the chances by number of either half and the steps; return the last numbers used."""
    first_part, second_part, _ = remaining_goals_nb(model, state)
    home_rate = model[0] * model[7] ** state[8] * model[8] ** state[9]
    away_rate = model[1] * model[7] ** state[9] * model[8] ** state[8]
    rate = fill_difference_steps_nb(steps, model, home_rate, away_rate)
    dead = rate * model[DEAD_TIME]
    last = fill_counts_nb(counts, rate * first_part, dead * model[3] / (2700.0 + model[4]), LEAST)
    second_last = fill_counts_nb(
        second_counts, rate * second_part, dead * (1.0 - model[3]) / (2700.0 + model[5]), LEAST
    )
    return last, second_last


@kernel()
def run_halves_nb(model: Any, state: Any, pattern: Any, masses: Any, scratch: Any) -> None:
    """Carry the first half to its scores, and the second on from each; add all cells."""
    work = scratch[: 2 * TABLE]
    first, first_home = scratch[2 * TABLE : 3 * TABLE], scratch[3 * TABLE : 4 * TABLE]
    second, second_home = scratch[4 * TABLE : 5 * TABLE], scratch[5 * TABLE : 6 * TABLE]
    counts = scratch[COUNTS_AT : COUNTS_AT + EVENTS]
    second_counts = scratch[COUNTS_AT + EVENTS : COUNTS_AT + 2 * EVENTS]
    scorers = scratch[COUNTS_AT + 2 * EVENTS : COUNTS_AT + 3 * EVENTS]
    tile = scratch[TILE_AT:STEPS_AT]
    steps = scratch[STEPS_AT : STEPS_AT + 3 * STEPS]
    last, second_last = set_up_nb(model, state, counts, second_counts, steps)
    idle = idle_nb(steps)
    now, second_now = state[2] + state[3], state[4] + state[5]
    ahead = state[2] + state[4] - state[3] - state[5]
    last_match, last_second = pattern[LAST_AT + REGULAR], pattern[LAST_AT + SECOND_HALF]
    first_ordered = pattern[LAST_AT + FIRST_HALF] + last_match > 0
    side, known = merge_side_nb(last_second, last_match), last_known_nb(state, int(SECOND_HALF))
    by_number = orders_match_nb(pattern)
    fill_scorers_nb(scorers, pattern, int(FIRST_HALF), now, 0)
    run_half_nb(first, first_home, work, counts, last, ahead, steps, idle, scorers, first_ordered)
    for difference in range(-last, last + 1):
        ready = False
        for k in range(abs(difference), last + 1, 2):
            x = (k + difference) // 2
            at = k * EVENTS + x
            if first[at] < _LEAST_SPAN:
                continue
            if by_number or not ready:
                fill_scorers_nb(scorers, pattern, int(SECOND_HALF), second_now, now + k)
                run_half_nb(
                    second, second_home, work, second_counts, second_last, ahead + difference,
                    steps, idle, scorers, side > 0,
                )  # fmt: skip
                fill_tile_nb(tile, second, second_home, second_last, state, side, known)
                ready = True
            none = second[0] if second_now + last_second == 0 else 0.0
            add_score_nb(
                masses, tile, none, model, state, pattern, state[2] + x, state[3] + k - x, k,
                first[at], first_home[at],
            )  # fmt: skip


JOINT: Final = float64(
    float64[::1], int64[::1], int64[::1], float64[::1], float64[::1], float64[::1]
)
"""The signature of `fill_joint_nb`."""


@kernel(JOINT)
def fill_joint_nb(
    model: Any, state: Any, pattern: Any, masses: Any, span_masses: Any, scratch: Any
) -> float:
    """Fill the mass of every cell, for one model, one state and one pattern of scorers.

    Parameters
    ----------
    model : float64[MODEL_COLUMNS]
        A packed model (see `price_board_nb`).
    state : int64[STATE_COLUMNS]
        A packed state.
    pattern : int64[PATTERN]
        Which side must score which goals; all zeros for any order.
    masses : float64[CELLS]
        Out: masses by the halves' goals. The factors of the final score are in them and they are
        not normed: a chance is a mass over that of all cells under the pattern of zeros.
    span_masses : float64[SPANS]
        Out: the sums of each 64 of them.
    scratch : float64[SCRATCH]
        Scratch.

    Returns
    -------
    float
        The mass of all cells.
    """
    for k in range(CELLS):
        masses[k] = 0.0
    for k in range(SPANS):
        span_masses[k] = 0.0
    if not fits_so_far_nb(pattern, state):
        return 0.0
    run_halves_nb(model, state, pattern, masses, scratch)
    return float(sum_spans_nb(masses, span_masses))
