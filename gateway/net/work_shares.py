"""Share the time of one event loop among the clients of a gateway.

Owns who may use the loop next. Every connection that has something to do belongs to a client (an
account, a token's identity, or the handshakes and plain requests of one address), and every client
to an address (of IPv6, a /64 prefix). Addresses take turns, within an address its clients, within a
client its connections. A turn is one slice of measured time, so what counts is work and not frames.
Each client of the public listener may also use no more than its percentage of the loop's time over
a while: past it, its connections rest, and nothing more is read from them. It never knows what the
work is.

What fits goes at once: while nobody waits, received bytes are handled in the call that brought
them.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, Protocol

from engine.common.units import NS_PER_MS
from gateway.counters import Counters

SLICE_NS: Final = 250_000
"""Time of one turn; a piece of work that has begun ends first."""
ROUND_NS: Final = 2_000_000
"""Time of all turns in one pass of the event loop, which then reads and writes sockets."""
SLICE_COST_NS: Final = 10_000
"""Charged for each turn beside its measured time: reading, writing and the loop's own work."""
CHARGE_MAX_NS: Final = 20_000_000
"""Most that one turn is charged: what is over it is time in which the process was stopped."""
REST_MIN_S: Final = 0.001
"""Shortest rest, a tick of the loop's timers."""
_NS_PER_S: Final = 1_000_000_000


def handshakes_of(address: str) -> Hashable:
    """Return the client whose share handshakes and plain requests of an address use."""
    return "handshakes", address


class Allowance:
    """The time that a client may still use: it grows by a percentage of the time that passes."""

    __slots__ = ("_at_ns", "_burst_ns", "_percent", "credit_ns")

    def __init__(self, *, percent: int, burst_ns: int, now_ns: int) -> None:
        self.credit_ns = burst_ns
        self._percent = percent
        self._burst_ns = burst_ns
        self._at_ns = now_ns

    def refill(self, now_ns: int) -> int:
        """Add what has grown since the last call; return the credit, negative for a debt."""
        grown = (now_ns - self._at_ns) * self._percent // 100
        self.credit_ns = min(self._burst_ns, self.credit_ns + grown)
        self._at_ns = now_ns
        return self.credit_ns

    def rest_s(self) -> float:
        """Return the seconds until a whole turn is affordable."""
        return max(REST_MIN_S, (SLICE_NS - self.credit_ns) * 100 / self._percent / _NS_PER_S)

    def is_full(self, now_ns: int) -> bool:
        """Return whether nothing used is left to be made up for."""
        return self.refill(now_ns) == self._burst_ns


class Worker(Protocol):
    """A connection with work."""

    share: "WorkShare"
    waits: bool
    """Whether it waits for its turn; set and cleared by the queue."""

    def work(self, until_ns: int) -> bool:
        """Work until a time of the queue's clock; return whether there is more to do now."""
        ...


class WorkShare:
    """One client at one address: its connections that wait for a turn, and its allowance."""

    __slots__ = ("address", "allowance", "members", "ready", "waits")

    def __init__(self, *, address: "_Address", allowance: Allowance | None) -> None:
        self.address = address
        self.allowance = allowance
        self.members = 0
        self.ready: deque[Worker] = deque()
        self.waits = False

    def charge(self, cost_ns: int) -> None:
        """Charge work that is done outside of a turn."""
        if self.allowance is not None:
            self.allowance.credit_ns -= cost_ns


class _Address:
    """One address: its clients that wait for a turn."""

    __slots__ = ("clients", "ready", "waits")

    def __init__(self) -> None:
        self.clients: dict[Hashable, WorkShare] = {}
        self.ready: deque[WorkShare] = deque()
        self.waits = False


class WorkQueue:
    """All connections of a gateway that have something to do.

    Parameters
    ----------
    counters : Counters
        Counts turns and rests.
    percent : int
        Percentage of the loop's time that each capped client may use.
    burst_ms : int
        Milliseconds that a client may use at once after it was quiet.
    clock_ns : callable
        Nanoseconds, never going back.
    """

    def __init__(
        self,
        *,
        counters: Counters,
        percent: int,
        burst_ms: int,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.clock_ns = clock_ns
        self._loop = asyncio.get_running_loop()
        self._counters = counters
        self._percent = percent
        self._burst_ns = burst_ms * NS_PER_MS
        self._addresses: dict[str, _Address] = {}
        self._allowances: dict[Hashable, Allowance] = {}
        self._users: dict[Hashable, int] = {}
        self._idle: dict[Hashable, None] = {}
        """Keys of allowances without a member that are not full yet."""
        self._ready: deque[_Address] = deque()
        self._clients_ready = 0
        self._spent_ns = 0
        self._woken = False

    # --- who shares ------------------------------------------------------------------------------

    def enter(self, *, address: str, client: Hashable, capped: bool) -> WorkShare:
        """Count a connection in for a client at an address; return their share."""
        at = self._addresses.get(address)
        if at is None:
            at = self._addresses[address] = _Address()
        share = at.clients.get((client, capped))
        if share is None:
            allowance = self._allowance(client) if capped else None
            share = at.clients[client, capped] = WorkShare(address=at, allowance=allowance)
        share.members += 1
        if capped:
            self._users[client] = self._users.get(client, 0) + 1
            self._idle.pop(client, None)
        return share

    def leave(self, share: WorkShare, *, address: str, client: Hashable) -> None:
        """Count a connection out; a client's allowance stays until what it used has grown again."""
        share.members -= 1
        if share.members == 0:
            at = self._addresses[address]
            del at.clients[client, share.allowance is not None]
            if not at.clients:
                del self._addresses[address]
        if share.allowance is not None:
            self._users[client] -= 1
            if self._users[client] == 0:
                del self._users[client]
                self._idle[client] = None

    def _allowance(self, client: Hashable) -> Allowance:
        allowance = self._allowances.get(client)
        if allowance is None:
            allowance = self._allowances[client] = Allowance(
                percent=self._percent, burst_ns=self._burst_ns, now_ns=self.clock_ns()
            )
        return allowance

    def forget(self) -> None:
        """Forget the full allowances of clients that are gone."""
        now_ns = self.clock_ns()
        for client in [key for key in self._idle if self._allowances[key].is_full(now_ns)]:
            del self._idle[client], self._allowances[client]

    @property
    def clients(self) -> int:
        """Number of capped clients that are known."""
        return len(self._allowances)

    # --- turns -----------------------------------------------------------------------------------

    def arrived(self, worker: Worker) -> None:
        """Give a connection its turn now if nobody waits and this pass has time, else queue it."""
        if worker.waits:
            return
        allowance = worker.share.allowance
        if (
            self._ready
            or self._spent_ns >= ROUND_NS
            or (allowance is not None and allowance.refill(self.clock_ns()) < 0)
        ):
            self.add(worker)
        else:
            self._turn(worker)
            self._wake()

    def add(self, worker: Worker) -> None:
        """Queue a connection for a turn."""
        if worker.waits:
            return
        worker.waits = True
        share = worker.share
        share.ready.append(worker)
        if not share.waits:
            share.waits = True
            self._queue(share)
        self._wake()

    def _queue(self, share: WorkShare) -> None:
        address = share.address
        address.ready.append(share)
        self._clients_ready += 1
        if not address.waits:
            address.waits = True
            self._ready.append(address)

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._run)

    def _turn(self, worker: Worker) -> None:
        started_ns = self.clock_ns()
        more = worker.work(started_ns + SLICE_NS)
        spent_ns = self.clock_ns() - started_ns
        self._counters.work_turns += 1
        self._spent_ns += spent_ns
        worker.share.charge(min(spent_ns, CHARGE_MAX_NS) + SLICE_COST_NS)
        if more:
            self.add(worker)

    def _run(self) -> None:
        """Give every client that waits one turn, as far as the time of one pass goes."""
        self._woken = False
        self._spent_ns = 0
        turns = self._clients_ready
        while turns > 0 and self._ready and self._spent_ns < ROUND_NS:
            turns -= 1
            worker = self._next()
            if worker is not None:
                self._turn(worker)
        if self._ready:
            self._wake()

    def _next(self) -> Worker | None:
        """Take the next connection; None when its client has to rest first."""
        address = self._ready.popleft()
        share = address.ready.popleft()
        self._clients_ready -= 1
        worker: Worker | None = None
        allowance = share.allowance
        if allowance is not None and allowance.refill(self.clock_ns()) < 0:
            self._counters.work_rests += 1
            self._loop.call_later(allowance.rest_s(), self._rested, share)
        else:
            worker = share.ready.popleft()
            worker.waits = False
            if share.ready:
                address.ready.append(share)
                self._clients_ready += 1
            else:
                share.waits = False
        if address.ready:
            self._ready.append(address)
        else:
            address.waits = False
        return worker

    def _rested(self, share: WorkShare) -> None:
        self._queue(share)
        self._wake()
