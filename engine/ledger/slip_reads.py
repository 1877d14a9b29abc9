"""What a ledger answers of its slips to other shells and to audits: ids and rows, page by page.

Owns these reads. Never changes a row.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.common.ids import BetId
from engine.common.rows import I64s, Rows, SlipKind, U32s, U64s
from engine.common.units import BETS_MAX
from engine.ledger.index_nb import slots_of_bets_nb
from engine.ledger.ledger_nb import in_force_nb
from engine.ledger.most_nb import most_nb
from engine.ledger.rows import ALL_SLIP_BETS_MAX
from engine.ledger.tables import LedgerTables

_NO_BET: Final = BetId(0)


class SlipReads:
    """The slips of one shard, as rows."""

    _tables: LedgerTables

    def in_force(
        self, *, market_nos: Sequence[int], after_bet_id: BetId = _NO_BET, limit: int
    ) -> U64s:
        """Return the ids of bets that some markets have accepted, after a bet, rising."""
        tables = self._tables
        begin = tables.slots_up_to(after_bet_id)
        bet_ids: U64s = np.empty(max(0, min(limit, tables.slips_len - begin)), np.uint64)
        wanted = np.unique(np.array(market_nos, np.uint32))
        count = in_force_nb(tables.slips, begin, tables.slips_len, wanted, bet_ids)
        return bet_ids[:count]

    @property
    def last_bet_id(self) -> BetId:
        """The highest bet id given so far, 0 for none."""
        last = self._tables.slips_len - 1
        return BetId(int(self._tables.slips["bet_id"][last])) if last >= 0 else _NO_BET

    @property
    def slips_len(self) -> int:
        """Number of slips."""
        return self._tables.slips_len

    def never_given(self, bet_ids: U64s) -> U64s:
        """Return those of some bets' ids that this shard never gave to a bet, in their order.

        A head's id is none: no market has ever been sent it.
        """
        bet_ids = np.ascontiguousarray(bet_ids, np.uint64)
        slots = self._slots_of(bet_ids)
        unknown = slots < 0
        unknown[~unknown] = self._tables.slips["kind"][slots[~unknown]] == SlipKind.HEAD
        found: U64s = bet_ids[unknown]
        return found

    def _slots_of(self, bet_ids: U64s) -> I64s:
        """Return the slot of each bet id, -1 for one that this shard never gave."""
        tables = self._tables
        slots = np.empty(len(bet_ids), np.int64)
        slots_of_bets_nb(bet_ids, tables.ranges, tables.slips, tables.slips_len, slots)
        return slots

    def slip_currencies(self, start: int = 0, limit: int = BETS_MAX) -> U32s:
        """Return the currency slots of a page of slips' accounts, in the order of `totals`."""
        tables = self._tables
        owners = tables.used_slips()["account"][start : start + limit]
        currencies: U32s = tables.accounts["currency"][owners].astype(np.uint32)
        return currencies

    def slips_of(self, bet_ids: U64s) -> Rows:
        """Return a copy of the slips (SLIP rows) of those bet ids that this shard gave."""
        slots = self._slots_of(np.ascontiguousarray(bet_ids, np.uint64))
        found: Rows = self._tables.slips[slots[slots >= 0]]
        return found

    def most_minor(self, bet_ids: U64s) -> I64s:
        """Return what the slips of some legs can be paid at most, in base currency (`most_nb`)."""
        tables = self._tables
        most_minor = np.zeros(len(bet_ids), np.int64)
        slots = self._slots_of(np.ascontiguousarray(bet_ids, np.uint64))
        offers = tables.offers.offers
        most_nb(tables.slips, slots, tables.slip_bets, offers, tables.scratch, most_minor)
        return most_minor

    def slip_bets(self, start: int = 0, limit: int = ALL_SLIP_BETS_MAX) -> Rows:
        """Return a copy of a page of slips' bets (SLIP_BET rows), in the order of their heads."""
        return self._tables.used_slip_bets()[start : start + limit].copy()

    def slips(self, start: int = 0, limit: int = BETS_MAX) -> Rows:
        """Return a copy of a page of slips (SLIP rows of engine.ledger.rows), by rising bet id."""
        return self._tables.used_slips()[start : start + limit].copy()
