"""Compute what a slip is owed and what its legs are charged, exactly, line by line.

Owns the arithmetic: a line pays ``floor(stake * product of num / den)`` over its legs' fractions,
rounded down once. Never moves money and never decides which fraction a leg has.

Products of up to 62 bits are int64s, longer ones (up to 2,613 bits) integers of many words.
"""

from typing import Final

import numpy as np
from numba import int64, types

from engine.common.jit import kernel, rows_in_type
from engine.common.rows import SLIP_BET, I64s, Rows, U8s
from engine.common.units import (
    DEAD_HEAT_DEN_MAX,
    ODDS_MILLI_MAX,
    PAYOUT_MINOR_MAX,
    STAKE_MINOR_MAX,
)
from engine.slips.lines_nb import (
    AFTER,
    EVENT,
    EVENTS,
    I64S,
    I64S_IN,
    LEAST,
    LEFT,
    LEG,
    LEGS_MAX,
    SUM,
    TAKEN,
    U8S_IN,
    WALK_I64S,
    begin_walk_nb,
)
from engine.slips.long_integers_nb import WORD, WORD_BITS, bits_nb, multiply_nb, quotient_nb

BACK_NUM_MAX: Final = 2 * ODDS_MILLI_MAX * 1_000 * DEAD_HEAT_DEN_MAX
"""The largest numerator of a leg's fraction: odds in millionths, halves, and a dead heat."""
BACK_DEN_MAX: Final = (1 << 32) - 1
"""The largest denominator of a leg's fraction."""
PAYOUT_OVER: Final = PAYOUT_MINOR_MAX + 1
"""What is returned for a payout above `PAYOUT_MINOR_MAX`."""
OPEN: Final = -1
"""What is returned for a slip that an open leg can still change."""

_NUM_I64S: Final = (LEGS_MAX * BACK_NUM_MAX.bit_length() + STAKE_MINOR_MAX.bit_length()) // 31 + 2
_DEN_I64S: Final = (LEGS_MAX * BACK_DEN_MAX.bit_length()) // 31 + 2
_DEPTHS: Final = LEGS_MAX + 1

_SMALL_BITS: Final = 62
"""Products up to this many bits are one int64; longer ones are words."""

_ROW: Final = WALK_I64S
"""By depth: the depth whose products are the node's (a leg that is open, or gives its stake back,
multiplies nothing)."""
_BITS: Final = _ROW + _DEPTHS
"""By depth: how many bits the larger of numerator and denominator may have."""
_NUM: Final = _BITS + _DEPTHS
"""By depth: the numerator, while it has `_SMALL_BITS` at most."""
_DEN: Final = _NUM + _DEPTHS
_NUM_LEN: Final = _DEN + _DEPTHS
"""By depth: how many words the numerator has."""
_DEN_LEN: Final = _NUM_LEN + _DEPTHS
_OPEN: Final = _DEN_LEN + _DEPTHS
"""By depth: how many legs taken up to there are open."""
_CHARGE: Final = _OPEN + _DEPTHS
"""By leg: its charge."""
_LEG_NUM: Final = _CHARGE + _DEPTHS
"""By leg: the numerator of its fraction, without factors of ten that the denominator has too."""
_LEG_DEN: Final = _LEG_NUM + _DEPTHS
_LEG_BITS: Final = _LEG_DEN + _DEPTHS
_REST: Final = _LEG_BITS + _DEPTHS
_NUM_WORD: Final = _REST + _NUM_I64S
_DEN_WORD: Final = _NUM_WORD + _DEPTHS * _NUM_I64S
WORK_I64S: Final = _DEN_WORD + _DEPTHS * _DEN_I64S
"""The size of the scratch of this module's kernels, which includes that of lines_nb."""

assert STAKE_MINOR_MAX <= WORD, "a stake is one word"
assert BACK_NUM_MAX < 1 << 61, "a factor of multiply_nb"
assert PAYOUT_OVER < 1 << 62, "a quotient of quotient_nb, and a sum of two"

_OF_BETS: Final = int64(
    U8S_IN,
    U8S_IN,
    I64S_IN,
    I64S_IN,
    int64,
    rows_in_type(SLIP_BET),
    int64,
    int64,
    I64S,
)
"""Numba's type of a sum over the lines of bets, for what stands for legs."""


@kernel()
def begin_legs_nb(nums: I64s, dens: I64s, legs: int, work: I64s) -> int:
    """Write the legs' fractions; return the bits of the legs that are resolved and lost.

    Factors of ten, five and two that odds in thousandths share with their denominator are left
    out, so that fewer products need words.
    """
    lost = np.int64(0)
    for leg in range(legs):
        num = nums[leg]
        den = dens[leg]
        if den == 0 or num == den:
            work[_LEG_BITS + leg] = 0
        elif num == 0:
            lost |= np.int64(1) << leg
        else:
            while num % 10 == 0 and den % 10 == 0:
                num //= 10
                den //= 10
            while num % 5 == 0 and den % 5 == 0:
                num //= 5
                den //= 5
            while (num | den) & 1 == 0:
                num >>= 1
                den >>= 1
            work[_LEG_BITS + leg] = bits_nb(max(num, den))
        work[_LEG_NUM + leg] = num
        work[_LEG_DEN + leg] = den
    return int(lost)


@kernel(inline=True)
def take_leg_nb(leg: int, depth: int, work: I64s) -> None:
    """Write the products of the node at `depth`, which takes a leg after the node above it."""
    above = work[_ROW + depth - 1]
    more = work[_LEG_BITS + leg]
    if more == 0:
        work[_ROW + depth] = above
        work[_OPEN + depth] = work[_OPEN + depth - 1] + (work[_LEG_DEN + leg] == 0)
        return
    work[_ROW + depth] = depth
    work[_OPEN + depth] = work[_OPEN + depth - 1]
    bits = work[_BITS + above]
    work[_BITS + depth] = bits + more
    if bits + more <= _SMALL_BITS:
        work[_NUM + depth] = work[_NUM + above] * work[_LEG_NUM + leg]
        work[_DEN + depth] = work[_DEN + above] * work[_LEG_DEN + leg]
        return
    num_from = _NUM_WORD + above * _NUM_I64S
    den_from = _DEN_WORD + above * _DEN_I64S
    if bits <= _SMALL_BITS:
        for both in range(2):
            work[num_from + both] = (work[_NUM + above] >> (both * WORD_BITS)) & WORD
            work[den_from + both] = (work[_DEN + above] >> (both * WORD_BITS)) & WORD
        work[_NUM_LEN + above] = 2 if work[num_from + 1] else 1
        work[_DEN_LEN + above] = 2 if work[den_from + 1] else 1
    work[_NUM_LEN + depth] = multiply_nb(
        work,
        num_from,
        work[_NUM_LEN + above],
        work[_LEG_NUM + leg],
        _NUM_WORD + depth * _NUM_I64S,
    )
    work[_DEN_LEN + depth] = multiply_nb(
        work,
        den_from,
        work[_DEN_LEN + above],
        work[_LEG_DEN + leg],
        _DEN_WORD + depth * _DEN_I64S,
    )


@kernel(inline=True)
def line_minor_nb(depth: int, line_minor_max: int, work: I64s) -> int:
    """Return what the line that ends at `depth` pays, or what runs on its open legs, to a bound."""
    row = work[_ROW + depth]
    if work[_BITS + row] <= _SMALL_BITS:
        return int(min(work[_NUM + row] // work[_DEN + row], line_minor_max))
    return quotient_nb(
        work,
        _NUM_WORD + row * _NUM_I64S,
        work[_NUM_LEN + row],
        _DEN_WORD + row * _DEN_I64S,
        work[_DEN_LEN + row],
        _REST,
        line_minor_max,
    )


@kernel(inline=True)
def begin_products_nb(stake_minor: int, work: I64s) -> None:
    """Write the products of the walk's root: the stake, over 1."""
    work[_NUM] = stake_minor
    work[_DEN] = 1
    work[_BITS] = bits_nb(stake_minor)
    work[_ROW] = 0
    work[_OPEN] = 0


@kernel()
def sum_lines_nb(size: int, ends: int, running: int, line_minor_max: int, work: I64s) -> int:
    """Return the sum over the lines of a walk that was begun, at most `PAYOUT_OVER`.

    Each line counts `line_minor_max` at most.

    With `running`, open legs count 1 in a line, only lines with an open leg are summed up, and the
    sum of a leg's lines is added to its `_CHARGE`. Without, the first line with an open leg ends
    the walk with `OPEN`.
    """
    depth = 0
    place = 0
    while True:
        if place < size and work[LEFT + place] >= work[LEAST + depth + 1]:
            if work[EVENTS + depth] & work[EVENT + place]:
                place += 1
                continue
            depth += 1
            work[TAKEN + depth] = place
            work[EVENTS + depth] = work[EVENTS + depth - 1] | work[EVENT + place]
            take_leg_nb(work[LEG + place], depth, work)
            work[SUM + depth] = 0
            if (ends >> depth) & 1:
                opened = work[_OPEN + depth]
                if opened and not running:
                    return OPEN
                if opened or not running:
                    work[SUM + depth] = line_minor_nb(depth, line_minor_max, work)
            place = work[AFTER + place]
        elif depth == 0:
            return int(work[SUM])
        else:
            place = work[TAKEN + depth]
            if running:
                leg = work[LEG + place]
                charge = work[_CHARGE + leg] + work[SUM + depth]
                work[_CHARGE + leg] = min(charge, STAKE_MINOR_MAX)
            work[SUM + depth - 1] = min(work[SUM + depth - 1] + work[SUM + depth], PAYOUT_OVER)
            depth -= 1
            place += 1


@kernel(_OF_BETS)
def owed_nb(
    positions: U8s,
    events: U8s,
    nums: I64s,
    dens: I64s,
    legs: int,
    bets: Rows,
    first: int,
    count: int,
    work: I64s,
) -> int:
    """Return what a slip is owed for what stands for its legs, in minor units.

    Each line is rounded down once; one with a lost leg pays nothing, whatever is open.
    With every leg won at its odds the sum is the most that the bets can pay.

    Parameters
    ----------
    positions, events : uint8[legs]
        Position and event of each leg, 0 to 62.
    nums, dens : int64[legs]
        Fraction of the stake that each leg gives back, up to `BACK_NUM_MAX` over `BACK_DEN_MAX`;
        a denominator of 0 is an open leg.
    legs : int
        How many legs the slip has, `LEGS_MAX` at most.
    bets : SLIP_BET[first + count]
        The slip's bets are `count` of these from `first`; `count_lines_nb` counted their lines.
    work : int64[WORK_I64S]
        Scratch.

    Returns
    -------
    int
        The payout; `OPEN` (-1) while a line without a lost leg has an open leg; `PAYOUT_OVER` when
        the payout is above `PAYOUT_MINOR_MAX`.
    """
    lost = begin_legs_nb(nums, dens, legs, work)
    owed = 0
    for at in range(first, first + count):
        bet = bets[at]
        size, ends = begin_walk_nb(positions, events, legs, bet, lost, work)
        if ends:
            begin_products_nb(bet.stake_minor, work)
            paid = sum_lines_nb(size, ends, 0, PAYOUT_OVER, work)
            if paid == OPEN:
                return OPEN
            owed = min(owed + paid, PAYOUT_OVER)
    return owed


@kernel(_OF_BETS)
def returned_nb(
    positions: U8s,
    events: U8s,
    nums: I64s,
    dens: I64s,
    legs: int,
    bets: Rows,
    first: int,
    count: int,
    work: I64s,
) -> int:
    """Return what a slip's payout gives back of its stake, in minor units.

    Of each line it is what the line pays, its own stake at most: what a line wins beyond its stake
    makes up for no line that lost.

    Parameters
    ----------
    positions, events, nums, dens, legs, bets, first, count, work
        As for `owed_nb`, of a slip that no open leg can change.
    """
    lost = begin_legs_nb(nums, dens, legs, work)
    returned = 0
    for at in range(first, first + count):
        bet = bets[at]
        size, ends = begin_walk_nb(positions, events, legs, bet, lost, work)
        if ends:
            begin_products_nb(bet.stake_minor, work)
            returned += sum_lines_nb(size, ends, 0, bet.stake_minor, work)
    return returned


@kernel(
    types.void(
        U8S_IN,
        U8S_IN,
        I64S_IN,
        I64S_IN,
        int64,
        rows_in_type(SLIP_BET),
        int64,
        int64,
        I64S,
        I64S,
    )
)
def running_nb(
    positions: U8s,
    events: U8s,
    nums: I64s,
    dens: I64s,
    legs: int,
    bets: Rows,
    first: int,
    count: int,
    charges: I64s,
    work: I64s,
) -> None:
    """Write the charge of each open leg, in minor units: the stake that runs on it.

    It is the sum, over the lines that hold the leg and no lost one, of the line's stake times the
    fractions of its resolved legs, each line rounded down; at most `STAKE_MINOR_MAX`. The charges
    of resolved legs are left as they are.

    Parameters
    ----------
    positions, events, nums, dens, legs, bets, first, count, work
        As for `owed_nb`.
    charges : int64[legs]
        The charges.
    """
    lost = begin_legs_nb(nums, dens, legs, work)
    for leg in range(legs):
        work[_CHARGE + leg] = 0
    for at in range(first, first + count):
        bet = bets[at]
        size, ends = begin_walk_nb(positions, events, legs, bet, lost, work)
        if ends:
            begin_products_nb(bet.stake_minor, work)
            sum_lines_nb(size, ends, 1, PAYOUT_OVER, work)
    for leg in range(legs):
        if dens[leg] == 0:
            charges[leg] = work[_CHARGE + leg]
