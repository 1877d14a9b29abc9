"""Plain-Python twin of bet builders: every course of a match, settled leg by leg.

Courses and their chances come from process_twin, results from settlement_twin; nothing is shared
with sets of cells, patterns or kernels.
"""

from collections.abc import Iterable, Mapping

from engine.common.commands import OutcomeResult
from engine.common.ids import parse_market_key
from engine.pricing.football.builder.legs import BuilderError, Leg, checked_leg
from engine.pricing.football.market_types import outcome_names
from tests.engine.pricing.football.settlement_twin import WON, Match, settle_key
from tests.engine.pricing.football.strategies import BOARD

Won = int
"""A set of courses: bit n is set where the n-th is won."""


def leg_of(text: str) -> Leg:
    """Return the leg of a text such as ``total?total=2.5 over``."""
    market, _, outcome = text.rpartition(" ")
    key = parse_market_key(f"m/{market}")
    names = outcome_names(key.type, key.specifiers)
    return checked_leg(key.type, key.specifiers, names.index(outcome))


def legs_of(*texts: str) -> tuple[Leg, ...]:
    return tuple(leg_of(text) for text in texts)


def every_leg() -> list[Leg]:
    """Return every leg of a board with every market type that a builder takes."""
    legs = []
    for text in BOARD.keys:
        key = parse_market_key(text)
        for outcome in range(len(BOARD.outcomes(text))):
            try:
                legs.append(checked_leg(key.type, key.specifiers, outcome))
            except BuilderError:
                continue
    return legs


def settle_leg(leg: Leg, match: Match) -> OutcomeResult:
    specifiers = "|".join(f"{name}={value}" for name, value in leg.specifiers)
    key = f"m/{leg.type}" + (f"?{specifiers}" if specifiers else "")
    return list(settle_key(key, match).values())[leg.outcome]


def won_courses(legs: Iterable[Leg], courses: Iterable[Match]) -> dict[Leg, Won]:
    """Settle every leg over every course."""
    listed = list(courses)
    return {
        leg: sum(1 << n for n, match in enumerate(listed) if settle_leg(leg, match) == WON)
        for leg in legs
    }


def chance(legs: Iterable[Leg], courses: Mapping[Match, float]) -> float:
    """Return the chance that all legs are won."""
    wanted = list(legs)
    return sum(
        part
        for match, part in courses.items()
        if all(settle_leg(leg, match) == WON for leg in wanted)
    )
