"""A ledger's combinations in memory: what open slips with the same selections can pay together.

Owns how the table grows and shrinks, and its audit. All of it but the bound follows from the rows
of the slips, and is in no dump. Never counts a slip: engine.ledger.combinations_nb does.
"""

from typing import Any, Final

import numpy as np

from engine.common.index import empty_table
from engine.common.rows import Rows, SlipKind
from engine.common.units import SLIP_LEGS_MAX, Minor
from engine.ledger.combinations_nb import (
    BOUND,
    COMBINATION,
    LEN,
    combination_fault_nb,
    count_all_nb,
    enter_combinations_nb,
)

_ROWS_MIN: Final = 256
"""Combinations for which a new table has room."""


class Combinations:
    """The combinations of one shard's open slips.

    A row whose sum is zero stays until the rows are full: then those with a sum, and what they need
    to double, are entered anew. So there are never more rows than twice the open slips of several
    legs at the last growth and twice the slips of one batch, and a slip costs a constant time.
    """

    def __init__(self) -> None:
        self.figures = np.zeros(2, np.int64)
        self._keys = np.zeros(2 * SLIP_LEGS_MAX, np.uint64)
        self._table = empty_table()
        self._rows: Rows = np.zeros(0, COMBINATION)

    @property
    def payout_minor_max(self) -> Minor:
        """The bound of each combination in base currency, 0 for none."""
        return Minor(int(self.figures[BOUND]))

    @payout_minor_max.setter
    def payout_minor_max(self, most_minor: Minor) -> None:
        self.figures[BOUND] = most_minor

    def store(self, seed: np.uint64) -> tuple[Any, ...]:
        """Return what the kernels get; `seed` is that of the ledger's refs."""
        return self._table, self._rows, self.figures, self._keys, seed

    def used(self) -> Rows:
        """Return a view of the rows in use, those with a sum of zero among them."""
        return self._rows[: int(self.figures[LEN])]

    def make_room(self, count: int, *, slips: Rows, seed: np.uint64) -> None:
        """Make room for `count` more combinations; those that count nothing any more leave."""
        if int(self.figures[LEN]) + count <= len(self._rows):
            return
        kept = int(np.count_nonzero(self.used()["sum_minor"]))
        larger = self._empty(2 * (kept + count))
        enter_combinations_nb(slips, self.store(seed), larger.store(seed))
        self._table, self._rows, self.figures = larger._table, larger._rows, larger.figures

    def counted(self, slips: Rows, slips_len: int, *, seed: np.uint64) -> "Combinations":
        """Return the combinations of some slips that the audit passed, under the same bound."""
        heads = slips["kind"][:slips_len] == SlipKind.HEAD
        counted = self._empty(
            int(np.count_nonzero(heads & (slips["charged_minor"][:slips_len] > 0)))
        )
        count_all_nb(slips, slips_len, counted.store(seed))
        return counted

    def fault(self, slips: Rows, slips_len: int, *, seed: np.uint64) -> str:
        """Count all slips again; return a combination with another sum, or an empty text."""
        right = self.counted(slips, slips_len, seed=seed)
        slot = combination_fault_nb(slips, self.store(seed), right.store(seed))
        if slot < 0:
            return ""
        return f"slips: the combination of row {slot} is not what its open slips can pay"

    def _empty(self, room: int) -> "Combinations":
        """Return combinations without a slip, with room for some, under the same bound."""
        empty = Combinations()
        room = max(room, _ROWS_MIN)
        empty._table, empty._rows = empty_table(room), np.zeros(room, COMBINATION)
        empty.figures[BOUND] = self.figures[BOUND]
        return empty
