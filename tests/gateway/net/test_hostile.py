"""Hostile frames and messages: each is closed with its code, and other clients are served on."""

import asyncio

import msgspec
import pytest

from engine.common.reasons import Reason
from gateway.settings import CloseCode
from tests.gateway.price_gateway import open_price_gateway, serves_an_honest_client, token, until
from tests.gateway.raw_client import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PLACE,
    PONG,
    TEXT,
    frame,
    json_frame,
    shaken,
)

PROTOCOL_VIOLATIONS = {
    "unmasked frame": (frame(TEXT, b"{}", masked=False), 1002),
    "reserved bit": (frame(TEXT, b"{}", rsv=4), 1002),
    "reserved opcode": (frame(3, b"{}"), 1002),
    "reserved control opcode": (frame(11, b""), 1002),
    "fragmented ping": (frame(PING, b"", fin=False), 1002),
    "ping over 125 bytes": (frame(PING, b"x" * 126), 1002),
    "continuation without a first frame": (frame(CONT, b"{}"), 1002),
    "text inside a fragmented text": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    "close with one byte": (frame(CLOSE, b"x"), 1002),
    "close with a reserved code": (frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
    "close reason not UTF-8": (frame(CLOSE, (1000).to_bytes(2, "big") + b"\xff"), 1007),
    "frame over the bound": (frame(TEXT, b"x" * 20_000), 1009),
    "frame with a length of 2^62 bytes": (frame(TEXT, b"", length=1 << 62), 1009),
    "fragments over the bound": (
        frame(TEXT, b"x" * 10_000, fin=False) + frame(CONT, b"x" * 10_000),
        1009,
    ),
    "binary on JSON": (frame(BINARY, b"\x80"), 1003),
    "fragmented binary on JSON": (frame(BINARY, b"\x80", fin=False), 1003),
    "not JSON": (frame(TEXT, b"hello"), 1007),
    "empty message": (frame(TEXT, b""), 1007),
    "not UTF-8": (frame(TEXT, b'{"type":"balance","\xff":1}'), 1007),
    "NaN stake": (
        frame(TEXT, msgspec.json.encode(PLACE).replace(b":500", b":NaN")),
        1007,
    ),
    "infinite stake": (
        frame(TEXT, msgspec.json.encode(PLACE).replace(b":500", b":Infinity")),
        1007,
    ),
    "two messages in one frame": (frame(TEXT, msgspec.json.encode(PLACE) * 2), 1007),
}


@pytest.mark.parametrize("case", PROTOCOL_VIOLATIONS)
async def test_violation_is_closed_with_its_code_and_others_are_served(case: str) -> None:
    data, code = PROTOCOL_VIOLATIONS[case]
    async with open_price_gateway() as system:
        async with shaken(system.ports["bets"], token=token()) as raw:
            raw.send(data)
            assert (await raw.farewell()).code == code
        assert await serves_an_honest_client(system)
        await until(lambda: not system.gateway.stats()["connections"])
        assert system.gateway.stats()["counters"]["close_codes"][code] == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"\xc1",
        b"",
        b"\xdf\xff\xff\xff\xff",
        b"\x82\xa4type\xa7balance\xa2id",
    ],
)
async def test_broken_msgpack_is_closed_as_invalid_data(payload: bytes) -> None:
    async with (
        open_price_gateway() as system,
        shaken(system.ports["bets"], token=token(), subprotocol="overround.v1.msgpack") as raw,
    ):
        raw.send(frame(BINARY, payload))
        assert (await raw.farewell()).code == CloseCode.INVALID_DATA


async def test_list_with_a_false_length_is_refused_before_it_is_read() -> None:
    payload = b"\x82\xa4type\xaaplace_many\xa4bets\xdd\xff\xff\xff\xff"
    async with (
        open_price_gateway() as system,
        shaken(system.ports["bets"], token=token(), subprotocol="overround.v1.msgpack") as raw,
    ):
        raw.send(frame(BINARY, payload))
        error = await raw.message()
        assert error["code"] == Reason.FIELD_OUT_OF_BOUNDS
        assert "<= 64 - at `$.bets`" in error["message"]


REFUSED = {
    "negative stake": ({"stake_minor": -1}, Reason.FIELD_OUT_OF_BOUNDS, "$.stake_minor"),
    "no stake": ({"stake_minor": 0}, Reason.FIELD_OUT_OF_BOUNDS, ">= 1"),
    "stake of 2^64": ({"stake_minor": 1 << 64}, Reason.FIELD_OUT_OF_BOUNDS, "<= 1000000000"),
    "stake of 2^64-1": ({"stake_minor": (1 << 64) - 1}, Reason.FIELD_OUT_OF_BOUNDS, "$.stake"),
    "stake with a fraction": ({"stake_minor": 1.5}, Reason.MALFORMED, "got `float`"),
    "stake as text": ({"stake_minor": "500"}, Reason.MALFORMED, "got `str`"),
    "true as a stake": ({"stake_minor": True}, Reason.MALFORMED, "got `bool`"),
    "odds of one": ({"odds_milli": 1_000}, Reason.FIELD_OUT_OF_BOUNDS, "$.odds_milli"),
    "odds over the bound": ({"odds_milli": 10**9}, Reason.FIELD_OUT_OF_BOUNDS, "10000000"),
    "market of 2^32": ({"market": 1 << 32}, Reason.FIELD_OUT_OF_BOUNDS, "$.market"),
    "outcome 512": ({"outcome": 512}, Reason.FIELD_OUT_OF_BOUNDS, "$.outcome"),
    "unknown policy": ({"policy": "best"}, Reason.MALFORMED, "$.policy"),
    "unknown field": ({"vip": True}, Reason.MALFORMED, "`vip`"),
    "nested field": ({"vip": [[[[{}]]]]}, Reason.MALFORMED, "`vip`"),
    "ref with a space": ({"ref": "a b"}, Reason.FIELD_OUT_OF_BOUNDS, "$.ref"),
    "ref of 33 characters": ({"ref": "x" * 33}, Reason.FIELD_OUT_OF_BOUNDS, "$.ref"),
    "ref with a NUL": ({"ref": "a\x00"}, Reason.FIELD_OUT_OF_BOUNDS, "$.ref"),
    "unknown message": ({"type": "place_bet"}, Reason.UNKNOWN_COMMAND, "$.type"),
    "another account": ({"account": 8}, Reason.MALFORMED, "`account`"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_message_outside_its_schema_is_refused_with_field_and_bound(case: str) -> None:
    change, reason, text = REFUSED[case]
    async with open_price_gateway() as system, shaken(system.ports["bets"], token=token()) as raw:
        raw.send(json_frame(**PLACE | change))
        error = await raw.message()
        assert error["type"] == "error"
        assert error["code"] == reason
        assert text in error["message"]
        assert error.get("ref", "") == str((PLACE | change)["ref"])[:32]
        raw.send(json_frame(**PLACE | {"ref": "next"}))
        assert (await raw.message())["reason"] == Reason.MARKET_UNKNOWN


@pytest.mark.parametrize("start", [b'{"type":', b'{"zz":'], ids=["known field", "unknown field"])
async def test_deep_nesting_is_closed_as_invalid_data(start: bytes) -> None:
    async with open_price_gateway(frame_bytes_max=1 << 20) as system:
        async with shaken(system.ports["bets"], token=token()) as raw:
            raw.send(frame(TEXT, start + b"[" * 900_000))
            farewell = await raw.farewell()
        assert farewell.code == CloseCode.INVALID_DATA
        assert farewell.reason == "nested too deeply"
        assert await serves_an_honest_client(system)


async def test_client_over_the_bound_of_refused_messages_is_closed() -> None:
    async with (
        open_price_gateway(refused_messages_max=5) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        raw.send(*[json_frame(type="nonsense", id=i) for i in range(9)])
        farewell = await raw.farewell()
    assert farewell.code == CloseCode.POLICY_VIOLATION
    assert [message["id"] for message in farewell.messages if "id" in message] == [1, 2, 3, 4]


async def test_frames_cut_at_any_byte_give_the_same_messages() -> None:
    place = msgspec.json.encode(PLACE)
    stream = (
        frame(TEXT, place)
        + frame(TEXT, place[:20], fin=False)
        + frame(PING, b"hi")
        + frame(CONT, b"", fin=False)
        + frame(CONT, place[20:])
        + frame(TEXT, place + b" " * 200)
        + frame(PONG, b"")
        + frame(TEXT, place)
    )
    async with open_price_gateway() as system:
        for size in (1, 2, 3, 7, 50, 333, len(stream)):
            async with shaken(system.ports["bets"], token=token()) as raw:
                for at in range(0, len(stream), size):
                    raw.send(stream[at : at + size])
                    await asyncio.sleep(0)
                answers = [await raw.frame() for _ in range(5)]
            assert [opcode for opcode, _ in answers].count(PONG) == 1
            assert sum(b'"ref":"a1"' in payload for _, payload in answers) == 4


@pytest.mark.parametrize(
    "flood",
    [frame(CONT, b"", fin=False), frame(PING, b""), frame(PONG, b"")],
    ids=["continuation", "ping", "pong"],  # a mask is random, and a test's name is not
)
async def test_flood_of_empty_frames_is_closed_as_rate_limited(flood: bytes) -> None:
    settings = {"frames_burst": 100, "frames_a_second": 1, "frames_over_max": 10}
    async with (
        open_price_gateway(**settings) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        raw.send(frame(TEXT, b"", fin=False), flood * 500)
        assert (await raw.farewell()).code == CloseCode.RATE_LIMITED


async def test_frames_over_the_rate_are_refused_and_then_closed() -> None:
    settings = {"frames_burst": 10, "frames_a_second": 1, "frames_over_max": 20}
    async with (
        open_price_gateway(**settings) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        raw.send(*[json_frame(**PLACE | {"ref": f"r{i}"}) for i in range(40)])
        farewell = await raw.farewell()
    reasons = [message["reason"] for message in farewell.messages]
    assert reasons == [Reason.MARKET_UNKNOWN] * 10 + [Reason.RATE_LIMITED] * 20
    assert farewell.code == CloseCode.RATE_LIMITED


async def test_each_bet_of_a_place_many_counts_for_the_rate() -> None:
    bet = {name: value for name, value in PLACE.items() if name != "type"}
    settings = {"frames_burst": 64, "frames_a_second": 1}
    async with (
        open_price_gateway(**settings) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        raw.send(json_frame(type="place_many", id=1, bets=[bet] * 64), json_frame(**PLACE))
        reasons = [(await raw.message())["reason"] for _ in range(65)]
    assert reasons == [Reason.MARKET_UNKNOWN] * 64 + [Reason.RATE_LIMITED]
