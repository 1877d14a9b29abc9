"""A connection as its session sees it: it takes frames and steps of work, and charges for both.

Owns the out-buffer and its bounds, and the connection's place among those that share the gateway's
time. Frames leave in one write per turn of the event loop. It never reads.
"""

import asyncio
from collections.abc import Hashable, Iterator
from typing import Protocol, cast

from gateway.counters import Counters
from gateway.net.flush_queue import FlushQueue
from gateway.net.frame_rate import FrameRate
from gateway.net.work_shares import WorkQueue, WorkShare
from gateway.settings import CloseCode, GatewaySettings


class Session(Protocol):
    """Receive one connection's messages after the handshake."""

    client: Hashable
    """Whose share of the gateway's time the messages use: an account or an identity."""

    def on_payload(self, payload: bytes) -> None:
        """Take one message."""
        ...

    def on_over_rate(self, payload: bytes) -> None:
        """Take one message that exceeds the frame rate."""
        ...

    def on_room(self) -> None:
        """Use room that has become free in the out-buffer."""
        ...

    def on_lost(self) -> None:
        """Note that the connection is closed."""
        ...


class Output(asyncio.Protocol):
    """What a session and its services use of a connection."""

    __slots__ = (
        "_client",
        "_counters",
        "_flush_queue",
        "_queued",
        "_rate",
        "_room",
        "_settings",
        "_steps",
        "_transport",
        "_work_capped",
        "_work_queue",
        "address",
        "closing",
        "out",
        "out_bytes",
        "paused",
        "peer",
        "session",
        "share",
        "waits",
    )

    def __init__(
        self,
        *,
        settings: GatewaySettings,
        counters: Counters,
        flush_queue: FlushQueue,
        work_queue: WorkQueue,
        work_capped: bool,
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._flush_queue = flush_queue
        self._work_queue = work_queue
        self._work_capped = work_capped
        self._client: Hashable = None
        self._rate: FrameRate = cast(FrameRate, None)
        self._steps: Iterator[None] | None = None
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._queued = False
        self._room = False
        self.session: Session | None = None
        self.out: list[bytes] = []
        self.out_bytes = 0
        self.paused = False
        self.closing = False
        self.share: WorkShare = cast(WorkShare, None)
        self.waits = False
        self.peer = ""
        self.address = ""

    def work(self, until_ns: int) -> bool:
        """Use a turn; see `Connection`."""
        raise NotImplementedError

    def close(self, code: int, reason: str) -> None:
        """Close with a code; see `Connection`."""
        raise NotImplementedError

    # --- work ------------------------------------------------------------------------------------

    def spend(self, frames: int) -> None:
        """Charge further frames to the rate, for a message that holds several."""
        self._rate.spend(frames)

    def work_off(self, steps: Iterator[None]) -> None:
        """Do a message's work in steps, before the next message and over several turns."""
        assert self._steps is None, "a message is handled after the steps of the one before"
        self._steps = steps

    def charge(self, cost_ns: int) -> None:
        """Charge the client for work that its message causes later."""
        self.share.charge(cost_ns)

    def _join_share(self, client: Hashable) -> None:
        self._client = client
        self.share = self._work_queue.enter(
            address=self.address, client=client, capped=self._work_capped
        )

    def _leave_share(self) -> None:
        self._work_queue.leave(self.share, address=self.address, client=self._client)

    # --- frames out ------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """Write a frame that must arrive; close a client that leaves too many unread."""
        if self.closing:
            return
        self.out.append(frame)
        self.out_bytes += len(frame)
        self._flush_later()
        if self.out_bytes > self._settings.answers_buffer_bytes:
            self._counters.slow_closed += 1
            self.close(CloseCode.TOO_SLOW, "answers pile up unread")

    def send_odds(self, frame: bytes) -> bool:
        """Write a frame that a later one can replace; False when there is no room."""
        if self.paused or self.closing or self.out_bytes > self._settings.odds_buffer_bytes:
            return False
        self.out.append(frame)
        self.out_bytes += len(frame)
        self._flush_later()
        return True

    def flush(self) -> None:
        """Write everything that waits in one write, unless the client is not reading."""
        self._queued = False
        if self.paused or not self.out:
            return
        out = self.out
        self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        had_room = self.out_bytes <= self._settings.odds_buffer_bytes
        self.out = []
        self.out_bytes = 0
        if not had_room and not self.paused and self.session is not None and not self.closing:
            self._room = True
            self._work_queue.add(self)

    def _flush_later(self) -> None:
        if not self._queued:
            self._queued = True
            self._flush_queue.add(self)
