"""Compute the payout of every accepted bet from the journals alone.

Owns its own arithmetic on purpose, as the audit does: it reads the accepted bets and the results,
deductions, cancelled windows, corrections and rollbacks of markets, and of accounts only what slips
of several legs consist of, and computes each payout independently. Shares no code with the machine
whose payouts are compared with these, and never changes anything.
"""

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import UnsetType

from engine.common.commands import (
    CANCEL_WINDOWS_MAX,
    TIME_NS_MAX,
    CreateMarket,
    Deduction,
    OutcomeResult,
)
from engine.common.corrections import (
    ChosenBets,
    CorrectionCommand,
    CorrectOdds,
    RestoreBets,
)
from engine.common.events import (
    BetsCancelled,
    BetsRestored,
    BetsVoided,
    CancelRolledBack,
    FeedApplied,
    MarketCancelled,
    MarketCreated,
    MarketSettled,
    OddsCorrected,
    OutcomesSettled,
    SettlementRolledBack,
)
from engine.common.ids import AccountNo, BetId
from engine.common.rows import FLAG_HEAD, FLAG_LEG, LEG_RESERVATION, SlipState
from engine.common.units import Minor, Nanos, OddsMilli
from persistence.disk import Disk
from persistence.frames import Record
from persistence.records import Kind, decode_bets, decode_exchange, decode_market_control
from persistence.recovery import replay_folder
from simulations.expected_slips import Leg, bet_of_row, owed_minor

_CORRECTED: Final = (BetsVoided, OddsCorrected, BetsRestored)
OPEN: Final = -1
"""Payout of a bet that is neither settled nor cancelled."""


class _Bet(NamedTuple):
    bet_id: BetId
    at_ns: Nanos
    outcome: int
    stake_minor: Minor
    odds_milli: OddsMilli
    is_leg: bool
    """Whether it is a leg of a slip, which has no payout of its own."""
    account_no: AccountNo = AccountNo(0)


class _Window(NamedTuple):
    """A cancelled time window; `bets` is the number of bets placed before the cancellation."""

    from_ns: Nanos | None
    until_ns: Nanos | None
    bets: int
    outcomes: frozenset[int] | None
    """None: bets on every outcome."""
    final: bool = False
    """Whether no roll-back concerns it any more."""

    @property
    def times(self) -> tuple[Nanos | None, Nanos | None]:
        return (self.from_ns, self.until_ns)

    def covers(self, bet: _Bet, number: int) -> bool:
        return (
            number < self.bets
            and (self.outcomes is None or bet.outcome in self.outcomes)
            and (self.from_ns is None or bet.at_ns >= self.from_ns)
            and (self.until_ns is None or bet.at_ns < self.until_ns)
        )


class _Market:
    """One market's accepted bets and what has been decided about them."""

    def __init__(self) -> None:
        self.bets: list[_Bet] = []
        self.outcomes = 0
        self.results: dict[int, OutcomeResult] = {}
        self.deductions: tuple[Deduction, ...] = ()
        self.windows: list[_Window] = []
        self.cancelled = False
        self.corrections: dict[int, dict[BetId, int]] = {}
        """By number: the odds at which bets are settled; 0: void. The last one of a bet counts."""

    def correct(self, command: CorrectionCommand, settlement_no: int) -> None:
        """Apply a correction that was not refused, or take one back."""
        if isinstance(command, RestoreBets):
            del self.corrections[command.correction_no]
            return
        quotes = (
            {quote.outcome: quote.odds_milli for quote in command.quotes}
            if isinstance(command, CorrectOdds)
            else dict.fromkeys(range(self.outcomes), 0)
        )
        corrected: dict[BetId, int] = {}
        for bet in self.bets:
            before_ns = command.bets.accepted_before_ns
            if not isinstance(before_ns, UnsetType) and bet.at_ns >= before_ns:
                break
            odds = quotes.get(bet.outcome)
            stands = self._correction(bet)
            as_it_is = odds == (bet.odds_milli if stands is None else stands)
            if odds is not None and not as_it_is and _is_chosen(bet, command.bets):
                corrected[bet.bet_id] = odds
        self.corrections[settlement_no] = corrected

    def _correction(self, bet: _Bet) -> int | None:
        """Return the odds of a bet's last correction, 0 if that voids it; None without one."""
        stand = [each[bet.bet_id] for each in self.corrections.values() if bet.bet_id in each]
        return stand[-1] if stand else None

    def apply(self, event: Any) -> None:
        """Apply an event of this market."""
        match event:
            case FeedApplied():
                for part in event.events:
                    self.apply(part)
            case MarketSettled():
                self.results, self.deductions = dict(enumerate(event.results)), event.deductions
            case OutcomesSettled():
                self.results |= dict(zip(event.outcomes, event.results, strict=True))
            case SettlementRolledBack():
                for outcome in event.outcomes or tuple(self.results):
                    self.results.pop(outcome, None)
                if not self.results:
                    self.deductions = ()
            case MarketCancelled():
                self.cancelled = True
            case BetsCancelled():
                self._cancel_bets(event)
            case CancelRolledBack():
                self._roll_back(event)
            case _:
                pass

    def _cancel_bets(self, event: BetsCancelled) -> None:
        """Add a window; where there are too many, those that end first are final."""
        outcomes, bets = frozenset(event.outcomes) or None, len(self.bets)
        if not isinstance(event.accepted_before_ns, UnsetType):
            before_ns = event.accepted_before_ns
            bets = next((at for at, bet in enumerate(self.bets) if bet.at_ns >= before_ns), bets)
        window = _Window(event.from_ns, event.until_ns, bets, outcomes)
        times = {one.times for one in self.windows if not one.final}
        if len(times) >= CANCEL_WINDOWS_MAX and window.times not in times:
            ended = min(times, key=_end)
            self.windows = [
                one._replace(final=one.final or one.times == ended) for one in self.windows
            ]
        self.windows.append(window)

    def _roll_back(self, event: CancelRolledBack) -> None:
        """Take the outcomes of a roll-back, or all, out of the cancellations of its times."""
        everything = frozenset(range(self.outcomes))
        named = frozenset(event.outcomes) or everything
        left: list[_Window] = []
        if event.from_ns is None and event.until_ns is None and self.cancelled:
            self.cancelled = False
            self.windows.append(_Window(None, None, len(self.bets), everything))
        for window in self.windows:
            if window.times == (event.from_ns, event.until_ns) and not window.final:
                covered = everything if window.outcomes is None else window.outcomes
                if covered - named:
                    left.append(window._replace(outcomes=covered - named))
                continue
            left.append(window)
        self.windows = left

    def back(self, number: int) -> Fraction | None:
        """Return what one unit of stake of bet `number` (from 0) gives back; None if undecided."""
        bet = self.bets[number]
        if self.cancelled or self._correction(bet) == 0:
            return Fraction(1)
        if any(window.covers(bet, number) for window in self.windows):
            return Fraction(1)
        result = self.results.get(bet.outcome)
        if result is None:
            return None
        void = Fraction(result.void_halves, 2)
        returned = void
        if result.won:
            dead_heat = Fraction(result.dead_heat_num, result.dead_heat_den)
            returned += (1 - void) * dead_heat * self._odds(bet)
        return returned

    def _odds(self, bet: _Bet) -> Fraction:
        """Return a bet's odds, corrected and after the first deduction that applies to it."""
        odds = Fraction(self._correction(bet) or bet.odds_milli, 1_000)
        for deduction in self.deductions:
            if bet.at_ns < deduction.until_ns:
                keep = Fraction(deduction.keep_milli, 1_000)
                return (
                    max(Fraction(1), odds * keep) if deduction.of_price else 1 + (odds - 1) * keep
                )
        return odds


def _is_chosen(bet: _Bet, choice: ChosenBets) -> bool:
    """Return whether a bet meets the conditions of a choice, apart from when it was accepted."""
    until_ns = TIME_NS_MAX + 1 if choice.until_ns is None else choice.until_ns
    return (
        (not choice.bet_ids or bet.bet_id in choice.bet_ids)
        and (isinstance(choice.account_no, UnsetType) or bet.account_no == choice.account_no)
        and (not choice.outcomes or bet.outcome in choice.outcomes)
        and (choice.from_ns or 0) <= bet.at_ns < until_ns
    )


def _end(times: tuple[Nanos | None, Nanos | None]) -> tuple[int, int]:
    """Return the key by which the window that ends first is the least, then that begun first."""
    from_ns, until_ns = times
    until = TIME_NS_MAX + 1 if until_ns is None else until_ns
    return (until, -1 if from_ns is None else from_ns)


def expected_payouts_minor(
    folders: Iterable[Path], account_folders: Iterable[Path] = (), *, disk: Disk | None = None
) -> dict[int, int]:
    """Return each accepted bet's payout by bet id, in minor units of the bet's currency.

    A slip of several legs is one bet, by the bet id of its head, if markets hold all its legs; its
    legs have no payouts of their own.

    Parameters
    ----------
    folders : iterable of Path
        The folders of the market shells' journals, which must begin with record 1.
    account_folders : iterable of Path
        Those of the account shards, which say what slips of several legs consist of.
    disk : Disk, optional
        Holds the journals; the local disk by default.

    Returns
    -------
    dict
        Payout by bet id; `OPEN` for a bet that is neither settled nor cancelled, and for a slip
        while an open leg can change what it is owed.

    Raises
    ------
    ValueError
        If a journal's first segments have been removed.
    JournalDamagedError
        At the first record that is not as written.
    """
    payouts: dict[int, int] = {}
    backs: dict[int, Fraction | None] = {}
    for folder in folders:
        markets: dict[int, _Market] = {}

        def visit(record: Record, _machine: Any, markets: dict[int, _Market] = markets) -> None:
            _apply(record, markets)

        _read(folder, visit, disk)
        for market in markets.values():
            for number, bet in enumerate(market.bets):
                back = market.back(number)
                if bet.is_leg:
                    backs[bet.bet_id] = back
                else:
                    payouts[bet.bet_id] = OPEN if back is None else int(bet.stake_minor * back)
    for folder in account_folders:
        _read(folder, lambda record, _machine: _add_slips(record, backs, payouts), disk)
    return payouts


def _read(folder: Path, visit: Callable[[Record, Any], None], disk: Disk | None) -> None:
    if replay_folder(folder, disk=disk, visit=visit).snapshot_seq:
        raise ValueError(f"{folder}: the journal's first segments have been removed")


def _apply(record: Record, markets: dict[int, _Market]) -> None:
    """Add a record's accepted bets to their markets, or apply its events."""
    if record.kind == Kind.BETS:
        rows, decisions = decode_bets(record.payload)
        for row, decision in zip(rows, decisions, strict=True):
            # A flagged decision repeats an earlier answer: it is not a second bet.
            if decision["reason"] == 0 and not decision["flags"]:
                bet = _Bet(
                    BetId(int(row["bet_id"])),
                    record.at_ns,
                    int(row["outcome"]),
                    Minor(int(row["stake_minor"])),
                    OddsMilli(int(decision["odds_milli"])),
                    bool(row["flags"] & FLAG_LEG),
                    AccountNo(int(row["account_no"])),
                )
                markets.setdefault(int(row["market_no"]), _Market()).bets.append(bet)
    elif record.kind == Kind.CONTROL:
        control = decode_market_control(record.payload)
        for command, event in zip(control.commands, control.events, strict=True):
            if isinstance(command, CreateMarket) and isinstance(event, MarketCreated):
                market = markets.setdefault(command.market_no, _Market())
                market.outcomes = len(command.outcomes)
            if isinstance(command, CorrectionCommand) and isinstance(event, _CORRECTED):
                market = markets.setdefault(command.market_no, _Market())
                market.correct(command, event.settlement_no)
            number = getattr(event, "market_no", None)
            if number is not None:
                markets.setdefault(number, _Market()).apply(event)


def _add_slips(
    record: Record, backs: Mapping[int, Fraction | None], payouts: dict[int, int]
) -> None:
    """Add what the new slips of a record are owed, if markets hold all their legs."""
    if record.kind != Kind.EXCHANGE_SLIPS:
        return
    exchange = decode_exchange(record.payload, record.kind)
    shapes = exchange.reservations.view(LEG_RESERVATION)
    first_bet = 0
    for at, (asked, given) in enumerate(zip(exchange.reservations, exchange.answers, strict=True)):
        if not asked["flags"] & FLAG_HEAD:
            continue
        bets = exchange.slip_bets[first_bet : first_bet + int(asked["market_no"])]
        first_bet += len(bets)
        head, count = int(given["bet_id"]), int(asked["outcome"])
        held = [number for number in range(1, count + 1) if head + number in backs]
        if given["state"] == SlipState.PENDING and head not in payouts and len(held) == count:
            legs = [
                Leg(int(row["position"]), int(row["event"]), backs[head + number])
                for number, row in enumerate(shapes[at + 1 : at + 1 + count], start=1)
            ]
            owed = owed_minor(legs, map(bet_of_row, bets))
            payouts[head] = OPEN if owed is None else owed
