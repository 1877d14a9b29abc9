"""What the feed's messages say of an event itself: when it starts, and how far it is.

Owns the meaning of statuses and change types for the directory. It decides nothing about markets;
names of teams and competitions are not in these messages.
"""

from typing import Any, Final

from engine.common.fixtures import START_MS_MAX, FixtureState
from engine.common.stated_matches import MatchScore
from gateway.feeds.uof.messages import FixtureChange, OddsChange

STATES: Final = {
    0: FixtureState.SCHEDULED,
    1: FixtureState.LIVE,
    2: FixtureState.INTERRUPTED,
    3: FixtureState.ENDED,
    4: FixtureState.ENDED,
    5: FixtureState.CANCELLED,
    6: FixtureState.SCHEDULED,
    7: FixtureState.INTERRUPTED,
    8: FixtureState.POSTPONED,
    9: FixtureState.CANCELLED,
}
"""States by the status of a `sport_event_status`: not started, live, suspended, ended, closed,
cancelled, delayed, interrupted, postponed, abandoned."""
_CANCELLED: Final = 3


def about(message: OddsChange | FixtureChange) -> dict[str, Any]:
    """Return what a message says of its event, by our fields' names."""
    found: dict[str, Any] = {}
    if isinstance(message, OddsChange):
        state = None if message.status is None else STATES.get(message.status.status)
        if state is not None:
            found["state"] = state
        return found
    if message.change_type == _CANCELLED:
        found["state"] = FixtureState.CANCELLED
    if message.start_time is not None and 0 < message.start_time <= START_MS_MAX:
        found["start_ms"] = message.start_time
    return found


def score_of(message: OddsChange | FixtureChange) -> MatchScore | None:
    """Return the score that a message states, both sides' goals or points; None for none."""
    status = message.status if isinstance(message, OddsChange) else None
    if status is None or status.home_score is None or status.away_score is None:
        return None
    return status.home_score, status.away_score
