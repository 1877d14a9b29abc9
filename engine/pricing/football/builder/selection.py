"""From legs to the one market that sells them: contradictions, implied legs, keys.

Owns the canonical set of legs and the key that holds it. It depends on the legs alone, never on a
match state: a key is for good. Never a probability.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from engine.common.ids import BUILDER, MARKET_KEY_BYTES_MAX, MarketKey
from engine.pricing.football.builder.cells import LEG_SETS, LegCells, common_cells
from engine.pricing.football.builder.layout import AWAY_SCORES, HOME_SCORES
from engine.pricing.football.builder.legs import (
    LEGS_MAX,
    BuilderError,
    Leg,
    Refusal,
    checked_leg,
    leg_code,
    leg_order,
    parse_leg,
)
from engine.pricing.football.builder.settlement import VOID_RULES, VoidRule
from engine.pricing.football.market_types import Specifiers

LEGS: Final = "legs"
"""The specifier of a builder's market with the codes of its legs. It has one outcome, `YES`."""
VOID: Final = "void"
"""The specifier with the rule for void legs, where it is not `VoidRule.VOID_ALL`: bets of a market
keep the rule under which they were placed, whatever rule later builders get."""
YES: Final = "yes"
_CACHED: Final = 4096
"""Builders whose parsed legs are kept; past it the least recently used is parsed again."""


class Selection(NamedTuple):
    """The market that sells some legs, and the index of its outcome."""

    market_key: str
    outcome: int
    legs: tuple[Leg, ...]
    """The canonical legs."""


def selection(
    fixture: str, legs: Iterable[Leg], *, rule: VoidRule = VoidRule.VOID_ALL
) -> Selection:
    """Return the market that sells some legs of one fixture.

    Legs that imply all others cost what the first cost by themselves: where one leg remains, the
    selection is that leg's own market.

    Raises
    ------
    BuilderError
        When legs contradict each other, are too many, or one is not sold in a builder.
    ValueError
        When the rule is `VoidRule.DROP`, which no market can pay by.
    """
    if rule not in VOID_RULES:
        raise ValueError(f"rule: one of {', '.join(VOID_RULES)}, not {rule.value}")
    canonical = canonical_legs(legs)
    if len(canonical) == 1:
        (leg,) = canonical
        return Selection(str(MarketKey(fixture, leg.type, leg.specifiers)), leg.outcome, canonical)
    specifiers: Specifiers = ((LEGS, ",".join(map(leg_code, canonical))),)
    if rule is not VoidRule.VOID_ALL:
        specifiers = (*specifiers, (VOID, rule.value))
    key = str(MarketKey(fixture, BUILDER, specifiers))
    if len(key) > MARKET_KEY_BYTES_MAX:
        raise BuilderError(
            Refusal.KEY_TOO_LONG,
            f"their key has {len(key)} bytes, at most {MARKET_KEY_BYTES_MAX}",
            canonical,
        )
    return Selection(key, 0, canonical)


@lru_cache(maxsize=_CACHED)
def builder_legs(specifiers: Specifiers) -> tuple[Leg, ...]:
    """Return the legs of a builder's market.

    Raises
    ------
    BuilderError
        When the specifiers are not the canonical legs of a builder of two or more.
    """
    given = dict(specifiers)
    if set(given) - {VOID} != {LEGS}:
        raise BuilderError(Refusal.MALFORMED, f"{BUILDER}: specifiers must be: {LEGS}")
    codes = given[LEGS].split(",")
    if len(codes) > LEGS_MAX:
        raise BuilderError(Refusal.TOO_MANY, f"at most {LEGS_MAX}, not {len(codes)}")
    legs = canonical_legs([parse_leg(code) for code in codes])
    canonical = ",".join(map(leg_code, legs))
    if canonical != given[LEGS] or len(legs) < 2:
        raise BuilderError(Refusal.MALFORMED, f"the canonical form is {canonical}", legs)
    return legs


def void_rule(specifiers: Specifiers) -> VoidRule:
    """Return a builder's rule for void legs.

    Raises
    ------
    BuilderError
        When it is none by which a market can pay, or is given though it is the default.
    """
    given = dict(specifiers).get(VOID)
    if given is None:
        return VoidRule.VOID_ALL
    if given not in VOID_RULES[1:]:
        message = f"{VOID}: one of {', '.join(VOID_RULES[1:])}, or left out"
        raise BuilderError(Refusal.MALFORMED, message)
    return VoidRule(given)


def canonical_legs(legs: Iterable[Leg]) -> tuple[Leg, ...]:
    """Return some legs in order, without those that the others imply.

    First go those that one other implies (a result and both to score, beside the market that joins
    the two), then those that only several imply together. Of legs that imply each other the last in
    order goes.

    Raises
    ------
    BuilderError
        When legs contradict each other, are none or too many, or one is not sold in a builder.
    """
    given = [checked_leg(*leg) for leg in legs]
    if not 0 < len(given) <= LEGS_MAX:
        refusal = Refusal.TOO_MANY if given else Refusal.MALFORMED
        raise BuilderError(refusal, f"from 1 to {LEGS_MAX}, not {len(given)}")
    kept = sorted(set(given), key=leg_order)
    if not common_cells(_wheres(kept)).any():
        clash = _fewest_that_clash(kept)
        raise BuilderError(
            Refusal.CONTRADICTION, f"cannot all be won: {'; '.join(map(str, clash))}", clash
        )
    for leg in reversed(tuple(kept)):
        others = [other for other in kept if other != leg]
        if any(_implied(LEG_SETS.where(leg), [where]) for where in _wheres(others)):
            kept = others
    for leg in reversed(tuple(kept)):
        others = [other for other in kept if other != leg]
        if others and _implied(LEG_SETS.where(leg), _wheres(others)):
            kept = others
    return tuple(kept)


def _wheres(legs: Sequence[Leg]) -> list[LegCells]:
    return [LEG_SETS.where(leg) for leg in legs]


def _fewest_that_clash(legs: list[Leg]) -> tuple[Leg, ...]:
    """Return legs that clash, of which no leg can be left out."""
    for leg in tuple(legs):
        others = [other for other in legs if other != leg]
        if not common_cells(_wheres(others)).any():
            legs = others
    return tuple(legs)


def _implied(where: LegCells, others: list[LegCells]) -> bool:
    """Say whether each match that wins the others wins the leg too."""
    cells = common_cells(others)
    if where.goal < 0:
        return not (cells & ~where.cells).any()
    if (cells & ~where.falls).any():
        return False
    same = where._replace(cells=where.falls)
    if (common_cells([*others, same]) & ~where.cells).any():
        return False
    other = same._replace(side=AWAY_SCORES if where.side == HOME_SCORES else HOME_SCORES)
    return not common_cells([*others, other]).any()
