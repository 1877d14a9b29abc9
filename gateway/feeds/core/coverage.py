"""Which fixtures each feed has lost, as the pipelines say when they are asked.

Owns the asking, every two seconds, and the last answers. A pipeline that does not answer has lost
all its fixtures. Never stops a market: the adapters do, before anything is said here.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from actors.peer import Peer, PeerError, PeerRefusedError
from gateway.feeds.core.adapter import ALL_FIXTURES

ASK_EVERY_S: Final = 2.0
"""Seconds between two questions to each pipeline."""
NO_ANSWER: Final = "its pipeline does not answer"

logger = logging.getLogger("overround.feeds")
_decode: Final = msgspec.msgpack.Decoder(dict[str, str]).decode

OnChange = Callable[[str, Mapping[str, str]], None]
"""Is told a feed's name, and its lost fixtures with why."""


class FeedCoverage:
    """What all feeds have lost, by one gateway's questions.

    Parameters
    ----------
    peers : mapping
        The pipelines by the names of their feeds; read anew each time.
    timeout_s : float
        How long a pipeline may take to answer.
    """

    def __init__(self, peers: Mapping[str, Peer], *, timeout_s: float) -> None:
        self._peers: Final = peers
        self._timeout_s: Final = timeout_s
        self._last: dict[str, Mapping[str, str]] = {}
        self._on_change: OnChange = lambda _feed, _lost: None
        self._task: asyncio.Task[None] | None = None

    def start(self, on_change: OnChange) -> None:
        """Begin to ask, and tell of what changes."""
        self._on_change = on_change
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await self.ask()
            await asyncio.sleep(ASK_EVERY_S)

    async def ask(self) -> None:
        """Ask every pipeline once, all at the same time."""
        feeds = list(self._peers)
        answers = await asyncio.gather(*(self._ask(self._peers[feed]) for feed in feeds))
        for feed, lost in zip(feeds, answers, strict=True):
            if self._last.get(feed, {}) != lost:
                self._last[feed] = lost
                self._on_change(feed, lost)

    async def _ask(self, peer: Peer) -> Mapping[str, str]:
        try:
            return _decode(await peer.ask("uncovered", timeout_s=self._timeout_s))
        except (PeerError, PeerRefusedError):
            return {ALL_FIXTURES: NO_ANSWER}
        except Exception:  # its own failure, or an answer that cannot be read
            logger.exception("a pipeline cannot say what it has lost")
            return {ALL_FIXTURES: NO_ANSWER}
