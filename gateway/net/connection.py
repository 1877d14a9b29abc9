"""One connection: the bytes between a socket and its session.

Owns the WebSocket framing over the I/O-free protocol of `websockets` and the bounds (handshake,
frame, rate, silence). It never reads a message: payloads go to the session, frames come back.

Whole, final, masked data frames, which are nearly all that clients send, are cut straight from the
received chunk. Every other frame goes through the protocol object, one whole frame at a time,
so that the protocol always stands at a frame's edge and all its checks hold. Decision record 6 has
the measurement behind it. What is received is worked off in turns of `gateway.net.work_shares`;
while it waits for one, reading pauses.
"""

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Sequence
from typing import Final, Protocol, cast

from websockets.frames import CLOSE, PING, PONG, Frame
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask
from websockets.typing import Origin, Subprotocol

from gateway.counters import Counters
from gateway.net.codec import CODECS, Codec
from gateway.net.flush_queue import FlushQueue
from gateway.net.frame_rate import FrameRate
from gateway.net.handshake import Handshake
from gateway.net.inbox import Inbox
from gateway.net.output import Output, Session
from gateway.net.work_shares import WorkQueue, handshakes_of
from gateway.settings import CloseCode, GatewaySettings

logger = logging.getLogger("overround.gateway")

_READ_WAITING_MAX: Final = 65_536
"""Bytes that may wait for a turn before reading pauses."""
_READ_CLOSING_MAX: Final = 65_536
"""Bytes dropped after the close frame; then nothing is read until the connection is cut."""


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
    work_capped: bool
    work_queue: WorkQueue

    def enter(self, connection: "Connection") -> bytes | None:
        """Count a connection in; return the HTTP answer that refuses one too many."""
        ...

    def admitted(self, connection: "Connection") -> None:
        """Note that a connection's handshake is over."""
        ...

    def leave(self, connection: "Connection") -> None:
        """Count a connection out."""
        ...


class Connection(Output):
    """One connection, from the handshake to the last byte."""

    __slots__ = (
        "_clock_ns",
        "_dropped",
        "_eof",
        "_fragment",
        "_frame_max",
        "_handshake",
        "_held",
        "_inbox",
        "_listener",
        "_loop",
        "_plain",
        "_protocol",
        "_timer",
        "admitted",
        "codec",
        "connected",
        "paused_s",
        "pinged_s",
        "received_s",
    )

    def __init__(self, listener: Listener, *, address: str = "", peer: str = "") -> None:
        super().__init__(
            settings=listener.settings,
            counters=listener.counters,
            flush_queue=listener.flush_queue,
            work_queue=listener.work_queue,
            work_capped=listener.work_capped,
        )
        self._listener = listener
        self._loop = listener.loop
        self._clock_ns = listener.work_queue.clock_ns
        self._handshake: Handshake | None = None
        self._protocol: ServerProtocol = cast(ServerProtocol, None)
        self.address = address
        self.peer = peer
        self.connected = False
        self.admitted = False
        self._frame_max = listener.admission.frame_bytes_max
        self._timer: asyncio.TimerHandle | None = None
        self._inbox = Inbox()
        self._held = False
        self._dropped = 0
        self._eof = False
        self._fragment: bytearray | None = None
        self._plain = -1
        self.codec: Codec = cast(Codec, None)
        self.paused_s = 0.0
        self.received_s = 0.0
        self.pinged_s = 0.0

    # --- the transport's side ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection, or refuse it when there are too many."""
        self._transport = cast(asyncio.Transport, transport)
        self.received_s = self._loop.time()
        self._rate = FrameRate(
            a_second=self._settings.frames_a_second,
            burst=self._settings.frames_burst,
            clock_s=self._loop.time,
        )
        self.connected = True
        if (raw := transport.get_extra_info("socket")) is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.set_write_buffer_limits(high=self._settings.odds_buffer_bytes)
        self._join_share(handshakes_of(self.address))
        refused = self._listener.enter(self)
        if refused is not None:
            self._end(refused)
            return
        self._timer = self._loop.call_later(
            self._settings.handshake_ms / 1_000, self._transport.abort
        )

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Drop the connection and notify its session."""
        self.closing = True
        self.out.clear()
        self._inbox.clear()
        self._steps = None
        if self._timer is not None:
            self._timer.cancel()
        self._listener.leave(self)
        self._leave_share()
        session, self.session = self.session, None
        if session is not None:
            session.on_lost()

    def pause_writing(self) -> None:
        """Stop writing, and stop reading from a client that does not read."""
        self.paused = True
        self.paused_s = self._loop.time()
        if not self.closing and not self._held:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Write what waited, then continue with what was received and let the session use room."""
        self.paused = False
        if self.closing:
            return
        if not self._held:
            self._transport.resume_reading()
        self.received_s = self._loop.time()
        self.flush()
        if not self.paused:
            self._room = self.session is not None
            self._work_queue.add(self)

    def eof_received(self) -> bool:
        """Let the transport close, at once or when what waits has been handled."""
        self._eof = not self.closing and (self.waits or self.paused)
        if not (self._eof or self.session is None or self._protocol.reader.eof):
            self._protocol.receive_eof()
        return self._eof

    def data_received(self, data: bytes) -> None:
        """Take a chunk: one piece of a handshake, or any number of frames."""
        self.received_s = self._loop.time()
        if self.closing:  # a close frame was sent; nothing more is handled
            self._dropped += len(data)
            if self._dropped > _READ_CLOSING_MAX:
                self._transport.pause_reading()
            return
        self._inbox.put(data)
        if not self.waits:
            self._work_queue.arrived(self)
        elif self._inbox.size > _READ_WAITING_MAX:
            self._hold_reading(held=True)

    def _hold_reading(self, *, held: bool) -> None:
        """Read nothing more, or read again, while what was received waits for a turn."""
        if held == self._held or self.closing or self._eof:
            return
        self._held = held
        if not held:
            self.received_s = self._loop.time()
        if not self.paused:
            (self._transport.pause_reading if held else self._transport.resume_reading)()

    # --- turns ---------------------------------------------------------------------------------

    def work(self, until_ns: int) -> bool:
        """Handle what was received until a time; return whether there is more to do now."""
        try:
            more = self._work(until_ns)
        except Exception:
            logger.exception("a message from %s raised an unexpected error", self.peer)
            self.close(CloseCode.INTERNAL_ERROR, "internal error")
            return False
        if self._eof and not (more or self.paused):
            self._transport.close()
            return False
        self._hold_reading(held=more)
        return more

    def _work(self, until_ns: int) -> bool:
        while not (self.closing or self.paused):
            if self._steps is not None:
                for _ in self._steps:
                    if self._clock_ns() >= until_ns:
                        return True
                self._steps = None
                if self._clock_ns() >= until_ns:
                    return True
            elif self._room and self.session is not None:
                self._room = False
                self.session.on_room()
            elif self.session is None:
                self._shake()
                return False
            elif self._cut_frames(until_ns):
                return True
            elif self._steps is None:
                return False
        return False

    # --- frames in -----------------------------------------------------------------------------

    def _cut_frames(self, until_ns: int) -> bool:
        """Handle whole frames; return True when the time is over, False when none is left.

        It also returns False, with frames left, when a message leaves steps to be done first.
        """
        inbox = self._inbox
        if not inbox.fill():
            return False
        session, clock_ns = self.session, self._clock_ns
        assert session is not None
        plain, frame_max, data, at = self._plain, self._frame_max, inbox.data, inbox.at
        end = len(data)
        need = 6
        while end - at >= 6:
            length = data[at + 1] - 128
            start = at + 6
            if length == 126:
                start = at + 8
                length = int.from_bytes(data[at + 2 : at + 4], "big")
            elif length == 127:
                start = at + 14
                if start > end:
                    need = 14
                    break
                length = int.from_bytes(data[at + 2 : at + 10], "big")
            if not 0 <= length <= frame_max:
                self._to_protocol(data[at:])  # the protocol names the violation
                inbox.clear()
                return False
            stop = start + length
            if stop > end:
                need = stop - at
                break
            if data[at] == plain and self._fragment is None:
                self._message(session, apply_mask(data[start:stop], data[start - 4 : start]))
            else:
                self._to_protocol(data[at:stop])
            at = stop
            if self.closing:
                inbox.clear()
                return False
            if self._steps is not None or self.paused:
                inbox.take(at, need=1)
                return False
            if clock_ns() >= until_ns:
                inbox.take(at, need=1)
                return True
        if end - at >= 2 and data[at + 1] < 128:
            self._to_protocol(data[at:])  # not masked: no client frame, however short
            inbox.clear()
            return False
        inbox.take(at, need=need if need > 6 or end - at >= 2 else 2)
        return False

    def _message(self, session: Session, payload: bytes) -> None:
        if self._rate.take():
            session.on_payload(payload)
        elif self._note_over():
            session.on_over_rate(payload)

    def _note_over(self) -> bool:
        """Count a frame over the rate; False when the connection is closed for it."""
        self._listener.counters.rate_limited += 1
        if self._rate.over > self._settings.frames_over_max:
            self.close(CloseCode.RATE_LIMITED, "far over the frame rate")
            return False
        return True

    def _to_protocol(self, data: bytes) -> None:
        """Pass one frame that is not plain, or the start of a broken one, to the protocol."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._on_frame(event)
        self._move_output()

    def _on_frame(self, frame: Frame) -> None:
        if not self._rate.take() and not self._note_over():
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

    def close(self, code: int, reason: str) -> None:
        """Close with a code: drop what waits, and send the close frame last."""
        if self.closing:
            return
        if self.session is not None and self._protocol.state is OPEN:
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
        if self.out:
            self._flush_later()

    def _end(self, data: bytes) -> None:
        """Write the last bytes, half-close, and cut the connection if the peer lingers."""
        self.closing = True
        self.out.clear()
        self.out_bytes = 0
        self._inbox.clear()
        self._fragment = None
        self._steps = None
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

    def _shake(self) -> None:
        inbox = self._inbox
        if not inbox.fill():
            return
        handshake = self._handshake
        if handshake is None:
            handshake = self._handshake = Handshake(
                origins=self._listener.origins,
                subprotocols=self._listener.subprotocols,
                frame_bytes_max=self._frame_max,
                bytes_max=self._settings.handshake_bytes_max,
            )
        data = inbox.data[inbox.at :]
        inbox.take(len(inbox.data), need=1)
        request = handshake.receive(data)
        if request is None:
            return
        if isinstance(request, bytes):
            self._end(request)
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if "Upgrade" not in request.headers:
            self._listener.counters.http_requests += 1
            self._end(self._listener.admission.respond(request))
            return
        self._protocol = handshake.protocol
        self._handshake = None
        self._answer_handshake(request, self._protocol.accept(request))

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
        self.admitted = True
        self._listener.admitted(self)
        self._leave_share()
        self._join_share(session.client)
        # The session's first message follows the handshake's answer in the same write.
        self.out.insert(0, written)
        self.out_bytes += len(written)
        self.session = session
        self.flush()

    # --- time ----------------------------------------------------------------------------------

    def check_timeouts(self, now_s: float) -> None:
        """Close the connection when silent or stalled for too long; ping it when silent."""
        if self.closing or self.session is None or self._held:
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
