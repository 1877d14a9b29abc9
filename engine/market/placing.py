"""Placing bets: decide a batch, and let those wait that their markets delay or refer.

Owns the way of a batch through the kernels, and when a bet waits. What a bet is checked for is in
judge_nb.py; which bets wait is in waiting.py.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import numpy as np
from msgspec import UNSET

from engine.common.acceptance import (
    BETS_WAITING_MAX,
    Acceptance,
    AcceptanceCommand,
    AcceptReferral,
    OfferReferral,
    SetAcceptance,
    SetFeedDelay,
    StopWaiting,
)
from engine.common.events import AcceptanceSet, ReferralDecided, Refused, WaitingStopped
from engine.common.ids import BetId, MarketNo
from engine.common.lifecycle import BET_REFUSAL
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import (
    DECISION,
    FLAG_FENCE,
    FLAG_KNOWN,
    FLAG_LEG,
    FLAG_PERMITTED,
    I32s,
    Rows,
)
from engine.common.units import NS_PER_MS, RATE_MICRO_ONE, Minor, Nanos, OddsMilli
from engine.market.book import Book
from engine.market.command_checks import after_close_fault
from engine.market.fixture_grid import FixtureGrids
from engine.market.judge_nb import judge_all_nb
from engine.market.lookup import recall, recorded_place, repeat
from engine.market.place_nb import decide_all_nb, find_rows_nb
from engine.market.taking import offer_fault, taking_fault
from engine.market.waiting import Permit, WaitingBets, as_bets, same_bet

_ARRIVING: Final = FLAG_FENCE | FLAG_LEG
"""The flags of a row from outside; others are the market's own."""
_OVER_LIMIT: Final = frozenset(
    {
        Reason.STAKE_OVER_LIMIT,
        Reason.PAYOUT_OVER_CAP,
        Reason.OUTCOME_LIABILITY,
        Reason.MARKET_LIABILITY,
        Reason.FIXTURE_LIABILITY,
    }
)
"""Refusals that a trader may see otherwise."""


class Placing:
    """What decides bets on the markets of a machine.

    Parameters
    ----------
    book, grids, waiting
        The parts of the machine's state that bets change.
    slot_of : mapping
        The markets' slots, kept by the machine.
    bets_max : int
        Bound of the records of bets; CAPACITY refuses a bet past it, without a record.
    rules : int
        Version of the rules of decision.
    """

    def __init__(
        self,
        book: Book,
        grids: FixtureGrids,
        waiting: WaitingBets,
        *,
        slot_of: Mapping[MarketNo, int],
        bets_max: int,
        rules: int,
    ) -> None:
        self.rules = rules
        self._book = book
        self._grids = grids
        self._waiting = waiting
        self._slot_of = slot_of
        self._bets_max = bets_max
        self._numbers: I32s = np.empty(0, np.int32)
        self._slots: I32s = np.empty(0, np.int32)

    def place(self, rows: Rows, at_ns: Nanos) -> Rows:
        """Decide bets in order (see `MarketMachine.place`)."""
        rows = np.ascontiguousarray(rows)
        concerned = self._waiting.concern(rows)
        if concerned is not None or rows["flags"].max(initial=0) > _ARRIVING:
            rows = rows.copy()
            rows["flags"] &= _ARRIVING
        if concerned is None:
            return self._decide(rows, at_ns)
        decisions: Rows = np.empty(len(rows), DECISION)
        starts = [0, *(np.flatnonzero(np.diff(concerned)) + 1).tolist(), len(rows)]
        for start, stop in pairwise(starts):
            place = self._place_concerned if concerned[start] else self._decide
            decisions[start:stop] = place(rows[start:stop], at_ns)
        return decisions

    def repeat(self, rows: Rows, *, otherwise: Reason, at_ns: Nanos) -> Rows:
        """Repeat what was answered on bets and change nothing; a bet that waits goes on waiting."""
        decisions = repeat(self._book, rows, otherwise=otherwise)
        for at in range(len(rows) if len(self._waiting) else 0):
            bet = self._waiting.get(int(rows["bet_id"][at]))
            if bet is not None and same_bet(rows[at : at + 1], bet):
                decisions[at] = _waits(bet, at_ns, flags=FLAG_KNOWN)[0]
        return decisions

    def _decide(self, rows: Rows, at_ns: Nanos) -> Rows:
        """Decide bets that do not wait: the hot path."""
        book = self._book
        self._find(rows)
        decisions: Rows = np.empty(len(rows), DECISION)
        decide_all_nb(
            rows,
            at_ns,
            book.markets,
            book.outcomes,
            book.records,
            book.earlier,
            self._numbers,
            self._slots,
            decisions,
            self._grids.arrays(),
            self.rules,
        )
        return decisions

    def _find(self, rows: Rows) -> None:
        """Find or enter each bet's record, and find its market."""
        book, count = self._book, len(rows)
        book.make_room_for_bets(min(count, self._bets_max - book.bets_len))
        if count > len(self._numbers):
            self._numbers, self._slots = np.empty(count, np.int32), np.empty(count, np.int32)
        book.bets_len = find_rows_nb(
            rows,
            book.markets,
            book.market_table,
            book.records,
            book.bet_table,
            book.bets_len,
            self._bets_max,
            self._numbers,
            self._slots,
        )

    def _refuse(
        self, row: Rows, at_ns: Nanos, reason: Reason, *, odds_milli: int, stake_minor: int = 0
    ) -> Rows:
        """Record a refusal that no check of a kernel gives; return its decision."""
        self._find(row)
        number = int(self._numbers[0])
        decision: Rows = np.zeros(1, DECISION)
        decision["bet_id"] = row["bet_id"]
        if number < 0:
            decision["reason"] = Reason.CAPACITY
            return decision
        record = self._book.records[number]
        for name in ("stake_minor", "account_no", "market_no", "outcome", "policy", "flags"):
            record[name] = row[name][0]
        record["rate_micro"], record["factor_milli"] = row["rate_micro"][0], row["factor_milli"][0]
        record["odds_seen_milli"], record["odds_milli"] = row["odds_milli"][0], odds_milli
        record["at_ns"], record["reason"] = at_ns, reason
        record["stake_max_minor"] = stake_minor
        decision["odds_milli"], decision["reason"] = odds_milli, reason
        decision["stake_max_minor"] = stake_minor
        return decision

    # --- bets that wait ---------------------------------------------------------------------------

    def _place_concerned(self, rows: Rows, at_ns: Nanos) -> Rows:
        """Place bets of markets where bets wait or could.

        All are judged at once, by the book as it is. A bet that is accepted changes the book, so
        those behind it are judged anew.
        """
        decisions: Rows = np.empty(len(rows), DECISION)
        judged, bets = self._judge(rows), self._book.bets_len
        for at in range(len(rows)):
            row = rows[at : at + 1]
            same = self._book.bets_len == bets
            verdict = judged[at : at + 1] if same else self._judge(row)
            decisions[at] = self._place_one(row, verdict, at_ns)[0]
        return decisions

    def _judge(self, rows: Rows) -> Rows:
        """Return what the markets say of bets now, as DECISION rows."""
        slots = [self._slot_of[MarketNo(no)] for no in rows["market_no"].tolist()]
        decisions: Rows = np.empty(len(rows), DECISION)
        judge_all_nb(
            np.ascontiguousarray(rows),
            np.array(slots, np.int32),
            self._book.markets,
            self._book.outcomes,
            decisions,
            self._grids.arrays(),
            self.rules,
        )
        return decisions

    def _place_one(self, row: Rows, verdict: Rows, at_ns: Nanos) -> Rows:
        """Place one bet that may wait; `verdict` is what its market says of it now."""
        waiting, bet_id = self._waiting, int(row["bet_id"][0])
        bet = waiting.get(bet_id)
        if bet is not None:
            return self._place_again(row, bet, at_ns)
        flags = int(row["flags"][0])
        if flags & FLAG_FENCE or self._is_recorded(row):
            return self._decide(row, at_ns)
        slot = self._slot_of[MarketNo(int(row["market_no"][0]))]
        acceptance = waiting.of(slot)
        permit = None if flags & FLAG_LEG else waiting.permit(row, slot, at_ns)
        if permit is not None:
            row["flags"] |= FLAG_PERMITTED
            verdict = self._judge(row)
        reason, odds_milli = int(verdict["reason"][0]), int(verdict["odds_milli"][0])
        over, large = reason in _OVER_LIMIT, reason == 0 and _is_large(row, acceptance)
        if permit is None and (over or large) and acceptance.referral_ms:
            # Of no leg is a trader asked, nor of odds better than those of now, which he would
            # give. A large stake of these is refused, or a slip of one leg would escape him.
            if not flags & FLAG_LEG and int(row["odds_milli"][0]) <= odds_milli:
                waits, wait_ms, why = Reason.REFERRED, acceptance.referral_ms, reason
            elif over:
                return self._decide(row, at_ns)
            else:
                stake, limit = _largest_unasked(row, acceptance), Reason.STAKE_OVER_LIMIT
                return self._refuse(row, at_ns, limit, odds_milli=odds_milli, stake_minor=stake)
        elif reason == 0 and acceptance.delay_ms:
            waits, wait_ms, why = Reason.DELAYED, acceptance.delay_ms, 0
        else:
            if permit is not None and reason == 0:
                waiting.take_permit(permit)
            return self._decide(row, at_ns)
        if len(waiting) >= BETS_WAITING_MAX:
            return self._refuse(row, at_ns, Reason.CAPACITY, odds_milli=odds_milli)
        if permit is not None:
            waiting.take_permit(permit)
        bet = waiting.add(row, slot, at_ns=at_ns, wait_ms=wait_ms, reason=waits, why=why)
        return _waits(bet, at_ns, flags=0)

    def _place_again(self, row: Rows, bet: Rows, at_ns: Nanos) -> Rows:
        """Answer a bet that waits: decided when its time has come or a stop refused it."""
        if not same_bet(row, bet):
            return _without_record(row, Reason.BET_ID_REUSED)
        stopped = int(bet["stopped"][0])
        if not stopped and at_ns < bet["due_ns"][0]:
            return _waits(bet, at_ns, flags=FLAG_KNOWN)
        if stopped:
            return self._end(bet, at_ns, Reason(stopped))
        if bet["reason"][0] == Reason.REFERRED:
            return self._end(bet, at_ns, Reason.REFERRAL_EXPIRED)
        return self._decide(self._let_go(bet), at_ns)

    def _let_go(self, bet: Rows) -> Rows:
        """Let a bet wait no longer; return its BET row."""
        slot = self._slot_of[MarketNo(int(bet["market_no"][0]))]
        self._waiting.remove(int(bet["bet_id"][0]), slot)
        return as_bets(bet)

    def _end(
        self, bet: Rows, at_ns: Nanos, reason: Reason, *, odds_milli: int = 0, stake_minor: int = 0
    ) -> Rows:
        """Refuse a bet that waits, with the odds of its outcome now unless others are given."""
        slot = self._slot_of[MarketNo(int(bet["market_no"][0]))]
        odds = odds_milli or self._book.odds_milli(slot)[int(bet["outcome"][0])]
        row = self._let_go(bet)
        return self._refuse(row, at_ns, reason, odds_milli=odds, stake_minor=stake_minor)

    def _is_recorded(self, row: Rows) -> bool:
        return bool(recall(self._book, row["bet_id"])["reason"][0] != Reason.BET_UNKNOWN)

    def offer_left_ms(self, bet_id: BetId, at_ns: Nanos) -> int:
        """Return for how long the offer that answered a bet still stands; 0 where it does not."""
        place = recorded_place(self._book, bet_id)
        if place < 0:
            return 0
        record = self._book.records[place]
        slot = self._slot_of.get(MarketNo(int(record["market_no"])), -1)
        permit = self._waiting.permits.get(
            (int(record["account_no"]), slot, int(record["outcome"]))
        )
        offered = int(record["stake_max_minor"]), int(record["odds_milli"])
        if record["reason"] != Reason.REOFFERED or permit is None or permit[:2] != offered:
            return 0
        return max(0, (permit.until_ns - at_ns) // NS_PER_MS)

    # --- commands ---------------------------------------------------------------------------------

    def note_stops(self, slot: int) -> None:
        """Note what a command did to the bets that wait at its market."""
        waiting = self._waiting
        if len(waiting) or waiting.permits or slot in waiting.rules:
            waiting.note_stops(slot, BET_REFUSAL[self._book.status(slot)])

    def stop_waiting(self, command: StopWaiting) -> WaitingStopped:
        """Note a stop of the house, or the block of an account."""
        if command.account_no is UNSET:
            ended = self._waiting.stop(Reason.HOUSE_STOPPED, None)
        else:
            ended = self._waiting.stop(Reason.ACCOUNT_BLOCKED, command.account_no)
        return WaitingStopped(bets=ended)

    def apply(
        self, command: AcceptanceCommand, slot: int, at_ns: Nanos
    ) -> AcceptanceSet | ReferralDecided | Refused:
        """Change how a market takes bets, or decide a bet that waits for a trader."""
        if isinstance(command, SetAcceptance):
            acceptance = command.acceptance.applied_to(self._waiting.of(slot))
            return self._set(command, slot, acceptance)
        bet = self._waiting.get(command.bet_id)
        if bet is None or not _is_referred(bet, command.market_no, at_ns):
            reason = Reason.REFERRAL_UNKNOWN
            return Refused(reason=reason, field="bet_id", message=MESSAGES[reason])
        if isinstance(command, AcceptReferral):
            return self._accept(command, bet, slot, at_ns)
        if isinstance(command, OfferReferral):
            return self._offer(command, bet, slot, at_ns)
        decision = self._end(bet, at_ns, Reason.REFERRAL_DECLINED)
        return self._decided(bet, decision, slot, why=command.why)

    def set_feed_delay(self, command: SetFeedDelay, slot: int) -> AcceptanceSet | Refused:
        """Take the delay that the market's feed states."""
        return self._set(command, slot, self._waiting.of(slot).with_feed_delay(command.delay_ms))

    def _set(
        self, command: SetAcceptance | SetFeedDelay, slot: int, acceptance: Acceptance
    ) -> AcceptanceSet | Refused:
        refusal = after_close_fault(self._book.status(slot))
        if refusal is not None:
            return refusal
        self._waiting.set_rules(slot, acceptance)
        return AcceptanceSet(
            market_no=command.market_no,
            version=self._book.version(slot),
            acceptance=acceptance,
            why=command.why,
        )

    def _accept(
        self, command: AcceptReferral, bet: Rows, slot: int, at_ns: Nanos
    ) -> ReferralDecided | Refused:
        row = as_bets(bet)
        refused = self._not_to_be_taken(command, row, slot)
        if refused is not None:
            return refused
        self._let_go(bet)
        decision = self._decide(row, at_ns)
        return self._decided(bet, decision, slot, why=command.why)

    def _offer(
        self, command: OfferReferral, bet: Rows, slot: int, at_ns: Nanos
    ) -> ReferralDecided | Refused:
        outcome = int(bet["outcome"][0])
        now_milli = self._book.odds_milli(slot)[outcome]
        fault = offer_fault(command, bet, now_milli)
        if fault is not None:
            return fault
        row = as_bets(bet)
        row["stake_minor"], row["odds_milli"] = command.stake_minor, command.odds_milli
        refused = self._not_to_be_taken(command, row, slot)
        if refused is not None:
            return refused
        permit = Permit(
            command.stake_minor,
            command.odds_milli,
            Nanos(at_ns + command.window_ms * NS_PER_MS),
            floor_milli=min(command.odds_milli, now_milli),
        )
        if not self._waiting.add_permit((int(bet["account_no"][0]), slot, outcome), permit, at_ns):
            reason = Reason.CAPACITY
            return Refused(reason=reason, field="bet_id", message=MESSAGES[reason])
        decision = self._end(
            bet,
            at_ns,
            Reason.REOFFERED,
            odds_milli=command.odds_milli,
            stake_minor=command.stake_minor,
        )
        return self._decided(bet, decision, slot, why=command.why)

    def _not_to_be_taken(
        self, command: AcceptReferral | OfferReferral, row: Rows, slot: int
    ) -> Refused | None:
        """Return why a trader cannot have a bet taken now past its limits; None, and it is marked.

        `row` is the bet with the stake and the odds at which it is to be taken.
        """
        row["flags"] |= FLAG_PERMITTED
        reason = Reason(int(self._judge(row)["reason"][0]))
        if reason is not Reason.ACCEPTED:
            return Refused(reason=reason, field="bet_id", message=MESSAGES[reason])
        return taking_fault(
            command, row, slot, book=self._book, grids=self._grids, rules=self.rules
        )

    def _decided(self, bet: Rows, decision: Rows, slot: int, *, why: str) -> ReferralDecided:
        return ReferralDecided(
            market_no=self._book.market_no(slot),
            version=self._book.version(slot),
            bet_id=int(bet["bet_id"][0]),
            account_no=int(bet["account_no"][0]),
            outcome=int(bet["outcome"][0]),
            reason=Reason(int(decision["reason"][0])),
            stake_minor=Minor(int(decision["stake_max_minor"][0] or bet["stake_minor"][0])),
            odds_milli=OddsMilli(int(decision["odds_milli"][0])),
            why=why,
        )


def _is_large(row: Rows, acceptance: Acceptance) -> bool:
    """Return whether a stake is one that a trader wants to see, in base currency."""
    least = acceptance.referral_minor_from
    base = int(row["stake_minor"][0]) * int(row["rate_micro"][0]) // RATE_MICRO_ONE
    return 0 < least <= base


def _largest_unasked(row: Rows, acceptance: Acceptance) -> int:
    """Return the largest stake of which no trader is asked, in the account's currency."""
    base_minor = acceptance.referral_minor_from - 1
    return base_minor * RATE_MICRO_ONE // int(row["rate_micro"][0])


def _is_referred(bet: Rows, market_no: MarketNo, at_ns: Nanos) -> bool:
    """Return whether a bet waits for a trader's decision on this market, and still does."""
    if bet["reason"][0] != Reason.REFERRED or bet["market_no"][0] != market_no:
        return False
    return bool(not bet["stopped"][0] and at_ns < bet["due_ns"][0])


def _waits(bet: Rows, at_ns: Nanos, *, flags: int) -> Rows:
    """Return the answer on a bet that waits: for how long at most, in milliseconds."""
    decision: Rows = np.zeros(1, DECISION)
    decision["bet_id"], decision["odds_milli"] = bet["bet_id"], bet["odds_milli"]
    decision["reason"], decision["flags"] = bet["reason"], flags
    left_ns = 0 if bet["stopped"][0] else max(0, int(bet["due_ns"][0]) - at_ns)
    decision["stake_max_minor"] = -(-left_ns // NS_PER_MS)
    return decision


def _without_record(row: Rows, reason: Reason) -> Rows:
    decision: Rows = np.zeros(1, DECISION)
    decision["bet_id"], decision["odds_milli"] = row["bet_id"], row["odds_milli"]
    decision["reason"] = reason
    return decision
