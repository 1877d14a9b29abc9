"""One call between two processes: over the road, and over ZeroMQ with the same content.

The callees are two processes, each with a plain thread that runs the calls, as in a shell; the
caller is one event loop of uvloop, as in a gateway. Both ways match answers by call number and
encode with msgpack. Blocks of calls alternate.
"""

import asyncio
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec
import uvloop
import zmq
import zmq.asyncio

from actors.road.address import RoadAddress
from actors.road.road import Road
from tests.bench.processor_time import processor_seconds
from tests.bench.road_callee import SETTINGS
from tests.bench.table import Row

CALLS = 6_000
LARGE_CALLS = 1_500
RUNS = 5
SMALL_BYTES = 200
LARGE_BYTES = 64 << 10
IN_FLIGHT = 16

Call = Callable[[bytes], Awaitable[bytes]]


class _Callee:
    def __init__(self, way: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.road_callee", way],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.where = self.process.stdout.readline().strip()


class _ZmqCaller:
    """Calls with numbers over a DEALER socket."""

    def __init__(self, where: str) -> None:
        self._socket = zmq.asyncio.Context.instance().socket(zmq.DEALER)
        self._socket.connect(where)
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[bytes]] = {}
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def call(self, payload: bytes) -> bytes:
        """Return the callee's answer."""
        number = next(self._numbers)
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(msgspec.msgpack.encode((number, 0, (payload,))))
        return await answer

    def close(self) -> None:
        """Stop reading."""
        self._reader.cancel()
        self._socket.close(0)

    async def _read(self) -> None:
        while True:
            number, answer = msgspec.msgpack.decode(await self._socket.recv())
            self._calls.pop(number).set_result(answer)


async def _block(call: Call, payload: bytes, calls: int, in_flight: int) -> float:
    """Return microseconds a call."""

    async def worker(share: int) -> None:
        for _ in range(share):
            assert len(await call(payload)) == len(payload)

    started = time.perf_counter()
    await asyncio.gather(*(worker(calls // in_flight) for _ in range(in_flight)))
    return (time.perf_counter() - started) / calls * 1e6


async def _measure() -> list[Row]:
    ours, theirs = _Callee("road"), _Callee("zmq")
    address = msgspec.msgpack.decode(bytes.fromhex(ours.where), type=RoadAddress)
    road, other = Road("bench", SETTINGS), _ZmqCaller(theirs.where)

    async def over_road(payload: bytes) -> bytes:
        answer: bytes = await road.ask(address, "exchange", (payload,), 10.0)
        return answer

    rows = []
    try:
        for what, size, calls, in_flight in (
            ("one call in flight, 200 bytes each way", SMALL_BYTES, CALLS, 1),
            ("16 calls in flight, 200 bytes each way", SMALL_BYTES, CALLS, IN_FLIGHT),
            ("one call in flight, 64 KiB each way", LARGE_BYTES, LARGE_CALLS, 1),
        ):
            samples: dict[str, list[float]] = {"road": [], "zmq": []}
            used: dict[str, list[float]] = {"road": [0.0, 0.0], "zmq": [0.0, 0.0]}
            ways: dict[str, tuple[Call, _Callee]] = {
                "road": (over_road, ours),
                "zmq": (other.call, theirs),
            }
            for run in range(RUNS + 1):
                for way, (call, callee) in ways.items():
                    before = time.process_time(), processor_seconds(callee.process.pid)
                    us = await _block(call, bytes(size), calls, in_flight)
                    if run:  # the first block warms up
                        samples[way].append(us)
                        used[way][0] += time.process_time() - before[0]
                        used[way][1] += processor_seconds(callee.process.pid) - before[1]
            costs = {
                way: [seconds / RUNS / calls * 1e6 for seconds in of_way]
                for way, of_way in used.items()
            }
            rows.append(_row(what, samples, costs, calls))
    finally:
        road.close()
        other.close()
        for process in (ours.process, theirs.process):
            process.kill()
            process.wait()
    return rows


def _row(
    what: str, samples: dict[str, list[float]], costs: dict[str, list[float]], calls: int
) -> Row:
    ways = "; ".join(
        f"{way}: caller {caller:.1f}, callee {callee:.1f} us of processor time a call"
        for way, (caller, callee) in costs.items()
    )
    return Row(
        f"a call between processes, {what}",
        "us",
        statistics.median(samples["road"]),
        statistics.median(samples["zmq"]),
        "pyzmq, DEALER to ROUTER over ipc, same content",
        "lower",
        1.0,
        "ratio",
        f"{calls:,} calls per run, in turn, median of {RUNS}; {ways}",
        samples["road"],
        samples["zmq"],
    )


def road_and_zmq() -> list[Row]:
    """Measure both ways."""
    return uvloop.run(_measure())
