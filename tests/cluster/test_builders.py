"""Bet builders over real processes: created, bet on in play, killed, settled."""

import os
import signal
from pathlib import Path

import pytest

from engine.common.reasons import Reason
from engine.pricing.football.model import MatchState, Period, Score
from tests.cluster.betting_crowd import until
from tests.gateway.builder_house import BALANCE_MINOR, LOST, WON, House, accepted, leg, open_house

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("cluster")]

TWO = [leg("1x2 home"), leg("total?total=2.5 over")]
IN_PLAY = MatchState(period=Period.SECOND_HALF, clock_s=3_600, first_half=Score(home=1, away=0))


async def shell_pid(house: House, shell: str) -> int:
    (status,) = [each for each in await house.system.statuses() if each.name == shell]
    return 0 if status.health is None else status.health.pid


async def test_a_builder_is_sold_in_play_and_outlives_its_shells_process(tmp_path: Path):
    async with open_house(tmp_path, embedded=False) as house:
        await house.price(IN_PLAY)
        async with house.bettor() as client:
            built = accepted(await client.build_bet(TWO))
            bet = await client.place(
                ref="b", market=built.market, outcome=0, stake_minor=500,
                odds_milli=built.odds_milli,
            )  # fmt: skip
            assert bet.state == "accepted"
            shell = house.system.routes.market_shell(1)
            pid = await shell_pid(house, shell)
            os.kill(pid, signal.SIGKILL)

            async def replaced() -> bool:
                return await shell_pid(house, shell) not in (0, pid)

            await until(replaced)
            assert (await house.book(built.market)).stake_taken_minor == 500

            async def asks_again() -> bool:
                answer = await client.build_bet(TWO)
                return answer.reason == 0 and answer.market == built.market

            await until(asks_again)
            new = await client.build_bet([*TWO, leg("both_teams_to_score yes")])
            assert new.reason == Reason.UNAVAILABLE, "its process has had no repricing yet"
            await house.settle("1x2", WON, LOST, LOST)
            await house.settle("total?total=2.5", WON, LOST)

            async def paid() -> bool:
                return (await client.status("b")).result == "won"

            await until(paid)
            balance = await client.balance()
            assert balance.available_minor == BALANCE_MINOR - 500 + 500 * built.odds_milli // 1_000
