"""The bets that wait for a trader, asked for once for all screens.

Owns the last answer and its time. It decides no bet.
"""

from collections.abc import Callable
from typing import Final

from gateway.client import ControlSession, GatewayError
from gateway.messages.referrals import ReferralLine

EVERY_S: Final = 0.5


class WaitingBets:
    """The bets that wait for a trader, as the gateway said last."""

    def __init__(self, session_of: Callable[[], ControlSession]) -> None:
        self._session_of = session_of
        self._asked_s = -EVERY_S
        self._answered_s = 0.0
        self.lines: tuple[ReferralLine, ...] = ()
        self.waiting = 0
        """How many wait, also those that are not among the lines."""
        self.unanswered = 0
        """Shells that did not answer, whose bets are missing."""

    async def refresh(self, now_s: float) -> None:
        """Ask anew where the last answer is old; without an answer the last one stands."""
        if now_s - self._asked_s < EVERY_S:
            return
        self._asked_s = now_s
        try:
            answer = await self._session_of().referrals()
        except GatewayError:
            return
        self._answered_s = now_s
        self.lines, self.waiting = answer.bets, answer.waiting
        self.unanswered = len(answer.unheard)

    def left_s(self, line: ReferralLine, now_s: float) -> float:
        """Return for how long a bet still waits."""
        return max(0.0, line.left_ms / 1_000 - (now_s - self._answered_s))
