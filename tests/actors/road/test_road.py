"""The road over real sockets and between real processes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import uvloop
from msgspec.structs import replace

from actors.peer import (
    LocalPeer,
    PeerDiedError,
    PeerError,
    PeerRefusedError,
    PeerTimeoutError,
)
from actors.road.address import RoadAddress, new_token
from actors.road.connection import CALLS_IN_FLIGHT_MAX, WAITING_BYTES_MAX, RemoteError
from actors.road.frames import PAYLOAD_BYTES_MAX, FrameError
from actors.road.peer import RoadPeer
from actors.road.road import Road, RoadSettings, join_road, leave_road
from actors.road.server import STRANGERS_MAX
from actors.road.work_thread import WorkThread
from tests.actors.road.callee import SECRET, Echo
from tests.gateway.feeds.certificate import make_certificate

SETTINGS = RoadSettings(secret=SECRET)
ANSWER_S = 20.0


class Recorder(Echo):
    """Keeps what it was notified of; `hold` lets a coroutine method wait."""

    def __init__(self) -> None:
        self.prices: list[bytes] = []
        self.changed = asyncio.Event()
        self.hold = asyncio.Event()

    def on_prices(self, payload: bytes) -> None:
        """Keep the payload."""
        self.prices.append(payload)
        self.changed.set()

    async def accept(self, bodies: list[bytes]) -> int:
        """Wait until the test lets it go."""
        await self.hold.wait()
        return len(bodies)

    def settle(self, rows: bytes) -> object:
        """Return what msgpack cannot carry, or too much of it."""
        return bytes(PAYLOAD_BYTES_MAX) if rows else object()

    def query(self, payload: bytes) -> bytes:
        """Raise an error of the part's own."""
        raise KeyError(payload.decode())


class Ends:
    """Two roads in this process: a part on one, its caller on the other."""

    def __init__(self, settings: RoadSettings = SETTINGS) -> None:
        self.part = Recorder()
        self.callee = Road("account-000", settings)
        self.caller = Road("gateway-0", settings)
        self.address: RoadAddress

    async def ask(self, method: str, *args: object, timeout_s: float = ANSWER_S) -> object:
        """Call the part over the road."""
        return await self.caller.ask(self.address, method, args, timeout_s)


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    """Both ends, over a Unix socket."""
    both = Ends()
    both.address = await both.callee.serve(both.part)
    yield both
    both.caller.close()
    both.callee.close()


class Callee:
    """A process with an Echo on the road."""

    def __init__(self, name: str = "account-000") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.actors.road.callee", name],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = bytes.fromhex(self.process.stdout.readline())
        self.address = msgspec.msgpack.decode(line, type=RoadAddress)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(self.process.pid, number)

    def freeze(self) -> None:
        """Stop the process; return when it has stopped."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def end(self) -> None:
        """Kill the process and wait for its end."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def callee() -> Iterator[Callee]:
    """A callee's process."""
    process = Callee()
    yield process
    process.end()


async def _until(condition: object, what: str) -> None:
    assert callable(condition)
    async with asyncio.timeout(ANSWER_S):
        while not condition():
            await asyncio.sleep(0.005)
    assert condition(), what


# --- calls -------------------------------------------------------------------------------------
async def test_an_answer_is_that_of_its_own_call(ends: Ends) -> None:
    calls = [ends.ask("exchange", b"%d" % n, b"x" * n) for n in range(200)]
    assert await asyncio.gather(*calls) == [b"%d" % n + b"x" * n for n in range(200)]


async def test_large_calls_and_answers_come_whole(ends: Ends) -> None:
    half = os.urandom(PAYLOAD_BYTES_MAX // 2 - 100)
    assert await ends.ask("exchange", half, half) == half + half


async def test_refusals_and_errors_come_back_as_they_were_raised(ends: Ends) -> None:
    with pytest.raises(PeerRefusedError, match="the disk is full"):
        await ends.ask("place", b"refuse")
    with pytest.raises(ValueError, match="3 rows"):
        await ends.ask("place", b"abc")
    with pytest.raises(RemoteError, match="KeyError: 'abc'"):
        await ends.ask("query", b"abc")
    assert await ends.ask("applied", 7) == 7, "the connection goes on"


async def test_an_answer_that_cannot_be_sent_is_an_error_of_its_call_alone(ends: Ends) -> None:
    for rows in (b"", b"too much"):
        with pytest.raises(RemoteError, match="the answer cannot be sent"):
            await ends.ask("settle", rows)
    with pytest.raises(FrameError, match="payload"):
        await ends.ask("exchange", bytes(PAYLOAD_BYTES_MAX), b"")
    assert await ends.ask("exchange", b"a", b"b") == b"ab"


async def test_a_late_answer_is_nobodys_and_the_next_call_has_its_own(ends: Ends) -> None:
    with pytest.raises(PeerTimeoutError, match=r"account-000\.accept"):
        await ends.ask("accept", [b"late"], timeout_s=0.01)
    ends.part.hold.set()
    assert await ends.ask("accept", [b"a", b"b"]) == 2


async def test_past_the_bound_of_calls_in_flight_nothing_is_sent(ends: Ends) -> None:
    waiting = [
        asyncio.ensure_future(ends.ask("accept", [b"x"])) for _ in range(CALLS_IN_FLIGHT_MAX)
    ]
    await asyncio.sleep(0)
    with pytest.raises(PeerError, match="too much is in flight"):
        await ends.ask("accept", [b"one more"])
    ends.part.hold.set()
    assert await asyncio.gather(*waiting) == [1] * CALLS_IN_FLIGHT_MAX


async def test_calls_whose_caller_was_cancelled_make_room_for_others(ends: Ends) -> None:
    waiting = [
        asyncio.ensure_future(ends.ask("accept", [b"x"])) for _ in range(CALLS_IN_FLIGHT_MAX)
    ]
    await asyncio.sleep(0)
    for call in waiting:
        call.cancel()
    await asyncio.wait(waiting)

    answer = ends.caller.ask(ends.address, "exchange", (b"a", b"b"), ANSWER_S)

    def sent() -> bool:
        nonlocal answer
        if answer.done() and isinstance(answer.exception(), PeerError):
            answer = ends.caller.ask(ends.address, "exchange", (b"a", b"b"), ANSWER_S)
        return not answer.done()

    await _until(sent, "the calls are forgotten, and another one is sent")
    ends.part.hold.set()
    assert await answer == b"ab"


async def test_a_call_is_sent_before_its_answer_is_awaited(ends: Ends) -> None:
    await ends.ask("exchange", b"", b"")  # the greeting is over
    answer = ends.caller.ask(ends.address, "accept", ([b"x", b"y"],), ANSWER_S)
    ends.part.hold.set()
    await _until(answer.done, "the answer came although nobody awaits it")
    assert await answer == 2


async def test_notifications_come_in_order(ends: Ends) -> None:
    for n in range(500):
        ends.caller.notify(ends.address, "on_prices", (b"%d" % n,))
    await _until(lambda: len(ends.part.prices) == 500, "all came")
    assert ends.part.prices == [b"%d" % n for n in range(500)]


# --- ends of processes ---------------------------------------------------------------------------
async def test_a_killed_process_is_noticed_without_a_deadline(callee: Callee) -> None:
    road = Road("gateway-0", SETTINGS)
    assert await road.ask(callee.address, "exchange", (b"a", b"b"), ANSWER_S) == b"ab"
    callee.freeze()
    waiting = asyncio.ensure_future(road.ask(callee.address, "exchange", (b"a", b"b"), None))
    await asyncio.sleep(0)
    callee.signal(signal.SIGKILL)
    with pytest.raises(PeerDiedError):
        async with asyncio.timeout(ANSWER_S):
            await waiting
    callee.end()
    with pytest.raises(PeerDiedError):
        await road.ask(callee.address, "exchange", (b"a", b"b"), None)
    road.close()


async def test_a_frozen_process_is_noticed_by_deadline_and_answers_late(callee: Callee) -> None:
    road = Road("gateway-0", SETTINGS)
    assert await road.ask(callee.address, "applied", (1,), ANSWER_S) == 1
    callee.freeze()
    with pytest.raises(PeerTimeoutError):
        await road.ask(callee.address, "applied", (2,), 0.05)
    callee.signal(signal.SIGCONT)
    assert await road.ask(callee.address, "applied", (3,), ANSWER_S) == 3
    road.close()


async def test_an_old_process_never_answers_for_its_successor(callee: Callee) -> None:
    successor = replace(callee.address, token=new_token())
    road = Road("gateway-0", SETTINGS)
    with pytest.raises(PeerDiedError):
        await road.ask(successor, "applied", (1,), ANSWER_S)

    # Even where the wrong process is reached, it does not answer under a token that is not its own.
    async def dial(_: RoadAddress, protocol: asyncio.BaseProtocol) -> None:
        await road._dial_socket(callee.address, protocol)

    lying = Road("gateway-1", SETTINGS, dial=dial)
    with pytest.raises(PeerDiedError):
        await lying.ask(successor, "applied", (1,), ANSWER_S)
    assert await road.ask(callee.address, "applied", (1,), ANSWER_S) == 1
    lying.close()
    road.close()


# --- who is let in -------------------------------------------------------------------------------
async def test_a_stranger_is_closed_out_and_counted(ends: Ends) -> None:
    stranger = Road("gateway-0", RoadSettings(secret=b"a guess of the secret"))
    with pytest.raises(PeerDiedError):
        await stranger.ask(ends.address, "exchange", (b"a", b"b"), ANSWER_S)
    assert ends.callee.server is not None
    server = ends.callee.server
    await _until(lambda: server.strangers == 1, "it is counted")
    assert await ends.ask("exchange", b"a", b"b") == b"ab"
    stranger.close()


async def test_silent_strangers_take_no_room_from_those_who_belong_here(ends: Ends) -> None:
    silent = [socket.socket(socket.AF_UNIX) for _ in range(STRANGERS_MAX + 8)]
    for stranger in silent:
        stranger.connect(ends.address.socket_name)
    assert ends.callee.server is not None
    server = ends.callee.server
    await _until(lambda: server.strangers == 8, "the oldest had to make room")
    assert await ends.ask("exchange", b"a", b"b") == b"ab"
    assert len(server.greeting) <= STRANGERS_MAX
    for stranger in silent:
        stranger.close()


async def test_garbage_behind_a_greeting_ends_that_connection_alone(ends: Ends) -> None:
    other = Road("gateway-1", SETTINGS)
    assert await other.ask(ends.address, "applied", (1,), ANSWER_S) == 1
    (line,) = other._connections.values()
    assert line._transport is not None
    line._transport.write(b"\xff" * 64)
    await _until(lambda: line.ended, "it was closed")
    assert await ends.ask("applied", 2) == 2
    assert await other.ask(ends.address, "applied", (3,), ANSWER_S) == 3, "over a new connection"
    other.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_processes_of_other_machines_are_called_over_tcp(tmp_path: Path, tls: bool) -> None:
    settings = replace(SETTINGS, host="127.0.0.1")
    if tls:
        mine = make_certificate(tmp_path, "road")
        settings = replace(
            settings,
            certificate=str(mine.cert),
            key=str(mine.key),
            authority=str(mine.cert),
        )
    both = Ends(settings)
    here = await both.callee.serve(both.part)
    both.address = replace(here, machine="another")
    assert await both.ask("exchange", b"a", b"b") == b"ab"
    if tls:
        plain = Road("gateway-0", SETTINGS)
        with pytest.raises(PeerDiedError):
            await plain.ask(both.address, "exchange", (b"a", b"b"), ANSWER_S)
        plain.close()
    both.caller.close()
    both.callee.close()


async def test_nobody_calls_again_where_a_process_has_ended(callee: Callee) -> None:
    road = Road("market-0", SETTINGS)
    road.subscribe(callee.address, lambda: pytest.fail("it cannot be back"))
    assert await road.ask(callee.address, "applied", (1,), ANSWER_S) == 1
    callee.end()
    await _until(lambda: not road._subscriptions, "the subscription ended with the process")
    assert not road._connections
    road.close()


# --- gaps ----------------------------------------------------------------------------------------
async def test_who_may_have_missed_notifications_is_told_once_it_can_be_reached(
    ends: Ends,
) -> None:
    gaps: list[int] = []

    def on_gap() -> None:
        gaps.append(len(ends.part.prices))
        ends.caller.notify(ends.address, "on_prices", (b"all of it",))

    ends.caller.subscribe(ends.address, on_gap)
    ends.caller.notify(ends.address, "on_prices", (b"first",))
    await _until(lambda: ends.part.prices == [b"first"], "it came")
    assert not gaps
    assert ends.callee.server is not None
    for line in list(ends.callee.server.connections):
        line.abort()
    await _until(lambda: gaps == [1], "the subscriber is told")
    ends.caller.notify(ends.address, "on_prices", (b"second",))
    sent = [b"first", b"all of it", b"second"]
    await _until(lambda: ends.part.prices == sent, "it goes on")
    assert gaps == [1], "one connection was lost"


async def test_a_receiver_that_reads_nothing_is_given_up_and_told_later(callee: Callee) -> None:
    road, gaps = Road("market-0", SETTINGS), list[int]()
    road.subscribe(callee.address, lambda: gaps.append(1))
    assert await road.ask(callee.address, "applied", (1,), ANSWER_S) == 1
    callee.freeze()
    (line,) = road._connections.values()
    sent = 0
    while not line.ended:
        road.notify(callee.address, "on_prices", (bytes(100_000),))
        sent += 100_000
        assert sent < 2 * WAITING_BYTES_MAX
    callee.signal(signal.SIGCONT)
    await _until(lambda: gaps == [1], "it is told when it reads again")
    road.close()


@pytest.mark.parametrize(
    "scenario",
    [
        test_an_answer_is_that_of_its_own_call,
        test_large_calls_and_answers_come_whole,
        test_a_late_answer_is_nobodys_and_the_next_call_has_its_own,
        test_past_the_bound_of_calls_in_flight_nothing_is_sent,
        test_notifications_come_in_order,
        test_silent_strangers_take_no_room_from_those_who_belong_here,
        test_garbage_behind_a_greeting_ends_that_connection_alone,
        test_who_may_have_missed_notifications_is_told_once_it_can_be_reached,
    ],
)
def test_the_same_holds_on_the_event_loop_of_real_processes(
    scenario: Callable[[Ends], Awaitable[None]],
) -> None:
    async def run() -> None:
        both = Ends()
        both.address = await both.callee.serve(both.part)
        try:
            await scenario(both)
        finally:
            both.caller.close()
            both.callee.close()

    uvloop.run(run())


# --- one thread, whatever way calls come ---------------------------------------------------------
class Careful:
    """Notices when two of its calls run at the same time, or in different threads."""

    def __init__(self) -> None:
        self.inside = 0
        self.overlaps = 0
        self.threads: dict[int, None] = {}

    def exchange(self, verdicts: bytes, reservations: bytes) -> int:
        """Work for a while."""
        self.inside += 1
        self.threads[threading.get_ident()] = None
        total = sum(range(20_000)) + len(verdicts) + len(reservations)
        self.overlaps += self.inside != 1
        self.inside -= 1
        return total


async def test_calls_of_both_ways_never_run_at_the_same_time() -> None:
    part, thread = Careful(), WorkThread("account-000")
    served, callee = await asyncio.to_thread(thread.wait, _served(part))
    road = Road("gateway-0", SETTINGS)
    direct = [asyncio.to_thread(thread.call, part.exchange, b"", b"%d" % n) for n in range(100)]
    over_road = [road.ask(callee, "exchange", (b"", b"%d" % n), ANSWER_S) for n in range(100)]
    assert len(await asyncio.gather(*direct, *over_road)) == 200
    assert (part.overlaps, len(part.threads)) == (0, 1)
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(thread.call, lambda: 1 // 0)
    road.close()
    await asyncio.to_thread(thread.call, served.close)


async def _served(part: object) -> tuple[Road, RoadAddress]:
    road = Road("account-000", SETTINGS)
    return road, await road.serve(part)


# --- the peer ------------------------------------------------------------------------------------
async def test_a_peer_goes_over_the_road_for_what_is_hot_and_by_its_rare_way_else(
    ends: Ends,
) -> None:
    class Rare(Echo):
        def tick(self) -> str:
            return "by the rare way"

        def exchange(self, verdicts: bytes, reservations: bytes) -> bytes:
            return b"by the rare way"

    peer = RoadPeer(LocalPeer(Rare(), name="account-000"), ends.address)
    assert await peer.ask("exchange", b"a", b"b") == b"by the rare way", "off the road"
    join_road(ends.caller)
    try:
        assert await peer.ask("exchange", b"a", b"b", timeout_s=ANSWER_S) == b"ab"
        assert await peer.ask("tick") == "by the rare way"
    finally:
        leave_road()
    assert await peer.ask("exchange", b"a", b"b") == b"by the rare way"
