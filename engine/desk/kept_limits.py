"""Limits, delay and referral that the desk keeps by scope, for markets that are there and to come.

Owns what is kept, what each market is due, and which of it it has been given already: each once, so
that what a person sets on a single market afterwards stands. Never commands a market; whoever hosts
it does, and notes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from engine.common.acceptance import AcceptancePatch
from engine.common.commands import LimitsPatch
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.units import Nanos
from engine.desk.scopes import Scope, fixture_scopes, no_room, unknown, wide_scopes
from engine.watch.rules import Place

PARTS: Final = ("limits", "acceptance", "limits_in_play", "acceptance_in_play")
"""What may be kept for a scope, each by itself."""


class Terms(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a market takes bets, in the figures that are named."""

    limits: LimitsPatch = LimitsPatch()
    acceptance: AcceptancePatch = AcceptancePatch()

    def figures(self) -> dict[str, int]:
        """Return the figures that are named; no limit has the name of one of acceptance."""
        return {
            name: getattr(part, name)
            for part in (self.limits, self.acceptance)
            for name in part.names()
        }

    @staticmethod
    def of(figures: Mapping[str, int]) -> "Terms":
        """Return the terms that name these figures."""
        limits = {name: figures[name] for name in figures if name in _LIMITS}
        acceptance = {name: figures[name] for name in figures if name not in _LIMITS}
        return Terms(limits=LimitsPatch(**limits), acceptance=AcceptancePatch(**acceptance))  # type: ignore[arg-type]


_LIMITS: Final = LimitsPatch.__struct_fields__
_NONE: Final = Terms()


class KeptLimits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept for one scope.

    Once a fixture is in play, a figure that a part for play names goes before the same one of the
    others.
    """

    scope: Scope
    limits: LimitsPatch | UnsetType = UNSET
    acceptance: AcceptancePatch | UnsetType = UNSET
    limits_in_play: LimitsPatch | UnsetType = UNSET
    acceptance_in_play: AcceptancePatch | UnsetType = UNSET
    by: str = ""
    at_ns: Nanos = Nanos(0)

    def figures(self, *, in_play: bool) -> Iterator[tuple[str, int]]:
        """Yield what is named for one phase; of a name that comes twice, the first holds."""
        parts = [self.limits, self.acceptance]
        if in_play:
            parts = [self.limits_in_play, self.acceptance_in_play, *parts]
        for part in parts:
            for name in () if isinstance(part, UnsetType) else part.names():
                yield name, getattr(part, name)

    def over(self, before: "KeptLimits | None") -> "KeptLimits":
        """Return this with what it does not name as before; a part that names nothing is none."""
        parts: dict[str, LimitsPatch | AcceptancePatch | UnsetType] = {}
        for name in PARTS:
            part = getattr(self, name)
            if part is UNSET and before is not None:
                part = getattr(before, name)
            parts[name] = part if part is UNSET or part.names() else UNSET
        return replace(self, **parts)


class LimitsKept(Struct, frozen=True, kw_only=True, tag_field="doc", tag="limits_kept"):
    """What is kept for a scope from now on, in place of all before."""

    kept: KeptLimits


class LimitsReleased(Struct, frozen=True, kw_only=True, tag_field="doc", tag="limits_released"):
    """Nothing is kept for the scope any longer; its markets have what they have."""

    scope: Scope
    by: str
    at_ns: Nanos


class Given(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a market has been given, and whether its fixture was in play then: it stays so."""

    terms: Terms
    in_play: bool = False


class LimitsGiven(Struct, frozen=True, kw_only=True, tag_field="doc", tag="limits_given"):
    """Markets have been given these terms, and so are due no others than what is kept since."""

    market_nos: tuple[MarketNo, ...]
    given: Given


LimitsDocument = LimitsKept | LimitsReleased | LimitsGiven


class Due(Struct, frozen=True, kw_only=True):
    """What a market is due: all that is kept and holds for it, and what of it it has not got.

    `by` is who keeps the most specific of the latter.
    """

    given: Given
    new: Terms
    by: str


class ScopedLimits:
    """The limits, delays and referrals of all scopes.

    As in Approvals, what changes something returns a document, which the caller writes first.
    """

    def __init__(self) -> None:
        self.kept: Final[dict[Scope, KeptLimits]] = {}
        self.given: Final[dict[MarketNo, Given]] = {}
        """What each market was given last, if it was given any; the same terms are one object."""
        self._same: Final[dict[Given, Given]] = {}
        """What was given to any, at most as many as combinations of what was kept."""

    def keep(self, kept: KeptLimits) -> LimitsKept | LimitsReleased | Refused:
        """Keep what is named for a scope, in place of the same before; the rest is kept on.

        Where nothing is left, nothing is kept for the scope any longer.
        """
        kept = kept.over(self.kept.get(kept.scope))
        if all(getattr(kept, name) is UNSET for name in PARTS):
            return self.release(kept.scope, by=kept.by, at_ns=kept.at_ns)
        return no_room(self.kept, kept.scope) or LimitsKept(kept=kept)

    def release(self, scope: Scope, *, by: str, at_ns: Nanos) -> LimitsReleased | Refused:
        """Keep nothing for a scope any longer."""
        if scope not in self.kept:
            return unknown(scope)
        return LimitsReleased(scope=scope, by=by, at_ns=at_ns)

    def due(self, place: Place, *, in_play: bool) -> Due | None:
        """Return what a market is due; None where it has been given all that holds for it.

        Each figure is that of the most specific scope that names it. One that is kept no longer is
        due to no one: `new` is empty where nothing else has changed.
        """
        given = self.given.get(place.market_no)
        had = _NONE if given is None else given.terms
        in_play = in_play or (given is not None and given.in_play)
        found: dict[str, int] = {}
        by: dict[str, str] = {}
        for scope in (*fixture_scopes(place), *wide_scopes(place)):
            kept = self.kept.get(scope)
            for name, value in () if kept is None else kept.figures(in_play=in_play):
                assert kept is not None
                if name not in found:
                    found[name], by[name] = value, kept.by
        terms, before = Terms.of(found), had.figures()
        if terms == had:
            return None
        new = {name: value for name, value in found.items() if before.get(name) != value}
        return Due(
            given=Given(terms=terms, in_play=in_play),
            new=Terms.of(new),
            by=by[next(iter(new))] if new else "",
        )

    def give(self, market_nos: Sequence[MarketNo], given: Given) -> LimitsGiven:
        """Note that markets have been given all these terms, whether they took them or not."""
        return LimitsGiven(market_nos=tuple(market_nos), given=given)

    def apply(self, document: LimitsDocument) -> None:
        """Apply a document that is on disk."""
        match document:
            case LimitsKept():
                self.kept[document.kept.scope] = document.kept
            case LimitsReleased():
                self.kept.pop(document.scope, None)
            case LimitsGiven(given=given):
                if given.terms == _NONE:
                    for number in document.market_nos:
                        self.given.pop(number, None)
                    return
                given = self._same.setdefault(given, given)
                self.given.update(dict.fromkeys(document.market_nos, given))
