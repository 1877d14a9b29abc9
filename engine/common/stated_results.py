"""What feeds state as a market's result, and where two of them differ.

Owns the values and their comparison. Which result stands is the market's, and a person's, decision.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from engine.common.commands import OutcomeResult
from engine.common.ids import MarketNo

_REFUNDED: Final = OutcomeResult(won=False, void_halves=2)


class StatedOutcome(Struct, frozen=True, kw_only=True):
    """One outcome's result, in the simplest form that pays the same."""

    outcome: int
    result: OutcomeResult


class StatedResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one feed states of a market: results of outcomes, or that it is `cancelled`."""

    feed: str
    results: tuple[StatedOutcome, ...] = ()
    cancelled: bool = False


class MarketStatements(Struct, frozen=True, kw_only=True):
    """What each of several feeds states of a market; none where they are settled by a person."""

    market_no: MarketNo
    statements: tuple[StatedResult, ...] = ()


def differing(statements: Sequence[StatedResult]) -> list[int]:
    """Return the outcomes of which two feeds state different results, rising.

    A feed that says nothing of an outcome differs from none. A cancellation is a refund of every
    outcome that another feed names.
    """
    of_feeds = [{each.outcome: each.result for each in one.results} for one in statements]
    named = sorted({outcome for results in of_feeds for outcome in results})
    found = []
    for outcome in named:
        stated = [
            _REFUNDED if one.cancelled else results.get(outcome)
            for one, results in zip(statements, of_feeds, strict=True)
        ]
        distinct = [result for result in stated if result is not None]
        if any(result != distinct[0] for result in distinct):
            found.append(outcome)
    return found
