"""The gateway's catalogue: order, search, pages and counts."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from engine.common.fixtures import Fixture, FixtureState
from engine.common.lifecycle import Status
from gateway.messages.fixtures import AskFixtures, CompetitionLine, SportLine
from gateway.messages.market import STATUS_NAMES
from gateway.services.catalogue import FixtureCatalogue
from gateway.settings import FIXTURE_SIDES_MAX

ACTIVE, SUSPENDED = Status.ACTIVE, Status.SUSPENDED


def catalogue(*fixtures: Fixture) -> FixtureCatalogue:
    made = FixtureCatalogue()
    made.take(fixtures)
    return made


def fixture(fixture_id: str, **fields: object) -> Fixture:
    return Fixture(fixture=fixture_id, **{"version": 1, **fields})  # type: ignore[arg-type]


def asked(of: FixtureCatalogue, **fields: object) -> list[str]:
    page = of.page(AskFixtures(**fields), for_bettors=False)  # type: ignore[arg-type]
    return [line.fixture for line in page.lines]


def test_fixtures_are_in_order_of_start_and_those_without_one_are_last() -> None:
    made = catalogue(
        fixture("c"), fixture("b", start_ms=20), fixture("d", start_ms=10), fixture("a")
    )
    assert asked(made) == ["d", "b", "a", "c"]
    assert asked(made, newest_first=True) == ["c", "a", "b", "d"]
    assert asked(made, from_ms=20) == ["b", "a", "c"]
    assert asked(made, from_ms=10, until_ms=20) == ["d"]


def test_an_older_description_that_arrives_late_is_passed_over() -> None:
    made = catalogue(fixture("a", name="new", version=2), fixture("a", name="old"))
    line = made.line("a", for_bettors=True)
    assert line is not None
    assert line.name == "new"


def test_a_search_finds_every_word_in_any_text_whatever_its_case() -> None:
    final = fixture(
        "wc22-64",
        sides=("Argentina", "Côte d'Ivoire"),
        competition_name="World Cup",
        external_ids={"uof": "sr:match:9"},
    )
    made = catalogue(final, fixture("other", name="Argentina v Chile"))
    assert asked(made, text="ARGENTINA") == ["other", "wc22-64"]
    assert asked(made, text="cup argentina") == ["wc22-64"]
    assert asked(made, text="côte") == asked(made, text="match:9") == ["wc22-64"]
    assert asked(made, text="cup chile") == []


def test_a_bettor_does_not_see_who_holds_a_fixture() -> None:
    made = catalogue(fixture("a", owner="trader:anna", by_hand=("name",)))
    shown, hidden = made.line("a", for_bettors=False), made.line("a", for_bettors=True)
    assert shown is not None
    assert hidden is not None
    assert (shown.owner, shown.by_hand) == ("trader:anna", ("name",))
    assert (hidden.owner, hidden.by_hand) == ("", ())


def test_a_page_of_races_ends_before_it_has_too_many_sides() -> None:
    runners = tuple(f"runner {n}" for n in range(64))
    made = catalogue(*(fixture(f"race-{n:02}", sides=runners) for n in range(40)))
    page = made.page(AskFixtures(limit=40), for_bettors=True)
    assert len(page.lines) == FIXTURE_SIDES_MAX // 64
    following = made.page(AskFixtures(limit=40, after=page.next), for_bettors=True)
    assert following.lines[0].fixture == f"race-{len(page.lines):02}"


def test_a_question_that_finds_little_ends_and_says_where_to_go_on() -> None:
    made = catalogue(*(fixture(f"f{n}", start_ms=n + 1) for n in range(5_000)))
    made.take([fixture("f5000", start_ms=5_001, sport="darts")])
    page = made.page(AskFixtures(sport="darts"), for_bettors=True)
    assert (page.lines, page.next) == ((), "5000/f4999")
    last = made.page(AskFixtures(sport="darts", after=page.next), for_bettors=True)
    assert [line.fixture for line in last.lines] == ["f5000"]
    assert asked(made, text="f5000") == ["f5000"], "a text is looked for in all of them"
    assert last.next == ""


# --- against a plain count -----------------------------------------------------------------------

NAMES = st.sampled_from([f"f{n}" for n in range(6)])
FIXTURES = st.builds(
    Fixture,
    fixture=NAMES,
    sport=st.sampled_from(["", "football", "tennis"]),
    competition=st.sampled_from(["", "cup"]),
    start_ms=st.integers(0, 3),
    state=st.sampled_from(list(FixtureState)),
    owner=st.sampled_from(["", "trader:anna"]),
    version=st.integers(1, 5),
)
STEPS = st.lists(
    st.one_of(FIXTURES, st.tuples(st.integers(1, 8), NAMES, st.sampled_from(list(Status)))),
    max_size=25,
)
QUESTIONS = st.builds(
    AskFixtures,
    sport=st.sampled_from(["", "football"]),
    competition=st.sampled_from(["", "cup"]),
    states=st.lists(st.sampled_from(list(FixtureState)), max_size=3, unique=True).map(tuple),
    owner=st.sampled_from([None, "", "trader:anna"]),
    from_ms=st.none() | st.integers(0, 3),
    until_ms=st.none() | st.integers(0, 4),
    text=st.sampled_from(["", "f", "1", "foot cup"]),
    newest_first=st.booleans(),
    limit=st.integers(1, 3),
)


class PlainCatalogue:
    """The same, by looking at everything each time."""

    def __init__(self) -> None:
        self.fixtures: dict[str, Fixture] = {}
        self.markets: dict[int, tuple[str, Status]] = {}

    def step(self, step: Fixture | tuple[int, str, Status], made: FixtureCatalogue) -> None:
        if isinstance(step, Fixture):
            made.take([step])
            if step.version > self.fixtures.get(step.fixture, Fixture(fixture="x")).version:
                self.fixtures[step.fixture] = step
            return
        number, name, status = step
        name = self.markets.get(number, (name, status))[0]
        if number not in self.markets:
            made.add_market(name)
        self.fixtures.setdefault(name, Fixture(fixture=name))
        self.markets[number] = (name, status)
        made.set_status(number, name, status)

    def matching(self, asked: AskFixtures) -> list[str]:
        found = [
            each
            for each in self.fixtures.values()
            if asked.sport in ("", each.sport)
            and asked.competition in ("", each.competition)
            and (not asked.states or each.state in asked.states)
            and asked.owner in (None, each.owner)
            and (asked.from_ms is None or (each.start_ms or 1 << 60) >= asked.from_ms)
            and (asked.until_ms is None or (each.start_ms or 1 << 60) < asked.until_ms)
            and all(
                any(text in part for part in (each.fixture, each.sport, each.competition))
                for text in asked.text.split()
            )
        ]
        found.sort(
            key=lambda each: (each.start_ms or 1 << 60, each.fixture), reverse=asked.newest_first
        )
        return [each.fixture for each in found]

    def by_status(self, *names: str) -> dict[str, int]:
        counts = Counter(status for name, status in self.markets.values() if name in names)
        return {STATUS_NAMES[status]: counts[status] for status in sorted(counts)}

    def tree(self) -> tuple[SportLine, ...]:
        sports: dict[str, dict[str, list[Fixture]]] = {}
        for each in sorted(self.fixtures.values(), key=lambda each: (each.sport, each.competition)):
            sports.setdefault(each.sport, {}).setdefault(each.competition, []).append(each)
        return tuple(
            SportLine(
                sport=sport,
                competitions=tuple(
                    CompetitionLine(
                        competition=competition,
                        fixtures=dict(Counter(each.state.value for each in fixtures)),
                        markets=sum(self.by_status(*(f.fixture for f in fixtures)).values()),
                        by_status=self.by_status(*(f.fixture for f in fixtures)),
                    )
                    for competition, fixtures in competitions.items()
                ),
            )
            for sport, competitions in sports.items()
        )


@given(STEPS, QUESTIONS)
def test_pages_and_counts_are_those_of_a_plain_count(steps, question):
    made, plain = FixtureCatalogue(), PlainCatalogue()
    for step in steps:
        plain.step(step, made)
    pages: list[str] = []
    after = ""
    while True:
        page = made.page(
            AskFixtures(
                **{name: getattr(question, name) for name in question.__struct_fields__}
                | {"after": after}
            ),
            for_bettors=False,
        )
        assert len(page.lines) <= question.limit
        for line in page.lines:
            pages.append(line.fixture)
            assert line.by_status == plain.by_status(line.fixture)
            assert line.markets == sum(line.by_status.values())
        after = page.next
        if not after:
            break
    assert pages == plain.matching(question)
    assert made.catalogue(0).sports == plain.tree()
