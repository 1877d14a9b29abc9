"""A client of a WebSocket and a msgpack library alone understands the gateway, and the reverse."""

import asyncio
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest

from gateway.net.codec import CODECS, ServerDecoder
from tests.gateway.bookmaker import Bookmaker
from tests.gateway.messages.samples import FROM_CLIENT, FROM_GATEWAY
from tests.gateway.price_gateway import token

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "bettor.py"
CODEC = CODECS["overround.v1.msgpack"]


async def run_example(url: str, bearer: str) -> tuple[int, str]:
    """Run the example as a person would, in a folder where nothing of ours can be imported."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(EXAMPLE),
        url,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    out, _ = await process.communicate(bearer.encode() + b"\n")
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_the_example_bets_once_and_gets_the_same_answer_again(bookmaker: Bookmaker) -> None:
    for _ in range(2):
        code, out = await run_example(bookmaker.bets_url, token())
        assert code == 0, out
        assert "bet example-1: accepted" in out
        assert "available: 99500 EUR" in out


async def test_the_example_shows_a_refusal_in_the_gateway_s_words(bookmaker: Bookmaker) -> None:
    code, out = await run_example(bookmaker.bets_url, "not a token")
    assert code != 0
    assert "401" in out


@pytest.mark.parametrize("message", FROM_GATEWAY, ids=lambda message: type(message).__name__)
def test_any_msgpack_library_reads_what_the_gateway_sends(message: object) -> None:
    read = msgpack.unpackb(CODEC.encode(message))
    decode = ServerDecoder(CODEC).decode
    assert decode(msgpack.packb(read)) == message


@pytest.mark.parametrize("message", FROM_CLIENT, ids=lambda message: type(message).__name__)
def test_the_gateway_reads_what_any_msgpack_library_writes(message: object) -> None:
    written = msgpack.packb(msgpack.unpackb(CODEC.encode(message)))
    assert CODEC.decode(written) == message
