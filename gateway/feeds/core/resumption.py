"""Resume a feed's adapter from what markets remember, at the start and after a missed update.

Owns the adapter in use and the reading of the markets' positions. No message is received while a
resumption is under way. It never changes a market by itself.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from actors.back_off import BackOff
from actors.messages import KnownMarket, decode_known_markets
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.commands import SetStatus
from engine.common.lifecycle import Status
from engine.common.units import Nanos
from gateway.feeds.core.adapter import MARKET_NO_LATER, Adapter, MarketUpdate, Received

logger = logging.getLogger("overround.feeds")

_WAIT_S: Final = 5.0
"""How long the first resumption waits for shells that do not answer; then it goes on without."""
_WAIT_AGAIN_S: Final = 1.0
"""How long a later one waits: no message is received meanwhile, and none of a bet stop."""
_RETRY_S: Final = 0.1


class Resumption:
    """The adapter in use, and how it is replaced by one that resumes.

    Parameters
    ----------
    name : str
        The pipeline's name, for logs.
    routes : Routes
        Where the market shells are.
    make_adapter : callable
        Makes an adapter.
    run_all : callable
        Carries out the actions with which an adapter resumes.
    missed : callable
        Called with the name of each shell whose positions could not be read, and `quarantined`.
    is_behind : callable
        Says of a shell that it missed parts and does not answer: no resumption waits for it.
    timeout_s : float
        How long one shell may take to answer.
    clock_ns : callable
        UTC nanoseconds, for the adapter.
    """

    def __init__(
        self,
        *,
        name: str,
        routes: Routes,
        make_adapter: Callable[[], Adapter],
        run_all: Callable[[Received], None],
        missed: Callable[..., None],
        is_behind: Callable[[str], bool],
        timeout_s: float,
        clock_ns: Callable[[], int],
    ) -> None:
        self.adapter = make_adapter()
        """The adapter in use; each resumption replaces it."""
        self.ready = asyncio.Event()
        """Set while no resumption is under way."""
        self._name: Final = name
        self._routes: Final = routes
        self._make_adapter: Final = make_adapter
        self._run_all: Final = run_all
        self._missed: Final = missed
        self._is_behind: Final = is_behind
        self._timeout_s: Final = timeout_s
        self._clock_ns: Final = clock_ns
        self._task: asyncio.Task[None] | None = None
        self._back: dict[str, None] = {}
        """Shells that missed parts, and whose markets are not read since."""
        self._wait_s = _WAIT_S

    async def resume(self) -> None:
        """Resume from what markets remember, with a new adapter."""
        known = await self.known_markets()
        while self._back:  # it came back when the others had been read
            known = await self.known_markets()
        self._wait_s = _WAIT_AGAIN_S
        adapter = self._make_adapter()
        received = adapter.resume(known, at_ns=Nanos(self._clock_ns()))
        self.adapter = adapter
        self._run_all(received)
        self.ready.set()

    def resume_again(self, shell: str) -> None:
        """Resume again in the background: a shell that missed parts of messages answers again.

        The new adapter asks the provider to repeat what the shell missed. A resumption that is
        under way reads that shell first.
        """
        self._back[shell] = None
        if self.ready.is_set():
            self.ready.clear()
            self._task = asyncio.get_running_loop().create_task(self._resume_or_keep())

    def stop(self) -> None:
        """Cancel a resumption that is under way."""
        if self._task is not None:
            self._task.cancel()

    async def _resume_or_keep(self) -> None:
        """Resume, or keep the adapter in use: a defect must not end the feed."""
        try:
            await self.resume()
        except Exception:
            logger.exception("%s: could not resume; the adapter in use goes on", self._name)
            self.ready.set()

    async def known_markets(self) -> list[KnownMarket]:
        """Return the feed's markets with their positions, of every market shell that answers.

        A shell that is behind or does not answer in time is left out. When it answers again the
        adapter resumes again, because nothing has watched over that shell's markets meanwhile.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._wait_s
        back_off = BackOff(_RETRY_S, _RETRY_S, clock_s=loop.time)
        known: list[KnownMarket] = []
        shells = [shell.name for shell in self._routes.shells.values() if shell.kind == "market"]
        left = [shell for shell in shells if not self._is_behind(shell)]
        self._back = {shell: None for shell in self._back if shell in left}
        while left:
            answers = await asyncio.gather(*map(self._positions, left))
            known += [market for answer in answers for market in answer or ()]
            left = [name for name, answer in zip(left, answers, strict=True) if answer is None]
            if left and loop.time() >= until_s:
                logger.warning("%s: resumes without %s", self._name, ", ".join(left))
                for name in left:
                    self._back.pop(name, None)
                    self._missed(name)
                break
            if left:
                back_off.failed()
                await back_off.wait()
        return [market for market in known if self.adapter.owns(market.image.key)]

    async def _positions(self, shell: str) -> list[KnownMarket] | None:
        """Return the positions of a shell's markets, or None while the shell does not answer."""
        peer = self._routes.peer(shell)
        if peer is None:
            return None
        came_back = shell in self._back
        self._back.pop(shell, None)
        try:
            known = decode_known_markets(await peer.ask("positions", timeout_s=self._timeout_s))
        except PeerRefusedError:  # the shell is quarantined with nothing recovered
            self._missed(shell, quarantined=True)
            return []
        except PeerError:
            if came_back:
                self._back[shell] = None
            return None
        if came_back:
            self._suspend(known)
        return known

    def _suspend(self, markets: Sequence[KnownMarket]) -> None:
        """Suspend the markets of a shell that missed parts, before other shells are waited for."""
        step = SetStatus(
            market_no=MARKET_NO_LATER, status=Status.SUSPENDED, why="feed messages missed"
        )
        updates = [
            MarketUpdate(key=known.image.key, mark=None, steps=(step,))
            for known in markets
            if known.image.status is Status.ACTIVE and self.adapter.owns(known.image.key)
        ]
        self._run_all(Received(kind="missed", actions=tuple(updates)))
