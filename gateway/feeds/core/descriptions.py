"""What one feed has said of its fixtures, and which of them it says otherwise now.

Owns the memory of descriptions, and the positions that put them in order. It reads no message:
each feed's own module does.
"""

import re
from typing import Any, Final

from engine.common.fixtures import FeedDescription, FixturePatch
from engine.common.stated_matches import MatchScore
from gateway.feeds.core.said_matches import SaidMatches

DESCRIBED_MAX: Final = 65_536
"""Fixtures whose description is remembered; past it the oldest is forgotten, and described anew."""
_STEPS_IN_MS: Final = 1_000
"""Descriptions of one fixture in a millisecond whose positions still rise."""
_ID: Final = re.compile(r"[A-Za-z0-9:._-]{1,64}")


class Descriptions:
    """The fixtures of one feed whose description has changed.

    Parameters
    ----------
    feed : str
        The feed's name, the source of its descriptions.
    """

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._known: dict[str, dict[str, Any]] = {}
        self._positions: dict[str, int] = {}
        self._changed: dict[str, FeedDescription] = {}
        self.matches: Final = SaidMatches()

    def take(
        self,
        fixture: str,
        external_id: str,
        said: dict[str, Any],
        ms: int,
        *,
        score: MatchScore | None = None,
    ) -> None:
        """Note what a message of a time says of a fixture; a whole description is due when new.

        Its score is no part of the description: it is in `matches` alone, as the state is too.

        One that is older than the last, as a snapshot's can be, is passed over, and one of an id
        that no fixture can have.
        """
        if _ID.fullmatch(fixture) is None or (ms + 1) * _STEPS_IN_MS <= self._positions.get(
            fixture, 0
        ):
            return
        self.matches.take(fixture, said.get("state"), score)
        known = self._known.get(fixture, {})
        if all(known.get(name) == value for name, value in said.items()):
            return
        known = self._known[fixture] = {**known, **said}
        position = max(self._positions.get(fixture, 0) + 1, ms * _STEPS_IN_MS)
        self._positions[fixture] = position
        while len(self._known) > DESCRIBED_MAX:
            oldest = next(iter(self._known))
            del self._known[oldest], self._positions[oldest]
        patch = FixturePatch(fixture=fixture, **known, external_ids={self._feed: external_id})
        self._changed[fixture] = FeedDescription(patch=patch, source=self._feed, position=position)

    def changed(self) -> list[FeedDescription]:
        """Return the descriptions that have changed since the last call."""
        changed, self._changed = list(self._changed.values()), {}
        return changed
