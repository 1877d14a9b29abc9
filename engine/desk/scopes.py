"""Scopes for which the desk keeps something, and which of several holds for a market.

Owns the order: from a single market to the whole house, the most specific scope holds. Never knows
which markets there are; whoever asks says where a market belongs.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from msgspec import Struct

from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.reasons import MESSAGES, Reason
from engine.watch.rules import Place

KEPT_MAX: Final = 512
"""Scopes for which one kind of thing is kept; another is refused with CAPACITY."""
NARROW_MAX: Final = 32
"""Of these, those of single markets and of market types within one fixture, competition or sport:
each may take a pass of its own when the fixture is repriced."""

T = TypeVar("T")


class Scope(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of the house; what is left empty fits any. A market's scope names its fixture too."""

    sport: str = ""
    competition: str = ""
    fixture: str = ""
    market_type: str = ""
    market_no: MarketNo = MarketNo(0)

    def touches(self, place: Place) -> bool:
        """Say whether a market of the place's fixture may be in the scope."""
        return (
            self.sport in ("", place.sport)
            and self.competition in ("", place.competition)
            and self.fixture in ("", place.fixture)
        )


def fixture_scopes(place: Place) -> list[Scope]:
    """Return the scopes within its fixture that a market is in, the most specific first.

    They are the market itself, its type in its fixture, and the fixture. A place without a number
    is not a single market's.
    """
    scopes = [
        Scope(fixture=place.fixture, market_type=place.market_type),
        Scope(fixture=place.fixture),
    ]
    if place.market_no:
        scopes.insert(0, Scope(fixture=place.fixture, market_no=place.market_no))
    return scopes


def wide_scopes(place: Place) -> list[Scope]:
    """Return the scopes beyond its fixture that a market is in, the most specific first.

    They are a competition, of its sport and of any, a sport, and the house; at each of the three
    steps the market's type goes before all types.
    """
    sport, competition = place.sport, place.competition
    steps: list[list[Scope]] = []
    if competition:
        of_any = Scope(competition=competition)
        steps.append([Scope(sport=sport, competition=competition), of_any] if sport else [of_any])
    if sport:
        steps.append([Scope(sport=sport)])
    steps.append([Scope()])
    scopes: list[Scope] = []
    for step in steps:
        scopes += [
            Scope(
                sport=one.sport,
                competition=one.competition,
                market_type=place.market_type,
            )
            for one in step
        ]
        scopes += step
    return scopes


def most_specific_first(scope: Scope) -> tuple[int, bool, bool, tuple[str, ...], int]:
    """Return what scopes are sorted by: for one market, the first holds."""
    if scope.market_no:
        step = 0
    elif scope.fixture:
        step = 1
    elif scope.competition:
        step = 2
    else:
        step = 3 if scope.sport else 4
    names = (scope.sport, scope.competition, scope.fixture, scope.market_type)
    return step, not scope.market_type, not scope.sport, names, scope.market_no


def no_room(kept: Mapping[Scope, T], scope: Scope) -> Refused | None:
    """Return the refusal of a further scope, None where there is room or it is kept already."""
    if scope in kept:
        return None
    if len(kept) >= KEPT_MAX:
        return _full(f"{KEPT_MAX} scopes are kept")
    if scope.market_type or scope.market_no:
        wide = _without_market(scope)
        narrow = sum(each != wide and _without_market(each) == wide for each in kept)
        if narrow >= NARROW_MAX:
            return _full(f"{NARROW_MAX} types and markets are kept within it")
    return None


def unknown(scope: Scope) -> Refused:
    """Return the refusal of a scope for which nothing is kept."""
    named = " ".join(f"{name} {getattr(scope, name)}" for name in _NAMES if getattr(scope, name))
    message = f"{MESSAGES[Reason.SCOPE_UNKNOWN]}: {named or 'the house'}"
    return Refused(reason=Reason.SCOPE_UNKNOWN, field="scope", message=message)


_NAMES: Final = Scope.__struct_fields__


def _without_market(scope: Scope) -> Scope:
    return Scope(sport=scope.sport, competition=scope.competition, fixture=scope.fixture)


def _full(message: str) -> Refused:
    return Refused(reason=Reason.CAPACITY, field="scope", message=message)
