"""Margins and skews that the desk keeps by scope, and which one each market of a fixture has.

Owns what is kept, and how a fixture's markets fall into groups that are priced alike. Margins and
skews are as `reprice` takes them: whoever keeps one has checked it.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from engine.common.events import Refused
from engine.common.ids import BUILDER, MarketNo
from engine.common.units import Nanos
from engine.desk.scopes import Scope, fixture_scopes, no_room, unknown, wide_scopes
from engine.watch.rules import Place


class KeptMargin(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept for one scope: a margin, a skew (None: no skew), or both."""

    scope: Scope
    margin: dict[str, Any] | UnsetType = UNSET
    skew: dict[str, Any] | UnsetType | None = UNSET
    by: str = ""
    at_ns: Nanos = Nanos(0)


class MarginKept(Struct, frozen=True, kw_only=True, tag_field="doc", tag="margin_kept"):
    """A scope's margin and skew from now on, in place of those before."""

    kept: KeptMargin


class MarginReleased(Struct, frozen=True, kw_only=True, tag_field="doc", tag="margin_released"):
    """Nothing is kept for the scope any longer."""

    scope: Scope
    by: str
    at_ns: Nanos


MarginDocument = MarginKept | MarginReleased


class Held(Struct, frozen=True, kw_only=True):
    """The margin and skew of some markets; no margin stands for the default one."""

    margin: dict[str, Any] | None = None
    skew: dict[str, Any] | None = None


class PricedAlike(Struct, frozen=True, kw_only=True):
    """Markets of a fixture whose margin or skew is another than the fixture's own."""

    market_nos: tuple[MarketNo, ...]
    held: Held


class FixtureMargins(Struct, frozen=True, kw_only=True):
    """What a fixture is priced by: `held`, and for some of its markets another margin or skew."""

    held: Held
    apart: tuple[PricedAlike, ...] = ()

    def pricing(self) -> dict[str, Any]:
        """Return the fields of a reprice that they fill."""
        apart = [{"market_nos": each.market_nos, **_fields(each.held)} for each in self.apart]
        return {**_fields(self.held), "apart": apart}


class Margins:
    """The margins and skews of all scopes.

    As in Approvals, what changes something returns a document, which the caller writes first.
    """

    def __init__(self) -> None:
        self.kept: Final[dict[Scope, KeptMargin]] = {}

    def keep(self, kept: KeptMargin) -> MarginKept | Refused:
        """Keep a scope's margin and skew in place of those before."""
        return no_room(self.kept, kept.scope) or MarginKept(kept=kept)

    def release(self, scope: Scope, *, by: str, at_ns: Nanos) -> MarginReleased | Refused:
        """Keep nothing for a scope any longer."""
        if scope not in self.kept:
            return unknown(scope)
        return MarginReleased(scope=scope, by=by, at_ns=at_ns)

    def apply(self, document: MarginDocument) -> None:
        """Apply a document that is on disk."""
        match document:
            case MarginKept():
                self.kept[document.kept.scope] = document.kept
            case MarginReleased():
                self.kept.pop(document.scope, None)

    def of(self, place: Place, own: KeptMargin | None = None) -> Held:
        """Return what holds for a market: margin and skew by the most specific scope with one.

        `own` is what whoever prices the fixture has named himself: it holds where no scope within
        the fixture has another.
        """
        near, wide = fixture_scopes(place), wide_scopes(place)
        layers = [self.kept.get(scope) for scope in near]
        layers += [own, *(self.kept.get(scope) for scope in wide)]
        found = [layer for layer in layers if layer is not None]
        margins = (each.margin for each in found if not isinstance(each.margin, UnsetType))
        skews = (each.skew for each in found if not isinstance(each.skew, UnsetType))
        return Held(margin=next(margins, None), skew=next(skews, None))

    def of_fixture(self, places: Sequence[Place], own: KeptMargin | None = None) -> FixtureMargins:
        """Return what a fixture's markets, at least one, are priced by.

        The fixture's own is that of its bet builders, which are priced as they are asked for. Where
        nothing is kept for single types and markets, no market is apart.
        """
        first = places[0]
        whole = self.of(first._replace(market_no=MarketNo(0), market_type=BUILDER), own)
        groups: dict[bytes, tuple[Held, list[MarketNo]]] = {}
        if self.kept:
            for place in places:
                held = self.of(place, own)
                if held != whole:
                    name = msgspec.msgpack.encode(held, order="deterministic")
                    groups.setdefault(name, (held, []))[1].append(place.market_no)
        apart = (PricedAlike(market_nos=tuple(nos), held=held) for held, nos in groups.values())
        return FixtureMargins(held=whole, apart=tuple(apart))


def _fields(held: Held) -> dict[str, Any]:
    skew = {"skew": held.skew}
    return skew if held.margin is None else skew | {"margin": held.margin}
