"""Stops that a shell was down for, in a whole system: it has them before it takes its next bet."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ShellState
from actors.process import PartSpec
from actors.routes import account_shell_name
from engine.common.acceptance import AcceptancePatch
from engine.common.reasons import Reason
from engine.common.units import OddsMilli
from gateway.app import Gateway
from gateway.client import BettorSession, ControlSession
from gateway.messages.bettor import Bet
from gateway.messages.scopes import MarketScope
from gateway.session.tokens import Role
from tests.gateway.builder_house import FIXTURE, TYPES, House, open_house
from tests.gateway.price_gateway import until
from tests.gateway.services.test_referrals import Waits

ACCOUNTS = account_shell_name(1)
"""The shard of account 7."""
MARKETS = "market-00000"
LONG_MS = 600_000


class Floor:
    """A house with two gateways, and what keeps a shell's next process from starting."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._launcher: Any = house.system._launcher
        self._begin: Callable[[PartSpec], Any] = self._launcher.begin
        self._launcher.begin = self._begin_when_let
        self._held: dict[str, asyncio.Event] = {}

    async def _begin_when_let(self, spec: PartSpec) -> Any:
        if spec.name in self._held:
            await self._held[spec.name].wait()
        return await self._begin(spec)

    def gateway(self, number: int) -> Gateway:
        target: Gateway = self.house.system.gateways[number]._target  # type: ignore[attr-defined]
        return target

    async def bring_down(self, shell: str) -> None:
        self._held[shell] = asyncio.Event()
        self._launcher.processes[shell].kill()
        for number in (0, 1):
            gateway = self.gateway(number)
            await until(lambda gateway=gateway: gateway.routes.peer(shell) is None)

    async def bring_up(self, shell: str) -> None:
        self._held.pop(shell).set()
        for number in (0, 1):
            shells = self.gateway(number).routes.shells
            await until(lambda shells=shells: shells[shell].state is ShellState.SERVING)

    def trader(self, *, gateway: int = 0, sub: str = "anna") -> Any:
        return self.house.trader(gateway=gateway, role=Role.HEAD_TRADER, sub=sub)

    def alarms(self, gateway: int) -> str:
        return "; ".join(self.gateway(gateway)._readiness().alarms)


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    async with open_house(tmp_path, gateways=2, bet_deadline_ms=400) as house:
        yield Floor(house)


async def place(
    control: ControlSession, bettor: BettorSession, ref: str, *, stake: int = 100
) -> Bet:
    odds = OddsMilli((await control.book(1)).odds_milli[0])
    return await bettor.place(
        ref=ref, market=1, outcome=0, stake_minor=stake, odds_milli=odds, policy="any"
    )


async def test_a_shard_that_was_down_takes_no_bet_of_a_house_that_was_stopped(
    floor: Floor,
) -> None:
    async with floor.trader() as anna, floor.house.bettor() as bettor:
        await floor.bring_down(ACCOUNTS)
        house = await anna.stop_house(why="attack")
        assert (house.stopped, house.missing) == (1, (ACCOUNTS,))
        await until(lambda: ACCOUNTS in floor.alarms(1))
        await floor.bring_up(ACCOUNTS)
        refused = await place(anna, bettor, "a")
        assert Reason(refused.reason) is Reason.HOUSE_STOPPED
        house = await anna.house()
        assert (house.stopped, house.missing, house.by) == (2, (), "head_trader:anna")
        await until(lambda: not floor.alarms(1).startswith("the house's stop"))
        await anna.start_house()
        assert (await place(anna, bettor, "b")).state == "accepted"


async def test_a_house_that_was_started_meanwhile_is_not_stopped_by_what_was_kept(
    floor: Floor,
) -> None:
    async with (
        floor.trader() as anna,
        floor.trader(gateway=1, sub="bob") as bob,
        floor.house.bettor() as bettor,
    ):
        await floor.bring_down(ACCOUNTS)
        await anna.stop_house(why="attack")
        assert (await bob.start_house()).missing == (ACCOUNTS,)
        await floor.bring_up(ACCOUNTS)
        assert (await place(anna, bettor, "a")).state == "accepted"


@pytest.mark.parametrize("scope", [MarketScope(house=True), MarketScope(market=1)])
async def test_a_market_shell_that_was_down_takes_no_bet_of_a_scope_that_was_stopped(
    floor: Floor, scope: MarketScope
) -> None:
    async with floor.trader() as anna, floor.house.bettor() as bettor:
        await floor.bring_down(MARKETS)
        stopped = await anna.suspend_scope(scope, why="integrity")
        assert (stopped.changed, stopped.owed) == (0, stopped.markets)
        assert len(stopped.failed) == stopped.markets
        await until(lambda: f"{stopped.markets} stops" in floor.alarms(1))
        await floor.bring_up(MARKETS)
        assert (await anna.book(1)).status == "suspended"
        refused = await place(anna, bettor, "a")
        assert Reason(refused.reason) is Reason.MARKET_SUSPENDED
        await until(lambda: "stops of markets" not in floor.alarms(1))
        assert (await anna.resume_scope(scope)).changed == stopped.markets
        assert (await place(anna, bettor, "b")).state == "accepted"


async def test_a_stop_of_outcomes_and_one_of_a_market_alone_are_kept_as_well(floor: Floor) -> None:
    async with floor.trader() as anna:
        await floor.bring_down(MARKETS)
        held = await anna.suspend_scope(MarketScope(market=1, outcomes=(0,)), why="injury")
        assert held.owed == 1
        await anna.suspend(2, why="odds")
        await floor.bring_up(MARKETS)
        assert (await anna.book(1)).outcome_held == (True, False, False)
        assert (await anna.book(2)).status == "suspended"


async def test_who_resumes_through_another_gateway_takes_off_their_own_kept_stop_alone(
    floor: Floor,
) -> None:
    async with (
        floor.trader() as anna,
        floor.trader(gateway=1) as anna_again,
        floor.trader(gateway=1, sub="bob") as bob,
    ):
        await floor.bring_down(MARKETS)
        assert (await anna.suspend_all(fixture=FIXTURE, why="goal")).owed == len(TYPES)
        await bob.suspend_scope(MarketScope(market=2), why="mine")
        assert len((await anna_again.resume_all(fixture=FIXTURE)).failed) == len(TYPES)
        await floor.bring_up(MARKETS)
        books = [await bob.book(number) for number in (1, 2, 3)]
        assert [book.status for book in books] == ["active", "suspended", "active"]
        await bob.resume_scope(MarketScope(market=2))
        assert (await bob.book(2)).status == "active"


async def test_a_goal_stops_a_shell_that_was_down_for_it(floor: Floor) -> None:
    async with floor.trader() as anna:
        await floor.bring_down(MARKETS)
        await anna.suspend_all(fixture=FIXTURE, why="goal")
        again = await anna.suspend_all(fixture=FIXTURE, why="red card")
        assert (again.suspended, again.owed) == (0, len(TYPES))
        await floor.bring_up(MARKETS)
        statuses = {(await anna.book(1 + at)).status for at in range(len(TYPES))}
        assert statuses == {"suspended"}


async def goes_on_waiting(floor: Floor, trader: ControlSession, bettor: BettorSession) -> None:
    """Have a bet wait beyond the first gateway's second stop of what waits, and be accepted."""
    waits = Waits(bettor)
    odds = OddsMilli((await trader.book(1)).odds_milli[0])
    placed = bettor.place_nowait(ref="a", market=1, outcome=0, stake_minor=1_000, odds_milli=odds)
    wait = await waits.first()
    services = floor.gateway(0)._services
    assert services is not None
    await until(lambda: not services.house._waiting._again)
    await trader.accept_referral(1, wait.bet_id)
    assert (await placed).state == "accepted"


async def test_what_begins_to_wait_after_another_gateway_started_the_house_goes_on_waiting(
    floor: Floor,
) -> None:
    async with (
        floor.trader() as anna,
        floor.trader(gateway=1, sub="bob") as bob,
        floor.house.bettor(gateway=1) as bettor,
    ):
        await anna.set_acceptance(1, AcceptancePatch(referral_ms=LONG_MS, referral_minor_from=500))
        await anna.stop_house(why="alarm")
        assert not (await bob.start_house()).missing
        await goes_on_waiting(floor, anna, bettor)


async def test_an_account_that_another_gateway_unblocked_is_stopped_no_more(floor: Floor) -> None:
    async with (
        floor.trader() as anna,
        floor.trader(gateway=1, sub="bob") as bob,
        floor.house.bettor(gateway=1) as bettor,
    ):
        await anna.set_acceptance(1, AcceptancePatch(referral_ms=LONG_MS, referral_minor_from=500))
        await anna.block_account(7, blocked=True)
        await bob.block_account(7, blocked=False)
        await goes_on_waiting(floor, anna, bettor)
