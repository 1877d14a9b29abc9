"""Fixtures: how descriptions and claims are merged."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.common.events import Refused
from engine.common.fixtures import (
    EXTERNAL_IDS_MAX,
    FIXTURE_SOURCES_MAX,
    Described,
    FeedDescription,
    FillDescription,
    Fixture,
    FixtureChange,
    FixtureClaim,
    FixturePatch,
    FixtureState,
    HandDescription,
    changed_fixture,
)
from engine.common.reasons import Reason

FINAL = "wc22-64"
ANNA, BEN = "trader:anna", "trader:ben"


def by_hand(*release: str, **fields: object) -> HandDescription:
    return HandDescription(patch=FixturePatch(fixture=FINAL, **fields), release=release)  # type: ignore[arg-type]


def fed(position: int, source: str = "uof", **fields: object) -> FeedDescription:
    patch = FixturePatch(fixture=FINAL, **fields)  # type: ignore[arg-type]
    return FeedDescription(patch=patch, source=source, position=position)


def filled(**fields: object) -> FillDescription:
    return FillDescription(patch=FixturePatch(fixture=FINAL, **fields))  # type: ignore[arg-type]


def after(*changes: FixtureChange, by: str = ANNA) -> Fixture:
    fixture: Fixture | None = None
    for change in changes:
        outcome = changed_fixture(fixture, change, by=by)
        assert isinstance(outcome, Described), outcome
        fixture = outcome.fixture
    assert fixture is not None
    return fixture


def refusal(fixture: Fixture | None, change: FixtureChange, by: str = ANNA) -> tuple[Reason, str]:
    outcome = changed_fixture(fixture, change, by=by)
    assert isinstance(outcome, Refused)
    return outcome.reason, outcome.field


def test_a_patch_leaves_what_it_does_not_name() -> None:
    fixture = after(by_hand(sport="football", start_ms=5), by_hand(start_ms=6))
    assert (fixture.sport, fixture.start_ms, fixture.version) == ("football", 6, 2)
    assert fixture.by_hand == ("sport", "start_ms")


def test_a_match_without_a_name_is_shown_by_its_sides() -> None:
    assert Fixture(fixture=FINAL).shown_name() == FINAL
    assert Fixture(fixture=FINAL, sides=("Argentina", "France")).shown_name() == (
        "Argentina v France"
    )
    assert Fixture(fixture=FINAL, sides=("A", "B"), name="Final").shown_name() == "Final"
    assert Fixture(fixture=FINAL, sides=("A", "B", "C")).shown_name() == FINAL


def test_what_a_trader_set_becomes_what_feeds_say_when_it_is_released() -> None:
    held = after(fed(1, start_ms=10), by_hand(start_ms=20), fed(2, start_ms=30, country="Qatar"))
    assert (held.start_ms, held.country) == (20, "Qatar")
    outcome = changed_fixture(held, by_hand("start_ms"), by=BEN)
    assert isinstance(outcome, Described)
    assert (outcome.fixture.start_ms, outcome.fixture.by_hand) == (30, ())
    assert outcome.fixture.withheld is None


def test_a_field_released_before_a_feed_spoke_becomes_what_it_was() -> None:
    assert after(fed(1, start_ms=10), by_hand(start_ms=20), by_hand("start_ms")).start_ms == 10
    assert after(by_hand(name="Final"), by_hand("name")).name == ""


def test_a_source_s_id_is_held_by_itself() -> None:
    fixture = after(
        fed(1, external_ids={"uof": "sr:match:1", "bf": "7"}),
        by_hand(external_ids={"uof": "sr:match:2"}),
        fed(2, external_ids={"uof": "sr:match:3", "bf": ""}),
    )
    assert fixture.external_ids == {"uof": "sr:match:2"}
    assert fixture.by_hand == ("external_ids.uof",)
    released = changed_fixture(fixture, by_hand("external_ids.uof"), by=ANNA)
    assert isinstance(released, Described)
    assert released.fixture.external_ids == {"uof": "sr:match:3"}


def test_a_feed_does_not_take_a_match_back_to_before_its_kick_off_and_a_trader_may() -> None:
    live = after(fed(1, state=FixtureState.LIVE))
    stale = changed_fixture(live, fed(2, state=FixtureState.SCHEDULED, country="Qatar"), by="f")
    assert isinstance(stale, Described)
    assert (stale.fixture.state, stale.fixture.country) == (FixtureState.LIVE, "Qatar")
    assert stale.kept == ("state",)
    resumed = after(fed(1, state=FixtureState.ENDED), fed(2, state=FixtureState.LIVE))
    assert resumed.state is FixtureState.LIVE
    taken_back = after(fed(1, state=FixtureState.LIVE), by_hand(state=FixtureState.SCHEDULED))
    assert taken_back.state is FixtureState.SCHEDULED


def test_a_filling_description_sets_only_what_nobody_has_set_and_changes_nothing_twice() -> None:
    opening = filled(sport="football", start_ms=10, state=FixtureState.LIVE)
    first = after(opening)
    assert (first.sport, first.start_ms, first.state) == ("football", 10, FixtureState.LIVE)
    known = after(fed(1, start_ms=20), opening)
    assert (known.sport, known.start_ms, known.state) == ("football", 20, FixtureState.SCHEDULED)
    assert changed_fixture(known, opening, by="opening") == Described(
        fixture=known, kept=("sport", "start_ms", "state")
    )


def test_the_id_of_a_source_too_many_and_a_feed_too_many_are_refused() -> None:
    ids = {f"s{n}": "1" for n in range(EXTERNAL_IDS_MAX)}
    full = after(by_hand(external_ids=ids))
    assert refusal(full, by_hand(external_ids={"more": "1"})) == (Reason.CAPACITY, "external_ids")
    swapped = by_hand(external_ids={"s0": "", "more": "1"})
    assert refusal(full, swapped) == (Reason.CAPACITY, "external_ids"), "s0 is held as nothing"
    feeds = after(*(fed(1, f"feed{n}") for n in range(FIXTURE_SOURCES_MAX)))
    assert refusal(feeds, fed(1, "more")) == (Reason.CAPACITY, "source")
    assert after(*(fed(1, f"feed{n}") for n in range(FIXTURE_SOURCES_MAX)), fed(2, "feed0"))


def test_what_another_trader_holds_is_claimed_only_by_taking_it_over() -> None:
    fixture = after(by_hand(), FixtureClaim(fixture=FINAL, owner=ANNA))
    claim = FixtureClaim(fixture=FINAL, owner=BEN)
    assert refusal(fixture, claim, BEN) == (Reason.FIXTURE_CLAIMED, "owner")
    assert refusal(fixture, FixtureClaim(fixture=FINAL, owner=""), BEN)[0] == 422
    taken = changed_fixture(fixture, FixtureClaim(fixture=FINAL, owner=BEN, take_over=True), by=BEN)
    assert isinstance(taken, Described)
    assert (taken.fixture.owner, taken.fixture.version) == (BEN, fixture.version + 1)


def test_a_holder_hands_over_and_releases_and_a_claim_may_be_repeated() -> None:
    fixture = after(by_hand(), FixtureClaim(fixture=FINAL, owner=ANNA))
    again = changed_fixture(fixture, FixtureClaim(fixture=FINAL, owner=ANNA), by=ANNA)
    assert again == Described(fixture=fixture)
    handed = changed_fixture(fixture, FixtureClaim(fixture=FINAL, owner=BEN), by=ANNA)
    released = changed_fixture(fixture, FixtureClaim(fixture=FINAL, owner=""), by=ANNA)
    assert isinstance(handed, Described)
    assert isinstance(released, Described)
    assert (handed.fixture.owner, released.fixture.owner) == (BEN, "")


def test_a_fixture_that_nobody_described_cannot_be_claimed() -> None:
    claim = FixtureClaim(fixture=FINAL, owner=ANNA)
    assert refusal(None, claim) == (Reason.FIXTURE_UNKNOWN, "fixture")


# --- any order -----------------------------------------------------------------------------------

TEXTS = st.sampled_from(["", "a", "b"])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXTS,
        "start_ms": st.integers(0, 3),
        "state": st.sampled_from(list(FixtureState)),
        "sides": st.sampled_from([(), ("a", "b"), ("b", "a")]),
        "external_ids": st.dictionaries(st.sampled_from(["uof", "bf"]), TEXTS, max_size=2),
    },
)
FEEDS = st.builds(
    lambda position, source, fields: fed(position, source, **fields),
    st.integers(0, 9),
    st.sampled_from(["uof", "bf"]),
    FIELDS,
)
RELEASES = st.sampled_from(["name", "start_ms", "external_ids.uof", "nothing"])
HANDS = st.builds(
    lambda fields, release: by_hand(*release, **fields), FIELDS, st.lists(RELEASES, max_size=2)
)
CHANGES = st.lists(FEEDS | HANDS | st.builds(lambda fields: filled(**fields), FIELDS), max_size=12)


@given(CHANGES, FIELDS, st.lists(FEEDS, max_size=8), st.randoms(use_true_random=False))
def test_what_a_trader_sets_survives_any_order_of_what_feeds_say(before, fields, feeds, rng):
    held = after(*before, by_hand(**fields))
    rng.shuffle(feeds)
    now = held
    for change in feeds:
        outcome = changed_fixture(now, change, by="feed")
        assert isinstance(outcome, Described)
        now = outcome.fixture
    for name, value in FixturePatch(fixture=FINAL, **fields).values().items():
        assert name in now.by_hand
        field, _, source = name.partition(".")
        kept = now.external_ids.get(source, "") if source else getattr(now, field)
        assert kept == value, name


@given(st.lists(st.tuples(st.integers(0, 9), TEXTS, st.integers(0, 3)), max_size=8))
def test_of_one_feed_s_whole_descriptions_the_newest_stands_whatever_order_they_come_in(said):
    newest = {position: (name, start) for position, name, start in reversed(said)}
    fixture: Fixture | None = None
    for position, name, start in said:
        outcome = changed_fixture(fixture, fed(position, name=name, start_ms=start), by="feed")
        assert isinstance(outcome, Described)
        fixture = outcome.fixture
    if fixture is not None:
        assert (fixture.name, fixture.start_ms) == newest[max(newest)]


@given(CHANGES)
def test_a_version_rises_with_every_change_and_with_nothing_else(changes):
    fixture: Fixture | None = None
    for change in changes:
        outcome = changed_fixture(fixture, change, by=ANNA)
        assert isinstance(outcome, Described)
        version = 0 if fixture is None else fixture.version
        same = outcome.fixture == fixture
        assert outcome.fixture.version == version + (not same)
        fixture = outcome.fixture
        assert len(fixture.by_hand) == len(set(fixture.by_hand))
        encoded = msgspec.msgpack.encode(fixture)
        assert msgspec.msgpack.decode(encoded, type=Fixture) == fixture


@given(CHANGES)
def test_all_that_is_held_can_be_released_and_then_feeds_set_it(changes):
    fixture = after(by_hand(), *changes)
    released = changed_fixture(fixture, by_hand(*fixture.by_hand), by=ANNA)
    assert isinstance(released, Described)
    assert (released.fixture.by_hand, released.fixture.withheld) == ((), None)
