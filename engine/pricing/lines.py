"""Define lines: which values of a count win, half win, refund, half lose or lose an outcome.

Owns the arithmetic of half, whole and quarter lines for every sport; never knows a market's name or
a probability.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from engine.common.commands import OutcomeResult
from engine.pricing.chances import CHANCES, HALF_LOSE, HALF_WIN, PUSH, WIN

WINNERS_VARY: Final = 0
"""Stands for the number of winners of a market in which that depends on the result."""
UNBOUNDED: Final = 1 << 20
"""The end of an interval without a bound: no sport counts this far."""

_LINE: Final = re.compile(r"[+-]?\d{1,3}(?:\.(?:0|00|25|5|50|75))?", re.ASCII)
_QUARTERS: Final = {"": 0, "0": 0, "00": 0, "25": 1, "5": 2, "50": 2, "75": 3}


class MarketTypeError(ValueError):
    """A market type or its specifiers are not in the table; the message states the rule."""


class Interval(NamedTuple):
    """Values from `low` up to but not including `high`."""

    low: int
    high: int


NEVER: Final = Interval(0, 0)


class Line(NamedTuple):
    """Which values win an outcome, half win it, refund it or half lose it; all others lose it.

    `also` holds further intervals that win, where the winning values are not contiguous.
    """

    win: Interval
    half_win: Interval = NEVER
    push: Interval = NEVER
    half_lose: Interval = NEVER
    also: tuple[Interval, ...] = ()


def line_quarters(text: str, *, most: int, unit: str) -> int:
    """Return a line such as ``2.5`` or ``-0.25`` in quarters of one unit (10 and -1).

    Parameters
    ----------
    text : str
        The line as a specifier has it.
    most : int
        The largest line, positive or negative, in units.
    unit : str
        What is counted (goals, games), for the message of a refusal.

    Raises
    ------
    MarketTypeError
        When the text is not a decimal in quarter steps, or is beyond `most`.
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
    """Return the interval of a value and all above it."""
    return Interval(value, UNBOUNDED)


def below(value: int) -> Interval:
    """Return the interval of all values below one."""
    return Interval(-UNBOUNDED, value)


def over(quarters: int) -> Line:
    """Return the line that wins above a number of quarters.

    A quarter line places half the stake on each of the two neighbouring half and whole lines.
    """
    return Line(
        above(-((-quarters - 2) // 4)),
        _at_quarters(quarters + 1),
        _at_quarters(quarters),
        _at_quarters(quarters - 1),
    )


def under(quarters: int) -> Line:
    """Return the line that wins below a number of quarters (see `over`)."""
    return Line(
        below((quarters - 2) // 4 + 1),
        _at_quarters(quarters - 1),
        _at_quarters(quarters),
        _at_quarters(quarters + 1),
    )


def _at_quarters(quarters: int) -> Interval:
    return one(quarters // 4) if quarters % 4 == 0 else NEVER


def line_result(line: Line, value: int) -> OutcomeResult:
    """Settle an outcome by the value at the end of play."""

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
    """Return a line as terms for ``gather_nb``: low and high feature, and the chance to add to.

    Parameters
    ----------
    line : Line
        The line.
    outcome : int
        The outcome's index on its board.
    index : Callable[[int], int]
        Maps a value to the index of the feature that holds the chance of all values below it.
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
