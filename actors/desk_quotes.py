"""Reprice the fixtures whose model inputs the desk keeps: when they change, and as the clock runs.

Owns the calls to the shells of such fixtures, and which are made again because a shell took none.
Prices are the shells' work; which inputs are kept, and how a match changes them, are
engine.desk.kept_inputs' rules.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import UNSET

from actors.desk_messages import Repriced
from actors.messages import decode_market_events, encode
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.events import Refused
from engine.common.ids import MARKET_NO_MAX, MarketNo
from engine.common.reasons import MESSAGES, UNRECORDED, Reason
from engine.common.units import Nanos
from engine.desk.kept_inputs import Inputs, KeptInputs
from engine.desk.kept_margins import FixtureMargins, KeptMargin, Margins
from engine.desk.scopes import Scope
from engine.watch.rules import Place

_CALL_TIMEOUT_S: Final = 5.0
_FIXTURES_AT_ONCE: Final = 8
"""Fixtures that are repriced at the same time while clocks run; the others wait for their turn."""

logger = logging.getLogger("overround.desk")


class DeskQuotes:
    """The repricings of the desk.

    Parameters
    ----------
    inputs : callable
        Returns the inputs that are kept.
    margins : callable
        Returns the margins and skews that are kept by scope.
    place_of : callable
        Returns where a market belongs, or a fixture by its id.
    routes : Routes
        The shells of markets, and how to call them.
    clock_ns : callable
        UTC nanoseconds.
    period_s : float
        How often a fixture whose clock runs is repriced, in seconds.
    """

    def __init__(
        self,
        *,
        inputs: Callable[[], Inputs],
        margins: Callable[[], Margins],
        place_of: Callable[[MarketNo | str], Place],
        routes: Routes,
        clock_ns: Callable[[], int],
        period_s: float,
    ) -> None:
        self._inputs = inputs
        self._margins = margins
        self._place_of = place_of
        self._routes = routes
        self._clock_ns = clock_ns
        self._period_s = period_s
        self._running: asyncio.Task[None] | None = None
        self._busy: dict[str, asyncio.Lock] = {}
        self._wake = asyncio.Event()
        self._due: dict[str, None] = {}
        """Fixtures of which a shell has not taken the last repricing, at most those kept."""

    def start(self) -> None:
        """Begin to reprice the fixtures whose clock runs, or of which a shell owes an answer."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Reprice nothing more."""
        if self._running is not None:
            self._running.cancel()
            self._running = None

    def reprice_touched(self, scope: Scope) -> int:
        """Reprice, shortly, the fixtures of which a market may be in a scope; return how many."""
        kept = self._inputs().kept
        touched = [fixture for fixture in kept if scope.touches(self._place_of(fixture))]
        self.reprice_shortly(touched)
        return len(touched)

    def reprice_shortly(self, fixtures: Iterable[str]) -> None:
        """Reprice those of some fixtures whose inputs are kept, without waiting for their turn."""
        kept = self._inputs().kept
        due = [fixture for fixture in fixtures if fixture in kept]
        if due:
            self._due |= dict.fromkeys(due)
            self._wake.set()

    async def reprice(self, fixture: str) -> Repriced:
        """Reprice a fixture by what is kept now; one repricing of a fixture runs at a time."""
        lock = self._busy.setdefault(fixture, asyncio.Lock())
        async with lock:
            inputs = self._inputs().kept.get(fixture)
            if inputs is None:
                self._busy.pop(fixture, None)
                self._due.pop(fixture, None)
                return Repriced(why=MESSAGES[Reason.INPUTS_UNKNOWN])
            self._due[fixture] = None
            return await self._reprice(inputs)

    async def _reprice(self, inputs: KeptInputs) -> Repriced:
        markets, _ = self._routes.page(fixture=inputs.fixture, after=0, limit=MARKET_NO_MAX)
        shells = dict.fromkeys(route.shell for route in markets)
        pricing = inputs.pricing_at(Nanos(self._clock_ns())) | {"by": f"desk:{inputs.by}"}
        if markets:
            places = [self._place_of(route.market_no) for route in markets]
            pricing |= self._margins_of(inputs, places).pricing()
        payload = encode(pricing)
        answers = await asyncio.gather(*(self._ask(shell, payload) for shell in shells))
        events = [event for each in answers for event in each]
        refused = [event for event in events if isinstance(event, Refused)]
        if not any(event.reason in UNRECORDED for event in refused):
            self._due.pop(inputs.fixture, None)
        return Repriced(
            markets=len(events) - len(refused),
            refused=len(refused),
            why="" if not refused else refused[0].message or MESSAGES[refused[0].reason],
        )

    def _margins_of(self, inputs: KeptInputs, places: list[Place]) -> FixtureMargins:
        own = KeptMargin(
            scope=Scope(fixture=inputs.fixture),
            margin=UNSET if inputs.margin is None else inputs.margin,
            skew=UNSET if inputs.skew is None else inputs.skew,
        )
        return self._margins().of_fixture(places, own)

    async def _ask(self, shell: str, payload: bytes) -> list[object]:
        peer = self._routes.peer(shell)
        if peer is None:
            return [_NO_SHELL]
        try:
            return list(
                decode_market_events(await peer.ask("reprice", payload, timeout_s=_CALL_TIMEOUT_S))
            )
        except (PeerError, PeerRefusedError):
            return [_NO_SHELL]
        except Exception:  # its own failure, or an answer that cannot be read: the others go on
            logger.exception("%s: a repricing failed", shell)
            return [_NO_SHELL]

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._period_s)
            self._wake.clear()
            kept = self._inputs().kept
            for gone in [name for name in self._busy if name not in kept]:
                if not self._busy[gone].locked():
                    del self._busy[gone]
            running = [
                one.fixture for one in kept.values() if one.since_ns or one.fixture in self._due
            ]
            for start in range(0, len(running), _FIXTURES_AT_ONCE):
                await asyncio.gather(
                    *map(self._reprice_safely, running[start : start + _FIXTURES_AT_ONCE])
                )

    async def _reprice_safely(self, fixture: str) -> None:
        """Reprice a fixture; what fails holds up no other and is tried again at the next turn."""
        try:
            await self.reprice(fixture)
        except Exception:
            logger.exception("%s: not repriced", fixture)


_NO_SHELL: Final = Refused(reason=Reason.UNAVAILABLE, message=MESSAGES[Reason.UNAVAILABLE])
