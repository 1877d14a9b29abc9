"""Fixtures as things of their own: what is known of a match or race, and who may change what.

Owns the fields of a fixture, their bounds, and how a change is merged. Never decides what a
fixture's markets do: a state here is what is known of the match, not what bets are taken on.
"""

from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from engine.common.events import Refused
from engine.common.reasons import MESSAGES, Reason

SIDES_MAX: Final = 64
"""Sides of one fixture: two of a match, the runners of a race."""
EXTERNAL_IDS_MAX: Final = 16
"""Sources of which a fixture may have an id."""
FIXTURE_SOURCES_MAX: Final = 16
"""Feeds that may describe one fixture; past it CAPACITY refuses another one."""
FIXTURE_TEXT_CHARS_MAX: Final = 64
START_MS_MAX: Final = (1 << 42) - 1
"""Latest start: the year 2109."""
FIXTURE_POSITION_MAX: Final = (1 << 63) - 1

FixtureIdField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{1,64}\Z")]
"""A fixture's id: what the keys of its markets have before the stroke."""
CategoryField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{0,64}\Z")]
"""The id of a sport or a competition; empty where it is not known."""
FixtureTextField = Annotated[
    str, Meta(pattern=r"^[^\x00-\x1f\x7f]*\Z", max_length=FIXTURE_TEXT_CHARS_MAX)
]
"""A text that is shown, on one line."""
SideField = Annotated[
    str, Meta(pattern=r"^[^\x00-\x1f\x7f]*\Z", min_length=1, max_length=FIXTURE_TEXT_CHARS_MAX)
]
SourceField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{1,64}\Z")]
ExternalIdField = Annotated[str, Meta(pattern=r"^[!-~]{0,64}\Z")]
OwnerField = Annotated[str, Meta(pattern=r"^(|[a-z_]{1,16}:[A-Za-z0-9._@-]{1,48})\Z")]
"""The identity of the trader who holds a fixture, such as ``trader:anna``; empty for nobody."""
StartField = Annotated[int, Meta(ge=0, le=START_MS_MAX)]
"""UTC milliseconds since 1970 at which a fixture starts; 0 where it is not known."""
SidesField = Annotated[tuple[SideField, ...], Meta(max_length=SIDES_MAX)]
ExternalIdsField = Annotated[dict[SourceField, ExternalIdField], Meta(max_length=EXTERNAL_IDS_MAX)]
HeldNameField = Annotated[str, Meta(pattern=r"^[a-z_]{1,32}(\.[A-Za-z0-9:._-]{1,64})?\Z")]
"""A field's name, or ``external_ids.`` and a source."""


class FixtureState(StrEnum):
    """What is known of a match or race."""

    SCHEDULED = "scheduled"
    LIVE = "live"
    INTERRUPTED = "interrupted"
    """Begun, and not being played at this moment."""
    POSTPONED = "postponed"
    ENDED = "ended"
    CANCELLED = "cancelled"


FEED_GOES_BACK: Final = frozenset(
    {
        (FixtureState.LIVE, FixtureState.SCHEDULED),
        (FixtureState.INTERRUPTED, FixtureState.SCHEDULED),
        (FixtureState.ENDED, FixtureState.SCHEDULED),
        (FixtureState.ENDED, FixtureState.POSTPONED),
    }
)
"""Steps that a feed cannot take: its pre-match part goes on to say `scheduled` after kick-off.
Every other step is taken, since a match can be resumed, called off or played after all; a trader
may take any."""


class FixturePatch(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """New values for some fields of a fixture; what it does not name stays as it is.

    Of `external_ids` it names some sources; an empty id takes a source's id away.
    """

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

    def values(self) -> dict[str, Any]:
        """Return the values by name, those of single sources as ``external_ids.source``."""
        named: dict[str, Any] = {}
        for name in self.__struct_fields__[1:]:
            value = getattr(self, name)
            if name == "external_ids" and value is not UNSET:
                named.update({f"external_ids.{source}": text for source, text in value.items()})
            elif value is not UNSET:
                named[name] = value
        return named


class Fixture(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of a fixture.

    `by_hand` names, in order, what a trader has set: no feed changes it until it is released, and
    `withheld` is what it then becomes. `positions` are how far each feed has described it.
    `version` rises with every change.
    """

    fixture: FixtureIdField
    name: FixtureTextField = ""
    sport: CategoryField = ""
    competition: CategoryField = ""
    competition_name: FixtureTextField = ""
    country: FixtureTextField = ""
    sides: SidesField = ()
    start_ms: StartField = 0
    state: FixtureState = FixtureState.SCHEDULED
    external_ids: dict[str, str] = {}
    owner: OwnerField = ""
    by_hand: tuple[str, ...] = ()
    withheld: FixturePatch | None = None
    positions: dict[str, int] = {}
    version: int = 0

    def shown_name(self) -> str:
        """Return the name; of a match without one its sides, else the id."""
        if self.name:
            return self.name
        return " v ".join(self.sides) if len(self.sides) == 2 else self.fixture


class HandDescription(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="how", tag="hand"
):
    """A trader describes a fixture: what the patch names is held, what `release` names is not."""

    patch: FixturePatch
    release: tuple[HeldNameField, ...] = ()


class FeedDescription(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="how", tag="feed"
):
    """A feed describes a fixture; one at or before the source's last position is passed over."""

    patch: FixturePatch
    source: SourceField
    position: Annotated[int, Meta(ge=0, le=FIXTURE_POSITION_MAX)]


class FillDescription(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="how", tag="fill"
):
    """Fields for a fixture that has none yet: sets only what nobody has set."""

    patch: FixturePatch


class FixtureClaim(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="how", tag="claim"
):
    """A trader claims a fixture for `owner`, or releases it (empty).

    What another one holds is left to him unless `take_over` is set.
    """

    fixture: FixtureIdField
    owner: OwnerField
    take_over: bool = False


FixtureChange = HandDescription | FeedDescription | FillDescription | FixtureClaim


class Described(Struct, frozen=True, kw_only=True):
    """A fixture after a change, and the names of the fields that the change could not set."""

    fixture: Fixture
    kept: tuple[str, ...] = ()


def changed_fixture(
    fixture: Fixture | None, change: FixtureChange, *, by: str
) -> Described | Refused:
    """Return a fixture with a change merged in; equal to the one before when nothing changes.

    Parameters
    ----------
    fixture : Fixture or None
        What is known; None before the first description.
    change : FixtureChange
        The change.
    by : str
        The identity whose change it is.

    Returns
    -------
    Described or Refused
        FIXTURE_CLAIMED where another one holds the fixture; FIXTURE_UNKNOWN for a claim of one that
        was never described; CAPACITY past the bound of sources or external ids.
    """
    if isinstance(change, FixtureClaim):
        return _claimed(fixture, change, by)
    known = fixture or Fixture(fixture=change.patch.fixture)
    named = change.patch.values()
    by_hand, positions = set(known.by_hand), known.positions
    withheld = {} if known.withheld is None else known.withheld.values()
    if isinstance(change, HandDescription):
        released = by_hand.intersection(change.release) - set(named)
        taken = {name: withheld.pop(name) for name in sorted(released) if name in withheld} | named
        withheld |= {name: _value(known, name) for name in named if name not in by_hand}
        by_hand = (by_hand - released) | set(named)
    elif isinstance(change, FeedDescription):
        if change.position <= positions.get(change.source, -1):
            return Described(fixture=known, kept=tuple(named))
        positions = {**positions, change.source: change.position}
        if len(positions) > FIXTURE_SOURCES_MAX:
            return _over("source", f"at most {FIXTURE_SOURCES_MAX} feeds describe one fixture")
        taken = {name: value for name, value in named.items() if name not in by_hand}
        withheld |= {name: value for name, value in named.items() if name in by_hand}
        if (known.state, taken.get("state")) in FEED_GOES_BACK:
            del taken["state"]
    else:
        taken = {
            name: value
            for name, value in named.items()
            if name not in by_hand and not _is_set(known, name)
        }
    merged = _with_values(known, taken)
    held_ids = sum("." in name for name in by_hand)
    if max(len(merged.external_ids), held_ids) > EXTERNAL_IDS_MAX:
        return _over("external_ids", f"at most {EXTERNAL_IDS_MAX} sources")
    merged = replace(
        merged,
        by_hand=tuple(sorted(by_hand)),
        positions=positions,
        withheld=_patch(known.fixture, withheld),
    )
    if fixture is None or merged != fixture:
        merged = replace(merged, version=known.version + 1)
    return Described(fixture=merged, kept=tuple(name for name in named if name not in taken))


def _claimed(fixture: Fixture | None, change: FixtureClaim, by: str) -> Described | Refused:
    if fixture is None:
        return Refused(
            reason=Reason.FIXTURE_UNKNOWN,
            field="fixture",
            message=MESSAGES[Reason.FIXTURE_UNKNOWN],
        )
    if fixture.owner not in ("", by, change.owner) and not change.take_over:
        return Refused(
            reason=Reason.FIXTURE_CLAIMED, field="owner", message=f"{fixture.owner} holds it"
        )
    if fixture.owner == change.owner:
        return Described(fixture=fixture)
    return Described(fixture=replace(fixture, owner=change.owner, version=fixture.version + 1))


def _with_values(fixture: Fixture, values: dict[str, Any]) -> Fixture:
    plain = {name: value for name, value in values.items() if "." not in name}
    ids = dict(fixture.external_ids)
    for name, value in values.items():
        _, dot, source = name.partition(".")
        if dot and value:
            ids[source] = value
        elif dot:
            ids.pop(source, None)
    return replace(fixture, **plain, external_ids=ids)


def _value(fixture: Fixture, name: str) -> Any:
    field, dot, source = name.partition(".")
    return fixture.external_ids.get(source, "") if dot else getattr(fixture, field)


def _is_set(fixture: Fixture, name: str) -> bool:
    return fixture.version > 0 if name == "state" else bool(_value(fixture, name))


def _patch(fixture: str, values: dict[str, Any]) -> FixturePatch | None:
    """Return the patch with some values by name, None for no values."""
    if not values:
        return None
    plain = {name: value for name, value in values.items() if "." not in name}
    ids = {name.partition(".")[2]: value for name, value in values.items() if "." in name}
    return FixturePatch(fixture=fixture, **plain, external_ids=ids or UNSET)


def _over(field: str, message: str) -> Refused:
    return Refused(reason=Reason.CAPACITY, field=field, message=message)
