"""Resume a feed's adapter from what markets remember, at the start and after a missed update.

Owns the adapter in use and the reading of the markets' positions. No message is received while a
resumption is under way. It never changes a market by itself.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from actors.back_off import BackOff
from actors.messages import KnownMarket, decode_known_markets
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.units import Nanos
from gateway.feeds.core.adapter import Adapter, Received

logger = logging.getLogger("overround.feeds")

_WAIT_S: Final = 5.0
"""How long a resumption waits for shells that do not answer; then it goes on without them."""
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
        Called with the name of each shell whose positions could not be read.
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
        missed: Callable[[str], None],
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
        self._timeout_s: Final = timeout_s
        self._clock_ns: Final = clock_ns
        self._task: asyncio.Task[None] | None = None

    async def resume(self) -> None:
        """Resume from what markets remember, with a new adapter."""
        known = await self.known_markets()
        adapter = self._make_adapter()
        received = adapter.resume(known, at_ns=Nanos(self._clock_ns()))
        self.adapter = adapter
        self._run_all(received)
        self.ready.set()

    def resume_again(self) -> None:
        """Resume again in the background: a shell that missed an update serves again.

        The new adapter asks the provider to repeat what the shell missed. A resumption that is
        under way reads that shell anyhow.
        """
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

        A shell that does not answer in time is left out. When it serves again the adapter resumes
        again, because nothing has watched over that shell's markets meanwhile.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _WAIT_S
        back_off = BackOff(_RETRY_S, _RETRY_S, clock_s=loop.time)
        known: list[KnownMarket] = []
        left = [shell.name for shell in self._routes.shells.values() if shell.kind == "market"]
        while left:
            answers = await asyncio.gather(*map(self._positions, left))
            known += [market for answer in answers for market in answer or ()]
            left = [name for name, answer in zip(left, answers, strict=True) if answer is None]
            if left and loop.time() >= until_s:
                logger.warning("%s: resumes without %s", self._name, ", ".join(left))
                for name in left:
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
        try:
            return decode_known_markets(await peer.ask("positions", timeout_s=self._timeout_s))
        except PeerRefusedError:  # the shell is quarantined with nothing recovered
            self._missed(shell)
            return []
        except PeerError:
            return None
