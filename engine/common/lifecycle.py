"""The life cycle of a market as one table: which action is allowed in which status.

Owns the statuses, the actions, the table and the reason that a bet gets in each status. Never
decides who may act: status_transitions does. The numbers of the statuses are those of the Unified
Odds Feed, except CLOSED, which the feed does not have: betting has ended for good and the result is
awaited.
"""

from enum import IntEnum
from typing import Final

from engine.common.reasons import Reason


class Status(IntEnum):
    """Status of a market."""

    ACTIVE = 1
    """The market accepts bets."""
    INACTIVE = 0
    """Not offered; it may become ACTIVE."""
    SUSPENDED = -1
    """No bets for a while; the odds stay visible."""
    HANDED_OVER = -2
    """The pre-match producer has ended; suspended until the live producer sends odds."""
    SETTLED = -3
    CANCELLED = -4
    CLOSED = -5


class Action(IntEnum):
    """What moves a market from one status to another."""

    OPEN = 1
    SUSPEND = 2
    RESUME = 3
    CLOSE = 4
    SETTLE = 5
    CANCEL = 6
    HAND_OVER = 7
    SET_ACTIVE = 8
    SET_INACTIVE = 9
    SET_SUSPENDED = 10
    SET_HANDED_OVER = 11
    REINSTATE = 12
    """Roll back a cancellation while results stand."""
    REOPEN = 13
    """Roll back a cancellation or a settlement so that no results stand."""


_BEFORE_CLOSE: Final = (Status.ACTIVE, Status.INACTIVE, Status.SUSPENDED, Status.HANDED_OVER)

SET_ACTIONS: Final[dict[Status, Action]] = {
    Status.ACTIVE: Action.SET_ACTIVE,
    Status.INACTIVE: Action.SET_INACTIVE,
    Status.SUSPENDED: Action.SET_SUSPENDED,
    Status.HANDED_OVER: Action.SET_HANDED_OVER,
}
"""The action of SetStatus for each status that it may name: allowed until betting has ended."""

TRANSITIONS: Final[dict[tuple[Status, Action], Status]] = {
    (Status.INACTIVE, Action.OPEN): Status.ACTIVE,
    (Status.HANDED_OVER, Action.OPEN): Status.ACTIVE,
    (Status.ACTIVE, Action.SUSPEND): Status.SUSPENDED,
    (Status.SUSPENDED, Action.RESUME): Status.ACTIVE,
    (Status.ACTIVE, Action.HAND_OVER): Status.HANDED_OVER,
    (Status.SUSPENDED, Action.HAND_OVER): Status.HANDED_OVER,
    **{(status, Action.CLOSE): Status.CLOSED for status in _BEFORE_CLOSE},
    **{(status, Action.SETTLE): Status.SETTLED for status in (*_BEFORE_CLOSE, Status.CLOSED)},
    (Status.SETTLED, Action.SETTLE): Status.SETTLED,
    **{(status, Action.CANCEL): Status.CANCELLED for status in (*_BEFORE_CLOSE, Status.CLOSED)},
    (Status.SETTLED, Action.CANCEL): Status.CANCELLED,
    **{
        (before, action): after for after, action in SET_ACTIONS.items() for before in _BEFORE_CLOSE
    },
    (Status.CANCELLED, Action.REINSTATE): Status.SETTLED,
    (Status.CANCELLED, Action.REOPEN): Status.SUSPENDED,
    (Status.SETTLED, Action.REOPEN): Status.SUSPENDED,
}
"""Every allowed transition; TRANSITION_NOT_ALLOWED refuses a pair that is not here."""

BET_REFUSAL: Final[dict[Status, Reason]] = {
    Status.ACTIVE: Reason.ACCEPTED,
    Status.INACTIVE: Reason.MARKET_INACTIVE,
    Status.SUSPENDED: Reason.MARKET_SUSPENDED,
    Status.HANDED_OVER: Reason.MARKET_SUSPENDED,
    Status.SETTLED: Reason.MARKET_SETTLED,
    Status.CANCELLED: Reason.MARKET_CANCELLED,
    Status.CLOSED: Reason.MARKET_CLOSED,
}
"""The reason that a bet gets in each status."""

assert set(BET_REFUSAL) == set(Status), "a bet has an answer in every status"


def next_status(status: Status, action: Action) -> Status | None:
    """Return the status that an action leads to, or None when the table does not allow it."""
    return TRANSITIONS.get((status, action))
