"""The market machine again, in plain Python: slow, obvious, and written from the rules alone.

Dicts and whole numbers, no arrays. The alternative stake is searched for, not calculated; what a
settled bet gets back is a sum of fractions.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

from engine.common.commands import Limits, OutcomeResult
from engine.common.lifecycle import BET_REFUSAL, Action, Status, next_status
from engine.common.reasons import Reason
from engine.common.rows import BetResult
from tests.engine.market.builders import Bet

STAKE_MAX = 1_000_000_000
MASK_64 = (1 << 64) - 1


def mix_twin(word: int) -> int:
    """Scatter 64 bits, as the index does."""
    word ^= word >> 33
    word = word * 0xFF51AFD7ED558CCD & MASK_64
    word ^= word >> 33
    word = word * 0xC4CEB9FE1A85EC53 & MASK_64
    return word ^ word >> 33


def unmix_twin(hashed: int) -> int:
    """Return the word that is scattered to this hash."""
    hashed ^= hashed >> 33
    hashed = hashed * pow(0xC4CEB9FE1A85EC53, -1, 1 << 64) & MASK_64
    hashed ^= hashed >> 33
    hashed = hashed * pow(0xFF51AFD7ED558CCD, -1, 1 << 64) & MASK_64
    return hashed ^ hashed >> 33


def payback_twin(*, stake: int, odds: int, result: OutcomeResult) -> int:
    """Return what a settled bet gets back: the table as fractions, rounded down at the end."""
    void = Fraction(result.void_halves, 2)
    dead_heat = Fraction(result.dead_heat_num, result.dead_heat_den)
    return floor(stake * ((1 - void) * result.won * Fraction(odds, 1_000) * dead_heat + void))


def word_twin(result: OutcomeResult) -> BetResult:
    """Return how a bet ended in a bettor's word; a dead heat of nothing is no win."""
    won = result.won and result.dead_heat_num > 0
    return {
        (True, 0): BetResult.WON,
        (False, 0): BetResult.LOST,
        (True, 1): BetResult.HALF_WON,
        (False, 1): BetResult.HALF_LOST,
        (True, 2): BetResult.REFUNDED,
        (False, 2): BetResult.REFUNDED,
    }[won, result.void_halves]


@dataclass
class MarketTwin:
    """One market: each accepted bet is kept, and every figure is added up when it is asked for."""

    odds: list[int]
    limits: Limits
    status: Status = Status.INACTIVE
    version: int = 1
    settlement_no: int = 0
    active: list[bool] = field(default_factory=list)
    taken: list[tuple[Bet, int]] = field(default_factory=list)

    def base_of(self, bet: Bet) -> int:
        return bet[1] * bet[5] // 1_000_000

    def stake_taken(self) -> int:
        return sum(self.base_of(bet) for bet, _ in self.taken)

    def stakes(self) -> list[int]:
        sums = [0] * len(self.odds)
        for bet, _ in self.taken:
            sums[bet[6]] += self.base_of(bet)
        return sums

    def payouts(self) -> list[int]:
        sums = [0] * len(self.odds)
        for bet, odds in self.taken:
            sums[bet[6]] += self.base_of(bet) * odds // 1_000
        return sums

    def limit_reason(self, bet: Bet, odds: int) -> Reason:
        """Return the first limit broken by the book with this bet in it."""
        base, limits = self.base_of(bet), self.limits
        if base < limits.stake_minor_min:
            return Reason.STAKE_TOO_SMALL
        if base > limits.stake_minor_max:
            return Reason.STAKE_OVER_LIMIT
        if base * odds // 1_000 > limits.payout_minor_max:
            return Reason.PAYOUT_OVER_CAP
        payouts = self.payouts()
        payouts[bet[6]] += base * odds // 1_000
        liability = [payout - self.stake_taken() - base for payout in payouts]
        if liability[bet[6]] > limits.outcome_liability_minor_max:
            return Reason.OUTCOME_LIABILITY
        if max(liability) > limits.market_liability_minor_max:
            return Reason.MARKET_LIABILITY
        return Reason.ACCEPTED

    def stake_max(self, bet: Bet, odds: int) -> int:
        """Search for the highest stake that passes every limit; 0 when none does.

        Whatever breaks a limit from above goes on breaking it with more, so the first stake that is
        too much is found by halving; whether the one below it is enough is then asked.
        """

        def too_much(stake: int) -> bool:
            tried = (bet[0], stake, *bet[2:])
            base = self.base_of(tried)
            if stake > STAKE_MAX or base > self.limits.stake_minor_max:
                return True
            payout = base * odds // 1_000
            liability = self.payouts()[bet[6]] + payout - self.stake_taken() - base
            return (
                payout > self.limits.payout_minor_max
                or liability > self.limits.outcome_liability_minor_max
                or liability > self.limits.market_liability_minor_max
            )

        low, high = 0, STAKE_MAX + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if too_much(middle) else (middle, high)
        passes = low > 0 and not self.limit_reason((bet[0], low, *bet[2:]), odds)
        return low if passes else 0


class MarketsTwin:
    """Many markets and the memory of every decision."""

    def __init__(self, *, bets_max: int = 1 << 26) -> None:
        self.bets_max = bets_max
        self.markets: dict[int, MarketTwin] = {}
        self.known: dict[int, tuple[int, int, int]] = {}

    def place(self, bet: Bet) -> tuple[int, int, int, int]:
        """Return (reason, odds, stake_max, flags)."""
        if bet[0] in self.known:
            return (*self.known[bet[0]], 1)
        if len(self.known) == self.bets_max:
            return (Reason.CAPACITY, 0, 0, 0)
        decided = self.decide(bet)
        self.known[bet[0]] = decided
        return (*decided, 0)

    def decide(self, bet: Bet) -> tuple[int, int, int]:
        number, stake, _, market_no, seen, rate, outcome, policy, flags = bet
        if flags & 1:
            return (Reason.FENCED, 0, 0)
        market = self.markets.get(market_no)
        if market is None:
            return (Reason.MARKET_UNKNOWN, 0, 0)
        odds = market.odds[outcome] if outcome < len(market.odds) else 0
        if BET_REFUSAL[market.status]:
            return (BET_REFUSAL[market.status], odds, 0)
        if outcome >= len(market.odds):
            return (Reason.OUTCOME_UNKNOWN, 0, 0)
        if not market.active[outcome]:
            return (Reason.OUTCOME_INACTIVE, odds, 0)
        if not 1_001 <= seen <= 10_000_000:
            return (Reason.ODDS_OUT_OF_BOUNDS, odds, 0)
        if not 1 <= stake <= STAKE_MAX:
            return (Reason.AMOUNT_OUT_OF_BOUNDS, odds, 0)
        if not 1 <= rate <= 1_000_000_000 or policy > 2:
            return (Reason.FIELD_OUT_OF_BOUNDS, odds, 0)
        if number % (1 << 48) == 0 or number >= 1 << 63:
            return (Reason.FIELD_OUT_OF_BOUNDS, odds, 0)
        if market.base_of(bet) > STAKE_MAX:
            return (Reason.AMOUNT_OUT_OF_BOUNDS, odds, 0)
        if market.base_of(bet) < 1:
            return (Reason.STAKE_TOO_SMALL, odds, 0)
        if policy == 0 and odds != seen:
            return (Reason.ODDS_CHANGED, odds, 0)
        if policy == 1 and odds < seen:
            return (Reason.ODDS_WORSE, odds, 0)
        reason = market.limit_reason(bet, odds)
        if reason == Reason.ACCEPTED:
            market.taken.append((bet, odds))
            return (reason, odds, 0)
        too_small = reason == Reason.STAKE_TOO_SMALL
        return (reason, odds, 0 if too_small else market.stake_max(bet, odds))

    def create(self, market_no: int, odds: tuple[int, ...], limits: Limits) -> Reason:
        if market_no in self.markets:
            return Reason.MARKET_EXISTS
        self.markets[market_no] = MarketTwin(list(odds), limits, active=[True] * len(odds))
        return Reason.ACCEPTED

    def move(self, market_no: int, action: Action) -> Reason:
        market = self.markets.get(market_no)
        if market is None:
            return Reason.MARKET_UNKNOWN
        after = next_status(market.status, action)
        if after is None:
            return Reason.TRANSITION_NOT_ALLOWED
        market.version += after != market.status
        market.status = after
        return Reason.ACCEPTED

    def set_odds(self, market_no: int, quotes: list[tuple[int, int, bool]]) -> Reason:
        market = self.markets.get(market_no)
        if market is None:
            return Reason.MARKET_UNKNOWN
        if market.status in (Status.CLOSED, Status.SETTLED, Status.CANCELLED):
            return Reason.TRANSITION_NOT_ALLOWED
        before = (list(market.odds), list(market.active))
        for outcome, odds, active in quotes:
            market.odds[outcome] = odds
            market.active[outcome] = active
        market.version += before != (market.odds, market.active)
        return Reason.ACCEPTED

    def set_limits(self, market_no: int, limits: Limits) -> Reason:
        market = self.markets.get(market_no)
        if market is None:
            return Reason.MARKET_UNKNOWN
        if market.status in (Status.CLOSED, Status.SETTLED, Status.CANCELLED):
            return Reason.TRANSITION_NOT_ALLOWED
        market.limits = limits
        return Reason.ACCEPTED

    def picture(self, market_no: int) -> dict[str, Any]:
        market = self.markets[market_no]
        taken, payouts = market.stake_taken(), market.payouts()
        return {
            "status": market.status,
            "version": market.version,
            "odds": tuple(market.odds),
            "active": tuple(market.active),
            "limits": market.limits,
            "bets": len(market.taken),
            "stake_taken": taken,
            "stakes": tuple(market.stakes()),
            "payouts": tuple(payouts),
            "liability": tuple(payout - taken for payout in payouts),
        }
