"""Give markets the limits, delay and referral that the desk keeps by scope, those to come too.

Owns which markets are to be looked at, and the calls to their shells until each has answered. What
a market is due are engine.desk.kept_limits' rules. A market that follows others has the strictest
of those it follows, and is given none.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from actors.back_off import BackOff
from actors.messages import MarketControl, decode_market_events, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.acceptance import SetAcceptance
from engine.common.commands import SetLimits
from engine.common.events import Refused
from engine.common.ids import MarketNo, is_derived, parse_market_key
from engine.common.reasons import UNRECORDED, Reason
from engine.desk.kept_limits import Due, Given, ScopedLimits, Terms
from engine.desk.scopes import Scope
from engine.watch.rules import Place

MARKETS_IN_CALL_MAX: Final = 64
"""Markets of one call, each with two commands at most, so that no bet waits long for a shell."""
_LOOKED_AT_MAX: Final = 256
"""Markets that are looked at before anything else of the desk has its turn."""
_ASK_S: Final = 2.0
_RETRY_S: Final = 0.25
_RETRY_S_MAX: Final = 5.0

logger = logging.getLogger("overround.desk")

_Batch = tuple[str, Given, Terms]
"""Author, all terms that hold, and those that are new."""


class DeskLimits:
    """The limits, delays and referrals of one desk's scopes.

    Parameters
    ----------
    limits : callable
        Returns what is kept.
    place_of, in_play : callable
        Return where a market belongs, and whether its fixture has kicked off.
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
        in_play: Callable[[str], bool],
        routes: Routes,
        write: Callable[..., bool],
    ) -> None:
        self._limits = limits
        self._place_of = place_of
        self._in_play = in_play
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
        """Look shortly at markets that are new, belong elsewhere than before, or are in play."""
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
                logger.exception("what is kept by scope was not given")
            if self._due:
                retry.failed()
                await retry.wait()
                self._wake.set()
            else:
                retry.succeeded()

    def _due_to(self, number: MarketNo) -> Due | None:
        place = self._place_of(number)
        return self._limits().due(place, in_play=self._in_play(place.fixture))

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
                due = self._due_to(number)
                if due is None:
                    del self._due[number]
                    continue
                batch = due.by, due.given, due.new
                batches.setdefault((route.shell, batch), []).append(number)
            for (shell, batch), numbers in batches.items():
                for first in range(0, len(numbers), MARKETS_IN_CALL_MAX):
                    await self._give_to(shell, batch, numbers[first : first + MARKETS_IN_CALL_MAX])
            await asyncio.sleep(0)

    async def _give_to(self, shell: str, batch: _Batch, numbers: list[MarketNo]) -> None:
        by, given, new = batch
        unanswered: dict[MarketNo, None] = {}
        commands = [*_commands(new, numbers)]
        if commands:
            request = MarketControl(by=f"desk:{by}", commands=tuple(commands))
            events = await self._ask(shell, request)
            unanswered = {each.market_no: None for each in commands[len(events) :]}
            for command, event in zip(commands, events, strict=False):
                if isinstance(event, Refused) and event.reason in UNRECORDED:
                    unanswered[command.market_no] = None
                elif isinstance(event, Refused) and event.reason is Reason.MARKET_UNKNOWN:
                    unanswered[command.market_no] = None
                    self._due.pop(command.market_no, None)  # looked at again when it is shown
        answered = [number for number in numbers if number not in unanswered]
        if answered and self._write(self._limits().give(answered, given)):
            for number in answered:  # what was kept meanwhile, they are due still
                if self._due_to(number) is None:
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
            logger.exception("%s: what is kept by scope was not given", shell)
            return []


def _commands(new: Terms, numbers: list[MarketNo]) -> Iterator[SetLimits | SetAcceptance]:
    """Yield the commands that give markets new terms."""
    for number in numbers:
        if new.limits.names():
            yield SetLimits(market_no=number, limits=new.limits)
        if new.acceptance.names():
            yield SetAcceptance(market_no=number, acceptance=new.acceptance)
