"""What feeds state of a match beside its markets, and where two sources differ.

Owns the values and their comparison. What is known of a fixture is the directory's; by which score
its markets are priced is decided by whoever prices them.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from engine.common.fixtures import FixtureState

PRICED: Final = "priced"
"""The source of the score by which a fixture was priced last, whoever did it."""

_OVER: Final = (FixtureState.ENDED, FixtureState.CANCELLED)

MatchScore = tuple[int, int]
"""Goals or points of the first side and of the second."""


class StatedMatch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one source states of a match; what it does not tell is None."""

    source: str
    state: FixtureState | None = None
    score: MatchScore | None = None


class MatchStatements(Struct, frozen=True, kw_only=True):
    """What each of several sources states of a fixture's match."""

    fixture: str
    statements: tuple[StatedMatch, ...]


class SaidMatch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one feed has said last of a fixture's match."""

    fixture: str
    state: FixtureState | None = None
    score: MatchScore | None = None


class SaidPage(Struct, frozen=True, kw_only=True):
    """What a feed has said since a number, oldest first; the next question is after `number`.

    Numbers of one pipeline's memory count from 0; another memory has another `memory_ns`.
    """

    memory_ns: int
    number: int
    matches: tuple[SaidMatch, ...]


def match_differs(statements: Sequence[StatedMatch]) -> tuple[str, ...]:
    """Return of what two sources state different things: `state`, `score`, both or nothing.

    A source that does not tell one differs from none. When a feed says that the match is over,
    nobody prices it any more, and the score it was priced by does not count.
    """
    if any(one.state in _OVER for one in statements):
        statements = [one for one in statements if one.source != PRICED]
    found = []
    for name in ("state", "score"):
        stated = [
            value for one in statements for value in [getattr(one, name)] if value is not None
        ]
        if any(value != stated[0] for value in stated):
            found.append(name)
    return tuple(found)
