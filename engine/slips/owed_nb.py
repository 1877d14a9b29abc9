"""Compute what a slip is owed and what its legs are charged, exactly, line by line.

Owns the arithmetic: a line pays ``floor(stake * product of num / den)`` over its legs' fractions,
rounded down once. Never moves money and never decides which fraction a leg has.

The products have up to 2,613 bits, so they are held as words of 31 bits in int64s, lowest first: a
product of two words and a carry stays inside 63 bits. A quotient is found by Knuth's estimate of a
digit from the leading words (The Art of Computer Programming, 4.3.1), taken too low rather than
too high and repeated until the rest is below the divisor.
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

BACK_NUM_MAX: Final = 2 * ODDS_MILLI_MAX * 1_000 * DEAD_HEAT_DEN_MAX
"""The largest numerator of a leg's fraction: odds in millionths, halves, and a dead heat."""
BACK_DEN_MAX: Final = (1 << 32) - 1
"""The largest denominator of a leg's fraction."""
PAYOUT_OVER: Final = PAYOUT_MINOR_MAX + 1
"""What is returned for a payout above `PAYOUT_MINOR_MAX`."""
OPEN: Final = -1
"""What is returned for a slip that an open leg can still change."""

_BITS: Final = 31
_WORD: Final = (1 << _BITS) - 1
_NUM_I64S: Final = (LEGS_MAX * BACK_NUM_MAX.bit_length() + STAKE_MINOR_MAX.bit_length()) // 31 + 2
_DEN_I64S: Final = (LEGS_MAX * BACK_DEN_MAX.bit_length()) // 31 + 2
_DEPTHS: Final = LEGS_MAX + 1

_ROW: Final = WALK_I64S
"""By depth: the depth whose numerator and denominator are the node's (a leg that is open, or gives
its stake back, multiplies nothing)."""
_NUM_LEN: Final = _ROW + _DEPTHS
_DEN_LEN: Final = _NUM_LEN + _DEPTHS
_OPEN: Final = _DEN_LEN + _DEPTHS
"""By depth: how many legs taken up to there are open."""
_CHARGE: Final = _OPEN + _DEPTHS
"""By leg: its charge."""
_REST: Final = _CHARGE + _DEPTHS
_NUM: Final = _REST + _NUM_I64S
_DEN: Final = _NUM + _DEPTHS * _NUM_I64S
WORK_I64S: Final = _DEN + _DEPTHS * _DEN_I64S
"""The size of the scratch of this module's kernels, which includes that of lines_nb."""

assert STAKE_MINOR_MAX <= _WORD, "a stake is one word"
assert BACK_NUM_MAX < 1 << 61, "two products and a carry in multiply_nb"
assert PAYOUT_OVER < 1 << 62, "a sum of two in add_nb"


@kernel()
def multiply_nb(work: I64s, source: int, length: int, factor: int, target: int) -> int:
    """Write `source` times a factor below 2**61 to `target`; return its length in words."""
    carry = 0
    low = factor & _WORD
    high = factor >> _BITS
    if high == 0:
        for at in range(length):
            total = work[source + at] * low + carry
            work[target + at] = total & _WORD
            carry = total >> _BITS
    else:
        before = 0
        for at in range(length):
            word = work[source + at]
            total = word * low + before * high + carry
            work[target + at] = total & _WORD
            carry = total >> _BITS
            before = word
        total = before * high + carry
        work[target + length] = total & _WORD
        carry = total >> _BITS
        length += 1
    if carry:
        work[target + length] = carry
        length += 1
    while length > 1 and work[target + length - 1] == 0:
        length -= 1
    return length


@kernel()
def below_nb(work: I64s, num: int, num_len: int, den: int, den_len: int) -> bool:
    """Return whether one number is below another."""
    if num_len != den_len:
        return num_len < den_len
    for at in range(num_len - 1, -1, -1):
        if work[num + at] != work[den + at]:
            return bool(work[num + at] < work[den + at])
    return False


@kernel()
def subtract_nb(work: I64s, num: int, num_len: int, den: int, den_len: int, digit: int) -> int:
    """Subtract `den` times one word from `num`, which is not below it; return the new length."""
    carry = 0
    for at in range(den_len):
        total = work[den + at] * digit + carry
        rest = work[num + at] - (total & _WORD)
        carry = total >> _BITS
        if rest < 0:
            rest += _WORD + 1
            carry += 1
        work[num + at] = rest
    at = den_len
    while carry:
        rest = work[num + at] - carry
        carry = 0
        if rest < 0:
            rest += _WORD + 1
            carry = 1
        work[num + at] = rest
        at += 1
    while num_len > 1 and work[num + num_len - 1] == 0:
        num_len -= 1
    return num_len


@kernel()
def leading_shift_nb(word: int) -> int:
    """Return by how many bits a word is shifted to set its highest bit."""
    shift = 0
    step = 16
    while step:
        if word < np.int64(1) << (_BITS - step):
            word <<= step
            shift += step
        step >>= 1
    return shift


@kernel()
def word_nb(work: I64s, row: int, length: int, at: int, shift: int) -> int:
    """Return one word of a number times ``2**shift``, 0 outside of it."""
    high = work[row + at] if 0 <= at < length else 0
    low = work[row + at - 1] if 0 < at <= length else 0
    return int(((high << shift) & _WORD) | (low >> (_BITS - shift)))


@kernel()
def quotient_nb(work: I64s, num: int, num_len: int, den: int, den_len: int) -> int:
    """Return ``floor(num / den)``, or `PAYOUT_OVER` when it is above `PAYOUT_MINOR_MAX`.

    The rest is written to the scratch's `_REST`; `num` and `den` stay.
    """
    if num_len <= 2 and den_len <= 2:
        top = work[num] | (work[num + 1] << _BITS if num_len == 2 else 0)
        bottom = work[den] | (work[den + 1] << _BITS if den_len == 2 else 0)
        return int(min(top // bottom, PAYOUT_OVER))
    if num_len > den_len + 2:
        return PAYOUT_OVER
    for at in range(num_len):
        work[_REST + at] = work[num + at]
    shift = leading_shift_nb(work[den + den_len - 1])
    divisor = word_nb(work, den, den_len, den_len - 1, shift) + 1
    quotient = 0
    while not below_nb(work, _REST, num_len, den, den_len):
        place = num_len - den_len
        top = word_nb(work, _REST, num_len, num_len, shift) << _BITS
        top |= word_nb(work, _REST, num_len, num_len - 1, shift)
        if top < divisor and place > 0:
            top = top << _BITS | word_nb(work, _REST, num_len, num_len - 2, shift)
            place -= 1
        digit = min(max(top // divisor, 1), _WORD)
        if place > 1:
            return PAYOUT_OVER
        quotient += digit << (_BITS * place)
        num_len = place + subtract_nb(work, _REST + place, num_len - place, den, den_len, digit)
        while num_len > 1 and work[_REST + num_len - 1] == 0:
            num_len -= 1
    return int(min(quotient, PAYOUT_OVER))


@kernel()
def take_leg_nb(nums: I64s, dens: I64s, leg: int, depth: int, work: I64s) -> None:
    """Write the products of the node at `depth`, which takes a leg after the node above it."""
    above = work[_ROW + depth - 1]
    work[_OPEN + depth] = work[_OPEN + depth - 1]
    work[_ROW + depth] = above
    if dens[leg] == 0:
        work[_OPEN + depth] += 1
    elif nums[leg] != dens[leg]:
        work[_ROW + depth] = depth
        work[_NUM_LEN + depth] = multiply_nb(
            work,
            _NUM + above * _NUM_I64S,
            work[_NUM_LEN + above],
            nums[leg],
            _NUM + depth * _NUM_I64S,
        )
        work[_DEN_LEN + depth] = multiply_nb(
            work,
            _DEN + above * _DEN_I64S,
            work[_DEN_LEN + above],
            dens[leg],
            _DEN + depth * _DEN_I64S,
        )


@kernel()
def line_minor_nb(depth: int, work: I64s) -> int:
    """Return what the line that ends at `depth` pays, or what runs on its open legs."""
    row = work[_ROW + depth]
    return quotient_nb(
        work,
        _NUM + row * _NUM_I64S,
        work[_NUM_LEN + row],
        _DEN + row * _DEN_I64S,
        work[_DEN_LEN + row],
    )


@kernel()
def begin_products_nb(stake_minor: int, work: I64s) -> None:
    """Write the products of the walk's root: the stake, over 1."""
    work[_NUM] = stake_minor & _WORD
    work[_NUM_LEN] = 1
    work[_DEN] = 1
    work[_DEN_LEN] = 1
    work[_ROW] = 0
    work[_OPEN] = 0


@kernel()
def lost_legs_nb(nums: I64s, dens: I64s, legs: int) -> int:
    """Return the bits of the legs that are resolved and give nothing back."""
    lost = np.int64(0)
    for leg in range(legs):
        if dens[leg] != 0 and nums[leg] == 0:
            lost |= np.int64(1) << leg
    return int(lost)


@kernel()
def sum_lines_nb(nums: I64s, dens: I64s, size: int, ends: int, running: int, work: I64s) -> int:
    """Return the sum over the lines of a walk that was begun, at most `PAYOUT_OVER`.

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
            take_leg_nb(nums, dens, work[LEG + place], depth, work)
            work[SUM + depth] = 0
            if (ends >> depth) & 1:
                opened = work[_OPEN + depth]
                if opened and not running:
                    return OPEN
                if opened or not running:
                    work[SUM + depth] = line_minor_nb(depth, work)
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


@kernel(
    int64(
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
)
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
    lost = lost_legs_nb(nums, dens, legs)
    owed = 0
    for at in range(first, first + count):
        bet = bets[at]
        size, ends = begin_walk_nb(positions, events, legs, bet, lost, work)
        if ends:
            begin_products_nb(bet.stake_minor, work)
            paid = sum_lines_nb(nums, dens, size, ends, 0, work)
            if paid == OPEN:
                return OPEN
            owed = min(owed + paid, PAYOUT_OVER)
    return owed


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
    lost = lost_legs_nb(nums, dens, legs)
    for leg in range(legs):
        work[_CHARGE + leg] = 0
    for at in range(first, first + count):
        bet = bets[at]
        size, ends = begin_walk_nb(positions, events, legs, bet, lost, work)
        if ends:
            begin_products_nb(bet.stake_minor, work)
            sum_lines_nb(nums, dens, size, ends, 1, work)
    for leg in range(legs):
        if dens[leg] == 0:
            charges[leg] = work[_CHARGE + leg]
