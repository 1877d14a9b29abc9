"""What a Unified Odds Feed says of an event itself."""

from engine.common.fixtures import FixtureState
from gateway.feeds.uof.about import about, score_of
from gateway.feeds.uof.messages import FixtureChange, OddsChange, SportEventStatus

EVENT = {"event_id": "sr:match:7", "product": 1, "timestamp": 5}


def odds(status: SportEventStatus | None) -> OddsChange:
    return OddsChange(**EVENT, status=status)


def test_the_state_is_that_of_the_status_and_an_unknown_status_says_nothing() -> None:
    assert about(odds(SportEventStatus(status=1))) == {"state": FixtureState.LIVE}
    assert about(odds(SportEventStatus(status=5))) == {"state": FixtureState.CANCELLED}
    for status in (None, SportEventStatus(status=-1), SportEventStatus(status=99)):
        assert about(odds(status)) == {}


def test_a_score_is_said_where_both_sides_have_one() -> None:
    status = SportEventStatus(status=1, home_score=2, away_score=0)
    assert score_of(odds(status)) == (2, 0)
    for other in (None, SportEventStatus(status=1), SportEventStatus(status=1, home_score=1)):
        assert score_of(odds(other)) is None
    assert score_of(FixtureChange(**EVENT, change_type=2)) is None


def test_a_changed_start_and_a_cancelled_fixture_are_said() -> None:
    assert about(FixtureChange(**EVENT, change_type=2, start_time=77)) == {"start_ms": 77}
    assert about(FixtureChange(**EVENT, change_type=3)) == {"state": FixtureState.CANCELLED}
    assert about(FixtureChange(**EVENT, change_type=2, start_time=-1)) == {}
