"""Translate settlements, cancellations and roll-backs into the commands of one market.

Owns the translation of results, void factors, dead-heat factors and windows. It never decides
whether or when a command is sent.
"""

from typing import Final

from msgspec import UNSET, UnsetType

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

    A message that does not name every outcome that the market has, or leaves some undecided,
    settles the others alone. An outcome of the message that the market does not have is passed
    over.
    """
    results: dict[int, OutcomeResult] = {}
    for outcome in market.outcomes:
        index = listed.outcome_index(outcome.id)
        if index is not None and outcome.result >= 0:
            results[index] = outcome_result(outcome)
    if not results:
        return "settlement: it decides no outcome that the market has"
    named = tuple(sorted(results))
    ordered = tuple(results[index] for index in named)
    if len(named) == len(listed.market.outcomes):
        return SettleMarket(market_no=MARKET_NO_LATER, results=ordered)
    return SettleMarket(market_no=MARKET_NO_LATER, results=ordered, outcomes=named)


def outcomes_of(listed: ListedMarket, market: MarketVoided) -> tuple[int, ...] | UnsetType | str:
    """Return the outcomes that a message names, UNSET for all, or why it names none.

    An outcome that the market does not have is passed over; the others are never voided for it.
    """
    if isinstance(market.outcome_ids, UnsetType):
        return UNSET
    found = {listed.outcome_index(outcome_id) for outcome_id in market.outcome_ids}
    indices = tuple(sorted(index for index in found if index is not None))
    return indices or "it names no outcome that the market has"


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


Outcomes = tuple[int, ...] | UnsetType
"""Some outcomes of a market; UNSET: all."""


def cancel_bets(
    message: BetCancel, market: MarketVoided, outcomes: Outcomes, clock: FeedClock
) -> CancelBets:
    """Return the cancellation of the bets placed in the message's window."""
    why = "" if market.void_reason is None else f"void reason {market.void_reason}"
    if message.superceded_by:
        why = f"{why} superseded by {message.superceded_by}".strip()
    return CancelBets(
        market_no=MARKET_NO_LATER,
        from_ns=_engine_ns(message.start_time, clock),
        until_ns=_engine_ns(message.end_time, clock),
        why=why[:WHY_CHARS_MAX],
        outcomes=outcomes,
    )


def roll_back_cancel(
    message: RollbackBetCancel, outcomes: Outcomes, clock: FeedClock
) -> RollBackCancel:
    """Return the roll-back of the cancellation of the message's window."""
    return RollBackCancel(
        market_no=MARKET_NO_LATER,
        from_ns=_engine_ns(message.start_time, clock),
        until_ns=_engine_ns(message.end_time, clock),
        why=_ROLLED_BACK,
        outcomes=outcomes,
    )


def roll_back_settlement(outcomes: Outcomes) -> RollBackSettlement:
    """Return the roll-back of the current results of a market or of some outcomes."""
    return RollBackSettlement(market_no=MARKET_NO_LATER, why=_ROLLED_BACK, outcomes=outcomes)


def _engine_ns(feed_ms: int | None, clock: FeedClock) -> Nanos | None:
    return None if feed_ms is None else Nanos(clock.engine_ns(feed_ms))
