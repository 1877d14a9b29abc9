"""Client frames to payloads: our connection's fast path, beside websockets' parser.

Both sides run in this process on the same bytes, after a real handshake. No socket, no decoding and
no real session takes part. Ours is `Connection.data_received`, as the event loop calls it for each
read, with the frame rate counted, on a transport that drops what is written. The reference is
`ServerProtocol` alone: it receives each read and returns its events. Each payload goes to the same
counting function. Before anything is timed, both sides must give the same payloads.
"""

import asyncio
import gc
import os
import time
from collections.abc import Sequence

import uvloop
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from gateway.counters import Counters
from gateway.messages.base import MSGPACK_SUBPROTOCOL
from gateway.net.codec import MSGPACK, Codec
from gateway.net.connection import Connection
from gateway.net.flush_queue import FlushQueue
from gateway.net.listener import Listener
from gateway.net.work_shares import WorkQueue
from gateway.settings import GatewaySettings
from tests.bench.driver import REF_CHARS, a_bet
from tests.bench.table import Row, medians_of

FRAMES = 64_000
FRAMES_A_CHUNK = 16
"""Frames in one read: as many as one connection of the load test has in flight."""
RUNS = 15
_SUBPROTOCOLS = [Subprotocol(MSGPACK_SUBPROTOCOL)]
_FRAME_BYTES_MAX = 16_384
_COUNT_MAX = 1_000_000


class Payloads:
    """A session that counts payloads and, with `keep`, stores them."""

    client = "bench"

    def __init__(self, *, keep: bool = False) -> None:
        self.count = 0
        self.kept: list[bytes] | None = [] if keep else None

    def on_payload(self, payload: bytes) -> None:
        """Count a message."""
        self.count += 1
        if self.kept is not None:
            self.kept.append(payload)

    def on_over_rate(self, payload: bytes) -> None:
        """Fail: the rate of the measure is above every frame's."""
        raise AssertionError(payload)

    def on_room(self) -> None:
        """Do nothing: nothing is sent."""

    def on_lost(self) -> None:
        """Do nothing."""


class Everyone:
    """Admit every connection to one session."""

    name = "bets"
    frame_bytes_max = _FRAME_BYTES_MAX

    def __init__(self, session: Payloads) -> None:
        self._session = session

    def admit(self, connection: Connection, request: Request, codec: Codec) -> Payloads:
        """Admit."""
        del connection, request, codec
        return self._session

    def on_foreign(self, connection: Connection, request: Request, why: str) -> None:
        """Fail: the handshake has no origin."""
        raise AssertionError(why)

    def respond(self, request: Request) -> bytes:
        """Fail: there is no plain request."""
        raise AssertionError(request)


class Discard(asyncio.Transport):
    """A transport that drops what is written."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Drop it."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: the buffer is always empty."""


def handshake() -> bytes:
    """Return a client's handshake."""
    client = ClientProtocol(parse_uri("ws://127.0.0.1/"), subprotocols=_SUBPROTOCOLS)
    client.send_request(client.connect())
    return b"".join(client.data_to_send())


def chunks(frames_a_chunk: int) -> list[bytes]:
    """Return `FRAMES` bets as masked binary frames, so many in a chunk."""
    frames = []
    for number in range(FRAMES):
        bet = a_bet(ref=f"{number:0{REF_CHARS}d}", market=number % 4 + 1, outcome=number % 3)
        frames.append(Frame(Opcode.BINARY, MSGPACK.encode(bet)).serialize(mask=True))
    return [
        b"".join(frames[first : first + frames_a_chunk])
        for first in range(0, FRAMES, frames_a_chunk)
    ]


def ours(parts: Sequence[bytes], session: Payloads) -> float:
    """Parse by the fast path; return frames a second."""

    async def run() -> float:
        loop = asyncio.get_running_loop()
        counters = Counters()
        listener = Listener(
            admission=Everyone(session),
            settings=GatewaySettings(frames_a_second=_COUNT_MAX, frames_burst=_COUNT_MAX),
            counters=counters,
            flush_queue=FlushQueue(loop),
            # On a clock that stands no turn ever ends: the whole measure is one.
            work_queue=WorkQueue(counters=counters, percent=25, burst_ms=50, clock_ns=lambda: 0),
            work_capped=False,
        )
        connection = Connection(listener)
        connection.connection_made(Discard())
        connection.data_received(handshake())
        assert connection.session is session
        receive = connection.data_received
        gc.collect()
        began = time.perf_counter()
        for part in parts:
            receive(part)
        return FRAMES / (time.perf_counter() - began)

    return uvloop.run(run())


def reference(parts: Sequence[bytes], session: Payloads) -> float:
    """Parse by websockets' ServerProtocol alone; return frames a second."""
    protocol = ServerProtocol(subprotocols=_SUBPROTOCOLS, max_size=_FRAME_BYTES_MAX)
    protocol.receive_data(handshake())
    (request,) = protocol.events_received()
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    protocol.data_to_send()
    gc.collect()
    began = time.perf_counter()
    for part in parts:
        protocol.receive_data(part)
        for event in protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                session.on_payload(event.data)
    return FRAMES / (time.perf_counter() - began)


def compare(parts: Sequence[bytes]) -> None:
    """Assert that both give the same payloads, and all of them."""
    sides = Payloads(keep=True), Payloads(keep=True)
    ours(parts, sides[0])
    reference(parts, sides[1])
    assert sides[0].kept == sides[1].kept
    assert [side.count for side in sides] == [FRAMES, FRAMES]


def parse_frames() -> list[Row]:
    """Measure both in turn, on chunks of many frames and on chunks of one."""
    many, single = chunks(FRAMES_A_CHUNK), chunks(1)
    compare(many)
    compare(single)
    figures = [
        medians_of(
            lambda parts=parts: ours(parts, Payloads()),
            lambda parts=parts: reference(parts, Payloads()),
            runs=RUNS,
        )
        for parts in (many, single)
    ]
    one, one_reference = figures[1][:2]
    size = len(single[0])
    return [
        Row(
            "client frames parsed to payloads",
            "frames/s",
            figures[0][0],
            figures[0][1],
            "websockets' ServerProtocol alone on the same bytes",
            "higher",
            2.0,
            "ratio",
            f"{FRAMES:,} masked binary frames of {size} bytes (a bet), {FRAMES_A_CHUNK} a read, in "
            f"one process without sockets; ours is Connection.data_received with the frame rate "
            f"counted; with one frame a read {one:,.0f} against {one_reference:,.0f} "
            f"({one / one_reference:.2f}); median of {RUNS} runs in turn, {os.cpu_count()} cores",
            figures[0][2],
            figures[0][3],
        )
    ]
