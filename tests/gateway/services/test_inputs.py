"""Kept inputs over real sockets: set, changed by a match's events, and repriced by the desk."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.settings import DeskSettings
from engine.common.board_inputs import ExpectedGoals
from engine.common.reasons import Reason
from gateway.client import ControlSession, RefusedError
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, open_bookmaker, trader
from tests.gateway.price_gateway import until

FIXTURE = "cup-0"
MODEL = {"home_rate": 1.6, "away_rate": 1.2}


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    async with open_bookmaker(tmp_path, desk=DeskSettings(quote_ms=20)) as system:
        yield system


async def home_odds(control: ControlSession) -> int:
    return (await control.book(1)).odds_milli[0]


async def status(control: ControlSession) -> str:
    return (await control.book(1)).status


async def test_a_match_is_priced_from_what_the_desk_keeps(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control:
        kept = await control.keep_inputs(FIXTURE, {"model": MODEL})
        assert (kept.repriced, kept.refused) == (2, 0)
        assert (kept.sport, kept.running, kept.by) == ("football", False, "trader:trader-1")
        before = await home_odds(control)
        goal = await control.match_event(FIXTURE, "kick_off", reopen=True)
        assert (goal.suspended, goal.resumed, goal.running) == (2, 2, True)
        goal = await control.match_event(FIXTURE, "goal", side="home")
        assert (goal.suspended, goal.resumed, goal.state["order"]) == (2, 0, "h")
        assert await status(control) == "suspended"
        assert await home_odds(control) < before
        assert (await control.resume_all(fixture=FIXTURE)).resumed == 2


async def test_the_clock_moves_prices_by_itself_until_the_inputs_are_released(
    bookmaker: Bookmaker,
) -> None:
    async with trader(bookmaker) as control:
        state = {"period": 3, "clock_s": 2_700}
        kept = await control.keep_inputs(FIXTURE, {"model": MODEL, "state": state}, running=True)
        assert kept.running
        first = (await control.book(1)).version

        async def moved() -> bool:
            return (await control.inputs(FIXTURE)).state["clock_s"] > 2_701

        await until(moved)
        await until(lambda: version_above(control, first))
        released = await control.release_inputs(FIXTURE)
        assert released.sport == ""
        with pytest.raises(RefusedError) as gone:
            await control.inputs(FIXTURE)
        assert gone.value.reason is Reason.INPUTS_UNKNOWN


async def version_above(control: ControlSession, version: int) -> bool:
    return (await control.book(1)).version > version


async def test_they_are_kept_over_a_restart_of_the_desk(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control:
        await control.keep_inputs(FIXTURE, expect=ExpectedGoals(total=2.6, supremacy=0.4))
        model = (await control.inputs(FIXTURE)).model
        assert model["home_rate"] - model["away_rate"] == pytest.approx(0.4, abs=0.01)
        await bookmaker.stop_desk()
        stopped_before = await status(control)
        with pytest.raises(RefusedError) as down:
            await control.match_event(FIXTURE, "goal", side="home")
        assert down.value.reason is Reason.UNAVAILABLE
        assert (stopped_before, await status(control)) == ("active", "suspended")
        bookmaker.start_desk(quote_ms=20)
        assert (await control.inputs(FIXTURE)).model == model


@pytest.mark.parametrize(
    ("pricing", "names"),
    [
        ({}, "pricing.model, expect and fit"),
        ({"model": {"home_rate": "x", "away_rate": 1}}, "home_rate"),
        ({"model": MODEL, "state": {"period": 77}}, "period"),
        ({"model": MODEL, "sport": "quidditch"}, "sport"),
        ({"model": MODEL, "flavour": 1}, "flavour"),
    ],
)
async def test_what_cannot_be_kept_is_refused_by_name(
    bookmaker: Bookmaker, pricing: dict[str, object], names: str
) -> None:
    async with trader(bookmaker) as control:
        with pytest.raises(RefusedError) as refused:
            await control.keep_inputs(FIXTURE, pricing)
        assert refused.value.reason is Reason.FIELD_OUT_OF_BOUNDS
        assert names in str(refused.value)


async def test_an_unknown_event_still_suspends(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control:
        await control.keep_inputs(FIXTURE, {"model": MODEL})
        with pytest.raises(RefusedError) as refused:
            await control.match_event(FIXTURE, "golden_goal")
        assert "kick_off" in str(refused.value)
        assert await status(control) == "suspended"


async def test_who_may_not_price_keeps_nothing(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker, role=Role.SETTLER) as settler:
        with pytest.raises(RefusedError) as denied:
            await settler.keep_inputs(FIXTURE, {"model": MODEL})
        assert denied.value.reason is Reason.NOT_PERMITTED
