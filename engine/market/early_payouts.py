"""Early payouts of a market's legs: when play began, and the lead that each leg's side has reached.

Owns the marks: one for each leg whose side led by so much after the leg was placed. A mark is never
taken back and its lead never falls, whatever becomes of the leg's result, so that the newest
settlement of a leg tells its account all of it. Never decides what a mark pays: the offer of the
slip does.

Bounds: one mark for each leg, so never more than there are bets.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from msgspec import UnsetType

from engine.common.commands import TIME_NS_MAX
from engine.common.early import LEAD_MAX, BeginPlay, EarlyCommand
from engine.common.events import EarlyPaid, PlayBegun, Refused
from engine.common.ids import MARKET_NO_MAX
from engine.common.reasons import Reason
from engine.common.row_layout import row_dtype
from engine.common.rows import FLAG_LEG, FLAG_PRE_MATCH, Bools, I32s, Rows
from engine.common.state_hash import Reader, pack_rows
from engine.common.units import Nanos
from engine.market.book import Book
from engine.market.command_checks import early_fault
from engine.market.settlement import bets_of, released_legs

MARKED: Final = row_dtype(
    8, ("record", "<u4"), ("early_lead", "u1"), ("early_flags", "u1"), ("pad", "<u2")
)
"""A leg by the number of its record, the largest lead of its side, and FLAG_PRE_MATCH."""


class EarlyPayouts:
    """The marks of all legs, by rising record, and when each market's play began.

    Parameters
    ----------
    book : Book
        Read only.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._marks: Rows = np.zeros(0, MARKED)
        self._play_ns: dict[int, int] = {}

    def fork(self, book: Book) -> "EarlyPayouts":
        """Return a copy over a copy of the book."""
        twin = EarlyPayouts(book)
        twin._marks, twin._play_ns = self._marks.copy(), dict(self._play_ns)
        return twin

    def apply(
        self,
        command: EarlyCommand,
        slot: int,
        at_ns: Nanos,
        *,
        refunded: Callable[[int, I32s], Bools],
        send: Callable[[int, I32s, Bools], object],
    ) -> PlayBegun | EarlyPaid | Refused:
        """Note when play began, or mark legs on a side that leads, in any status of the market.

        Parameters
        ----------
        command : EarlyCommand
            The command.
        slot : int
            The market's slot.
        at_ns : Nanos
            When, nanoseconds UTC.
        refunded : callable
            Says for each bet of a market whether its stake is refunded.
        send : callable
            Sends what stands for those of a market's bets that changed.
        """
        book = self._book
        refusal = early_fault(command, outcomes=len(book.outcomes_of(slot)))
        if refusal is not None:
            return refusal
        version = book.version(slot)
        if isinstance(command, BeginPlay):
            from_ns = min(_given(command.from_ns, at_ns), self._play_ns.get(slot, at_ns))
            self._play_ns[slot] = from_ns
            return PlayBegun(market_no=command.market_no, version=version, from_ns=Nanos(from_ns))
        if slot not in self._play_ns:
            # Else every leg would be marked as placed before play, those placed in play too.
            message = "play has not begun: begin_play says since when bets are no pre-match bets"
            reason = Reason.TRANSITION_NOT_ALLOWED
            return Refused(reason=reason, field="market_no", message=message)
        until_ns = _given(command.until_ns, at_ns)
        numbers = bets_of(book, slot)
        stand = ~refunded(slot, numbers) & ~released_legs(book, numbers)
        marked = np.zeros(len(numbers), np.bool_)
        marked[stand] = self._mark(
            slot, numbers[stand], outcome=command.outcome, lead=command.lead, until_ns=until_ns
        )
        if marked.any():
            send(slot, numbers, marked)
        return EarlyPaid(
            market_no=command.market_no,
            version=version,
            settlement_no=int(book.markets[slot]["settlement_no"]),
            outcome=command.outcome,
            lead=command.lead,
            until_ns=until_ns,
            bets=int(marked.sum()),
        )

    def _mark(self, slot: int, numbers: I32s, *, outcome: int, lead: int, until_ns: int) -> Bools:
        """Mark legs of a market; return which of the bets have a new mark or a larger lead.

        Parameters
        ----------
        slot : int
            The market's slot.
        numbers : I32s
            Record numbers of accepted bets of the market, by the order of acceptance; those that
            are refunded or released are not among them.
        outcome, lead, until_ns
            Marked are legs on the outcome that were accepted before the time and whose lead is
            smaller.
        """
        records = self._book.records[numbers]
        at, found = self._places(numbers)
        known = np.zeros(len(numbers), np.uint8)
        known[found] = self._marks["early_lead"][at[found]]
        changed: Bools = (
            (records["flags"] & FLAG_LEG > 0)
            & (records["outcome"] == outcome)
            & (records["at_ns"] < until_ns)
            & (known < lead)
        )
        self._marks["early_lead"][at[changed & found]] = lead
        fresh = changed & ~found
        new: Rows = np.zeros(int(fresh.sum()), MARKED)
        new["record"], new["early_lead"] = numbers[fresh], lead
        before = records["at_ns"][fresh] < self._play_ns.get(slot, TIME_NS_MAX)
        new["early_flags"] = np.where(before, FLAG_PRE_MATCH, 0)
        marks = np.concatenate((self._marks, new))
        self._marks = marks[np.argsort(marks["record"], kind="stable")]
        return changed

    def write(self, numbers: I32s, rows: Rows) -> None:
        """Write the marks of bets, by their records' numbers, into their SETTLEMENT rows."""
        if not len(self._marks):
            return
        at, found = self._places(numbers)
        for name in ("early_lead", "early_flags"):
            rows[name][found] = self._marks[name][at[found]]

    def _places(self, numbers: I32s) -> tuple["np.ndarray[Any, np.dtype[np.intp]]", Bools]:
        """Return the place of each bet's mark, and which bets have one."""
        if not len(self._marks):
            return np.zeros(len(numbers), np.intp), np.zeros(len(numbers), np.bool_)
        records = self._marks["record"]
        at = np.minimum(np.searchsorted(records, numbers.astype(np.uint32)), len(records) - 1)
        found: Bools = records[at] == numbers
        return at, found

    # --- state as a document ----------------------------------------------------------------------

    def dump(self) -> bytes:
        """Return the marks in canonical form: MARKED rows by rising record."""
        return pack_rows(self._marks)

    def dump_play(self) -> list[list[int]]:
        """Return when play began, market by market in the order of creation."""
        numbers = self._book.markets["market_no"]
        return [[int(numbers[slot]), self._play_ns[slot]] for slot in sorted(self._play_ns)]

    def load(self, marks: Rows, play: Sequence[Any], slots: dict[int, int]) -> None:
        """Read what the dumps returned; a ValueError names the field that does not fit."""
        fault = self._fault(marks)
        if fault:
            raise ValueError(f"early: {fault}")
        last = -1
        for item in play:
            if not isinstance(item, list | tuple) or len(item) != 2:
                raise ValueError("play: not a list of two figures")
            reader = Reader(dict(zip(("market_no", "from_ns"), item, strict=True)), name="play")
            number = reader.integer("market_no", low=0, high=MARKET_NO_MAX)
            slot = slots.get(number, -1)
            if slot <= last:
                raise reader.fail("market_no", "out of order, or no such market")
            self._play_ns[slot] = reader.integer("from_ns", low=0, high=TIME_NS_MAX)
            last = slot
        self._marks = marks

    def check(self) -> None:
        """Assert every invariant of the marks."""
        assert not self._fault(self._marks), self._fault(self._marks)
        assert all(0 <= slot < self._book.markets_len for slot in self._play_ns)

    def _fault(self, marks: Rows) -> str:
        """Return the first field of marks that is out of bounds, or an empty text."""
        if np.any(np.diff(marks["record"].astype(np.int64)) <= 0):
            return "record: out of order, or given twice"
        if np.any(marks["record"] >= self._book.bets_len):
            return "record: no such bet"
        bets = self._book.records[marks["record"]]
        if np.any((bets["reason"] != Reason.ACCEPTED) | (bets["flags"] & FLAG_LEG == 0)):
            return "record: not of an accepted leg"
        if np.any(marks["early_lead"] == 0):
            return f"early_lead: 1 to {LEAD_MAX}"
        return "early_flags: no such flag" if np.any(marks["early_flags"] > FLAG_PRE_MATCH) else ""


def _given(time_ns: Nanos | UnsetType, at_ns: Nanos) -> Nanos:
    """Return the time that a command gives, or that of the command where it gives none or later."""
    return at_ns if isinstance(time_ns, UnsetType) else min(time_ns, at_ns)
