"""The resolution of a market's bets in plain Python, recomputed from scratch after every command.

Every bet is kept, every window is checked for every bet, and money is fractions rounded down once.
Takes from the engine only the structs of its input: numbers and rules are stated by the tests.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

from msgspec import UnsetType

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
    SetOdds,
    SetStatus,
    SettleMarket,
)
from engine.common.corrections import ChosenBets, CorrectionCommand, RestoreBets, VoidBets
from tests.engine.common.stated_rules import RESULT_NUMBERS, STATUS_NUMBERS
from tests.engine.market.twin import ENDED, Charge, Charges, fits_twin, result_twin

STATUS_NAMES = {number: name for name, number in STATUS_NUMBERS.items()}


class Placed(NamedTuple):
    """An accepted bet."""

    serial: int
    at_ns: int
    outcome: int
    stake: int
    odds: int
    rate: int = 1_000_000
    leg: bool = False
    account: int = 7

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
    """A settlement row; a leg's payout is over `den`, 0 for a single and an open leg."""

    serial: int
    result: int
    payout: int
    den: int
    settlement_no: int
    corrected: int = 0
    """1 when it won at corrected odds."""


def same_result(result: OutcomeResult) -> tuple[bool, Fraction, int]:
    """Return what a result pays by: equal for results that pay the same at any stake and odds."""
    factor = Fraction(result.dead_heat_num, result.dead_heat_den)
    won = result.won and factor > 0 and result.void_halves < 2
    return (won, factor if won else Fraction(1), result.void_halves)


def back_twin(bet: Placed, result: OutcomeResult, deductions: tuple[Deduction, ...]) -> Fraction:
    """Return what one unit of a bet gets back: the feed's table, with the odds reduced first."""
    odds = Fraction(bet.odds, 1_000)
    for one in deductions:
        if bet.at_ns < one.until_ns:
            keep = Fraction(one.keep_milli, 1_000)
            odds = max(Fraction(1), odds * keep) if one.of_price else 1 + (odds - 1) * keep
            break
    void = Fraction(result.void_halves, 2)
    tied = Fraction(result.dead_heat_num, result.dead_heat_den)
    return (1 - void) * result.won * odds * tied + void


def deducted_twin(bet: Placed, result: OutcomeResult, deductions: tuple[Deduction, ...]) -> int:
    """Return what a bet gets back, rounded down once."""
    return floor(bet.stake * back_twin(bet, result, deductions))


def same_results(results: dict[int, OutcomeResult]) -> dict[int, tuple[bool, Fraction, int]]:
    """Return what each outcome's result pays by."""
    return {outcome: same_result(result) for outcome, result in results.items()}


def whole(command: Any) -> bool:
    """Return whether a command names no outcomes."""
    return isinstance(command.outcomes, UnsetType)


def rolls_back_market(command: FeedStep) -> bool:
    """Return whether a command takes back a cancellation without times, of all outcomes or some."""
    without_times = (None, None)
    return (
        isinstance(command, RollBackCancel) and (command.from_ns, command.until_ns) == without_times
    )


@dataclass
class ResolutionTwin:
    """One open market."""

    odds: tuple[int, ...]
    rules: int
    status: str = "ACTIVE"
    bets: list[Placed] = field(default_factory=list)
    windows: dict[tuple[int | None, int | None, int], int] = field(default_factory=dict)
    """By both ends and the outcome: how many bets had been accepted."""
    found: dict[int, OutcomeResult] = field(default_factory=dict)
    """The results of the outcomes that have one."""
    offered: set[int] = field(default_factory=lambda: {0, 1, 2})
    deductions: tuple[Deduction, ...] = ()
    settlement_no: int = 0
    held: bool = False
    feed_stopped: bool = False
    """Whether the last status that a feed asked for was not ACTIVE."""
    voided: bool = False
    charges: Charges = field(default_factory=Charges)
    """By the serials of the legs."""
    corrections: dict[int, dict[int, int]] = field(default_factory=dict)
    """By number: the odds at which a correction settles bets, by their serials; 0: void."""
    last_rows: dict[int, Row] = field(default_factory=dict)
    """The last row sent for each bet."""

    @property
    def results(self) -> tuple[OutcomeResult, ...] | None:
        """Return the results of all outcomes; None while one has none."""
        if len(self.found) < len(self.odds):
            return None
        return tuple(self.found[outcome] for outcome in range(len(self.odds)))

    def named(self, command: Any) -> frozenset[int]:
        """Return the outcomes that a command concerns."""
        whole = isinstance(command.outcomes, UnsetType)
        return frozenset(range(len(self.odds)) if whole else command.outcomes)

    def refunded(self, number: int) -> bool:
        if self.status == "CANCELLED" or self.correction(self.bets[number]) == 0:
            return True
        return any(
            number < count and self.falls_in(number, window)
            for window, count in self.windows.items()
        )

    def falls_in(self, number: int, window: tuple[int | None, int | None, int]) -> bool:
        """Return whether a bet was placed on a window's outcome and between its ends."""
        begin, end, outcome = window
        at_ns = self.bets[number].at_ns
        in_time = (begin is None or begin <= at_ns) and (end is None or at_ns < end)
        return outcome == self.bets[number].outcome and in_time

    def back(self, number: int) -> tuple[int, Fraction]:
        """Return how a bet ended and what one unit of it gets back, by windows, status, results."""
        bet = self.bets[number]
        result = self.found.get(bet.outcome)
        if self.charges.released(bet.serial):
            return RESULT_NUMBERS["NONE"], Fraction(0)
        if self.refunded(number):
            return RESULT_NUMBERS["CANCELLED"], Fraction(1)
        if result is None:
            return RESULT_NUMBERS["NONE"], Fraction(0)
        corrected = bet._replace(odds=self.odds_of(bet))
        return result_twin(result), back_twin(corrected, result, self.deductions)

    def correction(self, bet: Placed) -> int | None:
        """Return the odds of the last correction that stands for a bet; 0: void."""
        odds = [by_serial.get(bet.serial) for by_serial in self.corrections.values()]
        stand = [each for each in odds if each is not None]
        return stand[-1] if stand else None

    def odds_of(self, bet: Placed) -> int:
        """Return the odds at which a bet is settled if it wins."""
        return self.correction(bet) or bet.odds

    def wins_corrected(self, number: int) -> bool:
        """Return whether a bet has won, whole or half, at corrected odds."""
        won = (RESULT_NUMBERS["WON"], RESULT_NUMBERS["HALF_WON"])
        return bool(self.correction(self.bets[number])) and self.back(number)[0] in won

    def resolution(self, number: int) -> tuple[int, int, int]:
        """Return how a bet ended and what it is paid: of a settled leg, its fraction."""
        bet = self.bets[number]
        result, back = self.back(number)
        if bet.leg and result != RESULT_NUMBERS["NONE"]:
            return result, back.numerator, back.denominator
        return result, floor(bet.stake * back), 0

    def stake(self, bet: Placed) -> int:
        """Return the stake with which a bet counts."""
        return self.charges.stake(bet.serial, bet.stake)

    def charge(self, charge: Charge) -> bool | None:
        """Return whether a charge changed something; None: it fits no accepted leg."""
        legs = [bet for bet in self.bets if bet.serial == charge[0] and bet.leg]
        if not legs or charge[2] != 1 or not fits_twin(charge):
            return None
        return self.charges.apply(charge, legs[0].rate)

    def figures(self) -> list[Outcome]:
        """Return the figures of each outcome, added up bet by bet."""
        return [self.outcome_figures(outcome) for outcome in range(len(self.odds))]

    def outcome_figures(self, outcome: int) -> Outcome:
        rules = self.rules
        stake = payout = staked = refunded = paid = 0
        for number, bet in enumerate(self.bets):
            if bet.outcome != outcome:
                continue
            charged = self.stake(bet)
            base = floor(bet.base(charged))
            staked += base
            odds = self.odds_of(bet)
            won = charged * odds // 1_000 - charged
            possible = base * odds // 1_000 if rules == 1 else base + ceil(bet.base(won))
            if rules == 1 or not self.refunded(number):
                stake, payout = stake + base, payout + possible
            result, back = self.back(number)
            if result in (RESULT_NUMBERS["CANCELLED"], RESULT_NUMBERS["REFUNDED"]):
                refunded += base
            else:
                paid += ceil(bet.base(floor(charged * back)))
        profit = 0 if self.results is None else staked - refunded - paid
        return Outcome(stake, payout, staked, refunded, paid, profit)

    def place(self, bet: Placed) -> bool:
        taken = self.status == "ACTIVE" and bet.outcome in self.offered
        if taken:
            self.bets.append(bet)
        return taken

    def apply(self, command: FeedStep, *, by_feed: bool) -> tuple[str, list[Row]]:
        """Return the reason of a refusal, or ACCEPTED and the rows that the command must send."""
        if by_feed and self.voided and rolls_back_market(command):
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
        settled = isinstance(command, SettleMarket) and self.status == "SETTLED"
        cancels = isinstance(command, CancelMarket) and not by_feed and reason == "ACCEPTED"
        self.voided = self.status == "CANCELLED" and (self.voided or cancels)
        ends = settled or isinstance(command, CancelMarket | CloseMarket)
        self.held = self.held or (ends and not by_feed and reason == "ACCEPTED")
        resolves = not isinstance(command, SetStatus | CloseMarket | ResumeMarket | SetOdds)
        if reason != "ACCEPTED" or not resolves:
            return reason, []
        return reason, self.send(command)

    def send(self, command: object) -> list[Row]:
        """Return the rows that a command must send, and remember them."""
        self.settlement_no += 1
        rows = []
        for number, bet in enumerate(self.bets):
            if self.charges.released(bet.serial):
                continue
            resolution = self.resolution(number)
            last = self.last_rows.get(bet.serial, Row(bet.serial, RESULT_NUMBERS["NONE"], 0, 0, 0))
            again = isinstance(command, SettleMarket) and bet.outcome in self.named(command)
            corrected = int(self.wins_corrected(number))
            changed = (*last[1:4], last.corrected) != (*resolution, corrected)
            if (again and not self.refunded(number)) or changed:
                rows.append(Row(bet.serial, *resolution, self.settlement_no, corrected))
        self.last_rows |= {row.serial: row for row in rows}
        return rows

    def correct(self, command: CorrectionCommand) -> tuple[str, list[Row]]:
        """Return the reason of a refusal, or ACCEPTED and the rows that a correction must send."""
        if isinstance(command, RestoreBets):
            if not self.corrections.pop(command.correction_no, None):
                return "CORRECTION_UNKNOWN", []
            return "ACCEPTED", self.send(command)
        choice, void = command.bets, isinstance(command, VoidBets)
        quotes = {} if void else {each.outcome: each.odds_milli for each in command.quotes}
        if void and choice == ChosenBets(accepted_before_ns=choice.accepted_before_ns):
            return "FIELD_OUT_OF_BOUNDS", []
        if choice.until_ns is not None and choice.until_ns <= (choice.from_ns or 0):
            return "FIELD_OUT_OF_BOUNDS", []
        chosen = [one for one in self.in_time(choice) if void or one.outcome in quotes]
        if set(choice.bet_ids) - {one.serial for one in self.bets} or not chosen:
            return "BET_UNKNOWN", []
        after = {one.serial: 0 if void else quotes[one.outcome] for one in chosen}
        new = {
            one.serial: after[one.serial]
            for one in chosen
            if self.correction(one) != after[one.serial]
            and (self.correction(one) is not None or after[one.serial] != one.odds)
        }
        if not new:
            return "CORRECTION_KNOWN", []
        of_bet = [sum(serial in each for each in self.corrections.values()) for serial in new]
        if max(of_bet) == 8:
            return "CAPACITY", []
        self.corrections[self.settlement_no + 1] = new
        return "ACCEPTED", self.send(command)

    def in_time(self, choice: ChosenBets) -> list[Placed]:
        """Return the bets that meet the conditions of a choice, its ids apart from unknown ones."""
        met = []
        for one in self.bets:
            before_ns = choice.accepted_before_ns
            if not isinstance(before_ns, UnsetType) and one.at_ns >= before_ns:
                break
            if (
                (not choice.bet_ids or one.serial in choice.bet_ids)
                and (isinstance(choice.account_no, UnsetType) or one.account == choice.account_no)
                and (not choice.outcomes or one.outcome in choice.outcomes)
                and one.at_ns >= (choice.from_ns or 0)
                and (choice.until_ns is None or one.at_ns < choice.until_ns)
                and not self.charges.released(one.serial)
            ):
                met.append(one)
        return met

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

    def cancel(self, command: CancelBets) -> str:
        """Cancel a window: under the first rules a known one is refused, then one with no bet."""
        count = len(self.bets)
        if not isinstance(command.accepted_before_ns, UnsetType):
            late = (n for n in range(count) if self.bets[n].at_ns >= command.accepted_before_ns)
            count = next(late, count)
        named = [(command.from_ns, command.until_ns, each) for each in self.named(command)]
        more = any(
            self.falls_in(number, window)
            for window in named
            for number in range(self.windows.get(window, 0), count)
        )
        if all(window in self.windows for window in named) and (self.rules == 1 or not more):
            return "WINDOW_KNOWN"
        for window in named:
            self.windows[window] = max(count, self.windows.get(window, 0))
        return "ACCEPTED"

    def change(self, command: FeedStep) -> str:
        """Change the status, the windows or the results."""
        match command:
            case SettleMarket(results=results, deductions=deductions):
                if self.status == "CANCELLED":
                    return "TRANSITION_NOT_ALLOWED"
                named = range(len(self.odds)) if whole(command) else command.outcomes
                after = self.found | dict(zip(named, results, strict=True))
                same = same_results(after) == same_results(self.found)
                if same and (not whole(command) or self.deductions == deductions):
                    return "ALREADY_SETTLED"
                self.found = after
                self.deductions = deductions if whole(command) else self.deductions
                self.status = "SETTLED" if self.results else self.status
                self.offered -= set(named) if not self.results else set()
            case CancelMarket():
                if self.status == "CANCELLED":
                    return "TRANSITION_NOT_ALLOWED"
                self.status = "CANCELLED"
            case CancelBets(from_ns=begin, until_ns=end):
                if end is not None and end <= (begin or 0):
                    return "FIELD_OUT_OF_BOUNDS"
                return self.cancel(command)
            case RollBackCancel(from_ns=begin, until_ns=end):
                cancelled = begin is None and end is None and self.status == "CANCELLED"
                named = self.named(command)
                left = {
                    (start, stop, outcome): count
                    for (start, stop, outcome), count in self.windows.items()
                    if (start, stop) != (begin, end) or outcome not in named
                }
                if left == self.windows and not cancelled:
                    return "WINDOW_UNKNOWN"
                self.windows = left
                if cancelled:
                    self.status = "SETTLED" if self.results else "SUSPENDED"
                    for outcome in frozenset(range(len(self.odds))) - named:
                        self.windows[None, None, outcome] = len(self.bets)
            case RollBackSettlement():
                named = self.named(command)
                if not named & set(self.found):
                    return "NOT_SETTLED"
                self.found = {each: one for each, one in self.found.items() if each not in named}
                self.deductions = self.deductions if self.found else ()
                if self.status == "SETTLED":
                    self.status = "SUSPENDED"
                self.offered -= set(self.found)
            case SetStatus(status=number):
                status = STATUS_NAMES[number]
                if self.status in ENDED:
                    return "TRANSITION_NOT_ALLOWED"
                self.feed_stopped = status != "ACTIVE"
                if status == "ACTIVE" and self.held:
                    return "MARKET_HELD"
                self.status = status
            case SetOdds():
                if self.status in ENDED:
                    return "TRANSITION_NOT_ALLOWED"
                self.offered = set(range(len(self.odds))) - set(self.found)
            case CloseMarket():
                if self.status in ENDED:
                    return "TRANSITION_NOT_ALLOWED"
                self.status = "CLOSED"
            case _:
                raise AssertionError(command)
        return "ACCEPTED"
