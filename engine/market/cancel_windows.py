"""The windows of cancelled bets of all markets: which bets they refund, and their roll-back.

Owns the windows. A window has two ends in time, and concerns all outcomes of its market or some of
them; windows may overlap. Never sends a settlement.

Bounds: a market has at most `CANCEL_WINDOWS_MAX` windows.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.common.commands import CANCEL_WINDOWS_MAX, TIME_NS_MAX
from engine.common.rows import I32s
from engine.common.state_hash import Reader
from engine.common.units import OUTCOMES_MAX, Nanos
from engine.market.book import Book

Bools = npt.NDArray[np.bool_]


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

    def count(self, slot: int) -> int:
        """Return how many windows a market has."""
        return len(self._windows.get(slot, ()))

    def slots(self) -> list[int]:
        """Return the markets that have windows."""
        return [slot for slot, windows in self._windows.items() if windows]

    def find(self, slot: int, window: Window) -> Window | None:
        """Return the market's window of the same times and outcomes."""
        order = window.order()
        return next((one for one in self._windows.get(slot, ()) if one.order() == order), None)

    def put(self, slot: int, window: Window) -> None:
        """Add a window that the market has room for, in place of one of the same order."""
        others = [one for one in self._windows.get(slot, ()) if one.order() != window.order()]
        assert len(others) < CANCEL_WINDOWS_MAX
        self._windows[slot] = sorted([*others, window], key=Window.order)

    def roll_back(self, slot: int, window: Window, *, outcomes_len: int) -> list[Window] | None:
        """Return a market's windows without those of the same times, or None if nothing changes.

        Where `window` names outcomes, windows of the same times keep the others.
        """
        windows = self._windows.get(slot, [])
        left: dict[Any, Window] = {}
        for one in windows:
            kept = one if one.times() != window.times() else _without(one, window, outcomes_len)
            if kept is not None:
                known = left.get(kept.order())
                bets = kept.bets if known is None else max(kept.bets, known.bets)
                left[kept.order()] = kept._replace(bets=bets)
        after = [left[order] for order in sorted(left)]
        return None if after == windows else after

    def replace(self, slot: int, windows: list[Window]) -> None:
        """Set a market's windows."""
        self._windows[slot] = windows

    def refunded(self, slot: int, numbers: I32s) -> Bools:
        """Return for each bet of a market whether a window refunds it."""
        windows = self._windows.get(slot, [])
        refunded = np.zeros(len(numbers), np.bool_)
        at_ns = self._book.records["at_ns"][numbers] if windows else refunded
        for window in windows:
            covered = numbers < window.bets
            if window.from_ns is not None:
                covered &= at_ns >= window.from_ns
            if window.until_ns is not None:
                covered &= at_ns < window.until_ns
            if window.outcomes:
                covered &= np.isin(self._book.records["outcome"][numbers], window.outcomes)
            refunded |= covered
        return refunded

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
            self._windows.setdefault(slot, []).append(window)
            if len(self._windows[slot]) > CANCEL_WINDOWS_MAX:
                raise reader.fail("market_no", f"more than {CANCEL_WINDOWS_MAX} of one market")

    def check(self) -> None:
        """Assert that loading the dump gives the same windows."""
        numbers = self._book.markets["market_no"][: self._book.markets_len].tolist()
        loaded = CancelWindows(self._book)
        slots = {number: slot for slot, number in enumerate(numbers)}
        loaded.load(self.dump(with_outcomes=True), slots, with_outcomes=True)
        assert loaded._windows == {slot: each for slot, each in self._windows.items() if each}


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


def _without(window: Window, rolled_back: Window, outcomes_len: int) -> Window | None:
    """Return what is left of a window whose cancellation is rolled back; None: nothing."""
    if not rolled_back.outcomes:
        return None
    covered = window.outcomes or tuple(range(outcomes_len))
    left = tuple(outcome for outcome in covered if outcome not in rolled_back.outcomes)
    if len(left) == outcomes_len:
        return window
    return window._replace(outcomes=left) if left else None


def _time_or_none(reader: Reader, field: str) -> Nanos | None:
    value = reader.integer_or_none(field, low=0, high=TIME_NS_MAX)
    return None if value is None else Nanos(value)
