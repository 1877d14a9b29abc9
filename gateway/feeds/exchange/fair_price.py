"""Estimate fair probabilities from an exchange's ladders, or find that there are none.

Owns the estimate of one runner between its best back and best lay, the substitute when one side is
missing, and how a market's estimates are brought to its number of winners. Pure functions of the
order book; it keeps nothing and makes no odds.

The estimate is the micro-price of an order book (Stoikov 2018: the mid weighted by the sizes of the
opposite sides) in implied probability: money waiting to back pulls it towards the back price, money
waiting to lay towards the lay price.
"""

from collections.abc import Sequence
from math import floor, log
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from engine.common.units import ODDS_MILLI_MAX
from engine.pricing.margin import MarginRefused, Method, remove_margin
from gateway.feeds.exchange.messages import Level

DEPTH_MAX: Final = 10
PROBABILITY_MIN: Final = 1e-6
"""Below this probability a runner is not offered: its odds would exceed every ladder."""
_SOLVER_ERROR: Final = 1e-6
"""How far a solved runner's log-odds may be from those of an exact solution."""


OddsAtMost = Literal["back", "lay", "any"]
"""The exchange's price that our odds never exceed: the best price to back at, where a bet that we
took can be laid off; the best price to lay at, above which a bettor who lays there wins for
certain; or none."""


class FairRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When prices give an estimate, and how.

    `depth` levels of each side count, each `decay` times as much as the one before it. A pair of
    best prices wider than `spread_max` in implied probability, or than `ratio_max` one over the
    other, gives no estimate: the last traded price is taken instead, clipped to the pair. With
    `last_alone` it is also taken where both sides are empty. The estimates of a market must add up
    to between `sum_low` and `sum_high` times its winners, or the market has no fair prices. Our
    odds never exceed the exchange's price that `odds_at_most` names (see `highest_odds_milli`).
    """

    depth: Annotated[int, Meta(ge=1, le=DEPTH_MAX)] = 3
    decay: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.5
    spread_max: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.10
    ratio_max: Annotated[float, Meta(ge=1.0, le=1_000.0)] = 3.0
    last_alone: bool = True
    sum_low: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.90
    sum_high: Annotated[float, Meta(ge=1.0, le=2.0)] = 1.12
    odds_at_most: OddsAtMost = "back"


class RunnerPrices(NamedTuple):
    """One runner's prices: best levels first, and the last traded price or 0."""

    backs: Sequence[Level]
    lays: Sequence[Level]
    last: float


class FairMarket(NamedTuple):
    """A market's probabilities, which add up to its winners, and which runners are offered.

    `raw` holds the log-odds of the offered runners' estimates, before they had that sum, and
    `odds_milli_max` the highest odds that each runner may have; empty where none are bounded.
    """

    probabilities: tuple[float, ...]
    offered: tuple[bool, ...]
    winners: int = 1
    raw: tuple[float, ...] = ()
    odds_milli_max: tuple[int, ...] = ()


def weight(levels: Sequence[Level], rules: FairRules) -> float:
    """Return the size of a side: its best levels, each weighted `decay` times the one before."""
    total, factor = 0.0, 1.0
    for _, size in levels[: rules.depth]:
        total += factor * size
        factor *= rules.decay
    return total


def estimate(prices: RunnerPrices, rules: FairRules) -> float | None:
    """Return one runner's probability before normalisation to the market's winners.

    Parameters
    ----------
    prices : RunnerPrices
        The runner's best levels. To back at price b buys at probability 1/b, to lay at l sells at
        1/l; the estimate lies between the two, whatever the sizes.
    rules : FairRules
        Depth, weights and bounds.

    Returns
    -------
    float | None
        The probability, or None where the prices give no estimate.
    """
    high = 1.0 / prices.backs[0][0] if prices.backs and prices.backs[0][0] > 1.0 else 1.0
    low = 1.0 / prices.lays[0][0] if prices.lays and prices.lays[0][0] > 1.0 else 0.0
    both = high < 1.0 and low > 0.0
    if both and low > high:
        return None
    if both and high - low <= rules.spread_max and high <= low * rules.ratio_max:
        offered, wanted = weight(prices.backs, rules), weight(prices.lays, rules)
        if offered + wanted > 0.0:
            return (high * wanted + low * offered) / (offered + wanted)
        return 0.5 * (high + low)
    if prices.last <= 1.0 or (high == 1.0 and low == 0.0 and not rules.last_alone):
        return None
    return min(max(1.0 / prices.last, low), high)


def highest_odds_milli(prices: RunnerPrices, rules: FairRules) -> int:
    """Return the highest odds that we may offer on a runner, by the setting `odds_at_most`.

    Where nobody offers a price to back at, the last traded price stands in, as it does in the
    estimate, but no price above the best one to lay at. Where nobody offers a price to lay at,
    nobody can win for certain, and "lay" bounds nothing.
    """
    back = prices.backs[0][0] if prices.backs else 0.0
    lay = prices.lays[0][0] if prices.lays else 0.0
    highest = lay
    if rules.odds_at_most == "back":
        highest = back if back > 1.0 else min(filter(None, (prices.last, lay)), default=0.0)
    if rules.odds_at_most == "any" or highest <= 1.0:
        return ODDS_MILLI_MAX
    # A decimal price times 1000 may fall a hair short of its thousandth.
    return min(floor(highest * 1_000 + 1e-6), ODDS_MILLI_MAX)


def fair_market(
    estimates: Sequence[float | None],
    *,
    winners: int,
    rules: FairRules,
    odds_milli_max: Sequence[int] = (),
    before: FairMarket | None = None,
    move_min: float = 0.0,
) -> FairMarket | None:
    """Return the fair probabilities of a market, or None where the prices give none.

    Parameters
    ----------
    estimates : Sequence[float | None]
        The estimate of every outcome in order; None where there is none or it is withdrawn.
    winners : int
        How many outcomes win.
    rules : FairRules
        The bounds of the sum.
    odds_milli_max : Sequence[int]
        The highest odds of every outcome; empty where none are bounded.
    before, move_min : FairMarket | None, float
        Fair probabilities that are returned again when no runner's log-odds can have moved by
        `move_min` from them, which is known without solving the market.

    Returns
    -------
    FairMarket | None
        Estimates are brought to the sum `winners` by the same ratio on each one's odds (Cheung
        2015), which adds one step to all log-odds: no runner moves by more than the difference
        between the largest and the smallest move of an estimate, whatever the step is. A runner
        without an estimate is not offered; the bounds of the sum make sure that its probability
        would have been small.
    """
    offered = tuple([each is not None and PROBABILITY_MIN <= each < 1.0 for each in estimates])
    known = [each for each in estimates if each is not None and PROBABILITY_MIN <= each < 1.0]
    if winners < 1 or len(known) <= winners:
        return None
    if not rules.sum_low <= sum(known) / winners <= rules.sum_high:
        return None
    raw = tuple([log(each / (1.0 - each)) for each in known])
    if before is not None and before.raw and (before.offered, before.winners) == (offered, winners):
        moves = [after - was for after, was in zip(raw, before.raw, strict=True)]
        if max(moves) - min(moves) < move_min - _SOLVER_ERROR:
            highest = tuple(odds_milli_max)
            return (
                before
                if highest == before.odds_milli_max
                else before._replace(odds_milli_max=highest)
            )
    solved = remove_margin(
        [1.0 / value for value in known], method=Method.ODDS_RATIO, winners=winners
    )
    if isinstance(solved, MarginRefused):
        return None
    normalised = iter(solved.values)
    probabilities = tuple([next(normalised) if priced else 0.0 for priced in offered])
    return FairMarket(probabilities, offered, winners, raw, tuple(odds_milli_max))


def is_lowered(before: FairMarket | None, after: FairMarket) -> bool:
    """Say whether some runner's highest odds fell, so that the odds sent may stand above them."""
    if before is None or before.odds_milli_max == after.odds_milli_max:
        return False
    return any(
        new < old and offered
        for old, new, offered in zip(
            before.odds_milli_max, after.odds_milli_max, after.offered, strict=True
        )
    )


def moved_by(before: FairMarket | None, after: FairMarket) -> float:
    """Return how far a market moved: the largest step of any runner's log-odds.

    The highest odds of a runner count like its probability. A runner that was added or removed
    counts as an infinite move.
    """
    if before is after:
        return 0.0
    if before is None or before.offered != after.offered:
        return float("inf")
    moved = max(
        abs(log(q / (1.0 - q)) - log(p / (1.0 - p)))
        for p, q, offered in zip(
            before.probabilities, after.probabilities, after.offered, strict=True
        )
        if offered
    )
    if before.odds_milli_max == after.odds_milli_max:
        return moved
    return max(
        moved,
        *(
            abs(log(max(new - 1_000, 1) / max(old - 1_000, 1)))
            for old, new, offered in zip(
                before.odds_milli_max, after.odds_milli_max, after.offered, strict=True
            )
            if offered
        ),
    )
