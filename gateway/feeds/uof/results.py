"""Settlements and cancellations of the Unified Odds Feed, as what a market is to do.

Owns the way from the provider's figures to results and windows, and the order of those that come
while a producer is being recovered. Never decides whether a market obeys.
"""

from typing import Final

from engine.common.commands import (
    WHY_CHARS_MAX,
    CancelBets,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from gateway.feeds.core.adapter import MARKET_NO_LATER, MarketUpdate
from gateway.feeds.core.clock import FeedClock
from gateway.feeds.uof.market_registry import Listed
from gateway.feeds.uof.messages import (
    BetCancel,
    MarketSettled,
    MarketVoided,
    OutcomeSettled,
    RollbackBetCancel,
)

HELD_MAX: Final = 1 << 16
"""Results held back while producers are recovered; past it they go out as they are."""


def settlement(listed: Listed, market: MarketSettled) -> SettleMarket | str:
    """Return a market's settlement, or in a few words why it has none.

    Every outcome that the market has must be named: what became of one that is not, nobody said.
    An outcome that the market never had is passed over.
    """
    results: list[OutcomeResult | None] = [None] * len(listed.market.outcomes)
    for outcome in market.outcomes:
        place = listed.place(outcome.id)
        if place is None:
            continue
        if outcome.result < 0:
            return f"settlement: outcome {outcome.id[:40]} is undecided"
        results[place] = outcome_result(outcome)
    told = [result for result in results if result is not None]
    if len(told) < len(results):
        missing = listed.market.outcomes[results.index(None)]
        return f"settlement: nothing is said of outcome {missing[:40]}"
    return SettleMarket(market_no=MARKET_NO_LATER, results=tuple(told))


def outcome_result(outcome: OutcomeSettled) -> OutcomeResult:
    """Return how an outcome ended; refunded in full, it neither won nor tied."""
    won = outcome.result == 1 and outcome.void_halves < 2
    numerator, denominator = outcome.dead_heat if won else (1, 1)
    return OutcomeResult(
        won=won,
        void_halves=outcome.void_halves,
        dead_heat_num=numerator,
        dead_heat_den=denominator,
    )


def cancel(message: BetCancel, market: MarketVoided, clock: FeedClock) -> CancelBets:
    """Return the cancellation of a window of bets."""
    why = "" if market.void_reason is None else f"void reason {market.void_reason}"
    if message.superceded_by:
        why = f"{why} superseded by {message.superceded_by}".strip()
    return CancelBets(
        market_no=MARKET_NO_LATER,
        from_ns=_ns(message.start_time, clock),
        until_ns=_ns(message.end_time, clock),
        why=why[:WHY_CHARS_MAX],
    )


def roll_back_cancel(message: RollbackBetCancel, clock: FeedClock) -> RollBackCancel:
    """Return the roll-back of the cancellation of the same window."""
    return RollBackCancel(
        market_no=MARKET_NO_LATER,
        from_ns=_ns(message.start_time, clock),
        until_ns=_ns(message.end_time, clock),
        why="rolled back by the feed",
    )


def roll_back_settlement() -> RollBackSettlement:
    """Return the roll-back of whatever results stand."""
    return RollBackSettlement(market_no=MARKET_NO_LATER, why="rolled back by the feed")


def _ns(feed_ms: int | None, clock: FeedClock) -> int | None:
    return None if feed_ms is None else clock.engine_ns(feed_ms)


class HeldResults:
    """Results that wait until their producer has been recovered, and then go out by their times.

    Markets take one producer's results in the order of their times and refuse what comes too
    late. What is repeated by a recovery comes among news, so that an older cancellation can arrive
    after a younger settlement: sent on as they come, it would never be obeyed.
    """

    def __init__(self) -> None:
        self._held: dict[int, list[tuple[int, int, MarketUpdate]]] = {}
        self._count = 0
        self._arrived = 0
        self.overflows = 0

    def __len__(self) -> int:
        return self._count

    def hold(self, producer: int, notify: MarketUpdate) -> list[MarketUpdate]:
        """Keep a result; return those that must go out because there is no more room."""
        assert notify.mark is not None, "results have a place in their feed"
        self._arrived += 1
        self._held.setdefault(producer, []).append((notify.mark.position, self._arrived, notify))
        self._count += 1
        if self._count <= HELD_MAX:
            return []
        self.overflows += 1
        return [notify for number in list(self._held) for notify in self.release(number)]

    def release(self, producer: int) -> list[MarketUpdate]:
        """Return a producer's results by their times; of one time, as they came."""
        held = sorted(self._held.pop(producer, []), key=lambda entry: entry[:2])
        self._count -= len(held)
        return [notify for _, _, notify in held]
