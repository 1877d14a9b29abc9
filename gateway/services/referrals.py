"""Say which bets wait for a trader, as all market shells have them.

Owns the question to all shells, asked once for all. Never decides a bet.
"""

import asyncio
import time
from typing import Final

import numpy as np

from actors.messages import ShellState
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.ids import AccountNo, BetId, MarketNo
from engine.common.rows import Rows
from engine.common.units import NS_PER_MS, Minor, OddsMilli
from engine.market.waiting import REFERRAL
from gateway.messages.protocol import ServerMessage
from gateway.messages.referrals import REFERRALS_SHOWN_MAX, AskReferrals, ReferralLine, Referred
from gateway.services.shared_answers import SharedAnswer

LIFETIME_S: Final = 0.25
"""Seconds for which an answer serves others."""


class ReferralService:
    """The bets that wait for a trader.

    Parameters
    ----------
    routes : Routes
        The market shells, and the keys of markets.
    timeout_s : float
        Seconds that a shell's answer may take.
    """

    def __init__(self, *, routes: Routes, timeout_s: float) -> None:
        self._routes = routes
        self._timeout_s = timeout_s
        self._answer = SharedAnswer(self._ask, lifetime_s=LIFETIME_S)

    async def answer(self, request: AskReferrals) -> ServerMessage:
        """Return the bets that wait, as of `LIFETIME_S` ago at most."""
        found = await self._answer.get()
        return Referred(
            id=request.id, bets=found.bets, waiting=found.waiting, unheard=found.unheard
        )

    async def _ask(self) -> Referred:
        names = sorted(
            shell.name
            for shell in self._routes.shells.values()
            if shell.kind == "market" and shell.state is not ShellState.QUARANTINED
        )
        answers = await asyncio.gather(*map(self._of_shell, names))
        answered = [rows for rows in answers if rows is not None]
        waiting: Rows = np.concatenate(answered) if answered else np.zeros(0, REFERRAL)
        shown = waiting[np.argsort(waiting["left_ms"], kind="stable")][:REFERRALS_SHOWN_MAX]
        now_ms = time.time_ns() // NS_PER_MS
        return Referred(
            bets=tuple(self._line(row, now_ms) for row in shown),
            waiting=len(waiting),
            unheard=tuple(name for name, rows in zip(names, answers, strict=True) if rows is None),
        )

    async def _of_shell(self, name: str) -> Rows | None:
        """Return a shell's REFERRAL rows; None when it does not answer."""
        peer = self._routes.peer(name)
        if peer is None:
            return None
        try:
            raw = await peer.ask("referrals", timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return None
        rows: Rows = np.frombuffer(raw, REFERRAL)
        return rows

    def _line(self, row: "np.void", now_ms: int) -> ReferralLine:
        market = MarketNo(int(row["market_no"]))
        route = self._routes.markets.get(market)
        left_ms = int(row["left_ms"])
        return ReferralLine(
            bet_id=BetId(int(row["bet_id"])),
            market=market,
            key="" if route is None else route.key,
            outcome=int(row["outcome"]),
            account=AccountNo(int(row["account_no"])),
            stake_minor=Minor(int(row["stake_minor"])),
            odds_milli=OddsMilli(int(row["odds_milli"])),
            rate_micro=int(row["rate_micro"]),
            now_milli=OddsMilli(int(row["now_milli"])),
            factor_milli=int(row["factor_milli"]),
            why=int(row["why"]),
            placed_ms=int(row["at_ns"]) // NS_PER_MS,
            until_ms=now_ms + left_ms,
            left_ms=left_ms,
        )
