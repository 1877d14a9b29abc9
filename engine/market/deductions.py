"""Deductions from winning bets of settled markets, by the time of the bet.

Owns the deductions that stand beside a market's results. Never works out a payout.
"""

from collections.abc import Sequence
from typing import Any

from engine.common.commands import DEDUCTIONS_MAX, TIME_NS_MAX, Deduction
from engine.common.state_hash import Reader
from engine.common.units import Nanos
from engine.market.book import Book
from engine.market.cancel_windows import slot_of


class Deductions:
    """The deductions of the markets that have some.

    Parameters
    ----------
    book : Book
        Read only.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._deductions: dict[int, tuple[Deduction, ...]] = {}

    def of(self, slot: int) -> tuple[Deduction, ...]:
        """Return a market's deductions by rising time."""
        return self._deductions.get(slot, ())

    def slots(self) -> list[int]:
        """Return the markets that have deductions."""
        return list(self._deductions)

    def set(self, slot: int, deductions: tuple[Deduction, ...]) -> None:
        """Set a market's deductions."""
        self._deductions.pop(slot, None)
        if deductions:
            self._deductions[slot] = deductions

    # --- state as a document ----------------------------------------------------------------------

    def dump(self) -> list[dict[str, Any]]:
        """Return the deductions in canonical form: markets in order of creation, times rising."""
        numbers = self._book.markets["market_no"]
        return [
            {
                "market_no": int(numbers[slot]),
                "until_ns": deduction.until_ns,
                "keep_milli": deduction.keep_milli,
                "of_price": deduction.of_price,
            }
            for slot, deductions in sorted(self._deductions.items())
            for deduction in deductions
        ]

    def load(self, items: Sequence[Any], slots: dict[int, int]) -> None:
        """Read what `dump` returned; a ValueError names the field that does not fit."""
        last: tuple[int, ...] = (-1,)
        for item in items:
            reader = Reader(item, name="deductions")
            reader.only("market_no", "until_ns", "keep_milli", "of_price")
            slot = slot_of(reader, slots)
            deduction = Deduction(
                until_ns=Nanos(reader.integer("until_ns", low=0, high=TIME_NS_MAX)),
                keep_milli=reader.integer("keep_milli", low=0, high=1_000),
                of_price=reader.boolean("of_price"),
            )
            if (slot, deduction.until_ns) <= last:
                raise reader.fail("until_ns", "out of order")
            last = (slot, deduction.until_ns)
            self._deductions[slot] = (*self.of(slot), deduction)
            if len(self._deductions[slot]) > DEDUCTIONS_MAX:
                raise reader.fail("market_no", f"more than {DEDUCTIONS_MAX} of one market")

    def check(self) -> None:
        """Assert that loading the dump gives the same deductions."""
        numbers = self._book.markets["market_no"][: self._book.markets_len].tolist()
        loaded = Deductions(self._book)
        loaded.load(self.dump(), {number: slot for slot, number in enumerate(numbers)})
        assert loaded._deductions == self._deductions
