"""What all messages of the wire have in common: their bases, and how a request is numbered.

Owns how strictly each side reads: what a client sends is closed, what a gateway sends leaves out
defaults and may grow. The words themselves are `wire` and `feeds.wire`.
"""

from typing import Annotated

from msgspec import Meta, Struct

IdField = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
"""A request's number, chosen by the client and repeated in its answer."""
FixtureField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{1,64}\Z")]


class Asked(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", gc=False
):
    """Base of what a client sends."""


class Sent(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """Base of what a gateway sends."""
