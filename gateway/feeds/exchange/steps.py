"""The steps that bring a market from what it was sent to what the exchange states of it.

Owns the steps of its status and of its delay. What the state should be, the adapter knows.
"""

from engine.common.acceptance import SetFeedDelay
from engine.common.commands import FeedStep, SetStatus
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import MARKET_NO_LATER
from gateway.feeds.exchange.followed_market import DesiredStatus
from gateway.feeds.exchange.sent_state import SentState


def status_steps(sent: SentState, desired: DesiredStatus, *, version: int) -> tuple[FeedStep, ...]:
    """Return the steps from what was sent to what should be.

    The exchange's version rises with every suspension. A version that rose between two messages
    which both say OPEN means a suspension that no message showed; a delayed bet must not survive
    it.
    """
    same = sent.status == desired.status
    if same and (desired.status != Status.ACTIVE or version <= sent.version):
        return ()
    step = SetStatus(market_no=MARKET_NO_LATER, status=desired.status, why=desired.why)
    if same:
        between = SetStatus(
            market_no=MARKET_NO_LATER, status=Status.SUSPENDED, why="the exchange's version rose"
        )
        return (between, step)
    return (step,)


def delay_steps(sent: SentState, delay_ms: int) -> tuple[FeedStep, ...]:
    """Return the step that gives a market the exchange's delay, where it was given another."""
    if sent.delay_ms == delay_ms:
        return ()
    sent.delay_ms = delay_ms
    return (SetFeedDelay(market_no=MARKET_NO_LATER, delay_ms=delay_ms, why="the exchange's delay"),)
