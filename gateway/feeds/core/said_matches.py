"""What one feed has said of the matches of its fixtures: the last state and score of each.

Owns the memory, numbered so that whoever asks is told only what is new. It compares nothing.
"""

from itertools import islice
from typing import Final

from engine.common.fixtures import FEED_GOES_BACK, FixtureState
from engine.common.stated_matches import MatchScore, SaidMatch

MATCHES_MAX: Final = 65_536
"""Fixtures that are remembered; past it the one that changed longest ago is forgotten."""
MATCHES_IN_ANSWER_MAX: Final = 4_096


class SaidMatches:
    """The matches of one feed."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[int, SaidMatch]] = {}
        """By fixture, that which changed last behind; with the number of its change."""
        self._number = 0

    def take(self, fixture: str, state: FixtureState | None, score: MatchScore | None) -> None:
        """Note what a message says; what it does not tell stands, and a match does not go back."""
        _, before = self._said.get(fixture, (0, SaidMatch(fixture=fixture)))
        if state is None or (before.state, state) in FEED_GOES_BACK:
            state = before.state
        said = SaidMatch(fixture=fixture, state=state, score=score or before.score)
        if said == before:
            return
        self._said.pop(fixture, None)
        self._number += 1
        self._said[fixture] = self._number, said
        if len(self._said) > MATCHES_MAX:
            del self._said[next(iter(self._said))]

    def after(self, number: int) -> tuple[int, list[SaidMatch]]:
        """Return what has changed since a number, oldest first, and the number of the last."""
        newer = []
        for changed, said in reversed(self._said.values()):
            if changed <= number:
                break
            newer.append((changed, said))
        page = list(islice(reversed(newer), MATCHES_IN_ANSWER_MAX))
        return page[-1][0] if page else number, [said for _, said in page]
