"""The desk's watch looks at markets in turn and at feeds, and bounds what it writes."""

import asyncio
from typing import Any

from actors.desk_watch import ALERTS_A_SECOND_MAX, FEEDS_EVERY, FINDINGS_WAITING_MAX, DeskWatch
from actors.market_sweep import MarketSweep
from actors.messages import encode
from actors.peer import LocalPeer
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS, OddsMilli
from engine.common.views import PriceDelta, PriceImage
from engine.watch.alerts import Alerts
from engine.watch.arbitrage import ArbitrageRule
from engine.watch.bet_stops import NoBetStopRule
from engine.watch.bounds import FeedLagRule
from engine.watch.kinds import Kind
from engine.watch.rules import Scope, WatchRule


class Pipeline:
    """A feed's pipeline: its messages by kind, and the age of the oldest in progress."""

    def __init__(self) -> None:
        self.kinds = {"alive": 1}
        self.lag_ms = 0

    def stats(self) -> dict[str, Any]:
        return {"kinds": self.kinds, "lag_ms": self.lag_ms}


class Watched:
    """A watch with rules, whose clock the test moves."""

    def __init__(self, *kinds: Kind, scope: Scope = Scope()) -> None:  # noqa: B008 - frozen
        self.alerts = Alerts()
        self.now_ms = 1_000_000
        self.watch = DeskWatch(
            alerts=lambda: self.alerts,
            write=self._write,
            clock_ns=lambda: self.now_ms * NS_PER_MS,
        )
        for number, kind in enumerate(kinds):
            rule = WatchRule(name=f"rule-{number}", kind=kind, scope=scope)
            self.alerts.apply(self.alerts.set_rule(rule, by="trader:anna", at_ns=0))  # type: ignore[arg-type]
        self.watch.rules_changed()

    def _write(self, *documents: Any) -> bool:
        for document in documents:
            self.alerts.apply(document)
        return True

    async def seconds(self, count: int) -> None:
        for _ in range(count):
            self.now_ms += 1_000
            await self.watch.check()

    def subjects(self) -> list[str]:
        return [alert.finding.subject for alert in self.alerts.alerts.values()]


async def test_a_feed_that_is_late_or_silent_is_found() -> None:
    watched, pipeline = Watched(FeedLagRule(lag_ms_max=3_000, silent_s_max=20)), Pipeline()
    watched.watch.on_feeds(1, {"uof": LocalPeer(pipeline, name="feed-uof")})
    for _ in range(8):
        pipeline.kinds["alive"] += 1
        await watched.seconds(FEEDS_EVERY)
    assert watched.subjects() == []
    pipeline.lag_ms = 3_001
    await watched.seconds(FEEDS_EVERY)
    assert [alert.finding.figures for alert in watched.alerts.alerts.values()] == [
        {"lag_ms": 3_001}
    ]
    pipeline.lag_ms = 0
    await watched.seconds(21 + FEEDS_EVERY)
    (alert,) = watched.alerts.alerts.values()
    assert alert.finding.figures["silent_ms"] > 20_000


class FrozenPipeline:
    """A feed's pipeline whose process stands still."""

    def __init__(self) -> None:
        self.asked = 0
        self.thawed = asyncio.Event()

    async def stats(self) -> dict[str, Any]:
        self.asked += 1
        await self.thawed.wait()
        return {"kinds": {"alive": 1}, "lag_ms": 0}


async def test_a_feed_that_has_never_answered_is_silent_since_it_was_known() -> None:
    watched, pipeline = Watched(FeedLagRule(silent_s_max=20)), FrozenPipeline()
    watched.watch.on_feeds(1, {"uof": LocalPeer(pipeline, name="feed-uof")})
    await watched.seconds(20)
    assert watched.subjects() == []
    await watched.seconds(2)
    assert watched.subjects() == ["feed uof"]
    assert pipeline.asked == 1, "it is asked again when it has answered"
    await watched.watch.stop()


async def test_an_older_list_of_feeds_changes_nothing() -> None:
    watched, pipeline = Watched(FeedLagRule(silent_s_max=5)), Pipeline()
    watched.watch.on_feeds(2, {"uof": LocalPeer(pipeline, name="feed-uof")})
    watched.watch.on_feeds(1, {"uof": LocalPeer(Pipeline(), name="older")})
    pipeline.lag_ms = 60_000
    await watched.seconds(FEEDS_EVERY)
    assert watched.subjects() == ["feed uof"]


def image(number: int) -> PriceImage:
    return PriceImage(
        market_no=MarketNo(number),
        key=f"cup-{number}/1x2",
        status=Status.ACTIVE,
        version=1,
        outcomes=("home", "away"),
        odds_milli=(OddsMilli(1_900), OddsMilli(1_900)),
        active=(True, True),
    )


async def test_findings_wait_for_their_second_and_are_bounded() -> None:
    watched = Watched(NoBetStopRule())
    most = ALERTS_A_SECOND_MAX
    for number in range(1, FINDINGS_WAITING_MAX + 2 * most + 1):
        watched.watch.on_created(encode([image(number)]))
        for home in (0, 1):
            watched.watch.on_match(f"cup-{number}", in_play=True, home=home, away=0)
    assert len(watched.alerts.alerts) == most
    assert watched.watch.findings_dropped == most
    await watched.seconds(1)
    assert len(watched.alerts.alerts) == 2 * most


async def test_a_score_is_seen_once() -> None:
    watched = Watched(NoBetStopRule())
    watched.watch.on_created(encode([image(1)]))
    for home in (0, 1, 1, 2):
        watched.watch.on_match("cup-1", in_play=True, home=home, away=0)
    assert watched.subjects() == ["fixture cup-1 score 1-0", "fixture cup-1 score 2-0"]


async def test_a_score_that_is_heard_of_first_or_told_again_is_no_goal() -> None:
    watched = Watched(NoBetStopRule())
    watched.watch.on_created(encode([image(1), image(2)]))
    watched.watch.on_match("cup-1", in_play=True, home=1, away=0)
    watched.watch.on_match("cup-1", in_play=True, home=2, away=0, changed=False)
    assert watched.subjects() == []
    assert watched.watch.in_play("cup-1")
    watched.watch.on_match("cup-1", in_play=True, home=3, away=0)
    assert watched.subjects() == ["fixture cup-1 score 3-0"]


def test_changed_markets_come_first_and_all_others_in_turn() -> None:
    sweep = MarketSweep()
    numbers = [MarketNo(number) for number in range(1, 8)]
    sweep.note(MarketNo(6))
    sweep.note(MarketNo(99))
    assert sweep.take(numbers, most=3) == [6, 1, 2]
    assert sweep.take(numbers, most=3) == [3, 4, 5]
    assert sweep.take(numbers, most=3) == [6, 7, 1]
    assert sorted(sweep.take(numbers, most=50)) == numbers
    assert sweep.take([], most=3) == []


def football(number: int, key: str, outcomes: str, *odds_milli: int) -> PriceImage:
    return PriceImage(
        market_no=MarketNo(number),
        key=key,
        status=Status.ACTIVE,
        version=1,
        outcomes=tuple(outcomes.split()),
        odds_milli=tuple(map(OddsMilli, odds_milli)),
        active=(True,) * len(odds_milli),
    )


async def searched(watched: Watched) -> None:
    """Let a second pass, and wait for the searches that it began."""
    await watched.seconds(1)
    running = watched.watch.arbitrage.running
    if running is not None:
        await running


async def test_odds_of_two_markets_that_profit_together_are_found_as_they_change() -> None:
    watched = Watched(ArbitrageRule(), scope=Scope(fixture="cup-1"))
    for fixture in ("cup-1", "cup-2"):
        base = 10 * int(fixture[-1])
        images = [
            football(base, f"{fixture}/1x2", "home draw away", 2_500, 3_200, 2_900),
            football(base + 1, f"{fixture}/double_chance", "home_or_draw home_or_away draw_or_away",
                     1_400, 1_300, 1_450),
        ]  # fmt: skip
        watched.watch.on_created(encode(images))
    await searched(watched)
    assert watched.subjects() == []
    for number in (10, 20):
        delta = PriceDelta(
            market_no=MarketNo(number),
            version=2,
            status=Status.ACTIVE,
            odds_milli=(OddsMilli(3_900), OddsMilli(3_200), OddsMilli(2_900)),
            active=(True, True, True),
        )
        watched.watch.on_prices(encode([delta]))
    await searched(watched)
    assert watched.subjects() == ["fixture cup-1"]
    (alert,) = watched.alerts.alerts.values()
    assert alert.finding.figures["return"] > 1.05


async def test_a_rule_that_is_set_later_searches_what_is_there() -> None:
    watched = Watched(NoBetStopRule())
    watched.watch.on_created(encode([football(1, "cup-1/1x2", "home draw away", *[3_100] * 3)]))
    await searched(watched)
    rule = WatchRule(name="profit", kind=ArbitrageRule())
    watched.alerts.apply(watched.alerts.set_rule(rule, by="trader:anna", at_ns=0))  # type: ignore[arg-type]
    watched.watch.rules_changed()
    await searched(watched)
    assert watched.subjects() == ["fixture cup-1"]
