"""Refused requests: bounds of requests in flight, the frame rate, and services that fail."""

import asyncio
from typing import Any

import pytest

from actors.messages import MarketControl, encode
from actors.peer import LocalPeer, PeerTimeoutError
from actors.settings import MarketShellSettings
from engine.common.commands import CreateMarket, OpenMarket
from engine.common.reasons import Reason
from gateway.session.tokens import Role
from gateway.settings import CloseCode
from tests.actors.trade import market_shell_on
from tests.faults.faulty_disk import FaultyDisk
from tests.gateway.price_gateway import image, open_price_gateway, token, until
from tests.gateway.raw_client import PLACE, TEXT, frame, json_frame, shaken

SLOW_RATE = {"frames_burst": 1, "frames_a_second": 1}


class ShellStub:
    """A shell's peer that does not answer until it is released, or that fails."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name = name
        self.error = error
        self.calls = 0
        self.released = asyncio.Event()

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        self.calls += 1
        await self.released.wait()
        raise self.error

    def notify(self, method: str, /, *args: Any) -> None:
        raise NotImplementedError


async def test_queries_over_their_bound_are_refused_as_busy_until_one_is_answered() -> None:
    async with (
        open_price_gateway(queries_in_flight_max=2) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        stub = ShellStub("account-001", PeerTimeoutError("account-001"))
        system.route(version=1, shell=stub.name, peer=stub, kind="account")
        raw.send(*(json_frame(type="balance", id=number) for number in (1, 2, 3)))
        error = await raw.message()
        assert (error["code"], error["id"]) == (Reason.BUSY, 3)
        assert stub.calls == 2
        stub.released.set()
        answers = [await raw.message() for _ in range(2)]
        assert {answer["id"]: answer["code"] for answer in answers} == {
            1: Reason.UNAVAILABLE,
            2: Reason.UNAVAILABLE,
        }
        raw.send(json_frame(type="balance", id=4))
        assert (await raw.message())["code"] == Reason.UNAVAILABLE
        assert system.gateway.counters.busy == 1


async def test_control_messages_over_their_bound_are_refused_as_busy_and_not_run() -> None:
    async with (
        open_price_gateway(control_in_flight_max=1, queries_in_flight_max=9) as system,
        shaken(system.ports["control"], token=token(Role.TRADER)) as raw,
    ):
        stub = ShellStub("market-a", PeerTimeoutError("market-a"))
        system.route(version=1, shell=stub.name, peer=stub, kind="market", markets=[image(1)])
        await until(lambda: stub.calls == 1)  # the gateway fetches the market's image
        command = {"do": "resume_market", "market_no": 1}
        raw.send(*(json_frame(type="control", id=number, commands=[command]) for number in (1, 2)))
        error = await raw.message()
        assert (error["code"], error["id"]) == (Reason.BUSY, 2)
        assert stub.calls == 2
        stub.released.set()
        answer = await raw.message()
        assert answer["id"] == 1
        assert [event["reason"] for event in answer["events"]] == [Reason.UNKNOWN]


async def test_what_only_stops_betting_is_taken_past_the_bound_of_control_messages() -> None:
    async with (
        open_price_gateway(control_in_flight_max=1) as system,
        shaken(system.ports["control"], token=token(Role.TRADER)) as raw,
    ):
        stub = ShellStub("market-a", PeerTimeoutError("market-a"))
        system.route(version=1, shell=stub.name, peer=stub, kind="market", markets=[image(1)])
        await until(lambda: stub.calls == 1)  # the gateway fetches the market's image
        resume, suspend, close = (
            {"do": f"{word}_market", "market_no": 1} for word in ("resume", "suspend", "close")
        )
        raw.send(
            json_frame(type="control", id=1, commands=[resume]),
            json_frame(type="control", id=2, commands=[suspend, close]),
            json_frame(type="suspend_all", id=3),
            json_frame(type="control", id=4, commands=[suspend, resume]),
        )
        error = await raw.message()
        assert (error["code"], error["id"]) == (Reason.BUSY, 4)
        await until(lambda: stub.calls == 4)
        stub.released.set()
        assert {(await raw.message())["id"] for _ in range(3)} == {1, 2, 3}


async def test_suspend_all_stops_more_markets_than_a_shell_takes_in_one_call() -> None:
    settings = MarketShellSettings(commands_max=2)
    shell = market_shell_on(FaultyDisk(), settings=settings)
    images = [image(number) for number in range(1, 6)]
    for one in images:
        create = CreateMarket(
            market_no=one.market_no, key=one.key, outcomes=one.outcomes, odds_milli=(1_900, 1_900)
        )
        opened = OpenMarket(market_no=one.market_no)
        shell.control(encode(MarketControl(by="trader:test", commands=(create, opened))))
    async with (
        open_price_gateway() as system,
        shaken(system.ports["control"], token=token(Role.TRADER)) as raw,
    ):
        peer = LocalPeer(shell, name="market-a")
        system.route(version=1, shell="market-a", peer=peer, kind="market", markets=images)
        raw.send(json_frame(type="suspend_all", id=1))
        answer = await raw.message()
        assert (answer["suspended"], answer.get("failed", [])) == (5, [])


async def test_command_whose_answer_does_not_arrive_is_refused_as_unknown() -> None:
    async with (
        open_price_gateway() as system,
        shaken(system.ports["control"], token=token(Role.TRADER)) as raw,
    ):
        stub = ShellStub("market-a", PeerTimeoutError("market-a"))
        stub.released.set()
        system.route(version=1, shell=stub.name, peer=stub, kind="market", markets=[image(1)])
        command = {"do": "suspend_market", "market_no": 1}
        raw.send(json_frame(type="control", id=1, commands=[command, command]))
        events = (await raw.message())["events"]
        assert [event["reason"] for event in events] == [Reason.UNKNOWN] * 2


async def test_service_that_fails_unexpectedly_answers_unavailable_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        open_price_gateway() as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        stub = ShellStub("account-001", ValueError("an answer that cannot be read"))
        stub.released.set()
        system.route(version=1, shell=stub.name, peer=stub, kind="account")
        raw.send(json_frame(type="status", id=7, ref="a1"))
        error = await raw.message()
        assert (error["code"], error["id"], error["ref"]) == (Reason.UNAVAILABLE, 7, "a1")
        assert "a request of bettor:bettor-1 failed" in caplog.text


async def test_unexpected_error_closes_its_connection_only() -> None:
    async with (
        open_price_gateway() as system,
        shaken(system.ports["control"], token=token(Role.TRADER)) as other,
    ):
        peer = LocalPeer(object(), name="market-a")
        system.route(version=1, shell=peer.name, peer=peer, kind="market", markets=[image(1)])
        routes = system.gateway.routes.markets
        sound = routes[1]  # type: ignore[index]
        async with shaken(system.ports["control"], token=token(Role.TRADER)) as raw:
            routes[1] = None  # type: ignore[assignment, index]
            raw.send(json_frame(type="list", id=1))
            assert (await raw.farewell()).code == CloseCode.INTERNAL_ERROR
        routes[1] = sound  # type: ignore[index]
        other.send(json_frame(type="list", id=2))
        assert (await other.message())["id"] == 2


async def test_message_over_the_rate_is_refused_in_the_form_of_its_kind() -> None:
    bet = {name: value for name, value in PLACE.items() if name != "type"}
    async with (
        open_price_gateway(**SLOW_RATE) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        raw.send(
            json_frame(**PLACE | {"ref": "first"}),
            json_frame(type="balance", id=3),
            json_frame(type="status", id=4, ref="a1"),
            json_frame(type="place_many", id=5, bets=[bet | {"ref": "m0"}, bet | {"ref": "m1"}]),
        )
        assert (await raw.message())["reason"] == Reason.MARKET_UNKNOWN
        errors = [await raw.message() for _ in range(2)]
        assert [(error["code"], error["id"], error.get("ref", "")) for error in errors] == [
            (Reason.RATE_LIMITED, 3, ""),
            (Reason.RATE_LIMITED, 4, "a1"),
        ]
        bets = [await raw.message() for _ in range(2)]
        assert [(bet["ref"], bet["state"], bet["reason"]) for bet in bets] == [
            ("m0", "rejected", Reason.RATE_LIMITED),
            ("m1", "rejected", Reason.RATE_LIMITED),
        ]


async def test_payload_over_the_rate_that_is_not_json_is_closed_as_invalid_data() -> None:
    async with (
        open_price_gateway(**SLOW_RATE) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        raw.send(json_frame(**PLACE), frame(TEXT, b"hello"))
        assert (await raw.farewell()).code == CloseCode.INVALID_DATA
