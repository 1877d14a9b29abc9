"""The resolution of a market's bets in plain Python, recomputed from scratch after every command.

Every bet is kept, every window is checked for every bet, and money is fractions rounded down once.
Takes from the engine only the structs of its input: numbers and rules are stated by the tests.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
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
from tests.engine.common.stated_rules import RESULT_NUMBERS, STATUS_NUMBERS
from tests.engine.market.twin import ENDED, result_twin

STATUS_NAMES = {number: name for name, number in STATUS_NUMBERS.items()}


class Placed(NamedTuple):
    """An accepted bet."""

    serial: int
    at_ns: int
    outcome: int
    stake: int
    odds: int
    rate: int = 1_000_000

    def base(self, amount: int) -> Fraction:
        """Return an amount of the bet in base currency, exact."""
        return Fraction(amount * self.rate, 1_000_000)


class Outcome(NamedTuple):
    """The figures of an outcome in a book."""

    stake: int
    payout: int
    staked: int
    refunded: int
    paid: int
    profit: int


class Row(NamedTuple):
    """A settlement row."""

    serial: int
    result: int
    payout: int
    settlement_no: int


def same_result(result: OutcomeResult) -> tuple[bool, Fraction, int]:
    """Return what a result pays by: equal for results that pay the same at any stake and odds."""
    factor = Fraction(result.dead_heat_num, result.dead_heat_den)
    won = result.won and factor > 0 and result.void_halves < 2
    return (won, factor if won else Fraction(1), result.void_halves)


def deducted_twin(bet: Placed, result: OutcomeResult, deductions: tuple[Deduction, ...]) -> int:
    """Return what a bet gets back: the feed's table in fractions, with the odds reduced first."""
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
    status: str = "ACTIVE"
    bets: list[Placed] = field(default_factory=list)
    windows: dict[tuple[int | None, int | None], int] = field(default_factory=dict)
    results: tuple[OutcomeResult, ...] | None = None
    deductions: tuple[Deduction, ...] = ()
    settlement_no: int = 0
    held: bool = False
    feed_stopped: bool = False
    """Whether the last status that a feed asked for was not ACTIVE."""
    voided: bool = False
    last_rows: dict[int, Row] = field(default_factory=dict)
    """The last row sent for each bet."""

    def refunded(self, number: int) -> bool:
        if self.status == "CANCELLED":
            return True
        at_ns = self.bets[number].at_ns
        return any(
            number < count and (begin is None or begin <= at_ns) and (end is None or at_ns < end)
            for (begin, end), count in self.windows.items()
        )

    def resolution(self, number: int) -> tuple[int, int]:
        """Return how a bet ended and what it is paid, by windows, status and results."""
        bet = self.bets[number]
        if self.refunded(number):
            return RESULT_NUMBERS["CANCELLED"], bet.stake
        if self.results is None:
            return RESULT_NUMBERS["NONE"], 0
        result = self.results[bet.outcome]
        return result_twin(result), deducted_twin(bet, result, self.deductions)

    def figures(self, *, rules: int) -> list[Outcome]:
        """Return the figures of each outcome, added up bet by bet."""
        return [self.outcome_figures(outcome, rules) for outcome in range(len(self.odds))]

    def outcome_figures(self, outcome: int, rules: int) -> Outcome:
        stake = payout = staked = refunded = paid = 0
        for number, bet in enumerate(self.bets):
            if bet.outcome != outcome:
                continue
            base = floor(bet.base(bet.stake))
            staked += base
            won = bet.stake * bet.odds // 1_000 - bet.stake
            possible = base * bet.odds // 1_000 if rules == 1 else base + ceil(bet.base(won))
            if rules == 1 or not self.refunded(number):
                stake, payout = stake + base, payout + possible
            result, back = self.resolution(number)
            if result in (RESULT_NUMBERS["CANCELLED"], RESULT_NUMBERS["REFUNDED"]):
                refunded += base
            else:
                paid += ceil(bet.base(back))
        profit = 0 if self.results is None else staked - refunded - paid
        return Outcome(stake, payout, staked, refunded, paid, profit)

    def place(self, bet: Placed) -> bool:
        if self.status == "ACTIVE":
            self.bets.append(bet)
        return self.status == "ACTIVE"

    def apply(self, command: FeedStep, *, by_feed: bool) -> tuple[str, list[Row]]:
        """Return the reason of a refusal, or ACCEPTED and the rows that the command must send."""
        if by_feed and self.voided and command == RollBackCancel(market_no=1):
            return "MARKET_HELD", []
        before = self.status
        reason = (
            self.resume(by_feed=by_feed)
            if isinstance(command, ResumeMarket)
            else self.change(command)
        )
        rolls_back = isinstance(command, RollBackCancel | RollBackSettlement)
        if by_feed and rolls_back and before != self.status == "SUSPENDED":
            self.feed_stopped = True
        cancels = isinstance(command, CancelMarket) and not by_feed and reason == "ACCEPTED"
        self.voided = self.status == "CANCELLED" and (self.voided or cancels)
        ends = isinstance(command, SettleMarket | CancelMarket | CloseMarket)
        self.held = self.held or (ends and not by_feed and reason == "ACCEPTED")
        resolves = not isinstance(command, SetStatus | CloseMarket | ResumeMarket)
        if reason != "ACCEPTED" or not resolves:
            return reason, []
        self.settlement_no += 1
        rows = []
        for number, bet in enumerate(self.bets):
            result, payout = self.resolution(number)
            last = self.last_rows.get(bet.serial, Row(bet.serial, RESULT_NUMBERS["NONE"], 0, 0))
            settled = isinstance(command, SettleMarket) and not self.refunded(number)
            if settled or (last.result, last.payout) != (result, payout):
                rows.append(Row(bet.serial, result, payout, self.settlement_no))
        self.last_rows |= {row.serial: row for row in rows}
        return "ACCEPTED", rows

    def resume(self, *, by_feed: bool) -> str:
        """Resume after a suspension, or end a hold."""
        if self.status == "SUSPENDED":
            self.feed_stopped = self.feed_stopped and not by_feed
            if by_feed and self.held:
                return "MARKET_HELD"
            if not (self.held and self.feed_stopped):
                self.status, self.feed_stopped = "ACTIVE", False
        elif by_feed or self.status in ENDED or not self.held:
            return "TRANSITION_NOT_ALLOWED"
        self.held = False
        return "ACCEPTED"

    def change(self, command: FeedStep) -> str:
        """Change the status, the windows or the results."""
        match command:
            case SettleMarket(results=results, deductions=deductions):
                if self.status == "CANCELLED":
                    return "TRANSITION_NOT_ALLOWED"
                stands = self.results is not None and [*map(same_result, self.results)] == [
                    *map(same_result, results)
                ]
                if stands and self.deductions == deductions:
                    return "ALREADY_SETTLED"
                self.results, self.deductions = results, deductions
                self.status = "SETTLED"
            case CancelMarket():
                if self.status == "CANCELLED":
                    return "TRANSITION_NOT_ALLOWED"
                self.status = "CANCELLED"
            case CancelBets(from_ns=begin, until_ns=end):
                if end is not None and end <= (begin or 0):
                    return "FIELD_OUT_OF_BOUNDS"
                if (begin, end) in self.windows:
                    return "WINDOW_KNOWN"
                self.windows[begin, end] = len(self.bets)
            case RollBackCancel(from_ns=begin, until_ns=end):
                cancelled = begin is None and end is None and self.status == "CANCELLED"
                if (begin, end) not in self.windows and not cancelled:
                    return "WINDOW_UNKNOWN"
                self.windows.pop((begin, end), None)
                if cancelled:
                    self.status = "SUSPENDED" if self.results is None else "SETTLED"
            case RollBackSettlement():
                if self.results is None:
                    return "NOT_SETTLED"
                self.results, self.deductions = None, ()
                if self.status == "SETTLED":
                    self.status = "SUSPENDED"
            case SetStatus(status=number):
                status = STATUS_NAMES[number]
                if self.status in ENDED:
                    return "TRANSITION_NOT_ALLOWED"
                self.feed_stopped = status != "ACTIVE"
                if status == "ACTIVE" and self.held:
                    return "MARKET_HELD"
                self.status = status
            case CloseMarket():
                if self.status in ENDED:
                    return "TRANSITION_NOT_ALLOWED"
                self.status = "CLOSED"
            case _:
                raise AssertionError(command)
        return "ACCEPTED"
