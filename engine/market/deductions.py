"""Deductions from winning bets of settled markets, by the time of the bet.

Owns the deductions that stand beside a market's results, the withdrawals of its outcomes, and the
deductions that these make where a settlement gives none. Never works out a payout.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UnsetType

from engine.common.commands import (
    DEDUCTIONS_MAX,
    TIME_NS_MAX,
    Deduction,
    OutcomeResult,
    SettleMarket,
)
from engine.common.ids import MARKET_NO_MAX
from engine.common.state_hash import Reader
from engine.common.units import Nanos
from engine.common.withdrawals import DEDUCTION_MILLI_MAX, Withdrawal
from engine.market.book import Book
from engine.market.cancel_windows import slot_of

_FIELDS = ("market_no", "outcome", "until_ns", "deduct_milli")


def accumulated(withdrawals: Iterable[Withdrawal]) -> tuple[Deduction, ...]:
    """Return the deductions from winners that withdrawals make, by rising time.

    A bet's deduction is the sum over the outcomes withdrawn after it was placed, at most
    `DEDUCTION_MILLI_MAX`. Past `DEDUCTIONS_MAX` different ones the smallest are left out.
    """
    total = 0
    by_time: dict[Nanos, int] = {}
    for withdrawal in sorted(withdrawals, key=lambda each: each.until_ns, reverse=True):
        total += withdrawal.deduct_milli
        by_time[withdrawal.until_ns] = min(total, DEDUCTION_MILLI_MAX)
    latest: dict[int, Nanos] = {}
    for at_ns, deducted in by_time.items():
        latest.setdefault(deducted, at_ns)
    rows = [
        Deduction(until_ns=at_ns, keep_milli=1_000 - deducted)
        for deducted, at_ns in reversed(latest.items())
        if deducted > 0
    ]
    return tuple(rows[:DEDUCTIONS_MAX])


class Deducted(NamedTuple):
    """A market's deductions by rising time, and the last withdrawal of each outcome."""

    rows: tuple[Deduction, ...]
    withdrawn: Mapping[int, Withdrawal]


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
        self._withdrawn: dict[int, dict[int, Withdrawal]] = {}

    def fork(self, book: Book) -> "Deductions":
        """Return a copy over a copy of the book."""
        twin = Deductions(book)
        twin._deductions, twin._withdrawn = dict(self._deductions), dict(self._withdrawn)
        return twin

    def of(self, slot: int) -> tuple[Deduction, ...]:
        """Return a market's deductions by rising time."""
        return self._deductions.get(slot, ())

    def slots(self) -> list[int]:
        """Return the markets that have deductions."""
        return list(self._deductions)

    def set(self, slot: int, deducted: Deducted) -> None:
        """Set a market's deductions, and its withdrawals by rising outcome."""
        self._deductions.pop(slot, None)
        if deducted.rows:
            self._deductions[slot] = deducted.rows
        if deducted.withdrawn:
            self._withdrawn[slot] = dict(deducted.withdrawn)

    # --- withdrawals ------------------------------------------------------------------------------

    def withdrawn(self, slot: int) -> Mapping[int, Withdrawal]:
        """Return the last withdrawal of each of a market's outcomes that was ever withdrawn."""
        return self._withdrawn.get(slot, {})

    def stand(self, slot: int) -> Deducted:
        """Return what stands for a market."""
        return Deducted(self.of(slot), self.withdrawn(slot))

    def settled(
        self,
        slot: int,
        command: SettleMarket,
        *,
        before: Mapping[int, OutcomeResult],
        after: Mapping[int, OutcomeResult],
    ) -> Deducted:
        """Return what stands for a market once a settlement has changed its results.

        A settlement of single outcomes leaves deductions that were given as they are.
        """
        withdrawn = self.withdrawn(slot)
        if not isinstance(command.withdrawals, UnsetType):
            named = {each.outcome: each for each in command.withdrawals}
            withdrawn = dict(sorted({**withdrawn, **named}.items()))
        rows = command.deductions or _made_of(withdrawn, after)
        if not isinstance(command.outcomes, UnsetType) and self._given(slot, before):
            rows = self.of(slot)
        return Deducted(rows, withdrawn)

    def rolled_back(
        self,
        slot: int,
        *,
        before: Mapping[int, OutcomeResult],
        after: Mapping[int, OutcomeResult],
    ) -> Deducted:
        """Return what stands for a market once some or all of its results were rolled back."""
        withdrawn = self.withdrawn(slot)
        if after and self._given(slot, before):
            return Deducted(self.of(slot), withdrawn)
        return Deducted(_made_of(withdrawn, after), withdrawn)

    def _given(self, slot: int, results: Mapping[int, OutcomeResult]) -> bool:
        """Say whether a settlement gave the deductions that stand beside some results."""
        return self.of(slot) != _made_of(self.withdrawn(slot), results)

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

    def dump_withdrawn(self) -> list[list[int]]:
        """Return the withdrawals in canonical form: in order of creation, outcomes rising."""
        numbers = self._book.markets["market_no"]
        return [
            [int(numbers[slot]), outcome, each.until_ns, each.deduct_milli]
            for slot, withdrawn in sorted(self._withdrawn.items())
            for outcome, each in withdrawn.items()
        ]

    def load_withdrawn(self, items: Sequence[Any], slots: dict[int, int]) -> None:
        """Read what `dump_withdrawn` returned; a ValueError names the field that does not fit."""
        last = (-1, -1)
        for item in items:
            if not isinstance(item, list | tuple) or len(item) != len(_FIELDS):
                raise ValueError("withdrawn: not a list of four figures")
            reader = Reader(dict(zip(_FIELDS, item, strict=True)), name="withdrawn")
            number = reader.integer("market_no", low=0, high=MARKET_NO_MAX)
            if number not in slots:
                raise reader.fail("market_no", f"no market {number}")
            slot = slots[number]
            high = int(self._book.markets[slot]["outcomes"]) - 1
            withdrawal = Withdrawal(
                outcome=reader.integer("outcome", low=0, high=high),
                until_ns=Nanos(reader.integer("until_ns", low=0, high=TIME_NS_MAX)),
                deduct_milli=reader.integer("deduct_milli", low=0, high=DEDUCTION_MILLI_MAX),
            )
            if (slot, withdrawal.outcome) <= last:
                raise reader.fail("outcome", "out of order")
            last = (slot, withdrawal.outcome)
            self._withdrawn.setdefault(slot, {})[withdrawal.outcome] = withdrawal

    def check(self) -> None:
        """Assert that loading the dumps gives the same deductions and withdrawals."""
        numbers = self._book.markets["market_no"][: self._book.markets_len].tolist()
        slots = {number: slot for slot, number in enumerate(numbers)}
        loaded = Deductions(self._book)
        loaded.load(self.dump(), slots)
        loaded.load_withdrawn(self.dump_withdrawn(), slots)
        assert loaded._deductions == self._deductions
        assert loaded._withdrawn == self._withdrawn


def _made_of(
    withdrawn: Mapping[int, Withdrawal], results: Mapping[int, OutcomeResult]
) -> tuple[Deduction, ...]:
    """Return the deductions that the withdrawals of void outcomes make."""
    if not withdrawn:
        return ()
    void = (at for at, result in results.items() if result.void_halves == 2)
    return accumulated(withdrawn[at] for at in void if at in withdrawn)
