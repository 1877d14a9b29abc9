"""A market's life as one table: which command is allowed in which state, and where it leads.

Numbers of the statuses are those of the Unified Odds Feed; CLOSED is ours (betting has ended for
good and the result is awaited; the feed has no word for it).
"""

from enum import IntEnum
from typing import Final

from engine.common.reasons import Reason


class Status(IntEnum):
    """State of a market."""

    ACTIVE = 1
    INACTIVE = 0
    SUSPENDED = -1
    HANDED_OVER = -2
    SETTLED = -3
    CANCELLED = -4
    CLOSED = -5


class Action(IntEnum):
    """What moves a market from state to state."""

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
    """A cancellation is rolled back, and results stand."""
    REOPEN = 13
    """A cancellation or a settlement is rolled back, and no result stands."""


_BETTING_STATES: Final = (Status.ACTIVE, Status.INACTIVE, Status.SUSPENDED, Status.HANDED_OVER)

SETTING: Final[dict[Status, Action]] = {
    Status.ACTIVE: Action.SET_ACTIVE,
    Status.INACTIVE: Action.SET_INACTIVE,
    Status.SUSPENDED: Action.SET_SUSPENDED,
    Status.HANDED_OVER: Action.SET_HANDED_OVER,
}
"""What leads to a status that SetStatus may name, from any state in which betting may come."""

TRANSITIONS: Final[dict[tuple[Status, Action], Status]] = {
    (Status.INACTIVE, Action.OPEN): Status.ACTIVE,
    (Status.HANDED_OVER, Action.OPEN): Status.ACTIVE,
    (Status.ACTIVE, Action.SUSPEND): Status.SUSPENDED,
    (Status.SUSPENDED, Action.RESUME): Status.ACTIVE,
    (Status.ACTIVE, Action.HAND_OVER): Status.HANDED_OVER,
    (Status.SUSPENDED, Action.HAND_OVER): Status.HANDED_OVER,
    **{(status, Action.CLOSE): Status.CLOSED for status in _BETTING_STATES},
    **{(status, Action.SETTLE): Status.SETTLED for status in (*_BETTING_STATES, Status.CLOSED)},
    (Status.SETTLED, Action.SETTLE): Status.SETTLED,
    **{(status, Action.CANCEL): Status.CANCELLED for status in (*_BETTING_STATES, Status.CLOSED)},
    (Status.SETTLED, Action.CANCEL): Status.CANCELLED,
    **{(before, action): after for after, action in SETTING.items() for before in _BETTING_STATES},
    (Status.CANCELLED, Action.REINSTATE): Status.SETTLED,
    (Status.CANCELLED, Action.REOPEN): Status.SUSPENDED,
    (Status.SETTLED, Action.REOPEN): Status.SUSPENDED,
}
"""Every allowed move; a pair that is not here is refused with TRANSITION_NOT_ALLOWED."""

BET_REFUSAL: Final[dict[Status, Reason]] = {
    Status.ACTIVE: Reason.ACCEPTED,
    Status.INACTIVE: Reason.MARKET_INACTIVE,
    Status.SUSPENDED: Reason.MARKET_SUSPENDED,
    Status.HANDED_OVER: Reason.MARKET_SUSPENDED,
    Status.SETTLED: Reason.MARKET_SETTLED,
    Status.CANCELLED: Reason.MARKET_CANCELLED,
    Status.CLOSED: Reason.MARKET_CLOSED,
}
"""What a bet hears in each state."""

assert set(BET_REFUSAL) == set(Status), "a bet has an answer in every state"


def next_status(status: Status, action: Action) -> Status | None:
    """Return the state that an action leads to, or None where the table does not allow it."""
    return TRANSITIONS.get((status, action))
