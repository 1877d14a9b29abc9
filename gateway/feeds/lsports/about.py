"""What LSports' feed says of its fixtures: sport, league, country, sides, start and state.

Owns the reading of those parts. It decides nothing about markets.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from engine.common.fixtures import (
    SIDES_MAX,
    START_MS_MAX,
    FixtureState,
)
from engine.common.units import NS_PER_MS
from gateway.feeds.core.fixture_reports import category_id, shown_text
from gateway.feeds.lsports.figures import NONE, text, time_ns, whole

STATES: Final = {
    1: FixtureState.SCHEDULED,
    2: FixtureState.LIVE,
    3: FixtureState.ENDED,
    4: FixtureState.CANCELLED,
    5: FixtureState.POSTPONED,
    6: FixtureState.INTERRUPTED,
    7: FixtureState.CANCELLED,
    9: FixtureState.SCHEDULED,
}
"""States by the provider's fixture status; 7 is abandoned, 9 about to start."""


class _Named(Struct, rename="pascal"):
    id: Raw = NONE
    name: Raw = NONE


class _Participant(Struct, rename="pascal"):
    name: Raw = NONE
    position: Raw = NONE


class _About(Struct, rename="pascal"):
    sport: _Named | None = None
    location: _Named | None = None
    league: _Named | None = None
    start_date: Raw = NONE
    participants: list[_Participant] | None = None


_decode: Final = msgspec.json.Decoder(_About).decode


def read_about(fixture: Raw, *, feed: str) -> dict[str, Any]:
    """Return what a message's fixture says of it, by our fields' names; unreadable parts are not.

    Raises
    ------
    msgspec.MsgspecError, UnicodeDecodeError, RecursionError
        It is no fixture.
    """
    about = _decode(fixture)
    league = about.league or _Named()
    league_id, start_ns = whole(league.id), time_ns(about.start_date)
    found: dict[str, Any] = {
        "sport": "" if about.sport is None else category_id(text(about.sport.name)),
        "competition": "" if league_id is None else f"{feed}:{league_id}",
        "competition_name": shown_text(text(league.name)),
        "country": "" if about.location is None else shown_text(text(about.location.name)),
        "sides": _sides(about.participants or []),
        "start_ms": 0 if start_ns is None else start_ns // NS_PER_MS,
    }
    if not 0 <= found["start_ms"] <= START_MS_MAX:
        del found["start_ms"]
    return {name: value for name, value in found.items() if value}


def _sides(participants: list[_Participant]) -> tuple[str, ...]:
    """Return the names in the order of their positions, in that of the message where they tie."""
    placed = sorted(participants, key=lambda each: whole(each.position) or len(participants) + 1)
    return tuple(name for each in placed if (name := shown_text(text(each.name))))[:SIDES_MAX]
