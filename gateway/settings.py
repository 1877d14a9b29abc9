"""Every bound of a gateway: its name, its default, and what a client sees when it is reached.

Owns the numbers and their documented answers. It enforces nothing; the owner of each queue,
buffer or connection does.
"""

from enum import IntEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.units import SLIP_BETS_MAX, SLIP_LEGS_MAX, SLIP_LINE_LEGS_MAX, SLIP_LINES_MAX

Port = Annotated[int, Meta(ge=0, le=65_535)]
Count = Annotated[int, Meta(ge=1, le=1 << 24)]
Bytes = Annotated[int, Meta(ge=1_024, le=1 << 28)]
Millis = Annotated[int, Meta(ge=1, le=3_600_000)]
Seconds = Annotated[int, Meta(ge=1, le=86_400)]

PLACE_MANY_MAX: Final = 64
"""Bets one `place_many` may carry: part of its schema."""
COMMANDS_MAX: Final = 256
"""Commands one `control` may carry: part of its schema."""
STOPS_IN_FLIGHT_MAX: Final = 1_024
"""Requests of a session that only stop betting and are taken past `control_in_flight_max`."""
FEED_BODIES_MAX: Final = 256
"""Messages one `feed_push` may carry: part of its schema."""
FEED_BODY_BYTES_MAX: Final = 16 << 20
"""Length of one message of a feed: part of its schema."""
FEED_MESSAGES_HELD_MAX: Final = 1_024
"""Messages that a feed's adapter may hold. They stay unacknowledged, so it is well below what a
bridge and a broker give without an acknowledgement: the message that ends the hold must come too.
"""
FEED_MESSAGES_LATE_MAX: Final = 512
"""Messages of a feed that wait for market shells that do not answer, unacknowledged: a bridge and a
broker have room for them beside those that are held, and for the messages of other shells."""
FEED_FRAME_BYTES_MIN: Final = (FEED_BODY_BYTES_MAX + (1 << 20)) * 4 // 3 + 65_536
"""Smallest frame bound of the feed listener: a full push of a bridge, base64-encoded in JSON."""
PAGE_MAX: Final = 1_000
"""Rows of one page of markets."""
FIXTURES_PAGE_MAX: Final = 200
"""Fixtures of one page; it ends before their sides are more than `FIXTURE_SIDES_MAX`."""
FIXTURE_SIDES_MAX: Final = 1_024
"""Sides of the fixtures of one page, so that it fits the buffer of a session's answers."""
FIXTURES_EXAMINED_MAX: Final = 5_000
"""Fixtures that one question examines, of those with the first word of its `text`; then its page
ends, and says where to go on. Bets wait meanwhile."""
FIXTURES_RELEASED_MAX: Final = 32
"""Held fields that one `set_fixture` may release."""
COMPETITIONS_MAX: Final = 2_000
"""Competitions of one answer to `catalogue`; it says where there are more."""
OPEN_BETS_MAX: Final = 100
"""Rows of one page of open bets."""
HISTORY_MAX: Final = 100
"""Rows of one page of settled bets."""
OPEN_PARTS_MAX: Final = 1_024
"""Legs and bets of the slips of one page of open or settled bets, which ends before a slip that
would pass it: its message must fit the buffer of a session's answers, and its account must not be
held up."""


class CloseCode(IntEnum):
    """Why a gateway closes a connection; `CLOSE_MEANINGS` states each code's meaning."""

    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    TOKEN_EXPIRED = 4001
    IDLE = 4002
    TOO_SLOW = 4008
    RATE_LIMITED = 4029


CLOSE_MEANINGS: Final[dict[CloseCode, str]] = {
    CloseCode.GOING_AWAY: "the gateway stops; connect again, to it or to another",
    CloseCode.PROTOCOL_ERROR: "a frame breaks RFC 6455",
    CloseCode.UNSUPPORTED_DATA: "a text frame on the msgpack subprotocol, or a binary one on JSON",
    CloseCode.INVALID_DATA: "the payload is not msgpack, not JSON or not UTF-8",
    CloseCode.POLICY_VIOLATION: "too many messages outside the schemas or not allowed to the role",
    CloseCode.TOO_BIG: "a message is over frame_bytes_max",
    CloseCode.INTERNAL_ERROR: "the gateway failed unexpectedly; the outcome of requests is unknown",
    CloseCode.TOKEN_EXPIRED: "the token has expired; connect with a new one",
    CloseCode.IDLE: "nothing was received, and a ping was not answered",
    CloseCode.TOO_SLOW: "answers pile up unread; connect again, ask `status` for refs without an "
    "answer, resume by version",
    CloseCode.RATE_LIMITED: "too many frames over the rate, in spite of RATE_LIMITED answers",
}
"""What each close code means; docs/asyncapi.json repeats it."""


class GatewaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses and bounds of one gateway; `LIMITS` states what a client sees at each bound."""

    bets_host: str = "0.0.0.0"  # noqa: S104 - the public listener; control stays on loopback
    bets_port: Port = 8480
    control_host: str = "127.0.0.1"
    control_port: Port = 8481
    feed_host: str = "127.0.0.1"
    feed_port: Port = 8482
    origins: tuple[str, ...] = ()
    """Web origins that may connect; a client that sends no Origin header (no browser) may too."""
    metrics_on_bets: bool = True
    """Whether the public listener answers GET /metrics too."""

    connections_max: Count = 4_096
    sessions_per_account_max: Count = 256
    handshakes_per_address_max: Count = 1_024
    handshake_ms: Millis = 5_000
    handshake_bytes_max: Bytes = 16_384
    frame_bytes_max: Bytes = 16_384
    control_frame_bytes_max: Bytes = 262_144
    feed_frame_bytes_max: Bytes = 33_554_432
    frames_a_second: Count = 10_000
    frames_burst: Count = 10_000
    frames_over_max: Count = 1_000
    refused_messages_max: Count = 32
    work_percent: Annotated[int, Meta(ge=1, le=100)] = 10
    work_burst_ms: Annotated[int, Meta(ge=1, le=10_000)] = 20
    ping_after_s: Seconds = 20
    pong_within_s: Seconds = 20
    close_linger_ms: Millis = 1_000

    odds_buffer_bytes: Bytes = 65_536
    answers_buffer_bytes: Bytes = 1_048_576
    stalled_max_s: Seconds = 60
    subscriptions_max: Count = 1_024
    markets_followed_max: Count = 65_536
    account_markets_max: Count = 262_144
    queries_in_flight_max: Count = 16
    control_in_flight_max: Count = 64

    session_bets_in_flight_max: Count = 1_024
    account_bets_in_flight_max: Count = 1_024
    bets_in_flight_max: Count = 16_384
    bets_waiting_max: Count = 65_536
    slip_legs_max: Annotated[int, Meta(ge=1, le=SLIP_LEGS_MAX)] = 20
    slip_bets_max: Annotated[int, Meta(ge=1, le=SLIP_BETS_MAX)] = SLIP_BETS_MAX
    slip_lines_max: Annotated[int, Meta(ge=1, le=SLIP_LINES_MAX)] = SLIP_LINES_MAX
    builders_a_minute: Count = 60
    bet_deadline_ms: Millis = 4_000
    call_timeout_ms: Millis = 1_500
    control_timeout_ms: Millis = 5_000
    batch_rows_max: Annotated[int, Meta(ge=1, le=4_096)] = 1_024
    calls_in_flight_max: Annotated[int, Meta(ge=1, le=16)] = 2
    verdict_linger_ms: Millis = 5
    batch_pace_ms: Annotated[int, Meta(ge=0, le=1_000)] = 8

    feed_pushes_in_flight_max: Count = 1_024
    feed_pace_ms: Annotated[int, Meta(ge=0, le=1_000)] = 5

    def frame_bytes(self, listener: str) -> int:
        """Return the largest message, in bytes, that a listener accepts."""
        return {
            "control": self.control_frame_bytes_max,
            "feed": self.feed_frame_bytes_max,
        }.get(listener, self.frame_bytes_max)


LIMITS: Final[dict[str, str]] = {
    "connections_max": "HTTP status 503, and the connection closes",
    "sessions_per_account_max": "the handshake is refused with HTTP status 429",
    "handshakes_per_address_max": "the connection closes without an answer; connections of an "
    "address (of IPv6, a /64 prefix) count until they have a session or are closed",
    "handshake_ms": "the connection closes without an answer",
    "handshake_bytes_max": "HTTP status 431, and the connection closes",
    "frame_bytes_max": "close code 1009; control connections have control_frame_bytes_max, feed "
    "connections feed_frame_bytes_max",
    "control_frame_bytes_max": "close code 1009",
    "feed_frame_bytes_max": "close code 1009",
    "frames_a_second": "`bet` or `error` with code 907 (RATE_LIMITED); this sending was not "
    "booked. A `place_many` counts once for each of its bets, a `place_slip` for each of its legs; "
    "frames_burst may come at once",
    "frames_burst": "as frames_a_second",
    "frames_over_max": "close code 4029 after so many RATE_LIMITED answers in a row",
    "refused_messages_max": "close code 1008 after so many messages outside the schemas or not "
    "allowed to the token's role",
    "work_percent": "its messages wait, and nothing more is read from it: a client of the bets "
    "listener (an account over all its connections, an identity without one, or the handshakes and "
    "plain requests of an address) may use this percentage of the gateway's time",
    "work_burst_ms": "as work_percent; so many milliseconds of the gateway's time may be used at "
    "once",
    "ping_after_s": "a ping after so many seconds without a message",
    "pong_within_s": "close code 4002 when the ping is not answered",
    "odds_buffer_bytes": "odds are conflated: once there is room, the latest state of each changed "
    "market is sent, and versions in between are skipped",
    "answers_buffer_bytes": "close code 4008: answers are never dropped",
    "stalled_max_s": "close code 4008 when nothing could be written for so many seconds",
    "subscriptions_max": "`error` with code 905 (CAPACITY); earlier subscriptions remain",
    "markets_followed_max": "`error` with code 905 (CAPACITY); earlier subscriptions remain. A "
    "fixture counts as its markets, and `all` as all of them",
    "account_markets_max": "as markets_followed_max, over all sessions of the account on this "
    "gateway",
    "queries_in_flight_max": "`error` with code 901 (BUSY)",
    "control_in_flight_max": "`error` with code 901 (BUSY); no command was run. "
    f"{STOPS_IN_FLIGHT_MAX} more requests that only stop betting may be in flight",
    "session_bets_in_flight_max": "`bet` or `slip_bet` rejected with reason 901 (BUSY); this "
    "sending was not booked. A slip counts as a bet for each of its legs",
    "account_bets_in_flight_max": "as session_bets_in_flight_max. The bets of all sessions of the "
    "account on this gateway count, also those of sessions that are closed",
    "bets_waiting_max": "`bet` with state unknown: the bet goes on waiting at its market, and "
    "`status` tells how it ends",
    "bets_in_flight_max": "`bet` or `slip_bet` rejected with reason 901 (BUSY); this sending was "
    "not booked. A slip counts as a bet for each of its legs",
    "slip_legs_max": "`slip_bet` rejected with reason 202 (LEGS_OVER_BOUND); a slip of more than "
    f"{SLIP_LEGS_MAX} legs is outside the schema. Each-way, a leg to win and the one to be placed "
    f"count once, at most {SLIP_LEGS_MAX // 2}",
    "slip_bets_max": "`slip_bet` rejected with reason 203 (BETS_OVER_BOUND); an each-way bet is "
    "two",
    "slip_lines_max": "`slip_bet` rejected with reason 204 (LINES_OVER_BOUND), as is a slip whose "
    f"lines have more than {SLIP_LINE_LEGS_MAX} legs together",
    "builders_a_minute": "`builder` with reason 907 (RATE_LIMITED); an account may ask for so many "
    "bet builders a minute at this gateway, and for so many at once",
    "bet_deadline_ms": "`bet` or `slip_bet` unknown with reason 903 (UNKNOWN); ask `status` for "
    "the ref",
    "call_timeout_ms": "`error` with code 909 (UNAVAILABLE) for queries; the gateway sends bets "
    "again",
    "feed_pushes_in_flight_max": "`error` with code 901 (BUSY) for this push and all later ones of "
    "the session; send the unanswered pushes again in a new session",
    "control_timeout_ms": "a `refused` event with reason 903 (UNKNOWN): ask `book` for the "
    "market's state",
}
"""What a client sees at each bound; docs/asyncapi.json and docs/operations.md repeat it."""


class ConsoleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the traders' console listens, and how many users and screens it serves at once."""

    host: str = "127.0.0.1"
    port: Port = 8490
    users_max: Count = 64
    """Tokens in use at once; a further login is refused."""
    screens_max: Count = 256
    """Open pages; a further one says so and shows nothing else."""
