"""What football markets' outcomes pay by score, for the grid of a fixture in the market machine.

Owns which score is in which cell. The rules that price and settle a market say what it pays, so the
grid and a settlement cannot differ. Never an amount of money.

A cell is the goals of both sides, up to `GOALS_MAX`; that value stands for as many goals or more. A
score past it is in the cell with as many goals less on both sides (8:6 in 7:5), so that the result
stays the same, as do the difference but for the widest and whether a side has scored. Were each
side's goals cut alone, 8:7 and 7:8 would be in one cell, in which home and away both win.

Markets on the score of the ninety minutes are on the first sheet, those on the score of a half on
the sheet of that half. A bet builder is on the first sheet: at a score it pays if the score can
come about with all its legs won. Other markets have no cells: those on both halves' scores, on the
order of goals, on extra time, and whatever football's rules do not know.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from msgspec import UNSET, UnsetType

from engine.common.ids import BUILDER, MalformedIdError, parse_market_key
from engine.common.payoff_codes import pack_codes
from engine.common.payoffs import CELLS, Payoff, Payoffs
from engine.common.rows import U8s
from engine.pricing.football.axes import AXIS_SPECS, Scope
from engine.pricing.football.builder.cells import LEG_SETS, common_cells
from engine.pricing.football.builder.legs import BuilderError
from engine.pricing.football.builder.selection import YES, builder_legs
from engine.pricing.football.market_types import MarketTypeError, Specifiers, market_rules
from engine.pricing.football.outcome_rules import OutcomeRule
from engine.pricing.football.score_cells import HALF_SIDE, Indices, axis_values
from engine.pricing.lines import Line, line_result

SIDE: Final = 8
"""Numbers of goals of one side that cells tell apart."""
GOALS_MAX: Final = SIDE - 1
"""The last of them stands for this many goals or more."""
SHEET_OF: Final = {Scope.REGULAR: 0, Scope.FIRST_HALF: 1, Scope.SECOND_HALF: 2}
_CACHED: Final = 1 << 12

assert SIDE * SIDE == CELLS


def score_payoffs(key: str, outcomes: tuple[str, ...]) -> Payoffs | UnsetType:
    """Return what a market's outcomes pay by score; UNSET where the market has no cells.

    Parameters
    ----------
    key : str
        The market's key. It does not name its sport: a market of another sport with football's type
        and outcomes gets football's payoffs.
    outcomes : tuple of str
        The names of its outcomes.
    """
    try:
        parsed = parse_market_key(key)
    except MalformedIdError:
        return UNSET  # the market machine refuses it
    return _payoffs(parsed.type, parsed.specifiers, outcomes)


@lru_cache(maxsize=_CACHED)
def _payoffs(
    type_name: str, specifiers: Specifiers, outcomes: tuple[str, ...]
) -> Payoffs | UnsetType:
    if type_name == BUILDER:
        return _builder_payoffs(specifiers) if outcomes == (YES,) else UNSET
    try:
        rules = market_rules(type_name, specifiers)
    except MarketTypeError:
        return UNSET
    names = tuple(rule.name for rule in rules.outcomes)
    if names != outcomes or rules.needs_order or rules.scope not in SHEET_OF:
        return UNSET
    codes = np.stack([_codes(rules.scope, rule) for rule in rules.outcomes])
    if not (codes > Payoff.LOST).any(axis=1).all():
        return UNSET  # an outcome is beyond every score that cells tell apart
    return Payoffs(sheet=SHEET_OF[rules.scope], codes=pack_codes(codes))


def cells_of(home: Indices, away: Indices) -> tuple[Indices, Indices]:
    """Return the cells of scores, as the goals of both sides that they are counted with."""
    excess = np.maximum(np.maximum(home, away) - GOALS_MAX, 0)
    return (
        np.maximum(home - excess, np.minimum(home, 1)),
        np.maximum(away - excess, np.minimum(away, 1)),
    )


def _codes(scope: Scope, rule: OutcomeRule) -> U8s:
    """Return an outcome's code by cell: the highest over the scores of the cell."""
    spec, line = AXIS_SPECS[rule.axis], Line(*rule[2:])
    by_value = np.empty(spec.size, np.uint8)
    for at in range(spec.size):
        result = line_result(line, spec.first + at)
        by_value[at] = _CODE_OF[result.won, result.void_halves]
    by_score = by_value[axis_values(scope, rule.axis)]
    codes: U8s = np.zeros((SIDE, SIDE), np.uint8)
    np.maximum.at(codes, cells_of(*np.indices(by_score.shape)), by_score)
    return codes.reshape(CELLS)


_CODE_OF: Final = {
    (True, 0): Payoff.WON,
    (True, 1): Payoff.HALF_WON,
    (False, 2): Payoff.REFUNDED,
    (False, 1): Payoff.HALF_LOST,
    (False, 0): Payoff.LOST,
}
"""The code of a result, by whether it won and the halves of the stake that are void."""


def _builder_payoffs(specifiers: Specifiers) -> Payoffs | UnsetType:
    """Return the cells in which all legs of a builder can be won."""
    try:
        legs = builder_legs(specifiers)
    except BuilderError:
        return UNSET
    cells = common_cells([LEG_SETS.where(leg) for leg in legs])
    won = np.unpackbits(cells.view(np.uint8), bitorder="little").reshape((HALF_SIDE,) * 4)
    first_home, first_away, second_home, second_away = np.nonzero(won)
    codes: U8s = np.zeros((1, CELLS), np.uint8)
    home, away = cells_of(first_home + second_home, first_away + second_away)
    codes[0, SIDE * home + away] = Payoff.WON
    return Payoffs(sheet=SHEET_OF[Scope.REGULAR], codes=pack_codes(codes))
