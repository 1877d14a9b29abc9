"""What is left of a part of a message that a shell has no room for: its stop.

Owns which parts stop betting, and their shortest form, which no bound can refuse: a status for each
market, without odds and without a place in the feed. It sends nothing.
"""

from collections.abc import Iterable
from typing import Final

from engine.common.commands import (
    WHY_CHARS_MAX,
    CancelMarket,
    CloseMarket,
    FeedStep,
    HandOverMarket,
    SetStatus,
    SuspendMarket,
)
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.pricing.following import Followed
from engine.pricing.repricing import Reprice

_STOPPING: Final = (SuspendMarket, HandOverMarket, CloseMarket, CancelMarket)


def stops(update: Followed | Reprice) -> bool:
    """Say whether a part stops betting."""
    if isinstance(update, Reprice):
        return bool(update.suspend)
    return _stop_of(update.steps) is not None


def bare_stops(update: Followed | Reprice, markets: Iterable[MarketNo]) -> tuple[Followed, ...]:
    """Return a part's stop alone; `markets` are those of a repriced fixture in the shell."""
    if isinstance(update, Reprice):
        return tuple(_stop(number, update.suspend) for number in markets) if update.suspend else ()
    step = _stop_of(update.steps)
    return () if step is None else (_stop(update.market_no, step.why),)


def _stop_of(steps: tuple[FeedStep, ...]) -> SetStatus | SuspendMarket | None:
    """Return the first step that stops betting, as one that has a reason."""
    for step in steps:
        if isinstance(step, SetStatus):
            if step.status is not Status.ACTIVE:
                return step
        elif isinstance(step, _STOPPING):
            return SuspendMarket(market_no=step.market_no, why=getattr(step, "why", ""))
    return None


def _stop(market_no: MarketNo, why: str) -> Followed:
    text = f"no room: {why}"[:WHY_CHARS_MAX]
    step = SetStatus(market_no=market_no, status=Status.SUSPENDED, why=text)
    return Followed(market_no=market_no, steps=(step,))
