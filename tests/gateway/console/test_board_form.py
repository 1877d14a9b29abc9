"""What the form of a board sends, and how it is refused, on a real house."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gateway.console.pages.creation import create_board
from gateway.messages.fixtures import FixtureLine
from tests.gateway.fixture_house import open_fixture_house
from tests.gateway.session.test_boards import trader


async def test_a_form_creates_a_football_fixture_with_its_open_board(tmp_path: Path) -> None:
    described: list[FixtureLine] = []
    answers: list[Any] = []
    said: list[str] = []

    async def act(_: str, action: Callable[[], Awaitable[Any]]) -> bool:
        answers.append(await action())
        return True

    async with open_fixture_house(tmp_path) as house, trader(house) as control:
        screen: Any = SimpleNamespace(
            user=SimpleNamespace(session=control),
            model=SimpleNamespace(take_fixture=described.append),
            say=lambda text, **_: said.append(text),
            act=act,
        )
        form = {"fixture": "cup-99", "template": "football_main", "home": "Chile", "away": "Peru"}
        assert not await create_board(screen, {**form, "total": "<b>"})
        assert not await create_board(screen, {**form, "total": "2.6", "start": "tomorrow"})
        assert not described
        assert await create_board(screen, {**form, "total": "2.6", "open": "true"})
    assert (described[0].name, described[0].sport) == ("Chile v Peru", "football")
    assert described[0].by_status == {"active": answers[0].created}
    assert answers[0].created > 10
    assert "`total`" in said[0]
    assert said[1].startswith("start:")
