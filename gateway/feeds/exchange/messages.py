"""The messages of an exchange's stream: JSON as typed, bounded structures.

Owns what a message may look like, in the field names of Betfair's Exchange Stream API (its public
Swagger definition, 1.0.1423, and the pages on stream health and conflation). Never keeps anything:
a message that does not fit is refused by the decoder, which names the field. Unknown fields are
ignored, so that the exchange may add fields.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

MESSAGE_BYTES_MAX: Final = 16 << 20
"""A longer message is refused without decoding. The image of a whole subscription can be one line
when it is not segmented: 200 markets of 14 runners with full ladders are about 6 MiB."""
PRICE_MAX: Final = 1_000_000.0
SIZE_MAX: Final = 1e15
TIME_MS_MAX: Final = 1 << 53
ID_CHARS_MAX: Final = 64
RUNNERS_MAX: Final = 512

Price = Annotated[float, Meta(ge=0.0, le=PRICE_MAX)]
Size = Annotated[float, Meta(ge=0.0, le=SIZE_MAX)]
Level = tuple[Price, Size]
"""Price and size; a size of 0 removes the level."""
Place = tuple[Price, Price, Size]
"""Index of the level from the best (0), its price and its size; a size of 0 removes it."""
TimeMs = Annotated[int, Meta(ge=0, le=TIME_MS_MAX)]
RunnerNo = Annotated[int, Meta(ge=0, le=1 << 53)]
Handicap = Annotated[float, Meta(ge=-PRICE_MAX, le=PRICE_MAX)]
Count = Annotated[int, Meta(ge=-1, le=1 << 53)]
Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
ShortText = Annotated[str, Meta(max_length=ID_CHARS_MAX)]
Token = Annotated[str, Meta(max_length=4_096)]
Number = Annotated[float, Meta(ge=-SIZE_MAX, le=SIZE_MAX)] | ShortText
"""A number, or the exchange's texts for a missing one: NaN and Infinity."""


class RunnerChange(Struct, gc=False):
    """Changes of one runner's ladders; an absent field did not change."""

    id: RunnerNo
    hc: Handicap | None = None
    atb: list[Level] | None = None
    atl: list[Level] | None = None
    trd: list[Level] | None = None
    ltp: Price | None = None
    tv: Size | None = None
    batb: list[Place] | None = None
    batl: list[Place] | None = None
    bdatb: list[Place] | None = None
    bdatl: list[Place] | None = None
    spn: Number | None = None
    spf: Number | None = None


class RunnerDefinition(Struct, rename="camel", gc=False):
    """A runner's status, its reduction factor when removed, and its name if sent."""

    id: RunnerNo
    status: ShortText = "ACTIVE"
    hc: Handicap | None = None
    sort_priority: Count = 0
    adjustment_factor: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None
    removal_date: ShortText | None = None
    name: Annotated[str, Meta(max_length=256)] | None = None


class MarketDefinition(Struct, rename="camel", gc=False):
    """A market's complete definition, which replaces the one before it."""

    status: ShortText
    event_id: ShortText = ""
    event_type_id: ShortText = ""
    market_type: ShortText = ""
    betting_type: ShortText = ""
    in_play: bool = False
    bet_delay: Annotated[int, Meta(ge=0, le=3_600)] = 0
    number_of_winners: Annotated[int, Meta(ge=0, le=RUNNERS_MAX)] = 1
    number_of_active_runners: Count = 0
    version: Count = 0
    market_time: ShortText = ""
    event_name: Annotated[str, Meta(max_length=256)] = ""
    venue: Annotated[str, Meta(max_length=256)] = ""
    country_code: ShortText = ""
    runners: Annotated[list[RunnerDefinition], Meta(max_length=RUNNERS_MAX)] = []


class MarketChange(Struct, rename="camel", gc=False):
    """Changes of one market; with `img` it is the complete image instead of a difference.

    `con` says several changes were joined into this one.
    """

    id: Id
    rc: list[RunnerChange] | None = None
    img: bool | None = None
    tv: Size | None = None
    con: bool | None = None
    market_definition: MarketDefinition | None = None


class Message(Struct, rename="camel", gc=False):
    """Any message of the exchange; `op` says which fields apply.

    ``mcm`` is a market change (`ct`: SUB_IMAGE, RESUB_DELTA, HEARTBEAT, or none for a difference;
    `status` 503 while the exchange itself is not up to date), ``connection`` the greeting,
    ``status`` the answer to a request.
    """

    op: ShortText
    pt: TimeMs | None = None
    clk: Token | None = None
    mc: list[MarketChange] | None = None
    ct: ShortText | None = None
    initial_clk: Token | None = None
    id: Count | None = None
    segment_type: ShortText | None = None
    heartbeat_ms: Annotated[int, Meta(ge=0, le=120_000)] | None = None
    conflate_ms: Annotated[int, Meta(ge=0, le=120_000)] | None = None
    status: Count | None = None
    status_code: ShortText | None = None
    error_code: ShortText | None = None
    error_message: Annotated[str, Meta(max_length=4_096)] | None = None
    connection_closed: bool | None = None
    connection_id: ShortText | None = None
    connections_available: Count | None = None


decode_message = msgspec.json.Decoder(Message).decode
"""Decode a message; ValidationError or DecodeError where the bytes do not fit."""


class LooseMessage(Message, rename="camel", gc=False):
    """A message whose markets are decoded one by one, so that a malformed one spoils no other."""

    mc: list[msgspec.Raw] | None = None  # type: ignore[assignment]


class _MarketId(Struct):
    id: Id


decode_loose = msgspec.json.Decoder(LooseMessage).decode
decode_market_change = msgspec.json.Decoder(MarketChange).decode
decode_market_id = msgspec.json.Decoder(_MarketId).decode


class Envelope(Struct, rename="camel", gc=False):
    """A message without its markets: what the session itself needs."""

    op: ShortText
    id: Count | None = None
    ct: ShortText | None = None
    clk: Token | None = None
    initial_clk: Token | None = None
    segment_type: ShortText | None = None
    heartbeat_ms: Annotated[int, Meta(ge=0, le=120_000)] | None = None
    conflate_ms: Annotated[int, Meta(ge=0, le=120_000)] | None = None
    status_code: ShortText | None = None
    error_code: ShortText | None = None
    error_message: Annotated[str, Meta(max_length=4_096)] | None = None
    connection_closed: bool | None = None
    connection_id: ShortText | None = None
    connections_available: Count | None = None


decode_envelope = msgspec.json.Decoder(Envelope).decode
"""Decode a message into an Envelope; its markets are skipped, not checked."""
