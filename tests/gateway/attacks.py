"""Clients that keep every documented bound and use as much of a gateway's time as they can.

The hostile tests and the bench run the same ones. Each attack is what one connection does, over and
over, until it is cancelled; it begins again whenever the gateway closes it.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.gateway.raw_client import CONT, PING, TEXT, frame, handshake, json_frame

_CHUNK: Final = 65_536
_RETRY_S: Final = 0.01
_FIXTURES: Final = [f"f{number}" for number in range(900)]


@dataclass(frozen=True)
class Target:
    """The gateway that is attacked, from where, and the name of a market that exists."""

    port: int
    token: str
    source: str = "127.0.0.1"
    market: int = 1
    fixture: str = "cup-0"


class Attack(NamedTuple):
    """What each of so many connections does."""

    connections: int
    run: Callable[[Target], Awaitable[None]]


async def mount(attack: Attack, target: Target) -> None:
    """Run an attack until cancelled."""
    await asyncio.gather(*(_over_and_over(attack.run, target) for _ in range(attack.connections)))


async def _over_and_over(run: Callable[[Target], Awaitable[None]], target: Target) -> None:
    while True:
        try:
            await run(target)
        except (OSError, asyncio.IncompleteReadError):
            await asyncio.sleep(_RETRY_S)


def _sending(
    chunks: Callable[[Target], Sequence[bytes]], *, reads: bool = True
) -> Callable[[Target], Awaitable[None]]:
    """Return an attack of one session that sends chunks without end, as the socket takes them."""

    async def run(target: Target) -> None:
        reader, writer = await _connection(target)
        reading: asyncio.Task[None] | None = None
        try:
            writer.write(handshake(token=target.token))
            await reader.readuntil(b"\r\n\r\n")
            if reads:
                reading = asyncio.ensure_future(_drop(reader, writer))
            for chunk in itertools.cycle(chunks(target)):
                writer.write(chunk)
                await writer.drain()
                if writer.is_closing():
                    return
                await asyncio.sleep(0)
        finally:
            if reading is not None:
                reading.cancel()
            writer.close()

    return run


async def _connection(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", target.port, local_addr=(target.source, 0))


async def _drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(_CHUNK):
        pass
    writer.close()


def _connecting(
    request: Callable[[Target], bytes], *, answer_read: bool = True
) -> Callable[[Target], Awaitable[None]]:
    """Return an attack that opens a connection, sends a request and closes it."""

    async def run(target: Target) -> None:
        reader, writer = await _connection(target)
        try:
            writer.write(request(target))
            if answer_read:
                await reader.read(_CHUNK)
        finally:
            writer.close()

    return run


def _get(path: str) -> Callable[[Target], bytes]:
    return lambda _: f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _bets(target: Target) -> list[bytes]:
    bet = {
        "market": target.market, "outcome": 0, "stake_minor": 1_000, "odds_milli": 2_500,
    }  # fmt: skip
    refs = itertools.count()
    return [
        json_frame(type="place_many", bets=[bet | {"ref": f"h{next(refs)}"} for _ in range(64)])
        for _ in range(64)
    ]


def _keys(_: Target) -> list[bytes]:
    """Return subscriptions by a thousand keys each, none of which is known or normalised."""
    keys = [f"x{number}/t?b=1|a={number}" for number in range(600)]
    return [json_frame(type="subscribe", keys=keys)]


def _fragments(_: Target) -> list[bytes]:
    middle = frame(CONT, b" ", fin=False) * 1_000
    start = frame(TEXT, b'{"type":"balance"', fin=False)
    return [start + middle, middle * 3, frame(CONT, b"}")]


ATTACKS: Final[Mapping[str, Attack]] = {
    "pings": Attack(1, _sending(lambda _: [frame(PING, b"") * 4_000])),
    "frames over the rate": Attack(1, _sending(lambda _: [json_frame(type="balance") * 500])),
    "one-byte fragments": Attack(1, _sending(_fragments)),
    "status questions": Attack(1, _sending(lambda _: [json_frame(type="status", ref="a") * 50])),
    "subscriptions by many keys": Attack(1, _sending(_keys)),
    "subscribe and unsubscribe": Attack(
        1,
        _sending(
            lambda _: [(json_frame(type="subscribe", all=True) + json_frame(
                type="unsubscribe", all=True)) * 20]
        ),
    ),
    "unsubscribes of many fixtures": Attack(
        1,
        _sending(lambda _: [json_frame(type="unsubscribe", fixtures=_FIXTURES)]),
    ),
    "images never read": Attack(
        1,
        _sending(
            lambda _: [(json_frame(type="unsubscribe", all=True) + json_frame(
                type="subscribe", all=True)) * 10],
            reads=False,
        ),
    ),
    "full batches of bets": Attack(1, _sending(_bets)),
    "pings of two hundred sessions": Attack(200, _sending(lambda _: [frame(PING, b"") * 500])),
    "connections opened and closed": Attack(
        16, _connecting(lambda target: handshake(token=target.token))
    ),
    "handshakes refused": Attack(16, _connecting(lambda _: handshake(token="not.a.token"))),
    "handshakes abandoned": Attack(
        4, _connecting(lambda target: handshake(token=target.token)[:-2], answer_read=False)
    ),
    "lists of markets": Attack(16, _connecting(_get("/v1/markets?limit=1000"))),
    "metrics": Attack(16, _connecting(_get("/metrics"))),
}  # fmt: skip
"""Every attack by its name."""
