"""Bets whose answers are lost, resolved by the client: each is booked once and answered truly."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ShellState
from engine.common.commands import Quote, SetOdds
from engine.common.reasons import Reason
from gateway.bets.stats import BetStats
from gateway.client import (
    ConnectionLostError,
    ReconnectSettings,
    RefusedError,
    UnresolvedError,
)
from tests.gateway.bookmaker import BALANCE_MINOR, bettor
from tests.gateway.client.lost_gateway import LostGateway, open_lost_gateway
from tests.gateway.price_gateway import until

BET: dict[str, Any] = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}


async def state_of(system: LostGateway, ref: str) -> str | None:
    """Return a bet's state at its account, over a connection of its own."""
    async with bettor(system.bookmaker) as other:
        slip = await other.status(ref)
        return None if slip is None else slip.state


def bet_stats(system: LostGateway) -> BetStats:
    services = system.bookmaker.gateway._services
    assert services is not None
    return services.bets.stats


async def check_booked_once(system: LostGateway, bet_id: int) -> None:
    async with bettor(system.bookmaker) as other:
        assert [slip.bet_id for slip in (await other.open_bets()).bets] == [bet_id]
        assert (await other.balance()).available_minor == BALANCE_MINOR - 500


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_a_bet_whose_answer_is_lost_with_the_gateway_is_booked_once(
    tmp_path: Path, codec: Any
) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client(codec=codec) as client:
        system.link.mute = True
        placing = asyncio.create_task(client.place(ref="a1", **BET, resolve=True))
        await until(lambda: _is(system, "a1", "accepted"))
        await system.lose()
        await system.replace()
        bet = await placing
        assert (bet.state, bet.odds_milli) == ("accepted", 2_500)
        await check_booked_once(system, bet.bet_id)


async def _is(system: LostGateway, ref: str, state: str) -> bool:
    return await state_of(system, ref) == state


async def test_a_bet_that_no_gateway_received_is_booked_when_one_is_back(tmp_path: Path) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        await system.lose()
        placing = asyncio.create_task(client.place(ref="a1", **BET, resolve=True))
        await until(lambda: client.state.attempts >= 2)
        await system.replace()
        await check_booked_once(system, (await placing).bet_id)


async def test_a_refusal_whose_answer_is_lost_is_repeated_with_its_figures(
    tmp_path: Path,
) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        system.link.mute = True
        bet = BET | {"stake_minor": 10_001}
        placing = asyncio.create_task(client.place(ref="a1", **bet, resolve=True))
        await until(lambda: _is(system, "a1", "rejected"))
        system.link.mute = False
        system.link.cut()
        answer = await placing
        assert (answer.state, answer.reason) == ("rejected", Reason.STAKE_OVER_LIMIT)
        assert answer.stake_max_minor == 10_000


async def test_a_bet_sent_again_keeps_the_odds_that_were_seen(tmp_path: Path) -> None:
    """The odds move while the client is away: the bet is refused, and not taken at other odds."""
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        await system.lose()
        placing = asyncio.create_task(client.place(ref="a1", **BET, resolve=True))
        quote = Quote(outcome=0, odds_milli=2_400)
        system.bookmaker.command(SetOdds(market_no=1, quotes=(quote,)))
        await system.replace()
        assert (await placing).reason == Reason.ODDS_CHANGED


async def test_an_unknown_bet_is_sent_again_until_its_market_has_decided(tmp_path: Path) -> None:
    async with (
        open_lost_gateway(tmp_path, bet_deadline_ms=100) as system,
        system.client() as client,
    ):
        system.bookmaker.kill_shell("market-a")
        assert (await client.place(ref="a0", **BET)).state == "unknown"
        placing = asyncio.create_task(client.place(ref="a1", **BET, resolve=True))
        stats = bet_stats(system)
        await until(lambda: stats.unknown >= 3)
        assert not placing.done()
        assert await state_of(system, "a1") == "pending"
        system.bookmaker.start_shell("market-a")
        assert (await placing).state == "accepted"
        assert client.sessions == 1


async def test_a_bet_that_stays_uncertain_says_so_and_may_be_placed_again(tmp_path: Path) -> None:
    async with (
        open_lost_gateway(tmp_path, bet_deadline_ms=100) as system,
        system.client() as client,
    ):
        system.bookmaker.kill_shell("market-a")
        with pytest.raises(UnresolvedError, match="a1 may or may not be booked") as raised:
            await client.place(ref="a1", **BET, resolve=True, within_s=0.5)
        assert raised.value.ref == "a1"
        system.bookmaker.start_shell("market-a")
        bet = await client.place(ref="a1", **BET, resolve=True)
        await check_booked_once(system, bet.bet_id)


async def test_a_refusal_without_a_record_is_no_answer_while_an_earlier_sending_may_count(
    tmp_path: Path,
) -> None:
    """The next gateway knows no market yet and refuses the bet, which is booked."""
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        system.link.mute = True
        placing = asyncio.create_task(client.place(ref="a1", **BET, resolve=True))
        await until(lambda: _is(system, "a1", "accepted"))
        await system.lose()
        await system.replace(routes=False)
        for name in ("account-000", "account-001"):
            system.bookmaker.notify_routes(name, ShellState.SERVING)
        answers = bet_stats(system).answers
        await until(lambda: answers.get(Reason.MARKET_UNKNOWN, 0) >= 2)
        assert not placing.done()
        await system.send_routes()
        bet = await placing
        assert bet.state == "accepted"
        await check_booked_once(system, bet.bet_id)


async def test_a_refusal_without_a_record_is_never_the_answer_to_an_earlier_sending(
    tmp_path: Path,
) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        system.link.mute = True
        bet = BET | {"stake_minor": BALANCE_MINOR + 1}
        placing = asyncio.create_task(client.place(ref="a1", **bet, resolve=True, within_s=1.0))
        answers = bet_stats(system).answers
        await until(lambda: answers.get(Reason.INSUFFICIENT_FUNDS, 0) == 1)
        system.link.mute = False
        system.link.cut()
        with pytest.raises(UnresolvedError, match="602: the balance does not cover the stake"):
            await placing
        assert answers[Reason.INSUFFICIENT_FUNDS] > 2


async def test_a_refusal_of_the_only_sending_is_the_answer_at_once(tmp_path: Path) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        await system.lose()
        bet = BET | {"stake_minor": BALANCE_MINOR + 1}
        placing = asyncio.create_task(client.place(ref="a1", **bet, resolve=True))
        await until(lambda: client.state.attempts >= 2)
        await system.replace()
        assert (await placing).reason == Reason.INSUFFICIENT_FUNDS
        assert bet_stats(system).answers == {Reason.INSUFFICIENT_FUNDS: 1}


async def test_a_gateway_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    """The connection stays open and nothing comes back, as from a frozen process."""
    settings = ReconnectSettings(first_s=0.005, longest_s=0.02, silent_s=0.3)
    async with open_lost_gateway(tmp_path) as system, system.client(settings=settings) as client:
        system.link.mute = True

        def unmute(state: Any) -> None:
            system.link.mute = False

        client.on_state = unmute
        bet = await client.place(ref="a1", **BET, resolve=True)
        assert client.sessions == 2
        await check_booked_once(system, bet.bet_id)


async def test_a_hundred_bets_over_a_link_that_is_cut_all_the_time_are_booked_once(
    tmp_path: Path,
) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        system.link.mute = True
        placing = [
            asyncio.create_task(
                client.place(ref=f"a{n}", **BET | {"stake_minor": 10 + n}, resolve=True)
            )
            for n in range(100)
        ]
        await until(lambda: bet_stats(system).answered == 100)
        for n in range(8):  # the first answers are all lost, and some of every later connection's
            await until(lambda n=n: client.sessions > n)  # type: ignore[misc]
            for _ in range(20 * n):
                await asyncio.sleep(0)
            system.link.mute = False
            system.link.cut()
        bets = await asyncio.gather(*placing)
        assert {bet.state for bet in bets} == {"accepted"}
        assert len({bet.bet_id for bet in bets}) == 100
        assert bet_stats(system).answered >= 200
        stakes_minor = sum(10 + n for n in range(100))
        assert (await client.balance()).available_minor == BALANCE_MINOR - stakes_minor


async def test_without_resolve_a_bet_is_sent_once_or_not_at_all(tmp_path: Path) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        system.link.mute = True
        placing = asyncio.create_task(client.place(ref="a1", **BET))
        await until(lambda: _is(system, "a1", "accepted"))
        await system.lose()
        with pytest.raises(ConnectionLostError):
            await placing
        with pytest.raises(ConnectionLostError):
            await client.place(ref="a2", **BET)
        await system.replace()
        slip = await client.status("a1")
        assert slip is not None
        assert slip.state == "accepted"
        assert await client.status("a2") is None


async def test_a_message_outside_the_schema_is_refused_at_once(tmp_path: Path) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        with pytest.raises(RefusedError) as raised:
            await client.place(ref="a b", **BET, resolve=True)
        assert raised.value.reason == Reason.FIELD_OUT_OF_BOUNDS


async def test_a_client_that_ends_with_a_bet_on_its_way_calls_it_unresolved(
    tmp_path: Path,
) -> None:
    async with open_lost_gateway(tmp_path) as system:
        client = await system.client()
        system.link.mute = True
        placing = asyncio.create_task(client.place(ref="a1", **BET, resolve=True))
        await until(lambda: _is(system, "a1", "accepted"))
        await system.lose()
        await until(lambda: client.state.attempts > 0)
        await client.close()
        with pytest.raises(UnresolvedError):
            await placing
