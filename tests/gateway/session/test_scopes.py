"""Commands by scope over real sockets: what each scope has, what they undo, previews, limits."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.common.commands import ResumeMarket
from engine.common.events import Refused
from engine.common.fixtures import Fixture
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from gateway.client import LimitsPatch, RefusedError
from gateway.messages.scopes import MarketScope
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, open_bookmaker, trader

FURTHER = {
    11: ("market-00000", "derby-1/1x2"),
    12: ("market-00001", "derby-1/total?total=2.5"),
    13: ("market-00000", "derby-1/total?total=3.5"),
    14: ("market-00001", "derby-2/1x2"),
    15: ("market-00000", "liga-1/1x2"),
    16: ("market-00001", "set-1/1x2"),
    17: ("market-00000", "new-1/1x2"),
}
FIXTURES = [
    Fixture(fixture="derby-1", sport="football", competition="cup", version=1),
    Fixture(fixture="derby-2", sport="football", competition="cup", version=1),
    Fixture(fixture="liga-1", sport="football", competition="liga", version=1),
    Fixture(fixture="set-1", sport="tennis", competition="cup", version=1),
]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    async with open_bookmaker(tmp_path, markets=FURTHER) as bookmaker:
        bookmaker.gateway.catalogue.take(FIXTURES)
        yield bookmaker


def stopped(bookmaker: Bookmaker) -> set[int]:
    """Return the further markets that take no bets."""
    found = set()
    for number, (shell, _) in FURTHER.items():
        machine = bookmaker.processes[shell].target._machine()
        if machine.price_image(number).status is not Status.ACTIVE:
            found.add(number)
    return found


SCOPES = (
    (MarketScope(market=12), {12}, 1, 0),
    (MarketScope(fixture="derby-1"), {11, 12, 13}, 1, 0),
    (MarketScope(fixture="derby-1", type="total"), {12, 13}, 1, 0),
    (MarketScope(competition="cup"), {11, 12, 13, 14, 16}, 3, 3),
    (MarketScope(competition="cup", sport="football"), {11, 12, 13, 14}, 2, 3),
    (MarketScope(sport="football"), {11, 12, 13, 14, 15}, 3, 3),
    (MarketScope(sport="football", type="1x2"), {11, 14, 15}, 3, 3),
)
"""Scopes, their markets, how many fixtures they have, and how many more may belong to them."""


async def test_a_scope_stops_its_markets_and_its_undoing_starts_them(house: Bookmaker) -> None:
    async with trader(house) as control:
        for scope, markets, fixtures, undescribed in SCOPES:
            seen = await control.suspend_scope(scope, preview=True)
            counts = (seen.markets, seen.open, seen.fixtures, seen.changed, seen.preview)
            assert counts == (len(markets), len(markets), fixtures, 0, True), scope
            assert set(seen.first_markets) == markets
            assert stopped(house) == set()
            done = await control.suspend_scope(scope, why="fog")
            assert stopped(house) == markets
            assert (done.changed, done.unchanged, done.failed) == (len(markets), 0, ())
            assert len(done.first_fixtures) == done.fixtures == fixtures
            assert done.undescribed == undescribed
            assert (await control.suspend_scope(scope)).unchanged == len(markets)
            done = await control.resume_scope(scope)
            assert (done.changed, stopped(house)) == (len(markets), set())


async def test_the_house_and_one_type_of_it_are_scopes(house: Bookmaker) -> None:
    async with trader(house) as control:
        done = await control.suspend_scope(MarketScope(house=True))
        assert stopped(house) == set(FURTHER)
        assert done.markets == done.changed == len(house.keys)
        await control.resume_scope(MarketScope(house=True, type="total"))
        assert stopped(house) == set(FURTHER) - {12, 13}


async def test_a_resumption_leaves_what_a_trader_stopped_by_itself(house: Bookmaker) -> None:
    async with trader(house) as control:
        await control.suspend(11, why="mine")
        assert (await control.suspend_scope(MarketScope(fixture="derby-1"))).changed == 3
        done = await control.resume_scope(MarketScope(fixture="derby-1"))
        assert (done.changed, done.released, done.kept) == (2, 1, 0)
        assert stopped(house) == {11}


async def test_outcomes_are_a_scope_of_their_own(house: Bookmaker) -> None:
    async with trader(house) as control:
        scope = MarketScope(market=11, outcomes=(1, 2))
        assert (await control.suspend_scope(scope)).changed == 1
        book = await control.book(11)
        assert (book.active, book.outcome_held) == ((True, False, False), (False, True, True))
        assert (await control.resume_scope(scope)).changed == 1
        assert (await control.book(11)).active == (True,) * 3


async def test_limits_are_set_of_every_market_of_a_scope(house: Bookmaker) -> None:
    async with trader(house) as control:
        scope, patch = MarketScope(competition="cup"), LimitsPatch(stake_minor_max=7_000)
        assert (await control.set_limits_of(scope, patch, preview=True)).markets == 5
        assert (await control.book(14)).limits.stake_minor_max == 10_000
        assert (await control.set_limits_of(scope, patch)).changed == 5
        limits = [(await control.book(number)).limits.stake_minor_max for number in FURTHER]
        assert limits == [7_000] * 4 + [10_000, 7_000, 10_000]
        over = LimitsPatch(stake_minor_min=9_000)
        assert (await control.set_limits_of(MarketScope(fixture="derby-1"), over)).failed == (
            11,
            12,
            13,
        )


REFUSED = (
    (MarketScope(), Reason.FIELD_OUT_OF_BOUNDS),
    (MarketScope(market=11, fixture="derby-1"), Reason.FIELD_OUT_OF_BOUNDS),
    (MarketScope(house=True, sport="football"), Reason.FIELD_OUT_OF_BOUNDS),
    (MarketScope(fixture="derby-1", outcomes=(1,)), Reason.FIELD_OUT_OF_BOUNDS),
    (MarketScope(market=11, type="1x2"), Reason.FIELD_OUT_OF_BOUNDS),
    (MarketScope(type="1x2"), Reason.FIELD_OUT_OF_BOUNDS),
    (MarketScope(sport=""), Reason.FIELD_OUT_OF_BOUNDS),
    (MarketScope(market=99), Reason.MARKET_UNKNOWN),
    (MarketScope(competition="cop"), Reason.MARKET_UNKNOWN),
)


async def test_what_is_no_scope_or_has_no_market_is_refused(house: Bookmaker) -> None:
    async with trader(house) as control:
        for scope, reason in REFUSED:
            with pytest.raises(RefusedError) as refused:
                await control.suspend_scope(scope)
            assert refused.value.reason is reason, scope
        assert stopped(house) == set()


@pytest.mark.parametrize(
    ("role", "asks"),
    [
        (Role.SETTLER, {"resume", "limit"}),
        (Role.RISK, {"resume"}),
        (Role.FEED, {"suspend", "resume", "limit"}),
        (Role.VIEWER, {"suspend", "resume", "limit"}),
    ],
)
async def test_who_may_not_is_refused(house: Bookmaker, role: Role, asks: set[str]) -> None:
    scope = MarketScope(market=11)
    async with trader(house, role=role) as control:
        calls = [
            ("suspend", control.suspend_scope(scope)),
            ("limit", control.set_limits_of(scope, LimitsPatch(stake_minor_max=9))),
            ("resume", control.resume_scope(scope)),
        ]
        answers = await asyncio.gather(*(call for _, call in calls), return_exceptions=True)
        denied = {
            name
            for (name, _), answer in zip(calls, answers, strict=True)
            if isinstance(answer, RefusedError) and answer.reason is Reason.NOT_PERMITTED
        }
        assert denied == asks


async def test_what_two_people_stopped_opens_when_the_last_of_them_resumes(
    house: Bookmaker,
) -> None:
    derby, totals = MarketScope(fixture="derby-1"), MarketScope(fixture="derby-1", type="total")
    async with (
        trader(house, sub="ada") as ada,
        trader(house, sub="ida", role=Role.HEAD_TRADER) as ida,
    ):
        assert (await ada.suspend_scope(totals)).changed == 2
        assert (await ida.suspend_scope(derby, why="kill")).changed == 3
        assert (await ada.book(12)).stopped_by == ("trader:ada", "head_trader:ida")
        done = await ada.resume_scope(derby)
        assert (done.changed, done.released, done.kept, done.unchanged) == (0, 0, 3, 0)
        assert done.others == ("head_trader:ida",)
        assert stopped(house) == {11, 12, 13}
        assert (await ada.suspend_all(fixture="derby-1")).suspended == 3
        everything = await ida.resume_all(fixture="derby-1")
        assert (everything.resumed, everything.kept) == (0, 3)
        assert everything.others == ("trader:ada",)
        with pytest.raises(RefusedError) as refused:
            await ada.resume_scope(derby, force=True)
        assert refused.value.reason is Reason.NOT_PERMITTED
        assert (await ida.resume_scope(derby, force=True)).changed == 3
        assert stopped(house) == set()


async def test_a_market_s_own_resumption_is_refused_while_others_stop_it(house: Bookmaker) -> None:
    async with (
        trader(house, sub="ada") as ada,
        trader(house, sub="ida", role=Role.HEAD_TRADER) as ida,
    ):
        await ida.suspend_scope(MarketScope(house=True))
        event = await ada.resume(11)
        assert isinstance(event, Refused)
        assert event.reason is Reason.MARKET_HELD
        assert "head_trader:ida" in event.message
        # Whoever a client says that it is, the shell knows better.
        (event,) = await ada.control([ResumeMarket(market_no=MarketNo(11), by="head_trader:ida")])
        assert isinstance(event, Refused)
        assert 11 in stopped(house)
        await ida.resume_scope(MarketScope(house=True))
        assert stopped(house) == set()
