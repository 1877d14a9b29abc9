"""Which bets wait at a shell's markets, as its journal says, and how each may end.

Owns plain rules of delays, referrals and traders' offers, written anew. It takes the records'
layouts, commands and events only; what a bet's limits are is the market model's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from engine.common.acceptance import (
    AcceptReferral,
    DeclineReferral,
    SetAcceptance,
    StopWaiting,
)

DELAYED, REFERRED, DECLINED, EXPIRED, OFFERED, UNKNOWN = (801, 802, 803, 804, 805, 806)
_ID_REUSED = 609
_STAKE_OVER_LIMIT, _CAPACITY = (302, 905)
_OUT_OF_BOUNDS, _TOO_SMALL, _ODDS_CHANGED = (102, 301, 431)
_HOUSE_STOPPED, _ACCOUNT_BLOCKED = (419, 610)
_OUTCOME_INACTIVE = 408
_OVER_LIMIT = (_STAKE_OVER_LIMIT, 501, 701, 704, 705)
_OF_STATUS = {0: 402, -1: 403, -2: 403, -3: 405, -4: 406, -5: 404}
"""The reason that a bet gets in each status that takes none."""
_PASSES = (402, 403, _OUTCOME_INACTIVE)
"""Stops that a bet outlives while a trader looks at it."""
_FIGURES = ("delay_ms", "referral_ms", "referral_minor_from")
_BETS_MAX = 16_384
"""Bets that wait in one shell."""
_MS = 1_000_000
_ONE = 1_000_000


@dataclass
class WaitingBet:
    """A bet that waits: itself as if it were accepted, and how."""

    bet: Any
    policy: int
    reason: int
    wait_ns: int
    due_ns: int
    permitted: bool
    stopped: int = 0
    """The refusal that a stop gave it."""


@dataclass
class Offer:
    """What a trader offered an account on an outcome, once."""

    stake: int
    odds: int
    until_ns: int
    least: int
    """The lowest odds of its outcome with which it stands."""


class WaitingModel:
    """The bets that wait at one shell, and the offers that may be taken there."""

    def __init__(self, fault: Callable[[str], None]) -> None:
        self.bets: dict[int, WaitingBet] = {}
        self.waited: dict[int, int] = {}
        """For what each bet waited that ever did."""
        self.permitted: set[int] = set()
        """Bets that no limit bound: accepted by a trader, or takers of an offer."""
        self.stops: set[str] = set()
        """The reasons that were given for stops of the house or of accounts."""
        self._figures: dict[int, dict[str, int]] = {}
        self._offers: dict[tuple[int, int, int], Offer] = {}
        self._fault = fault

    # --- bets ------------------------------------------------------------------------------------

    def ends(self, waits: WaitingBet, again: Any, policy: int, at_ns: int, reason: int) -> bool:
        """Judge the answer on a bet that waits and is asked for again; return whether it ended."""
        what = f"bet {waits.bet.bet_id}, which waits for {waits.reason},"
        if _content(waits.bet, waits.policy) != _content(again, policy):
            if reason != _ID_REUSED:
                self._fault(f"{what} came with other content and got {reason}")
            return False
        if waits.stopped:
            if reason != waits.stopped:
                self._fault(f"{what} was stopped by {waits.stopped} and got {reason}")
        elif at_ns < waits.due_ns:
            if reason != waits.reason:
                self._fault(f"{what} got {reason} {waits.due_ns - at_ns} ns before its time")
            elif again.seq != waits.bet.seq:  # twice in one batch is no call of its own
                self._fault(f"{what} has record {again.seq} too, which changed nothing")
            return reason not in (DELAYED, REFERRED)
        elif waits.reason == REFERRED:
            if reason != EXPIRED:
                self._fault(f"{what} was decided by nobody and got {reason}")
        elif reason in (DELAYED, REFERRED):
            self._fault(f"{what} waits on after its time, with {reason}")
            return False
        del self.bets[waits.bet.bet_id]
        return True

    def takes_offer(self, bet: Any, at_ns: int) -> bool:
        """Return whether a new bet takes what a trader offered."""
        offer = self._offers.get((bet.account, bet.market, bet.outcome))
        if bet.is_leg or offer is None or at_ns > offer.until_ns:
            return False
        return bool(bet.odds_seen == offer.odds and bet.stake <= offer.stake)

    def judge_new(
        self, bet: Any, reason: int, *, odds_now: int, offered: bool, stands: bool
    ) -> None:
        """Judge whether a new bet waits as it should; `stands`: its market and outcome take bets.

        `offered` says that it takes an offer, which holds once. A trader is asked of no leg and of
        no odds above those of now, `odds_now`.
        """
        figures = self._figures.get(bet.market, dict.fromkeys(_FIGURES, 0))
        delay, referral, _ = (figures[name] for name in _FIGURES)
        refers = referral > 0 and not offered
        looked_at = refers and not bet.is_leg and bet.odds_seen <= odds_now
        is_large = refers and self.is_large(bet)
        what = f"bet {bet.bet_id} of record {bet.seq}"
        if reason == _CAPACITY and len(self.bets) < _BETS_MAX:
            self._fault(f"{what} found no room, where {len(self.bets)} bets wait")
        if reason == 0 and (delay or is_large):
            self._fault(f"{what} was accepted at once, where bets wait by {figures}")
        if reason == DELAYED and (delay == 0 or is_large):
            self._fault(f"{what} is delayed, where bets wait by {figures}")
        if reason == REFERRED and not looked_at:
            self._fault(f"{what} waits for a trader, where bets wait by {figures}")
        if reason in _OVER_LIMIT and looked_at:
            self._fault(f"{what} was refused ({reason}), and was a trader's to decide")
        if offered and stands and reason not in (0, DELAYED):
            self._fault(f"{what} takes a trader's offer and was refused ({reason})")
        if offered and reason in (0, DELAYED):
            del self._offers[bet.account, bet.market, bet.outcome]
            self.permitted.add(bet.bet_id)

    def is_large(self, bet: Any) -> bool:
        """Return whether a trader wants to see a bet of this stake, whatever the limits say."""
        large = self._figures.get(bet.market, {}).get("referral_minor_from", 0)
        return bool(0 < large <= bet.stake * bet.rate // _ONE)

    def largest_unasked(self, bet: Any) -> int | None:
        """Return the largest stake of which no trader is asked; None where none is of this one."""
        figures = self._figures.get(bet.market)
        if figures is None or not figures["referral_ms"] or not self.is_large(bet):
            return None
        return int((figures["referral_minor_from"] - 1) * _ONE // bet.rate)

    def add(self, bet: Any, policy: int, reason: int, at_ns: int) -> None:
        """Note that a new bet waits."""
        name = "delay_ms" if reason == DELAYED else "referral_ms"
        wait_ns = self._figures.get(bet.market, {}).get(name, 0) * _MS
        permitted = bet.bet_id in self.permitted
        due_ns = at_ns + wait_ns
        self.bets[bet.bet_id] = WaitingBet(bet, policy, reason, wait_ns, due_ns, permitted)
        self.waited[bet.bet_id] = reason

    def stop(self, market: Any) -> None:
        """Note what a market's state does to its bets that wait."""
        for waits in self.bets.values():
            bet = waits.bet
            if bet.market != market.number or waits.stopped:
                continue
            reason = _OF_STATUS.get(market.status, 0)
            if not reason and not market.offers(bet.outcome):
                reason = _OUTCOME_INACTIVE
            if waits.reason != REFERRED or reason not in _PASSES:
                waits.stopped = reason
        self._stop_offers(market)

    def _stop_offers(self, market: Any) -> None:
        for key in [key for key in self._offers if key[1] == market.number]:
            reason = _OF_STATUS.get(market.status, 0)
            offer = self._offers[key]
            if reason or not market.offers(key[2]) or market.odds_now(key[2]) < offer.least:
                del self._offers[key]

    def wait_anew(self, at_ns: int) -> None:
        """Note that a writer starts: what is delayed waits its whole delay from then on."""
        for waits in self.bets.values():
            if waits.reason == DELAYED and not waits.stopped:
                waits.due_ns = max(waits.due_ns, at_ns + waits.wait_ns)

    # --- commands --------------------------------------------------------------------------------

    def stop_all(self, command: StopWaiting, event: Any) -> None:
        """Note a stop of the house, or the block of an account."""
        of_all = command.account_no is UNSET
        reason = _HOUSE_STOPPED if of_all else _ACCOUNT_BLOCKED
        stopped = 0
        for waits in self.bets.values():
            if not waits.stopped and (of_all or waits.bet.account == command.account_no):
                waits.stopped = reason
                stopped += 1
        if event.bets != stopped:
            self._fault(f"{command} ended {event.bets} bets, by the journal {stopped}")
        self.stops.add(command.why)
        for key in list(self._offers):
            if of_all or key[0] == command.account_no:
                del self._offers[key]

    def set_figures(self, command: SetAcceptance, event: Any) -> None:
        """Apply a change of how a market takes bets."""
        figures = self._figures.setdefault(event.market_no, dict.fromkeys(_FIGURES, 0))
        for name in _FIGURES:
            given = getattr(command.acceptance, name)
            figures[name] = figures[name] if given is UNSET else given
            if getattr(event.acceptance, name) != figures[name]:
                self._fault(f"market {event.market_no}: {event.acceptance} after {command}")

    def decide(self, command: Any, event: Any, at_ns: int, market: Any) -> WaitingBet | None:
        """Apply a trader's decision on a bet of a market; return the bet if it waited for one."""
        waits = self.bets.get(command.bet_id)
        what = f"bet {command.bet_id}, of which a trader decided,"
        if waits is None or not self._is_open(waits, command, at_ns):
            self._fault(f"{what} did not wait for one: {waits}")
            return None
        del self.bets[command.bet_id]
        bet = waits.bet
        why_not = self._not_to_be_taken(command, bet, market)
        if why_not:
            self._fault(f"{what} was not to be taken ({why_not}): {command}")
        if isinstance(command, AcceptReferral):
            due: tuple[int, int, int] = (0, bet.stake, bet.odds_seen)
            self.permitted.add(bet.bet_id)
        elif isinstance(command, DeclineReferral):
            due = (DECLINED, bet.stake, event.odds_milli)
        else:
            due = (OFFERED, command.stake_minor, command.odds_milli)
            if command.stake_minor > bet.stake:
                self._fault(f"{what} of {bet.stake} was offered {command.stake_minor}")
            self._offers[bet.account, bet.market, bet.outcome] = Offer(
                command.stake_minor,
                command.odds_milli,
                at_ns + command.window_ms * _MS,
                min(command.odds_milli, market.odds_now(bet.outcome)),
            )
        stated = (int(event.reason), event.stake_minor, event.odds_milli)
        if stated != due:
            self._fault(f"{what} got {stated} by {command}, not {due}")
        return waits

    def refused(self, command: Any, reason: int, at_ns: int, market: Any) -> None:
        """Judge the refusal of a trader's decision on a bet of a market."""
        waits = self.bets.get(command.bet_id)
        if waits is None or not self._is_open(waits, command, at_ns):
            return
        if reason == UNKNOWN:
            self._fault(f"bet {command.bet_id} waits, and a trader was told that it does not")
        elif not self._not_to_be_taken(command, waits.bet, market):
            self._fault(f"bet {command.bet_id} was to be taken, and was refused ({reason})")

    @staticmethod
    def _not_to_be_taken(command: Any, bet: Any, market: Any) -> int:
        """Return why a trader cannot have a bet taken; house caps are out of a story's reach."""
        if isinstance(command, DeclineReferral):
            return 0
        reason = _OF_STATUS.get(market.status, 0)
        if reason or not market.offers(bet.outcome):
            return reason or _OUTCOME_INACTIVE
        now = market.odds_now(bet.outcome)
        odds = bet.odds_seen
        if not isinstance(command, AcceptReferral):
            odds = command.odds_milli
            if command.stake_minor > bet.stake or odds > max(bet.odds_seen, now):
                return _OUT_OF_BOUNDS
            if command.stake_minor * bet.rate < _ONE:
                return _TOO_SMALL
        return (
            _ODDS_CHANGED
            if now < (odds if command.now_milli is UNSET else command.now_milli)
            else 0
        )

    @staticmethod
    def _is_open(waits: WaitingBet, command: Any, at_ns: int) -> bool:
        here = waits.bet.market == command.market_no
        return here and waits.reason == REFERRED and not waits.stopped and at_ns < waits.due_ns


def _content(bet: Any, policy: int) -> tuple[int, ...]:
    return (bet.account, bet.market, bet.outcome, bet.stake, bet.odds_seen, bet.rate, policy)
