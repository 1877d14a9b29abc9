"""One market as its journal tells it, in plain lists and fractions.

Owns its odds, its state, its bets and what each gets back. Shares no code with the engine's
decisions.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

from msgspec import UNSET

from engine.common.commands import SetOdds
from engine.common.corrections import CorrectionCommand, CorrectOdds, RestoreBets
from engine.common.events import (
    EarlyPaid,
    OddsOverridden,
    OutcomesResumed,
    OutcomesSuspended,
)

ACTIVE, INACTIVE, SUSPENDED, HANDED_OVER, SETTLED, CANCELLED, CLOSED = (1, 0, -1, -2, -3, -4, -5)
ONE = 1_000_000
"""Millionths in a unit of a rate."""


@dataclass
class AcceptedBet:
    """A bet that a market accepted, and its place in the shell's history."""

    bet_id: int
    seq: int
    number: int
    at_ns: int
    account: int
    market: int
    outcome: int
    stake: int
    odds: int
    odds_seen: int
    rate: int
    """Millionths of base currency for one unit of the stake's currency."""
    is_leg: bool = False
    """Whether it is a leg of a slip: its stake is then what the slip charges by now."""
    charge_no: int = 0
    released: bool = False
    factor: int = 0
    """Thousandths of the limits of one bet by which it was decided, 0 for all of them."""
    early_lead: int = 0
    """The largest lead of its side that was told while it stood and was not refunded."""
    pre_match: bool = False
    """Whether it was accepted before play had begun, by what was known at its first lead."""


@dataclass
class MarketModel:
    """One market as its journal tells it."""

    number: int
    key: str
    odds: list[int]
    limits: Any
    status: int = INACTIVE
    active: list[bool] = field(default_factory=list)
    bets: list[AcceptedBet] = field(default_factory=list)
    windows: dict[tuple[Any, Any, int], int] = field(default_factory=dict)
    """Cancelled windows: their times and outcome, and the number of decisions before."""
    results: dict[int, Any] = field(default_factory=dict)
    corrections: dict[int, dict[int, int]] = field(default_factory=dict)
    """By number: the odds at which a correction settles bets, by their ids; 0: void."""
    play_ns: int | None = None
    held: set[int] = field(default_factory=set)
    standing: dict[int, int] = field(default_factory=dict)
    """Odds that a trader's override gave; `odds` and `active` are those that were given last."""

    def offers(self, outcome: int) -> bool:
        """Return whether an outcome is offered, its market's status apart."""
        return self.active[outcome] and outcome not in self.held

    def odds_now(self, outcome: int) -> int:
        """Return the odds in force."""
        return self.standing.get(outcome, self.odds[outcome])

    def note_mark(self, event: Any) -> None:
        """Apply an event of a trader's marks on outcomes."""
        if isinstance(event, OutcomesSuspended):
            self.held |= set(event.outcomes)
        elif isinstance(event, OutcomesResumed):
            self.held -= set(event.outcomes)
        elif isinstance(event, OddsOverridden):
            self.standing |= {quote.outcome: quote.odds_milli for quote in event.quotes}
        else:
            for quote in event.quotes:
                self.standing.pop(quote.outcome, None)

    def quote(self, command: SetOdds) -> None:
        """Apply odds as they were given; an outcome that has a result is not offered."""
        for quote in command.quotes:
            self.odds[quote.outcome] = quote.odds_milli
            self.active[quote.outcome] = quote.active and quote.outcome not in self.results

    def refunded(self, bet: AcceptedBet) -> bool:
        if self.status == CANCELLED or self.correction(bet) == 0:
            return True
        return any(
            bet.number < count
            and (from_ns is None or bet.at_ns >= from_ns)
            and (until_ns is None or bet.at_ns < until_ns)
            and bet.outcome == outcome
            for (from_ns, until_ns, outcome), count in self.windows.items()
        )

    def correction(self, bet: AcceptedBet) -> int | None:
        """Return the odds of the last correction of a bet that stands, 0 if that voids it."""
        stand = [each[bet.bet_id] for each in self.corrections.values() if bet.bet_id in each]
        return stand[-1] if stand else None

    def odds_of(self, bet: AcceptedBet) -> int:
        """Return the odds at which a bet is settled if it wins."""
        return self.correction(bet) or bet.odds

    def correct(self, command: CorrectionCommand, event: Any) -> int:
        """Apply a correction, or take one back; return how many bets it concerns."""
        if isinstance(command, RestoreBets):
            return len(self.corrections.pop(command.correction_no, {}))
        choice, quotes = command.bets, dict.fromkeys(range(len(self.odds)), 0)
        if isinstance(command, CorrectOdds):
            quotes = {each.outcome: each.odds_milli for each in command.quotes}
        before_ns = choice.accepted_before_ns
        corrected: dict[int, int] = {}
        for bet in self.bets:
            if isinstance(before_ns, int) and bet.at_ns >= before_ns:
                break
            odds, stands = quotes.get(bet.outcome), self.correction(bet)
            if (
                odds is not None
                and odds != (bet.odds if stands is None else stands)
                and not bet.released
                and choice.account_no in (UNSET, bet.account)
                and (not choice.outcomes or bet.outcome in choice.outcomes)
                and bet.at_ns >= (choice.from_ns or 0)
                and (choice.until_ns is None or bet.at_ns < choice.until_ns)
            ):
                corrected[bet.bet_id] = odds
        self.corrections[event.settlement_no] = corrected
        return len(corrected)

    def named(self, event: Any) -> frozenset[int]:
        """Return the outcomes that an event concerns."""
        return frozenset(event.outcomes or range(len(self.odds)))

    def cancel_bets(self, event: Any, number: int) -> None:
        """Cancel the bets of an event's window, also those accepted since it was cancelled last."""
        if isinstance(event.accepted_before_ns, int):
            late = [bet.number for bet in self.bets if bet.at_ns >= event.accepted_before_ns]
            number = min([number, *late])
        for outcome in self.named(event):
            window = (event.from_ns, event.until_ns, outcome)
            self.windows[window] = max(number, self.windows.get(window, 0))

    def roll_back_cancel(self, event: Any, number: int) -> None:
        """Take outcomes out of the cancellations of an event's times, the market's included."""
        if (event.from_ns, event.until_ns) == (None, None) and self.status == CANCELLED:
            for outcome in range(len(self.odds)):
                self.windows[None, None, outcome] = number
        for outcome in self.named(event):
            self.windows.pop((event.from_ns, event.until_ns, outcome), None)

    def mark(self, event: EarlyPaid) -> int:
        """Mark the legs on a side that leads; return how many have a new or a larger mark."""
        marked = [
            bet
            for bet in self.bets
            if bet.is_leg
            and bet.outcome == event.outcome
            and bet.at_ns < event.until_ns
            and bet.early_lead < event.lead
            and not bet.released
            and not self.refunded(bet)
        ]
        for bet in marked:
            if not bet.early_lead:
                bet.pre_match = bet.at_ns < (self.play_ns or 0)
            bet.early_lead = event.lead
        return len(marked)

    def payback(self, bet: AcceptedBet) -> int | None:
        """Return what a bet gets back by now; None while it is open."""
        back = self.back(bet)
        return None if back is None else floor(bet.stake * back)

    def back(self, bet: AcceptedBet) -> Fraction | None:
        """Return what one unit of a bet's stake gets back by now; None while it is open."""
        if self.refunded(bet):
            return Fraction(1)
        result = self.results.get(bet.outcome)
        if result is None:
            return None
        void = Fraction(result.void_halves, 2)
        share = Fraction(result.dead_heat_num, result.dead_heat_den)
        won = int(result.won and result.void_halves < 2)
        return (1 - void) * won * Fraction(self.odds_of(bet), 1_000) * share + void

    def liabilities(self) -> list[Fraction]:
        """Return what the house loses by each outcome in base currency.

        A payout is what the bettor gets, rounded down in the bettor's own currency; it is then
        worth an exact amount of base currency, as its stake is.
        """
        taken, payouts = 0, [0] * len(self.odds)
        for bet in self.bets:
            if not self.refunded(bet):
                taken += bet.stake * bet.rate
                payouts[bet.outcome] += bet.stake * self.odds_of(bet) // 1_000 * bet.rate
        return [Fraction(payout - taken, ONE) for payout in payouts]
