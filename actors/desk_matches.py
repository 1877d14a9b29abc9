"""What feeds state of matches, and by which score they are priced, as the desk's watch hosts it.

Owns what each feed's pipeline is asked for, and the last statements, in memory: a new process of
the desk begins with nothing and asks for all of them. Never changes what is known of
a fixture.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from actors.peer import Peer, PeerError, PeerRefusedError
from engine.common.stated_matches import (
    PRICED,
    MatchScore,
    MatchStatements,
    SaidPage,
    StatedMatch,
    match_differs,
)
from engine.common.units import Nanos
from engine.watch.facts import MatchSeen

FIXTURES_MAX: Final = 16_384
"""Fixtures of which statements are remembered; past it that which changed longest ago is not."""
SOURCES_MAX: Final = 9
"""Sources of one fixture that are remembered; others are not."""
_ASK_S: Final = 2.0

_decode: Final = msgspec.msgpack.Decoder(SaidPage).decode


class DeskMatches:
    """The statements about the matches of one desk.

    Parameters
    ----------
    see : callable
        Takes the fact that statements differ, or differ no longer.
    clock_ns : callable
        UTC nanoseconds.
    """

    def __init__(self, *, see: Callable[[MatchSeen], None], clock_ns: Callable[[], int]) -> None:
        self._see = see
        self._clock_ns = clock_ns
        self._stated: dict[str, dict[str, StatedMatch]] = {}
        self._asked: dict[str, tuple[int, int]] = {}
        """By feed: the memory that answered last, and the number it had come to."""
        self.differing: dict[str, MatchStatements] = {}
        """Fixtures of which sources state different things, the newest last."""

    def priced(self, fixture: str, score: MatchScore) -> None:
        """Take the score by which a fixture was priced."""
        self._take(fixture, StatedMatch(source=PRICED, score=score))

    async def ask(self, feed: str, peer: Peer) -> None:
        """Ask a feed what is new; without an answer the next question is the same."""
        memory_ns, number = self._asked.get(feed, (0, 0))
        try:
            raw = await peer.ask("said_matches", memory_ns, number, timeout_s=_ASK_S)
        except (PeerError, PeerRefusedError):
            return
        page = _decode(raw)
        self._asked[feed] = page.memory_ns, page.number
        for said in page.matches:
            stated = StatedMatch(source=feed, state=said.state, score=said.score)
            self._take(said.fixture, stated)

    def present(self) -> Iterator[MatchSeen]:
        """Yield the facts of the statements that differ now."""
        for statements in self.differing.values():
            yield MatchSeen(self._now(), statements.fixture, statements.statements)

    def _take(self, fixture: str, stated: StatedMatch) -> None:
        of_match = self._stated.pop(fixture, {})
        if stated.source in of_match or len(of_match) < SOURCES_MAX:
            of_match[stated.source] = stated
        self._stated[fixture] = of_match
        if len(self._stated) > FIXTURES_MAX:
            oldest = next(iter(self._stated))
            del self._stated[oldest]
            self.differing.pop(oldest, None)
        statements = tuple(of_match.values())
        before = self.differing.pop(fixture, None)
        if match_differs(statements):
            self.differing[fixture] = MatchStatements(fixture=fixture, statements=statements)
        elif before is None:
            return
        self._see(MatchSeen(self._now(), fixture, statements))

    def _now(self) -> Nanos:
        return Nanos(self._clock_ns())
