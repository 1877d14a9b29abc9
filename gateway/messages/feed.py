"""Messages of the feed listener: providers' messages in, recovery requests out.

Owns schemas only; gateway.feeds decides what a provider's message means.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from engine.common.ids import MARKET_KEY_BYTES_MAX
from gateway.messages.base import FromClient, FromGateway, IdField
from gateway.settings import FEED_BODIES_MAX, FEED_BODY_BYTES_MAX

FeedField = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,32}\Z")]
FeedBody = Annotated[bytes, Meta(max_length=FEED_BODY_BYTES_MAX)]


class FeedPush(FromClient, frozen=True, kw_only=True, tag="feed_push"):
    """Push messages of a feed, as its transport delivered them; answered by `feed_pushed`.

    The messages of a session are applied in the order in which they are sent. They are answered
    when every market that they concern has applied them; then their source may discard them. After
    an `error` (the feed's pipeline died, or too many pushes are unanswered) the session takes no
    further pushes: send all unanswered ones again, in order, on a new connection; each still counts
    once.
    """

    id: IdField = 0
    feed: FeedField
    bodies: Annotated[tuple[FeedBody, ...], Meta(min_length=1, max_length=FEED_BODIES_MAX)]


class FeedAttach(FromClient, frozen=True, kw_only=True, tag="feed_attach"):
    """Begin to receive a feed's recovery requests, open ones first; answered by `feed_attached`."""

    id: IdField = 0
    feed: FeedField


class FeedRequestDone(FromClient, frozen=True, kw_only=True, tag="feed_request_done"):
    """Report that a `feed_request` was passed to the provider; answered only if refused."""

    id: IdField = 0
    feed: FeedField
    producer: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
    request_id: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class AskFeedStats(FromClient, frozen=True, kw_only=True, tag="feed_stats"):
    """Ask for a feed's statistics; answered by `feed_stats`."""

    id: IdField = 0
    feed: FeedField


class AskFeedFacts(FromClient, frozen=True, kw_only=True, tag="feed_facts"):
    """Ask what a feed says of a fixture's markets; answered by `feed_facts`.

    `after` is the last key of an answer that has `more`: the next one goes on behind it.
    """

    id: IdField = 0
    feed: FeedField
    fixture: Annotated[str, Meta(min_length=1, max_length=MARKET_KEY_BYTES_MAX)]
    after: Annotated[str, Meta(max_length=MARKET_KEY_BYTES_MAX)] = ""


# --- answers -------------------------------------------------------------------------------------


class FeedResult(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The result of one message: its kind and, when it had no effect, why."""

    kind: str
    refused: str = ""
    held: bool = False


class FeedReleased(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The result of a message that was held, by its place in its push.

    `again`: it was lost before any market applied it, and its source must send it again.
    """

    index: int
    kind: str = ""
    refused: str = ""
    again: bool = False


class FeedPushed(FromGateway, frozen=True, kw_only=True, tag="feed_pushed"):
    """The messages of a push are applied, or refused for good: their source may discard them.

    Except those whose result says `held`: they are in memory only, until a recovery is complete.
    Their source keeps them. Further `feed_pushed` of the same `id` have `released` instead of
    `results`: the results of held messages, once their markets have applied them.
    """

    id: int = 0
    results: tuple[FeedResult, ...] = ()
    released: tuple[FeedReleased, ...] = ()


class FeedAttached(FromGateway, frozen=True, kw_only=True, tag="feed_attached"):
    """Confirm that the session receives the feed's recovery requests."""

    id: int = 0
    feed: str = ""


class FeedRequest(FromGateway, frozen=True, kw_only=True, tag="feed_request"):
    """Request that the provider repeat a producer's messages after a time, in its milliseconds.

    `after_ms` 0 requests the full current state; with an `event_id`, that of one event, its odds
    and its results. `request_id` is part of the request to the
    provider, whose last repeated message contains it. Send `feed_request_done` after the request
    was passed to the provider.
    """

    feed: str
    producer: int
    after_ms: int
    request_id: int
    event_id: str = ""


class MarketFacts(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a feed says of one market besides its odds and results.

    `favourite`: the provider shows this line first. `next_betstop_ms`: when the market stops taking
    bets, 0 if not given. `cashout`: the provider's flag, 1 available, -1 unavailable, -2 closed; 0
    if not given. `void_reason`: the provider's number of why bets on it are refunded, 0 if none is
    or was. `names` holds people's names of outcomes that are known, by the market's own.
    """

    key: str
    favourite: bool = False
    next_betstop_ms: int = 0
    cashout: int = 0
    void_reason: int = 0
    names: dict[str, str] = field(default_factory=dict)


class FeedFacts(FromGateway, frozen=True, kw_only=True, tag="feed_facts"):
    """What a feed says of a fixture's markets, by rising key; `more`: there are others behind."""

    id: int = 0
    feed: str
    fixture: str
    markets: tuple[MarketFacts, ...] = ()
    more: bool = False


class FeedStats(FromGateway, frozen=True, kw_only=True, tag="feed_stats"):
    """A feed's statistics: messages by kind, last refusals, messages in progress and their age.

    `applied` counts parts of messages that a market applied; `steps_refused` counts the parts that
    markets refused, by reason: `feed_position_known` means that the part had been applied before.
    `held` messages wait in memory for a recovery to be complete, unacknowledged.
    `passed_over` counts the ignored parts of messages, by reason; the rest of such a message may
    have been applied.
    `waiting` parts of messages have no answer yet, by market shell in `shells_waiting`; the shells
    of `behind`, `shells_behind` in all, do not answer and miss what comes for them, and
    `shells_missed` says how many parts each missed. At most 64 shells are named, those with most.
    `opened` counts the markets that were opened since the feed's pipeline began. `unopened` are
    markets that the feed names and that never were, `lost` those that cannot be offered or settled
    here, each by its key or the feed's own name, and why; at most 100 of each.
    """

    id: int = 0
    feed: str
    kinds: dict[str, int]
    refused: int = 0
    refusals: tuple[str, ...] = ()
    in_hand: int = 0
    held: int = 0
    waiting: int = 0
    shells_behind: int = 0
    behind: tuple[str, ...] = ()
    shells_waiting: dict[str, int] = field(default_factory=dict)
    shells_missed: dict[str, int] = field(default_factory=dict)
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
    opened: int = 0
    unopened: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
