"""Kernels of the present charges of legs: find one, and apply new ones.

Own the search in the hash table of charges, and which charge may follow which. Never change a
record or a figure, and never allocate.
"""

from typing import Final

import numpy as np
from numba import boolean, int32, int64, types, uint64

from engine.common.index_nb import home_nb, mix_nb, put_nb, row_at_nb, seek_nb
from engine.common.jit import Row, kernel, rows_in_type, rows_type
from engine.common.reasons import Reason
from engine.common.rows import CHARGE, FLAG_LEG, FLAG_RELEASED, Bools, I32s, I64s, Rows, U64s
from engine.common.units import STAKE_MINOR_MAX
from engine.common.units_nb import base_amount_minor_max_up_nb
from engine.market.book import BET_RECORD, CHARGED
from engine.market.lookup_nb import find_record_nb

_ACCEPTED: Final = int(Reason.ACCEPTED)

UNFIT: Final = -1
KNOWN: Final = -2
"""Instead of a record's number: the row names no accepted leg of its market or is out of bounds;
the leg has a charge of this number or a higher one, or is released and the row releases it not."""


@kernel()
def find_charge_nb(charge_table: U64s, charges: Rows, number: int, hashed: np.uint64) -> int:
    """Return the place of a record's charge, or ``-1 - place`` for it in the table.

    `hashed` is the mix of the record's number.
    """
    place = seek_nb(charge_table, hashed, home_nb(charge_table, hashed))
    while place >= 0:
        row = row_at_nb(charge_table, place)
        if charges[row].record == number:
            return int(row)
        place = seek_nb(charge_table, hashed, place + 1)
    return int(place)


@kernel()
def charged_minor_nb(leg: Row, number: int, charges: Rows, charge_table: U64s) -> int:
    """Return the stake with which a leg counts, by its record and the record's number."""
    row = find_charge_nb(charge_table, charges, number, mix_nb(np.uint64(number)))
    return int(charges[row].stake_minor) if row >= 0 else int(leg.stake_minor)


@kernel(
    types.void(
        types.Array(int32, 1, "C"),
        rows_in_type(BET_RECORD),
        rows_in_type(CHARGED),
        types.Array(uint64, 1, "C"),
        types.Array(int64, 1, "C"),
    )
)
def present_stakes_nb(
    numbers: I32s, records: Rows, charges: Rows, charge_table: U64s, stakes: I64s
) -> None:
    """Write the stakes with which bets count, given by the numbers of their records."""
    for at in range(numbers.size):
        number = int(np.int64(numbers[at]))
        bet = records[number]
        stakes[at] = bet.stake_minor
        if bet.flags & FLAG_LEG:
            stakes[at] = charged_minor_nb(bet, number, charges, charge_table)


@kernel(
    types.void(
        types.Array(int32, 1, "C"),
        rows_in_type(BET_RECORD),
        rows_in_type(CHARGED),
        types.Array(uint64, 1, "C"),
        types.Array(boolean, 1, "C"),
    )
)
def released_nb(
    numbers: I32s, records: Rows, charges: Rows, charge_table: U64s, released: Bools
) -> None:
    """Write for each bet, given by the number of its record, whether it is a released leg."""
    for at in range(numbers.size):
        number = int(np.int64(numbers[at]))
        released[at] = False
        if records[number].flags & FLAG_LEG:
            row = find_charge_nb(charge_table, charges, number, mix_nb(np.uint64(number)))
            released[at] = row >= 0 and charges[row].flags & FLAG_RELEASED != 0


@kernel(
    int64(
        types.Array(uint64, 1, "C", readonly=True),
        rows_in_type(BET_RECORD),
        types.Array(uint64, 1, "C"),
        rows_in_type(CHARGED),
        types.Array(uint64, 1, "C"),
        rows_type(CHARGE),
    )
)
def charges_of_nb(
    bet_ids: U64s, records: Rows, bet_table: U64s, charges: Rows, charge_table: U64s, rows: Rows
) -> int:
    """Write the present charges of those of some bets that have one; return how many.

    Parameters
    ----------
    bet_ids : uint64[:]
        Bets, whether legs or not, recorded or not.
    records, bet_table, charges, charge_table
        The book's.
    rows : CHARGE[:]
        Zeroed room for one row of each bet.
    """
    count = 0
    for at in range(bet_ids.size):
        number = find_record_nb(bet_table, records, bet_ids[at], mix_nb(bet_ids[at]))
        if number < 0 or records[number].flags & FLAG_LEG == 0:
            continue
        found = find_charge_nb(charge_table, charges, number, mix_nb(np.uint64(number)))
        if found < 0:
            continue
        row = rows[count]
        row.bet_id = bet_ids[at]
        row.market_no = records[number].market_no
        row.stake_minor = charges[found].stake_minor
        row.charge_no = charges[found].charge_no
        row.flags = charges[found].flags
        count += 1
    return count


@kernel()
def fits_nb(row: Row, record: Row) -> bool:
    """Return whether a CHARGE row is one of the leg that a record accepted."""
    if record.reason != _ACCEPTED or record.flags & FLAG_LEG == 0:
        return False
    if row.market_no != record.market_no or row.flags > FLAG_RELEASED:
        return False
    stake_max = 0 if row.flags & FLAG_RELEASED else STAKE_MINOR_MAX
    return bool(row.stake_minor >= 0 and row.stake_minor <= stake_max)


@kernel()
def supersedes_nb(row: Row, charge: Row) -> bool:
    """Return whether a CHARGE row follows a leg's present charge.

    Only a release follows a release. It changes nothing but the number, which the account then
    takes for applied: it tells a release again, under the last number of the slip, when the answer
    to the first telling was lost.
    """
    kept = charge.flags & FLAG_RELEASED == 0 or row.flags & FLAG_RELEASED != 0
    return bool(row.charge_no > charge.charge_no and kept)


@kernel(
    int64(
        rows_in_type(CHARGE),
        rows_in_type(BET_RECORD),
        types.Array(uint64, 1, "C"),
        rows_in_type(CHARGED),
        types.Array(uint64, 1, "C"),
        types.Array(int32, 1, "C"),
    )
)
def find_legs_nb(
    rows: Rows,
    records: Rows,
    bet_table: U64s,
    charges: Rows,
    charge_table: U64s,
    numbers: I32s,
) -> int:
    """Write the number of the record that each row may change, or why it may not; change nothing.

    Returns
    -------
    int
        How many rows are `UNFIT`.
    """
    unfit = 0
    for at in range(rows.size):
        row = rows[at]
        number = find_record_nb(bet_table, records, row.bet_id, mix_nb(row.bet_id))
        if number < 0 or not fits_nb(row, records[number]):
            numbers[at] = UNFIT
            unfit += 1
            continue
        found = find_charge_nb(charge_table, charges, number, mix_nb(np.uint64(number)))
        follows = supersedes_nb(row, charges[found]) if found >= 0 else row.charge_no > 0
        numbers[at] = number if follows else KNOWN
    return unfit


@kernel(
    int64(
        rows_in_type(CHARGE),
        types.Array(int32, 1, "C"),
        rows_in_type(BET_RECORD),
        rows_type(CHARGED),
        types.Array(uint64, 1, "C"),
        int64,
        types.Array(boolean, 1, "C"),
    )
)
def charge_nb(
    rows: Rows,
    numbers: I32s,
    records: Rows,
    charges: Rows,
    charge_table: U64s,
    charges_len: int,
    applied: Bools,
) -> int:
    """Apply CHARGE rows in their order; return how many legs have a charge now.

    A charge above the largest stake in base currency counts as that stake.

    Parameters
    ----------
    rows, numbers
        The rows, and the numbers of the records as `find_legs_nb` wrote them.
    records
        Every decision.
    charges, charge_table, charges_len
        The present charges, with room for one more for each row.
    applied : bool[:]
        Receives for each row whether it was applied.
    """
    for at in range(rows.size):
        applied[at] = False
        number = int(np.int64(numbers[at]))
        if number < 0:
            continue
        row = rows[at]
        hashed = mix_nb(np.uint64(number))
        found = find_charge_nb(charge_table, charges, number, hashed)
        if found < 0:
            put_nb(charge_table, hashed, -1 - found, charges_len)
            found = charges_len
            charges_len += 1
            charges[found].record = number
        elif not supersedes_nb(row, charges[found]):
            continue
        rate_micro = int(np.int64(records[number].rate_micro))
        stake_max = base_amount_minor_max_up_nb(STAKE_MINOR_MAX, rate_micro)
        charges[found].stake_minor = min(row.stake_minor, stake_max)
        charges[found].charge_no = row.charge_no
        charges[found].flags = row.flags
        applied[at] = True
    return charges_len
