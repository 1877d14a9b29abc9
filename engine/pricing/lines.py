"""Lines: how a whole number that was played wins, halves, refunds or loses an outcome.

Owns the arithmetic of half, whole and quarter lines, for every sport; never a market's name, and
never a probability.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from engine.common.commands import OutcomeResult
from engine.pricing.chances import CHANCES, HALF_LOSE, HALF_WIN, PUSH, WIN

FAR: Final = 1 << 20
"""An end of an interval past anything that can be played."""

_LINE: Final = re.compile(r"[+-]?\d{1,3}(?:\.(?:0|00|25|5|50|75))?", re.ASCII)
_QUARTERS: Final = {"": 0, "0": 0, "00": 0, "25": 1, "5": 2, "50": 2, "75": 3}


class MarketTypeError(ValueError):
    """A market type or its specifiers are not in the table; the message names the rule."""


class Interval(NamedTuple):
    """Values from `low` up to but not including `high`."""

    low: int
    high: int


NEVER: Final = Interval(0, 0)


class Line(NamedTuple):
    """Which values win an outcome, half win it, refund it or half lose it; all others lose it.

    `also` holds further values that win, where they do not lie side by side.
    """

    win: Interval
    half_win: Interval = NEVER
    push: Interval = NEVER
    half_lose: Interval = NEVER
    also: tuple[Interval, ...] = ()


def line_quarters(text: str, *, most: int, unit: str) -> int:
    """Return a line such as ``2.5`` or ``-0.25`` in quarters of what is counted.

    Parameters
    ----------
    text : str
        The line as a specifier has it.
    most : int
        How far lines reach either way.
    unit : str
        What is counted, for the message of a refusal.

    Raises
    ------
    MarketTypeError
        Unless it is a decimal in quarter steps within reach.
    """
    if _LINE.fullmatch(text) is None:
        raise MarketTypeError(f"line: not a decimal in quarter steps: {text!r}")
    whole, _, fraction = text.lstrip("+-").partition(".")
    quarters = 4 * int(whole) + _QUARTERS[fraction]
    if quarters > 4 * most:
        raise MarketTypeError(f"line: at most {most} {unit}: {text!r}")
    return -quarters if text.startswith("-") else quarters


def one(value: int) -> Interval:
    """Return the interval of one value."""
    return Interval(value, value + 1)


def above(value: int) -> Interval:
    """Return the values from one on."""
    return Interval(value, FAR)


def below(value: int) -> Interval:
    """Return the values under one."""
    return Interval(-FAR, value)


def over(quarters: int) -> Line:
    """Win above a line in quarters: half on each neighbour of a quarter line."""
    return Line(
        above(-((-quarters - 2) // 4)),
        _at_quarters(quarters + 1),
        _at_quarters(quarters),
        _at_quarters(quarters - 1),
    )


def under(quarters: int) -> Line:
    """Win below a line in quarters."""
    return Line(
        below((quarters - 2) // 4 + 1),
        _at_quarters(quarters - 1),
        _at_quarters(quarters),
        _at_quarters(quarters + 1),
    )


def _at_quarters(quarters: int) -> Interval:
    return one(quarters // 4) if quarters % 4 == 0 else NEVER


def line_result(line: Line, value: int) -> OutcomeResult:
    """Settle an outcome by the value that was played."""

    def within(interval: Interval) -> bool:
        return interval.low <= value < interval.high

    if within(line.win) or any(within(interval) for interval in line.also):
        return OutcomeResult(won=True)
    if within(line.half_win):
        return OutcomeResult(won=True, void_halves=1)
    if within(line.push):
        return OutcomeResult(won=False, void_halves=2)
    if within(line.half_lose):
        return OutcomeResult(won=False, void_halves=1)
    return OutcomeResult(won=False)


def line_terms(line: Line, outcome: int, index: Callable[[int], int]) -> list[tuple[int, int, int]]:
    """Return a line as ``gather_nb`` reads it: two ends in the features, and where it is added.

    Parameters
    ----------
    line : Line
        The line.
    outcome : int
        The outcome's number on its board.
    index : Callable[[int], int]
        Where the features keep the chance of values below one.
    """
    intervals = (
        *((WIN, interval) for interval in (line.win, *line.also)),
        (HALF_WIN, line.half_win),
        (PUSH, line.push),
        (HALF_LOSE, line.half_lose),
    )
    ends = (
        (index(interval.low), index(interval.high), CHANCES * outcome + column)
        for column, interval in intervals
        if interval.low < interval.high
    )
    return [term for term in ends if term[0] != term[1]]
