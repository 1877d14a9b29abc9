"""Kernels that count together what open slips with the same selections can still pay.

Own what the same combination is: the same set of (market, outcome) of a slip of two legs or more,
whatever its lines, stakes, bankers and odds. Own how a combination is found and its sum. Never
allocate and never refuse: the caller makes room, and compares the sum with the bound.

A sum is in base currency, each slip at the rate of its reservation and rounded up, so that it
follows from the rows of the slips alone. A slip counts COUNTED_MINOR_MAX at most: more than any
bound, and little enough that the sum of all slips of a shard fits a word.
"""

from typing import Any, Final

import numpy as np
from numba import types

from engine.common.index_nb import home_nb, mix_nb, mix_on_nb, put_nb, row_at_nb, seek_nb
from engine.common.jit import kernel
from engine.common.payout_bounds import COMBINATION_MINOR_MAX
from engine.common.row_layout import row_dtype
from engine.common.rows import Rows, SlipKind
from engine.common.units import BETS_MAX, SLIP_LEGS_MAX
from engine.common.units_nb import base_amount_minor_max_up_nb, base_minor_up_nb
from engine.ledger.index_nb import REF_U64S, SLIPS, SUMS, array_of

COUNTED_MINOR_MAX: Final = 1 << 38
LEGS_LEAST: Final = 2
"""Legs of a slip from which on it is a combination: head and legs are three slips of the shard."""

assert COUNTED_MINOR_MAX > COMBINATION_MINOR_MAX
assert COUNTED_MINOR_MAX * (BETS_MAX // (1 + LEGS_LEAST)) < 1 << 63

COMBINATION: Final = row_dtype(16, ("sum_minor", "<i8"), ("slip", "<u4"), ("pad", "<u4"))
"""A combination: what its open slips can pay in base currency, and the slot of one slip that has
these selections, which stand for the key. Slips keep their slots for good."""

BOUND, LEN = 0, 1
"""Places of the figures: the bound of each combination in base currency, 0 for none, and how many
rows are in use."""

COMBINATION_STORE: Any = types.Tuple(  # type: ignore[no-untyped-call]
    (REF_U64S, array_of(COMBINATION), SUMS, REF_U64S, types.uint64)
)
"""Numba's type of the combinations as kernels get them: the hash table, the rows, the figures,
room for the selections of two slips, and the seed of the hashes."""

HEAD = int(SlipKind.HEAD)
_OUTCOME_BITS = np.uint64(16)


@kernel()
def selections_nb(rows: Any, first: Any, legs: Any, into: Any, at: Any) -> Any:
    """Write the distinct selections of legs, sorted, to `into` from `at` on; return how many.

    `rows` are slips or reservations, and `first` is the first leg.
    """
    count = np.int64(0)
    for i in range(legs):
        leg = rows[first + i]
        selection = np.uint64(leg.market_no) << _OUTCOME_BITS | np.uint64(leg.outcome)
        place = count
        while place > 0 and into[at + place - 1] > selection:
            place -= 1
        if place > 0 and into[at + place - 1] == selection:
            continue
        for k in range(count, place, -1):
            into[at + k] = into[at + k - 1]
        into[at + place] = selection
        count += 1
    return count


@kernel()
def find_combination_nb(rows: Any, first: Any, legs: Any, slips: Any, store: Any) -> Any:
    """Return the row of the combination of some legs, or ``-1 - place`` for it, and its hash.

    A hash is only where the search begins: the selections are compared. Bettors choose them, so the
    seed of the hashes is unknown to bettors.
    """
    table, combinations, _, keys, seed = store
    count = selections_nb(rows, first, legs, keys, 0)
    hashed = mix_nb(np.uint64(count) ^ seed)
    for i in range(count):
        hashed = mix_on_nb(hashed, keys[i])
    place = seek_nb(table, hashed, home_nb(table, hashed))
    while place >= 0:
        found = row_at_nb(table, place)
        slot = np.int64(combinations[found].slip)
        others = selections_nb(slips, slot + 1, slips[slot].legs, keys, SLIP_LEGS_MAX)
        same = others == count
        for i in range(count):
            same &= keys[i] == keys[SLIP_LEGS_MAX + i]
        if same:
            return found, hashed
        place = seek_nb(table, hashed, place + 1)
    return place, hashed


@kernel()
def counted_nb(payable_minor: Any, rate_micro: Any) -> Any:
    """Return what a slip that can pay an amount counts, in base currency."""
    return min(base_minor_up_nb(payable_minor, int(np.int64(rate_micro))), COUNTED_MINOR_MAX)


@kernel()
def count_slip_nb(slips: Any, slot: Any, before_minor: Any, after_minor: Any, store: Any) -> None:
    """Count that the slip of a head can pay `after_minor` now, and paid `before_minor` at most.

    The first slip of a combination enters it. A sum of zero leaves with the next growth.
    """
    head = slips[slot]
    if head.legs < LEGS_LEAST or before_minor == after_minor:
        return
    change_minor = counted_nb(after_minor, head.rate_micro)
    change_minor -= counted_nb(before_minor, head.rate_micro)
    table, combinations, figures, _, _ = store
    found, hashed = find_combination_nb(slips, slot + 1, head.legs, slips, store)
    if found < 0:
        place = -1 - found
        found = figures[LEN]
        combinations[found].sum_minor = 0
        combinations[found].slip = slot
        put_nb(table, hashed, place, found)
        figures[LEN] += 1
    combinations[found].sum_minor += change_minor


@kernel()
def combination_room_nb(
    rows: Any,
    first: Any,
    legs: Any,
    own_minor: Any,
    rate_micro: Any,
    slips: Any,
    store: Any,
    room_minor: Any,
) -> Any:
    """Return what the slip of some legs, asked for or open, may pay for its combination.

    The largest amount of the account's currency that is worth no more than what the sum leaves of
    the bound; `room_minor` where there is no bound. `own_minor` is what an open slip itself can pay
    in the sum, 0 for one that is asked for. `rows` and `first` are as in `selections_nb`.
    """
    _, combinations, figures, _, _ = store
    if figures[BOUND] == 0 or legs < LEGS_LEAST:
        return room_minor
    found, _ = find_combination_nb(rows, first, legs, slips, store)
    left_minor = figures[BOUND]
    if found >= 0:
        others_minor = combinations[found].sum_minor - counted_nb(own_minor, rate_micro)
        left_minor = max(left_minor - others_minor, 0)
    return base_amount_minor_max_up_nb(left_minor, int(np.int64(rate_micro)))


@kernel(types.void(SLIPS, types.int64, COMBINATION_STORE))
def count_all_nb(slips: Rows, slips_len: int, store: Any) -> None:
    """Count every open slip into combinations that are empty and have room."""
    for slot in range(slips_len):
        if slips[slot].kind == HEAD:
            count_slip_nb(slips, slot, 0, slips[slot].charged_minor, store)


@kernel(types.void(SLIPS, COMBINATION_STORE, COMBINATION_STORE))
def enter_combinations_nb(slips: Rows, old: Any, new: Any) -> None:
    """Enter the combinations whose sums are not zero into others that are empty and have room."""
    for row in old[1][: old[2][LEN]]:
        if row.sum_minor == 0:
            continue
        table, combinations, figures, _, _ = new
        slot = np.int64(row.slip)
        found, hashed = find_combination_nb(slips, slot + 1, slips[slot].legs, slips, new)
        combinations[figures[LEN]].sum_minor = row.sum_minor
        combinations[figures[LEN]].slip = row.slip
        put_nb(table, hashed, -1 - found, figures[LEN])
        figures[LEN] += 1


@kernel(types.int64(SLIPS, COMBINATION_STORE, COMBINATION_STORE))
def combination_fault_nb(slips: Rows, given: Any, right: Any) -> int:
    """Return a slip whose combination is not counted in `given` as in `right`, or -1."""
    for one, other in ((given, right), (right, given)):
        for row in one[1][: one[2][LEN]]:
            slot = np.int64(row.slip)
            found, _ = find_combination_nb(slips, slot + 1, slips[slot].legs, slips, other)
            sum_minor = other[1][found].sum_minor if found >= 0 else 0
            if sum_minor != row.sum_minor:
                return int(slot)
    return -1
