"""What a market shell's journal says, read with plain lists and fractions.

Owns an account of every decision of one shell in the order of its journal: whether the market took
bets then, at which odds, and within which limits. Shares no code with the engine's decisions; it
takes the records' layouts, commands and events only.
"""

from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import Any

from engine.common.acceptance import ReferralCommand
from engine.common.commands import CreateMarket
from engine.common.events import (
    AcceptanceSet,
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
    Refused,
    SettlementRolledBack,
    StatusSet,
    WaitingStopped,
)
from engine.common.rows import FLAG_FENCE, FLAG_LEG, FLAG_RELEASED
from persistence.frames import Record
from persistence.records import Kind, decode_bets, decode_charges, decode_market_control
from tests.simulator.fixture_model import fixture_of, worst_minor
from tests.simulator.one_market import (
    ACTIVE,
    CANCELLED,
    CLOSED,
    HANDED_OVER,
    ONE,
    SETTLED,
    SUSPENDED,
    AcceptedBet,
    MarketModel,
)
from tests.simulator.stops_model import StopsModel
from tests.simulator.waiting_model import DELAYED, REFERRED, WaitingModel

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
_STAKE_OVER_LIMIT = 302
_FENCED = 904
_FIXTURE_LIABILITY = 705
_GUARDS = (305, 306, 307, 308)
"""Refusals of a feed's odds that suspend its market, since its last odds may be wrong too."""


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
        self.waiting = WaitingModel(self._fault)
        self.stops = StopsModel(self._fault)
        self._content: dict[int, tuple[int, ...]] = {}
        self._number = 0

    def read(self, record: Record) -> None:
        if record.kind == Kind.BETS:
            self._read_bets(record)
        elif record.kind == Kind.EPOCH:
            self.waiting.wait_anew(record.at_ns)
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
                market = self.markets.get(getattr(command, "market_no", -1))
                self.stops.read(control.by, command, event, market)
                if isinstance(command, ReferralCommand):
                    self._decide_referral(command, event, record)
                if isinstance(event, BetsVoided | OddsCorrected | BetsRestored):
                    self._read_correction(command, event)

    # --- bets ------------------------------------------------------------------------------------

    def _read_bets(self, record: Record) -> None:
        rows, decisions = decode_bets(record.payload)
        names = ("bet_id", "stake_minor", "account_no", "market_no", "odds_milli", "outcome")
        more = ("policy", "flags", "rate_micro", "factor_milli")
        columns = [rows[name].tolist() for name in (*names, *more)]
        names = ("odds_milli", "reason", "stake_max_minor")
        verdicts = [decisions[name].tolist() for name in names]
        for row, verdict in zip(
            zip(*columns, strict=True), zip(*verdicts, strict=True), strict=True
        ):
            self._read_bet(record, row, verdict)

    def _read_bet(self, record: Record, row: Any, verdict: Any) -> None:
        bet_id, stake, account, market_no, odds_seen, outcome, policy, flags, rate, factor = row
        odds, reason, stake_max = verdict
        content = (stake, account, market_no, odds_seen, outcome)
        known = self.decisions.get(bet_id)
        if known is not None:
            if self._content[bet_id] != content and known[0] == 0 and reason == 0:
                self._fault(f"bet {bet_id} came with other content and was accepted")
            if reason in (0, known[0]) and (reason, odds) != known[:2]:
                self._fault(f"bet {bet_id} was decided twice: {known[:2]}, then {(reason, odds)}")
            return
        bet = AcceptedBet(
            bet_id,
            record.seq,
            self._number,
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
        waits = self.waiting.bets.get(bet_id)
        if waits is not None:
            if self.waiting.ends(waits, bet, policy, record.at_ns, reason):
                self._decided(bet, reason, policy, content)
            return
        market = self.markets.get(market_no)
        if market is not None and not flags & FLAG_FENCE:
            offered = self.waiting.takes_offer(bet, record.at_ns)
            stands = market.status == ACTIVE and market.offers(outcome)
            odds_now = market.odds_now(outcome)
            self.waiting.judge_new(bet, reason, odds_now=odds_now, offered=offered, stands=stands)
            if reason == _STAKE_OVER_LIMIT:
                self._check_unasked(market, bet, stake_max)
            if reason in (DELAYED, REFERRED):
                self._begin_to_wait(market, bet, policy, reason)
                return
        if flags & FLAG_FENCE and reason != _FENCED:
            self._fault(f"bet {bet_id} is fenced and got the decision {reason}")
        self._decided(bet, reason, policy, content)

    def _decided(self, bet: AcceptedBet, reason: int, policy: int, content: Any) -> None:
        """Note the decision on a bet, and judge it."""
        self.decisions[bet.bet_id] = (reason, bet.odds, bet.seq)
        self._content[bet.bet_id] = content
        self._number += 1
        if reason not in (0, _FIXTURE_LIABILITY):
            return
        market = self.markets.get(bet.market)
        if market is None:
            self._fault(f"bet {bet.bet_id} was decided on market {bet.market}, which is not")
            return
        permitted = bet.bet_id in self.waiting.permitted
        if not permitted:
            self._check_fixture(market, bet, refused=bool(reason))
        if reason:
            return
        self._check_acceptance(market, bet, policy)
        market.bets.append(bet)
        self.accepted[bet.bet_id] = bet
        if not permitted:
            self._check_limits(market, bet)

    def _begin_to_wait(
        self, market: MarketModel, bet: AcceptedBet, policy: int, reason: int
    ) -> None:
        """Judge a bet that waits from now on as if it were accepted, but for a trader's limits."""
        permitted = bet.bet_id in self.waiting.permitted
        self.waiting.add(bet, policy, reason, bet.at_ns)
        now = replace(bet, odds=bet.odds_seen if permitted else market.odds_now(bet.outcome))
        self._check_acceptance(market, now, policy)
        if permitted:
            return
        market.bets.append(now)
        if reason == DELAYED:
            self._check_limits(market, now)
        elif not self.waiting.is_large(bet) and not self._near_a_limit(market, now):
            self._fault(f"bet {bet.bet_id} of record {bet.seq} waits for a trader, and fits")
        market.bets.pop()
        if reason == DELAYED:
            self._check_fixture(market, now, refused=False)

    def _check_unasked(self, market: MarketModel, bet: AcceptedBet, stake_max: int) -> None:
        """Check which stake is named to a large bet of which no trader is asked, and that fits."""
        due = self.waiting.largest_unasked(bet)
        market.bets.append(bet)
        if due is not None and stake_max != due and not self._near_a_limit(market, bet):
            self._fault(f"bet {bet.bet_id} of record {bet.seq} may be {stake_max}, not {due}")
        market.bets.pop()

    def _near_a_limit(self, market: MarketModel, bet: AcceptedBet) -> bool:
        """Return whether a bet in the book may break a limit; each bet may be rounded by a unit."""
        slack, limits = len(market.bets) + 1, market.limits
        factor = Fraction(bet.factor or 1_000, 1_000)
        stake = Fraction(bet.stake * bet.rate, ONE)
        payout = Fraction(bet.stake * bet.odds // 1_000 * bet.rate, ONE)
        liabilities = market.liabilities()
        fixture, most = fixture_of(market.key), limits.fixture_liability_minor_max
        return (
            stake + 1 > limits.stake_minor_max * factor
            or payout + 2 > limits.payout_minor_max * factor
            or liabilities[bet.outcome] + slack > limits.outcome_liability_minor_max
            or max(liabilities) + slack > limits.market_liability_minor_max
            or 0
            < most
            < worst_minor(each for each in self.markets.values() if fixture_of(each.key) == fixture)
        )

    def _decide_referral(self, command: ReferralCommand, event: Any, record: Record) -> None:
        """Apply a trader's decision on a bet that waits for one."""
        if isinstance(event, Refused):
            market = self.markets[command.market_no]
            self.waiting.refused(command, int(event.reason), record.at_ns, market)
            return
        market = self.markets[command.market_no]
        waits = self.waiting.decide(command, event, record.at_ns, market)
        if waits is None:
            return
        bet = replace(
            waits.bet,
            seq=record.seq,
            at_ns=record.at_ns,
            number=self._number,
            odds=event.odds_milli,
        )
        content = (bet.stake, bet.account, bet.market, bet.odds_seen, bet.outcome)
        self._decided(bet, int(event.reason), waits.policy, content)

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
        permitted = bet.bet_id in self.waiting.permitted
        odds = bet.odds_seen if permitted else market.odds_now(bet.outcome)
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
        stake = Fraction(bet.stake * bet.rate, ONE)
        factor = Fraction(bet.factor or 1_000, 1_000)
        if not limits.stake_minor_min <= ceil(stake) or stake > limits.stake_minor_max * factor:
            self._fault(f"{what}: stake {stake}")
        payout = Fraction(bet.stake * bet.odds // 1_000 * bet.rate, ONE)
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
                if isinstance(each, Refused) and int(each.reason) in _GUARDS:
                    self._stop_at_last_odds(self.markets[event.market_no])
            return
        if isinstance(event, WaitingStopped):
            self.waiting.stop_all(command, event)
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
        elif isinstance(event, AcceptanceSet):
            self.waiting.set_figures(command, event)
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
        self.waiting.stop(market)

    def _stop_at_last_odds(self, market: MarketModel) -> None:
        """Suspend a market whose feed gave odds that were refused."""
        if market.status == ACTIVE:
            market.status = SUSPENDED
        self.waiting.stop(market)

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
