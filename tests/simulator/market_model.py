"""What a market shell's journal says, read with plain lists and fractions.

Owns an account of every decision of one shell in the order of its journal: whether the market took
bets then, at which odds, and within which limits. Shares no code with the engine's decisions; it
takes the records' layouts, commands and events only.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any

from msgspec import UNSET

from engine.common.commands import CreateMarket, SetOdds
from engine.common.corrections import CorrectionCommand, CorrectOdds, RestoreBets
from engine.common.events import (
    BetsCancelled,
    BetsRestored,
    BetsVoided,
    CancelRolledBack,
    EarlyPaid,
    FeedApplied,
    LimitsSet,
    MarketCancelled,
    MarketClosed,
    MarketCreated,
    MarketHandedOver,
    MarketOpened,
    MarketResumed,
    MarketSettled,
    MarketSuspended,
    OddsCorrected,
    OddsOverridden,
    OddsReleased,
    OddsSet,
    OutcomesResumed,
    OutcomesSettled,
    OutcomesSuspended,
    PlayBegun,
    SettlementRolledBack,
    StatusSet,
)
from engine.common.rows import FLAG_LEG, FLAG_RELEASED
from persistence.frames import Record
from persistence.records import Kind, decode_bets, decode_charges, decode_market_control
from tests.simulator.fixture_model import fixture_of, worst_minor

ACTIVE, INACTIVE, SUSPENDED, HANDED_OVER, SETTLED, CANCELLED, CLOSED = (1, 0, -1, -2, -3, -4, -5)
_STATUS_AFTER = {
    MarketOpened: ACTIVE,
    MarketResumed: ACTIVE,
    MarketSuspended: SUSPENDED,
    MarketHandedOver: HANDED_OVER,
    MarketClosed: CLOSED,
    MarketSettled: SETTLED,
    MarketCancelled: CANCELLED,
}
_CHARGE_FIELDS = ("bet_id", "stake_minor", "charge_no", "flags")
_FENCED = 904
_FIXTURE_LIABILITY = 705
_ONE = 1_000_000


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
        return [Fraction(payout - taken, _ONE) for payout in payouts]


class ShellModel:
    """All markets of one shell; `faults` says what its history cannot be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.markets: dict[int, MarketModel] = {}
        self.decisions: dict[int, tuple[int, int, int]] = {}
        """By bet id: reason, odds and sequence number of the first decision."""
        self.accepted: dict[int, AcceptedBet] = {}
        self.suspended_seq: dict[str, int] = {}
        """The record of each suspension, by the reason that its trader gave."""
        self.faults: list[str] = []
        self._content: dict[int, tuple[int, ...]] = {}
        self._number = 0

    def read(self, record: Record) -> None:
        if record.kind == Kind.BETS:
            self._read_bets(record)
        elif record.kind == Kind.CHARGES:
            rows = decode_charges(record.payload)
            for row in zip(*(rows[name].tolist() for name in _CHARGE_FIELDS), strict=True):
                self._charge(*row)
        elif record.kind == Kind.CONTROL:
            control = decode_market_control(record.payload)
            for command, event in zip(control.commands, control.events, strict=True):
                if isinstance(command, CreateMarket) and isinstance(event, MarketCreated):
                    self.markets[command.market_no] = MarketModel(
                        number=command.market_no,
                        key=command.key,
                        odds=list(command.odds_milli),
                        limits=command.limits,
                        active=[command.offered] * len(command.odds_milli),
                    )
                self._read_event(event, record, command)
                if isinstance(event, BetsVoided | OddsCorrected | BetsRestored):
                    self._read_correction(command, event)

    # --- bets ------------------------------------------------------------------------------------

    def _read_bets(self, record: Record) -> None:
        rows, decisions = decode_bets(record.payload)
        names = ("bet_id", "stake_minor", "account_no", "market_no", "odds_milli", "outcome")
        more = ("policy", "flags", "rate_micro", "factor_milli")
        columns = [rows[name].tolist() for name in (*names, *more)]
        verdicts = [decisions[name].tolist() for name in ("odds_milli", "reason", "flags")]
        for row, verdict in zip(
            zip(*columns, strict=True), zip(*verdicts, strict=True), strict=True
        ):
            self._read_bet(record, row, verdict)

    def _read_bet(self, record: Record, row: Any, verdict: Any) -> None:
        bet_id, stake, account, market_no, odds_seen, outcome, policy, flags, rate, factor = row
        odds, reason, _ = verdict
        content = (stake, account, market_no, odds_seen, outcome)
        known = self.decisions.get(bet_id)
        if known is not None:
            if self._content[bet_id] != content and known[0] == 0 and reason == 0:
                self._fault(f"bet {bet_id} came with other content and was accepted")
            if reason in (0, known[0]) and (reason, odds) != known[:2]:
                self._fault(f"bet {bet_id} was decided twice: {known[:2]}, then {(reason, odds)}")
            return
        self.decisions[bet_id] = (reason, odds, record.seq)
        self._content[bet_id] = content
        self._number += 1
        if flags & 1 and reason != _FENCED:
            self._fault(f"bet {bet_id} is fenced and got the decision {reason}")
        if reason not in (0, _FIXTURE_LIABILITY):
            return
        market = self.markets.get(market_no)
        if market is None:
            self._fault(f"bet {bet_id} was decided on market {market_no}, which there is not")
            return
        bet = AcceptedBet(
            bet_id,
            record.seq,
            self._number - 1,
            record.at_ns,
            account,
            market_no,
            outcome,
            stake,
            odds,
            odds_seen,
            rate,
            bool(flags & FLAG_LEG),
            factor=factor,
        )
        self._check_fixture(market, bet, refused=bool(reason))
        if reason:
            return
        self._check_acceptance(market, bet, policy)
        market.bets.append(bet)
        self.accepted[bet_id] = bet
        self._check_limits(market, bet)

    def _charge(self, bet_id: int, stake: int, charge_no: int, flags: int) -> None:
        """Apply a charge: the stake that a slip lets run on its leg from now on."""
        bet = self.accepted.get(bet_id)
        if bet is None or not bet.is_leg:
            self._fault(f"a charge of bet {bet_id}, which is no leg in force")
            return
        if charge_no <= bet.charge_no:
            self._fault(f"charge {charge_no} of bet {bet_id} came after charge {bet.charge_no}")
        if flags & FLAG_RELEASED and stake:
            self._fault(f"bet {bet_id} was released and is charged {stake}")
        bet.stake, bet.charge_no = stake, charge_no
        bet.released = bool(flags & FLAG_RELEASED)

    def _check_acceptance(self, market: MarketModel, bet: AcceptedBet, policy: int) -> None:
        what = f"bet {bet.bet_id} of record {bet.seq} was accepted"
        if market.status != ACTIVE:
            self._fault(f"{what} while market {bet.market} had the status {market.status}")
        if not market.active[bet.outcome]:
            self._fault(f"{what} on an outcome that was not offered")
        if bet.outcome in market.held:
            self._fault(f"{what} on an outcome that a trader held")
        odds = market.standing.get(bet.outcome, market.odds[bet.outcome])
        if bet.odds != odds:
            self._fault(f"{what} at {bet.odds} instead of {odds}")
        if bet.odds != bet.odds_seen and (
            policy == 0 or (policy == 1 and bet.odds < bet.odds_seen)
        ):
            self._fault(
                f"{what} at {bet.odds} against the policy of a bettor who saw {bet.odds_seen}"
            )

    def _check_limits(self, market: MarketModel, bet: AcceptedBet) -> None:
        limits = market.limits
        what = f"bet {bet.bet_id} of record {bet.seq} passes a limit of market {bet.market}"
        stake = Fraction(bet.stake * bet.rate, _ONE)
        factor = Fraction(bet.factor or 1_000, 1_000)
        if not limits.stake_minor_min <= ceil(stake) or stake > limits.stake_minor_max * factor:
            self._fault(f"{what}: stake {stake}")
        payout = Fraction(bet.stake * bet.odds // 1_000 * bet.rate, _ONE)
        if payout > limits.payout_minor_max * factor:
            self._fault(f"{what}: payout {payout}")
        liabilities = market.liabilities()
        if liabilities[bet.outcome] > limits.outcome_liability_minor_max:
            self._fault(f"{what}: {float(liabilities[bet.outcome])} on outcome {bet.outcome}")
        if max(liabilities) > limits.market_liability_minor_max:
            self._fault(f"{what}: {float(max(liabilities))} on the worst outcome")

    def _check_fixture(self, market: MarketModel, bet: AcceptedBet, *, refused: bool) -> None:
        """Check a bet against the limit of its fixture, which the markets of this shell share."""
        most = market.limits.fixture_liability_minor_max
        if not most:
            if refused:
                self._fault(f"bet {bet.bet_id} was refused for its fixture, which has no limit")
            return
        fixture = fixture_of(market.key)
        markets = [each for each in self.markets.values() if fixture_of(each.key) == fixture]
        before, after = worst_minor(markets), worst_minor(markets, more=bet)
        if refused == (after > max(most, before)):
            return
        what = "refused at" if refused else "accepted at"
        self._fault(
            f"bet {bet.bet_id} of record {bet.seq} was {what} {after} after {before} on its "
            f"fixture, of which the limit is {most}"
        )

    # --- commands --------------------------------------------------------------------------------

    def _read_event(self, event: Any, record: Record, command: Any) -> None:
        if isinstance(event, FeedApplied):
            for each, step in zip(event.events, command.steps, strict=True):
                self._read_event(each, record, step)
            return
        market = self.markets.get(getattr(event, "market_no", -1))
        if market is None:
            return
        if isinstance(event, MarketSuspended):
            self.suspended_seq.setdefault(event.why, record.seq)
        if isinstance(event, CancelRolledBack):
            market.roll_back_cancel(event, self._number)
        if type(event) in _STATUS_AFTER:
            market.status = _STATUS_AFTER[type(event)]
        elif isinstance(
            event, StatusSet | CancelRolledBack | SettlementRolledBack | OutcomesSettled
        ):
            market.status = int(event.status)
        if isinstance(event, OddsSet):
            market.quote(command)
        elif isinstance(event, OutcomesSuspended | OutcomesResumed | OddsOverridden | OddsReleased):
            market.note_mark(event)
        elif isinstance(event, LimitsSet):
            market.limits = event.limits
        elif isinstance(event, MarketSettled):
            market.results = dict(enumerate(event.results))
        elif isinstance(event, OutcomesSettled):
            market.results |= dict(zip(event.outcomes, event.results, strict=True))
        elif isinstance(event, SettlementRolledBack):
            for outcome in market.named(event):
                market.results.pop(outcome, None)
        elif isinstance(event, BetsCancelled):
            market.cancel_bets(event, self._number)
        elif isinstance(event, PlayBegun | EarlyPaid):
            self._read_early(event, market)
        # An outcome with a result is offered to nobody until its next odds.
        if isinstance(event, OutcomesSettled) and event.status != SETTLED:
            for outcome in event.outcomes:
                market.active[outcome] = False

    def _read_early(self, event: PlayBegun | EarlyPaid, market: MarketModel) -> None:
        what = f"market {event.market_no}"
        if isinstance(event, PlayBegun):
            if market.play_ns is not None and event.from_ns > market.play_ns:
                self._fault(f"{what}: play began at {market.play_ns}, then at {event.from_ns}")
            market.play_ns = event.from_ns
            return
        if market.play_ns is None:
            self._fault(f"{what}: a side led before play")
        marked = market.mark(event)
        if marked != event.bets:
            self._fault(f"{what}: a lead marked {event.bets} legs, by its journal {marked}")

    def _read_correction(self, command: Any, event: Any) -> None:
        corrected = self.markets[event.market_no].correct(command, event)
        stated = event.restored if isinstance(event, BetsRestored) else event.corrected
        if corrected != stated:
            what = f"market {event.market_no}: a correction of {stated} bets"
            self._fault(f"{what}, by its journal {corrected}")

    def _fault(self, what: str) -> None:
        self.faults.append(f"{self.name}: {what}")
