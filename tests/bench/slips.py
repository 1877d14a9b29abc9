"""Measure what the settlement of a slip costs: the kernel, and exact fractions in plain Python."""

import time
from collections.abc import Callable

import numpy as np

from engine.slips.owed_nb import WORK_I64S, owed_nb
from tests.bench.table import Row, medians_of
from tests.engine.slips import twin
from tests.engine.slips.twin import TwinBet, TwinLeg, columns_of, rows_of

RUNS = 31
CALLS = 20
TWIN_CALLS = 1
ODDS_MILLI = (1_871, 2_253, 3_407, 1_951, 5_503, 2_107, 1_443, 8_001)
"""Odds that share no factor with a thousand: the longest products."""


def slips() -> list[Row]:
    """Measure one call of the kernel for a Goliath and for an accumulator of three legs."""
    return [
        _row("settle a Goliath, 247 lines", legs=8, sizes=range(2, 9), goal_us=100.0),
        _row("settle an accumulator of 3 legs", legs=3, sizes=range(3, 4), goal_us=10.0),
    ]


def _row(measure: str, *, legs: int, sizes: range, goal_us: float) -> Row:
    given = [TwinLeg(at, at, (ODDS_MILLI[at], 1_000)) for at in range(legs)]
    bets = [TwinBet(250, frozenset(sizes), frozenset(range(legs)))]
    columns, rows = columns_of(given), rows_of(bets)
    work = np.empty(WORK_I64S, np.int64)

    def kernel() -> int:
        return owed_nb(*columns, legs, rows, 0, 1, work)

    assert kernel() == twin.owed(given, bets)
    ours, reference, samples, references = medians_of(
        lambda: _us(kernel, CALLS),
        lambda: _us(lambda: twin.owed(given, bets), TWIN_CALLS),
        runs=RUNS,
    )
    return Row(
        measure=measure,
        unit="us",
        ours=ours,
        reference=reference,
        against="fractions.Fraction and itertools",
        better="lower",
        goal=goal_us,
        goal_is="ours",
        conditions="every leg won, called from Python",
        samples=samples,
        reference_samples=references,
    )


def _us(call: Callable[[], object], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) / calls * 1e6
