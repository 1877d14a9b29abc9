"""Resolution of a market's bets: which are refunded, settled or open, and each change of that.

Owns the windows of cancelled bets, the deductions, and the five commands that resolve bets. A bet's
resolution is a pure function of what stands: it is refunded while a window covers it or the market
is CANCELLED; otherwise it is settled while results stand; otherwise it is open. Every change is a
SETTLEMENT row with a higher settlement number; `BetResult.NONE` on a row opens the bet again.

The book's figures follow in the same step: a refunded bet leaves stakes, payouts and liability, and
a roll-back brings it back. Never knows whether a trader or a feed gave a command.

Bounds: a market has at most `CANCEL_WINDOWS_MAX` windows; CAPACITY refuses another.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.common.commands import (
    CANCEL_WINDOWS_MAX,
    DEDUCTIONS_MAX,
    TIME_NS_MAX,
    CancelBets,
    CancelMarket,
    Deduction,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.events import (
    BetsCancelled,
    CancelRolledBack,
    FeedStepEvent,
    MarketCancelled,
    MarketSettled,
    Refused,
    SettlementRolledBack,
)
from engine.common.ids import MARKET_NO_MAX
from engine.common.lifecycle import Action, Status, next_status
from engine.common.reasons import Reason
from engine.common.rows import I32s, Rows, U8s
from engine.common.rules import RULES_FIRST
from engine.common.state_hash import Reader
from engine.common.units import Minor, Nanos
from engine.market.book import MARKET_RESULTS, Book
from engine.market.command_checks import deductions_fault, not_allowed, results_fault, window_fault
from engine.market.figures import Figures, count, write_figures
from engine.market.outbox import ROWS_PER_BET_MAX, Outbox
from engine.market.settlement import (
    bets_of,
    canonical_result,
    check_figure,
    erase_results,
    results_of,
    settle_bets,
    write_results,
)

Bools = npt.NDArray[np.bool_]
ResolvingCommand = SettleMarket | CancelMarket | CancelBets | RollBackCancel | RollBackSettlement
"""The commands that resolve bets."""


class Window(NamedTuple):
    """A cancelled window: bets placed from one time up to another, and accepted before it."""

    from_ns: Nanos | None
    until_ns: Nanos | None
    bets: int
    """The number of records when the window was cancelled: it covers no later record."""

    def order(self) -> tuple[int, int]:
        """Return the sort key of windows, equal for equal times."""
        until = TIME_NS_MAX + 1 if self.until_ns is None else self.until_ns
        return (-1 if self.from_ns is None else self.from_ns, until)


class _Sent(NamedTuple):
    settlement_no: int
    bets: int
    payout_minor: Minor


class _Standing(NamedTuple):
    numbers: I32s
    refunded: U8s
    """For each bet, 1 when its stake is refunded."""
    rows: Rows
    """For each bet, the SETTLEMENT row of what stands."""


class Resolutions:
    """Resolve the bets of every market.

    Parameters
    ----------
    book : Book
        Receives results, statuses and settlement numbers.
    outbox : Outbox
        Receives the SETTLEMENT rows.
    rules : int
        Version of the rules. Under the first rules refunded bets stay in the book's figures.
    """

    def __init__(self, book: Book, outbox: Outbox, *, rules: int) -> None:
        self._book = book
        self._outbox = outbox
        self._rules = rules
        self._windows: dict[int, list[Window]] = {}
        self._deductions: dict[int, tuple[Deduction, ...]] = {}

    def apply(self, command: ResolvingCommand, slot: int, at_ns: Nanos) -> FeedStepEvent:
        """Apply a command that resolves bets, or refuse it and change nothing."""
        if isinstance(command, SettleMarket):
            return self._settle(command, slot, at_ns)
        if isinstance(command, CancelMarket):
            return self._cancel(command, slot, at_ns)
        if isinstance(command, CancelBets):
            return self._cancel_bets(command, slot)
        if isinstance(command, RollBackCancel):
            return self._roll_back_cancel(command, slot, at_ns)
        return self._roll_back_settlement(command, slot, at_ns)

    def _settle(self, command: SettleMarket, slot: int, at_ns: Nanos) -> FeedStepEvent:
        book = self._book
        before = book.status(slot)
        after = next_status(before, Action.SETTLE)
        if after is None:
            return not_allowed(before, Action.SETTLE)
        outcomes = len(book.outcomes_of(slot))
        refusal = results_fault(command.results, outcomes=outcomes) or deductions_fault(
            command.deductions
        )
        if refusal is not None:
            return refusal
        results = tuple(canonical_result(result) for result in command.results)
        stand = (results_of(book, slot), self._deductions.get(slot, ()))
        if before == Status.SETTLED and stand == (results, command.deductions):
            return Refused(
                reason=Reason.ALREADY_SETTLED,
                field="results",
                message=f"they stand since settlement {book.markets[slot]['settlement_no']}",
            )
        numbers = bets_of(book, slot)
        refunded = self._refunded(slot, numbers)
        write_results(book, slot, results)
        self._deductions.pop(slot, None)
        if command.deductions:
            self._deductions[slot] = command.deductions
        version = book.set_status(slot, after, at_ns)
        settlement_no, bets, payout = self._send(slot, numbers, ~refunded)
        return MarketSettled(
            market_no=command.market_no,
            version=version,
            settlement_no=settlement_no,
            results=command.results,
            bets=bets,
            payout_minor=payout,
            deductions=command.deductions,
        )

    def _cancel(self, command: CancelMarket, slot: int, at_ns: Nanos) -> FeedStepEvent:
        book = self._book
        after = next_status(book.status(slot), Action.CANCEL)
        if after is None:
            return not_allowed(book.status(slot), Action.CANCEL)
        numbers = bets_of(book, slot)
        refunded = self._refunded(slot, numbers)
        version = book.set_status(slot, after, at_ns)
        settlement_no, bets, payout = self._send(slot, numbers, ~refunded)
        return MarketCancelled(
            market_no=command.market_no,
            version=version,
            settlement_no=settlement_no,
            bets=bets,
            payout_minor=payout,
            why=command.why,
        )

    def _cancel_bets(self, command: CancelBets, slot: int) -> FeedStepEvent:
        refusal = window_fault(command)
        if refusal is not None:
            return refusal
        windows = self._windows.get(slot, [])
        window = Window(command.from_ns, command.until_ns, self._book.bets_len)
        place = bisect_left(windows, window.order(), key=Window.order)
        if _is_at(windows, place, window):
            message = f"it stands, for the first {windows[place].bets} decisions of the shell"
            return Refused(reason=Reason.WINDOW_KNOWN, field="from_ns", message=message)
        if len(windows) == CANCEL_WINDOWS_MAX:
            message = f"{CANCEL_WINDOWS_MAX} windows a market at most"
            return Refused(reason=Reason.CAPACITY, field="from_ns", message=message)
        numbers = bets_of(self._book, slot)
        before = self._refunded(slot, numbers)
        self._windows[slot] = [*windows[:place], window, *windows[place:]]
        changed = before != self._refunded(slot, numbers)
        settlement_no, bets, payout = self._send(slot, numbers, changed)
        return BetsCancelled(
            market_no=command.market_no,
            version=self._book.version(slot),
            settlement_no=settlement_no,
            from_ns=command.from_ns,
            until_ns=command.until_ns,
            bets=bets,
            payout_minor=payout,
            why=command.why,
        )

    def _roll_back_cancel(self, command: RollBackCancel, slot: int, at_ns: Nanos) -> FeedStepEvent:
        book = self._book
        windows = self._windows.get(slot, [])
        window = Window(command.from_ns, command.until_ns, 0)
        place = bisect_left(windows, window.order(), key=Window.order)
        known = _is_at(windows, place, window)
        action = Action.REINSTATE if book.has_flag(slot, MARKET_RESULTS) else Action.REOPEN
        without_times = command.from_ns is None and command.until_ns is None
        cancelled = without_times and book.status(slot) == Status.CANCELLED
        if not known and not cancelled:
            message = "none of just these times stands"
            return Refused(reason=Reason.WINDOW_UNKNOWN, field="from_ns", message=message)
        numbers = bets_of(book, slot)
        before = self._refunded(slot, numbers)
        if known:
            self._windows[slot] = windows[:place] + windows[place + 1 :]
        if cancelled:
            after = next_status(Status.CANCELLED, action)
            assert after is not None, "the life-cycle table has it"
            book.set_status(slot, after, at_ns)
        changed = before != self._refunded(slot, numbers)
        settlement_no, bets, payout = self._send(slot, numbers, changed)
        return CancelRolledBack(
            market_no=command.market_no,
            version=book.version(slot),
            status=book.status(slot),
            settlement_no=settlement_no,
            from_ns=command.from_ns,
            until_ns=command.until_ns,
            bets=bets,
            payout_minor=payout,
            why=command.why,
        )

    def _roll_back_settlement(
        self, command: RollBackSettlement, slot: int, at_ns: Nanos
    ) -> FeedStepEvent:
        book = self._book
        if not book.has_flag(slot, MARKET_RESULTS):
            message = f"the market is {book.status(slot).name}"
            return Refused(reason=Reason.NOT_SETTLED, field="market_no", message=message)
        numbers = bets_of(book, slot)
        refunded = self._refunded(slot, numbers)
        erase_results(book, slot)
        self._deductions.pop(slot, None)
        # A market that was cancelled after the settlement stays CANCELLED: its bets stay refunded.
        if book.status(slot) == Status.SETTLED:
            after = next_status(Status.SETTLED, Action.REOPEN)
            assert after is not None, "the life-cycle table has it"
            book.set_status(slot, after, at_ns)
        settlement_no, bets, _ = self._send(slot, numbers, ~refunded)
        return SettlementRolledBack(
            market_no=command.market_no,
            version=book.version(slot),
            status=book.status(slot),
            settlement_no=settlement_no,
            bets=bets,
            why=command.why,
        )

    def _refunded(self, slot: int, numbers: I32s) -> Bools:
        """Return for each bet whether its stake is refunded, by the windows and the status."""
        if self._book.status(slot) == Status.CANCELLED:
            return np.ones(len(numbers), np.bool_)
        windows = self._windows.get(slot, [])
        refunded = np.zeros(len(numbers), np.bool_)
        at_ns = self._book.records["at_ns"][numbers] if windows else refunded
        for window in windows:
            covered = numbers < window.bets
            if window.from_ns is not None:
                covered &= at_ns >= window.from_ns
            if window.until_ns is not None:
                covered &= at_ns < window.until_ns
            refunded |= covered
        return refunded

    def _send(self, slot: int, numbers: I32s, changed: Bools) -> _Sent:
        """Send the resolutions of the changed bets to the outbox under the next settlement number.

        `numbers` are all bets of the market: its figures are counted again from them.
        """
        market = self._book.markets[slot]
        market["settlement_no"] += 1
        standing = self._standing(slot, numbers)
        write_figures(self._book, slot, count(self._book, slot, *standing, rules=self._rules))
        rows = standing.rows[changed]
        first_rules = self._rules == RULES_FIRST
        rows_max = None if first_rules else ROWS_PER_BET_MAX * self._book.bets_len
        self._outbox.append(rows, rows_max=rows_max)
        return _Sent(int(market["settlement_no"]), len(rows), check_figure(rows))

    def present(self, slot: int) -> Rows:
        """Return what now stands for each accepted bet of a market, as SETTLEMENT rows."""
        return self._standing(slot, bets_of(self._book, slot)).rows

    def _standing(self, slot: int, numbers: I32s) -> _Standing:
        """Return what now stands for the bets of a market."""
        refunded = self._refunded(slot, numbers).astype(np.uint8)
        deductions = self._deductions.get(slot, ())
        rows = settle_bets(self._book, slot, numbers, refunded=refunded, deductions=deductions)
        return _Standing(numbers, refunded, rows)

    # --- figures ----------------------------------------------------------------------------------

    def count(self, slot: int) -> Figures:
        """Count a market's figures again from its bets and from what stands."""
        standing = self._standing(slot, bets_of(self._book, slot))
        return count(self._book, slot, *standing, rules=self._rules)

    def count_resolved(self) -> dict[int, Figures]:
        """Count the figures of each market of which bets may be refunded or settled, by slot."""
        markets = self._book.markets[: self._book.markets_len]
        cancelled = markets["status"] == Status.CANCELLED
        resolved = cancelled | (markets["flags"] & MARKET_RESULTS > 0)
        resolved[[slot for slot, windows in self._windows.items() if windows]] = True
        return {slot: self.count(slot) for slot in np.flatnonzero(resolved).tolist()}

    def set_rules(self, rules: int) -> None:
        """Follow other rules from now on: every market's figures are counted again by them."""
        if rules == self._rules:
            return
        self._rules = rules
        for slot in range(self._book.markets_len):
            write_figures(self._book, slot, self.count(slot))

    # --- state as a document ----------------------------------------------------------------------

    def windows_of(self, slot: int) -> int:
        """Return how many windows of cancelled bets a market has."""
        return len(self._windows.get(slot, ()))

    def dump_windows(self) -> list[dict[str, Any]]:
        """Return the windows in canonical form: markets in order of creation, times rising."""
        numbers = self._book.markets["market_no"]
        return [
            {"market_no": int(numbers[slot]), **window._asdict()}
            for slot, windows in sorted(self._windows.items())
            for window in windows
        ]

    def dump_deductions(self) -> list[dict[str, Any]]:
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

    def load(self, *, windows: Sequence[Any], deductions: Sequence[Any]) -> None:
        """Read what the two dumps returned; a ValueError names the field that does not fit."""
        numbers = self._book.markets["market_no"][: self._book.markets_len].tolist()
        slots = {number: slot for slot, number in enumerate(numbers)}
        self._load_windows(windows, slots)
        self._load_deductions(deductions, slots)

    def _load_windows(self, windows: Sequence[Any], slots: dict[int, int]) -> None:
        last: tuple[int, ...] = (-1,)
        for item in windows:
            reader = Reader(item, name="windows")
            reader.only("market_no", *Window._fields)
            slot = _slot(reader, slots)
            window = Window(
                _time_or_none(reader, "from_ns"),
                _time_or_none(reader, "until_ns"),
                reader.integer("bets", low=0, high=self._book.bets_len),
            )
            begin, end = window.order()
            if (slot, begin, end) <= last or end <= begin:
                raise reader.fail("from_ns", "out of order, given twice, or not before until_ns")
            last = (slot, begin, end)
            self._windows.setdefault(slot, []).append(window)
            if len(self._windows[slot]) > CANCEL_WINDOWS_MAX:
                raise reader.fail("market_no", f"more than {CANCEL_WINDOWS_MAX} of one market")

    def _load_deductions(self, deductions: Sequence[Any], slots: dict[int, int]) -> None:
        last: tuple[int, ...] = (-1,)
        for item in deductions:
            reader = Reader(item, name="deductions")
            reader.only("market_no", "until_ns", "keep_milli", "of_price")
            slot = _slot(reader, slots)
            deduction = Deduction(
                until_ns=Nanos(reader.integer("until_ns", low=0, high=TIME_NS_MAX)),
                keep_milli=reader.integer("keep_milli", low=0, high=1_000),
                of_price=reader.boolean("of_price"),
            )
            if (slot, deduction.until_ns) <= last:
                raise reader.fail("until_ns", "out of order")
            if not self._book.has_flag(slot, MARKET_RESULTS):
                raise reader.fail("market_no", "no results stand")
            last = (slot, deduction.until_ns)
            self._deductions[slot] = (*self._deductions.get(slot, ()), deduction)
            if len(self._deductions[slot]) > DEDUCTIONS_MAX:
                raise reader.fail("market_no", f"more than {DEDUCTIONS_MAX} of one market")

    def check(self) -> None:
        """Assert that loading the dumps gives the same windows and deductions."""
        loaded = Resolutions(self._book, self._outbox, rules=self._rules)
        loaded.load(windows=self.dump_windows(), deductions=self.dump_deductions())
        assert loaded._deductions == self._deductions
        assert loaded._windows == {slot: each for slot, each in self._windows.items() if each}


def _is_at(windows: list[Window], place: int, window: Window) -> bool:
    return place < len(windows) and windows[place].order() == window.order()


def _time_or_none(reader: Reader, field: str) -> Nanos | None:
    value = reader.integer_or_none(field, low=0, high=TIME_NS_MAX)
    return None if value is None else Nanos(value)


def _slot(reader: Reader, slots: dict[int, int]) -> int:
    number = reader.integer("market_no", low=0, high=MARKET_NO_MAX)
    if number not in slots:
        raise reader.fail("market_no", f"no market {number}")
    return slots[number]
