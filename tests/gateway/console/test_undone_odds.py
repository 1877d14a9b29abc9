"""An undo of odds is sent only while what it takes back is the last thing that was done."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.common.commands import Quote
from engine.common.ids import MarketNo
from gateway.console.pages.odds import override_odds, release_odds, set_odds
from gateway.console.undos import NotUndoneError, Undo
from tests.gateway.bookmaker import Bookmaker, open_bookmaker, trader

ONE = MarketNo(1)


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
        with pytest.raises(NotUndoneError, match="has changed since"):
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
        with pytest.raises(NotUndoneError, match="other odds stand"):
            await undo.action()
        assert await odds(session) == 2_700
        await release_odds(screen, await line(session), 0)
        assert await odds(session) == 2_500
        with pytest.raises(NotUndoneError, match="other odds stand"):
            await undo.action()
