"""Which bet builders still count against the bounds of builders: those that have not ended.

Owns what shells last said of their builders' ends. A builder that is settled or cancelled frees its
place; one that is taken back out of its end counts again at the next question. Shells are asked
only when a bound refuses a builder, and what a shell that is down said last stands. Until a shell
is asked, all its builders count.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from actors.directory import Built, Directory
from actors.peer import Peer, PeerError, PeerRefusedError
from engine.common.ids import MarketNo

ASKED_AT_ONCE_MAX: Final = 1_024
"""Builders of one question, so that a shell answers bets between two of them."""


class BuilderCounts:
    """The builders of a directory that count.

    Parameters
    ----------
    directory : Directory
        Says which builders there are.
    peer : callable
        Returns how to call a market shell by its name, None while it does not answer.
    timeout_s : float
        Seconds that an answer may take.
    """

    def __init__(
        self, directory: Directory, *, peer: Callable[[str], Peer | None], timeout_s: float
    ) -> None:
        self._directory = directory
        self._peer = peer
        self._timeout_s = timeout_s
        self._ended: dict[str, set[MarketNo]] = {}
        """By shell."""
        self._asking: asyncio.Future[list[None]] | None = None

    def counting(self) -> list[Built]:
        """Return the builders that count."""
        ended: set[MarketNo] = set().union(*self._ended.values())
        return [built for number, built in self._directory.builders.items() if number not in ended]

    async def refresh(self) -> None:
        """Ask every shell which of its builders have ended; those who ask at once ask together."""
        if self._asking is None or self._asking.done():
            by_shell: dict[str, list[MarketNo]] = {}
            for number in self._directory.builders:
                shell = self._directory.markets[number].shell
                by_shell.setdefault(shell, []).append(number)
            asked = (self._ask(shell, numbers) for shell, numbers in by_shell.items())
            self._asking = asyncio.gather(*asked)
        await asyncio.shield(self._asking)

    async def _ask(self, shell: str, numbers: list[MarketNo]) -> None:
        peer = self._peer(shell)
        if peer is None:
            return
        ended: set[MarketNo] = set()
        try:
            for start in range(0, len(numbers), ASKED_AT_ONCE_MAX):
                part = numbers[start : start + ASKED_AT_ONCE_MAX]
                ended.update(await peer.ask("ended", part, timeout_s=self._timeout_s))
        except (PeerError, PeerRefusedError):
            return
        self._ended[shell] = ended
