"""Books of many markets in one request are those that each market gives by itself."""

from typing import Any

import pytest

from gateway.client import RefusedError, connect_control
from gateway.messages.books import BOOKS_MAX
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, bettor
from tests.gateway.price_gateway import token


def control(bookmaker: Bookmaker, role: Role = Role.VIEWER) -> Any:
    return connect_control(bookmaker.control_url, token=token(role))


async def test_books_are_the_same_as_one_by_one(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker) as session:
        await session.place(ref="a", market=1, outcome=0, stake_minor=700, odds_milli=2_500)
        await session.place(ref="b", market=3, outcome=1, stake_minor=300, odds_milli=3_200)
    async with control(bookmaker) as session:
        answer = await session.books([3, 1, 2, 1])
        alone = [await session.book(number) for number in (1, 2, 3)]
    by_number = {book.market: book for book in answer.books}
    assert len(answer.books) == 3
    assert not answer.unheard
    for book in alone:
        expected = {name: getattr(book, name) for name in book.__struct_fields__ if name != "id"}
        found = by_number[book.market]
        assert {name: getattr(found, name) for name in expected} == expected
    assert by_number[1].liability_minor[0] == 700 * 25 // 10 - 700


async def test_markets_that_nobody_has_or_that_are_down_are_named(bookmaker: Bookmaker) -> None:
    bookmaker.kill_shell("market-b")
    async with control(bookmaker) as session:
        answer = await session.books([1, 3, 99])
    assert [book.market for book in answer.books] == [1]
    assert set(answer.unheard) == {3, 99}


async def test_more_books_than_the_bound_are_refused(bookmaker: Bookmaker) -> None:
    async with control(bookmaker) as session:
        with pytest.raises(RefusedError, match="markets"):
            await session.books(list(range(BOOKS_MAX + 1)))
        with pytest.raises(RefusedError, match="markets"):
            await session.books([])
