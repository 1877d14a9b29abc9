"""What the desk's watch asks of shells and of feeds, and the facts that their answers are.

Owns the calls under way: a shell or a feed that has not answered is not asked again until then, and
holds up no other. What it would have been asked meanwhile is left out.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

import msgspec

from actors.market_sweep import MarketSweep
from actors.peer import Peer, PeerError, PeerRefusedError
from actors.reference_odds import ReferenceView
from engine.common.ids import MarketNo
from engine.common.units import Nanos
from engine.common.views import StakesImage
from engine.watch.facts import BookSeen, Fact, FeedKnown, FeedSeen, SourceSeen
from engine.watch.odds_apart import probabilities_of

MARKETS_IN_CALL_MAX: Final = 64
"""Markets of one call, so that no bet waits long for a shell that answers it."""
POLLS_MAX: Final = 64
"""Shells and feeds that are asked at the same time; what is over it waits for its next turn."""
_ASK_S: Final = 2.0
_WAIT_S: Final = 0.5
"""Seconds that a check of the rules waits for answers; those that come later are facts then."""

logger = logging.getLogger("overround.desk")
_decode_stakes: Final = msgspec.msgpack.Decoder(list[StakesImage]).decode
_decode_references: Final = msgspec.msgpack.Decoder(list[ReferenceView]).decode


class DeskPolls:
    """The polls of one desk's watch.

    Parameters
    ----------
    peer_of : callable
        Returns the way to a shell, None without one.
    fixture_of : callable
        Returns the fixture of a market whose place is known.
    see : callable
        Takes each fact.
    clock_ns : callable
        UTC nanoseconds.
    """

    def __init__(
        self,
        *,
        peer_of: Callable[[str], Peer | None],
        fixture_of: Callable[[MarketNo], str],
        see: Callable[[Fact], None],
        clock_ns: Callable[[], int],
    ) -> None:
        self._peer_of = peer_of
        self._fixture_of = fixture_of
        self._see = see
        self._clock_ns = clock_ns
        self.books_due = MarketSweep()
        self.sources_due = MarketSweep()
        self._messages: dict[str, int] = {}
        self._source_of: dict[MarketNo, str] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._fresh: list[asyncio.Task[None]] = []
        """Those of them that nobody has waited for yet."""

    def stop(self) -> None:
        """Wait for no answer any more."""
        for task in self._under_way.values():
            task.cancel()

    async def answered(self) -> None:
        """Wait for the answers that come soon; for one that does not, once."""
        fresh, self._fresh = self._fresh, []
        if fresh:
            await asyncio.wait(fresh, timeout=_WAIT_S)

    def at_shell(self, shell: str, books: list[MarketNo], sources: list[MarketNo]) -> None:
        """Look at books of a shell's markets, and at what models and feeds say of odds."""
        self.begin(f"shell {shell}", lambda: self._poll_shell(shell, books, sources))

    def at_feed(self, feed: str, peer: Peer) -> None:
        """Look at a feed's messages; one of which nothing is new shows that it is there."""
        self._see(FeedKnown(self._now(), feed))
        self.begin(f"feed {feed}", lambda: self._poll_feed(feed, peer))

    def begin(self, name: str, poll: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin a poll of a name, unless one of that name has no answer yet."""
        if name in self._under_way or len(self._under_way) >= POLLS_MAX:
            return
        task = self._under_way[name] = asyncio.get_running_loop().create_task(poll())
        task.add_done_callback(lambda done: self._end(name, done))
        self._fresh.append(task)

    def _end(self, name: str, task: "asyncio.Task[None]") -> None:
        del self._under_way[name]
        if not task.cancelled() and task.exception() is not None:
            logger.error("the watch cannot ask %s", name, exc_info=task.exception())

    async def _poll_shell(self, shell: str, books: list[MarketNo], sources: list[MarketNo]) -> None:
        for part in _parts(books):
            raw = await self._ask(shell, "stakes_images", part)
            if not raw:
                break
            for image in _decode_stakes(raw):
                number = image.market_no
                fixture = self._fixture_of(number)
                self._see(BookSeen(self._now(), fixture, number, image.liability_minor))
        silent = False
        for part in _parts(sources):
            raw = b"" if silent else await self._ask(shell, "reference_odds", part)
            silent = not raw
            views = {view.market_no: view for view in _decode_references(raw)} if raw else {}
            for number in part:
                self._see_source(number, views.get(number))

    def _see_source(self, number: MarketNo, view: ReferenceView | None) -> None:
        """See what a model or a feed says of odds; a source that says nothing now is silent."""
        by = "" if view is None else view.by
        before = self._source_of.get(number, by)
        fixture, at_ns = self._fixture_of(number), self._now()
        if before != by:
            self._see(SourceSeen(at_ns, fixture, number, before, ()))
        if view is not None and by:
            self._source_of[number] = by
            self._see(SourceSeen(at_ns, fixture, number, by, probabilities_of(view.odds_milli)))
        else:
            self._source_of.pop(number, None)

    async def _poll_feed(self, feed: str, peer: Peer) -> None:
        with contextlib.suppress(PeerError, PeerRefusedError):
            stats = await peer.ask("stats", timeout_s=_ASK_S)
            messages, lag_ms = sum(stats["kinds"].values()), stats["lag_ms"]
            if messages != self._messages.get(feed) or lag_ms:
                self._messages[feed] = messages
                self._see(FeedSeen(self._now(), feed, lag_ms))

    async def _ask(self, shell: str, method: str, argument: object) -> bytes:
        """Return a shell's answer; nothing when it does not come."""
        peer = self._peer_of(shell)
        if peer is not None:
            with contextlib.suppress(PeerError, PeerRefusedError):
                answer: bytes = await peer.ask(method, argument, timeout_s=_ASK_S)
                return answer
        return b""

    def _now(self) -> Nanos:
        return Nanos(self._clock_ns())


def _parts(numbers: list[MarketNo]) -> Iterator[list[MarketNo]]:
    for start in range(0, len(numbers), MARKETS_IN_CALL_MAX):
        yield numbers[start : start + MARKETS_IN_CALL_MAX]
