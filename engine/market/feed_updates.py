"""Apply a feed's messages and a trader's resets of feed sources to one market.

Owns the order of the checks of a message: its fields, a position that was applied before, a
position ahead of the clock. The steps themselves are the machine's, which it passes as a function.
"""

from collections.abc import Callable

from msgspec import UnsetType

from engine.common.commands import FeedStep, FeedUpdate, ResetSource, SetOdds, SetStatus
from engine.common.events import (
    FeedApplied,
    FeedRefused,
    FeedStepEvent,
    MarketEvent,
    Refused,
    SourceReset,
)
from engine.common.lifecycle import Status
from engine.common.reasons import MESSAGES, Reason
from engine.market.book import Book
from engine.market.command_checks import feed_fault, position_fault
from engine.market.feed_positions import FeedPositions
from engine.market.odds_guards import GUARD_REASONS
from engine.market.status_transitions import without_opening

ApplyStep = Callable[[FeedStep], FeedStepEvent]
"""Apply one step of a message to its market, as a feed gives it."""


def apply_feed_update(
    command: FeedUpdate, slot: int, *, book: Book, positions: FeedPositions, apply_step: ApplyStep
) -> MarketEvent:
    """Apply a message's steps in order, or refuse the message and take no step.

    Odds that a guard refuses suspend a market that takes bets: its last odds may be wrong too.
    """
    refusal = feed_fault(command)
    if refusal is not None:
        return refusal
    # First: a message delivered twice changes nothing, though the clock was set back meanwhile.
    refusal = positions.fault(command)
    if refusal is not None:
        return refusal
    bound = command.position_max
    if not isinstance(bound, UnsetType) and command.position > bound:
        return _refuse_position_ahead(command, slot, book=book, apply_step=apply_step)
    positions.note(command)
    events: list[FeedStepEvent] = []
    priced = True
    for given in command.steps:
        step = given if priced else without_opening(given)
        events.append(apply_step(step))
        if isinstance(events[-1], Refused) and events[-1].reason in GUARD_REASONS:
            _suspend(command, slot, book=book, apply_step=apply_step)
        priced = priced and not (isinstance(step, SetOdds) and isinstance(events[-1], Refused))
    return FeedApplied(
        market_no=command.market_no,
        version=book.version(slot),
        source=command.source,
        position=command.position,
        events=tuple(events),
    )


def _suspend(command: FeedUpdate, slot: int, *, book: Book, apply_step: ApplyStep) -> None:
    """Stop betting at the odds before those that a guard refused; the refusal is the reason."""
    if book.status(slot) == Status.ACTIVE:
        apply_step(
            SetStatus(market_no=command.market_no, status=Status.SUSPENDED, why="odds refused")
        )


def reset_source(
    command: ResetSource, slot: int, *, book: Book, positions: FeedPositions
) -> SourceReset | Refused:
    """Set the position of a source that the market knows."""
    refusal = position_fault(command)
    if refusal is not None:
        return refusal
    before = positions.reset(command)
    if before is None:
        reason = Reason.FEED_SOURCE_UNKNOWN
        return Refused(reason=reason, field="source", message=MESSAGES[reason])
    return SourceReset(
        market_no=command.market_no,
        version=book.version(slot),
        source=command.source,
        position=command.position,
        before=before,
    )


def _refuse_position_ahead(
    command: FeedUpdate, slot: int, *, book: Book, apply_step: ApplyStep
) -> FeedRefused | Refused:
    """Refuse a message whose position is ahead of the clock, and stop betting for it.

    The message may have held a bet stop, and its source may send no usable message any more. The
    feed's next message that opens the market opens it again.
    """
    reason = Reason.FEED_POSITION_AHEAD
    message = f"{command.source} is at {command.position}, over {command.position_max}"
    if book.status(slot) not in (Status.ACTIVE, Status.SUSPENDED):
        return Refused(reason=reason, field="position", message=message)
    stopped = apply_step(
        SetStatus(market_no=command.market_no, status=Status.SUSPENDED, why="feed position ahead")
    )
    assert not isinstance(stopped, Refused), "both statuses can be set to SUSPENDED"
    return FeedRefused(
        market_no=command.market_no,
        version=book.version(slot),
        source=command.source,
        position=command.position,
        reason=reason,
        message=message,
    )
