"""The messages of the feed listener: what a provider says, and what it is to be asked for.

Owns their words, as `gateway.messages.wire` owns all others, whose unions they belong to.
"""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.messages.base import Asked, IdField, Sent
from gateway.settings import FEED_BODIES_MAX, FEED_BODY_BYTES_MAX

FeedField = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,32}\Z")]
FeedBody = Annotated[bytes, Meta(max_length=FEED_BODY_BYTES_MAX)]


class FeedPush(Asked, frozen=True, kw_only=True, tag="feed_push"):
    """Messages of a feed, as they came off its transport; answered by `feed_pushed`.

    The messages of a session are taken in the order in which they are sent, and answered when every
    market they speak of has obeyed them: then their source may forget them. After an `error` (the
    feed's desk died, or too many pushes are unanswered) the session takes no more of them: all that
    is unanswered is to be sent again, in order, on a new connection, and counts once all the same.
    """

    id: IdField = 0
    feed: FeedField
    bodies: Annotated[tuple[FeedBody, ...], Meta(min_length=1, max_length=FEED_BODIES_MAX)]


class FeedAttach(Asked, frozen=True, kw_only=True, tag="feed_attach"):
    """Begin to receive a feed's wishes, those that are open first; answered by `feed_attached`."""

    id: IdField = 0
    feed: FeedField


class FeedRequestDone(Asked, frozen=True, kw_only=True, tag="feed_request_done"):
    """Say that the provider was asked what a `feed_request` said; answered only if refused."""

    id: IdField = 0
    feed: FeedField
    producer: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
    request_id: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class AskFeedStats(Asked, frozen=True, kw_only=True, tag="feed_stats"):
    """Ask how a feed fares; answered by `feed_stats`."""

    id: IdField = 0
    feed: FeedField


# --- answers -------------------------------------------------------------------------------------


class FeedResult(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What came of one message: its kind, and in words why it meant nothing, if so."""

    kind: str
    refused: str = ""


class FeedPushed(Sent, frozen=True, kw_only=True, tag="feed_pushed"):
    """The messages of a push are obeyed, or refused for good: their source may forget them."""

    id: int = 0
    results: tuple[FeedResult, ...] = ()


class FeedAttached(Sent, frozen=True, kw_only=True, tag="feed_attached"):
    """The feed's wishes come from now on."""

    id: int = 0
    feed: str = ""


class FeedRequest(Sent, frozen=True, kw_only=True, tag="feed_request"):
    """Ask the provider to repeat what a producer said after a time, in its own milliseconds.

    `after_ms` 0 asks for all that is current. `request_id` goes with the question and comes back in
    the provider's last message of the repetition. Send `feed_request_done` once the provider was
    asked.
    """

    feed: str
    producer: int
    after_ms: int
    request_id: int


class FeedStats(Sent, frozen=True, kw_only=True, tag="feed_stats"):
    """How a feed fares: messages by kind, the last refusals, what is in hand and for how long.

    `applied` counts parts of messages that a market obeyed, `steps_refused` what markets refused,
    by reason: `feed_position_known` is a message that had been obeyed before. `passed_over` counts
    what a message said that was no use, though the rest of it may have been, by why.
    """

    id: int = 0
    feed: str
    kinds: dict[str, int]
    refused: int = 0
    refusals: tuple[str, ...] = ()
    in_hand: int = 0
    waiting: int = 0
    lag_ms: int = 0
    markets: int = 0
    calls: int = 0
    calls_again: int = 0
    updates: int = 0
    applied: int = 0
    steps_refused: dict[str, int]
    creations_refused: int = 0
    requests: int = 0
    passed_over: dict[str, int]
