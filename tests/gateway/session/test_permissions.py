"""Permissions: each role may send its own messages, on its own listeners, and nothing else."""

import json
from typing import get_args

import pytest

from engine.common.commands import CancelMarket, SuspendMarket
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from gateway.messages.base import ROLES
from gateway.messages.protocol import ClientMessage
from gateway.messages.trader import Control, TraderCommand
from gateway.net.odd_stops import OddControl
from gateway.session.permissions import COMMANDS, PERMISSIONS, permitted
from gateway.session.tokens import Role
from gateway.settings import CloseCode
from tests.gateway.price_gateway import image, open_price_gateway, token
from tests.gateway.raw_client import PLACE, handshake, json_frame, shaken, tcp

TRADER_COMMANDS = [
    {"type": "control", "id": 5, "commands": [{"do": "suspend_market", "market_no": 1}]},
    {"type": "suspend_all", "id": 5},
    {"type": "resume_all", "id": 5},
    {"type": "list", "id": 5},
    {"type": "book", "id": 5, "market": 1},
]
QUOTE = {"outcome": 0, "odds_milli": 2_000}
GIVE_FREE_BET = {
    "type": "grant_free_bet",
    "account": 7,
    "offer": 1,
    "amount_minor": 100,
    "expires_at_ns": "1",
    "ref": "a",
}


def control(command: dict[str, object]) -> dict[str, object]:
    """Return a control message of one command."""
    return {"type": "control", "commands": [command]}


@pytest.mark.parametrize("message", TRADER_COMMANDS, ids=lambda m: str(m["type"]))
async def test_trader_command_of_a_bettor_is_denied_and_audited(
    message: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    async with open_price_gateway() as system, shaken(system.ports["bets"], token=token()) as raw:
        raw.send(json_frame(**message))
        error = await raw.message()
        assert error["code"] == Reason.NOT_PERMITTED
        assert error["id"] == 5
        (line,) = [json.loads(r.message) for r in caplog.records if r.name == "overround.audit"]
        assert line["who"] == "bettor:bettor-1"
        assert line["what"] == message["type"]
        assert system.gateway.stats()["counters"]["control_commands"] == 0


async def test_bettor_over_the_bound_of_denied_messages_is_closed() -> None:
    async with (
        open_price_gateway(refused_messages_max=3) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        raw.send(json_frame(**TRADER_COMMANDS[1]) * 5)
        farewell = await raw.farewell()
    assert farewell.code == CloseCode.POLICY_VIOLATION
    assert system.gateway.stats()["counters"]["denied"] == {"role": 3}


@pytest.mark.parametrize(
    ("role", "listener", "status"),
    [
        (Role.BETTOR, "bets", b"101"),
        (Role.FEED, "bets", b"101"),
        (Role.QUANT, "bets", b"101"),
        (Role.BETTOR, "control", b"403"),
        (Role.TRADER, "control", b"101"),
        (Role.FEED, "control", b"101"),
        (Role.QUANT, "control", b"101"),
        (Role.TRADER, "bets", b"101"),
        (Role.FEED, "feed", b"101"),
        (Role.BETTOR, "feed", b"403"),
        (Role.TRADER, "feed", b"403"),
        (Role.QUANT, "feed", b"403"),
    ],
)
async def test_each_role_is_admitted_on_its_listeners_only(
    role: Role, listener: str, status: bytes
) -> None:
    async with open_price_gateway() as system, tcp(system.ports[listener]) as raw:
        raw.send(handshake(token=token(role)))
        assert (await raw.head()).split()[1] == status


@pytest.mark.parametrize(
    ("role", "message"),
    [
        (Role.QUANT, TRADER_COMMANDS[0]),
        (Role.QUANT, TRADER_COMMANDS[1]),
        (Role.FEED, TRADER_COMMANDS[1]),
        (
            Role.FEED,
            {
                "type": "control",
                "commands": [{"do": "set_limits", "market_no": 1, "limits": {}}],
            },
        ),
        (
            Role.FEED,
            {
                "type": "control",
                "commands": [{"do": "reset_source", "market_no": 1, "source": "f:1/odds"}],
            },
        ),
        (Role.TRADER, PLACE),
    ],
)
async def test_message_that_the_role_may_not_send_is_denied(
    role: Role, message: dict[str, object]
) -> None:
    async with (
        open_price_gateway() as system,
        shaken(system.ports["control"], token=token(role)) as raw,
    ):
        raw.send(json_frame(**message))
        assert (await raw.message())["code"] == Reason.NOT_PERMITTED


@pytest.mark.parametrize(
    ("role", "message"),
    [
        (Role.VIEWER, TRADER_COMMANDS[0]),
        (Role.VIEWER, TRADER_COMMANDS[1]),
        (Role.AUDITOR, TRADER_COMMANDS[0]),
        (Role.CASHIER, TRADER_COMMANDS[1]),
        (Role.TRADER, GIVE_FREE_BET),
        (Role.RISK, GIVE_FREE_BET),
        (Role.SETTLER, control({"do": "set_odds", "market_no": 1, "quotes": [QUOTE]})),
        (Role.SETTLER, control({"do": "set_limits", "market_no": 1, "limits": {}})),
        (Role.RISK, control({"do": "settle_market", "market_no": 1, "results": [{"won": True}]})),
        (Role.RISK, control({"do": "open_market", "market_no": 1})),
    ],
)
async def test_what_another_role_of_the_floor_does_is_denied(
    role: Role, message: dict[str, object]
) -> None:
    async with (
        open_price_gateway() as system,
        shaken(system.ports["control"], token=token(role)) as raw,
    ):
        raw.send(json_frame(**message))
        assert (await raw.message())["code"] == Reason.NOT_PERMITTED


def test_a_stop_of_a_malformed_message_is_refused_where_the_role_may_not_give_it() -> None:
    suspend, cancel = (kind(market_no=MarketNo(1)) for kind in (SuspendMarket, CancelMarket))
    stops = permitted(OddControl(5, (suspend, cancel)), Role.RISK)
    assert isinstance(stops, OddControl)
    assert stops.commands[0] == suspend
    assert isinstance(stops.commands[1], Refused)
    assert stops.commands[1].reason is Reason.NOT_PERMITTED


def test_every_role_that_commands_has_a_table_and_every_request_a_role() -> None:
    controls = {role for (_, role), kinds in PERMISSIONS.items() if Control in kinds}
    assert controls == COMMANDS.keys()
    assert frozenset().union(*PERMISSIONS.values()) == set(get_args(ClientMessage))
    assert frozenset().union(*COMMANDS.values()) == set(get_args(TraderCommand))
    assert [role.value for role in Role] == list(ROLES)


async def test_trader_on_the_public_listener_may_only_subscribe() -> None:
    async with open_price_gateway() as system:
        system.create(image(1))
        async with shaken(system.ports["bets"], token=token(Role.TRADER)) as raw:
            raw.send(json_frame(**TRADER_COMMANDS[0]))
            assert (await raw.message())["code"] == Reason.NOT_PERMITTED
            raw.send(json_frame(type="subscribe", all=True))
            assert (await raw.message())["markets"] == 1
