"""Find figures beyond a bound that a trader has set: a market's liability, a feed's lag or silence.

Owns the last figures only. Each crossing is found once: it is found again after the figure was back
within its bound.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import MarketNo
from engine.common.units import LIMIT_MINOR_MAX, NS_PER_MS, Nanos
from engine.watch.bounded import Recent
from engine.watch.facts import BookSeen, Fact, FeedKnown, FeedSeen, Finding

MARKETS_MAX: Final = 1_048_576
"""Markets over their bound that are remembered; past it one of them may be found again."""
FEEDS_MAX: Final = 1_024
"""Feeds that are watched; past it the one without a message for longest is forgotten."""


class LiabilityRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="liability"):
    """Alert when the house loses more than `liability_minor_max` on an outcome of a market."""

    liability_minor_max: Annotated[int, Meta(ge=0, le=LIMIT_MINOR_MAX)]


class LiabilityDetector:
    """Compare each book's worst outcome with a bound.

    Parameters
    ----------
    rule : LiabilityRule
        The bound.
    """

    def __init__(self, rule: LiabilityRule) -> None:
        self._rule = rule
        self._over: dict[MarketNo, None] = {}

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Take a book; return a finding when its worst outcome passes the bound."""
        if not isinstance(fact, BookSeen):
            return ()
        worst = max(fact.liability_minor, default=0)
        if worst <= self._rule.liability_minor_max:
            self._over.pop(fact.market_no, None)
            return ()
        if fact.market_no in self._over:
            return ()
        if len(self._over) == MARKETS_MAX:
            del self._over[next(iter(self._over))]
        self._over[fact.market_no] = None
        return (
            Finding(
                subject=f"market {fact.market_no}",
                fixture=fact.fixture,
                market_no=fact.market_no,
                outcome=fact.liability_minor.index(worst),
                figures={
                    "liability_minor": worst,
                    "liability_minor_max": self._rule.liability_minor_max,
                },
            ),
        )

    def check(self, at_ns: Nanos) -> Iterable[Finding]:  # noqa: ARG002
        """Return nothing: only a book shows a liability."""
        return ()


class FeedLagRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="feed_lag"):
    """Alert when a feed's messages are `lag_ms_max` old, or none comes for `silent_s_max`."""

    lag_ms_max: Annotated[int, Meta(ge=1, le=3_600_000)] = 5_000
    silent_s_max: Annotated[int, Meta(ge=1, le=86_400)] = 20


class _Feed:
    __slots__ = ("at_ns", "late", "silent")

    def __init__(self) -> None:
        self.at_ns = Nanos(0)
        self.late = self.silent = False


class FeedLagDetector:
    """Compare the age of each feed's messages, and its silence, with a bound.

    Parameters
    ----------
    rule : FeedLagRule
        The bounds.
    """

    def __init__(self, rule: FeedLagRule) -> None:
        self._rule = rule
        self._feeds: Recent[str, _Feed] = Recent(_Feed, most=FEEDS_MAX)

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Take a message of a feed; return a finding when it is the first that is too old.

        A feed that was never heard is silent since it was known.
        """
        if isinstance(fact, FeedKnown):
            if fact.feed not in self._feeds.items:
                self._feeds.use(fact.feed).at_ns = fact.at_ns
            return ()
        if not isinstance(fact, FeedSeen):
            return ()
        feed = self._feeds.use(fact.feed)
        feed.at_ns, feed.silent = max(feed.at_ns, fact.at_ns), False
        late, feed.late = feed.late, fact.lag_ms > self._rule.lag_ms_max
        if late or not feed.late:
            return ()
        return (Finding(subject=f"feed {fact.feed}", figures={"lag_ms": fact.lag_ms}),)

    def check(self, at_ns: Nanos) -> Iterable[Finding]:
        """Return each feed that has become silent."""
        findings = []
        for name, feed in self._feeds.items.items():
            silent_ms = (at_ns - feed.at_ns) // NS_PER_MS
            if not feed.silent and silent_ms > self._rule.silent_s_max * 1_000:
                feed.silent = True
                findings.append(Finding(subject=f"feed {name}", figures={"silent_ms": silent_ms}))
        return findings
