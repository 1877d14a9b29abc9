"""The queue of slips whose legs' markets must be told another charge, and the charges themselves.

Owns which heads are in the queue: it follows from the rows, as the charge that a leg's market is
known to have is in the leg's row. So a queue that is lost with its process is built again. Never
moves money.
"""

from typing import Final, NamedTuple

import numpy as np

from engine.common.ids import BetId
from engine.common.rows import CHARGE, Rows
from engine.ledger.charges_nb import charged_nb, due_charges_nb
from engine.ledger.tables import LedgerTables
from engine.slips.lines_nb import LEGS_MAX

LINES_IN_PAGE_MAX: Final = 1 << 15
"""Lines of slips after which a page of charges ends, so that no page holds its shard up for long:
a line takes some 0.3 to 1.6 microseconds."""


class ChargePage(NamedTuple):
    """Some charges, and where the next ones begin."""

    rows: Rows
    """CHARGE rows by rising bet id; there may be none although others follow."""
    next_after: BetId
    """The next page is that of the legs after this bet; 0 when no other has to be told."""


def make_room_for_due(tables: LedgerTables, count: int) -> None:
    """Make room for `count` more entries of the queue; repeated ones leave before it grows."""
    if int(tables.due_len[0]) + count > len(tables.due):
        _sort(tables)
        tables.grow_due(count)


def due_charges(tables: LedgerTables, *, after_bet_id: int, limit: int) -> ChargePage:
    """Return the charges that markets must be told, of legs after a bet, by rising bet id.

    Heads that are found to need none leave the queue.
    """
    _sort(tables)
    due, due_len = tables.due, int(tables.due_len[0])
    slots = tables.slots_up_to(after_bet_id)
    begin = int(np.searchsorted(due[:due_len], np.uint32(max(0, slots - LEGS_MAX - 1))))
    rows: Rows = np.empty(max(0, min(limit, (due_len - begin) * LEGS_MAX)), CHARGE)
    written, seen, kept, next_after = due_charges_nb(
        due,
        begin,
        due_len,
        after_bet_id,
        LINES_IN_PAGE_MAX,
        tables.slips,
        tables.slip_bets,
        tables.scratch,
        rows,
    )
    if kept < seen:
        rest = due[begin + seen : due_len].copy()
        due[begin + kept : begin + kept + len(rest)] = rest
        tables.due_len[0] = tables.due_sorted = due_len - seen + kept
    return ChargePage(rows[:written], BetId(next_after))


def apply_charged(tables: LedgerTables, rows: Rows) -> Rows:
    """Note charges that markets have applied; return the rows that changed something."""
    effects = np.zeros(len(rows), np.uint8)
    charged_nb(rows, effects, tables.slips, tables.slips_len, tables.ranges)
    changed: Rows = rows[effects != 0]
    return changed


def _sort(tables: LedgerTables) -> None:
    """Sort the queue and drop repeated entries, unless nothing was appended since."""
    due_len = int(tables.due_len[0])
    if tables.due_sorted < due_len:
        heads = np.unique(tables.due[:due_len])
        tables.due[: len(heads)] = heads
        tables.due_len[0] = tables.due_sorted = len(heads)
