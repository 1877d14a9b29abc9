"""Resolution of a market's bets: which are refunded, settled or open, and each change of that.

Owns the windows of cancelled bets, the deductions, and the commands that resolve bets. A bet's
resolution is a pure function of what stands: it is refunded while a window covers it, a correction
voids it or the market is CANCELLED; otherwise it is settled while its outcome has a result, at its
corrected odds if it has some; otherwise it is open. Every change is a SETTLEMENT row with a higher
settlement number; `BetResult.NONE` on a row opens the bet again.

The book's figures follow in the same step: a refunded bet leaves stakes, payouts and liability, and
a roll-back brings it back. Never knows whether a trader or a feed gave a command.

Bounds: those of the windows (see engine.market.cancel_windows). Under the first rules CAPACITY
refuses a window past them, and WINDOW_KNOWN any window whose times are cancelled already.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import UnsetType

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.corrections import CorrectionCommand
from engine.common.early import EarlyCommand
from engine.common.events import (
    BetsCancelled,
    CancelRolledBack,
    FeedStepEvent,
    MarketCancelled,
    MarketSettled,
    OutcomesSettled,
    Refused,
    SettlementRolledBack,
)
from engine.common.lifecycle import Action, Status, next_status
from engine.common.reasons import Reason
from engine.common.rows import FLAG_CORRECTED, BetResult, Bools, I32s, Rows
from engine.common.rules import RULES_FIRST
from engine.common.units import Nanos
from engine.market.book import MARKET_RESULTS, Book
from engine.market.cancel_windows import CancelWindows, Resolved, Window, no_room
from engine.market.command_checks import (
    not_allowed,
    outcomes_fault,
    settlement_fault,
    window_fault,
)
from engine.market.corrections import CorrectionEvent, Corrections
from engine.market.deductions import Deductions
from engine.market.early_payouts import EarlyPayouts
from engine.market.figures import Figures, count, write_figures
from engine.market.outbox import ROWS_PER_BET_MAX, Outbox
from engine.market.partial_results import PartialResults
from engine.market.settlement import (
    Sent,
    Standing,
    bets_of,
    check_figure,
    settle_bets,
)

ResolvingCommand = (
    SettleMarket | CancelMarket | CancelBets | RollBackCancel | RollBackSettlement | EarlyCommand
)
"""The commands that resolve bets."""


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
        self._windows = CancelWindows(book)
        self._partial = PartialResults(book)
        self._deductions = Deductions(book)
        self._early = EarlyPayouts(book)
        self._corrections = Corrections(book)

    @property
    def rules(self) -> int:
        """Version of the rules that count the figures."""
        return self._rules

    @property
    def book(self) -> Book:
        """The book that the commands change."""
        return self._book

    def fork(self) -> "Resolutions":
        """Return a copy with a copy of the book and an empty outbox, for commands to be tried on.

        It shares the bets, which no command changes; it must be dropped before any bet is placed.
        """
        twin = Resolutions(self._book.fork(), Outbox(), rules=self._rules)
        twin._windows = self._windows.fork(twin._book)
        twin._partial = self._partial.fork(twin._book)
        twin._deductions = self._deductions.fork(twin._book)
        twin._early = self._early.fork(twin._book)
        twin._corrections = self._corrections.fork(twin._book)
        return twin

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
        if isinstance(command, EarlyCommand):
            return self._early.apply(command, slot, at_ns, refunded=self._refunded, send=self._send)
        return self._roll_back_settlement(command, slot, at_ns)

    def correct(self, command: CorrectionCommand, slot: int) -> CorrectionEvent:
        """Apply a command that corrects bets, or refuse it and change nothing."""
        return self._corrections.apply(command, slot, standing=self.standing, send=self._send)

    def corrected_milli(self, numbers: I32s) -> I32s:
        """Return the odds of bets' corrections (see `Corrections.corrected_milli`)."""
        return self._corrections.corrected_milli(numbers)

    def _settle(self, command: SettleMarket, slot: int, at_ns: Nanos) -> FeedStepEvent:
        book = self._book
        before = book.status(slot)
        after = next_status(before, Action.SETTLE)
        if after is None:
            return not_allowed(before, Action.SETTLE)
        refusal = settlement_fault(command, outcomes=len(book.outcomes_of(slot)))
        if refusal is not None:
            return refusal
        results, stand = self._partial.settled(slot, command), self._partial.standing(slot)
        deducted = self._deductions.stand(slot)
        deductions = self._deductions.settled(slot, command, before=stand, after=results)
        if (stand, deducted) == (results, deductions):
            return Refused(
                reason=Reason.ALREADY_SETTLED,
                field="results",
                message=f"they stand since settlement {book.markets[slot]['settlement_no']}",
            )
        numbers = bets_of(book, slot)
        resettled = ~self._refunded(slot, numbers)
        self._partial.replace(slot, results)
        self._deductions.set(slot, deductions)
        named = () if isinstance(command.outcomes, UnsetType) else command.outcomes
        if named:
            changed = named if deductions.rows == deducted.rows else tuple(results)
            resettled &= np.isin(book.records["outcome"][numbers], changed)
        if len(results) == len(book.outcomes_of(slot)):
            version = book.set_status(slot, after, at_ns)
        else:
            version = book.raise_version(slot)
        settlement_no, bets, check = self._send(slot, numbers, resettled)
        if named:
            return OutcomesSettled(
                market_no=command.market_no,
                version=version,
                status=book.status(slot),
                settlement_no=settlement_no,
                outcomes=named,
                results=command.results,
                bets=bets,
                payouts_check=check,
            )
        return MarketSettled(
            market_no=command.market_no,
            version=version,
            settlement_no=settlement_no,
            results=command.results,
            bets=bets,
            payouts_check=check,
            deductions=deductions.rows,
        )

    def _cancel(self, command: CancelMarket, slot: int, at_ns: Nanos) -> FeedStepEvent:
        book = self._book
        after = next_status(book.status(slot), Action.CANCEL)
        if after is None:
            return not_allowed(book.status(slot), Action.CANCEL)
        numbers = bets_of(book, slot)
        refunded = self._refunded(slot, numbers)
        version = book.set_status(slot, after, at_ns)
        settlement_no, bets, check = self._send(slot, numbers, ~refunded)
        return MarketCancelled(
            market_no=command.market_no,
            version=version,
            settlement_no=settlement_no,
            bets=bets,
            payouts_check=check,
            why=command.why,
        )

    def _cancel_bets(self, command: CancelBets, slot: int) -> FeedStepEvent:
        refusal = window_fault(command) or self._outcomes_fault(command, slot)
        if refusal is not None:
            return refusal
        numbers = bets_of(self._book, slot)
        window = self._window(command, slot)
        if not isinstance(command.accepted_before_ns, UnsetType):
            window = self._windows.bounded(window, numbers, command.accepted_before_ns)
        first = self._rules == RULES_FIRST
        if self._windows.known(slot, window, numbers[:0] if first else numbers):
            message = "it stands, and no bet was accepted in it since"
            return Refused(reason=Reason.WINDOW_KNOWN, field="from_ns", message=message)
        if first and self._windows.is_full(slot, window):
            return no_room()
        before = self._refunded(slot, numbers)
        self._windows.put(slot, window, numbers)
        changed = before != self._refunded(slot, numbers)
        settlement_no, bets, check = self._send(slot, numbers, changed)
        return BetsCancelled(
            market_no=command.market_no,
            version=self._book.version(slot),
            settlement_no=settlement_no,
            from_ns=command.from_ns,
            until_ns=command.until_ns,
            bets=bets,
            payouts_check=check,
            why=command.why,
            outcomes=_named(command),
            accepted_before_ns=command.accepted_before_ns,
        )

    def _roll_back_cancel(self, command: RollBackCancel, slot: int, at_ns: Nanos) -> FeedStepEvent:
        book = self._book
        refusal = self._outcomes_fault(command, slot)
        if refusal is not None:
            return refusal
        window, count = self._window(command, slot), len(book.outcomes_of(slot))
        left = self._windows.roll_back(slot, window)
        without_times = command.from_ns is None and command.until_ns is None
        cancelled = without_times and book.status(slot) == Status.CANCELLED
        if left is None and not cancelled:
            message = "none of just these times stands"
            return Refused(reason=Reason.WINDOW_UNKNOWN, field="from_ns", message=message)
        kept = tuple(each for each in range(count) if each not in window.outcomes)
        voided = window._replace(outcomes=kept)  # where single outcomes leave a cancelled market
        splits = cancelled and bool(window.outcomes)
        if splits and self._rules == RULES_FIRST and self._windows.is_full(slot, voided):
            return no_room()
        numbers = bets_of(book, slot)
        before = self._refunded(slot, numbers)
        if left is not None:
            self._windows.replace(slot, left)
        if cancelled:
            action = Action.REINSTATE if book.has_flag(slot, MARKET_RESULTS) else Action.REOPEN
            after = next_status(Status.CANCELLED, action)
            assert after is not None, "the life-cycle table has it"
            book.set_status(slot, after, at_ns)
            if splits:
                self._windows.put(slot, voided, numbers)
        changed = before != self._refunded(slot, numbers)
        settlement_no, bets, check = self._send(slot, numbers, changed)
        return CancelRolledBack(
            market_no=command.market_no,
            version=book.version(slot),
            status=book.status(slot),
            settlement_no=settlement_no,
            from_ns=command.from_ns,
            until_ns=command.until_ns,
            bets=bets,
            payouts_check=check,
            why=command.why,
            outcomes=_named(command),
        )

    def _window(self, command: CancelBets | RollBackCancel, slot: int) -> Window:
        """Return the window that a command names; all outcomes by name are as none."""
        outcomes = _named(command)
        if len(outcomes) == len(self._book.outcomes_of(slot)):
            outcomes = ()
        return Window(command.from_ns, command.until_ns, self._book.bets_len, outcomes)

    def _outcomes_fault(
        self, command: CancelBets | RollBackCancel | RollBackSettlement, slot: int
    ) -> Refused | None:
        return outcomes_fault(command.outcomes, outcomes=len(self._book.outcomes_of(slot)))

    def _roll_back_settlement(
        self, command: RollBackSettlement, slot: int, at_ns: Nanos
    ) -> FeedStepEvent:
        book = self._book
        refusal = self._outcomes_fault(command, slot)
        if refusal is not None:
            return refusal
        stand, named = self._partial.standing(slot), _named(command)
        left = {each: stand[each] for each in stand if named and each not in named}
        if len(left) == len(stand):
            message = f"the market is {book.status(slot).name}"
            return Refused(reason=Reason.NOT_SETTLED, field="market_no", message=message)
        numbers = bets_of(book, slot)
        deductions = self._deductions.rolled_back(slot, before=stand, after=left)
        again = deductions.rows != self._deductions.of(slot)
        changed = [each for each in stand if again or each not in left]
        reopened = ~self._refunded(slot, numbers)
        reopened &= np.isin(book.records["outcome"][numbers], changed)
        self._deductions.set(slot, deductions)
        self._partial.replace(slot, left)
        # A market that was cancelled after the settlement stays CANCELLED: its bets stay refunded.
        if book.status(slot) == Status.SETTLED:
            after = next_status(Status.SETTLED, Action.REOPEN)
            assert after is not None, "the life-cycle table has it"
            book.set_status(slot, after, at_ns)
        settlement_no, bets, _ = self._send(slot, numbers, reopened)
        return SettlementRolledBack(
            market_no=command.market_no,
            version=book.version(slot),
            status=book.status(slot),
            settlement_no=settlement_no,
            bets=bets,
            why=command.why,
            outcomes=named,
        )

    def _refunded(self, slot: int, numbers: I32s) -> Bools:
        """Return which bets are refunded: by the status, the windows and the corrections."""
        if self._book.status(slot) == Status.CANCELLED:
            return np.ones(len(numbers), np.bool_)
        return self._windows.refunded(slot, numbers) | self._corrections.of(slot, numbers).void

    def _send(self, slot: int, numbers: I32s, changed: Bools) -> Sent:
        """Send the resolutions of the changed bets to the outbox under the next settlement number.

        `numbers` are all bets of the market: its figures are counted again from them.
        """
        market = self._book.markets[slot]
        market["settlement_no"] += 1
        standing = self.standing(slot, numbers)
        write_figures(self._book, slot, count(self._book, slot, standing, rules=self._rules))
        changed = changed & ~standing.released
        rows = standing.rows if changed.all() else standing.rows[changed]
        first_rules = self._rules == RULES_FIRST
        rows_max = None if first_rules else ROWS_PER_BET_MAX * self._book.bets_len
        self._outbox.append(rows, rows_max=rows_max)
        return Sent(int(market["settlement_no"]), len(rows), check_figure(rows))

    def present(self, slot: int) -> Rows:
        """Return what now stands for each accepted bet of a market, as SETTLEMENT rows."""
        return self.standing(slot, bets_of(self._book, slot)).rows

    def standing(self, slot: int, numbers: I32s) -> Standing:
        """Return what now stands for some bets of a market, given by their records' numbers."""
        effect = self._corrections.of(slot, numbers)
        standing = settle_bets(
            self._book,
            slot,
            numbers,
            odds_milli=effect.odds_milli,
            refunded=self._refunded(slot, numbers),
            deductions=self._deductions.of(slot),
            partial=self._partial.of(slot),
        )
        at_odds = np.isin(standing.rows["result"], (BetResult.WON, BetResult.HALF_WON))
        standing.rows["flags"] = np.where(effect.corrected & at_odds, FLAG_CORRECTED, 0)
        self._early.write(numbers, standing.rows)
        return standing

    # --- figures ----------------------------------------------------------------------------------

    def count(self, slot: int, standing: Standing | None = None) -> Figures:
        """Count a market's figures again from what stands for its bets, or for some of them."""
        if standing is None:
            standing = self.standing(slot, bets_of(self._book, slot))
        return count(self._book, slot, standing, rules=self._rules)

    def resolved(self) -> Bools:
        """Return for each market by slot whether bets of it may be refunded or settled."""
        markets = self._book.markets[: self._book.markets_len]
        cancelled = markets["status"] == Status.CANCELLED
        resolved: Bools = cancelled | (markets["flags"] & MARKET_RESULTS > 0)
        resolved[[*self._windows.slots(), *self._partial.slots()]] = True
        resolved |= np.isin(markets["market_no"], self._corrections.market_nos())
        return resolved

    def count_resolved(self) -> dict[int, Figures]:
        """Count the figures of each market of which bets may be refunded or settled, by slot."""
        return {slot: self.count(slot) for slot in np.flatnonzero(self.resolved()).tolist()}

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
        return self._windows.count(slot)

    def resolved_of(self, slot: int) -> Resolved:
        """Return the results of a market's outcomes, and its windows of cancelled bets."""
        withdrawn = self._deductions.withdrawn(slot)
        return Resolved(self._partial.standing(slot), self._windows.of(slot), withdrawn)

    def decided(self, slot: int) -> Mapping[int, OutcomeResult]:
        """Return the outcomes of a market that have a result while others have none."""
        return self._partial.of(slot)

    def dump_windows(self, *, with_outcomes: bool = True) -> list[dict[str, Any]]:
        """Return the windows in canonical form."""
        return self._windows.dump(with_outcomes=with_outcomes)

    def dump_final(self) -> list[list[int]]:
        """Return the bets of windows that nothing rolls back any more, in canonical form."""
        return self._windows.dump_final()

    def dump_partial(self) -> list[list[int]]:
        """Return the results of markets with undecided outcomes in canonical form."""
        return self._partial.dump()

    def dump_deductions(self) -> list[dict[str, Any]]:
        """Return the deductions in canonical form."""
        return self._deductions.dump()

    def dump_early(self) -> dict[str, Any]:
        """Return what layouts before 4 have not, in canonical form."""
        return {
            "early": self._early.dump(),
            "play": self._early.dump_play(),
            "withdrawn": self._deductions.dump_withdrawn(),
            "corrections": self._corrections.dump(),
        }

    def load_early(
        self, marks: Rows, play: Sequence[Any], withdrawn: Sequence[Any], corrections: Rows
    ) -> None:
        """Read what `dump_early` returned; a ValueError names the field that does not fit."""
        self._early.load(marks, play, self._slots())
        self._deductions.load_withdrawn(withdrawn, self._slots())
        self._corrections.load(corrections)

    def _slots(self) -> dict[int, int]:
        """Return the slots of all markets by their numbers."""
        numbers = self._book.markets["market_no"][: self._book.markets_len].tolist()
        return {number: slot for slot, number in enumerate(numbers)}

    def load(
        self,
        *,
        windows: Sequence[Any],
        deductions: Sequence[Any],
        partial: Sequence[Any] = (),
        final: Sequence[Any] = (),
        with_outcomes: bool = True,
    ) -> None:
        """Read what the dumps returned; a ValueError names the field that does not fit."""
        slots = self._slots()
        self._windows.load(windows, slots, with_outcomes=with_outcomes)
        self._windows.load_final(final, slots)
        self._partial.load(partial, slots)
        for slot in self._partial.slots():
            if self._book.has_flag(slot, MARKET_RESULTS):
                raise ValueError("partial: market_no: all its results stand")
        self._deductions.load(deductions, slots)
        for slot in self._deductions.slots():
            if not self._partial.standing(slot):
                raise ValueError("deductions: market_no: no results stand")

    def check(self) -> None:
        """Assert that loading the dumps gives the same windows, results and deductions."""
        self._windows.check()
        self._partial.check()
        self._deductions.check()
        self._early.check()
        self._corrections.check()
        assert not any(self._book.has_flag(slot, MARKET_RESULTS) for slot in self._partial.slots())
        assert all(self._partial.standing(slot) for slot in self._deductions.slots())


def _named(command: CancelBets | RollBackCancel | RollBackSettlement) -> tuple[int, ...]:
    """Return the outcomes that a command names, rising; none: it concerns the market."""
    return () if isinstance(command.outcomes, UnsetType) else tuple(sorted(command.outcomes))
