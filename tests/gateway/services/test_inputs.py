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
from tests.gateway.price_gateway import token, until
from tests.gateway.raw_client import json_frame, shaken

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


async def test_a_goal_that_two_people_say_counts_once(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as anna, trader(bookmaker, sub="bob") as bob:
        await anna.keep_inputs(FIXTURE, {"model": MODEL, "state": {"period": 1}})
        seen = (await bob.inputs(FIXTURE)).number
        await anna.match_event(FIXTURE, "goal", side="home", after=seen)
        with pytest.raises(RefusedError) as known:
            await bob.match_event(FIXTURE, "goal", side="home", after=seen)
        assert known.value.reason is Reason.INPUTS_CHANGED
        assert (await bob.inputs(FIXTURE)).state["order"] == "h"
        with pytest.raises(RefusedError) as changed:
            await bob.keep_inputs(FIXTURE, {"model": MODEL}, after=seen)
        assert changed.value.reason is Reason.INPUTS_CHANGED


async def test_new_inputs_without_a_state_leave_the_match_where_it_is(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control:
        await control.keep_inputs(FIXTURE, {"model": MODEL})
        await control.match_event(FIXTURE, "kick_off")
        await control.match_event(FIXTURE, "goal", side="away")
        kept = await control.keep_inputs(FIXTURE, expect=ExpectedGoals(total=3.0))
        assert (kept.state["order"], kept.running) == ("a", True)


async def test_reopening_resumes_what_the_event_suspended_and_no_more(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as anna, trader(bookmaker, sub="bob") as bob:
        await anna.keep_inputs(FIXTURE, {"model": MODEL})
        await anna.suspend_all(fixture=FIXTURE, why="integrity")
        begun = await bob.match_event(FIXTURE, "kick_off", reopen=True)
        assert (begun.suspended, begun.resumed) == (2, 0)
        assert begun.others == ("trader:trader-1",)
        assert await status(bob) == "suspended"
        assert (await anna.resume_all(fixture=FIXTURE)).resumed == 2


async def test_an_event_does_not_reopen_where_a_shell_was_down(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as control:
        await control.keep_inputs(FIXTURE, {"model": MODEL, "state": {"period": 1}})
        bookmaker.kill_shell("market-a")
        goal = await control.match_event(FIXTURE, "goal", side="home", reopen=True)
        assert (goal.failed, goal.suspended, goal.resumed) == ((1, 2), 0, 0)
        assert goal.refused


@pytest.mark.parametrize("odd", [{"side": "Home"}, {"colour": "red"}, {"event": "x" * 50}])
async def test_an_event_that_cannot_be_read_still_suspends(
    bookmaker: Bookmaker, odd: dict[str, object]
) -> None:
    message = {"type": "match_event", "id": 3, "fixture": FIXTURE, "event": "goal", **odd}
    async with shaken(bookmaker.ports["control"], token=token(Role.TRADER)) as raw:
        raw.send(json_frame(**message))
        answer = await raw.message()
    assert answer["code"] in (Reason.FIELD_OUT_OF_BOUNDS, Reason.MALFORMED)
    async with trader(bookmaker) as control:
        assert await status(control) == "suspended"
