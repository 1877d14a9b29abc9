"""One subscription to an exchange's stream, as a protocol without I/O.

Owns the messages of a connection and their order: greeting, authentication, subscription, and on a
later connection the clocks that resume where the last one ended. It opens no socket, reads no clock
and knows no market: lines and time in, lines to send and a verdict out. One session spans any
number of connections, one after the other.

Wire: JSON messages that end in CRLF (Exchange Stream API). A subscription is resumed by
`initialClk` and `clk`, and only after its first image was complete. A clock that the exchange no
longer knows is dropped, and the image is sent again.
"""

from enum import IntEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from engine.common.units import NS_PER_MS, Nanos
from gateway.feeds.exchange.messages import Envelope, decode_envelope
from gateway.feeds.exchange.order_book import RESUB_DELTA, SEG_END, SUB_IMAGE

ANSWER_WITHIN_MS: Final = 15_000
"""The exchange closes a connection after so long without an answer; so do we."""
SILENT_HEARTBEATS: Final = 3
"""Heartbeats that may be missed before a connection is closed."""

CREDENTIAL_ERRORS: Final = frozenset(
    {"NO_APP_KEY", "INVALID_APP_KEY", "NO_SESSION", "INVALID_SESSION_INFORMATION", "NOT_AUTHORIZED"}
)
REQUEST_ERRORS: Final = frozenset(
    {"INVALID_INPUT", "INVALID_REQUEST", "SUBSCRIPTION_LIMIT_EXCEEDED"}
)
"""Errors that the same request would meet again."""
INVALID_CLOCK: Final = "INVALID_CLOCK"


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An application's key and a login's session token; neither is ever shown."""

    app_key: Annotated[str, Meta(min_length=1, max_length=256)]
    session: Annotated[str, Meta(min_length=1, max_length=4_096)]

    def __repr__(self) -> str:
        return "Credentials(app_key=***, session=***)"

    def hide(self, text: str) -> str:
        """Return a text of the exchange with the credentials removed."""
        return text.replace(self.session, "***").replace(self.app_key, "***")


class Subscription(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which markets and fields are subscribed, and at what pace.

    `market_filter` is the exchange's own (``marketIds``, ``eventTypeIds``, ``marketTypes``, ...).
    """

    market_filter: dict[str, Any] = {}
    fields: tuple[str, ...] = (
        "EX_MARKET_DEF",
        "EX_BEST_OFFERS_DISP",
        "EX_LTP",
        "EX_TRADED_VOL",
    )
    ladder_levels: Annotated[int, Meta(ge=1, le=10)] = 3
    conflate_ms: Annotated[int, Meta(ge=0, le=120_000)] = 0
    heartbeat_ms: Annotated[int, Meta(ge=500, le=5_000)] = 5_000


class Stage(IntEnum):
    """How far a connection has come."""

    CLOSED = 0
    GREETING = 1
    AUTHENTICATING = 2
    SUBSCRIBING = 3
    STREAMING = 4


class Verdict(IntEnum):
    """What happens to the connection next."""

    CONTINUE = 0
    RECONNECT = 1
    """Close it and connect again after a delay."""
    CREDENTIALS_REFUSED = 2
    """Close it; connect again with other credentials."""
    REQUEST_REFUSED = 3
    """Close it for good: the exchange refuses this subscription."""


class Answer(Struct, frozen=True, gc=False):
    """The reaction to a line: lines to send, whether to deliver it to the feed, and a verdict.

    `instead` is delivered in place of a line that might contain our credentials.
    """

    send: tuple[bytes, ...] = ()
    deliver: bool = True
    instead: bytes = b""
    verdict: Verdict = Verdict.CONTINUE
    why: str = ""


class ExchangeSession:
    """A subscription over any number of connections.

    Parameters
    ----------
    credentials : Credentials
        May be replaced between connections.
    subscription : Subscription
        What is subscribed; it never changes, since the clocks belong to it.
    """

    def __init__(self, *, credentials: Credentials, subscription: Subscription) -> None:
        self.credentials = credentials
        self.stage = Stage.CLOSED
        self.connection_id = ""
        self.connections_available: int | None = None
        self.complete = False
        """Whether this connection has sent everything that was missed."""
        self._subscription = subscription
        self._initial_clk = ""
        self._clk = ""
        self._new_clocks = ["", ""]
        self._resumable = False
        self._heartbeat_ms = subscription.heartbeat_ms
        self._request_no = 0
        self._subscription_no = 0
        self._received_at_ns = 0

    @property
    def clocks(self) -> tuple[str, str]:
        """The `initialClk` and `clk` to resume by; empty before the first image was complete."""
        return (self._initial_clk, self._clk) if self._resumable else ("", "")

    @property
    def patience_ms(self) -> int:
        """How long the exchange may be silent in this stage, in ms."""
        if self.stage == Stage.STREAMING:
            return SILENT_HEARTBEATS * self._heartbeat_ms
        return ANSWER_WITHIN_MS

    def connected(self, *, at_ns: Nanos) -> None:
        """Begin a connection; the exchange sends the first message."""
        self.stage, self.complete, self._received_at_ns = Stage.GREETING, False, at_ns
        self._heartbeat_ms = self._subscription.heartbeat_ms

    def lost(self) -> None:
        """End a connection; an incomplete image is dropped."""
        self.stage, self.complete, self.connection_id = Stage.CLOSED, False, ""

    def tick(self, *, at_ns: Nanos) -> Answer:
        """Take the time: a silent connection is closed."""
        if (
            self.stage == Stage.CLOSED
            or at_ns - self._received_at_ns <= self.patience_ms * NS_PER_MS
        ):
            return Answer(deliver=False)
        return _close(Verdict.RECONNECT, f"silent for {self.patience_ms} ms")

    def request_image(self) -> tuple[bytes, ...]:
        """Drop the clocks and request the whole image, on this connection or the next."""
        self._drop_clocks()
        return (self._subscribe(),) if self.stage >= Stage.SUBSCRIBING else ()

    def receive(self, line: bytes, *, at_ns: Nanos) -> Answer:
        """Take one line; a line that cannot be read is delivered to the feed, which counts it."""
        self._received_at_ns = at_ns
        try:
            envelope = decode_envelope(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Answer()
        if envelope.op == "connection":
            return self._on_connection(envelope)
        if envelope.op == "status":
            return self._on_status(envelope)
        if envelope.op == "mcm":
            return self._on_change(envelope)
        return Answer()

    # --- received ---------------------------------------------------------------------------------

    def _on_connection(self, envelope: Envelope) -> Answer:
        if self.stage != Stage.GREETING:
            return _close(Verdict.RECONNECT, "greeted twice")
        self.stage = Stage.AUTHENTICATING
        self.connection_id = envelope.connection_id or ""
        message = {
            "op": "authentication",
            "id": self._next_no(),
            "appKey": self.credentials.app_key,
            "session": self.credentials.session,
        }
        return Answer(send=(_line(message),))

    def _on_status(self, envelope: Envelope) -> Answer:
        if envelope.connections_available is not None:
            self.connections_available = envelope.connections_available
        if envelope.status_code == "FAILURE":
            return self._on_failure(envelope)
        if self.stage == Stage.AUTHENTICATING and envelope.id == self._request_no:
            self.stage = Stage.SUBSCRIBING
            return Answer(send=(self._subscribe(),))
        return Answer()

    def _on_failure(self, envelope: Envelope) -> Answer:
        code = envelope.error_code or "UNKNOWN"
        shown, explained = map(self.credentials.hide, (code, envelope.error_message or ""))
        why = f"{shown}: {explained}"[:400]
        sent = {
            "op": "status",
            "statusCode": "FAILURE",
            "errorCode": shown,
            "errorMessage": explained,
        }
        verdict = Verdict.RECONNECT
        if code in CREDENTIAL_ERRORS:
            verdict = Verdict.CREDENTIALS_REFUSED
        elif code == INVALID_CLOCK and self._resumable:
            self._drop_clocks()
            if not envelope.connection_closed:
                return Answer(send=(self._subscribe(),), instead=_line(sent), why=why)
        elif code in REQUEST_ERRORS:
            verdict = Verdict.REQUEST_REFUSED
        return Answer(verdict=verdict, instead=_line(sent), why=why)

    def _on_change(self, envelope: Envelope) -> Answer:
        """Note clocks and pace; drop what an earlier subscription still sends."""
        if self.stage < Stage.SUBSCRIBING:
            return _close(Verdict.RECONNECT, "markets before a subscription")
        if envelope.id is not None and envelope.id != self._subscription_no:
            return Answer(deliver=False)
        self.stage = Stage.STREAMING
        if envelope.heartbeat_ms:
            self._heartbeat_ms = envelope.heartbeat_ms
        if envelope.initial_clk:
            self._new_clocks[0] = envelope.initial_clk
        if envelope.clk:
            self._new_clocks[1] = envelope.clk
        if envelope.ct in (SUB_IMAGE, RESUB_DELTA):
            self.complete = envelope.segment_type in (None, SEG_END)
        if self.complete:
            self._initial_clk, self._clk = self._new_clocks
            self._resumable = bool(self._initial_clk and self._clk)
        return Answer()

    # --- sent -------------------------------------------------------------------------------------

    def _next_no(self) -> int:
        self._request_no += 1
        return self._request_no

    def _drop_clocks(self) -> None:
        self._initial_clk, self._clk, self._resumable = "", "", False
        self._new_clocks = ["", ""]
        self.complete = False

    def _subscribe(self) -> bytes:
        self._subscription_no = self._next_no()
        self._new_clocks = list(self.clocks)
        subscription = self._subscription
        message: dict[str, Any] = {
            "op": "marketSubscription",
            "id": self._subscription_no,
            "marketFilter": subscription.market_filter,
            "marketDataFilter": {
                "fields": list(subscription.fields),
                "ladderLevels": subscription.ladder_levels,
            },
            "conflateMs": subscription.conflate_ms,
            "heartbeatMs": subscription.heartbeat_ms,
            "segmentationEnabled": True,
        }
        if self._resumable:
            message |= {"initialClk": self._initial_clk, "clk": self._clk}
        return _line(message)


def _close(verdict: Verdict, why: str) -> Answer:
    return Answer(verdict=verdict, why=why)


def _line(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode(message) + b"\r\n"
