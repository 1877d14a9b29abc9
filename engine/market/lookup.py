"""Look bets up in a book by their ids.

Owns the questions that accounts and comparisons ask about bets. Never changes a book.
"""

import numpy as np

from engine.common.ids import SHARD_BITS, BetId, ShardNo
from engine.common.reasons import Reason
from engine.common.rows import BET, DECISION, I64s, Rows, U64s
from engine.market.book import Book
from engine.market.lookup_nb import highest_bet_ids_nb, places_nb, recall_nb
from engine.market.place_nb import repeat_nb


def recall(book: Book, bet_ids: U64s) -> Rows:
    """Repeat the decisions on bets.

    Returns
    -------
    Rows
        DECISION rows in the order of the ids: with FLAG_KNOWN, or with BET_UNKNOWN for an id that
        has no record.
    """
    decisions: Rows = np.empty(len(bet_ids), DECISION)
    bet_ids = np.ascontiguousarray(bet_ids, np.uint64)
    recall_nb(bet_ids, book.records, book.bet_table, decisions)
    return decisions


def repeat(book: Book, rows: Rows, *, otherwise: Reason) -> Rows:
    """Repeat the decisions on bets, given as BET rows.

    Returns
    -------
    Rows
        DECISION rows in order: with FLAG_KNOWN where the bet is recorded with this content, a
        refusal with the reason `otherwise` for any other.
    """
    decisions: Rows = np.zeros(len(rows), DECISION)
    decisions["bet_id"] = rows["bet_id"]
    decisions["odds_milli"] = rows["odds_milli"]
    decisions["reason"] = otherwise
    repeat_nb(np.ascontiguousarray(rows), book.records, book.bet_table, decisions)
    return decisions


def recorded_place(book: Book, bet_id: BetId) -> int:
    """Return the place of a bet's record among all, -1 for a bet without one."""
    places: I64s = np.empty(1, np.int64)
    places_nb(np.array([bet_id], np.uint64), book.records, book.bet_table, places)
    return int(places[0])


def highest_bet_ids(book: Book) -> dict[ShardNo, BetId]:
    """Return the highest bet id decided here, by account shard."""
    # A market also records bets whose id is malformed: 16 bits are above the serial.
    highest = np.zeros(1 << (64 - SHARD_BITS), np.uint64)
    highest_bet_ids_nb(book.records, book.bets_len, highest)
    return {ShardNo(int(s)): BetId(int(highest[s])) for s in np.flatnonzero(highest)}


class RecordedBets:
    """What a market machine answers of the bets that it has decided."""

    _book: Book

    @property
    def bets_len(self) -> int:
        """Number of records of bets, accepted and refused."""
        return self._book.bets_len

    def bets(self) -> Rows:
        """Return a read-only view of every decision (BET_RECORD rows), oldest first."""
        view = self._book.records[: self._book.bets_len]
        view.flags.writeable = False
        return view

    def bet_places(self, bet_ids: U64s) -> I64s:
        """Return the places of some bets' records among `bets`, -1 for a bet without a record."""
        places: I64s = np.empty(len(bet_ids), np.int64)
        ids = np.ascontiguousarray(bet_ids, np.uint64)
        places_nb(ids, self._book.records, self._book.bet_table, places)
        return places

    def recall(self, bet_ids: U64s) -> Rows:
        """Repeat the decisions on bets and change nothing (see the function `recall`)."""
        return recall(self._book, bet_ids)

    def as_decided(self, bet_ids: U64s) -> tuple[Rows, Rows]:
        """Return recorded bets as they came, and their decisions: BET and DECISION rows."""
        records = self.bets()[self.bet_places(bet_ids)]
        bets: Rows = np.zeros(len(records), BET)
        for name in BET.names or ():
            if name in (records.dtype.names or ()) and name != "pad":
                bets[name] = records[name]
        bets["odds_milli"] = records["odds_seen_milli"]
        decisions: Rows = np.zeros(len(records), DECISION)
        for name in ("bet_id", "stake_max_minor", "odds_milli", "reason"):
            decisions[name] = records[name]
        return bets, decisions
