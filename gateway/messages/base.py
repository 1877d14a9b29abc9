"""What all messages of the wire have in common: their bases, and how a request is numbered.

Owns how strictly each side reads: what a client sends is closed, what a gateway sends leaves out
defaults and may grow. The words themselves are `wire` and `feeds.wire`.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.units import OUTCOMES_MAX
from gateway.settings import PLACE_MANY_MAX

MSGPACK_SUBPROTOCOL: Final = "overround.v1.msgpack"
JSON_SUBPROTOCOL: Final = "overround.v1.json"

IdField = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
"""A request's number, chosen by the client and repeated in its answer."""
FixtureField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{1,64}\Z")]
VersionField = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
OutcomeField = Annotated[int, Meta(ge=0, lt=OUTCOMES_MAX)]
BetIdField = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class Asked(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", gc=False
):
    """Base of what a client sends."""


class Sent(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """Base of what a gateway sends."""


class Welcome(Sent, frozen=True, kw_only=True, tag="welcome"):
    """The first message of a session: who the gateway takes the client for, and its bounds."""

    role: str
    sub: str
    account: int | None = None
    frame_bytes_max: int
    frames_a_second: int
    bets_in_flight_max: int
    place_many_max: int = PLACE_MANY_MAX


class Error(Sent, frozen=True, kw_only=True, tag="error"):
    """A message was refused; `code` is a reason number, `message` names field and bound.

    `ref` and `id` repeat those of the message when they could be read.
    """

    code: int
    message: str
    ref: str = ""
    id: int = 0
