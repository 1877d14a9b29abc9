"""A reconnecting client over real sockets: gateways are lost and replaced under it."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.common.commands import Deposit, Quote, SetOdds
from gateway.client import (
    BoundReachedError,
    ConnectionLostError,
    ConnectionState,
    HandshakeRefusedError,
    ReconnectSettings,
    RefusedError,
    stay_connected,
    stay_connected_control,
)
from gateway.messages.bettor import MoneyEvent
from gateway.settings import CloseCode
from tests.gateway.bookmaker import BALANCE_MINOR
from tests.gateway.client.lost_gateway import QUICK, open_lost_gateway
from tests.gateway.price_gateway import (
    NOW_S,
    Role,
    delta,
    image,
    open_price_gateway,
    token,
    until,
)


def new_odds(market: int, odds_milli: int) -> SetOdds:
    return SetOdds(market_no=market, quotes=(Quote(outcome=0, odds_milli=odds_milli),))


# --- prices --------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["msgpack", "json"])
@pytest.mark.parametrize(
    "names",
    [{"markets": (1, 2, 3)}, {"fixtures": ("cup-0", "cup-1")}, {"all_markets": True}],
    ids=lambda names: next(iter(names)),
)
async def test_a_subscription_goes_on_by_version_at_the_next_gateway(
    tmp_path: Path, names: dict[str, Any], codec: Any
) -> None:
    """Only the market that changed meanwhile is sent, and only its odds."""
    async with open_lost_gateway(tmp_path) as system, system.client(codec=codec) as client:
        await client.subscribe(**names)
        await until(lambda: len(client.prices) == 3)
        received: list[Any] = []
        client.on_price = received.append
        await system.lose()
        system.bookmaker.command(new_odds(2, 1_950))
        await system.replace()
        await until(lambda: bool(received))
        await client.balance()
        assert [(market.market, market.odds_milli) for market in received] == [(2, (1_950, 2_000))]
        assert received[0].outcomes == ("over", "under")
        assert system.bookmaker.gateway.counters.odds_out == 1
        system.bookmaker.command(new_odds(3, 2_600))
        await until(lambda: client.prices[3].odds_milli[0] == 2_600)
        assert client.sessions == 2


async def test_what_was_unsubscribed_stays_unsubscribed(tmp_path: Path) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        await client.subscribe(keys=["cup-0/1x2", "cup-0/total?total=2.5"], fixtures=["cup-1"])
        await until(lambda: len(client.prices) == 3)
        await client.unsubscribe(markets=[2], fixtures=["cup-1"])
        await system.lose()
        for market in (1, 2, 3):
            system.bookmaker.command(new_odds(market, 1_950))
        await system.replace()
        await until(lambda: client.prices[1].odds_milli[0] == 1_950)
        await client.balance()
        assert set(client.prices) == {1}


async def test_names_that_the_next_gateway_does_not_know_yet_are_subscribed_later(
    tmp_path: Path,
) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        await client.subscribe(markets=[1], keys=["cup-1/1x2"])
        await until(lambda: len(client.prices) == 2)
        await system.lose()
        for market in (1, 3):
            system.bookmaker.command(new_odds(market, 1_950))
        await system.replace(routes=False)
        await until(lambda: set(client.missing) == {"1", "cup-1/1x2"})
        await system.send_routes()
        await until(lambda: all(client.prices[no].odds_milli[0] == 1_950 for no in (1, 3)))
        assert not client.missing


async def test_an_unsubscribed_market_is_neither_missing_nor_held(tmp_path: Path) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        await client.subscribe(markets=[1], keys=["cup-1/1x2"], fixtures=["cup-0"])
        await until(lambda: len(client.prices) == 3)
        await client.unsubscribe(markets=[1])
        assert set(client.prices) == {1, 2, 3}, "its fixture is still subscribed"
        await system.lose()
        await system.replace(routes=False)
        await until(lambda: client.missing == ("cup-1/1x2",))
        await client.unsubscribe(markets=[3], fixtures=["cup-0"])
        assert client.missing == ()
        assert client.prices == {}
        updates = client.updates()
        await client.close()
        assert [market async for market in updates] == []


async def test_a_callback_that_fails_changes_nothing(tmp_path: Path) -> None:
    def fail(value: Any) -> None:
        raise RuntimeError(f"the user's defect: {value}")

    async with open_lost_gateway(tmp_path) as system:
        client = await system.client()
        client.on_state = client.on_price = fail
        await client.subscribe(markets=[1])
        system.link.cut()
        await until(lambda: client.sessions == 2)
        system.bookmaker.command(new_odds(1, 1_950))
        await until(lambda: client.prices[1].odds_milli[0] == 1_950)
        assert client.sessions == 2, "the connection stands"
        await system.lose()
        question = asyncio.create_task(client.balance())
        await asyncio.sleep(0)
        await client.close()
        assert client.state.phase == "ended"
        with pytest.raises(ConnectionLostError):
            await asyncio.wait_for(question, 30)


async def test_updates_end_with_the_client_and_not_with_a_connection(tmp_path: Path) -> None:
    async with open_lost_gateway(tmp_path) as system:
        client = await system.client()
        await client.subscribe(markets=[1])
        updates = client.updates()
        assert (await anext(updates)).market == 1
        system.link.cut()
        await until(lambda: client.sessions == 2)
        system.bookmaker.command(new_odds(1, 1_950))
        assert (await anext(updates)).odds_milli[0] == 1_950
        await client.close()
        assert [market async for market in updates] == []


# --- accounts ------------------------------------------------------------------------------------


async def test_account_is_watched_again_and_questions_outlive_the_connection(
    tmp_path: Path,
) -> None:
    async with open_lost_gateway(tmp_path) as system, system.client() as client:
        await client.watch_account()
        await system.lose()
        question = asyncio.create_task(client.balance())
        await system.replace()
        assert (await question).available_minor == BALANCE_MINOR
        system.bookmaker.ledger(7, Deposit(account_no=7, amount_minor=10, ref="d2"))
        event = await asyncio.wait_for(anext(client.events()), 5)
        assert isinstance(event, MoneyEvent)
        assert event.ref == "d2"


async def test_requests_that_wait_have_a_bound(tmp_path: Path) -> None:
    settings = ReconnectSettings(first_s=0.005, longest_s=0.02, waiting_max=2)
    async with open_lost_gateway(tmp_path) as system, system.client(settings=settings) as client:
        await system.lose()
        questions = [asyncio.create_task(client.balance()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BoundReachedError, match="at most 2"):
            await client.balance()
        await system.replace()
        assert len({answer.available_minor for answer in await asyncio.gather(*questions)}) == 1
        await client.balance()


async def test_question_without_an_answer_ends_in_time(tmp_path: Path) -> None:
    settings = ReconnectSettings(first_s=0.005, longest_s=0.02, within_s=0.1)
    async with open_lost_gateway(tmp_path) as system, system.client(settings=settings) as client:
        await system.lose()
        with pytest.raises(ConnectionLostError, match=r"no answer within 0\.1 s"):
            await client.balance()


# --- back-off ------------------------------------------------------------------------------------


async def test_delays_double_up_to_their_bound_and_end_with_the_attempts() -> None:
    settings = ReconnectSettings(first_s=0.01, longest_s=0.05, jitter=0.5, attempts_max=6)
    states: list[ConnectionState] = []
    async with open_price_gateway() as system:
        client = await stay_connected(system.bets_url, token=token(), settings=settings)
        client.on_state = states.append
        await system.gateway.stop()
        with pytest.raises(HandshakeRefusedError):
            await client.balance()
        waits = [state for state in states if state.phase == "waiting"]
        assert [state.attempts for state in waits] == [1, 2, 3, 4, 5, 6]
        for state, longest_s in zip(waits, (0.01, 0.02, 0.04, 0.05, 0.05, 0.05), strict=True):
            assert longest_s / 2 <= state.retry_in_s <= longest_s
        assert isinstance(waits[0].error, ConnectionLostError)
        assert waits[0].error.code == CloseCode.GOING_AWAY
        assert states[-1] == client.state
        assert client.state.phase == "ended"
        with pytest.raises(HandshakeRefusedError):
            _ = client.session
        assert [market async for market in client.updates()] == []
        await client.close()


async def test_short_sessions_count_as_failures_and_a_long_one_ends_the_row(
    tmp_path: Path,
) -> None:
    settings = ReconnectSettings(first_s=0.001, longest_s=0.1)
    async with open_lost_gateway(tmp_path) as system, system.client(settings=settings) as client:
        waits: list[int] = []
        client.on_state = lambda state: waits.append(state.attempts) if state.retry_in_s else None
        for sessions in (2, 3, 4):
            system.link.cut()
            await until(lambda n=sessions: client.sessions == n)  # type: ignore[misc]
        assert waits == [1, 2, 3]
        opened_s = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() > opened_s + settings.longest_s)
        system.link.cut()
        await until(lambda: client.sessions == 5)
        assert waits == [1, 2, 3, 1]


async def test_the_first_session_is_attempted_once() -> None:
    async with open_price_gateway() as system:
        url = system.bets_url
        with pytest.raises(HandshakeRefusedError) as raised:
            await stay_connected(url, token="not a token", settings=QUICK)
        assert raised.value.status == 401
    with pytest.raises(HandshakeRefusedError):
        await stay_connected(url, token=token(), settings=QUICK)


async def test_the_next_gateway_of_several_takes_over() -> None:
    async with open_price_gateway() as first, open_price_gateway() as second:
        for system in (first, second):
            system.create(image(1))
        urls = (first.bets_url, second.bets_url)
        async with stay_connected(*urls, token=token(), settings=QUICK) as client:
            await client.subscribe(markets=[1])
            await first.gateway.stop()
            await until(lambda: client.sessions == 2)
            assert client.state.url == second.bets_url
            second.change(delta(1, version=2))
            await until(lambda: client.prices[1].version == 2)
        async with stay_connected(*urls, token=token(), settings=QUICK) as client:
            assert client.state.url == second.bets_url


# --- tokens --------------------------------------------------------------------------------------


async def test_an_expired_token_is_replaced_by_a_new_one() -> None:
    asked: list[str] = []

    async def fresh() -> str:
        asked.append(token(expires_s=1 if not asked else 3_600))
        return asked[-1]

    async with (
        open_price_gateway() as system,
        stay_connected(system.bets_url, token=fresh, settings=QUICK) as client,
    ):
        errors: list[Any] = []
        client.on_state = lambda state: errors.append(state.error)
        await until(lambda: client.sessions == 2)
        assert len(asked) == 2
        assert errors[0].code == CloseCode.TOKEN_EXPIRED


async def test_an_expired_token_that_nothing_replaces_ends_the_client() -> None:
    now_s = float(NOW_S)
    async with (
        open_price_gateway(clock_s=lambda: now_s) as system,
        stay_connected(system.bets_url, token=token(expires_s=1), settings=QUICK) as client,
    ):
        now_s += 60  # the session ends after a second; the next handshake sees this time
        await until(lambda: client.state.phase == "ended")
        assert isinstance(client.state.error, HandshakeRefusedError)
        assert client.state.error.status == 401
        assert client.state.attempts == 1


async def test_a_failing_source_of_tokens_is_asked_again() -> None:
    asked: list[int] = []

    def flaky() -> str:
        asked.append(1)
        if len(asked) == 2:
            raise OSError("the login is down")
        return token()

    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(open_price_gateway())
        client = await stack.enter_async_context(
            stay_connected(system.bets_url, token=flaky, settings=QUICK)
        )
        errors: list[Any] = []
        client.on_state = lambda state: errors.append(state.error)
        client.session.abort()
        await until(lambda: client.sessions == 2)
        assert any("the login is down" in str(error) for error in errors)


# --- traders -------------------------------------------------------------------------------------


async def test_a_trader_s_client_follows_prices_and_commands_in_the_present_session(
    tmp_path: Path,
) -> None:
    async with open_lost_gateway(tmp_path) as system:
        url = system.bookmaker.control_url
        async with stay_connected_control(url, token=token(Role.TRADER), settings=QUICK) as client:
            await client.subscribe(all_markets=True)
            await until(lambda: len(client.prices) == 3)
            client.session.abort()
            await until(lambda: client.sessions == 2)
            await client.session.suspend(1, why="test")
            await until(lambda: client.prices[1].status == "suspended")


async def test_a_closed_client_refuses_and_waits_for_nothing(tmp_path: Path) -> None:
    async with open_lost_gateway(tmp_path) as system:
        client = await system.client()
        await system.lose()
        question = asyncio.create_task(client.balance())
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(ConnectionLostError, match="closed by its owner"):
            await question
        with pytest.raises(ConnectionLostError):
            await client.subscribe(markets=[1])


async def test_a_refused_question_is_refused_at_once(tmp_path: Path) -> None:
    async with (
        open_lost_gateway(tmp_path) as system,
        system.client(token=token(account=55)) as client,
    ):
        with pytest.raises(RefusedError):
            await client.balance()
        assert client.sessions == 1


@pytest.mark.parametrize("field", ["first_s", "longest_s", "attempts_max", "within_s", "silent_s"])
def test_a_bound_of_nothing_is_refused_by_name(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        ReconnectSettings(**{field: 0})
