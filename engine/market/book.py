"""The book: every market, outcome and remembered bet of one machine, in arrays that grow.

Owns the layouts of the book's rows and their memory. One row and not one array a field: a bet meets
its market at random among thousands, and a row is one or two lines of cache where ten arrays would
be ten. Never decides anything: the kernels do, and the market machine drives them.
"""

from typing import Any, Final

import numpy as np

from engine.common.index import empty_table, grown_table
from engine.common.index_nb import enter_nb
from engine.common.lifecycle import Status
from engine.common.row_layout import row_dtype
from engine.common.rows import I32s, Rows
from engine.common.units import BETS_MAX

MARKET: Final = row_dtype(
    104,
    ("market_no", "<u4"),
    ("first_outcome", "<u4"),
    ("outcomes", "<u2"),
    ("status", "i1"),
    ("flags", "u1"),
    ("last_bet", "<u4"),
    ("bets", "<i8"),
    ("stake_taken_minor", "<i8"),
    ("payout_worst_minor", "<i8"),
    ("stake_minor_min", "<i8"),
    ("stake_minor_max", "<i8"),
    ("payout_minor_max", "<i8"),
    ("outcome_liability_minor_max", "<i8"),
    ("market_liability_minor_max", "<i8"),
    ("version", "<u8"),
    ("status_at_ns", "<i8"),
    ("settlement_no", "<u4"),
    ("pad", "<u4"),
)
"""A market, money in base currency. Its outcomes lie together from `first_outcome` on;
`payout_worst_minor` is the largest payout among them; `last_bet` is one more than the record of
the latest bet accepted (0: none), from which `earlier` leads back to all of them;
`status_at_ns` is when the status last changed."""

MARKET_HELD: Final = 1
"""On a market's flags: a trader stopped it, and no feed may make it ACTIVE."""
MARKET_RESULTS: Final = 2
"""On a market's flags: results stand, whether or not the market was cancelled since."""
MARKET_AWAITED: Final = 4
"""On a market's flags: it was created without an offer, for a feed that has yet to speak to it."""
MARKET_VOIDED: Final = 8
"""On a market's flags: a trader cancelled it, and no feed may take that back."""
MARKET_FED_SHUT: Final = 16
"""On a market's flags: the last that a feed said of its status was not ACTIVE."""

OUTCOME: Final = row_dtype(
    24,
    ("payout_minor", "<i8"),
    ("stake_minor", "<i8"),
    ("odds_milli", "<i4"),
    ("flags", "u1"),
    ("void_halves", "u1"),
    ("dead_heat_num", "u1"),
    ("dead_heat_den", "u1"),
)
"""An outcome: what the house pays if it wins and what was staked on it, in base currency, and while
results stand how it ended."""

OUTCOME_ACTIVE: Final = 1
"""On an outcome's flags: it is offered."""
OUTCOME_WON: Final = 2
"""On an outcome's flags: it won, as far as the latest settlement goes."""

BET_RECORD: Final = row_dtype(
    64,
    ("bet_id", "<u8"),
    ("stake_minor", "<i8"),
    ("stake_max_minor", "<i8"),
    ("at_ns", "<i8"),
    ("account_no", "<u4"),
    ("market_no", "<u4"),
    ("odds_milli", "<i4"),
    ("odds_seen_milli", "<i4"),
    ("rate_micro", "<i4"),
    ("outcome", "<u2"),
    ("reason", "<u2"),
    ("policy", "u1"),
    ("flags", "u1"),
    ("pad", "<u2"),
    ("pad_2", "<u4"),
)
"""A decision as it is remembered, accepted or not, and never changed again: the bet as it came
(`odds_seen_milli` are the bettor's) and the verdict (`odds_milli`, `reason`, `stake_max_minor`)."""

MARKETS_ROOM_MIN: Final = 4
BETS_ROOM_MIN: Final = 64
BETS_GROWTH: Final = 4
"""How far the bets' memory grows at a time: zeroed memory costs nothing until it is written, so a
large step saves copies and takes only addresses."""

_PAGE_BYTES: Final = 4_096


class Book:
    """Arrays of markets, outcomes and bets with their indices.

    Attributes
    ----------
    markets, outcomes, records : Rows
        MARKET, OUTCOME and BET_RECORD rows, of which the first `markets_len`, `outcomes_len` and
        `bets_len` live. An array that grows is replaced: old views keep what they showed.
    earlier : I32s
        For each accepted bet, one more than the record of the same market's accepted bet before it.
    market_table, bet_table : U64s
        Hash indices by market number and bet id (see index_nb).
    """

    def __init__(self) -> None:
        self.markets: Rows = np.zeros(MARKETS_ROOM_MIN, MARKET)
        self.outcomes: Rows = np.zeros(2 * MARKETS_ROOM_MIN, OUTCOME)
        self.records: Rows = np.zeros(BETS_ROOM_MIN, BET_RECORD)
        self.earlier: I32s = np.zeros(BETS_ROOM_MIN, np.int32)
        self.market_table = empty_table(MARKETS_ROOM_MIN)
        self.bet_table = empty_table(BETS_ROOM_MIN)
        self.markets_len = 0
        self.outcomes_len = 0
        self.bets_len = 0

    def room_for_bets(self, count: int) -> None:
        """Make room for `count` more bets, in memory and index, far enough to pay for the copy."""
        wanted = self.bets_len + count
        if wanted > self.records.size:
            room = max(wanted, min(BETS_GROWTH * self.records.size, BETS_MAX))
            self.records = _grown(self.records, self.bets_len, room)
            self.earlier = _grown(self.earlier, self.bets_len, room)
        self.bet_table = grown_table(self.bet_table, wanted)

    def touch_ahead(self, count: int) -> None:
        """Have the memory of the next `count` bets really there, not only promised.

        A page is mapped when it is first written, which costs about as much as deciding ten bets;
        in the index every bet of a batch may meet a page of its own.
        """
        ahead = slice(self.bets_len, self.bets_len + count)
        for array in (self.records[ahead], self.earlier[ahead]):
            array.view(np.uint8)[::_PAGE_BYTES] = 0
        self.bet_table[:: _PAGE_BYTES // 8] |= np.uint64(0)

    def add_market(self, *, market_no: int, outcomes: int) -> int:
        """Add a market and its outcomes, zeroed, and return its slot; the number must be new."""
        slot, first = self.markets_len, self.outcomes_len
        if slot == self.markets.size:
            self.markets = _grown(self.markets, slot, 2 * slot)
        if first + outcomes > self.outcomes.size:
            room = max(first + outcomes, 2 * self.outcomes.size)
            self.outcomes = _grown(self.outcomes, first, room)
        market = self.markets[slot]
        market["market_no"] = market_no
        market["first_outcome"] = first
        market["outcomes"] = outcomes
        self.market_table = grown_table(self.market_table, slot + 1)
        enter_nb(self.market_table, np.uint64(market_no), slot)
        self.markets_len = slot + 1
        self.outcomes_len = first + outcomes
        return slot

    def outcomes_of(self, slot: int) -> Rows:
        """Return a view of one market's outcomes."""
        market = self.markets[slot]
        first = int(market["first_outcome"])
        return self.outcomes[first : first + int(market["outcomes"])]

    def status(self, slot: int) -> Status:
        """Return a market's state."""
        return Status(int(self.markets[slot]["status"]))

    def version(self, slot: int) -> int:
        """Return a market's visible sequence number."""
        return int(self.markets[slot]["version"])

    def touch(self, slot: int) -> int:
        """Raise a market's version, since something visible changed, and return it."""
        self.markets[slot]["version"] += 1
        return self.version(slot)

    def enter(self, slot: int, status: Status, at_ns: int) -> int:
        """Enter a state and return the version then: a state entered again is no visible change."""
        market = self.markets[slot]
        if market["status"] == status:
            return self.version(slot)
        market["status"] = status
        market["status_at_ns"] = at_ns
        return self.touch(slot)

    def flagged(self, slot: int, flag: int) -> bool:
        """Say whether a flag is on a market."""
        return bool(self.markets[slot]["flags"] & flag)

    def flag(self, slot: int, flag: int, *, on: bool) -> None:
        """Put a flag on a market, or take it off."""
        flags = int(self.markets[slot]["flags"])
        self.markets[slot]["flags"] = flags | flag if on else flags & ~flag

    def liability_minor(self, slot: int) -> list[int]:
        """Return per outcome what the house pays if it wins, less the stakes taken."""
        taken = int(self.markets[slot]["stake_taken_minor"])
        return [int(payout) - taken for payout in self.outcomes_of(slot)["payout_minor"]]


def _grown(array: Any, live: int, room: int) -> Any:
    larger = np.zeros(room, array.dtype)
    larger[:live] = array[:live]
    return larger
