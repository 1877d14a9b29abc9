"""Give markets the limits that the desk keeps by scope: when they change, and to what is created.

Owns which markets are to be looked at, and the calls to their shells until each has answered. Which
limits a market is due are engine.desk.kept_limits' rules. A market that follows others has the
lowest limits of those it follows, and is given none.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from actors.back_off import BackOff
from actors.messages import MarketControl, decode_market_events, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.commands import LimitsPatch, SetLimits
from engine.common.events import Refused
from engine.common.ids import MarketNo, is_derived, parse_market_key
from engine.common.reasons import UNRECORDED, Reason
from engine.desk.kept_limits import ScopedLimits
from engine.desk.scopes import Scope
from engine.watch.rules import Place

COMMANDS_IN_CALL_MAX: Final = 64
"""Markets of one call, so that no bet waits long for a shell that answers it."""
_LOOKED_AT_MAX: Final = 256
"""Markets that are looked at before anything else of the desk has its turn."""
_ASK_S: Final = 2.0
_RETRY_S: Final = 0.25
_RETRY_S_MAX: Final = 5.0

logger = logging.getLogger("overround.desk")

_Batch = tuple[str, LimitsPatch, LimitsPatch]
"""Author, all limits that hold, and those that are new."""


class DeskLimits:
    """The limits of one desk's scopes.

    Parameters
    ----------
    limits : callable
        Returns the limits that are kept.
    place_of : callable
        Returns where a market belongs.
    routes : Routes
        The shells of markets, and how to call them.
    write : callable
        Writes documents and applies them; False: nothing has changed.
    """

    def __init__(
        self,
        *,
        limits: Callable[[], ScopedLimits],
        place_of: Callable[[MarketNo], Place],
        routes: Routes,
        write: Callable[..., bool],
    ) -> None:
        self._limits = limits
        self._place_of = place_of
        self._routes = routes
        self._write = write
        self._due: dict[MarketNo, None] = {}
        """Markets to look at, at most all there are."""
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to give limits; a second call does nothing."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Give no more."""
        if self._running is not None:
            self._running.cancel()
            self._running = None

    def refresh(self, market_nos: Iterable[MarketNo]) -> None:
        """Look shortly at markets that are new or belong elsewhere than before."""
        limits = self._limits()
        if limits.kept or limits.given:
            self._due |= dict.fromkeys(market_nos)
            self._wake.set()

    def changed(self, scope: Scope) -> int:
        """Look shortly at all markets that a changed scope touches; return how many there are."""
        numbers = self._routes.numbers(fixture=scope.fixture)
        touched = [number for number in numbers if scope.touches(self._place_of(number))]
        self.refresh(touched)
        return len(touched)

    async def _run(self) -> None:
        retry = BackOff(_RETRY_S, _RETRY_S_MAX, clock_s=asyncio.get_running_loop().time)
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._give()
            except Exception:  # what fails of some markets ends no others
                logger.exception("limits of scopes were not given")
            if self._due:
                retry.failed()
                await retry.wait()
                self._wake.set()
            else:
                retry.succeeded()

    async def _give(self) -> None:
        """Give each market that is looked at what it is due; those without an answer stay."""
        looked_at = list(self._due)
        for start in range(0, len(looked_at), _LOOKED_AT_MAX):
            batches: dict[tuple[str, _Batch], list[MarketNo]] = {}
            for number in looked_at[start : start + _LOOKED_AT_MAX]:
                route = self._routes.markets.get(number)
                if route is None or is_derived(parse_market_key(route.key)):
                    del self._due[number]
                    continue
                due = self._limits().due(self._place_of(number))
                if due is None:
                    del self._due[number]
                    continue
                batch = due.by, due.limits, due.new
                batches.setdefault((route.shell, batch), []).append(number)
            for (shell, batch), numbers in batches.items():
                for first in range(0, len(numbers), COMMANDS_IN_CALL_MAX):
                    await self._give_to(shell, batch, numbers[first : first + COMMANDS_IN_CALL_MAX])
            await asyncio.sleep(0)

    async def _give_to(self, shell: str, batch: _Batch, numbers: list[MarketNo]) -> None:
        by, limits, new = batch
        answered = numbers
        if new.names():
            commands = tuple(SetLimits(market_no=number, limits=new) for number in numbers)
            events = await self._ask(shell, MarketControl(by=f"desk:{by}", commands=commands))
            answered = []
            for number, event in zip(numbers, events, strict=False):
                if isinstance(event, Refused) and event.reason in UNRECORDED:
                    continue
                if isinstance(event, Refused) and event.reason is Reason.MARKET_UNKNOWN:
                    del self._due[number]  # it is looked at again when its shell shows it
                    continue
                answered.append(number)
        if answered and self._write(self._limits().give(answered, limits)):
            for number in answered:  # what was kept meanwhile, they are due still
                if self._limits().due(self._place_of(number)) is None:
                    self._due.pop(number, None)

    async def _ask(self, shell: str, request: MarketControl) -> list[object]:
        peer = self._routes.peer(shell)
        if peer is None:
            return []
        try:
            return list(
                decode_market_events(await peer.ask("control", encode(request), timeout_s=_ASK_S))
            )
        except (PeerError, PeerRefusedError):
            return []
        except Exception:  # its own failure, or an answer that cannot be read: the others go on
            logger.exception("%s: limits of scopes were not given", shell)
            return []
