"""An undo is sent only while what it takes back is the last thing that was done."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.common.acceptance import AcceptancePatch
from engine.common.commands import LimitsPatch, Quote
from engine.common.ids import AccountNo, MarketNo
from engine.watch.bounds import LiabilityRule
from engine.watch.rules import WatchRule
from gateway.console.pages.account import undo_of_factor
from gateway.console.pages.limits import set_acceptance, set_limits
from gateway.console.pages.odds import override_odds, release_odds, set_odds
from gateway.console.pages.rules import undo_of_rule
from gateway.console.undos import NotUndoneError, Undo
from tests.gateway.bookmaker import Bookmaker, head_trader, open_bookmaker, trader

ONE, SEVEN = MarketNo(1), AccountNo(7)


class OneScreen:
    """A user's screen as an action sees it: the user's session, and what can be undone."""

    def __init__(self, session: Any) -> None:
        self.user = SimpleNamespace(session=session)
        self.kept: Undo

    async def act(self, _: str, action: Any, *, undo: Any = None) -> bool:
        answer = await action()
        self.kept = undo(answer) if callable(undo) else undo
        return True


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    async with open_bookmaker(tmp_path) as system:
        yield system


async def line(session: Any) -> Any:
    book = await session.book(ONE)
    return SimpleNamespace(number=ONE, name="1x2", image=book)


async def odds(session: Any) -> int:
    return (await session.book(ONE)).odds_milli[0]


async def test_odds_are_set_back_while_the_market_is_as_they_left_it(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as session:
        screen: Any = OneScreen(session)
        await set_odds(screen, await line(session), 0, "2.6")
        assert await odds(session) == 2_600
        await screen.kept.action()
        assert await odds(session) == 2_500


@pytest.mark.parametrize("goal", [True, False], ids=["a stop", "other odds"])
async def test_odds_of_before_a_goal_are_not_set_again(bookmaker: Bookmaker, goal: bool) -> None:
    async with trader(bookmaker) as session, trader(bookmaker, sub="bo") as other:
        screen: Any = OneScreen(session)
        await set_odds(screen, await line(session), 0, "2.6")
        if goal:
            await other.suspend(ONE)
            await other.resume(ONE)
        else:
            await other.set_odds(ONE, [Quote(outcome=1, odds_milli=3_300)])
        with pytest.raises(NotUndoneError, match="market has changed since"):
            await screen.kept.action()
        assert await odds(session) == 2_600


async def test_only_the_odds_that_the_screen_let_stand_are_released(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as session, trader(bookmaker, sub="bo") as other:
        screen: Any = OneScreen(session)
        await override_odds(screen, await line(session), 0, "2.6")
        await other.set_odds(ONE, [Quote(outcome=1, odds_milli=3_300)])
        await screen.kept.action()
        assert await odds(session) == 2_500
        await override_odds(screen, await line(session), 0, "2.6")
        undo = screen.kept
        await other.override_odds(ONE, {0: 2_700})
        with pytest.raises(NotUndoneError, match="odds that stand have changed"):
            await undo.action()
        assert await odds(session) == 2_700
        await release_odds(screen, await line(session), 0)
        assert await odds(session) == 2_500
        with pytest.raises(NotUndoneError, match="odds that stand have changed"):
            await undo.action()


async def test_limits_and_delay_that_somebody_changed_since_stay(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as session, trader(bookmaker, sub="bo") as other:
        screen: Any = OneScreen(session)
        one = SimpleNamespace(number=ONE, name="1x2", book=await session.book(ONE))
        await set_limits(screen, one, {"where": "this market", "stake_minor_max": "50"})
        undo = screen.kept
        await undo.action()
        assert (await session.book(ONE)).limits.stake_minor_max == 10_000
        await other.set_limits(ONE, LimitsPatch(stake_minor_max=100))
        with pytest.raises(NotUndoneError, match="limits have changed"):
            await undo.action()
        await set_acceptance(screen, one, {"where": "this market", "delay_ms": "3000"})
        await screen.kept.action()
        assert (await session.book(ONE)).acceptance.delay_ms == 0
        await other.set_acceptance(ONE, AcceptancePatch(delay_ms=4_000))
        with pytest.raises(NotUndoneError, match="delay or referral has changed"):
            await screen.kept.action()
        assert (await session.book(ONE)).acceptance.delay_ms == 4_000


async def test_a_rule_and_a_factor_that_somebody_changed_since_stay(bookmaker: Bookmaker) -> None:
    first = WatchRule(name="worst", kind=LiabilityRule(liability_minor_max=1_000))
    second = WatchRule(name="worst", kind=LiabilityRule(liability_minor_max=2_000))
    async with head_trader(bookmaker) as session:
        await session.set_rule(second)
        undo = undo_of_rule(session, "worst", left=first, before=None)
        with pytest.raises(NotUndoneError, match="rule has changed"):
            await undo.action()
        await undo_of_rule(session, "worst", left=second, before=first).action()
        assert (await session.rules()).rules == (first,)
        await undo.action()
        assert (await session.rules()).rules == ()

        await session.set_account_factor(7, factor_milli=100, why="syndicate")
        with pytest.raises(NotUndoneError, match="factor has changed"):
            await undo_of_factor(session, SEVEN, left_milli=500, before_milli=1_000).action()
        await undo_of_factor(session, SEVEN, left_milli=100, before_milli=1_000).action()
        assert (await session.account(SEVEN)).factor_milli == 1_000
