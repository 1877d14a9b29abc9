"""A feed's descriptions: whole, in order, once, and of fixtures that can be."""

from hypothesis import given
from hypothesis import strategies as st

from engine.common.fixtures import FixtureState
from gateway.feeds.core import descriptions
from gateway.feeds.core.descriptions import Descriptions

STATES = st.sampled_from([FixtureState.SCHEDULED, FixtureState.LIVE, FixtureState.ENDED])
SAID = st.fixed_dictionaries({}, optional={"state": STATES, "start_ms": st.integers(1, 3)})


@given(st.lists(st.tuples(SAID, st.integers(1, 5), st.booleans()), max_size=30))
def test_positions_rise_and_what_is_described_is_all_that_was_said(steps) -> None:
    feed, said, newest_ms, last = Descriptions("uof"), {}, 0, -1
    for says, ms, asked in steps:
        feed.take("sr:match:7", "sr:match:7", says, ms)
        if ms >= newest_ms:
            before = dict(said)
            said |= says
            newest_ms = ms if said != before else newest_ms
        if asked:
            for one in feed.changed():
                assert one.position > last
                last = one.position
                values = {**one.patch.values()}
                assert values.pop("external_ids.uof") == "sr:match:7"
                assert values == said


def test_the_oldest_is_forgotten_past_the_bound(monkeypatch) -> None:
    monkeypatch.setattr(descriptions, "DESCRIBED_MAX", 2)
    feed = Descriptions("uof")
    for number in (1, 2, 3, 1):
        feed.take(f"m{number}", "x", {"state": FixtureState.LIVE}, 5)
    assert [one.patch.fixture for one in feed.changed()] == ["m1", "m2", "m3"]
    feed.take("m3", "x", {"state": FixtureState.LIVE}, 5)
    assert feed.changed() == []


def test_an_id_that_no_fixture_can_have_is_passed_over() -> None:
    feed = Descriptions("uof")
    for fixture in ("", "a b", "a/b", "x" * 65, "a\n"):
        feed.take(fixture, "x", {"state": FixtureState.LIVE}, 5)
    assert feed.changed() == []
