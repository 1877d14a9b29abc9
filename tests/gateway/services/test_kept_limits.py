"""Kept limits over real sockets: for markets that are there, that come, and over a restart."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.common.acceptance import AcceptancePatch
from engine.common.commands import CreateMarket, Limits, LimitsPatch
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from gateway.client import ControlSession, MarketScope, RefusedError
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, open_bookmaker, trader
from tests.gateway.price_gateway import until

HOUSE = MarketScope(house=True)
CUP = MarketScope(fixture="cup-0")


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    async with open_bookmaker(tmp_path) as system:
        yield system


async def stake_is(control: ControlSession, market: int, stake_minor: int) -> None:
    async def reached() -> bool:
        limits = (await control.book(MarketNo(market))).limits
        return limits.stake_minor_max == stake_minor

    await until(reached)


async def delay_is(control: ControlSession, market: int, delay_ms: int) -> None:
    async def reached() -> bool:
        return (await control.book(MarketNo(market))).acceptance.delay_ms == delay_ms

    await until(reached)


def create(bookmaker: Bookmaker, number: int, key: str) -> None:
    bookmaker.keys[number], bookmaker.shell_of[number] = key, "market-a"
    bookmaker.command(
        CreateMarket(
            market_no=MarketNo(number),
            key=key,
            outcomes=("odd", "even"),
            odds_milli=(1_900, 1_900),
            limits=Limits(),
        )
    )


async def test_limits_hold_for_markets_to_come_and_over_a_restart(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker, role=Role.RISK) as risk:
        kept = await risk.keep_limits(HOUSE, LimitsPatch(stake_minor_max=700))
        assert (kept.total, kept.markets, kept.limits[0].by) == (1, 3, "risk:risk-1")
        await risk.keep_limits(CUP, LimitsPatch(stake_minor_max=500))
        await stake_is(risk, 3, 700)
        await stake_is(risk, 1, 500)
        await risk.set_limits(MarketNo(1), LimitsPatch(stake_minor_max=900))
        create(bookmaker, 4, "cup-0/odd_even")
        bookmaker.notify_routes("market-a", bookmaker.gateway.routes.shells["market-a"].state)
        await stake_is(risk, 4, 500)
        await bookmaker.stop_desk()
        create(bookmaker, 5, "cup-1/odd_even")
        bookmaker.start_desk()
        await stake_is(risk, 5, 700)
        await stake_is(risk, 1, 900)
        assert [one.scope for one in (await risk.kept_limits(market=MarketNo(4))).limits] == [
            CUP,
            HOUSE,
        ]
        released = await risk.release_limits(CUP)
        assert (released.total, released.markets) == (1, 3)
        await stake_is(risk, 4, 700)


async def test_delays_hold_for_markets_to_come_and_those_of_play_once_a_fixture_is_live(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker, role=Role.RISK) as risk:
        await risk.keep_limits(HOUSE, LimitsPatch(stake_minor_max=700))
        kept = await risk.keep_limits(
            HOUSE,
            acceptance=AcceptancePatch(delay_ms=200),
            acceptance_in_play=AcceptancePatch(delay_ms=4_000, referral_ms=60_000),
        )
        assert kept.limits[0].limits == LimitsPatch(stake_minor_max=700), "it is kept on"
        await delay_is(risk, 1, 200)
        await delay_is(risk, 3, 200)
        bookmaker.desk_part.on_match("cup-0", True, 0, 0, False)
        await delay_is(risk, 1, 4_000)
        create(bookmaker, 4, "cup-0/odd_even")
        bookmaker.notify_routes("market-a", bookmaker.gateway.routes.shells["market-a"].state)
        await delay_is(risk, 4, 4_000)
        assert (await risk.book(MarketNo(3))).acceptance.delay_ms == 200, "not in play"
        await bookmaker.stop_desk()
        bookmaker.start_desk()
        await risk.keep_limits(CUP, acceptance_in_play=AcceptancePatch(delay_ms=6_000))
        await delay_is(risk, 1, 6_000)


async def test_what_cannot_be_kept_is_refused(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control:
        with pytest.raises(RefusedError) as empty:
            await control.keep_limits(HOUSE)
        assert "at least one" in str(empty.value)
        with pytest.raises(RefusedError) as nothing:
            await control.keep_limits(HOUSE, LimitsPatch(), acceptance=AcceptancePatch())
        assert nothing.value.reason is Reason.SCOPE_UNKNOWN
        with pytest.raises(RefusedError) as over:
            await control.keep_limits(HOUSE, LimitsPatch(stake_minor_max=1_000_001))
        assert over.value.reason is Reason.LIMIT_OVER_CAP
        with pytest.raises(RefusedError) as later:
            await control.keep_limits(HOUSE, limits_in_play=LimitsPatch(stake_minor_max=1_000_001))
        assert "limits_in_play: stake_minor_max" in str(later.value)
        with pytest.raises(RefusedError) as scope:
            await control.keep_limits(MarketScope(), LimitsPatch(stake_minor_max=5))
        assert "scope" in str(scope.value)
        with pytest.raises(RefusedError) as unknown:
            await control.release_limits(HOUSE)
        assert unknown.value.reason is Reason.SCOPE_UNKNOWN
    async with trader(bookmaker, role=Role.SETTLER) as settler:
        with pytest.raises(RefusedError) as denied:
            await settler.keep_limits(HOUSE, LimitsPatch(stake_minor_max=5))
        assert denied.value.reason is Reason.NOT_PERMITTED
