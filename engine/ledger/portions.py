"""How many settlements or verdicts an account shard takes at once, by the lines of their slips.

Owns this bound. A shard is one process that answers nothing while it works: without the bound a
settled market whose bets are legs of slips with thousands of lines each would hold it up for so
long that its supervisor takes it for frozen, and every new start would meet the same work.
"""

from typing import Final

import numpy as np

from engine.common.rows import Rows
from engine.ledger.portions_nb import at_once_nb
from engine.ledger.tables import LedgerTables

LINES_AT_ONCE_MAX: Final = 1 << 15
"""Lines of slips after which no further row is taken: a line takes some 0.3 to 1.6 microseconds,
and slips have up to 20,000 of them."""


def settled_at_once(tables: LedgerTables, rows: Rows) -> int:
    """Return how many of some SETTLEMENT rows are taken at once: each may work its slip out."""
    return _at_once(tables, rows, each_leg=True)


def resolved_at_once(tables: LedgerTables, verdicts: Rows) -> int:
    """Return how many of some DECISION rows are taken at once: a slip's last leg works it out."""
    return _at_once(tables, verdicts, each_leg=False)


def _at_once(tables: LedgerTables, rows: Rows, *, each_leg: bool) -> int:
    return at_once_nb(
        np.ascontiguousarray(rows["bet_id"]),
        each_leg,
        LINES_AT_ONCE_MAX,
        tables.slips,
        tables.slips_len,
        tables.slip_bets,
        tables.ranges,
    )
