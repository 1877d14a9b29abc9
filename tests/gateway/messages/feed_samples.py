"""Samples of what a gateway says to sources of feeds and of what feeds say."""

from gateway.messages.feed import (
    FeedAttached,
    FeedFacts,
    FeedPushed,
    FeedRequest,
    FeedResult,
    FeedStats,
    MarketFacts,
)

FEED_ANSWERS = (
    FeedPushed(
        id=20,
        results=(
            FeedResult(kind="alive"),
            FeedResult(kind="bet_stop", refused="no product"),
        ),
    ),
    FeedAttached(id=21, feed="uof"),
    FeedRequest(feed="uof", producer=1, after_ms=1_800_000_000_000, request_id=7),
    FeedStats(
        id=23,
        feed="uof",
        kinds={"alive": 12, "odds_change": 340},
        refused=1,
        refusals=("bet_stop: no product",),
        markets=64,
        applied=900,
        steps_refused={"feed_position_known": 3},
        passed_over={"settlement refused": 1},
        opened=60,
        unopened={"sr:match:7/1x2": "no price"},
        lost={"sr:match:8/1x2": "settlement refused: an outcome is missing"},
    ),
    FeedFacts(
        id=24,
        feed="uof",
        fixture="sr:match:7",
        markets=(
            MarketFacts(
                key="sr:match:7/uof_40",
                favourite=True,
                next_betstop_ms=1_800_000_000_000,
                cashout=-1,
                void_reason=12,
                names={"sr:player:17": "Player, A"},
            ),
        ),
        more=True,
    ),
)
