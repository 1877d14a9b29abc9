"""The messages of LSports' feed as the adapter sees them, and the provider's numbers.

Owns their shapes, and the enumerations that the provider documents. Two messages are our own: the
connection says by them that it begins again, and that a snapshot is complete.
"""

from typing import Final

from msgspec import Struct

FIXTURE: Final = 1
LIVESCORE: Final = 2
MARKET: Final = 3
KEEP_ALIVE: Final = 31
HEARTBEAT: Final = 32
SETTLEMENT: Final = 35
SNAPSHOT: Final = 36
SOURCE_BEGAN: Final = -1
"""Ours: the connection begins here, and what was sent before it may be lost."""
SNAPSHOT_ENDED: Final = -2
"""Ours: the events of a snapshot are complete."""

BEGAN_BODY: Final = b'{"Header":{"Type":-1}}'
"""The message that a connection begins with."""

KINDS: Final = {
    FIXTURE: "fixture",
    LIVESCORE: "livescore",
    MARKET: "market",
    KEEP_ALIVE: "keep_alive",
    HEARTBEAT: "heartbeat",
    SETTLEMENT: "settlement",
    SNAPSHOT: "snapshot",
    SOURCE_BEGAN: "source_began",
    SNAPSHOT_ENDED: "snapshot_ended",
}
"""Names of the types that are followed, for counting."""

OPEN: Final = 1
SUSPENDED: Final = 2
SETTLED: Final = 3
BET_STATUSES: Final = (OPEN, SUSPENDED, SETTLED)

CANCELLED: Final = -1
"""The settlement of a bet is cancelled: the bet is open to a result again."""
NOT_SETTLED: Final = 0
LOSER: Final = 1
WINNER: Final = 2
REFUND: Final = 3
HALF_LOST: Final = 4
HALF_WON: Final = 5
SETTLEMENTS: Final = (CANCELLED, NOT_SETTLED, LOSER, WINNER, REFUND, HALF_LOST, HALF_WON)

IN_PROGRESS: Final = 2
STOPPING_STATUSES: Final = {
    3: "finished",
    4: "cancelled",
    5: "postponed",
    7: "abandoned",
    8: "coverage lost",
}
"""Fixture statuses in which no market takes bets, whatever the status of its bets."""
OVER_STATUSES: Final = (3, 4, 7)
"""Finished, cancelled, abandoned: what is settled by then stays as it is."""
FIXTURE_STATUSES: Final = tuple(range(10))
UNREADABLE_STATUS: Final = -1
"""A fixture status that could not be read: no market takes bets until the next one."""
SUBSCRIBED: Final = 1
SUBSCRIPTION_STATUSES: Final = (0, 1, 2, 3, 4)
UPDATES_END: Final = (3, 4)
"""Subscription statuses after which the provider sends nothing more: unsubscribed, deleted."""

PRICE_REFUSED: Final = 0
"""A price that was given and cannot be offered."""


class BetPart(Struct, frozen=True, kw_only=True, gc=False):
    """A bet as one message gives it; None or empty: the message says nothing about it."""

    bet_id: str
    name: str = ""
    line: str = ""
    status: int | None = None
    price_milli: int | None = None
    settlement: int | None = None
    updated_ns: int | None = None


class MarketPart(Struct, frozen=True, kw_only=True):
    """A market's bets in one message; `doubtful`: some could not be read."""

    market_id: int
    bets: tuple[BetPart, ...] = ()
    doubtful: bool = False


class EventPart(Struct, frozen=True, kw_only=True):
    """A fixture's part of one message; `doubtful`: part of it could not be read."""

    fixture_id: int
    status: int | None = None
    subscription: int | None = None
    sport: str = ""
    fixture: bytes = b""
    markets: tuple[MarketPart, ...] = ()
    doubtful: bool = False


class Message(Struct, frozen=True, kw_only=True):
    """One message.

    `ms` is the provider's time; `sequence` counts messages of one type and market; `active` are the
    fixtures of a keep-alive; `request_id` and `events_total` belong to a snapshot; `odd` says which
    figures could not be read and were dropped.
    """

    type: int
    ms: int = 0
    sequence: int | None = None
    events: tuple[EventPart, ...] = ()
    active: tuple[int, ...] | None = None
    request_id: int = 0
    events_total: int = 0
    odd: tuple[str, ...] = ()


class Unreadable(Struct, frozen=True, kw_only=True):
    """A message of which nothing but the fixtures' ids could be read, and why."""

    fixture_ids: tuple[int, ...]
    why: str
