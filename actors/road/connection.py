"""The caller's end of one connection: calls with numbers, and answers matched to them.

Owns the calls in flight and their bounds. It is opened once and, when it has ended, never again:
its owner opens another. When the connection ends, every call in flight fails at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, Final, NamedTuple, cast

from actors.peer import PeerDiedError, PeerError, PeerRefusedError, PeerTimeoutError
from actors.road.frames import METHOD_NUMBERS, Frame, FrameError, FrameReader, Kind, pack, unpack
from actors.road.greeting import GREETING_S, CallerGreeting, GreetingError

logger = logging.getLogger("overround.road")

CALLS_IN_FLIGHT_MAX: Final = 1_024
"""Calls that may wait for an answer on one connection; one more is refused and not sent."""
WAITING_BYTES_MAX: Final = 32 << 20
"""Bytes that may wait to be sent on one connection. A call past it is refused and not sent; a
notification past it ends the connection, as its callee reads nothing."""

_SWEEP_S: Final = 0.05
"""Seconds between two looks at the deadlines of calls, which is how late a timeout may be."""

Dial = Callable[[asyncio.BaseProtocol], Awaitable[object]]
"""Opens a transport for a protocol; raises OSError when the callee is not there."""


class RemoteError(Exception):
    """The method raised an error of its own, whose kind and text are the message."""


class _Call(NamedTuple):
    """A call in flight."""

    answer: asyncio.Future[Any]
    method: str
    timeout_s: float | None
    deadline_s: float


class Connection(asyncio.Protocol):
    """One connection to one process.

    Parameters
    ----------
    name : str
        The callee, for errors.
    greeting : CallerGreeting
        Its first exchange.
    dial : callable
        Opens the transport.
    on_open : callable
        Called once when the greeting is over and what waited for that has been sent.
    on_end : callable
        Called once with this connection when it has ended, however.
    """

    def __init__(
        self,
        name: str,
        *,
        greeting: CallerGreeting,
        dial: Dial,
        on_open: Callable[[], None],
        on_end: Callable[["Connection"], None],
    ) -> None:
        self.name = name
        self.ended = False
        self.is_open = False
        """Whether the greeting is over."""
        self.refused = False
        """Whether nobody listens at the address: its process has ended and never comes back."""
        self._greeting = greeting
        self._on_open = on_open
        self._on_end = on_end
        self._reader = FrameReader()
        self._calls: dict[int, _Call] = {}
        self._last_call = 0
        self._early: list[bytes] = []
        """Frames that wait for the end of the greeting."""
        self._early_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop = loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(GREETING_S, self._give_up)
        self._dialling = loop.create_task(self._dial(dial))

    # --- calls -----------------------------------------------------------------------------------
    def ask(
        self, method: str, args: tuple[Any, ...], timeout_s: float | None
    ) -> asyncio.Future[Any]:
        """Send a call now and return its answer to come.

        The answer fails with PeerDiedError when the connection has ended or ends before it; with
        PeerTimeoutError when `timeout_s` passed; with PeerError when a bound is reached and nothing
        was sent; with FrameError or TypeError when the arguments cannot be carried; and with
        PeerRefusedError, ValueError or RemoteError as the method raised it.
        """
        answer: asyncio.Future[Any] = self._loop.create_future()
        if self.ended:
            answer.set_exception(PeerDiedError(f"{self.name}.{method}: the connection has ended"))
            return answer
        if len(self._calls) >= CALLS_IN_FLIGHT_MAX or self._waiting_bytes() > WAITING_BYTES_MAX:
            message = f"{self.name}.{method}: too much is in flight; nothing was sent"
            answer.set_exception(PeerError(message))
            return answer
        self._last_call = number = self._last_call + 1
        try:
            frame = pack(Kind.ASK, call=number, method=METHOD_NUMBERS[method], content=args)
        except (FrameError, TypeError) as error:
            answer.set_exception(error)
            return answer
        self._send(frame)
        deadline_s = inf if timeout_s is None else self._loop.time() + timeout_s
        self._calls[number] = _Call(answer, method, timeout_s, deadline_s)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)
        return answer

    def notify(self, method: str, args: tuple[Any, ...]) -> None:
        """Call a method without an answer; ends the connection when too much waits to be sent."""
        if self.ended:
            return
        if self._waiting_bytes() > WAITING_BYTES_MAX:
            logger.warning("%s reads nothing: the connection to it is ended", self.name)
            self.abort()
            return
        self._send(pack(Kind.NOTIFY, call=0, method=METHOD_NUMBERS[method], content=args))

    def abort(self) -> None:
        """End the connection now; nothing that waits is sent."""
        self._dialling.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._end("it was ended here")

    def _waiting_bytes(self) -> int:
        sent = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return self._early_bytes + sent

    def _send(self, frame: bytes) -> None:
        if self.is_open:
            assert self._transport is not None
            self._transport.write(frame)
        else:
            self._early.append(frame)
            self._early_bytes += len(frame)

    # --- the transport ---------------------------------------------------------------------------
    async def _dial(self, dial: Dial) -> None:
        try:
            await dial(self)
        except OSError as error:
            self.refused = isinstance(error, ConnectionRefusedError)
            self._end(str(error))
        except Exception as error:  # whatever it is, the calls that wait must end
            logger.exception("%s could not be dialled", self.name)
            self._end(repr(error))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the greeting."""
        # uvloop's transports do not derive from asyncio's class.
        self._transport = transport = cast("asyncio.Transport", transport)
        if self.ended:
            transport.abort()
        else:
            transport.write(self._greeting.begin())

    def data_received(self, data: bytes) -> None:
        """Take the callee's part of the greeting, then answers."""
        try:
            if not self.is_open:
                data = self._greet(data)
                if not self.is_open:
                    return
            for frame in self._reader.feed(data):
                self._answered(frame)
        except (FrameError, GreetingError) as error:
            logger.warning("%s: %s", self.name, error)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail every call in flight: the callee has ended, or does not want this caller."""
        self._end(str(exc or "it was closed by the other end"))

    def _greet(self, data: bytes) -> bytes:
        """Go on with the greeting; return the bytes behind it, once it is over."""
        assert self._transport is not None
        reply = self._greeting.take(data)
        if not self._greeting.done:
            return b""
        self._deadline.cancel()
        self._transport.write(b"".join((reply, *self._early)))
        self._early.clear()
        self._early_bytes = 0
        self.is_open = True
        self._on_open()
        return self._greeting.take_rest()

    def _answered(self, frame: Frame) -> None:
        call = self._calls.get(frame.call)
        if call is None:
            return  # it was given up
        if not call.answer.done():
            content = unpack(frame.payload)
            if frame.kind == Kind.ANSWER:
                call.answer.set_result(content)
            elif frame.kind == Kind.REFUSED:
                call.answer.set_exception(PeerRefusedError(content))
            elif frame.kind == Kind.FAILED:
                call.answer.set_exception(_error(*content))
            else:
                raise FrameError(f"an answer of the kind {frame.kind}")
        del self._calls[frame.call]

    def _sweep(self) -> None:
        """Fail the calls whose time has passed, and forget those whose caller was cancelled."""
        now_s = self._loop.time()
        for number, call in list(self._calls.items()):
            if call.deadline_s <= now_s and not call.answer.done():
                message = f"{self.name}.{call.method}: {call.timeout_s} s passed"
                call.answer.set_exception(PeerTimeoutError(message))
            if call.answer.done():
                del self._calls[number]
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep) if self._calls else None

    def _give_up(self) -> None:
        logger.warning("%s: no greeting within %g s", self.name, GREETING_S)
        self.abort()

    def _end(self, why: str) -> None:
        if self.ended:
            return
        self.ended = True
        self.is_open = False
        self._deadline.cancel()
        self._early.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for call in self._calls.values():
            if not call.answer.done():
                died = PeerDiedError(f"{self.name}: the connection ended: {why}")
                call.answer.set_exception(died)
        self._calls.clear()
        self._on_end(self)


def _error(kind: str, text: str) -> Exception:
    return ValueError(text) if kind == "ValueError" else RemoteError(f"{kind}: {text}")
