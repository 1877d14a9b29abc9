"""A client whose gateways are killed under it: real processes, real sockets."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from actors.settings import SupervisorSettings
from actors.system import System
from actors.system_parts import GatewayPart, SystemSettings
from engine.common.commands import SuspendMarket
from engine.common.reasons import Reason
from gateway.app import Gateway
from gateway.client import ReconnectSettings, stay_connected
from gateway.net.held_ports import hold_port, port_of
from gateway.session.tokens import Role, TokenKey
from gateway.settings import GatewaySettings
from tests.cluster.betting_crowd import open_funded_markets, until

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("cluster")]

SECRET = b"a secret of tests, thirty-two bytes and more"
BETS = 300
KILLS = 3
QUICK = ReconnectSettings(longest_s=0.5)
BALANCE_MINOR = 10_000_000


def token() -> str:
    return TokenKey(SECRET).issue(
        role=Role.BETTOR, sub="bettor-1", account=7, now_s=int(time.time()), expires_s=3_600
    )


def system_in(folder: Path, ports: list[int]) -> System:
    gateways = []
    for port in ports:
        settings = GatewaySettings(
            bets_host="127.0.0.1", bets_port=port, control_port=0, feed_port=0
        )
        arguments = {"shards": 2, "secret": SECRET, "settings": settings}
        gateways.append(GatewayPart(factory=Gateway, arguments=arguments))
    return System(
        data_dir=str(folder),
        settings=SystemSettings(supervisor=SupervisorSettings(markets_per_actor=3)),
        gateways=gateways,
    )


async def test_every_bet_gets_one_answer_and_prices_go_on_while_gateways_are_killed(
    tmp_path: Path,
):
    with hold_port("127.0.0.1") as one, hold_port("127.0.0.1") as other:
        await _kill_gateways(tmp_path, [port_of(one), port_of(other)])


async def _kill_gateways(folder: Path, ports: list[int]) -> None:
    """Kill both gateways in turn under bets; one that is replaced keeps its port."""
    urls = [f"ws://127.0.0.1:{port}" for port in ports]
    async with system_in(folder, ports) as system:
        market, *_ = await open_funded_markets(system, markets=3)
        async with stay_connected(*urls, token=token(), settings=QUICK) as client:
            await client.subscribe(markets=[market])
            await until(lambda: market in client.prices)
            room = asyncio.Semaphore(8)

            async def place(number: int):
                async with room:
                    return await client.place(
                        ref=f"b{number}",
                        market=market,
                        outcome=number % 3,
                        stake_minor=100 + number,
                        odds_milli=client.prices[market].odds_milli[number % 3],
                        resolve=True,
                    )

            placing = [asyncio.create_task(place(number)) for number in range(BETS)]
            for kill in range(KILLS):
                share = (kill + 1) * BETS // (KILLS + 1)
                await until(lambda share=share: sum(task.done() for task in placing) >= share)
                url = client.state.url
                sessions = client.sessions
                os.kill(system.pids()[f"gateway-{urls.index(url)}"], signal.SIGKILL)
                await until(lambda sessions=sessions: client.sessions > sessions)
            bets = await asyncio.gather(*placing)
            assert len({bet.bet_id for bet in bets}) == BETS
            # A bet that waited at its account for longer than the reconciler does is refused.
            assert {(bet.state, bet.reason) for bet in bets} <= {
                ("accepted", 0),
                ("rejected", Reason.FENCED),
            }
            accepted = [bet for bet in bets if bet.state == "accepted"]
            assert len(accepted) > BETS * 4 // 5
            stakes_minor = sum(100 + int(bet.ref[1:]) for bet in accepted)
            assert (await client.balance()).available_minor == BALANCE_MINOR - stakes_minor
            await system.control([SuspendMarket(market_no=market)])
            await until(lambda: client.prices[market].status == "suspended")
        report = await system.compare_bets_and_slips()
        assert report.agree, report.differences
