"""Measure how soon one price change has reached the last of a thousand subscribers.

The subscribers are plain sockets in one selector loop, so that their own cost is small beside the
server's.
"""

import selectors
import socket
import statistics
import subprocess
import sys
import time

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from gateway.messages.base import MSGPACK_SUBPROTOCOL
from gateway.messages.market import Subscribe
from gateway.net.codec import MSGPACK
from gateway.session.tokens import Role
from tests.bench.live import token
from tests.bench.processor_time import processor_seconds
from tests.bench.table import Row

SUBSCRIBERS = 1_000
CHANGES = 50
RUNS = 5


class Subscribers:
    """A thousand sockets that have subscribed to one market."""

    def __init__(self, port: int) -> None:
        self._selector = selectors.EpollSelector()
        credential = token(1, role=Role.QUANT)
        self._sockets = [self._open(port, credential) for _ in range(SUBSCRIBERS)]

    def _open(self, port: int, credential: str) -> socket.socket:
        uri = parse_uri(f"ws://127.0.0.1:{port}/?token={credential}")
        protocol = ClientProtocol(uri, subprotocols=[Subprotocol(MSGPACK_SUBPROTOCOL)])
        sock = socket.create_connection(("127.0.0.1", port))
        protocol.send_request(protocol.connect())
        self._write(sock, protocol)
        received = 0
        while received < 1:  # the welcome
            protocol.receive_data(sock.recv(65_536))
            received += sum(_is_data(event) for event in protocol.events_received())
        protocol.send_binary(MSGPACK.encode(Subscribe(markets=(1,))))
        self._write(sock, protocol)
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_READ)
        return sock

    @staticmethod
    def _write(sock: socket.socket, protocol: ClientProtocol) -> None:
        for data in protocol.data_to_send():
            if data:
                sock.sendall(data)

    def drain(self, quiet_s: float = 0.3) -> None:
        """Read until nothing arrives for `quiet_s` seconds."""
        while ready := self._selector.select(quiet_s):
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.recv(65_536)

    def wait_all(self) -> None:
        """Wait until every socket has been readable once."""
        waiting = {sock.fileno() for sock in self._sockets}
        while waiting:
            for key, _ in self._selector.select(5.0):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.recv(65_536)
                waiting.discard(key.fd)

    def close(self) -> None:
        """Close them all."""
        for sock in self._sockets:
            sock.close()
        self._selector.close()


def _is_data(event: object) -> bool:
    return isinstance(event, Frame) and event.opcode in (Opcode.BINARY, Opcode.TEXT)


def _measure(kind: str) -> tuple[float, float]:
    """Return the median ms to the last subscriber, and the processor time of each in us."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.fanout_server", kind],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        subscribers = Subscribers(int(process.stdout.readline()))
        subscribers.drain()
        samples = []
        used_s = processor_seconds(process.pid)
        for _ in range(CHANGES):
            started = time.perf_counter()
            process.stdin.write("\n")
            process.stdin.flush()
            subscribers.wait_all()
            samples.append((time.perf_counter() - started) * 1_000)
        used_s = processor_seconds(process.pid) - used_s
        subscribers.close()
    finally:
        process.stdin.close()
        process.wait(timeout=10)
    return statistics.median(samples), used_s * 1e6 / CHANGES / SUBSCRIBERS


def fan_out() -> list[Row]:
    """Measure both servers in turn, several times."""
    pairs = [(_measure("gateway"), _measure("broadcast")) for _ in range(RUNS)]
    ours = [gateway[0] for gateway, _ in pairs]
    reference = [broadcast[0] for _, broadcast in pairs]
    ours_us = statistics.median(gateway[1] for gateway, _ in pairs)
    reference_us = statistics.median(broadcast[1] for _, broadcast in pairs)
    return [
        Row(
            f"a price change to the last of {SUBSCRIBERS:,} subscribers",
            "ms",
            statistics.median(ours),
            statistics.median(reference),
            "websockets' own broadcast of the same message",
            "lower",
            1.5,
            "ratio",
            f"one gateway process, from the shell's message to the last socket readable; {CHANGES} "
            f"changes per run, median of the medians of {RUNS} runs; processor time a change and "
            f"subscriber: {ours_us:.1f} us, of the reference {reference_us:.1f} us",
            ours,
            reference,
        )
    ]
