"""Messages about fixtures: describe and claim them, list and search them, and the catalogue.

Owns schemas only; engine.common.fixtures merges changes, services.catalogue answers lists.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from engine.common.fixtures import (
    CategoryField,
    ExternalIdsField,
    FixtureIdField,
    FixturePatch,
    FixtureState,
    FixtureTextField,
    HeldNameField,
    OwnerField,
    SidesField,
    StartField,
)
from gateway.messages.base import FromClient, FromGateway, IdField, enumerated
from gateway.messages.market import STATUS_NAMES
from gateway.settings import FIXTURES_PAGE_MAX, FIXTURES_RELEASED_MAX

FixtureStateWord = Annotated[str, enumerated(state.value for state in FixtureState)]
FIXTURE_SEARCH_CHARS_MAX = 64


class FixtureFields(FromClient, frozen=True, kw_only=True):
    """What a message may say of a fixture; what it does not name stays as it is."""

    fixture: FixtureIdField
    name: FixtureTextField | UnsetType = UNSET
    sport: CategoryField | UnsetType = UNSET
    competition: CategoryField | UnsetType = UNSET
    competition_name: FixtureTextField | UnsetType = UNSET
    country: FixtureTextField | UnsetType = UNSET
    sides: SidesField | UnsetType = UNSET
    start_ms: StartField | UnsetType = UNSET
    state: FixtureState | UnsetType = UNSET
    external_ids: ExternalIdsField | UnsetType = UNSET

    def patch(self) -> FixturePatch:
        """Return the fields as the directory takes them."""
        return FixturePatch(
            **{name: getattr(self, name) for name in FixturePatch.__struct_fields__}
        )


class SetFixture(FixtureFields, frozen=True, kw_only=True, tag="set_fixture"):
    """Describe a fixture, known or new; answered by `fixture_set`.

    What it names is set, the rest stays. A field that a trader sets is held: feeds go on to
    describe the fixture, and that field becomes what they say when a trader names it in `release`.
    A feed's message sets only what no trader holds. `fixture` is what the keys of its markets have
    before the stroke. `start_ms` is UTC, in milliseconds. Of `external_ids` it names some sources;
    an empty id takes one away, and ``external_ids.`` and a source releases one.
    """

    id: IdField = 0
    release: Annotated[tuple[HeldNameField, ...], Meta(max_length=FIXTURES_RELEASED_MAX)] = ()


class ClaimFixture(FromClient, frozen=True, kw_only=True, tag="claim_fixture"):
    """Claim a fixture, hand it over, or release it; answered by `fixture_set`.

    Without `owner` the caller claims it. `owner` names another trader, as ``trader:anna``, or with
    an empty text nobody. What another one holds is refused with 422 and the holder's name, unless
    `take_over` is set.
    """

    id: IdField = 0
    fixture: FixtureIdField
    owner: OwnerField | None = None
    take_over: bool = False


class AskFixtures(FromClient, frozen=True, kw_only=True, tag="fixtures"):
    """Ask for a page of fixtures by start, those of unknown start last; answered by `fixtures`.

    Each field that is given narrows the list: `states` to any of them, `from_ms` and `until_ms` to
    a start in between (the second excluded), `text` to fixtures that have each of its words in
    their id, names, sides, country or external ids, `owner` to a trader's, or with an empty text to
    those that nobody holds; a bettor may not give it. `after` is the `next` of the page before.
    """

    id: IdField = 0
    fixture: Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{0,64}\Z")] = ""
    sport: CategoryField = ""
    competition: CategoryField = ""
    states: Annotated[tuple[FixtureState, ...], Meta(max_length=len(FixtureState))] = ()
    owner: OwnerField | None = None
    from_ms: StartField | None = None
    until_ms: StartField | None = None
    text: Annotated[str, Meta(max_length=FIXTURE_SEARCH_CHARS_MAX)] = ""
    newest_first: bool = False
    after: Annotated[str, Meta(pattern=r"^([0-9]{1,13}/[A-Za-z0-9:._-]{1,64}|)\Z")] = ""
    limit: Annotated[int, Meta(ge=1, le=FIXTURES_PAGE_MAX)] = 100


class AskCatalogue(FromClient, frozen=True, kw_only=True, tag="catalogue"):
    """Ask which sports and competitions have fixtures; answered by `catalogue`."""

    id: IdField = 0


class WatchFixtures(FromClient, frozen=True, kw_only=True, tag="watch_fixtures"):
    """Begin, or with `on` false stop, to be sent fixtures that change; answered by `watching`.

    Then ask for `fixtures`: what changes in between arrives as `fixture_changed`.
    """

    id: IdField = 0
    on: bool = True


class FixtureLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fixture.

    `name` is the one that it is shown by. `markets` counts its markets, `by_status` those of each
    status whose prices have arrived. `score` are the goals of both sides of a football match in
    play, as whoever reprices its markets states them; absent where nobody does. `lost` has the
    feeds that describe it and have lost it now, each with why: its source is silent, late or broken
    off, or was asked to say everything again. A bettor sees neither of them, nor `owner`, nor
    `by_hand`, the names of what a trader holds. A fixture of `version` 0 was never described: only
    its markets name it.
    """

    fixture: str
    name: str
    sport: str = ""
    competition: str = ""
    competition_name: str = ""
    country: str = ""
    sides: tuple[str, ...] = ()
    start_ms: int = 0
    state: FixtureStateWord = "scheduled"
    external_ids: dict[str, str] = {}
    owner: str = ""
    by_hand: tuple[str, ...] = ()
    markets: int = 0
    by_status: dict[Annotated[str, enumerated(STATUS_NAMES.values())], int] = {}
    score: tuple[int, ...] = ()
    lost: dict[str, str] = {}
    version: int = 0


class FixtureSet(FromGateway, frozen=True, kw_only=True, tag="fixture_set"):
    """The fixture as it is now, for the caller's own question after it too."""

    id: int = 0
    fixture: FixtureLine


class Fixtures(FromGateway, frozen=True, kw_only=True, tag="fixtures"):
    """A page of fixtures; with a `next` there may be more: ask again with it as `after`.

    A page can be short, or empty, and have a `next`: so many fixtures are looked at and no more.
    """

    id: int = 0
    fixtures: tuple[FixtureLine, ...] = ()
    next: str = ""


class FixtureChanged(FromGateway, frozen=True, kw_only=True, tag="fixture_changed"):
    """Fixtures that have changed, or the counts of their markets, as they are now.

    They are sent ten times a second at most. A slow reader is sent the latest state only.
    """

    fixtures: tuple[FixtureLine, ...] = ()


class CompetitionLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A competition of a sport: its fixtures by state, and their markets in all and by status."""

    competition: str = ""
    name: str = ""
    country: str = ""
    fixtures: dict[FixtureStateWord, int] = {}
    markets: int = 0
    by_status: dict[Annotated[str, enumerated(STATUS_NAMES.values())], int] = {}


class SportLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sport and its competitions."""

    sport: str = ""
    competitions: tuple[CompetitionLine, ...] = ()


class Catalogue(FromGateway, frozen=True, kw_only=True, tag="catalogue"):
    """All sports and competitions with fixtures, by id; the first ones, where there is `more`."""

    id: int = 0
    sports: tuple[SportLine, ...] = ()
    more: bool = False


FixtureChangeRequest = SetFixture | ClaimFixture
"""What changes a fixture."""
FixtureQuestion = AskFixtures | AskCatalogue
"""What asks for fixtures."""
