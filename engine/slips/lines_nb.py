"""Walk the lines of one bet of a slip, and count them.

Owns what a line is and the order of the walk. Never multiplies a stake: owed_nb does.

A line of a SLIP_BET has one leg in each of its banker positions and one leg in each of k of its
other positions, for a k of its sizes; no two legs of a line share an event. The walk is depth
first: a node is a choice of legs for the first positions of a line, so that lines which begin alike
share the work for their beginning. Bankers come first, then positions with few alternatives, which
keeps the shared beginnings long.

Legs that are left out of a walk (lost ones) leave the order of the others as it is. So no walk of a
slip has more steps than the walk that counted its lines.
"""

from typing import Final

import numpy as np
from numba import from_dtype, int64, types, uint8

from engine.common.jit import Row, kernel
from engine.common.rows import SLIP_BET, I64s, U8s
from engine.common.units import SLIP_LEGS_MAX, SLIP_LINES_MAX

LEGS_MAX: Final = SLIP_LEGS_MAX
LINES_MAX: Final = SLIP_LINES_MAX
STEPS_MAX: Final = 1 << 16
"""Steps of the walks that count the lines of one slip, so that bets whose legs share many events
cannot take long to find that they have few lines. No slip of bets whose legs share none takes more
unless it passes SLIP_LINES_MAX or SLIP_LINE_LEGS_MAX."""

_PLACES: Final = LEGS_MAX + 1
LEG: Final = 0
"""Region of the scratch: by place in the order of the walk, the number of the leg."""
EVENT: Final = LEG + _PLACES
"""By place: the bit of the leg's event."""
AFTER: Final = EVENT + _PLACES
"""By place: the first place of the next position."""
LEFT: Final = AFTER + _PLACES
"""By place: how many positions follow the leg's own."""
LEAST: Final = LEFT + _PLACES
"""By depth: how many positions must follow a leg that is taken as the line's leg of that depth."""
TAKEN: Final = LEAST + _PLACES + 1
"""By depth: the place of the leg that is taken there."""
EVENTS: Final = TAKEN + _PLACES
"""By depth: the bits of the events taken up to there."""
SUM: Final = EVENTS + _PLACES
"""By depth: what the lines below that node sum up to."""
WAYS: Final = SUM + _PLACES
"""By position: how many legs it has."""
STEPS: Final = WAYS + _PLACES
"""How many steps the walks that count a slip's lines may still take."""
WALK_I64S: Final = STEPS + 1
"""The size of this module's scratch."""

_NEVER: Final = LEGS_MAX + 1
"""More positions than can follow any leg."""

U8S_IN: Final = types.Array(uint8, 1, "C", readonly=True)
I64S_IN: Final = types.Array(int64, 1, "C", readonly=True)
I64S: Final = types.Array(int64, 1, "C")


@kernel()
def order_legs_nb(positions: U8s, legs: int, bet: Row, lost: int, work: I64s) -> tuple[int, int]:
    """Write a bet's legs into the scratch in the order of its walk: LEG, AFTER and LEFT.

    Parameters
    ----------
    positions : uint8[legs]
        Position of each leg.
    bet : SLIP_BET
        The bet.
    lost : int
        Bits of the legs to leave out.
    work : int64[WALK_I64S]
        The scratch.

    Returns
    -------
    tuple of int
        How many legs are in the order, and how many positions.
    """
    over = np.int64(bet.positions)
    bankers = np.int64(bet.bankers)
    for leg in range(legs):
        work[WAYS + positions[leg]] = 0
    for leg in range(legs):
        work[WAYS + positions[leg]] += 1
    size = 0
    for leg in range(legs):
        position = np.int64(positions[leg])
        if (over >> position) & 1 == 0 or (lost >> leg) & 1:
            continue
        free = 1 - ((bankers >> position) & 1)
        key = (((free << 6 | work[WAYS + position]) << 6) | position) << 6 | leg
        place = size
        while place > 0 and work[LEG + place - 1] > key:
            work[LEG + place] = work[LEG + place - 1]
            place -= 1
        work[LEG + place] = key
        size += 1
    left = 0
    after = size
    for place in range(size - 1, -1, -1):
        work[AFTER + place] = after
        work[LEFT + place] = left
        if place == 0 or work[LEG + place - 1] >> 6 != work[LEG + place] >> 6:
            after = place
            left += 1
    for place in range(size):
        work[LEG + place] &= 63
    return size, left


@kernel()
def begin_walk_nb(
    positions: U8s, events: U8s, legs: int, bet: Row, lost: int, work: I64s
) -> tuple[int, int]:
    """Prepare the scratch for a walk over a bet's lines.

    Returns
    -------
    tuple of int
        How many legs are in the order, and the bits of the depths at which a line ends. With no
        line at all the bits are 0.
    """
    size, held = order_legs_nb(positions, legs, bet, lost, work)
    bankers = 0
    rest = np.int64(bet.bankers)
    while rest:
        rest &= rest - 1
        bankers += 1
    present = 0
    for place in range(size):
        work[EVENT + place] = np.int64(1) << np.int64(events[work[LEG + place]])
        banker = (np.int64(bet.bankers) >> np.int64(positions[work[LEG + place]])) & 1
        if banker and work[AFTER + place] == place + 1:
            present += 1
    ends = 0
    if present == bankers:
        for free in range(held - bankers + 1):
            if (np.int64(bet.sizes) >> free) & 1 and bankers + free > 0:
                ends |= int(np.int64(1) << (bankers + free))
    work[LEAST + held + 1] = _NEVER
    end = _NEVER + held
    for depth in range(held, 0, -1):
        if (ends >> depth) & 1:
            end = depth
        work[LEAST + depth] = held - depth if depth <= bankers else end - depth
    work[EVENTS] = 0
    work[SUM] = 0
    return size, ends


@kernel(int64(U8S_IN, U8S_IN, int64, from_dtype(SLIP_BET), I64S, I64S))
def count_lines_nb(
    positions: U8s, events: U8s, legs: int, bet: Row, with_leg: I64s, work: I64s
) -> int:
    """Return how many lines a bet has.

    A position without a leg, and a size beyond the positions, has no lines. A bet of the
    bankers alone has size 0.

    Parameters
    ----------
    positions, events : uint8[legs]
        Position and event of each leg, 0 to 62.
    legs : int
        How many legs the slip has, `LEGS_MAX` at most.
    bet : SLIP_BET
        The bet; its stake and its number of lines are not read.
    with_leg : int64[legs]
        How many lines hold each leg is added to it.
    work : int64[WALK_I64S]
        Scratch. At `STEPS` it has the steps that the walk may take, of the slip's `STEPS_MAX`; the
        steps taken leave it.

    Returns
    -------
    int
        The number of lines, or -1 when there are more than `LINES_MAX` or the walk would take more
        steps than it may: then `with_leg` means nothing.
    """
    size, ends = begin_walk_nb(positions, events, legs, bet, 0, work)
    if ends == 0:
        return 0
    lines = 0
    depth = 0
    place = 0
    while work[STEPS] > 0:
        work[STEPS] -= 1
        if place < size and work[LEFT + place] >= work[LEAST + depth + 1]:
            if work[EVENTS + depth] & work[EVENT + place]:
                place += 1
                continue
            depth += 1
            work[TAKEN + depth] = place
            work[EVENTS + depth] = work[EVENTS + depth - 1] | work[EVENT + place]
            work[SUM + depth] = (ends >> depth) & 1
            lines += work[SUM + depth]
            if lines > LINES_MAX:
                return -1
            place = work[AFTER + place]
        elif depth == 0:
            return lines
        else:
            place = work[TAKEN + depth]
            with_leg[work[LEG + place]] += work[SUM + depth]
            work[SUM + depth - 1] += work[SUM + depth]
            depth -= 1
            place += 1
    return -1
