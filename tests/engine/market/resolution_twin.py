"""What becomes of a market's bets, told anew from the beginning after every command.

Plain Python: every bet is kept, every window is a rule asked of every bet, and money is fractions
rounded down at the end. Nothing is ever changed in place but what stands.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import NamedTuple

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    Deduction,
    FeedStep,
    OutcomeResult,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetStatus,
    SettleMarket,
)
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.rows import BetResult
from engine.market.settlement import canonical_result
from tests.engine.market.twin import word_twin

OVER = (Status.CLOSED, Status.SETTLED, Status.CANCELLED)


class Placed(NamedTuple):
    """An accepted bet."""

    serial: int
    at_ns: int
    outcome: int
    stake: int
    odds: int


class Row(NamedTuple):
    """What a settlement row says."""

    serial: int
    result: int
    payout: int
    settlement_no: int


def deducted_twin(bet: Placed, result: OutcomeResult, deductions: tuple[Deduction, ...]) -> int:
    """Return what a bet gets back: the table as fractions, the odds reduced first."""
    odds = Fraction(bet.odds, 1_000)
    for one in deductions:
        if bet.at_ns < one.until_ns:
            keep = Fraction(one.keep_milli, 1_000)
            odds = max(Fraction(1), odds * keep) if one.of_price else 1 + (odds - 1) * keep
            break
    void = Fraction(result.void_halves, 2)
    tied = Fraction(result.dead_heat_num, result.dead_heat_den)
    return floor(bet.stake * ((1 - void) * result.won * odds * tied + void))


@dataclass
class ResolutionTwin:
    """One open market."""

    odds: tuple[int, ...]
    status: Status = Status.ACTIVE
    bets: list[Placed] = field(default_factory=list)
    windows: dict[tuple[int | None, int | None], int] = field(default_factory=dict)
    results: tuple[OutcomeResult, ...] | None = None
    deductions: tuple[Deduction, ...] = ()
    settlement_no: int = 0
    held: bool = False
    shut: bool = False
    """Whether a feed last wanted it shut."""
    voided: bool = False
    said: dict[int, Row] = field(default_factory=dict)
    """The last row of each bet."""

    def refunded(self, number: int) -> bool:
        if self.status == Status.CANCELLED:
            return True
        at_ns = self.bets[number].at_ns
        return any(
            number < count and (begin is None or begin <= at_ns) and (end is None or at_ns < end)
            for (begin, end), count in self.windows.items()
        )

    def resolution(self, number: int) -> tuple[int, int]:
        """Return how a bet stands and what it is paid, from what stands and nothing else."""
        bet = self.bets[number]
        if self.refunded(number):
            return BetResult.CANCELLED, bet.stake
        if self.results is None:
            return BetResult.NONE, 0
        result = self.results[bet.outcome]
        return word_twin(result), deducted_twin(bet, result, self.deductions)

    def place(self, bet: Placed) -> bool:
        if self.status == Status.ACTIVE:
            self.bets.append(bet)
        return self.status == Status.ACTIVE

    def notify(self, command: FeedStep, *, fed: bool) -> tuple[Reason, list[Row]]:
        """Return why a command is refused, or the rows it must send."""
        if fed and self.voided and command == RollBackCancel(market_no=1):
            return Reason.MARKET_HELD, []
        before = self.status
        reason = self.resume(fed=fed) if isinstance(command, ResumeMarket) else self.change(command)
        taken_back = isinstance(command, RollBackCancel | RollBackSettlement)
        if fed and taken_back and before != self.status == Status.SUSPENDED:
            self.shut = True
        cancels = isinstance(command, CancelMarket) and not fed and reason == Reason.ACCEPTED
        self.voided = self.status == Status.CANCELLED and (self.voided or cancels)
        ends = isinstance(command, SettleMarket | CancelMarket | CloseMarket)
        self.held = self.held or (ends and not fed and reason == Reason.ACCEPTED)
        resolves = not isinstance(command, SetStatus | CloseMarket | ResumeMarket)
        if reason != Reason.ACCEPTED or not resolves:
            return reason, []
        self.settlement_no += 1
        rows = []
        for number, bet in enumerate(self.bets):
            result, payout = self.resolution(number)
            before = self.said.get(bet.serial, Row(bet.serial, BetResult.NONE, 0, 0))
            again = isinstance(command, SettleMarket) and not self.refunded(number)
            if again or (before.result, before.payout) != (result, payout):
                rows.append(Row(bet.serial, result, payout, self.settlement_no))
        self.said |= {row.serial: row for row in rows}
        return Reason.ACCEPTED, rows

    def resume(self, *, fed: bool) -> Reason:
        """Go on after a suspension, or let go of what is held."""
        if self.status == Status.SUSPENDED:
            self.shut = self.shut and not fed
            if fed and self.held:
                return Reason.MARKET_HELD
            if not (self.held and self.shut):
                self.status, self.shut = Status.ACTIVE, False
        elif fed or self.status in OVER or not self.held:
            return Reason.TRANSITION_NOT_ALLOWED
        self.held = False
        return Reason.ACCEPTED

    def change(self, command: FeedStep) -> Reason:
        """Change what stands."""
        match command:
            case SettleMarket(results=results, deductions=deductions):
                plain = tuple(canonical_result(one) for one in results)
                if self.status == Status.CANCELLED:
                    return Reason.TRANSITION_NOT_ALLOWED
                if (self.results, self.deductions) == (plain, deductions):
                    return Reason.ALREADY_SETTLED
                self.results, self.deductions = plain, deductions
                self.status = Status.SETTLED
            case CancelMarket():
                if self.status == Status.CANCELLED:
                    return Reason.TRANSITION_NOT_ALLOWED
                self.status = Status.CANCELLED
            case CancelBets(from_ns=begin, until_ns=end):
                if end is not None and end <= (begin or 0):
                    return Reason.FIELD_OUT_OF_BOUNDS
                if (begin, end) in self.windows:
                    return Reason.WINDOW_KNOWN
                self.windows[begin, end] = len(self.bets)
            case RollBackCancel(from_ns=begin, until_ns=end):
                whole = begin is None and end is None
                if (begin, end) not in self.windows and not (
                    whole and self.status == Status.CANCELLED
                ):
                    return Reason.WINDOW_UNKNOWN
                self.windows.pop((begin, end), None)
                if whole and self.status == Status.CANCELLED:
                    self.status = Status.SUSPENDED if self.results is None else Status.SETTLED
            case RollBackSettlement():
                if self.results is None:
                    return Reason.NOT_SETTLED
                self.results, self.deductions = None, ()
                if self.status == Status.SETTLED:
                    self.status = Status.SUSPENDED
            case SetStatus(status=status):
                if self.status in OVER:
                    return Reason.TRANSITION_NOT_ALLOWED
                self.shut = status != Status.ACTIVE
                if status == Status.ACTIVE and self.held:
                    return Reason.MARKET_HELD
                self.status = status
            case CloseMarket():
                if self.status in OVER:
                    return Reason.TRANSITION_NOT_ALLOWED
                self.status = Status.CLOSED
            case _:
                raise AssertionError(command)
        return Reason.ACCEPTED
