"""The book: the markets, outcomes and bets of one machine, in arrays that grow.

Owns the layouts of the book's rows and their memory. A market is one row and not one array per
field: bets read markets in random order among thousands, and a row is one or two lines of the
processor's cache where ten arrays would be ten lines. Never decides a bet: the kernels do.
"""

from copy import copy
from typing import Any, Final

import numpy as np

from engine.common.ids import MarketNo
from engine.common.index import empty_table, grown_table
from engine.common.index_nb import enter_nb
from engine.common.lifecycle import Status
from engine.common.row_layout import row_dtype
from engine.common.rows import I32s, Rows
from engine.common.units import BETS_MAX, Minor, Nanos, OddsMilli

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
    ("grid", "<u4"),
)
"""A market; amounts are in base currency. Its outcomes are adjacent rows from `first_outcome` on.
`stake_taken_minor` is the sum of their stakes, `payout_worst_minor` the largest payout among them,
and `bets` counts all accepted bets, also refunded ones. `last_bet` is one more than the record
number of the latest accepted bet (0: none); `Book.earlier` leads from it to all earlier ones.
`status_at_ns` is the time of the last change of status. `grid` is one more than the number of its
fixture's grid (see fixture_grid), 0 while none is kept; it follows from the rest of the state."""

MARKET_HELD: Final = 1
"""On a market's flags: a trader stopped it, and no feed may make it ACTIVE."""
MARKET_RESULTS: Final = 2
"""On a market's flags: results stand, also after a cancellation of the market."""
MARKET_AWAITS_FEED: Final = 4
"""On a market's flags: it was created without an offer, for a feed that gives it odds later."""
MARKET_VOIDED: Final = 8
"""On a market's flags: a trader cancelled it, and no feed may roll that back."""
MARKET_FEED_STOPPED: Final = 16
"""On a market's flags: the last status that a feed asked for was not ACTIVE."""
MARKET_HELD_WITH_ALL: Final = 32
"""On a market's flags, beside MARKET_HELD: only those who suspended it with all hold it."""

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
"""An outcome: the payout if it wins and the stakes on it, in base currency; its odds; and, while
results stand, how it ended. Bets that a cancellation refunds count in neither figure (under the
first rules they did)."""

RETURNED: Final = row_dtype(
    24, ("cancelled_minor", "<i8"), ("voided_minor", "<i8"), ("paid_minor", "<i8")
)
"""What went back to the bettors of an outcome, in base currency: stakes of bets that a cancellation
refunds, stakes of bets that the results refund, and the other payouts of settled bets."""

OUTCOME_ACTIVE: Final = 1
"""On an outcome's flags: bets on it are offered, by what was said of it last."""
OUTCOME_WON: Final = 2
"""On an outcome's flags: it won, by the results that stand."""
OUTCOME_HELD: Final = 4
"""On an outcome's flags: a trader stopped it, and no bet on it is taken."""
OUTCOME_OVERRIDDEN: Final = 8
"""On an outcome's flags: a trader's odds stand; `Book.due_milli` has those given since."""
OUTCOME_MARKS: Final = OUTCOME_HELD | OUTCOME_OVERRIDDEN
"""The flags that only a trader sets, and that stand until a trader clears them."""

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
    ("factor_milli", "<u2"),
    ("pad", "<u4"),
)
"""The record of a decision, accepted or refused, which never changes: the bet as it arrived
(`odds_seen_milli` are the odds that the bettor saw, `factor_milli` its account's factor then, 0 for
1.000) and the verdict (`odds_milli`, `reason`,
`stake_max_minor`)."""

CHARGED: Final = row_dtype(
    24,
    ("stake_minor", "<i8"),
    ("record", "<u4"),
    ("charge_no", "<u4"),
    ("flags", "u1"),
    ("pad", "u1", (7,)),
)
"""What a slip charges its leg at present: `record` is the number of the leg's record. A leg without
such a row is charged the stake of its record. `flags` are those of the CHARGE row."""

MEMBER: Final = row_dtype(
    32,
    ("fixture_liability_minor_max", "<i8"),
    ("taken_minor", "<i8"),
    ("payout_worst_minor", "<i8"),
    ("first_codes", "<i4"),
    ("sheet", "<i4"),
)
"""A market as one of its fixture's: the limit of the fixture's liability for bets on this market
(0: none), and its place on the fixture's grid. `first_codes` is the row of its first outcome's
codes (-1: it has none, and stands beside the cells), `sheet` the sheet that they are for. While a
grid is kept, `taken_minor` is the stakes of its open bets and `payout_worst_minor` the largest
payout of theirs on an outcome. Apart from MARKET, since bets elsewhere have no time for it."""

MARKETS_ROOM_MIN: Final = 4
BETS_ROOM_MIN: Final = 64
CHARGES_ROOM_MIN: Final = 16
BETS_GROWTH: Final = 4
"""Factor by which the bets' arrays grow. Zeroed memory takes no pages until it is written, so a
large factor saves copies and costs only addresses."""

_PAGE_BYTES: Final = 4_096
_STATUSES: Final = {int(status): status for status in Status}


class _MarketFields:
    """The fields of MARKET rows that feeds read and write, one market at a time.

    A memoryview gives and takes Python integers in a tenth of the time of a field of a numpy row.
    """

    __slots__ = (
        "first_outcome",
        "flags",
        "market_no",
        "outcomes",
        "status",
        "status_at_ns",
        "version",
    )

    def __init__(self, markets: Rows) -> None:
        for name in self.__slots__:
            setattr(self, name, markets[name].data)

    first_outcome: "memoryview[int]"
    flags: "memoryview[int]"
    market_no: "memoryview[int]"
    outcomes: "memoryview[int]"
    status: "memoryview[int]"
    status_at_ns: "memoryview[int]"
    version: "memoryview[int]"


class _OutcomeFields:
    """The fields of OUTCOME rows that feeds read and write; see `_MarketFields`."""

    __slots__ = ("flags", "odds_milli")

    def __init__(self, outcomes: Rows) -> None:
        for name in self.__slots__:
            setattr(self, name, outcomes[name].data)

    flags: "memoryview[int]"
    odds_milli: "memoryview[OddsMilli]"


class Book:
    """Arrays of markets, outcomes and bets, and their hash tables.

    Attributes
    ----------
    markets, outcomes, records : Rows
        MARKET, OUTCOME and BET_RECORD rows, of which the first `markets_len`, `outcomes_len` and
        `bets_len` are in use. Growing replaces an array, so earlier views keep their content.
    returned : Rows
        RETURNED rows, one for each outcome. Bets do not touch them, so they are apart.
    earlier : I32s
        For each accepted bet, one more than the record number of the accepted bet before it in the
        same market; 0 for none.
    members : Rows
        MEMBER rows, one for each market.
    charges : Rows
        CHARGED rows, of which the first `charges_len` are in use, by the time of a leg's first
        charge. They are few beside the bets, so singles have no memory and no time for them.
    due_milli : dict of int to OddsMilli
        The odds that were given last to outcomes whose odds a trader overrides, by row of the
        outcome. They are few.
    stopped_by : dict of int to tuple of str
        The names of those who hold markets with others, by slot (see `stops`).
    market_table, bet_table, charge_table : U64s
        Hash tables by market number, by bet id, and of charges by record number (see index_nb).
    """

    def __init__(self) -> None:
        self._markets: Rows
        self._fields: _MarketFields
        self._outcomes: Rows
        self._outcome_fields: _OutcomeFields
        self.markets = np.zeros(MARKETS_ROOM_MIN, MARKET)
        self.outcomes = np.zeros(2 * MARKETS_ROOM_MIN, OUTCOME)
        self.members: Rows = np.zeros(MARKETS_ROOM_MIN, MEMBER)
        self.returned: Rows = np.zeros(2 * MARKETS_ROOM_MIN, RETURNED)
        self.records: Rows = np.zeros(BETS_ROOM_MIN, BET_RECORD)
        self.earlier: I32s = np.zeros(BETS_ROOM_MIN, np.int32)
        self.charges: Rows = np.zeros(CHARGES_ROOM_MIN, CHARGED)
        self.due_milli: dict[int, OddsMilli] = {}
        self.stopped_by: dict[int, tuple[str, ...]] = {}
        self.market_table = empty_table(MARKETS_ROOM_MIN)
        self.bet_table = empty_table(BETS_ROOM_MIN)
        self.charge_table = empty_table(CHARGES_ROOM_MIN)
        self.markets_len = 0
        self.outcomes_len = 0
        self.bets_len = 0
        self.charges_len = 0

    @property
    def markets(self) -> Rows:
        """The MARKET rows."""
        return self._markets

    @markets.setter
    def markets(self, markets: Rows) -> None:
        self._markets, self._fields = markets, _MarketFields(markets)

    @property
    def outcomes(self) -> Rows:
        """The OUTCOME rows."""
        return self._outcomes

    @outcomes.setter
    def outcomes(self, outcomes: Rows) -> None:
        self._outcomes, self._outcome_fields = outcomes, _OutcomeFields(outcomes)

    def fork(self) -> "Book":
        """Return a book with copies of the markets' and outcomes' rows, that shares the bets."""
        twin = copy(self)
        twin.markets, twin.outcomes = self.markets.copy(), self.outcomes.copy()
        twin.members, twin.returned = self.members.copy(), self.returned.copy()
        twin.due_milli, twin.stopped_by = dict(self.due_milli), dict(self.stopped_by)
        return twin

    def make_room_for_bets(self, count: int) -> None:
        """Make room for `count` more bets in the arrays and the hash table."""
        wanted = self.bets_len + count
        if wanted > self.records.size:
            room = max(wanted, min(BETS_GROWTH * self.records.size, BETS_MAX))
            self.records = _grown(self.records, self.bets_len, room)
            self.earlier = _grown(self.earlier, self.bets_len, room)
        self.bet_table = grown_table(self.bet_table, wanted)

    def make_room_for_charges(self, count: int) -> None:
        """Make room for the first charges of `count` more legs."""
        wanted = self.charges_len + count
        if wanted > self.charges.size:
            room = max(wanted, 2 * self.charges.size)
            self.charges = _grown(self.charges, self.charges_len, room)
        self.charge_table = grown_table(self.charge_table, wanted)

    def map_pages_ahead(self, count: int) -> None:
        """Write to every memory page of the next `count` bets, so that the pages are mapped.

        The kernel maps a page at its first write, which takes about as long as deciding ten bets.
        In the hash table each bet of a batch may hit a different page.
        """
        ahead = slice(self.bets_len, self.bets_len + count)
        for array in (self.records[ahead], self.earlier[ahead]):
            array.view(np.uint8)[::_PAGE_BYTES] = 0
        self.bet_table[:: _PAGE_BYTES // 8] |= np.uint64(0)

    def add_market(self, *, market_no: MarketNo, outcomes: int) -> int:
        """Add a market and its outcomes, zeroed; return its slot. The number must be new."""
        slot, first = self.markets_len, self.outcomes_len
        if slot == self.markets.size:
            self.markets = _grown(self.markets, slot, 2 * slot)
            self.members = _grown(self.members, slot, 2 * slot)
        if first + outcomes > self.outcomes.size:
            room = max(first + outcomes, 2 * self.outcomes.size)
            self.outcomes = _grown(self.outcomes, first, room)
            self.returned = _grown(self.returned, first, room)
        market = self.markets[slot]
        market["market_no"] = market_no
        market["first_outcome"] = first
        market["outcomes"] = outcomes
        self.members[slot]["first_codes"] = -1
        self.market_table = grown_table(self.market_table, slot + 1)
        enter_nb(self.market_table, np.uint64(market_no), slot)
        self.markets_len = slot + 1
        self.outcomes_len = first + outcomes
        return slot

    def outcomes_of(self, slot: int) -> Rows:
        """Return a view of one market's outcomes."""
        return self.outcomes[self.range_of(slot)]

    def odds_milli(self, slot: int) -> list[OddsMilli]:
        """Return the odds of one market's outcomes."""
        return list(self._outcome_fields.odds_milli[self.range_of(slot)])

    def offered(self, slot: int) -> list[bool]:
        """Return for each of one market's outcomes whether bets on it are taken."""
        offered = OUTCOME_ACTIVE | OUTCOME_HELD
        return [each & offered == OUTCOME_ACTIVE for each in self.outcome_flags(slot)]

    def outcome_flags(self, slot: int) -> list[int]:
        """Return the flags of one market's outcomes."""
        return self._outcome_fields.flags[self.range_of(slot)].tolist()

    def set_offer(self, slot: int, outcome: int, *, odds_milli: OddsMilli, offered: bool) -> bool:
        """Set an outcome's odds and whether bets on it are offered; return whether that is seen.

        An outcome that has a result loses it. A trader's marks stand: overridden odds stay, and
        the new ones are due at their release; a held outcome takes no bet.
        """
        fields, row = self._outcome_fields, self._fields.first_outcome[slot] + outcome
        before = fields.flags[row]
        marks = before & OUTCOME_MARKS
        if marks & OUTCOME_OVERRIDDEN:
            self.due_milli[row] = odds_milli
            odds_milli = fields.odds_milli[row]
        flags = marks | (OUTCOME_ACTIVE if offered else 0)
        if before == flags and fields.odds_milli[row] == odds_milli:
            return False
        fields.flags[row], fields.odds_milli[row] = flags, odds_milli
        return True

    def set_outcome_flag(self, slot: int, outcome: int, flag: int, *, on: bool) -> bool:
        """Set or clear a flag of an outcome; return whether that changed it."""
        fields, row = self._outcome_fields, self._fields.first_outcome[slot] + outcome
        before = fields.flags[row]
        fields.flags[row] = before | flag if on else before & ~flag
        return fields.flags[row] != before

    def override(self, slot: int, outcome: int, odds_milli: OddsMilli) -> bool:
        """Set odds that stand, and keep those that were given last; return whether that is new."""
        fields, row = self._outcome_fields, self._fields.first_outcome[slot] + outcome
        self.due_milli.setdefault(row, fields.odds_milli[row])
        marked = self.set_outcome_flag(slot, outcome, OUTCOME_OVERRIDDEN, on=True)
        moved = fields.odds_milli[row] != odds_milli
        fields.odds_milli[row] = odds_milli
        return marked or moved

    def release(self, slot: int, outcome: int) -> OddsMilli:
        """Give an outcome whose odds are overridden those that were given last; return them."""
        row = self._fields.first_outcome[slot] + outcome
        due_milli = self.due_milli.pop(row)
        self.set_outcome_flag(slot, outcome, OUTCOME_OVERRIDDEN, on=False)
        self._outcome_fields.odds_milli[row] = due_milli
        return due_milli

    def given_milli(self, slot: int) -> list[OddsMilli]:
        """Return the odds that one market's outcomes were given last, overridden or not."""
        odds, due, first = self.odds_milli(slot), self.due_milli, self._fields.first_outcome[slot]
        if due:
            odds = [due.get(first + at, milli) for at, milli in enumerate(odds)]
        return odds

    def returned_of(self, slot: int) -> Rows:
        """Return a view of what went back to the bettors of one market's outcomes."""
        return self.returned[self.range_of(slot)]

    def range_of(self, slot: int) -> slice:
        """Return the places of one market's outcomes among all."""
        first = self._fields.first_outcome[slot]
        return slice(first, first + self._fields.outcomes[slot])

    def market_no(self, slot: int) -> MarketNo:
        """Return a market's number."""
        return MarketNo(self._fields.market_no[slot])

    def status(self, slot: int) -> Status:
        """Return a market's status."""
        return _STATUSES[self._fields.status[slot]]

    def version(self, slot: int) -> int:
        """Return a market's version: a number that rises with every visible change."""
        return self._fields.version[slot]

    def raise_version(self, slot: int) -> int:
        """Raise a market's version after a visible change; return the new version."""
        self._fields.version[slot] += 1
        return self._fields.version[slot]

    def set_status(self, slot: int, status: Status, at_ns: Nanos) -> int:
        """Set a market's status; return the version then, unchanged when the status is."""
        fields = self._fields
        if fields.status[slot] == status:
            return fields.version[slot]
        fields.status[slot] = status
        fields.status_at_ns[slot] = at_ns
        return self.raise_version(slot)

    def has_flag(self, slot: int, flag: int) -> bool:
        """Return whether a market has a flag."""
        return self._fields.flags[slot] & flag != 0

    def set_flag(self, slot: int, flag: int, *, on: bool) -> None:
        """Set or clear a flag of a market."""
        flags = self._fields.flags[slot]
        self._fields.flags[slot] = flags | flag if on else flags & ~flag

    def liability_minor(self, slot: int) -> list[Minor]:
        """Return for each outcome the payout if it wins, less all stakes of the market."""
        taken = int(self.markets[slot]["stake_taken_minor"])
        return [Minor(int(payout) - taken) for payout in self.outcomes_of(slot)["payout_minor"]]


def _grown(array: Any, used: int, room: int) -> Any:
    larger = np.zeros(room, array.dtype)
    larger[:used] = array[:used]
    return larger
