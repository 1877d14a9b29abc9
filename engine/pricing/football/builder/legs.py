"""Legs of a bet builder: outcomes of the board's markets, and their codes in a market key.

A code is the market type's number, the outcome as a letter and the line: ``1a`` is the home win,
``18a2.5`` over 2.5 goals. Owns the codes; never which legs contradict or imply each other
(selection.py) and never a probability.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple

from engine.common.ids import MarketKey
from engine.pricing.football.axes import Scope
from engine.pricing.football.market_types import (
    MARKET_TYPES,
    MarketType,
    Specifiers,
    line_quarters,
    market_rules,
)
from engine.pricing.football.outcome_rules import NEVER, OutcomeRule
from engine.pricing.lines import MarketTypeError

LEGS_MAX: Final = 12
_SCOPES: Final = (Scope.REGULAR, Scope.FIRST_HALF, Scope.SECOND_HALF)
_PREFIXES: Final = {Scope.FIRST_HALF: "first_half_", Scope.SECOND_HALF: "second_half_"}
_CODE: Final = re.compile(r"(\d{1,5}(?:\.\d)?)([a-z]{1,2})([0-9.:+-]*)", re.ASCII)
_POINT_RANGE: Final = "sr:point_range:6+"


class Refusal(StrEnum):
    """Why legs make no builder."""

    MALFORMED = "malformed"
    """A code or an outcome is not of the table, or the key does not hold its canonical legs."""
    NOT_OFFERED = "not_offered"
    """The score of ninety minutes, its halves and the order of its goals do not decide the leg."""
    REFUNDABLE = "refundable"
    """The leg can be refunded, half won or half lost at some score."""
    TOO_MANY = "too_many"
    """More than `LEGS_MAX` legs."""
    CONTRADICTION = "contradiction"
    """No match wins all of the legs that the refusal names."""
    KEY_TOO_LONG = "key_too_long"
    """The codes do not fit a market key."""


class Leg(NamedTuple):
    """An outcome, by its index, of a market on the board."""

    type: str
    specifiers: Specifiers
    outcome: int

    @property
    def rule(self) -> OutcomeRule:
        """The rule that says when the leg is won."""
        return market_rules(self.type, self.specifiers).outcomes[self.outcome]

    def __str__(self) -> str:
        """Return market and outcome, such as ``total?total=2.5 over``."""
        market = str(MarketKey("", self.type, self.specifiers))[1:]
        return f"{market} {self.rule.name}"


class BuilderError(MarketTypeError):
    """Legs make no builder: why, and which of them (in a contradiction the fewest that clash)."""

    def __init__(self, refusal: Refusal, message: str, legs: tuple[Leg, ...] = ()) -> None:
        super().__init__(f"legs: {message}")
        self.refusal: Final = refusal
        self.legs: Final = legs


def _sibling_number(name: str, row: MarketType) -> int | None:
    """Return the number of the first scope that has one: a type without its own goes by it."""
    base = name.removeprefix(_PREFIXES.get(row.scope, ""))
    siblings = (MARKET_TYPES.get(_PREFIXES.get(scope, "") + base) for scope in _SCOPES)
    return next((row.uof_id for row in siblings if row and row.uof_id is not None), None)


def _codes() -> tuple[dict[str, str], dict[str, str]]:
    """Return the code of each type, and the type of each code: a number, or one and a scope.

    Both forms are read for every type, so that a type whose own number becomes known later keeps
    the keys that were given before.
    """
    code_of: dict[str, str] = {}
    type_of: dict[str, str] = {}
    for name, row in MARKET_TYPES.items():
        sibling = _sibling_number(name, row)
        if row.scope is Scope.EXTRA_TIME or sibling is None:
            continue
        by_scope = f"{sibling}.{int(row.scope)}"
        code_of[name] = by_scope if row.uof_id is None else str(row.uof_id)
        type_of[by_scope] = type_of[code_of[name]] = name
    return code_of, type_of


_CODE_OF, _TYPE_OF = _codes()


def checked_leg(market_type: str, specifiers: Specifiers, outcome: int) -> Leg:
    """Return a leg with its specifiers in canonical form.

    Raises
    ------
    BuilderError
        When the board has no such market or outcome, or no builder takes it.
    """
    try:
        outcomes = market_rules(market_type, specifiers).outcomes
    except MarketTypeError as error:
        raise BuilderError(Refusal.MALFORMED, str(error)) from error
    if not 0 <= outcome < len(outcomes):
        raise BuilderError(
            Refusal.MALFORMED, f"{market_type}: outcomes are 0 to {len(outcomes) - 1}: {outcome}"
        )
    leg, rule = Leg(market_type, specifiers, outcome), outcomes[outcome]
    if (rule.half_win, rule.push, rule.half_lose) != (NEVER, NEVER, NEVER):
        raise BuilderError(
            Refusal.REFUNDABLE, f"can be refunded in part or whole, take a half line: {leg}", (leg,)
        )
    if market_type not in _CODE_OF:
        raise BuilderError(Refusal.NOT_OFFERED, f"not offered in a builder: {leg}", (leg,))
    return Leg(market_type, _specifiers(market_type, _parameter(market_type, specifiers)), outcome)


def canonical_specifiers(market_type: str, specifiers: Specifiers) -> Specifiers:
    """Return a market's specifiers as the legs on it have them: equal lines have one form.

    Raises
    ------
    MarketTypeError
        When football has no such market.
    """
    return _specifiers(market_type, _parameter(market_type, specifiers))


def leg_code(leg: Leg) -> str:
    """Return a leg's code."""
    letters = chr(97 + leg.outcome % 26)
    if leg.outcome >= 26:
        letters = chr(96 + leg.outcome // 26) + letters
    return f"{_CODE_OF[leg.type]}{letters}{_parameter(leg.type, leg.specifiers)}"


def parse_leg(code: str) -> Leg:
    """Return the leg of a code.

    Raises
    ------
    BuilderError
        When it is none.
    """
    match = _CODE.fullmatch(code)
    market_type = _TYPE_OF.get(match[1]) if match else None
    if match is None or market_type is None:
        raise BuilderError(Refusal.MALFORMED, f"not a leg's code: {code!r}")
    outcome = 0
    for letter in match[2]:
        outcome = 26 * outcome + ord(letter) - 96
    leg = checked_leg(market_type, _specifiers(market_type, match[3]), outcome - 1)
    if _parameter(leg.type, leg.specifiers) != match[3]:
        raise BuilderError(Refusal.MALFORMED, f"not the line that the leg has: {code!r}")
    return leg


def leg_order(leg: Leg) -> tuple[int, int, str, int]:
    """Return the key by which the legs of a builder are sorted."""
    number, _, scope = _CODE_OF[leg.type].partition(".")
    return int(number), int(scope or -1), _parameter(leg.type, leg.specifiers), leg.outcome


def _parameter(market_type: str, specifiers: Specifiers) -> str:
    """Return a specifier's value in its shortest form; one of equal lines has one form."""
    if not specifiers:
        return ""
    ((name, value),) = specifiers
    if name == "variant":
        outcomes = market_rules(market_type, specifiers).outcomes
        same = outcomes == market_rules(market_type, ()).outcomes
        return "" if same else value.rsplit(":", 1)[1].rstrip("+")
    if market_type.endswith("european_handicap"):
        home, away = map(int, value.split(":"))
        return f"{max(home - away, 0)}:{max(away - home, 0)}"
    return f"{line_quarters(value) / 4:g}" if name in ("total", "hcp") else value


def _specifiers(market_type: str, parameter: str) -> Specifiers:
    """Return the specifiers that `_parameter` shortened."""
    names = MARKET_TYPES[market_type].specifiers
    if not parameter:
        return ()
    if names == ("variant",):
        if market_type.endswith("goal_range"):
            return (("variant", _POINT_RANGE),)
        kind = "winning_margin" if market_type.endswith("winning_margin") else "exact_goals"
        return (("variant", f"sr:{kind}:{parameter}+"),)
    return tuple((name, parameter) for name in names)
