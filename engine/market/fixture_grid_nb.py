"""Kernels of a fixture's grid: what the house loses by how the fixture ends, over its markets.

Own the sums, which are in halves of a minor unit so that half results are exact. Never decide
whether a limit holds, never allocate, and never know what a cell stands for.
"""

from typing import Any, Final

import numpy as np
from numba import int64, types, uint8

from engine.common.jit import Row, kernel, rows_type
from engine.common.payoffs import CELLS, SHEETS, Payoff
from engine.common.row_layout import row_dtype
from engine.common.rows import I64s, Rows, U8s
from engine.market.book import MEMBER

SHEET: Final = row_dtype(16, ("staked_halves", "<i8"), ("worst_halves", "<i8"))
"""Of a sheet's markets: twice the stakes, and twice what the house loses at its worst cell."""

GridArrays = tuple[Rows, Rows, I64s, I64s, U8s]
"""MEMBER rows by slot; SHEET rows and the cells of each, SHEETS for each grid; by grid twice what
the markets beside the cells lose; rows of codes."""
GRID_ARRAYS: Final[Any] = types.Tuple(  # type: ignore[no-untyped-call]
    (
        rows_type(MEMBER),
        rows_type(SHEET),
        types.Array(int64, 2, "C"),
        types.Array(int64, 1, "C"),
        types.Array(uint8, 2, "C"),
    )
)

_HALF_LOST: Final = int(Payoff.HALF_LOST)
_REFUNDED: Final = int(Payoff.REFUNDED)
_HALF_WON: Final = int(Payoff.HALF_WON)
_WON: Final = int(Payoff.WON)
_NOTHING: Final = -(1 << 62)


@kernel()
def beside_halves_nb(member: Row) -> int:
    """Return twice what a market beside the cells can lose; 0 if it cannot, or is refunded."""
    return int(max(0, 2 * (member.payout_worst_minor - member.taken_minor)))


@kernel(int64(int64, rows_type(SHEET), types.Array(int64, 1, "C")))
def worst_halves_nb(grid: int, sheets: Rows, beside_halves: I64s) -> int:
    """Return twice what the house loses on a fixture at the worst.

    The first sheet is at its worst cell, whether that is a loss or a profit. The other sheets and
    the markets beside count with their own worst at the same time, but never as a profit.
    """
    worst = sheets[grid * SHEETS].worst_halves + beside_halves[grid]
    for at in range(grid * SHEETS + 1, (grid + 1) * SHEETS):
        worst += max(0, sheets[at].worst_halves)
    return int(worst)


@kernel()
def room_nb(
    grid: int, slot: int, outcome: int, outcome_payout_minor: int, grids: GridArrays
) -> int:
    """Return the largest win (payout less stake) of one more bet that its limit allows; 0 or more.

    A bet may take the fixture's worst to its market's limit, or to where it is now if that is more.
    A cell where the bet is lost or refunded gets no worse, so only the cells in which it wins bound
    it: by the whole win, or where it half wins by half of it.
    """
    members, sheets, cells, beside_halves, codes = grids
    member = members[slot]
    worst = worst_halves_nb(grid, sheets, beside_halves)
    most = max(2 * member.fixture_liability_minor_max, worst) - worst
    if member.first_codes < 0:
        allowed = most + beside_halves_nb(member)
        return int(allowed // 2 - (outcome_payout_minor - member.taken_minor))
    at = grid * SHEETS + np.int64(member.sheet)
    own = sheets[at].worst_halves
    allowed = most + (own if member.sheet == 0 else max(0, own)) + sheets[at].staked_halves
    row = np.int64(member.first_codes) + outcome
    won, half_won = _NOTHING, _NOTHING
    for cell in range(CELLS):
        returned = cells[at, cell]
        won = max(won, returned if codes[row, cell] == _WON else _NOTHING)
        half_won = max(half_won, returned if codes[row, cell] == _HALF_WON else _NOTHING)
    return int(min((allowed - won) // 2, allowed - half_won))


@kernel()
def returned_nb(code: int, stake_minor: int, payout_minor: int) -> int:
    """Return twice what an outcome's bets get back at a cell."""
    if code == _WON:
        return 2 * payout_minor
    if code == _HALF_WON:
        return payout_minor + stake_minor
    if code == _REFUNDED:
        return 2 * stake_minor
    return stake_minor if code == _HALF_LOST else 0


@kernel()
def add_outcome_nb(
    at: int, row: int, stake_minor: int, payout_minor: int, cells: I64s, codes: U8s
) -> int:
    """Add bets on one outcome to a sheet's cells; return the largest of these then."""
    largest = _NOTHING
    for cell in range(CELLS):
        cells[at, cell] += returned_nb(codes[row, cell], stake_minor, payout_minor)
        largest = max(largest, cells[at, cell])
    return int(largest)


@kernel()
def take_bet_nb(
    grid: int,
    slot: int,
    outcome: int,
    stake_minor: int,
    payout_minor: int,
    outcome_payout_minor: int,
    grids: GridArrays,
) -> None:
    """Add an accepted bet to its fixture's grid; `outcome_payout_minor` is that with the bet."""
    members, sheets, cells, beside_halves, codes = grids
    member = members[slot]
    before = beside_halves_nb(member)
    member.taken_minor += stake_minor
    member.payout_worst_minor = max(member.payout_worst_minor, outcome_payout_minor)
    if member.first_codes < 0:
        beside_halves[grid] += beside_halves_nb(member) - before
        return
    at = grid * SHEETS + int(np.int64(member.sheet))
    row = int(np.int64(member.first_codes)) + outcome
    largest = add_outcome_nb(at, row, stake_minor, payout_minor, cells, codes)
    sheets[at].staked_halves += 2 * stake_minor
    sheets[at].worst_halves = largest - sheets[at].staked_halves


@kernel(
    types.void(
        int64,
        int64,
        int64,
        types.Array(int64, 1, "C"),
        types.Array(int64, 1, "C"),
        GRID_ARRAYS,
    )
)
def add_market_nb(
    grid: int,
    slot: int,
    sign: int,
    stake_minor: I64s,
    payout_minor: I64s,
    grids: GridArrays,
) -> None:
    """Add all open bets of a market to its fixture's grid, or take them from it.

    Parameters
    ----------
    grid, slot : int
        The fixture's grid and the market's slot.
    sign : int
        1 to add, -1 to take away what was added with these sums.
    stake_minor, payout_minor : int64[:]
        The sums of the market's open bets by outcome.
    grids
        The arrays of `FixtureGrids`.
    """
    members, sheets, cells, beside_halves, codes = grids
    member = members[slot]
    if sign < 0:
        if member.first_codes < 0:
            beside_halves[grid] -= beside_halves_nb(member)
        member.taken_minor = 0
        member.payout_worst_minor = 0
    else:
        for outcome in range(stake_minor.size):
            member.taken_minor += stake_minor[outcome]
            member.payout_worst_minor = max(member.payout_worst_minor, payout_minor[outcome])
        if member.first_codes < 0:
            beside_halves[grid] += beside_halves_nb(member)
    if member.first_codes < 0:
        return
    at = grid * SHEETS + int(np.int64(member.sheet))
    largest = _NOTHING
    for outcome in range(stake_minor.size):
        row = int(np.int64(member.first_codes)) + outcome
        stake, payout = sign * stake_minor[outcome], sign * payout_minor[outcome]
        largest = add_outcome_nb(at, row, stake, payout, cells, codes)
        sheets[at].staked_halves += 2 * stake
    sheets[at].worst_halves = largest - sheets[at].staked_halves
