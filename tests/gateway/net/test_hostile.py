"""Whatever comes in: no crash, the right close code, every denial audited, others served."""

import asyncio
import json
import logging

import jwt
import msgspec
import pytest

from engine.common.reasons import Reason
from gateway.client import connect
from gateway.session.tokens import Role
from gateway.settings import CloseCode
from tests.gateway.price_gateway import (
    NOW_S,
    SECRET,
    PriceGateway,
    image,
    open_price_gateway,
    token,
    until,
)
from tests.gateway.raw_client import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    frame,
    handshake,
    json_frame,
    shaken,
    tcp,
)

PLACE = {
    "type": "place",
    "ref": "a1",
    "market": 1,
    "outcome": 0,
    "stake_minor": 500,
    "odds_milli": 2_500,
}


async def serves(system: PriceGateway) -> bool:
    """Say whether an honest client is served after all that."""
    async with connect(system.bets_url, token=token(account=99)) as client:
        bet = await client.place(ref="ok", market=404, outcome=0, stake_minor=1, odds_milli=2_000)
        return bet.reason == Reason.MARKET_UNKNOWN


PROTOCOL_VIOLATIONS = {
    "unmasked frame": (frame(TEXT, b"{}", masked=False), 1002),
    "reserved bit": (frame(TEXT, b"{}", rsv=4), 1002),
    "reserved opcode": (frame(3, b"{}"), 1002),
    "reserved control opcode": (frame(11, b""), 1002),
    "fragmented ping": (frame(PING, b"", fin=False), 1002),
    "ping over 125 bytes": (frame(PING, b"x" * 126), 1002),
    "continuation of nothing": (frame(CONT, b"{}"), 1002),
    "text inside a fragmented text": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    "close with one byte": (frame(CLOSE, b"x"), 1002),
    "close with a code of no meaning": (frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
    "close reason not UTF-8": (frame(CLOSE, (1000).to_bytes(2, "big") + b"\xff"), 1007),
    "frame over the bound": (frame(TEXT, b"x" * 20_000), 1009),
    "frame that says 2^62 bytes": (frame(TEXT, b"", length=1 << 62), 1009),
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
        assert await serves(system)
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


async def test_list_that_claims_to_be_endless_is_refused_before_it_is_read() -> None:
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
    "stake in words": ({"stake_minor": "500"}, Reason.MALFORMED, "got `str`"),
    "true as a stake": ({"stake_minor": True}, Reason.MALFORMED, "got `bool`"),
    "odds of one": ({"odds_milli": 1_000}, Reason.FIELD_OUT_OF_BOUNDS, "$.odds_milli"),
    "odds out of the world": ({"odds_milli": 10**9}, Reason.FIELD_OUT_OF_BOUNDS, "10000000"),
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
async def test_message_outside_its_schema_is_refused_by_field_and_bound(case: str) -> None:
    change, reason, words = REFUSED[case]
    async with open_price_gateway() as system, shaken(system.ports["bets"], token=token()) as raw:
        raw.send(json_frame(**PLACE | change))
        error = await raw.message()
        assert error["type"] == "error"
        assert error["code"] == reason
        assert words in error["message"]
        assert error.get("ref", "") == str((PLACE | change)["ref"])[:32]
        raw.send(json_frame(**PLACE | {"ref": "next"}))
        assert (await raw.message())["reason"] == Reason.MARKET_UNKNOWN


async def test_deep_nesting_is_refused_within_the_frame_bound() -> None:
    async with open_price_gateway(frame_bytes_max=1 << 20) as system:
        async with shaken(system.ports["bets"], token=token()) as raw:
            raw.send(frame(TEXT, b'{"type":' + b"[" * 900_000))
            farewell = await raw.farewell()
            assert farewell.code in (CloseCode.INVALID_DATA, 0)
        async with shaken(system.ports["bets"], token=token()) as raw:
            raw.send(frame(TEXT, b'{"zz":' + b"[" * 900_000))
            farewell = await raw.farewell()
            assert farewell.code == CloseCode.INVALID_DATA
            assert "nested" in farewell.reason
        assert await serves(system)


async def test_sender_of_many_refused_messages_is_closed() -> None:
    async with (
        open_price_gateway(refused_messages_max=5) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        raw.send(*[json_frame(type="nonsense", id=i) for i in range(9)])
        farewell = await raw.farewell()
    assert farewell.code == CloseCode.POLICY_VIOLATION
    assert [message["id"] for message in farewell.messages if "id" in message] == [1, 2, 3, 4]


async def test_frames_in_any_pieces_are_the_same_messages() -> None:
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


@pytest.mark.parametrize("flood", [frame(CONT, b"", fin=False), frame(PING, b""), frame(PONG, b"")])
async def test_flood_of_frames_that_say_nothing_is_closed(flood: bytes) -> None:
    settings = {"frames_burst": 100, "frames_a_second": 1, "frames_over_max": 10}
    async with (
        open_price_gateway(**settings) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        raw.send(frame(TEXT, b"", fin=False), flood * 500)
        assert (await raw.farewell()).code == CloseCode.RATE_LIMITED


async def test_rate_is_answered_first_and_closed_later() -> None:
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


# --- handshakes ----------------------------------------------------------------------------------


def forged(**changes: object) -> str:
    claims = {"sub": "eve", "role": "bettor", "account": 7, "exp": NOW_S + 60, "iss": "overround"}
    return jwt.encode(claims | changes, SECRET, algorithm="HS256")


def unsigned() -> str:
    return jwt.encode({"sub": "eve", "role": "trader", "exp": NOW_S + 60}, None, algorithm="none")


BAD_TOKENS = {
    "none given": lambda: None,
    "not a token": lambda: "hello",
    "expired": lambda: token(expires_s=-1),
    "expires now": lambda: token(expires_s=0),
    "signed with another secret": lambda: jwt.encode(
        {"sub": "eve", "role": "trader", "exp": NOW_S + 60, "iss": "overround"},
        "another secret that is thirty-two bytes long",
        algorithm="HS256",
    ),
    "algorithm none": unsigned,
    "another algorithm": lambda: jwt.encode(
        {"sub": "eve", "role": "bettor", "account": 7, "exp": NOW_S + 60, "iss": "overround"},
        SECRET * 2,
        algorithm="HS512",
    ),
    "no expiry": lambda: jwt.encode(
        {"sub": "eve", "role": "bettor", "account": 7, "iss": "overround"},
        SECRET,
        algorithm="HS256",
    ),
    "another issuer": lambda: forged(iss="elsewhere"),
    "unknown role": lambda: forged(role="root"),
    "bettor without an account": lambda: forged(account=None),
    "account out of bounds": lambda: forged(account=1 << 32),
    "subject that breaks a log line": lambda: forged(sub="eve\nadmin"),
    "payload changed": lambda: token()[:-50] + "A" + token()[-49:],
    "far too long": lambda: "x" * 3_000,
}


@pytest.mark.parametrize("case", BAD_TOKENS)
async def test_bad_token_is_refused_with_401_and_audited(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_price_gateway() as system:
        with caplog.at_level(logging.WARNING, logger="overround.audit"):
            async with tcp(system.ports["bets"]) as raw:
                raw.send(handshake(token=BAD_TOKENS[case]()))
                head = await raw.head()
        assert head.startswith(b"HTTP/1.1 401")
        assert b"WWW-Authenticate: Bearer" in head
        (line,) = [json.loads(r.message) for r in caplog.records if r.name == "overround.audit"]
        assert line["event"] == "denied"
        assert line["kind"] == "token"
        assert system.gateway.stats()["counters"]["denied"] == {"token": 1}


async def test_token_in_the_query_opens_a_session() -> None:
    async with open_price_gateway() as system:
        path = f"/?token={token()}"
        async with shaken(system.ports["bets"], token=None, path=path) as raw:
            raw.send(json_frame(**PLACE))
            assert (await raw.message())["reason"] == Reason.MARKET_UNKNOWN


async def test_session_ends_when_its_token_expires() -> None:
    async with (
        open_price_gateway(clock_s=lambda: NOW_S + 3_599.95) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        assert (await raw.farewell()).code == CloseCode.TOKEN_EXPIRED


@pytest.mark.parametrize(("origins", "status"), [((), b"403"), (("https://book.example",), b"101")])
async def test_foreign_origin_is_refused_and_audited(
    origins: tuple[str, ...], status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_price_gateway(origins=origins) as system, tcp(system.ports["bets"]) as raw:
        raw.send(handshake(token=token(), extra=["Origin: https://book.example"]))
        head = await raw.head()
        assert head.split()[1] == status
        audited = [r for r in caplog.records if r.name == "overround.audit"]
        assert len(audited) == (status == b"403")


async def test_compression_is_declined() -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    async with open_price_gateway() as system, tcp(system.ports["bets"]) as raw:
        raw.send(handshake(token=token(), extra=[offer]))
        head = await raw.head()
        assert head.startswith(b"HTTP/1.1 101")
        assert b"Sec-WebSocket-Extensions" not in head
        await raw.message()
        raw.send(frame(TEXT, b"\x78\x9c" + b"\x00" * 30, rsv=4))  # "compressed" all the same
        assert (await raw.farewell()).code == 1002


BAD_HANDSHAKES = {
    "no subprotocol": (handshake(token=token(), subprotocol=None), b"400"),
    "unknown subprotocol": (handshake(token=token(), subprotocol="chat"), b"400"),
    "version 8": (handshake(token=token()).replace(b"Version: 13", b"Version: 8"), b"400"),
    "no key": (handshake(token=token()).replace(b"Sec-WebSocket-Key", b"X-Key"), b"400"),
    "two tokens": (handshake(token=token(), extra=[f"Authorization: Bearer {token()}"]), b"401"),
    "POST": (handshake(token=token()).replace(b"GET ", b"POST "), b"405"),
    "not HTTP": (b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n", b"400"),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
    "line too long": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", b"414"),
    "headers too large": (b"GET / HTTP/1.1\r\n" + b"X-A: " + b"b" * 17_000, b"431"),
    "too many headers": (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431"),
    "frames before the answer": (handshake(token=token()) + frame(TEXT, b"{}"), b"400"),
}


@pytest.mark.parametrize("case", BAD_HANDSHAKES)
async def test_bad_handshake_gets_its_http_status(case: str) -> None:
    data, status = BAD_HANDSHAKES[case]
    async with open_price_gateway() as system:
        async with tcp(system.ports["bets"]) as raw:
            raw.send(data)
            head = await raw.head()
            assert head.split()[1] == status, head
            await raw.rest()
        assert await serves(system)


async def test_slow_handshake_is_cut_off_in_time() -> None:
    async with open_price_gateway(handshake_ms=100) as system, tcp(system.ports["bets"]) as raw:
        raw.send(b"GET / HTTP/1.1\r\n")
        assert await raw.rest() == b""
        assert system.gateway.stats()["connections"] == 0


async def test_connection_over_the_bound_is_told_so() -> None:
    async with open_price_gateway(connections_max=2) as system:
        port = system.ports["bets"]
        async with tcp(port), shaken(port, token=token()), tcp(port) as raw:
            assert (await raw.head()).startswith(b"HTTP/1.1 503")
            await raw.rest()
        await until(lambda: not system.gateway.stats()["connections"])
        assert await serves(system)


async def test_sessions_of_one_account_are_bounded() -> None:
    async with open_price_gateway(sessions_per_account_max=1) as system:
        async with shaken(system.ports["bets"], token=token()), tcp(system.ports["bets"]) as raw:
            raw.send(handshake(token=token()))
            assert (await raw.head()).startswith(b"HTTP/1.1 429")
        await until(lambda: not system.gateway.stats()["connections"])
        async with shaken(system.ports["bets"], token=token()):
            pass


# --- roles ---------------------------------------------------------------------------------------

TRADER_COMMANDS = [
    {"type": "control", "id": 5, "commands": [{"do": "suspend_market", "market_no": 1}]},
    {"type": "suspend_all", "id": 5},
    {"type": "list", "id": 5},
    {"type": "book", "id": 5, "market": 1},
]


@pytest.mark.parametrize("message", TRADER_COMMANDS, ids=lambda m: str(m["type"]))
async def test_bettor_calling_a_trader_command_is_denied_and_audited(
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


async def test_bettor_who_keeps_trying_is_closed() -> None:
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
        (Role.BETTOR, "control", b"403"),
        (Role.TRADER, "control", b"101"),
        (Role.FEED, "control", b"101"),
        (Role.QUANT, "control", b"101"),
        (Role.TRADER, "bets", b"101"),
    ],
)
async def test_each_role_is_admitted_on_its_listeners_only(role: Role, listener: str, status: bytes) -> None:
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
        (Role.TRADER, PLACE),
    ],
)
async def test_role_that_may_not_is_denied(role: Role, message: dict[str, object]) -> None:
    async with (
        open_price_gateway() as system,
        shaken(system.ports["control"], token=token(role)) as raw,
    ):
        raw.send(json_frame(**message))
        assert (await raw.message())["code"] == Reason.NOT_PERMITTED


async def test_trader_on_the_public_listener_may_only_subscribe() -> None:
    async with open_price_gateway() as system:
        system.create(image(1))
        async with shaken(system.ports["bets"], token=token(Role.TRADER)) as raw:
            raw.send(json_frame(**TRADER_COMMANDS[0]))
            assert (await raw.message())["code"] == Reason.NOT_PERMITTED
            raw.send(json_frame(type="subscribe", all=True))
            assert (await raw.message())["markets"] == 1


async def test_stopping_gateway_says_goodbye() -> None:
    async with open_price_gateway() as system, shaken(system.ports["bets"], token=token()) as raw:
        await system.gateway.stop()
        assert (await raw.farewell()).code == CloseCode.GOING_AWAY


async def test_silent_connection_is_pinged_then_closed() -> None:
    settings = {"ping_after_s": 1, "pong_within_s": 1}
    async with (
        open_price_gateway(**settings) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        opcode, _ = await raw.frame()
        assert opcode == PING
        assert (await raw.farewell()).code == CloseCode.IDLE
