"""Handshakes: bad tokens, origins, headers and sizes are refused with their HTTP status."""

import json
import logging

import jwt
import pytest

from engine.common.reasons import Reason
from gateway.settings import CloseCode
from tests.gateway.price_gateway import (
    NOW_S,
    SECRET,
    open_price_gateway,
    serves_an_honest_client,
    token,
    until,
)
from tests.gateway.raw_client import PLACE, TEXT, frame, handshake, json_frame, shaken, tcp


def forged(**changes: object) -> str:
    claims = {"sub": "eve", "role": "bettor", "account": 7, "exp": NOW_S + 60, "iss": "overround"}
    return jwt.encode(claims | changes, SECRET, algorithm="HS256")


def unsigned() -> str:
    return jwt.encode({"sub": "eve", "role": "trader", "exp": NOW_S + 60}, None, algorithm="none")


BAD_TOKENS = {
    "missing": (lambda: None, "missing"),
    "not a token": (lambda: "hello", "not a JWT"),
    "expired": (lambda: token(expires_s=-1), "claim exp: expired"),
    "expires now": (lambda: token(expires_s=0), "claim exp: expired"),
    "not valid yet": (lambda: forged(nbf=NOW_S + 1), "claim nbf: not valid yet"),
    "from no time": (lambda: forged(nbf="soon"), "claim nbf: Expected `float"),
    "signed with another secret": (
        lambda: jwt.encode(
            {"sub": "eve", "role": "trader", "exp": NOW_S + 60, "iss": "overround"},
            "another secret that is thirty-two bytes long",
            algorithm="HS256",
        ),
        "settings tokens.secret, tokens.secret_file",
    ),
    "algorithm none": (unsigned, "the algorithm (alg) is not HS256"),
    "another algorithm": (
        lambda: jwt.encode(
            {"sub": "eve", "role": "bettor", "account": 7, "exp": NOW_S + 60, "iss": "overround"},
            SECRET * 2,
            algorithm="HS512",
        ),
        "the algorithm (alg) is not HS256",
    ),
    "no expiry": (
        lambda: jwt.encode(
            {"sub": "eve", "role": "bettor", "account": 7, "iss": "overround"},
            SECRET,
            algorithm="HS256",
        ),
        "claim exp: missing",
    ),
    "another issuer": (lambda: forged(iss="elsewhere"), "claim iss: not overround"),
    "for an audience": (lambda: forged(aud="books"), "claim aud"),
    "unknown role": (lambda: forged(role="root"), "claim role: Invalid enum value 'root'"),
    "bettor without an account": (lambda: forged(account=None), "claim account: missing"),
    "account out of bounds": (lambda: forged(account=1 << 32), "claim account: Expected `int` <="),
    "subject that breaks a log line": (lambda: forged(sub="eve\nadmin"), "claim sub: Expected"),
    "payload changed": (lambda: token()[:-50] + "A" + token()[-49:], "the signature is wrong"),
    "far too long": (lambda: "x" * 3_000, "at most 2048 characters"),
}
"""Each with what its refusal must say."""


@pytest.mark.parametrize("case", BAD_TOKENS)
async def test_bad_token_is_refused_with_401_and_audited(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_price_gateway() as system:
        with caplog.at_level(logging.WARNING, logger="overround.audit"):
            async with tcp(system.ports["bets"]) as raw:
                bad, said = BAD_TOKENS[case]
                raw.send(handshake(token=bad()))
                head = await raw.head()
                text = (await raw.rest()).decode()
        assert head.startswith(b"HTTP/1.1 401")
        assert b"WWW-Authenticate: Bearer" in head
        assert text.startswith("token: ")
        assert said in text
        assert "Error" not in text, "no class name of a library"
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
async def test_origin_that_is_not_configured_is_refused_and_audited(
    origins: tuple[str, ...], status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_price_gateway(origins=origins) as system, tcp(system.ports["bets"]) as raw:
        raw.send(handshake(token=token(), extra=["Origin: https://book.example"]))
        head = await raw.head()
        assert head.split()[1] == status
        if status == b"403":
            text = "origin: https://book.example is not in the setting gateway.origins\n"
            assert (await raw.rest()).decode() == text
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
        raw.send(
            frame(TEXT, b"\x78\x9c" + b"\x00" * 30, rsv=4)
        )  # a compressed frame without an agreement
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


@pytest.mark.parametrize(
    ("offered", "found"), [(None, "none is offered"), ("chat", "chat is not spoken here")]
)
async def test_refused_subprotocol_is_named_beside_those_that_are_spoken(
    offered: str | None, found: str
) -> None:
    async with open_price_gateway() as system, tcp(system.ports["bets"]) as raw:
        raw.send(handshake(token=token(), subprotocol=offered))
        await raw.head()
        assert (await raw.rest()).decode() == (
            f"subprotocol: {found}; offer overround.v1.msgpack or overround.v1.json in "
            "Sec-WebSocket-Protocol\n"
        )


@pytest.mark.parametrize("case", BAD_HANDSHAKES)
async def test_bad_handshake_gets_its_http_status(case: str) -> None:
    data, status = BAD_HANDSHAKES[case]
    async with open_price_gateway() as system:
        async with tcp(system.ports["bets"]) as raw:
            raw.send(data)
            head = await raw.head()
            assert head.split()[1] == status, head
            await raw.rest()
        assert await serves_an_honest_client(system)


async def test_slow_handshake_is_closed_at_its_time_limit() -> None:
    async with open_price_gateway(handshake_ms=100) as system, tcp(system.ports["bets"]) as raw:
        raw.send(b"GET / HTTP/1.1\r\n")
        assert await raw.rest() == b""
        assert system.gateway.stats()["connections"] == 0


async def test_connection_over_the_bound_gets_status_503() -> None:
    async with open_price_gateway(connections_max=2) as system:
        port = system.ports["bets"]
        async with tcp(port), shaken(port, token=token()), tcp(port) as raw:
            assert (await raw.head()).startswith(b"HTTP/1.1 503")
            await raw.rest()
        await until(lambda: not system.gateway.stats()["connections"])
        assert await serves_an_honest_client(system)


async def test_session_over_the_bound_of_its_account_gets_status_429() -> None:
    async with open_price_gateway(sessions_per_account_max=1) as system:
        async with shaken(system.ports["bets"], token=token()), tcp(system.ports["bets"]) as raw:
            raw.send(handshake(token=token()))
            assert (await raw.head()).startswith(b"HTTP/1.1 429")
        await until(lambda: not system.gateway.stats()["connections"])
        async with shaken(system.ports["bets"], token=token()):
            pass
