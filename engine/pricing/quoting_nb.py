"""Choose book sums by band, and ladder prices that keep a book sum within limits: the kernels.

Owns the choice of a market's book sum by its favourite's fair odds, and of prices by the sum of one
over them; never allocates, and never decides what is offered. A rung is an index into the ladder.
"""

from typing import Any, Final

from numba import boolean, float64, int64

from engine.common.jit import kernel
from engine.pricing.fair_cap_nb import FAIR_SLACK
from engine.pricing.ladder_nb import SHORTER, rung_nb

NODES_MAX: Final = 2_000
"""Choices of rungs tried for one market: all there are where at most six outcomes move."""
WALK_MAX: Final = 2_000
"""Single-rung moves for one market when no choice among neighbouring rungs is within limits."""
HELD: Final = 0
OUTSIDE: Final = 1
_SLACK: Final = 1e-9
"""A sum outside the limits by no more than this counts as within: it is rounding."""

# Rows of the float scratch: one over the odds at an outcome's three rungs, then the search's sums.
_SHORT, _STAY, _LONG = 0, 1, 2
_LEAST, _MOST, _SUM, _COST = 3, 4, 5, 6
FLOAT_ROWS: Final = 7
# Rows of the integer scratch.
_ORDER, _RUNG, _CHOICE, _BEST, _CEILING = 0, 1, 2, 3, 4
INT_ROWS: Final = 5


@kernel(
    int64(
        float64[::1], int64[::1], float64[::1], int64[::1], float64[::1], float64[::1],
        float64[::1], float64[::1],
    )
)  # fmt: skip
def targets_nb(
    fair: Any,
    offsets: Any,
    winners: Any,
    band_offsets: Any,
    band_ends: Any,
    band_books: Any,
    books: Any,
    targets: Any,
) -> int:
    """Fill each market's target sum, chosen by the fair odds of its favourite.

    Parameters
    ----------
    fair : float64[outcomes]
        Fair probabilities, market after market.
    offsets : int64[markets + 1]
        Index of each market's first outcome, and the end.
    winners : float64[markets]
        Outcomes that win.
    band_offsets : int64[markets + 1]
        Index of each market's first band, and the end; `books` applies where there is no band.
    band_ends, band_books : float64[bands]
        The longest odds of a band in thousandths, and its book sum per winner.
    books : float64[markets]
        The book sum per winner past the last band.
    targets : float64[markets]
        Out: the target sums.

    Returns
    -------
    int
        Markets whose book sum came from a band.
    """
    banded = 0
    for market in range(len(offsets) - 1):
        favourite = 0.0
        for k in range(offsets[market], offsets[market + 1]):
            favourite = max(favourite, fair[k])
        book = books[market]
        for band in range(band_offsets[market], band_offsets[market + 1]):
            if favourite * band_ends[band] >= 1000.0 * (1.0 - 1e-12):
                book = band_books[band]
                banded += 1
                break
        targets[market] = winners[market] * book
    return banded


@kernel()
def sort_nb(floats: Any, ints: Any, count: int) -> None:
    """Sort the movable outcomes by how far apart their rungs are, widest first (insertion sort)."""
    for n in range(1, count):
        k = ints[_ORDER, n]
        width = floats[_SHORT, k] - floats[_LONG, k]
        m = n
        while m > 0:
            before = ints[_ORDER, m - 1]
            if floats[_SHORT, before] - floats[_LONG, before] >= width:
                break
            ints[_ORDER, m] = before
            m -= 1
        ints[_ORDER, m] = k


@kernel()
def search_nb(
    quoted: Any, floats: Any, ints: Any, count: int, fixed: float, low: float, high: float
) -> int:
    """Choose each movable outcome's rung among three; return HELD or OUTSIDE.

    Depth-first branch and bound: a branch is cut when no sum in it is within the limits, or when
    its cost is not below the best found. The cost is the sum of the absolute differences between
    one over the odds and the quoted probabilities. Row `_BEST` holds the choice: the cheapest
    within the limits, else the lowest sum found above them, else (all sums are below) the shortest
    prices.
    """
    floats[_LEAST, count] = 0.0
    floats[_MOST, count] = 0.0
    for n in range(count - 1, -1, -1):
        k = ints[_ORDER, n]
        floats[_LEAST, n] = floats[_LEAST, n + 1] + floats[_LONG, k]
        floats[_MOST, n] = floats[_MOST, n + 1] + floats[_SHORT, k]
        ints[_BEST, n] = _SHORT
    above = 1e300
    cheapest = 1e300
    depth = 0
    nodes = 0
    floats[_SUM, 0] = fixed
    floats[_COST, 0] = 0.0
    ints[_CHOICE, 0] = -1
    while depth >= 0:
        ints[_CHOICE, depth] += 1
        if ints[_CHOICE, depth] > 2 or nodes >= NODES_MAX:
            depth -= 1
            continue
        nodes += 1
        # The present rung is tried first: it is the nearest.
        tried = ints[_CHOICE, depth]
        row = _STAY if tried == 0 else (_SHORT if tried == 1 else _LONG)
        k = ints[_ORDER, depth]
        if row != _STAY and floats[row, k] == floats[_STAY, k]:
            continue
        total = floats[_SUM, depth] + floats[row, k]
        cost = floats[_COST, depth] + abs(floats[row, k] - quoted[k])
        least = total + floats[_LEAST, depth + 1]
        if least > high:
            if cheapest >= 1e300 and least < above:
                above = least
                keep_nb(ints, depth, count)
            continue
        if total + floats[_MOST, depth + 1] < low or cost >= cheapest:
            continue
        if depth + 1 == count:
            cheapest = cost
            keep_nb(ints, depth, count)
            continue
        depth += 1
        floats[_SUM, depth] = total
        floats[_COST, depth] = cost
        ints[_CHOICE, depth] = -1
    return HELD if cheapest < 1e300 else OUTSIDE


@kernel()
def keep_nb(ints: Any, depth: int, count: int) -> None:
    """Store the choices up to `depth` as the best; outcomes behind it take their longest rung."""
    for n in range(count):
        tried = ints[_CHOICE, n] if n <= depth else 2
        ints[_BEST, n] = _STAY if tried == 0 else (_SHORT if tried == 1 else _LONG)


@kernel()
def walk_nb(
    quoted: Any,
    prices: Any,
    ints: Any,
    count: int,
    total: float,
    low: float,
    high: float,
) -> float:
    """Move one outcome by one rung, the cheapest, until the sum is within the limits; return it.

    Moves from above the upper limit never go below the lower one; moves from below end with the
    first sum that reaches the lower limit. No rung exceeds its ceiling. The walk also ends when no
    move is allowed, and after `WALK_MAX` moves.
    """
    for _ in range(WALK_MAX):
        if low <= total <= high:
            break
        step = 1 if total > high else -1
        best = -1
        cheapest = 1e300
        change = 0.0
        for n in range(count):
            k = ints[_ORDER, n]
            rung = ints[_RUNG, k] + step
            if not 0 <= rung <= ints[_CEILING, k]:
                continue
            share = 1000.0 / prices[rung]
            gain = share - 1000.0 / prices[rung - step]
            if step > 0 and total + gain < low:
                continue
            cost = abs(share - quoted[k])
            if cost < cheapest:
                cheapest = cost
                change = gain
                best = k
        if best < 0:
            break
        ints[_RUNG, best] += step
        total += change
    return total


@kernel()
def prepare_nb(
    fair: Any,
    offered: Any,
    prices: Any,
    rounding: int,
    first: int,
    last: int,
    odds_milli: Any,
    floats: Any,
    ints: Any,
) -> int:
    """Find the offered outcomes' rungs, neighbours and ceilings; return how many may move.

    A ceiling is the lowest of: the last rung, the longest price not above fair (where `fair` is
    above 0), and the present rung (with SHORTER). Odds above their ceiling are shortened to it.
    """
    count = 0
    for k in range(first, last):
        if offered[k]:
            rung = rung_nb(prices, float(odds_milli[k]), rounding)
            ceiling = rung if rounding == SHORTER else len(prices) - 1
            if fair[k] > 0.0:
                longest = 1000.0 * (1.0 + FAIR_SLACK) / fair[k]
                ceiling = min(ceiling, rung_nb(prices, longest, SHORTER))
            rung = min(rung, ceiling)
            odds_milli[k] = prices[rung]
            ints[_RUNG, k] = rung
            ints[_CEILING, k] = ceiling
            ints[_ORDER, count] = k
            count += 1
            floats[_STAY, k] = 1000.0 / prices[rung]
            floats[_SHORT, k] = 1000.0 / prices[max(rung - 1, 0)]
            floats[_LONG, k] = 1000.0 / prices[min(rung + 1, ceiling)]
    return count


@kernel()
def hold_market_nb(
    quoted: Any,
    fair: Any,
    offered: Any,
    prices: Any,
    rounding: int,
    first: int,
    last: int,
    winners: float,
    within: float,
    odds_milli: Any,
    floats: Any,
    ints: Any,
) -> int:
    """Keep one market's book sum within its limits; return HELD or OUTSIDE."""
    target = 0.0
    fixed = 0.0
    total = 0.0
    longer = False
    for k in range(first, last):
        target += quoted[k]
        if offered[k]:
            total += 1000.0 / odds_milli[k]
            longer = longer or odds_milli[k] * fair[k] > 1000.0 * (1.0 + FAIR_SLACK)
        else:
            fixed += quoted[k]
    low = max(target - within, winners) - _SLACK
    high = target + within + _SLACK
    if not longer and low <= fixed + total <= high:
        return HELD
    count = prepare_nb(fair, offered, prices, rounding, first, last, odds_milli, floats, ints)
    if count == 0:
        return OUTSIDE
    total = fixed
    for n in range(count):
        total += floats[_STAY, ints[_ORDER, n]]
    if low <= total <= high:
        return HELD
    sort_nb(floats, ints, count)
    search_nb(quoted, floats, ints, count, fixed, low, high)
    total = fixed
    for n in range(count):
        k = ints[_ORDER, n]
        row = ints[_BEST, n]
        total += floats[row, k]
        if row == _SHORT:
            ints[_RUNG, k] = max(ints[_RUNG, k] - 1, 0)
        elif row == _LONG:
            ints[_RUNG, k] = min(ints[_RUNG, k] + 1, ints[_CEILING, k])
    total = walk_nb(quoted, prices, ints, count, total, low, high)
    for n in range(count):
        k = ints[_ORDER, n]
        odds_milli[k] = prices[ints[_RUNG, k]]
    return HELD if low <= total <= high else OUTSIDE


@kernel(
    int64(
        float64[::1], float64[::1], boolean[::1], int64[::1], float64[::1], int64[::1], int64,
        float64,
        int64[::1], float64[:, ::1], int64[:, ::1], int64[::1],
    )
)  # fmt: skip
def hold_books_nb(
    quoted: Any,
    fair: Any,
    offered: Any,
    offsets: Any,
    winners: Any,
    prices: Any,
    rounding: int,
    within: float,
    odds_milli: Any,
    floats: Any,
    ints: Any,
    statuses: Any,
) -> int:
    """Move rounded odds so that each market's book sum stays within limits of its target.

    The book sum of a market adds one over the odds of offered outcomes and the quoted probabilities
    of the others; its target is the sum of all quoted probabilities.

    Parameters
    ----------
    quoted : float64[outcomes]
        Probabilities with the margin in them.
    fair : float64[outcomes]
        Fair probabilities: no odds may exceed one over them; 0 for outcomes without this cap.
    offered : bool[outcomes]
        Outcomes whose odds may move.
    offsets : int64[markets + 1]
        Index of each market's first outcome, and the end.
    winners : float64[markets]
        Outcomes that win: no book sum falls below this.
    prices : int64[rungs]
        The ladder, rising, in thousandths.
    rounding : int
        NEAREST or SHORTER; with SHORTER no odds lengthen.
    within : float
        How far a book sum may be from its target, per winner.
    odds_milli : int64[outcomes]
        In: rounded odds. Out: odds whose book sum is within the limits, where there are such.
    floats : float64[FLOAT_ROWS, outcomes + 1]
        Working space.
    ints : int64[INT_ROWS, outcomes + 1]
        Working space.
    statuses : int64[markets]
        Out: HELD, or OUTSIDE where the book sum is not within its limits.

    Returns
    -------
    int
        Markets that are OUTSIDE.
    """
    outside = 0
    for market in range(len(offsets) - 1):
        statuses[market] = hold_market_nb(
            quoted, fair, offered, prices, rounding, offsets[market], offsets[market + 1],
            winners[market], within * winners[market], odds_milli, floats, ints,
        )  # fmt: skip
        if statuses[market] != HELD:
            outside += 1
    return outside
