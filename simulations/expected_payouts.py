"""What every accepted bet is owed, worked out from the words in the markets' journals alone.

Owns arithmetic of its own on purpose, as the auditor does: it reads which bets were accepted, which
results, deductions and cancelled windows were announced and taken back, and pays each bet by hand.
It shares no code with the machine whose payouts it is held against, and changes nothing.
"""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.common.commands import Deduction, OutcomeResult
from engine.common.events import (
    BetsCancelled,
    CancelRolledBack,
    FeedApplied,
    MarketCancelled,
    MarketSettled,
    SettlementRolledBack,
)
from persistence.disk import Disk
from persistence.frames import Record
from persistence.records import Kind, decode_bets, decode_market_control
from persistence.recovery import replay_folder

OPEN: Final = -1
"""What a bet is owed while nothing has been decided of it."""


class _Bet(NamedTuple):
    bet_id: int
    at_ns: int
    outcome: int
    stake_minor: int
    odds_milli: int


class _Window(NamedTuple):
    """A cancellation of bets; `bets` is how many there were when it was announced."""

    from_ns: int | None
    until_ns: int | None
    bets: int

    def covers(self, bet: _Bet, number: int) -> bool:
        return (
            number < self.bets
            and (self.from_ns is None or bet.at_ns >= self.from_ns)
            and (self.until_ns is None or bet.at_ns < self.until_ns)
        )


class _Market:
    """One market's story so far."""

    def __init__(self) -> None:
        self.bets: list[_Bet] = []
        self.results: tuple[OutcomeResult, ...] = ()
        self.deductions: tuple[Deduction, ...] = ()
        self.windows: list[_Window] = []
        self.cancelled = False

    def hear(self, event: Any) -> None:
        """Take an event into account."""
        match event:
            case FeedApplied():
                for part in event.events:
                    self.hear(part)
            case MarketSettled():
                self.results, self.deductions = event.results, event.deductions
            case SettlementRolledBack():
                self.results, self.deductions = (), ()
            case MarketCancelled():
                self.cancelled = True
            case BetsCancelled():
                self.windows.append(_Window(event.from_ns, event.until_ns, len(self.bets)))
            case CancelRolledBack():
                if event.from_ns is None and event.until_ns is None:
                    self.cancelled = False
                self.windows = [
                    window
                    for window in self.windows
                    if (window.from_ns, window.until_ns) != (event.from_ns, event.until_ns)
                ]
            case _:
                pass

    def due_minor(self, number: int) -> int:
        """Return what the bet of this place is owed, rounded down once; `OPEN` if undecided."""
        bet = self.bets[number]
        if self.cancelled or any(window.covers(bet, number) for window in self.windows):
            return bet.stake_minor
        if not self.results:
            return OPEN
        result = self.results[bet.outcome]
        void = Fraction(result.void_halves, 2)
        back = void
        if result.won:
            share = Fraction(result.dead_heat_num, result.dead_heat_den)
            back += (1 - void) * share * self._odds(bet)
        return int(bet.stake_minor * back)

    def _odds(self, bet: _Bet) -> Fraction:
        odds = Fraction(bet.odds_milli, 1_000)
        for deduction in self.deductions:
            if bet.at_ns < deduction.until_ns:
                keep = Fraction(deduction.keep_milli, 1_000)
                return (
                    max(Fraction(1), odds * keep) if deduction.of_price else 1 + (odds - 1) * keep
                )
        return odds


def expected_payouts_minor(folders: Iterable[Path], *, disk: Disk | None = None) -> dict[int, int]:
    """Return by bet id what each accepted bet is owed, in minor units of its own currency.

    Parameters
    ----------
    folders : iterable of Path
        The market shells' journals, each there from its first record on.
    disk : Disk, optional
        Where they are.

    Raises
    ------
    ValueError
        A journal's first segments are gone: the story cannot be told from its beginning.
    JournalDamagedError
        At the first thing that is not as written.
    """
    payouts: dict[int, int] = {}
    for folder in folders:
        markets: dict[int, _Market] = {}

        def visit(record: Record, _machine: Any, markets: dict[int, _Market] = markets) -> None:
            _take(record, markets)

        replayed = replay_folder(folder, disk=disk, visit=visit)
        if replayed.snapshot_seq:
            raise ValueError(f"{folder}: the journal's beginning is gone")
        for market in markets.values():
            for number, bet in enumerate(market.bets):
                payouts[bet.bet_id] = market.due_minor(number)
    return payouts


def _take(record: Record, markets: dict[int, _Market]) -> None:
    if record.kind == Kind.BETS:
        rows, decisions = decode_bets(record.payload)
        for row, decision in zip(rows, decisions, strict=True):
            # An answer given before (flagged) is not a second bet.
            if decision["reason"] == 0 and not decision["flags"]:
                bet = _Bet(
                    int(row["bet_id"]),
                    record.at_ns,
                    int(row["outcome"]),
                    int(row["stake_minor"]),
                    int(decision["odds_milli"]),
                )
                markets.setdefault(int(row["market_no"]), _Market()).bets.append(bet)
    elif record.kind == Kind.CONTROL:
        for event in decode_market_control(record.payload).events:
            number = getattr(event, "market_no", None)
            if number is not None:
                markets.setdefault(number, _Market()).hear(event)
