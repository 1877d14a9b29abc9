"""One connection: the bytes between a socket and its session.

Owns the WebSocket framing over the I/O-free protocol of `websockets`, the bounds on bytes
(handshake, frame, rate, out-buffers, silence), and the one write per turn of the event loop. It
never reads a message: payloads go to the session, frames come back.

Whole, final, masked data frames, which are nearly all that clients send, are cut straight from the
received chunk. Every other frame goes through the protocol object, one whole frame at a time,
so that the protocol always stands at a frame's edge and all its checks hold. Decision record 6 has
the measurement behind it.
"""

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Sequence
from typing import Protocol, cast

from websockets.frames import CLOSE, PING, PONG, Frame
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.speedups import apply_mask
from websockets.typing import Origin, Subprotocol

from gateway.counters import Counters
from gateway.net.codec import CODECS, Codec
from gateway.net.flush_queue import FlushQueue
from gateway.net.http_answers import refusal
from gateway.net.server_protocol import GatewayProtocol
from gateway.settings import CloseCode, GatewaySettings

logger = logging.getLogger("overround.gateway")
_quiet = logging.getLogger("overround.websocket")
_quiet.setLevel(logging.CRITICAL)  # a hostile peer must not fill the log


class Session(Protocol):
    """Receive one connection's messages after the handshake."""

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


class Admission(Protocol):
    """Admit or refuse the connections of one listener, and answer its plain requests."""

    name: str
    frame_bytes_max: int

    def admit(
        self, connection: "Connection", request: Request, codec: Codec
    ) -> Session | tuple[int, str]:
        """Return the caller's session, or the HTTP status and text that refuse it."""
        ...

    def on_origin_refused(self, connection: "Connection", request: Request, why: str) -> None:
        """Audit a handshake that was refused for its origin."""
        ...

    def respond(self, request: Request) -> bytes:
        """Return the whole HTTP answer to a plain request."""
        ...


class Listener(Protocol):
    """What a connection needs of the listener that accepted it."""

    admission: Admission
    counters: Counters
    flush_queue: FlushQueue
    loop: asyncio.AbstractEventLoop
    origins: Sequence[Origin | re.Pattern[str] | None]
    settings: GatewaySettings
    subprotocols: Sequence[Subprotocol]

    def enter(self, connection: "Connection") -> bool:
        """Count a connection in; False when there are too many."""
        ...

    def leave(self, connection: "Connection") -> None:
        """Count a connection out."""
        ...


class Connection(asyncio.Protocol):
    """One connection, from the handshake to the last byte."""

    __slots__ = (
        "_budget",
        "_budget_s",
        "_fragment",
        "_frame_max",
        "_handshake_bytes",
        "_listener",
        "_loop",
        "_over",
        "_plain",
        "_protocol",
        "_queued",
        "_settings",
        "_tail",
        "_timer",
        "_transport",
        "closing",
        "codec",
        "out",
        "out_bytes",
        "paused",
        "paused_s",
        "peer",
        "pinged_s",
        "received_s",
        "session",
    )

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._settings = listener.settings
        self._loop = listener.loop
        self._protocol = GatewayProtocol(
            origins=listener.origins,
            subprotocols=listener.subprotocols,
            max_size=listener.admission.frame_bytes_max,
            logger=_quiet,
        )
        self._frame_max = listener.admission.frame_bytes_max
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._timer: asyncio.TimerHandle | None = None
        self._handshake_bytes = 0
        self._tail = b""
        self._fragment: bytearray | None = None
        self._plain = -1
        self._budget = float(self._settings.frames_burst)
        self._budget_s = 0.0
        self._over = 0
        self._queued = False
        self.codec: Codec = cast(Codec, None)
        self.session: Session | None = None
        self.out: list[bytes] = []
        self.out_bytes = 0
        self.paused = False
        self.paused_s = 0.0
        self.received_s = 0.0
        self.pinged_s = 0.0
        self.closing = False
        self.peer = ""

    # --- the transport's side ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection, or refuse it when there are too many."""
        self._transport = cast(asyncio.Transport, transport)
        self.received_s = self._budget_s = self._loop.time()
        name = transport.get_extra_info("peername")
        self.peer = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.set_write_buffer_limits(high=self._settings.odds_buffer_bytes)
        if not self._listener.enter(self):
            self._end(refusal(503, "Too many connections"))
            return
        self._timer = self._loop.call_later(
            self._settings.handshake_ms / 1_000, self._transport.abort
        )

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Drop the connection and notify its session."""
        self.closing = True
        self.out.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._listener.leave(self)
        session, self.session = self.session, None
        if session is not None:
            session.on_lost()

    def pause_writing(self) -> None:
        """Stop writing, and stop reading from a client that does not read."""
        self.paused = True
        self.paused_s = self._loop.time()
        if not self.closing:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Write what waited, then let the session use the room that is left."""
        self.paused = False
        if self.closing:
            return
        self._transport.resume_reading()
        self.received_s = self._loop.time()
        self.flush()
        if not self.paused and self.session is not None:
            self.session.on_room()

    def eof_received(self) -> bool:
        """Notify the protocol; the transport then closes."""
        if not self._protocol.reader.eof:
            self._protocol.receive_eof()
        return False

    def data_received(self, data: bytes) -> None:
        """Take a chunk: one piece of a handshake, or any number of frames."""
        self.received_s = self._loop.time()
        if self.closing:
            return  # a close frame was sent; nothing more is read
        try:
            if self.session is None:
                self._handshake(data)
            else:
                self._cut_frames(self._tail + data if self._tail else data)
        except Exception:
            logger.exception("a message from %s raised an unexpected error", self.peer)
            self.close(CloseCode.INTERNAL_ERROR, "internal error")

    # --- frames in -----------------------------------------------------------------------------

    def _cut_frames(self, data: bytes) -> None:
        session = self.session
        assert session is not None
        plain = self._plain
        frame_max = self._frame_max
        at = 0
        end = len(data)
        while end - at >= 6:
            length = data[at + 1] - 128
            start = at + 6
            if length == 126:
                start = at + 8
                length = int.from_bytes(data[at + 2 : at + 4], "big")
            elif length == 127:
                start = at + 14
                if start > end:
                    break
                length = int.from_bytes(data[at + 2 : at + 10], "big")
            if not 0 <= length <= frame_max:
                self._to_protocol(data[at:])  # the protocol names the violation
                return
            stop = start + length
            if stop > end:
                break
            if data[at] == plain and self._fragment is None:
                self._message(session, apply_mask(data[start:stop], data[start - 4 : start]))
            else:
                self._to_protocol(data[at:stop])
            at = stop
            if self.closing:
                return
        if end - at >= 2 and data[at + 1] < 128:
            self._to_protocol(data[at:])  # not masked: no client frame, however short
            return
        self._tail = data[at:]

    def _message(self, session: Session, payload: bytes) -> None:
        self._budget -= 1.0
        if self._budget >= 0.0 or self._refill():
            session.on_payload(payload)
        elif self._note_over():
            session.on_over_rate(payload)

    def _note_over(self) -> bool:
        """Count a frame over the rate; False when the connection is closed for it."""
        self._over += 1
        self._listener.counters.rate_limited += 1
        if self._over > self._settings.frames_over_max:
            self.close(CloseCode.RATE_LIMITED, "far over the frame rate")
            return False
        return True

    def spend(self, frames: int) -> None:
        """Charge further frames to the rate, for a message that holds several."""
        self._budget -= frames

    def _refill(self) -> bool:
        """Refill the token bucket by the time since the last refill."""
        now = self._loop.time()
        earned = (now - self._budget_s) * self._settings.frames_a_second
        self._budget = min(self._budget + earned, float(self._settings.frames_burst))
        self._budget_s = now
        if self._budget < 0.0:
            self._budget = max(self._budget, -float(self._settings.frames_burst))
            return False
        self._over = 0
        return True

    def _to_protocol(self, data: bytes) -> None:
        """Pass one frame that is not plain, or the start of a broken one, to the protocol."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._on_frame(event)
        self._move_output()

    def _on_frame(self, frame: Frame) -> None:
        self._budget -= 1.0
        if self._budget < 0.0 and not self._refill() and not self._note_over():
            return
        if frame.opcode in (PING, PONG, CLOSE):
            return  # the protocol has answered it
        if self._fragment is None:
            if frame.opcode != self.codec.opcode:
                self.close(CloseCode.UNSUPPORTED_DATA, f"{self.codec.subprotocol} frames only")
                return
            self._fragment = bytearray()
        self._fragment += frame.data
        if frame.fin:
            payload, self._fragment = bytes(self._fragment), None
            if self.session is not None and not self.closing:
                self._message(self.session, payload)

    # --- frames out ----------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """Write a frame that must arrive; close a client that leaves too many unread."""
        if self.closing:
            return
        self.out.append(frame)
        self.out_bytes += len(frame)
        if not self._queued:
            self._queued = True
            self._listener.flush_queue.add(self)
        if self.out_bytes > self._settings.answers_buffer_bytes:
            self._listener.counters.slow_closed += 1
            self.close(CloseCode.TOO_SLOW, "answers pile up unread")

    def send_odds(self, frame: bytes) -> bool:
        """Write a frame that a later one can replace; False when there is no room."""
        if self.paused or self.closing or self.out_bytes > self._settings.odds_buffer_bytes:
            return False
        self.out.append(frame)
        self.out_bytes += len(frame)
        if not self._queued:
            self._queued = True
            self._listener.flush_queue.add(self)
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
            self.session.on_room()

    def close(self, code: int, reason: str) -> None:
        """Close with a code: drop what waits, and send the close frame last."""
        if self.closing:
            return
        if self._protocol.state is OPEN:
            if self.paused:
                self.out.clear()
            self._protocol.fail(code, reason)
            self._move_output()
        else:
            self._end(b"")

    def _move_output(self) -> None:
        """Move the protocol's output to the out-buffer; an end of stream ends the connection."""
        for data in self._protocol.data_to_send():
            if not data:
                if self._protocol.close_sent is not None and not self.closing:
                    self._listener.counters.closed(self._protocol.close_sent.code)
                self._end(b"".join(self.out))
                return
            self.out.append(data)
            self.out_bytes += len(data)
        if self.out and not self._queued:
            self._queued = True
            self._listener.flush_queue.add(self)

    def _end(self, data: bytes) -> None:
        """Write the last bytes, half-close, and cut the connection if the peer lingers."""
        self.closing = True
        self.out.clear()
        self.out_bytes = 0
        self._tail = b""
        self._fragment = None
        if data:
            self._transport.write(data)
        with contextlib.suppress(RuntimeError, OSError):  # the peer may be disconnected already
            self._transport.write_eof()
        with contextlib.suppress(RuntimeError):  # read on: a reset would cut the answer
            self._transport.resume_reading()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(
            self._settings.close_linger_ms / 1_000, self._transport.abort
        )

    # --- handshake -----------------------------------------------------------------------------

    def _handshake(self, data: bytes) -> None:
        self._handshake_bytes += len(data)
        if self._handshake_bytes > self._settings.handshake_bytes_max:
            self._end(refusal(431, "Request Header Fields Too Large"))
            return
        protocol = self._protocol
        protocol.receive_data(data)
        events = protocol.events_received()
        if not events:
            if protocol.handshake_exc is not None:
                written = b"".join(protocol.data_to_send())
                self._end(written or refusal(400, "Bad Request"))
            return
        if not isinstance(events[0], Request) or not data.endswith(b"\r\n\r\n"):
            self._end(refusal(400, "Bad Request"))  # data before the answer
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        request = events[0]
        if "Upgrade" not in request.headers:
            self._listener.counters.http_requests += 1
            self._end(self._listener.admission.respond(request))
            return
        self._answer_handshake(request, protocol.accept(request))

    def _answer_handshake(self, request: Request, response: Response) -> None:
        protocol = self._protocol
        session: Session | None = None
        if response.status_code == 101:
            codec = CODECS[str(protocol.subprotocol)]
            self.codec = codec
            admitted = self._listener.admission.admit(self, request, codec)
            if isinstance(admitted, tuple):
                response = protocol.reject(*admitted)
                if admitted[0] == 401:
                    response.headers["WWW-Authenticate"] = "Bearer"
            else:
                session = admitted
                self._plain = 0x80 | codec.opcode
        elif response.status_code == 403:
            self._listener.admission.on_origin_refused(self, request, str(protocol.handshake_exc))
        protocol.send_response(response)
        written = b"".join(protocol.data_to_send())
        if session is None:
            self._listener.counters.handshakes_refused += 1
            self._end(written)
            return
        self._listener.counters.sessions_opened += 1
        # The session's first message follows the handshake's answer in the same write.
        self.out.insert(0, written)
        self.out_bytes += len(written)
        self.session = session
        self.flush()

    # --- time ----------------------------------------------------------------------------------

    def check_timeouts(self, now_s: float) -> None:
        """Close the connection when silent or stalled for too long; ping it when silent."""
        if self.closing or self.session is None:
            return
        if self.paused:
            if now_s - self.paused_s > self._settings.stalled_max_s:
                self._listener.counters.slow_closed += 1
                self.close(CloseCode.TOO_SLOW, "nothing could be written")
            return
        silent_s = now_s - self.received_s
        if silent_s < self._settings.ping_after_s:
            self.pinged_s = 0.0
        elif self.pinged_s == 0.0:
            self.pinged_s = now_s
            self._protocol.send_ping(b"")
            self._move_output()
        elif now_s - self.pinged_s > self._settings.pong_within_s:
            self.close(CloseCode.IDLE, "no answer to a ping")
