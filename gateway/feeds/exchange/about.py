"""What a market's definition says of its event: sport, name or venue, country, start and state.

Owns the reading of those parts. It decides nothing about markets.
"""

from datetime import datetime
from typing import Any, Final

from engine.common.fixtures import SIDES_MAX, START_MS_MAX, FixtureState
from gateway.feeds.core.fixture_reports import category_id, shown_text
from gateway.feeds.exchange.followed_market import CLOSED, sport_of
from gateway.feeds.exchange.messages import MarketDefinition

_DECIDES: Final = ("MATCH_ODDS", "WIN")
"""Types of markets whose end is that of the event."""
_BETWEEN_SIDES: Final = " v "


def about(definition: MarketDefinition) -> dict[str, Any]:
    """Return what a definition says of its event, by our fields' names.

    An event without a name is called by its venue and its time of day, as races are.
    """
    sport, start_ms = sport_of(definition.event_type_id), _start_ms(definition.market_time)
    name = shown_text(definition.event_name)
    if sport == "race" or not name:
        name = " ".join(part for part in (shown_text(definition.venue), _clock(definition)) if part)
    sides = tuple(shown_text(side) for side in definition.event_name.split(_BETWEEN_SIDES))
    found: dict[str, Any] = {
        "sport": category_id(sport),
        "name": name,
        "country": shown_text(definition.country_code),
        "sides": sides if 2 <= len(sides) <= SIDES_MAX and all(sides) else (),
        "start_ms": start_ms,
        "state": _state(definition),
    }
    return {field: value for field, value in found.items() if value}


def _state(definition: MarketDefinition) -> FixtureState | None:
    """Return the event's state; None where this market's end says nothing of it."""
    if definition.status == CLOSED:
        return FixtureState.ENDED if definition.market_type in _DECIDES else None
    return FixtureState.LIVE if definition.in_play else FixtureState.SCHEDULED


def _start_ms(text: str) -> int:
    try:
        ms = int(datetime.fromisoformat(text).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return 0
    return ms if 0 < ms <= START_MS_MAX else 0


def _clock(definition: MarketDefinition) -> str:
    """Return the time of day of a market's start, in UTC as the exchange gives it."""
    return definition.market_time[11:16] if _start_ms(definition.market_time) else ""
