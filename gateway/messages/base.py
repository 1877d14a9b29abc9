"""The bases, shared fields and subprotocol names of all messages.

Owns the strictness of each side: a client's message may have no unknown field; a gateway's message
omits fields at their defaults and may gain fields. The other modules of this folder own the
messages themselves.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import AccountNo
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


TEXT_IN_JSON: Final = (
    "accepted_before_ns",
    "after_bet_id",
    "at_ns",
    "before_bet_id",
    "bet_id",
    "expires_after_ns",
    "expires_at_ns",
    "from_ns",
    "placed_at_ns",
    "position",
    "request_id",
    "since_ns",
    "until_ns",
)
"""Fields of integers that may pass 2^53, wherever they occur: JSON carries them as text, because
JavaScript and others read numbers of JSON as doubles. From a client a number is taken too."""
TEXTS_IN_JSON: Final = ("bet_ids",)
"""Fields of lists of such integers, which only clients send."""


def enumerated(names: Iterable[str]) -> Meta:
    """Return what makes a text an enumeration in the document; newer gateways may add words."""
    return Meta(extra_json_schema={"enum": list(dict.fromkeys(names))})


ROLES: Final = (
    "bettor",
    "feed",
    "quant",
    "viewer",
    "trader",
    "head_trader",
    "settler",
    "risk",
    "cashier",
    "auditor",
)
"""The roles of tokens; gateway.session.tokens has them as an enumeration."""
RoleWord = Annotated[str, enumerated(ROLES)]
Stale = Annotated[str, enumerated(("", "quarantined"))]
"""Why figures may not be whole: their shell's journal is damaged, and they are what could still be
read of it."""


class FromClient(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", gc=False
):
    """Base of the messages that clients send."""


class FromGateway(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False
):
    """Base of the messages that gateways send."""


class Welcome(FromGateway, frozen=True, kw_only=True, tag="welcome"):
    """The first message of a session: the caller's role, subject and account, and its bounds."""

    role: RoleWord
    sub: str
    account: AccountNo | None = None
    frame_bytes_max: int
    frames_a_second: int
    bets_in_flight_max: int
    place_many_max: int = PLACE_MANY_MAX


class Error(FromGateway, frozen=True, kw_only=True, tag="error"):
    """A message was refused; `code` is a reason number, `message` names field and bound.

    `ref` and `id` repeat those of the message when they could be read.
    """

    code: int
    message: str
    ref: str = ""
    id: int = 0
