"""What is to be settled over real sockets, with the results of which two feeds differ."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.messages import MarketControl, encode
from actors.peer import LocalPeer
from engine.common.commands import (
    CancelMarket,
    FeedStep,
    FeedUpdate,
    OutcomeResult,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.fixtures import Fixture, FixtureState
from engine.common.ids import MarketNo
from engine.common.stated_matches import MatchScore, SaidPage
from engine.watch.feed_conflicts import FeedConflictRule
from engine.watch.rules import WatchRule
from gateway.client import ControlSession
from gateway.feeds.core.said_matches import SaidMatches
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, open_bookmaker, trader
from tests.gateway.price_gateway import until

MARKET = MarketNo(1)
RULE = WatchRule(name="conflicts", kind=FeedConflictRule())


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    async with open_bookmaker(tmp_path) as system:
        yield system


def results(winner: int) -> tuple[OutcomeResult, ...]:
    return tuple(OutcomeResult(won=outcome == winner) for outcome in range(3))


class Feeds:
    """Feeds that state results of a market, each message with a later position."""

    def __init__(self, bookmaker: Bookmaker) -> None:
        self._bookmaker = bookmaker
        self._position = 0

    def state(self, feed: str, step: FeedStep) -> None:
        self._position += 1
        update = FeedUpdate(
            market_no=MARKET, source=f"{feed}:1/result", position=self._position, steps=(step,)
        )
        request = MarketControl(by=f"feed:{feed}", commands=(update,))
        self._bookmaker.processes["market-a"].target.control(encode(request))

    def settle(self, feed: str, winner: int) -> None:
        self.state(feed, SettleMarket(market_no=MARKET, results=results(winner)))


async def differ(control: ControlSession, *outcomes: int) -> None:
    """Wait until the market is listed with a conflict of just these outcomes, none for none."""

    async def listed() -> bool:
        work = await control.settlement_work(conflicts=True)
        return [line.differ for line in work.lines] == ([outcomes] if outcomes else [])

    await until(listed)


async def test_results_of_which_feeds_differ_are_an_alert_and_a_line(bookmaker: Bookmaker) -> None:
    feeds = Feeds(bookmaker)
    async with trader(bookmaker) as control:
        await control.set_rule(RULE)
        feeds.settle("uof", 0)
        feeds.settle("lsports", 0)
        await differ(control)
        feeds.settle("lsports", 2)
        await differ(control, 0, 2)
        (line,) = (await control.settlement_work()).lines
        assert (line.market, line.key, line.status) == (MARKET, "cup-0/1x2", "settled")
        assert [one.feed for one in line.statements] == ["uof", "lsports"]
        (alert,) = (await control.alerts()).alerts
        assert (alert.market, alert.figures["outcomes"]) == (MARKET, 2)
        feeds.state("lsports", RollBackSettlement(market_no=MARKET))
        await differ(control)
        feeds.settle("lsports", 1)
        await differ(control, 0, 1)
        await bookmaker.stop_desk()
        lost = await control.settlement_work()
        assert (lost.unknown, lost.conflicts) == (True, 0)
        bookmaker.start_desk()
        await differ(control, 0, 1)
        await control.settle(MARKET, results(0))
        await differ(control)
        feeds.state("uof", CancelMarket(market_no=MARKET))
        feeds.settle("lsports", 2)
        await differ(control, 0, 1, 2)


class Pipeline:
    """What one feed has said of the match."""

    def __init__(self, score: MatchScore) -> None:
        self.said = SaidMatches()
        self.say(score)

    def say(self, score: MatchScore) -> None:
        self.said.take("cup-0", FixtureState.LIVE, score)

    def said_matches(self, memory_ns: int, after: int) -> bytes:
        number, matches = self.said.after(after if memory_ns == 1 else 0)
        return encode(SaidPage(memory_ns=1, number=number, matches=tuple(matches)))


async def test_a_match_of_which_feeds_state_two_scores_is_listed_and_an_alert(
    bookmaker: Bookmaker,
) -> None:
    uof, backup = Pipeline((1, 0)), Pipeline((0, 0))
    bookmaker.desk_part.on_feeds(
        1, {"uof": LocalPeer(uof, name="uof"), "backup": LocalPeer(backup, name="backup")}
    )
    async with trader(bookmaker) as control:
        await control.set_rule(WatchRule(name="now", kind=FeedConflictRule(differ_s_max=0)))

        async def listed() -> bool:
            await bookmaker.check_rules()
            return bool((await control.settlement_work()).matches)

        await until(listed)
        (line,) = (await control.settlement_work()).matches
        assert (line.fixture, line.differ) == ("cup-0", ("score",))
        assert {one.source: one.score for one in line.statements} == {
            "uof": (1, 0),
            "backup": (0, 0),
        }

        async def alerted() -> bool:
            await bookmaker.check_rules()
            return bool((await control.alerts(fixture="cup-0")).alerts)

        await until(alerted)
        backup.say((1, 0))

        async def agreed() -> bool:
            await bookmaker.check_rules()
            return not (await control.settlement_work()).matches

        await until(agreed)


async def test_markets_of_what_is_over_are_listed_until_they_have_a_result(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker, role=Role.VIEWER) as viewer, trader(bookmaker) as control:
        assert (await viewer.settlement_work()).lines == ()
        await control.close_market(MarketNo(3))
        await until(lambda: numbers_are(viewer, 3))
        ended = Fixture(fixture="cup-0", state=FixtureState.ENDED, version=1)
        bookmaker.gateway.on_fixtures(encode([ended]))
        await until(lambda: numbers_are(viewer, 1, 2, 3))
        first = await viewer.settlement_work(limit=2)
        assert ([line.fixture_state for line in first.lines], first.more) == (["ended"] * 2, True)
        rest = await viewer.settlement_work(after=MarketNo(2), limit=1)
        assert ([line.status for line in rest.lines], rest.more) == (["closed"], False)
        await control.settle(MARKET, results(1))
        await until(lambda: numbers_are(viewer, 2, 3))


async def numbers_are(control: ControlSession, *expected: int) -> bool:
    lines = (await control.settlement_work()).lines
    return tuple(line.market for line in lines) == expected
