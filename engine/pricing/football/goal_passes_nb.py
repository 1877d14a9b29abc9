"""Kernels that carry masses through the goal process: from a period's start to its scores.

A mass moves from k - 1 goals to k by a goal, and stays by a chance that leads to nothing. So a row
of k goals after i such chances follows from two rows: k - 1 goals after i, and k after i - 1. Its
cells lie side by side, and what k + i chances are worth is added to the sums.

A row has zeros where no mass can be, so that no cell needs a case of its own. Owns the passes;
never knows a period, an axis, a scope or a market.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.goal_chain_nb import DOWN, STAY, UP
from engine.pricing.football.layout import (
    GOAL_NUMBERS,
    HALF_DIFFERENCES,
    MIDDLE,
    VECTOR,
)


@kernel()
def dot_nb(a: Any, b: Any) -> float:
    """Return the sum of the products of two arrays of one length."""
    p, q, r, s = 0.0, 0.0, 0.0, 0.0
    size = len(a)
    for k in range(size // 4):
        at = 4 * k
        p += a[at] * b[at]
        q += a[at + 1] * b[at + 1]
        r += a[at + 2] * b[at + 2]
        s += a[at + 3] * b[at + 3]
    for k in range(size - size % 4, size):
        p += a[k] * b[k]
    return p + q + (r + s)


@kernel()
def sum_nb(a: Any) -> float:
    """Return the sum of an array."""
    p, q, r, s = 0.0, 0.0, 0.0, 0.0
    size = len(a)
    for k in range(size // 4):
        at = 4 * k
        p += a[at]
        q += a[at + 1]
        r += a[at + 2]
        s += a[at + 3]
    for k in range(size - size % 4, size):
        p += a[k]
    return p + q + (r + s)


# --- from one difference -------------------------------------------------------------------------


@kernel()
def width_nb(last: int) -> int:
    """Return the cells of a row of a pass of up to `last` goals: a multiple of `VECTOR`."""
    return (last + VECTOR) // VECTOR * VECTOR


@kernel()
def run_chain_nb(chain: Any, idles: Any, last: int, split: Any) -> None:
    """Carry the mass of one score through up to `last` chances.

    Parameters
    ----------
    chain : float64[CHAIN_SIZE]
        Out: the masses after k goals, x of them home's, and i chances that led to nothing, at
        (k * (idles[0] + 1) + i) * (width + 1) + 1 + x (see `width_nb`).
    idles : float64[LEVELS]
        As `fill_idles_nb` fills it.
    split : float64[3 * DIFFERENCES]
        Steps, split by parity.
    """
    width = width_nb(last)
    size = width + 1
    rows = int(idles[0]) + 1
    for j in range(rows * size):
        chain[j] = 0.0
    chain[1] = 1.0
    stay_now = split[STAY + HALF_DIFFERENCES * (MIDDLE & 1) + (MIDDLE >> 1)]
    for i in range(1, rows):
        chain[i * size + 1] = chain[(i - 1) * size + 1] * stay_now
    for k in range(1, last + 1):
        at = MIDDLE - k
        here = HALF_DIFFERENCES * (at & 1) + (at >> 1)
        below = HALF_DIFFERENCES * ((at + 1) & 1) + ((at - 1) >> 1)
        up = split[UP + below : UP + below + width]
        down = split[DOWN + below + 1 : DOWN + below + 1 + width]
        stay = split[STAY + here : STAY + here + width]
        for i in range(int(idles[k]) + 1):
            to = (k * rows + i) * size
            origin = to - rows * size
            chain[to] = 0.0
            new = chain[to + 1 : to + size]
            by_home = chain[origin : origin + width]
            by_away = chain[origin + 1 : origin + size]
            if i == 0:
                for x in range(width):
                    new[x] = up[x] * by_home[x] + down[x] * by_away[x]
                continue
            before = chain[to - width : to]
            for x in range(width):
                new[x] = up[x] * by_home[x] + down[x] * by_away[x] + stay[x] * before[x]


@kernel()
def fill_grid_nb(grid: Any, chain: Any, idles: Any, chain_last: int, counts: Any, last: int) -> int:
    """Fill the masses of scores after a random number of chances; return the last number of goals.

    Parameters
    ----------
    grid : float64[LEVELS, LEVELS]
        Out: row k, column x: the mass of k goals, x of them home's.
    chain, idles, chain_last
        As `run_chain_nb` takes them, `chain_last` for its `last`.
    counts : float64[LEVELS]
        The chances of the numbers of chances up to `last`.
    """
    width = width_nb(chain_last)
    size = width + 1
    rows = int(idles[0]) + 1
    for k in range(last + 1):
        total = grid[k, :width]
        for i in range(min(int(idles[k]), last - k) + 1):
            at = (k * rows + i) * size + 1
            masses = chain[at : at + width]
            count = counts[k + i]
            if i == 0:
                for x in range(width):
                    total[x] = count * masses[x]
            else:
                for x in range(width):
                    total[x] += count * masses[x]
    return last


@kernel()
def fill_home_goals_nb(
    goals: Any, chain: Any, idles: Any, chain_last: int, split_values: Any, last: int
) -> None:
    """Fill the mass of home scoring the first goal of a pass, its second, ...

    `split_values` is `home_values` of `expect_nb`, split by parity; `last` is the last number of
    chances, the others are as `fill_grid_nb` takes them.
    """
    size = width_nb(chain_last) + 1
    rows = int(idles[0]) + 1
    for k in range(min(last, GOAL_NUMBERS)):
        here = HALF_DIFFERENCES * ((MIDDLE - k) & 1) + ((MIDDLE - k) >> 1)
        mass = 0.0
        for i in range(min(int(idles[k]), last - k) + 1):
            at = (k * rows + i) * size + 1
            mass += dot_nb(chain[at : at + k + 1], split_values[k + i, here : here + k + 1])
        goals[k] = mass


# --- from several differences --------------------------------------------------------------------


@kernel()
def fill_tiles_nb(tiles: Any, branches: int, lowest: int, last: int, steps: Any) -> None:
    """Fill the steps of every cell and branch, in the layout of `run_branches_nb`.

    For either parity of k three arrays: the steps by which a home goal, an away goal and nothing
    lead to a cell. At k goals its difference is 2t + k % 2 more than the branch's, where t counts
    from -(last + 1) // 2.
    """
    half = (last + 1) // 2
    size = (2 * half + 1) * branches
    for odd in range(2):
        for way in range(3):
            to = (3 * odd + way) * size
            shift = -1 if way == 0 else 1 if way == 1 else 0
            origin = UP if way == 0 else DOWN if way == 1 else STAY
            origin += MIDDLE + lowest + shift + odd
            for t in range(-half, half + 1):
                at = origin + 2 * t
                step = steps[at : at + branches]
                tile = tiles[to : to + branches]
                for e in range(branches):
                    tile[e] = step[e]
                to += branches


@kernel()
def run_branches_nb(
    chain: Any, sums: Any, start: Any, tiles: Any, branches: int, idles: Any, counts: Any, last: int
) -> None:
    """Carry the masses of scores through a period from several differences at once.

    Parameters
    ----------
    chain : float64[CHAIN_SIZE]
        Scratch.
    sums : float64[(last + 1) * (last + 2) / 2 * branches]
        Out: branch e of cell c = k * (k + 1) / 2 + x, at c * branches + e, is the mass after the
        period of k goals, x of them home's, from the e-th difference.
    start : float64[branches]
        The masses of the differences.
    tiles
        As `fill_tiles_nb` fills it.
    """
    half = (last + 1) // 2
    size = (2 * half + 1) * branches
    stride = (last + 3) * branches
    block = (int(idles[0]) + 1) * stride
    for j in range(2 * block):
        chain[j] = 0.0
    for e in range(branches):
        chain[branches + e] = start[e]
        sums[e] = counts[0] * start[e]
    cell = 0
    for k in range(last + 1):
        width = (k + 1) * branches
        total = sums[cell : cell + width]
        cell += width
        at = 3 * (k & 1) * size + (half - ((k + 1) >> 1)) * branches
        up, down = tiles[at : at + width], tiles[at + size : at + size + width]
        stay = tiles[at + 2 * size : at + 2 * size + width]
        to = (k & 1) * block + branches
        origin = (1 - (k & 1)) * block
        for i in range(int(idles[k]) + 1):
            new = chain[to : to + width]
            by_home = chain[origin : origin + width]
            by_away = chain[origin + branches : origin + branches + width]
            count = counts[k + i]
            if i == 0 and k > 0:
                for j in range(width):
                    mass = up[j] * by_home[j] + down[j] * by_away[j]
                    new[j] = mass
                    total[j] = count * mass
            elif i > 0:
                before = chain[to - stride : to - stride + width]
                for j in range(width):
                    mass = up[j] * by_home[j] + down[j] * by_away[j] + stay[j] * before[j]
                    new[j] = mass
                    total[j] += count * mass
            to += stride
            origin += stride


@kernel()
def fill_home_goals_from_nb(
    goals: Any, chain: Any, start: Any, branches: int, lowest: int, idles: Any, last: int,
    steps: Any, home_values: Any,
) -> None:  # fmt: skip
    """Fill the mass of home scoring a period's first goal, its second, ...

    Parameters
    ----------
    chain : float64[CHAIN_SIZE]
        Scratch.
    start : float64[branches]
        The masses of the differences at the period's start, from `lowest`.
    home_values
        As `expect_nb` fills it.
    """
    size = branches + 2 * GOAL_NUMBERS
    block = (int(idles[0]) + 2) * size  # row 0 stays zero: what comes before no chance
    for j in range(2 * block + size):
        chain[j] = 0.0
    for e in range(branches):
        chain[size + GOAL_NUMBERS + e] = start[e]
    for k in range(min(last, GOAL_NUMBERS)):
        width = branches + 2 * k
        low = MIDDLE + lowest - k
        end = low + width
        up, down = steps[UP + low - 1 : UP + end - 1], steps[DOWN + low + 1 : DOWN + end + 1]
        stay = steps[STAY + low : STAY + end]
        flow = chain[2 * block : 2 * block + width]
        for j in range(width):
            flow[j] = 0.0
        to = (k & 1) * block + size + GOAL_NUMBERS - k
        origin = to + block - 2 * (k & 1) * block
        for i in range(min(int(idles[k]), last - k) + 1):
            new = chain[to : to + width]
            value = home_values[k + i, low:end]
            if k + i == 0:
                for j in range(width):
                    flow[j] = new[j] * value[j]
            else:
                by_home = chain[origin - 1 : origin - 1 + width]
                by_away = chain[origin + 1 : origin + 1 + width]
                before = chain[to - size : to - size + width]
                for j in range(width):
                    mass = up[j] * by_home[j] + down[j] * by_away[j] + stay[j] * before[j]
                    new[j] = mass
                    flow[j] += mass * value[j]
            to += size
            origin += size
        goals[k] = sum_nb(flow)
