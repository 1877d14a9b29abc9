"""What an exchange's definitions say of an event, and when it is reported."""

import pytest

from engine.common.fixtures import FixtureState
from gateway.feeds.exchange.about import about
from gateway.feeds.exchange.messages import MarketDefinition

RACE = {
    "status": "OPEN",
    "event_id": "28270094",
    "event_type_id": "7",
    "market_type": "WIN",
    "market_time": "2017-06-14T18:55:00.000Z",
    "event_name": "Ham 14th Jun",
    "venue": "Hamilton",
    "country_code": "GB",
}
MATCH = {**RACE, "event_type_id": "1", "market_type": "MATCH_ODDS", "event_name": "Arsenal v Spurs"}
START_MS = 1_497_466_500_000


def said(fields: dict[str, object], **changes: object) -> dict[str, object]:
    return about(MarketDefinition(**{**fields, **changes}))  # type: ignore[arg-type]


def test_a_race_is_called_by_its_venue_and_time() -> None:
    assert said(RACE) == {
        "sport": "race",
        "name": "Hamilton 18:55",
        "country": "GB",
        "start_ms": START_MS,
        "state": FixtureState.SCHEDULED,
    }


def test_a_match_has_the_sides_of_its_name() -> None:
    found = said(MATCH, in_play=True)
    assert (found["name"], found["sides"]) == ("Arsenal v Spurs", ("Arsenal", "Spurs"))
    assert found["state"] is FixtureState.LIVE


@pytest.mark.parametrize(
    ("market_type", "state"),
    [("MATCH_ODDS", FixtureState.ENDED), ("WIN", FixtureState.ENDED), ("PLACE", None)],
)
def test_the_end_of_its_main_market_is_the_events(market_type: str, state: object) -> None:
    assert said(MATCH, status="CLOSED", market_type=market_type).get("state") == state


@pytest.mark.parametrize("time", ["", "soon", "2017", "9999-99-99T00:00:00Z", "0001-01-01"])
def test_a_time_that_is_none_is_left_out(time: str) -> None:
    found = said(RACE, market_time=time, venue="Hamilton\n\u0000")
    assert "start_ms" not in found or time == "2017"
    assert str(found["name"]).startswith("Hamilton")
