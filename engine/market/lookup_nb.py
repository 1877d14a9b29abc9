"""Kernels that find bets among a book's records by their ids.

Own the search in the hash table of bets. Never change a record and never allocate.
"""

from typing import Final

import numpy as np
from numba import int64, types, uint64

from engine.common.ids import SHARD_BITS
from engine.common.index_nb import home_nb, mix_nb, row_at_nb, seek_nb
from engine.common.jit import kernel, rows_in_type, rows_type
from engine.common.reasons import Reason
from engine.common.rows import DECISION, FLAG_KNOWN, I64s, Rows, U64s
from engine.market.book import BET_RECORD

_BET_UNKNOWN: Final = int(Reason.BET_UNKNOWN)
_ID_SHIFT: Final = np.uint64(SHARD_BITS)


@kernel()
def find_record_nb(bet_table: U64s, records: Rows, bet_id: np.uint64, hashed: np.uint64) -> int:
    """Return the number of a bet's record, or ``-1 - place`` for it; `hashed` is the id's mix."""
    place = seek_nb(bet_table, hashed, home_nb(bet_table, hashed))
    while place >= 0:
        number = row_at_nb(bet_table, place)
        if records[number].bet_id == bet_id:
            return int(number)
        place = seek_nb(bet_table, hashed, place + 1)
    return int(place)


@kernel(
    types.void(
        types.Array(uint64, 1, "C", readonly=True),
        rows_in_type(BET_RECORD),
        types.Array(uint64, 1, "C"),
        rows_type(DECISION),
    )
)
def recall_nb(bet_ids: U64s, records: Rows, bet_table: U64s, decisions: Rows) -> None:
    """Repeat the decisions on bets by their ids and change nothing; BET_UNKNOWN where none is."""
    for at in range(bet_ids.size):
        decision = decisions[at]
        decision.bet_id = bet_ids[at]
        decision.stake_max_minor = 0
        decision.odds_milli = 0
        decision.reason = _BET_UNKNOWN
        decision.flags = 0
        number = find_record_nb(bet_table, records, bet_ids[at], mix_nb(bet_ids[at]))
        if number >= 0:
            record = records[number]
            decision.stake_max_minor = record.stake_max_minor
            decision.odds_milli = record.odds_milli
            decision.reason = record.reason
            decision.flags = FLAG_KNOWN


@kernel(types.void(rows_in_type(BET_RECORD), int64, types.Array(uint64, 1, "C")))
def highest_bet_ids_nb(records: Rows, bets_len: int, highest: U64s) -> None:
    """Write the highest bet id of each shard into `highest`, which has a place for every shard."""
    for number in range(bets_len):
        bet_id = records[number].bet_id
        shard = np.int64(bet_id >> _ID_SHIFT)
        highest[shard] = max(highest[shard], bet_id)


@kernel(
    types.void(
        types.Array(uint64, 1, "C", readonly=True),
        rows_in_type(BET_RECORD),
        types.Array(uint64, 1, "C"),
        types.Array(int64, 1, "C"),
    )
)
def places_nb(bet_ids: U64s, records: Rows, bet_table: U64s, places: I64s) -> None:
    """Write the number of each bet's record, -1 for a bet without one."""
    for at in range(bet_ids.size):
        bet_id = bet_ids[at]
        places[at] = max(find_record_nb(bet_table, records, bet_id, mix_nb(bet_id)), -1)
