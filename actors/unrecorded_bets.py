"""Bets that a market shell refused without a record, because its disk was full.

Owns which bets those are, since the process started. Never decides a bet.
"""

from typing import Final

from engine.common.reasons import Reason
from engine.common.rows import FLAG_FENCE, Rows

UNRECORDED_MAX: Final = 1 << 16
"""Bets refused without a record that a shell remembers, so that a late copy is not accepted."""


class UnrecordedBets:
    """The bets, oldest first; at the bound the oldest ones go."""

    def __init__(self) -> None:
        self._bets: dict[int, None] = {}

    def __bool__(self) -> bool:
        return bool(self._bets)

    def with_fences(self, bets: Rows) -> Rows:
        """Return BET rows of which those refused here without a record became fences.

        Their accounts may have returned the stakes meanwhile. A copy of the call that was refused
        may still arrive, and must not be accepted.
        """
        if not self._bets:
            return bets
        again = [at for at, bet in enumerate(bets["bet_id"].tolist()) if bet in self._bets]
        if again:
            bets = bets.copy()
            bets["flags"][again] |= FLAG_FENCE
        return bets

    def note(self, decisions: Rows) -> None:
        """Remember the bets that a full disk refused, and forget those that are recorded now."""
        unrecorded = decisions["reason"] == Reason.DISK_FULL
        if self._bets:
            for bet in decisions["bet_id"][~unrecorded].tolist():
                self._bets.pop(bet, None)
        for bet in decisions["bet_id"][unrecorded].tolist():
            self._bets[bet] = None
            if len(self._bets) > UNRECORDED_MAX:
                del self._bets[next(iter(self._bets))]
