"""What LSports' feed says of its fixtures, and what of it is reported."""

from engine.common.fixtures import FeedDescription, FixturePatch, FixtureState
from gateway.feeds.lsports.adapter import LsportsAdapter, LsportsSettings
from tests.gateway.feeds.lsports.provider import MATCH, NOW_MS, ODDS, Provider

LEAGUE = {
    "Location": {"Id": 243, "Name": "England"},
    "League": {"Id": 67, "Name": "Premier\u0000 League"},
    "Participants": [
        {"Id": 2, "Name": "Chelsea", "Position": "2"},
        {"Id": 1, "Name": "Arsenal", "Position": "1"},
    ],
}
FOUND = FixturePatch(
    fixture=f"lsports.{MATCH}",
    sport="football",
    competition="lsports:67",
    competition_name="Premier League",
    country="England",
    sides=("Arsenal", "Chelsea"),
    start_ms=1_800_000_000_000,
    state=FixtureState.SCHEDULED,
    external_ids={"lsports": str(MATCH)},
)


class Following:
    """An adapter without a watch, and its provider."""

    def __init__(self) -> None:
        self.provider = Provider()
        self.adapter = LsportsAdapter(settings=LsportsSettings(watch=False))

    def after(self, *bodies: bytes) -> list[FeedDescription]:
        for body in bodies:
            self.adapter.receive(body, at_ns=NOW_MS * 1_000_000)
        return self.adapter.descriptions()


def test_a_fixture_is_described_once_until_something_of_it_changes() -> None:
    following = Following()
    provider = following.provider
    (first,) = following.after(provider.fixture(status=1, **LEAGUE))
    assert (first.patch, first.source) == (FOUND, "lsports")
    assert following.after(provider.fixture(status=1, **LEAGUE)) == []
    assert following.after(provider.odds(ODDS)) == []
    (live,) = following.after(provider.fixture(status=2, **LEAGUE))
    assert live.patch.state is FixtureState.LIVE
    assert live.patch.sides == ("Arsenal", "Chelsea"), "a description is whole"
    assert live.position > first.position


def test_of_several_changes_between_two_calls_the_last_is_described() -> None:
    following = Following()
    provider = following.provider
    (ended,) = following.after(
        *(provider.fixture(status=status, **LEAGUE) for status in (1, 2, 8, 3))
    )
    assert ended.patch.state is FixtureState.ENDED


def test_an_older_message_changes_nothing() -> None:
    following = Following()
    provider = following.provider
    old, new = provider.fixture(status=1, **LEAGUE), provider.fixture(status=2, **LEAGUE)
    (live,) = following.after(new, old)
    assert live.patch.state is FixtureState.LIVE


def test_what_cannot_be_read_of_a_fixture_is_left_out_and_the_rest_is_described() -> None:
    following = Following()
    odd = {
        "League": {"Id": "none", "Name": 7},
        "StartDate": "soon",
        "Location": None,
        "Participants": None,
    }
    (found,) = following.after(following.provider.fixture(status=2, **odd))
    assert found.patch == FixturePatch(
        fixture=f"lsports.{MATCH}",
        sport="football",
        competition_name=found.patch.competition_name,
        state=FixtureState.LIVE,
        external_ids={"lsports": str(MATCH)},
    )
    broken = following.provider.fixture(status=3, Participants=5)
    (ended,) = following.after(broken)
    assert ended.patch.state is FixtureState.ENDED
    assert following.adapter.passed_over()["fixture not described"] == 1
