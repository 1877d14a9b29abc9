"""One subscription to an exchange's stream, as a protocol without I/O.

Owns what is said on a connection and when: greeting, authentication, subscription, and on a later
connection the words that resume where the last one ended. Never opens a socket, reads no clock and
knows no market: lines and time in, lines to send and a verdict out. It lives through any number of
connections, one after the other.

Wire: JSON messages that end in CRLF (Exchange Stream API). A subscription is resumed by
`initialClk` and `clk`, and only once its first image was whole; a clock the exchange no longer
knows is forgotten, and the image comes again.
"""

from enum import IntEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from engine.common.units import NS_PER_MS
from gateway.feeds.exchange.messages import Envelope, decode_envelope
from gateway.feeds.exchange.order_book import RESUB_DELTA, SEG_END, SUB_IMAGE

ANSWER_WITHIN_MS: Final = 15_000
"""The exchange closes a connection that says nothing for so long; we wait no longer either."""
SILENT_HEARTBEATS: Final = 3
"""Heartbeats that may be missed before a connection is given up."""

CREDENTIAL_ERRORS: Final = frozenset(
    {"NO_APP_KEY", "INVALID_APP_KEY", "NO_SESSION", "INVALID_SESSION_INFORMATION", "NOT_AUTHORIZED"}
)
REQUEST_ERRORS: Final = frozenset(
    {"INVALID_INPUT", "INVALID_REQUEST", "SUBSCRIPTION_LIMIT_EXCEEDED"}
)
"""Asking again for the same cannot help."""
INVALID_CLOCK: Final = "INVALID_CLOCK"


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An application's key and a login's session token; neither is ever shown."""

    app_key: Annotated[str, Meta(min_length=1, max_length=256)]
    session: Annotated[str, Meta(min_length=1, max_length=4_096)]

    def __repr__(self) -> str:
        return "Credentials(app_key=***, session=***)"

    def hide(self, text: str) -> str:
        """Return a text of the exchange's without them, should it repeat them."""
        return text.replace(self.session, "***").replace(self.app_key, "***")


class Subscription(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which markets are asked for, which of their fields, and at what pace.

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
    """What is to become of the connection."""

    GO_ON = 0
    RECONNECT = 1
    """Close it and come again after a while."""
    CREDENTIALS_REFUSED = 2
    """Close it; come again with others."""
    REQUEST_REFUSED = 3
    """Close it; this subscription will never be had."""


class Answer(Struct, frozen=True, gc=False):
    """What a line leads to: lines to send, whether the feed wants it, a verdict and its why.

    `instead` is what the feed gets in the line's place, where it might hold our credentials.
    """

    send: tuple[bytes, ...] = ()
    deliver: bool = True
    instead: bytes = b""
    verdict: Verdict = Verdict.GO_ON
    why: str = ""


class ExchangeSession:
    """A subscription over any number of connections.

    Parameters
    ----------
    credentials : Credentials
        May be replaced between connections.
    subscription : Subscription
        What is asked for; the same for the session's whole life, since a clock belongs to it.
    """

    def __init__(self, *, credentials: Credentials, subscription: Subscription) -> None:
        self.credentials = credentials
        self.stage = Stage.CLOSED
        self.connection_id = ""
        self.connections_available: int | None = None
        self.whole = False
        """Whether this connection has told all that was missed."""
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
        """The `initialClk` and `clk` to resume by; empty before the first image was whole."""
        return (self._initial_clk, self._clk) if self._resumable else ("", "")

    @property
    def patience_ms(self) -> int:
        """How long the exchange may be silent now."""
        if self.stage == Stage.STREAMING:
            return SILENT_HEARTBEATS * self._heartbeat_ms
        return ANSWER_WITHIN_MS

    def connected(self, *, at_ns: int) -> None:
        """Begin a connection; the exchange speaks first."""
        self.stage, self.whole, self._received_at_ns = Stage.GREETING, False, at_ns
        self._heartbeat_ms = self._subscription.heartbeat_ms

    def lost(self) -> None:
        """End a connection, however it ended; an image that was not whole is forgotten."""
        self.stage, self.whole, self.connection_id = Stage.CLOSED, False, ""

    def tick(self, *, at_ns: int) -> Answer:
        """Take the time: a silent connection is given up."""
        if (
            self.stage == Stage.CLOSED
            or at_ns - self._received_at_ns <= self.patience_ms * NS_PER_MS
        ):
            return Answer(deliver=False)
        return _leave(Verdict.RECONNECT, f"silent for {self.patience_ms} ms")

    def image_again(self) -> tuple[bytes, ...]:
        """Forget the clocks and ask for the whole image, on this connection or the next."""
        self._forget_clocks()
        return (self._subscribe(),) if self.stage >= Stage.SUBSCRIBING else ()

    def receive(self, line: bytes, *, at_ns: int) -> Answer:
        """Take one line; what cannot be read goes on to the feed, which counts it."""
        self._received_at_ns = at_ns
        try:
            envelope = decode_envelope(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Answer()
        if envelope.op == "connection":
            return self._greeted(envelope)
        if envelope.op == "status":
            return self._answered(envelope)
        if envelope.op == "mcm":
            return self._changed(envelope)
        return Answer()

    # --- what may come ----------------------------------------------------------------------------

    def _greeted(self, envelope: Envelope) -> Answer:
        if self.stage != Stage.GREETING:
            return _leave(Verdict.RECONNECT, "greeted twice")
        self.stage = Stage.AUTHENTICATING
        self.connection_id = envelope.connection_id or ""
        words = {
            "op": "authentication",
            "id": self._next_no(),
            "appKey": self.credentials.app_key,
            "session": self.credentials.session,
        }
        return Answer(send=(_line(words),))

    def _answered(self, envelope: Envelope) -> Answer:
        if envelope.connections_available is not None:
            self.connections_available = envelope.connections_available
        if envelope.status_code == "FAILURE":
            return self._failed(envelope)
        if self.stage == Stage.AUTHENTICATING and envelope.id == self._request_no:
            self.stage = Stage.SUBSCRIBING
            return Answer(send=(self._subscribe(),))
        return Answer()

    def _failed(self, envelope: Envelope) -> Answer:
        code = envelope.error_code or "UNKNOWN"
        shown, message = map(self.credentials.hide, (code, envelope.error_message or ""))
        why = f"{shown}: {message}"[:400]
        sent = {
            "op": "status",
            "statusCode": "FAILURE",
            "errorCode": shown,
            "errorMessage": message,
        }
        verdict = Verdict.RECONNECT
        if code in CREDENTIAL_ERRORS:
            verdict = Verdict.CREDENTIALS_REFUSED
        elif code == INVALID_CLOCK and self._resumable:
            self._forget_clocks()
            if not envelope.connection_closed:
                return Answer(send=(self._subscribe(),), instead=_line(sent), why=why)
        elif code in REQUEST_ERRORS:
            verdict = Verdict.REQUEST_REFUSED
        return Answer(verdict=verdict, instead=_line(sent), why=why)

    def _changed(self, envelope: Envelope) -> Answer:
        """Note clocks and pace; what an earlier subscription still sends is dropped."""
        if self.stage < Stage.SUBSCRIBING:
            return _leave(Verdict.RECONNECT, "markets before a subscription")
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
            self.whole = envelope.segment_type in (None, SEG_END)
        if self.whole:
            self._initial_clk, self._clk = self._new_clocks
            self._resumable = bool(self._initial_clk and self._clk)
        return Answer()

    # --- what is said -----------------------------------------------------------------------------

    def _next_no(self) -> int:
        self._request_no += 1
        return self._request_no

    def _forget_clocks(self) -> None:
        self._initial_clk, self._clk, self._resumable = "", "", False
        self._new_clocks = ["", ""]
        self.whole = False

    def _subscribe(self) -> bytes:
        self._subscription_no = self._next_no()
        self._new_clocks = list(self.clocks)
        asked = self._subscription
        words: dict[str, Any] = {
            "op": "marketSubscription",
            "id": self._subscription_no,
            "marketFilter": asked.market_filter,
            "marketDataFilter": {
                "fields": list(asked.fields),
                "ladderLevels": asked.ladder_levels,
            },
            "conflateMs": asked.conflate_ms,
            "heartbeatMs": asked.heartbeat_ms,
            "segmentationEnabled": True,
        }
        if self._resumable:
            words |= {"initialClk": self._initial_clk, "clk": self._clk}
        return _line(words)


def _leave(verdict: Verdict, why: str) -> Answer:
    return Answer(verdict=verdict, why=why)


def _line(words: dict[str, Any]) -> bytes:
    return msgspec.json.encode(words) + b"\r\n"
