"""The position that each market has applied of each feed source, so that a message counts once.

Owns positions and digests by market and source. Never reads the steps of a message.

Bounds: a market has at most `SOURCES_MAX` sources; CAPACITY refuses the messages of another. At
one position the last `DIGESTS_KEPT` digests are kept: an older message at that position would be
applied a second time if it came again.
"""

from typing import Any, Final, NamedTuple

from engine.common.commands import (
    DIGEST_MAX,
    NAME_CHARS_MAX,
    SOURCES_MAX,
    TIME_NS_MAX,
    FeedUpdate,
    ResetSource,
)
from engine.common.events import Refused
from engine.common.ids import MARKET_NO_MAX, MarketNo
from engine.common.reasons import Reason
from engine.common.state_hash import Reader

DIGESTS_KEPT: Final = 16


class _Reached(NamedTuple):
    position: int
    digests: tuple[int, ...]
    """Digests of the messages applied at this position, in their order."""


class FeedPositions:
    """The highest position applied, by market number and source."""

    def __init__(self) -> None:
        self._reached: dict[MarketNo, dict[str, _Reached]] = {}

    def fault(self, command: FeedUpdate) -> Refused | None:
        """Return why a message is refused: it was applied before, or its source has no room."""
        sources = self._reached.get(command.market_no, {})
        known = sources.get(command.source)
        if known is None:
            if len(sources) < SOURCES_MAX:
                return None
            message = f"{SOURCES_MAX} sources a market at most"
            return Refused(reason=Reason.CAPACITY, field="source", message=message)
        if command.position > known.position:
            return None
        if command.position == known.position and command.digest not in known.digests:
            return None
        message = f"{command.source} is obeyed up to {known.position}"
        return Refused(reason=Reason.FEED_POSITION_KNOWN, field="position", message=message)

    def reset(self, command: ResetSource) -> int | None:
        """Set a source's position; return the one before, or None if the source is unknown.

        The market then holds the position as if a message with digest 0 had been applied there.
        """
        sources = self._reached.get(command.market_no, {})
        known = sources.get(command.source)
        if known is None:
            return None
        sources[command.source] = _Reached(command.position, (0,))
        return known.position

    def note(self, command: FeedUpdate) -> None:
        """Record a message that is applied."""
        sources = self._reached.setdefault(command.market_no, {})
        known = sources.get(command.source)
        same = known is not None and known.position == command.position
        before = known.digests if known is not None and same else ()
        digests = (*before, command.digest)[-DIGESTS_KEPT:]
        sources[command.source] = _Reached(command.position, digests)

    def has_feed(self, market_no: MarketNo) -> bool:
        """Return whether a message of any feed was applied to this market."""
        return market_no in self._reached

    def of(self, market_no: MarketNo) -> dict[str, int]:
        """Return a market's highest position by source, the sources in alphabetical order."""
        sources = self._reached.get(market_no, {})
        return {source: reached.position for source, reached in sorted(sources.items())}

    def dump(self) -> list[list[Any]]:
        """Return the canonical form: a list of market, source, position and digests, ascending.

        Each item is a flat list and not a map: there may be 40,000, and bets wait for the copy.
        """
        return [
            [market_no, source, reached.position, *reached.digests]
            for market_no, sources in sorted(self._reached.items())
            for source, reached in sorted(sources.items())
        ]

    @staticmethod
    def load(items: list[Any]) -> "FeedPositions":
        """Rebuild positions from their canonical form; a ValueError names the field."""
        positions, last = FeedPositions(), (-1, "")
        for item in items:
            if not isinstance(item, list | tuple):
                raise ValueError("positions: not a list")
            given = dict(zip(("market_no", "source", "position"), item, strict=False))
            reader = Reader(given, name="positions")
            market_no = MarketNo(reader.integer("market_no", low=0, high=MARKET_NO_MAX))
            source = reader.text("source")
            if (market_no, source) <= last or not 1 <= len(source) <= NAME_CHARS_MAX:
                raise reader.fail("source", "out of order, given twice or of a wrong length")
            position = reader.integer("position", low=0, high=TIME_NS_MAX)
            digests = tuple(item[3:])
            if not _digests_fit(digests):
                raise reader.fail("digests", f"1 to {DIGESTS_KEPT} integers, each once")
            sources = positions._reached.setdefault(market_no, {})
            sources[source] = _Reached(position, digests)
            if len(sources) > SOURCES_MAX:
                raise reader.fail("source", f"more than {SOURCES_MAX} of one market")
            last = (market_no, source)
        return positions

    def market_nos(self) -> list[MarketNo]:
        """Return the markets to which a message of any feed was applied."""
        return list(self._reached)


def _digests_fit(digests: tuple[Any, ...]) -> bool:
    if not 1 <= len(digests) <= DIGESTS_KEPT or len(dict.fromkeys(digests)) != len(digests):
        return False
    return all(type(digest) is int and 0 <= digest <= DIGEST_MAX for digest in digests)
