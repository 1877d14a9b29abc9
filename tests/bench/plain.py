"""Decide bets in plain Python: the reference of the decision kernel.

The same checks in the same order on the same rows, with a dictionary for the bet index and lists
for the book. It converts all rows to Python integers at once, which is faster than reading numpy
fields one by one.
"""

from engine.common.commands import Limits
from engine.common.reasons import Reason
from engine.common.rows import FLAG_FENCE, Policy, Rows
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, STAKE_MINOR_MAX


class PlainMarket:
    """One open market in one currency.

    Parameters
    ----------
    odds_milli : list of int
        Odds of the outcomes.
    limits : Limits
        The market's limits.
    """

    def __init__(self, *, odds_milli: list[int], limits: Limits) -> None:
        self.odds = odds_milli
        self.limits = limits
        self.stake_taken = 0
        self.payout = [0] * len(odds_milli)
        self.decided: dict[int, tuple[int, int]] = {}

    def place(self, rows: Rows) -> list[tuple[int, int]]:
        """Decide rows in order; returns (reason, odds) of each."""
        answers = []
        for bet_id, stake, _, _, seen, _, outcome, policy, flags, _ in rows.tolist():
            known = self.decided.get(bet_id)
            if known is None:
                known = self.decided[bet_id] = self._decide(stake, seen, outcome, policy, flags)
            answers.append(known)
        return answers

    def _decide(
        self, stake: int, seen: int, outcome: int, policy: int, flags: int
    ) -> tuple[int, int]:
        limits = self.limits
        if flags & FLAG_FENCE:
            return Reason.FENCED, 0
        if not 0 <= outcome < len(self.odds):
            return Reason.OUTCOME_UNKNOWN, 0
        if not ODDS_MILLI_MIN <= seen <= ODDS_MILLI_MAX:
            return Reason.ODDS_OUT_OF_BOUNDS, 0
        if not 0 < stake <= STAKE_MINOR_MAX:
            return Reason.AMOUNT_OUT_OF_BOUNDS, 0
        odds = self.odds[outcome]
        if policy == Policy.NONE and odds != seen:
            return Reason.ODDS_CHANGED, odds
        if policy == Policy.HIGHER and odds < seen:
            return Reason.ODDS_WORSE, odds
        if stake < limits.stake_minor_min:
            return Reason.STAKE_TOO_SMALL, odds
        if stake > limits.stake_minor_max:
            return Reason.STAKE_OVER_LIMIT, odds
        payout = stake * odds // 1_000
        if payout > limits.payout_minor_max:
            return Reason.PAYOUT_OVER_CAP, odds
        liability = self.payout[outcome] + payout - self.stake_taken - stake
        if liability > limits.outcome_liability_minor_max:
            return Reason.OUTCOME_LIABILITY, odds
        if liability > limits.market_liability_minor_max:
            return Reason.MARKET_LIABILITY, odds
        self.payout[outcome] += payout
        self.stake_taken += stake
        return Reason.ACCEPTED, odds
