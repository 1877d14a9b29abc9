"""Limits that the desk keeps by scope, for the markets that are there and for those to come.

Owns what is kept, which limits each market is due, and which it has been given already: each once,
so that what a person sets on a single market afterwards stands. Never commands a market; whoever
hosts it does, and notes it.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from engine.common.commands import LimitsPatch
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.units import Nanos
from engine.desk.scopes import Scope, fixture_scopes, no_room, unknown, wide_scopes
from engine.watch.rules import Place

_NONE: Final = LimitsPatch()


class KeptLimits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept for one scope."""

    scope: Scope
    limits: LimitsPatch
    by: str = ""
    at_ns: Nanos = Nanos(0)


class LimitsKept(Struct, frozen=True, kw_only=True, tag_field="doc", tag="limits_kept"):
    """A scope's limits from now on, in place of those before."""

    kept: KeptLimits


class LimitsReleased(Struct, frozen=True, kw_only=True, tag_field="doc", tag="limits_released"):
    """Nothing is kept for the scope any longer; its markets have what they have."""

    scope: Scope
    by: str
    at_ns: Nanos


class LimitsGiven(Struct, frozen=True, kw_only=True, tag_field="doc", tag="limits_given"):
    """Markets have been given these limits, and so are due no others than what is kept since."""

    market_nos: tuple[MarketNo, ...]
    limits: LimitsPatch


LimitsDocument = LimitsKept | LimitsReleased | LimitsGiven


class Due(Struct, frozen=True, kw_only=True):
    """What a market is due: all kept limits that hold for it, and those that it has not got.

    `by` is who keeps the most specific of the latter.
    """

    limits: LimitsPatch
    new: LimitsPatch
    by: str


class ScopedLimits:
    """The limits of all scopes.

    As in Approvals, what changes something returns a document, which the caller writes first.
    """

    def __init__(self) -> None:
        self.kept: Final[dict[Scope, KeptLimits]] = {}
        self.given: Final[dict[MarketNo, LimitsPatch]] = {}
        """What each market was given last, if it was given any; the same patch is one object."""
        self._patches: Final[dict[LimitsPatch, LimitsPatch]] = {}
        """Patches that were given, at most as many as combinations of what was kept."""

    def keep(self, kept: KeptLimits) -> LimitsKept | Refused:
        """Keep a scope's limits in place of those before."""
        return no_room(self.kept, kept.scope) or LimitsKept(kept=kept)

    def release(self, scope: Scope, *, by: str, at_ns: Nanos) -> LimitsReleased | Refused:
        """Keep nothing for a scope any longer."""
        if scope not in self.kept:
            return unknown(scope)
        return LimitsReleased(scope=scope, by=by, at_ns=at_ns)

    def due(self, place: Place) -> Due | None:
        """Return what a market is due; None where it has been given all that holds for it.

        Each limit is that of the most specific scope that names it. A limit that is kept no longer
        is due to no one: `new` is empty where nothing else has changed.
        """
        found: dict[str, int] = {}
        by: dict[str, str] = {}
        for scope in (*fixture_scopes(place), *wide_scopes(place)):
            kept = self.kept.get(scope)
            for name in () if kept is None else kept.limits.names():
                assert kept is not None
                if name not in found:
                    found[name], by[name] = getattr(kept.limits, name), kept.by
        limits, given = LimitsPatch(**found), self.given.get(place.market_no, _NONE)  # type: ignore[arg-type]
        if limits == given:
            return None
        new = [name for name, value in found.items() if getattr(given, name) != value]
        return Due(
            limits=limits,
            new=LimitsPatch(**{name: found[name] for name in new}),  # type: ignore[arg-type]
            by=by[new[0]] if new else "",
        )

    def give(self, market_nos: Sequence[MarketNo], limits: LimitsPatch) -> LimitsGiven:
        """Note that markets have been given all these limits, whether they took them or not."""
        return LimitsGiven(market_nos=tuple(market_nos), limits=limits)

    def apply(self, document: LimitsDocument) -> None:
        """Apply a document that is on disk."""
        match document:
            case LimitsKept():
                self.kept[document.kept.scope] = document.kept
            case LimitsReleased():
                self.kept.pop(document.scope, None)
            case LimitsGiven(limits=limits):
                if not limits.names():
                    for number in document.market_nos:
                        self.given.pop(number, None)
                    return
                limits = self._patches.setdefault(limits, limits)
                self.given.update(dict.fromkeys(document.market_nos, limits))
