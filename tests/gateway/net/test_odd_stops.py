"""Control messages that break their schemas: what stops betting is obeyed, the rest is refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.market_shell import MarketShell
from actors.messages import MarketControl, decode_price_images, encode
from actors.peer import LocalPeer
from actors.settings import MarketShellSettings
from engine.common.commands import WHY_CHARS_MAX, CreateMarket, OpenMarket
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from engine.common.units import OddsMilli
from gateway.net.codec import CODECS, JSON, MSGPACK, Codec
from gateway.net.odd_stops import ODD_STOPS, OddControl, OddSuspendAll
from gateway.session.tokens import Role
from tests.actors.trade import market_shell_on
from tests.faults.faulty_disk import FaultyDisk
from tests.gateway.price_gateway import open_price_gateway, token
from tests.gateway.raw_client import Raw, json_frame, shaken

FIXTURE = "cup-1"
LONG = "a goal that the referee looks at again: " * 5
SUSPEND = {"do": "suspend_market", "market_no": 1}
SUSPENDED, SETTLED, CLOSED, CANCELLED, ACTIVE = (
    "SUSPENDED",
    "SETTLED",
    "CLOSED",
    "CANCELLED",
    "ACTIVE",
)


class Markets:
    """A trader's session, and three open markets of one fixture."""

    def __init__(self, raw: Raw, shell: MarketShell) -> None:
        self.raw = raw
        self._shell = shell

    async def ask(self, **message: Any) -> dict[str, Any]:
        self.raw.send(json_frame(**message))
        return await self.raw.message()

    async def control(self, *commands: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
        answer = await self.ask(type="control", id=7, commands=commands, **fields)
        assert (answer["type"], answer["id"]) == ("controlled", 7)
        events: list[dict[str, Any]] = answer["events"]
        return events

    def statuses(self) -> list[str]:
        images = decode_price_images(self._shell.price_images())
        return [one.status.name for one in sorted(images, key=lambda each: each.market_no)]


@asynccontextmanager
async def open_markets(
    role: Role = Role.TRADER, *, commands_max: int = 1_024, **settings: Any
) -> AsyncIterator[Markets]:
    shell = market_shell_on(FaultyDisk(), settings=MarketShellSettings(commands_max=commands_max))
    for number in (1, 2, 3):
        create = CreateMarket(
            market_no=MarketNo(number),
            key=f"{FIXTURE}/total?total={number}.5",
            outcomes=("over", "under"),
            odds_milli=(OddsMilli(1_900), OddsMilli(1_900)),
        )
        opened = OpenMarket(market_no=create.market_no)
        shell.control(encode(MarketControl(by="trader:test", commands=(create, opened))))
    images = decode_price_images(shell.price_images())
    async with (
        open_price_gateway(**settings) as system,
        shaken(system.ports["control"], token=token(role)) as raw,
    ):
        peer = LocalPeer(shell, name="market-a")
        system.route(version=1, shell=peer.name, peer=peer, kind="market", markets=images)
        yield Markets(raw, shell)


@pytest.mark.parametrize("role", [Role.TRADER, Role.FEED])
@pytest.mark.parametrize(
    ("command", "status"),
    [
        ({"do": "suspend_market", "why": LONG}, SUSPENDED),
        ({"do": "suspend_market", "why": 17, "until": {"minute": 45}}, SUSPENDED),
        ({"do": "suspend_outcomes", "why": LONG}, SUSPENDED),
        ({"do": "suspend_outcomes", "outcomes": [0, "away"]}, SUSPENDED),
        ({"do": "suspend_outcomes", "outcomes": [*range(513)]}, SUSPENDED),
        ({"do": "hand_over_market", "why": LONG}, "HANDED_OVER"),
        ({"do": "close_market", "why": LONG}, CLOSED),
        ({"do": "cancel_market", "why": LONG}, CANCELLED),
        ({"do": "close_market", "at_ns": 5}, SUSPENDED),
        ({"do": "cancel_market", "outcomes": [0]}, SUSPENDED),
    ],
)
async def test_odd_stop_is_obeyed(command: dict[str, Any], status: str, role: Role) -> None:
    async with open_markets(role) as markets:
        (event,) = await markets.control(command | {"market_no": "1"})
        assert "reason" not in event
        assert markets.statuses() == [status, ACTIVE, ACTIVE]


async def test_an_odd_stop_of_outcomes_that_can_be_read_stops_these_alone() -> None:
    command = {"do": "suspend_outcomes", "market_no": 1, "outcomes": ["1", 1], "why": LONG, "x": 1}
    async with open_markets() as markets:
        (event,) = await markets.control(command)
        assert (event["ev"], event["outcomes"]) == ("outcomes_suspended", [1])
        assert markets.statuses() == [ACTIVE] * 3


async def test_a_feed_holds_no_outcome_by_an_odd_message_either() -> None:
    command = {"do": "suspend_outcomes", "market_no": 1, "outcomes": [1], "why": LONG}
    async with open_markets(Role.FEED) as markets:
        (event, other) = await markets.control(command, SUSPEND | {"why": LONG})
        assert (event["reason"], other["ev"]) == (int(Reason.NOT_PERMITTED), "status_set")


async def test_stops_of_an_odd_message_are_obeyed_and_its_other_commands_are_refused() -> None:
    odds = {"do": "set_odds", "market_no": 2, "quotes": [{"outcome": 0, "odds_milli": 5}]}
    async with open_markets() as markets:
        events = await markets.control(
            SUSPEND, odds, {"do": "resume_market", "market_no": 1}, SUSPEND | {"market_no": -1}
        )
        assert [event.get("reason") for event in events] == [None, *[events[1]["reason"]] * 3]
        assert events[1]["reason"] == Reason.FIELD_OUT_OF_BOUNDS
        assert "odds_milli" in events[1]["message"]
        assert markets.statuses() == [SUSPENDED, ACTIVE, ACTIVE]


async def test_more_stops_than_a_message_may_carry_are_obeyed_again_and_again() -> None:
    stops = [SUSPEND | {"market_no": 1 + number % 3} for number in range(600)]
    async with open_markets(refused_messages_max=2) as markets:
        for _ in range(4):
            assert len(await markets.control(*stops)) == 600
        assert markets.statuses() == [SUSPENDED] * 3


async def test_odd_message_that_stops_nothing_is_refused_whole() -> None:
    async with open_markets() as markets:
        resume = {"do": "resume_market", "market_no": 1}
        for message in (
            {"type": "control", "commands": []},
            {"type": "control", "commands": [resume], "by": "me"},
            {"type": "control", "commands": [{"do": "suspend_market"}]},
            {"type": "suspend_all", "fixture": "not a fixture"},
            {"type": "reprice", "fixture": "f", "pricing": 1},
            {"type": "suspend"},
        ):
            answer = await markets.ask(id=3, **message)
            assert (answer["type"], answer["id"]) == ("error", 3), message
        assert markets.statuses() == [ACTIVE] * 3


@pytest.mark.parametrize("given", [{"why": LONG}, {"fixture": None}, {"id": -1}, {"force": 1}])
async def test_odd_suspend_all_is_obeyed(given: dict[str, Any]) -> None:
    async with open_markets() as markets:
        answer = await markets.ask(type="suspend_all", **given)
        assert (answer["type"], answer["suspended"]) == ("suspended_all", 3)


async def test_an_odd_stop_of_the_house_is_obeyed_where_the_role_may_stop_it() -> None:
    async with open_markets() as markets:
        answer = await markets.ask(type="stop_house", id=4, why=LONG, now=True)
        assert (answer["type"], answer["id"]) == ("house", 4)
        assert answer["missing"], "no account shard runs here, so that each is named"
    async with open_markets(Role.FEED) as markets:
        assert (await markets.ask(type="stop_house", why=LONG))["type"] == "error"


@pytest.mark.parametrize(
    "given",
    [
        {"scope": {"market": "1"}, "why": LONG},
        {"scope": {"fixture": FIXTURE, "until": 5}, "why": 3},
        {"scope": {"house": True, "sport": None}, "force": True},
        {"scope": {"fixture": FIXTURE}, "preview": False, "why": LONG},
    ],
)
async def test_an_odd_suspension_of_a_scope_is_obeyed(given: dict[str, Any]) -> None:
    async with open_markets() as markets:
        answer = await markets.ask(type="suspend", id=4, **given)
        assert (answer["type"], answer["id"]) == ("scoped", 4)
        assert markets.statuses()[0] == SUSPENDED


@pytest.mark.parametrize(
    "given",
    [
        {"scope": {"market": 1, "fixture": FIXTURE}},
        {"scope": {"fixture": ["cup-1"]}},
        {"scope": {"competition": FIXTURE, "sport": 7}},
        {"scope": {"market": 1, "outcomes": ["home"]}},
        {"scope": {"market": 1}, "preview": True},
        {"scope": {"market": 1}, "preview": "yes"},
        {"scope": "all"},
        {},
    ],
)
async def test_a_scope_that_cannot_be_read_and_an_odd_preview_stop_nothing(
    given: dict[str, Any],
) -> None:
    async with open_markets() as markets:
        assert (await markets.ask(type="suspend", why=LONG, **given))["type"] == "error"
        assert markets.statuses() == [ACTIVE] * 3


async def test_odd_suspend_all_is_not_for_a_feed() -> None:
    async with open_markets(Role.FEED) as markets:
        answer = await markets.ask(type="suspend_all", why=LONG)
        assert answer["type"] == "error"
        assert markets.statuses() == [ACTIVE] * 3


@pytest.mark.parametrize("role", [Role.TRADER, Role.FEED])
@pytest.mark.parametrize(
    "odd", [{"suspend": LONG}, {"pricing": 1}, {"pricing": {"model": 1}}, {"margin": 2}]
)
async def test_repricing_that_is_refused_suspends_all_the_same(
    odd: dict[str, Any], role: Role
) -> None:
    message = {"fixture": FIXTURE, "pricing": {"model": {}, "state": {}}, "suspend": "goal"}
    async with open_markets(role) as markets:
        answer = await markets.ask(type="reprice", id=9, **{**message, **odd})
        assert (answer["type"], answer["id"]) == ("error", 9)
        assert markets.statuses() == [SUSPENDED] * 3


async def test_repricing_that_a_shell_refuses_suspends_all_the_same() -> None:
    pricing = {"model": {"home_rate": 1.4, "away_rate": 1.1}, "state": {}}
    message = {"type": "reprice", "fixture": FIXTURE, "pricing": pricing, "suspend": "goal"}
    async with open_markets() as markets:
        answer = await markets.ask(id=1, **message)
        assert [event.get("reason") for event in answer["events"]] == [None] * 6
    async with open_markets(commands_max=2) as markets:
        answer = await markets.ask(id=1, **message)
        reasons = [event.get("reason") for event in answer["events"]]
        assert reasons == [*[Reason.CAPACITY] * 6, *[None] * 3]
        assert markets.statuses() == [SUSPENDED] * 3


async def test_stop_over_the_frame_rate_is_obeyed() -> None:
    async with open_markets(frames_burst=1, frames_a_second=1) as markets:
        markets.raw.send(
            json_frame(type="list", id=1),
            json_frame(type="list", id=2),
            json_frame(type="control", id=3, commands=[SUSPEND]),
            json_frame(type="control", id=4, commands=[SUSPEND | {"do": "resume_market"}]),
            json_frame(type="suspend_all", id=5),
        )
        found = [await markets.raw.message() for _ in range(5)]
        assert {one["id"]: one["type"] for one in found} == {
            1: "markets",
            2: "error",
            3: "controlled",
            4: "error",
            5: "suspended_all",
        }
        assert markets.statuses() == [SUSPENDED] * 3


Anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    codec=st.sampled_from([MSGPACK, JSON]),
    odd=st.dictionaries(st.sampled_from(["why", "force", "id"]), Anything, min_size=1),
    outer=st.dictionaries(st.sampled_from(["id", "why", "force"]), Anything),
)
def test_no_odd_field_keeps_a_suspension_from_being_read(
    codec: Codec, odd: dict[str, Any], outer: dict[str, Any]
) -> None:
    encode_any: Any = msgspec.msgpack.encode if codec is MSGPACK else msgspec.json.encode
    payloads = [
        encode_any({**outer, "type": "control", "commands": [{**odd, **SUSPEND}]}),
        encode_any({**odd, "type": "suspend_all", "fixture": "sr:match:1"}),
    ]
    for payload, kind in zip(payloads, (OddControl, OddSuspendAll), strict=True):
        try:
            CODECS[codec.subprotocol].decode(payload)
        except msgspec.ValidationError as error:
            found = ODD_STOPS[codec.subprotocol].read(payload, codec.explain(error, payload))
            assert isinstance(found, kind)
            assert 0 <= found.id < 1 << 32
            stop = found if isinstance(found, OddSuspendAll) else found.commands[0]
            assert len(stop.why) <= WHY_CHARS_MAX  # type: ignore[union-attr]
