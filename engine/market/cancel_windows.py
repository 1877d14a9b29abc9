"""The windows of cancelled bets of all markets: which bets they refund, and their roll-back.

Owns the windows. A window has two ends in time, and concerns all outcomes of its market or some of
them; windows of different times may overlap. An outcome is in at most one window of the same times:
cancelling it again at these times moves the bets that the window covers, never back. Never sends a
settlement.

Bounds: a market has windows of at most `CANCEL_WINDOWS_MAX` different times. One more makes those
that end first final: their bets stay refunded, and nothing rolls them back any more.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.common.commands import CANCEL_WINDOWS_MAX, TIME_NS_MAX, OutcomeResult
from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.common.rows import Bools, I32s
from engine.common.state_hash import Reader
from engine.common.units import OUTCOMES_MAX, Nanos
from engine.common.withdrawals import Withdrawal
from engine.market.book import Book
from engine.market.settlement import bets_of


class Window(NamedTuple):
    """A cancelled window: bets placed from one time up to another, and accepted before it."""

    from_ns: Nanos | None
    until_ns: Nanos | None
    bets: int
    """The number of records when the window was cancelled: it covers no later record."""
    outcomes: tuple[int, ...] = ()
    """The outcomes whose bets it covers, rising; none: those of every outcome."""

    def times(self) -> tuple[int, int]:
        """Return the ends of the window, to be compared."""
        until = TIME_NS_MAX + 1 if self.until_ns is None else self.until_ns
        return (-1 if self.from_ns is None else self.from_ns, until)

    def order(self) -> tuple[tuple[int, int], tuple[int, ...]]:
        """Return the sort key of windows, equal for equal times and outcomes."""
        return (self.times(), self.outcomes)


class Resolved(NamedTuple):
    """What stands for a market's bets: results and withdrawals by outcome, and windows."""

    results: Mapping[int, OutcomeResult]
    windows: tuple[Window, ...]
    withdrawn: Mapping[int, Withdrawal]


class CancelWindows:
    """The windows of every market.

    Parameters
    ----------
    book : Book
        Read only.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._windows: dict[int, list[Window]] = {}
        self._final: dict[int, I32s] = {}
        """The bets of final windows, by the numbers of their records, rising."""

    def fork(self, book: Book) -> "CancelWindows":
        """Return a copy over a copy of the book."""
        twin = CancelWindows(book)
        twin._windows, twin._final = dict(self._windows), dict(self._final)
        return twin

    def count(self, slot: int) -> int:
        """Return how many windows a market has."""
        return len(self._windows.get(slot, ()))

    def of(self, slot: int) -> tuple[Window, ...]:
        """Return a market's windows that can be rolled back."""
        return tuple(self._windows.get(slot, ()))

    def slots(self) -> list[int]:
        """Return the markets of which windows may refund bets."""
        return sorted({slot for slot, each in self._windows.items() if each} | set(self._final))

    def is_full(self, slot: int, window: Window) -> bool:
        """Return whether a market has no room for the times of a window."""
        times = {one.times() for one in self._windows.get(slot, ())}
        return len(times) >= CANCEL_WINDOWS_MAX and window.times() not in times

    def bounded(self, window: Window, numbers: I32s, before_ns: Nanos) -> Window:
        """Return a window without the first bet accepted at or after a time, and all later ones.

        `numbers` are all accepted bets of the market.
        """
        late = numbers[self._book.records["at_ns"][numbers] >= before_ns]
        return window._replace(bets=int(late[0])) if len(late) else window

    def known(self, slot: int, window: Window, numbers: I32s) -> bool:
        """Return whether every outcome of a window is cancelled at its times already.

        `numbers` are bets that must be covered too.
        """
        before = self._bets_by_outcome(slot, window.times())
        if not all(outcome in before for outcome in self._outcomes(slot, window)):
            return False
        same = [one for one in self._windows[slot] if one.times() == window.times()]
        covered = np.zeros(len(numbers), np.bool_)
        for one in same:
            covered |= self._covered(one, numbers)
        return not np.any(self._covered(window, numbers) & ~covered)

    def put(self, slot: int, window: Window, numbers: I32s) -> None:
        """Add a window, or move what the windows of its times cover.

        `numbers` are all accepted bets of the market.
        """
        if self.is_full(slot, window):
            windows = self._windows[slot]
            ended = min((one.times() for one in windows), key=lambda times: (times[1], times[0]))
            final = self._final_bets(slot, numbers)
            for one in windows:
                if one.times() == ended:
                    final |= self._covered(one, numbers)
            if final.any():
                self._final[slot] = numbers[final]
            self._windows[slot] = [one for one in windows if one.times() != ended]
        bets = self._bets_by_outcome(slot, window.times())
        for outcome in self._outcomes(slot, window):
            bets[outcome] = max(bets.get(outcome, 0), window.bets)
        self._windows[slot] = self._with(slot, window, bets)

    def roll_back(self, slot: int, window: Window) -> list[Window] | None:
        """Return a market's windows without the outcomes of a window at its times.

        None if nothing changes.
        """
        bets = self._bets_by_outcome(slot, window.times())
        named = [outcome for outcome in self._outcomes(slot, window) if outcome in bets]
        for outcome in named:
            del bets[outcome]
        return self._with(slot, window, bets) if named else None

    def replace(self, slot: int, windows: list[Window]) -> None:
        """Set a market's windows."""
        self._windows[slot] = windows

    def refunded(self, slot: int, numbers: I32s) -> Bools:
        """Return for each bet of a market whether a window refunds it."""
        refunded = self._final_bets(slot, numbers)
        for window in self._windows.get(slot, ()):
            refunded |= self._covered(window, numbers)
        return refunded

    def _covered(self, window: Window, numbers: I32s) -> Bools:
        """Return for each bet of a window's market whether the window covers it."""
        covered: Bools = numbers < window.bets
        at_ns = self._book.records["at_ns"][numbers]
        if window.from_ns is not None:
            covered &= at_ns >= window.from_ns
        if window.until_ns is not None:
            covered &= at_ns < window.until_ns
        if window.outcomes:
            covered &= np.isin(self._book.records["outcome"][numbers], window.outcomes)
        return covered

    def _final_bets(self, slot: int, numbers: I32s) -> Bools:
        final = self._final.get(slot)
        if final is None:
            return np.zeros(len(numbers), np.bool_)
        return np.isin(numbers, final)

    def _outcomes(self, slot: int, window: Window) -> Sequence[int]:
        """Return the outcomes whose bets a window covers."""
        return window.outcomes or range(len(self._book.outcomes_of(slot)))

    def _bets_by_outcome(self, slot: int, times: tuple[int, int]) -> dict[int, int]:
        """Return the bets of the windows of these times, by outcome."""
        return {
            outcome: window.bets
            for window in self._windows.get(slot, ())
            if window.times() == times
            for outcome in self._outcomes(slot, window)
        }

    def _with(self, slot: int, window: Window, bets: dict[int, int]) -> list[Window]:
        """Return a market's windows with those of one window's times as `bets` says by outcome."""
        left = [one for one in self._windows.get(slot, ()) if one.times() != window.times()]
        everything = len(bets) == len(self._book.outcomes_of(slot))
        for count in dict.fromkeys(bets.values()):
            outcomes = tuple(sorted(outcome for outcome in bets if bets[outcome] == count))
            if everything and len(outcomes) == len(bets):
                outcomes = ()
            left.append(window._replace(bets=count, outcomes=outcomes))
        return sorted(left, key=Window.order)

    # --- state as a document ----------------------------------------------------------------------

    def dump(self, *, with_outcomes: bool) -> list[dict[str, Any]]:
        """Return the windows in canonical form: markets in order of creation, times rising."""
        numbers = self._book.markets["market_no"]
        items: list[dict[str, Any]] = []
        for slot, windows in sorted(self._windows.items()):
            for window in windows:
                item = {"market_no": int(numbers[slot]), **window._asdict()}
                item["outcomes"] = list(window.outcomes)
                if not with_outcomes:
                    del item["outcomes"]
                items.append(item)
        return items

    def load(self, items: Sequence[Any], slots: dict[int, int], *, with_outcomes: bool) -> None:
        """Read what `dump` returned; a ValueError names the field that does not fit."""
        last: tuple[Any, ...] = (-1,)
        fields = Window._fields if with_outcomes else Window._fields[:-1]
        for item in items:
            reader = Reader(item, name="windows")
            reader.only("market_no", *fields)
            slot = slot_of(reader, slots)
            outcomes = tuple(reader.items("outcomes")) if with_outcomes else ()
            if not are_outcomes(outcomes, int(self._book.markets[slot]["outcomes"])):
                raise reader.fail("outcomes", "outcomes of the market, rising, not all of them")
            window = Window(
                _time_or_none(reader, "from_ns"),
                _time_or_none(reader, "until_ns"),
                reader.integer("bets", low=0, high=self._book.bets_len),
                outcomes,
            )
            begin, end = window.times()
            if (slot, window.order()) <= last or end <= begin:
                raise reader.fail("from_ns", "out of order, given twice, or not before until_ns")
            last = (slot, window.order())
            if self.is_full(slot, window):
                raise reader.fail("market_no", f"more than {CANCEL_WINDOWS_MAX} of one market")
            windows = self._windows.setdefault(slot, [])
            bets = self._bets_by_outcome(slot, window.times())
            covered = self._outcomes(slot, window)
            if any(outcome in bets for outcome in covered) or window.bets in bets.values():
                raise reader.fail("outcomes", "of two windows of the same times, or to be one")
            windows.append(window)

    def dump_final(self) -> list[list[int]]:
        """Return of each market with final windows its number and those of their bets' records."""
        numbers = self._book.markets["market_no"]
        return [
            [int(numbers[slot]), *final.tolist()] for slot, final in sorted(self._final.items())
        ]

    def load_final(self, items: Sequence[Any], slots: dict[int, int]) -> None:
        """Read what `dump_final` returned; a ValueError names what does not fit."""
        last = -1
        for item in items:
            if not isinstance(item, list | tuple) or not all(type(each) is int for each in item):
                raise ValueError("final: not a list of integers")
            slot = slots.get(item[0] if item else -1, -1)
            if slot <= last:
                raise ValueError("final: market_no: no such market, or out of order")
            last = slot
            final, numbers = list(item[1:]), bets_of(self._book, slot)
            if not final or final != sorted(set(final)) or not set(final) <= set(numbers.tolist()):
                raise ValueError("final: not accepted bets of the market, rising")
            self._final[slot] = np.array(final, np.int32)

    def check(self) -> None:
        """Assert that loading the dumps gives the same windows."""
        numbers = self._book.markets["market_no"][: self._book.markets_len].tolist()
        loaded = CancelWindows(self._book)
        slots = {number: slot for slot, number in enumerate(numbers)}
        loaded.load(self.dump(with_outcomes=True), slots, with_outcomes=True)
        loaded.load_final(self.dump_final(), slots)
        assert loaded._windows == {slot: each for slot, each in self._windows.items() if each}
        assert loaded.dump_final() == self.dump_final()


def no_room() -> Refused:
    """Return the refusal of a window past the bound, under the first rules."""
    message = f"windows of {CANCEL_WINDOWS_MAX} times a market at most"
    return Refused(reason=Reason.CAPACITY, field="from_ns", message=message)


def are_outcomes(outcomes: Sequence[Any], outcomes_len: int) -> bool:
    """Return whether these are some outcomes of a market, but not all, rising."""
    assert outcomes_len <= OUTCOMES_MAX
    if not all(type(outcome) is int and 0 <= outcome < outcomes_len for outcome in outcomes):
        return False
    return list(outcomes) == sorted(set(outcomes)) and len(outcomes) < max(outcomes_len, 1)


def slot_of(reader: Reader, slots: dict[int, int]) -> int:
    """Return the slot of the market that a dump's item names."""
    number = reader.integer("market_no", low=0, high=(1 << 32) - 1)
    if number not in slots:
        raise reader.fail("market_no", f"no market {number}")
    return slots[number]


def _time_or_none(reader: Reader, field: str) -> Nanos | None:
    value = reader.integer_or_none(field, low=0, high=TIME_NS_MAX)
    return None if value is None else Nanos(value)
