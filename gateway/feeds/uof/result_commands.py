"""Translate settlements, cancellations and roll-backs into the commands of one market.

Owns the translation of results, void factors, dead-heat factors and windows. It never decides
whether or when a command is sent.
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
from engine.common.units import Nanos
from gateway.feeds.core.adapter import MARKET_NO_LATER
from gateway.feeds.core.clock import FeedClock
from gateway.feeds.uof.market_registry import ListedMarket
from gateway.feeds.uof.messages import (
    BetCancel,
    MarketSettled,
    MarketVoided,
    OutcomeSettled,
    RollbackBetCancel,
)

_ROLLED_BACK: Final = "rolled back by the feed"


def settle_market(listed: ListedMarket, market: MarketSettled) -> SettleMarket | str:
    """Return a market's settlement, or the reason why it is refused.

    The message must name every outcome that the market has, and none undecided. An outcome of the
    message that the market does not have is passed over.
    """
    results: list[OutcomeResult | None] = [None] * len(listed.market.outcomes)
    for outcome in market.outcomes:
        index = listed.outcome_index(outcome.id)
        if index is None:
            continue
        if outcome.result < 0:
            return f"settlement: outcome {outcome.id[:40]} is undecided"
        results[index] = outcome_result(outcome)
    settled = [result for result in results if result is not None]
    if len(settled) < len(results):
        missing = listed.market.outcomes[results.index(None)]
        return f"settlement: outcome {missing[:40]} is missing"
    return SettleMarket(market_no=MARKET_NO_LATER, results=tuple(settled))


def outcome_result(outcome: OutcomeSettled) -> OutcomeResult:
    """Return an outcome's result; one that is refunded in full neither wins nor ties."""
    won = outcome.result == 1 and outcome.void_halves < 2
    numerator, denominator = outcome.dead_heat if won else (1, 1)
    return OutcomeResult(
        won=won,
        void_halves=outcome.void_halves,
        dead_heat_num=numerator,
        dead_heat_den=denominator,
    )


def cancel_bets(message: BetCancel, market: MarketVoided, clock: FeedClock) -> CancelBets:
    """Return the cancellation of the bets placed in the message's window."""
    why = "" if market.void_reason is None else f"void reason {market.void_reason}"
    if message.superceded_by:
        why = f"{why} superseded by {message.superceded_by}".strip()
    return CancelBets(
        market_no=MARKET_NO_LATER,
        from_ns=_engine_ns(message.start_time, clock),
        until_ns=_engine_ns(message.end_time, clock),
        why=why[:WHY_CHARS_MAX],
    )


def roll_back_cancel(message: RollbackBetCancel, clock: FeedClock) -> RollBackCancel:
    """Return the roll-back of the cancellation of the message's window."""
    return RollBackCancel(
        market_no=MARKET_NO_LATER,
        from_ns=_engine_ns(message.start_time, clock),
        until_ns=_engine_ns(message.end_time, clock),
        why=_ROLLED_BACK,
    )


def roll_back_settlement() -> RollBackSettlement:
    """Return the roll-back of the market's current settlement."""
    return RollBackSettlement(market_no=MARKET_NO_LATER, why=_ROLLED_BACK)


def _engine_ns(feed_ms: int | None, clock: FeedClock) -> Nanos | None:
    return None if feed_ms is None else Nanos(clock.engine_ns(feed_ms))
