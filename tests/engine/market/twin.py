"""The market machine in plain Python: slow, and written from the rules alone.

Uses lists, dicts and whole numbers, and no array. The alternative stake is searched for instead of
calculated; what a settled bet gets back is a sum of fractions. Takes from the engine only the
structs of its input (Limits, OutcomeResult): tables, numbers and bounds are stated by the tests.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any

from engine.common.commands import Limits, OutcomeResult
from tests.engine.common.stated_rules import (
    BET_REASONS,
    NEXT_STATUS,
    REASON_NUMBERS,
    RESULT_NUMBERS,
    STATUS_NUMBERS,
)
from tests.engine.market.builders import Bet

STAKE_MAX = 1_000_000_000
LIMIT_NAMES = (
    "stake_minor_min",
    "stake_minor_max",
    "payout_minor_max",
    "outcome_liability_minor_max",
    "market_liability_minor_max",
)
FENCE, LEG = 1, 2
"""Flags of a bet."""
ENDED = ("CLOSED", "SETTLED", "CANCELLED")
"""Statuses in which betting has ended: no odds and limits are set any more."""


Charge = tuple[int, int, int, int, int]
"""A CHARGE row: bet_id, stake, market, charge_no, flags (1: released)."""


class Charges:
    """What legs are charged: the highest number counts, and only a release follows a release."""

    def __init__(self) -> None:
        self.of: dict[int, tuple[int, int, bool]] = {}
        """By bet id: the number of the charge, the stake, and whether the leg is released."""

    def apply(self, charge: Charge, rate: int) -> bool:
        """Apply a charge of an accepted leg of its market; return whether it changes anything."""
        number, stake, _, charge_no, flags = charge
        last, _, released = self.of.get(number, (0, 0, False))
        if (released and flags != 1) or charge_no <= last:
            return False
        self.of[number] = (charge_no, min(stake, STAKE_MAX * 1_000_000 // rate), flags == 1)
        return True

    def stake(self, number: int, stake: int) -> int:
        """Return the stake with which a bet counts."""
        return self.of[number][1] if number in self.of else stake

    def released(self, number: int) -> bool:
        return number in self.of and self.of[number][2]


def fits_twin(charge: Charge) -> bool:
    """Return whether a charge is within the bounds of any leg."""
    _, stake, _, _, flags = charge
    return (flags == 1 and stake == 0) or (flags == 0 and 0 <= stake <= STAKE_MAX)


def payback_twin(*, stake: int, odds: int, result: OutcomeResult) -> int:
    """Return what a settled bet gets back: the feed's table in fractions, rounded down once."""
    void = Fraction(result.void_halves, 2)
    dead_heat = Fraction(result.dead_heat_num, result.dead_heat_den)
    return floor(stake * ((1 - void) * result.won * Fraction(odds, 1_000) * dead_heat + void))


def result_twin(result: OutcomeResult) -> int:
    """Return the number of how a bet ended; a dead heat of zero is no win."""
    won = result.won and result.dead_heat_num > 0
    name = {
        (True, 0): "WON",
        (False, 0): "LOST",
        (True, 1): "HALF_WON",
        (False, 1): "HALF_LOST",
        (True, 2): "REFUNDED",
        (False, 2): "REFUNDED",
    }[won, result.void_halves]
    return RESULT_NUMBERS[name]


@dataclass
class MarketTwin:
    """One market: every accepted bet is kept, and every figure is added up when it is read."""

    odds: list[int]
    limits: Limits
    status: str = "INACTIVE"
    version: int = 1
    rules: int = 2
    active: list[bool] = field(default_factory=list)
    accepted: list[tuple[Bet, int]] = field(default_factory=list)
    charges: Charges = field(default_factory=Charges)
    held: set[int] = field(default_factory=set)
    standing: dict[int, int] = field(default_factory=dict)
    """Odds that a trader's override gave; `odds` and `active` are those given last by others."""

    def shown(self) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """Return the odds that count, and which outcomes take bets."""
        odds = tuple(self.standing.get(at, given) for at, given in enumerate(self.odds))
        return odds, tuple(at not in self.held and on for at, on in enumerate(self.active))

    def base_of(self, bet: Bet) -> int:
        return bet[1] * bet[5] // 1_000_000

    def limited_stake(self, bet: Bet) -> int:
        """Return the stake that is held against the limit of one bet."""
        exact = Fraction(bet[1] * bet[5], 1_000_000)
        return floor(exact) if self.rules == 1 else ceil(exact)

    def limited_payout(self, bet: Bet, odds: int) -> int:
        """Return the payout that is held against the cap of one bet."""
        if self.rules == 1:
            return self.base_of(bet) * odds // 1_000
        return ceil(Fraction(bet[1] * odds // 1_000 * bet[5], 1_000_000))

    def payout_of(self, bet: Bet, odds: int) -> int:
        """Return what a bet adds to the payout of its outcome."""
        if self.rules == 1:
            return self.base_of(bet) * odds // 1_000
        win = bet[1] * odds // 1_000 - bet[1]
        return self.base_of(bet) + ceil(Fraction(win * bet[5], 1_000_000))

    def counted(self) -> list[tuple[Bet, int]]:
        """Return the bets that count in the book, with the stakes that count."""
        if self.status == "CANCELLED" and self.rules > 1:
            return []
        return [
            ((bet[0], self.charges.stake(bet[0], bet[1]), *bet[2:]), odds)
            for bet, odds in self.accepted
        ]

    def stake_taken(self) -> int:
        return sum(self.base_of(bet) for bet, _ in self.counted())

    def stakes(self) -> list[int]:
        sums = [0] * len(self.odds)
        for bet, _ in self.counted():
            sums[bet[6]] += self.base_of(bet)
        return sums

    def payouts(self) -> list[int]:
        sums = [0] * len(self.odds)
        for bet, odds in self.counted():
            sums[bet[6]] += self.payout_of(bet, odds)
        return sums

    def limit_of(self, bet: Bet, limit: int) -> int:
        """Return a limit of one bet by its account's factor, in thousandths (0: none)."""
        return floor(Fraction(limit * (bet[9] or 1_000), 1_000))

    def broken_limit(self, bet: Bet, odds: int) -> str:
        """Return the reason of the first limit that the book breaks with this bet in it."""
        base, limits = self.base_of(bet), self.limits
        if base < limits.stake_minor_min and not bet[8] & LEG:
            return "STAKE_TOO_SMALL"
        if self.limited_stake(bet) > self.limit_of(bet, limits.stake_minor_max):
            return "STAKE_OVER_LIMIT"
        if self.limited_payout(bet, odds) > self.limit_of(bet, limits.payout_minor_max):
            return "PAYOUT_OVER_CAP"
        payouts = self.payouts()
        payouts[bet[6]] += self.payout_of(bet, odds)
        liability = [payout - self.stake_taken() - base for payout in payouts]
        if liability[bet[6]] > limits.outcome_liability_minor_max:
            return "OUTCOME_LIABILITY"
        if max(liability) > limits.market_liability_minor_max:
            return "MARKET_LIABILITY"
        return "ACCEPTED"

    def stake_max(self, bet: Bet, odds: int) -> int:
        """Search for the highest stake that passes every limit; 0 when none does.

        A stake that is too large for a limit stays too large when it rises, so bisection finds the
        highest stake that is not; that stake is then checked against the lower limits.
        """

        def too_large(stake: int) -> bool:
            tried = (bet[0], stake, *bet[2:])
            most = self.limit_of(bet, self.limits.stake_minor_max)
            if stake > STAKE_MAX or self.limited_stake(tried) > most:
                return True
            liability = self.payouts()[bet[6]] + self.payout_of(tried, odds)
            liability -= self.stake_taken() + self.base_of(tried)
            return (
                self.limited_payout(tried, odds) > self.limit_of(bet, self.limits.payout_minor_max)
                or liability > self.limits.outcome_liability_minor_max
                or liability > self.limits.market_liability_minor_max
            )

        low, high = 0, STAKE_MAX + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if too_large(middle) else (middle, high)
        passes = low > 0 and self.broken_limit((bet[0], low, *bet[2:]), odds) == "ACCEPTED"
        return low if passes else 0


class MarketsTwin:
    """Many markets, and the decision on every bet id."""

    def __init__(self, *, bets_max: int = 1 << 26, rules: int = 2) -> None:
        self.bets_max = bets_max
        self.rules = rules
        self.markets: dict[int, MarketTwin] = {}
        self.decisions: dict[int, tuple[int, int, int]] = {}
        self.contents: dict[int, Bet] = {}

    def place(self, bet: Bet) -> tuple[int, int, int, int]:
        """Return (reason, odds, stake_max, flags)."""
        if bet[0] in self.decisions:
            if self.rules > 1 and not self.same(bet, self.contents[bet[0]]):
                return (REASON_NUMBERS["BET_ID_REUSED"], bet[4], 0, 0)
            return (*self.decisions[bet[0]], 1)
        if len(self.decisions) == self.bets_max:
            return (REASON_NUMBERS["CAPACITY"], 0, 0, 0)
        reason, odds, stake_max = self.decide(bet)
        self.contents[bet[0]] = bet
        self.decisions[bet[0]] = (REASON_NUMBERS[reason], odds, stake_max)
        return (*self.decisions[bet[0]], 0)

    def same(self, bet: Bet, known: Bet) -> bool:
        """Return whether two bets are one; of a fence it may not be known whether it is a leg."""
        either = bet[8] | known[8]
        return bet[:8] == known[:8] and (bool(either & FENCE) or bet[8] == known[8])

    def charge(self, charge: Charge) -> bool | None:
        """Return whether a charge changed something; None: it fits no accepted leg."""
        market = self.markets.get(charge[2])
        bets = [bet for bet, _ in market.accepted if bet[0] == charge[0]] if market else []
        if market is None or not bets or not bets[0][8] & LEG or not fits_twin(charge):
            return None
        return market.charges.apply(charge, bets[0][5])

    def decide(self, bet: Bet) -> tuple[str, int, int]:
        """Return (reason's name, odds, stake_max): the first check that fails refuses."""
        number, stake, _, market_no, seen, rate, outcome, policy, flags, _ = bet
        if flags & FENCE:
            return ("FENCED", 0, 0)
        market = self.markets.get(market_no)
        if market is None:
            return ("MARKET_UNKNOWN", 0, 0)
        shown, taken = market.shown()
        odds = shown[outcome] if outcome < len(shown) else 0
        if market.status != "ACTIVE":
            return (BET_REASONS[market.status], odds, 0)
        if outcome >= len(market.odds):
            return ("OUTCOME_UNKNOWN", 0, 0)
        if not taken[outcome]:
            return ("OUTCOME_INACTIVE", odds, 0)
        if not 1_001 <= seen <= 10_000_000:
            return ("ODDS_OUT_OF_BOUNDS", odds, 0)
        if not 1 <= stake <= STAKE_MAX:
            return ("AMOUNT_OUT_OF_BOUNDS", odds, 0)
        if not 1 <= rate <= 1_000_000_000 or policy > 2:
            return ("FIELD_OUT_OF_BOUNDS", odds, 0)
        if number % (1 << 48) == 0 or number >= 1 << 63:
            return ("FIELD_OUT_OF_BOUNDS", odds, 0)
        if market.limited_stake(bet) > STAKE_MAX:
            return ("AMOUNT_OUT_OF_BOUNDS", odds, 0)
        if market.base_of(bet) < 1 and not flags & LEG:
            return ("STAKE_TOO_SMALL", odds, 0)
        if policy == 0 and odds != seen:
            return ("ODDS_CHANGED", odds, 0)
        if policy == 1 and odds < seen:
            return ("ODDS_WORSE", odds, 0)
        reason = market.broken_limit(bet, odds)
        if reason == "ACCEPTED":
            market.accepted.append((bet, odds))
            return (reason, odds, 0)
        return (reason, odds, 0 if reason == "STAKE_TOO_SMALL" else market.stake_max(bet, odds))

    def create(self, market_no: int, odds: tuple[int, ...], limits: Limits) -> str:
        if market_no in self.markets:
            return "MARKET_EXISTS"
        self.markets[market_no] = MarketTwin(
            list(odds), limits, active=[True] * len(odds), rules=self.rules
        )
        return "ACCEPTED"

    def change_status(self, market_no: int, action: str) -> str:
        market = self.markets.get(market_no)
        if market is None:
            return "MARKET_UNKNOWN"
        after = NEXT_STATUS[market.status, action]
        if after is None:
            return "TRANSITION_NOT_ALLOWED"
        market.version += after != market.status
        market.status = after
        return "ACCEPTED"

    def set_odds(self, market_no: int, quotes: list[tuple[int, int, bool]]) -> str:
        market = self.markets.get(market_no)
        if market is None:
            return "MARKET_UNKNOWN"
        if market.status in ENDED:
            return "TRANSITION_NOT_ALLOWED"
        before = (market.shown()[0], list(market.active))
        for outcome, odds, active in quotes:
            market.odds[outcome] = odds
            market.active[outcome] = active
        market.version += before != (market.shown()[0], market.active)
        return "ACCEPTED"

    def mark(self, market_no: int, what: str, named: dict[int, int]) -> str:
        """Hold, resume, override or release outcomes; `named` has the odds of an override."""
        market = self.markets.get(market_no)
        if market is None:
            return "MARKET_UNKNOWN"
        if market.status in ENDED:
            return "TRANSITION_NOT_ALLOWED"
        before = (set(market.held), dict(market.standing))
        every = named or dict.fromkeys(range(len(market.odds)), 0)
        if what == "hold":
            market.held |= set(named)
        elif what == "resume":
            market.held -= set(every)
        elif what == "override":
            market.standing |= named
        else:
            market.standing = {at: of for at, of in market.standing.items() if at not in every}
        market.version += before != (market.held, market.standing)
        return "ACCEPTED"

    def set_limits(self, market_no: int, patch: dict[str, int]) -> str:
        market = self.markets.get(market_no)
        if market is None:
            return "MARKET_UNKNOWN"
        if market.status in ENDED:
            return "TRANSITION_NOT_ALLOWED"
        limits = Limits(
            **{name: patch.get(name, getattr(market.limits, name)) for name in LIMIT_NAMES}
        )
        if limits.stake_minor_min > limits.stake_minor_max:
            return "FIELD_OUT_OF_BOUNDS"
        market.limits = limits
        return "ACCEPTED"

    def view(self, market_no: int) -> dict[str, Any]:
        market = self.markets[market_no]
        odds, active = market.shown()
        taken, payouts = market.stake_taken(), market.payouts()
        return {
            "status": STATUS_NUMBERS[market.status],
            "version": market.version,
            "odds": odds,
            "active": active,
            "held": tuple(at in market.held for at in range(len(odds))),
            "overridden": tuple(at in market.standing for at in range(len(odds))),
            "due": tuple(market.odds),
            "limits": market.limits,
            "bets": len(market.accepted),
            "stake_taken": taken,
            "stakes": tuple(market.stakes()),
            "payouts": tuple(payouts),
            "liability": tuple(payout - taken for payout in payouts),
        }
