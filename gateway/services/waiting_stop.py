"""End bets that wait at their markets, which account shards have let pass before a stop.

Owns one command to every market shell, sent again when the bets that were on their way at the first
have come, unless the stop is lifted. Which stop it follows is the caller's.
"""

import asyncio
from typing import Final

from msgspec import UNSET

from actors.messages import MarketControl, decode_market_events, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.acceptance import StopWaiting
from engine.common.commands import WHY_CHARS_MAX
from engine.common.events import WaitingStopped
from engine.common.ids import AccountNo
from gateway.settings import GatewaySettings

_AGAIN_MAX: Final = 4_096
"""Stops that are sent again at one time; one past it is sent once."""
_DEADLINES: Final = 2
"""Deadlines of a bet after which a stop is sent again: none is on its way for longer."""


class WaitingStops:
    """The stops of what waits, of one gateway.

    Parameters
    ----------
    routes : Routes
        The market shells, and how to call them.
    settings : GatewaySettings
        How long an answer may take, and the deadline of bets.
    """

    def __init__(self, *, routes: Routes, settings: GatewaySettings) -> None:
        self._routes = routes
        self._timeout_s = settings.control_timeout_ms / 1_000
        self._again_s = _DEADLINES * settings.bet_deadline_ms / 1_000
        self._again: dict[AccountNo | None, asyncio.TimerHandle] = {}

    async def stop(
        self, by: str, *, why: str, account_no: AccountNo | None = None
    ) -> tuple[str, ...]:
        """Refuse what waits, or what waits of an account; return the shells without an answer."""
        command = StopWaiting(
            account_no=UNSET if account_no is None else account_no, why=why[:WHY_CHARS_MAX]
        )
        payload = encode(MarketControl(by=by, commands=(command,)))
        self.lift(account_no)
        if len(self._again) < _AGAIN_MAX:
            loop = asyncio.get_running_loop()
            self._again[account_no] = loop.call_later(
                self._again_s, self._stop_again, account_no, payload
            )
        names = self._shells()
        done = await asyncio.gather(*(self._stop(name, payload) for name in names))
        return tuple(name for name, stopped in zip(names, done, strict=True) if not stopped)

    def lift(self, account_no: AccountNo | None = None) -> None:
        """Send no stop again: the house takes bets, or this account's."""
        handle = self._again.pop(account_no, None)
        if handle is not None:
            handle.cancel()

    def _stop_again(self, account_no: AccountNo | None, payload: bytes) -> None:
        self._again.pop(account_no, None)
        for name in self._shells():
            peer = self._routes.peer(name)
            if peer is not None:
                peer.notify("control", payload)

    def _shells(self) -> list[str]:
        return sorted(one.name for one in self._routes.shells.values() if one.kind == "market")

    async def _stop(self, shell: str, payload: bytes) -> bool:
        peer = self._routes.peer(shell)
        if peer is None:
            return False
        try:
            raw = await peer.ask("control", payload, timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return False
        return all(isinstance(event, WaitingStopped) for event in decode_market_events(raw))
