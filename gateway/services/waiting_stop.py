"""End bets that wait at their markets, which account shards have let pass before a stop.

Owns one command to every market shell: sent again to those that did not answer, and to all when the
bets that were on their way at the first have come, as long as the stop stands. Whether it does is
asked where it is kept, since it may be lifted through another gateway.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
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
_AGAIN_S: Final = 0.25
"""Seconds between two attempts at shells that did not answer."""
_UNTIL_S: Final = 60.0
"""Seconds after which no shell is asked again."""
StillStopped = Callable[[AccountNo | None], Awaitable[bool]]
"""Says whether the stop of an account, or of the house, stands; in doubt True."""
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
        self._again: dict[AccountNo | None, asyncio.Task[None]] = {}

    async def stop(
        self, by: str, *, why: str, still: StillStopped, account_no: AccountNo | None = None
    ) -> tuple[str, ...]:
        """Refuse what waits, or what waits of an account; return the shells without an answer.

        It is sent again while `still` says that the stop stands.
        """
        command = StopWaiting(
            account_no=UNSET if account_no is None else account_no, why=why[:WHY_CHARS_MAX]
        )
        payload = encode(MarketControl(by=by, commands=(command,)))
        self.lift(account_no)
        again_s = asyncio.get_running_loop().time() + self._again_s
        missing = await self._send(self._shells(), payload)
        self.lift(account_no)  # of a second request for it, that was sent meanwhile
        if len(self._again) < _AGAIN_MAX:
            self._again[account_no] = asyncio.create_task(
                self._stop_again(account_no, payload, missing, again_s=again_s, still=still)
            )
        return tuple(missing)

    def lift(self, account_no: AccountNo | None = None) -> None:
        """Send no stop again: the house takes bets, or this account's."""
        task = self._again.pop(account_no, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """Send nothing again."""
        for account_no in list(self._again):
            self.lift(account_no)

    async def _stop_again(
        self,
        account_no: AccountNo | None,
        payload: bytes,
        missing: Sequence[str],
        *,
        again_s: float,
        still: StillStopped,
    ) -> None:
        """Send a stop to shells that are missing, and from a time on once more to all."""
        clock_s = asyncio.get_running_loop().time
        until_s, left, all_again = clock_s() + _UNTIL_S, list(missing), False
        while clock_s() < until_s and (left or not all_again):
            await asyncio.sleep(_AGAIN_S if left else max(0.0, again_s - clock_s()))
            if not all_again and clock_s() >= again_s:
                left, all_again = self._shells(), True
            if not await still(account_no):
                break
            left = await self._send(left, payload)
        self._again.pop(account_no, None)

    def _shells(self) -> list[str]:
        return sorted(one.name for one in self._routes.shells.values() if one.kind == "market")

    async def _send(self, names: Sequence[str], payload: bytes) -> list[str]:
        """Send a stop to shells; return those without an answer."""
        done = await asyncio.gather(*(self._stop(name, payload) for name in names))
        return [name for name, stopped in zip(names, done, strict=True) if not stopped]

    async def _stop(self, shell: str, payload: bytes) -> bool:
        peer = self._routes.peer(shell)
        if peer is None:
            return False
        try:
            raw = await peer.ask("control", payload, timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return False
        return all(isinstance(event, WaitingStopped) for event in decode_market_events(raw))
