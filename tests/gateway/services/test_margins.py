"""Kept margins over real sockets: set by scope, listed, and obeyed at the next repricing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from actors.settings import DeskSettings
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from gateway.client import ControlSession, MarketScope, RefusedError
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, open_bookmaker, trader
from tests.gateway.price_gateway import until

FIXTURE = "cup-0"
MODEL = {"home_rate": 1.6, "away_rate": 1.2}
HOUSE = MarketScope(house=True)


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    async with open_bookmaker(tmp_path, desk=DeskSettings(quote_ms=60_000)) as system:
        yield system


async def book_sum(control: ControlSession, market: MarketNo) -> float:
    return sum(1_000 / odds for odds in (await control.book(market)).odds_milli)


async def moved_to(control: ControlSession, sums: dict[MarketNo, float]) -> None:
    """Wait until markets have these book sums, as near as the ladder of odds allows."""

    async def reached() -> bool:
        found = {market: await book_sum(control, market) for market in sums}
        return found == pytest.approx(sums, abs=0.012)

    await until(reached)


async def test_margins_move_the_odds_of_what_is_kept_at_once_and_over_a_restart(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker) as control:
        first, second = MarketNo(1), MarketNo(2)
        await control.keep_inputs(FIXTURE, {"model": MODEL})
        await moved_to(control, {first: 1.05, second: 1.05})
        kept = await control.keep_margin(HOUSE, margin={"book_milli": 1_100})
        assert (kept.total, kept.fixtures, kept.margins[0].by) == (1, 1, "trader:trader-1")
        await moved_to(control, {first: 1.10, second: 1.10})
        await control.keep_margin(MarketScope(market=second), margin={"book_milli": 1_030})
        await moved_to(control, {first: 1.10, second: 1.03})
        await bookmaker.stop_desk()
        bookmaker.start_desk(quote_ms=60_000)
        listed = await control.margins(market=second)
        assert [one.scope for one in listed.margins] == [MarketScope(market=second), HOUSE]
        released = await control.release_margin(MarketScope(market=second))
        assert (released.margins, released.total) == ((), 1)
        await moved_to(control, {first: 1.10, second: 1.10})


@pytest.mark.parametrize(
    ("scope", "fields", "names"),
    [
        (HOUSE, {}, "name a margin"),
        (HOUSE, {"margin": {"book_milli": 900}}, "book_milli"),
        (HOUSE, {"margin": {"flavour": 1}}, "flavour"),
        (HOUSE, {"skew": {"type": "linear"}}, "scale_minor"),
        (MarketScope(), {"skew": None}, "scope"),
        (MarketScope(market=1, outcomes=(0,)), {"skew": None}, "outcomes"),
        (MarketScope(market=999), {"skew": None}, "999"),
    ],
)
async def test_what_cannot_be_kept_is_refused_by_name(
    bookmaker: Bookmaker, scope: MarketScope, fields: dict[str, Any], names: str
) -> None:
    async with trader(bookmaker) as control:
        with pytest.raises(RefusedError) as refused:
            await control.keep_margin(scope, **fields)
        assert names in str(refused.value)
        with pytest.raises(RefusedError) as unknown:
            await control.release_margin(HOUSE)
        assert unknown.value.reason is Reason.SCOPE_UNKNOWN
        assert (await control.margins()).margins == ()


async def test_who_prices_nothing_keeps_no_margin(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker, role=Role.RISK) as risk:
        with pytest.raises(RefusedError) as denied:
            await risk.keep_margin(HOUSE, skew=None, margin=UNSET)
        assert denied.value.reason is Reason.NOT_PERMITTED
        assert (await risk.margins()).total == 0
