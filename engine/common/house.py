"""The stop of the whole house: the commands, the state that they leave, and its bounds.

Owns their schemas; `engine.common.commands` lists the commands among the ledger's. Never refuses a
bet: the ledger does.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.units import Nanos

AUTHOR_CHARS_MAX: Final = 64
_WHY_CHARS_MAX: Final = 80

AuthorField = Annotated[str, Meta(min_length=1, max_length=AUTHOR_CHARS_MAX)]
_WhyField = Annotated[str, Meta(max_length=_WHY_CHARS_MAX)]


class _House(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do", gc=False
):
    """Base of these commands, with the fields of every command."""


class StopHouse(_House, frozen=True, tag="stop_house"):
    """Refuse every bet that is not reserved yet, with HOUSE_STOPPED, until StartHouse.

    Bets that are reserved go on to their markets; settlements, refunds and money go on. A house
    that is stopped keeps its first author, reason and time.
    """

    by: AuthorField
    why: _WhyField = ""


class StartHouse(_House, frozen=True, tag="start_house"):
    """Take bets again; a house that is not stopped stays as it is."""


class HouseStop(Struct, frozen=True, kw_only=True, gc=False):
    """Who stopped the house, why, and when (nanoseconds UTC)."""

    by: AuthorField
    why: _WhyField
    at_ns: Annotated[Nanos, Meta(ge=0)]


HouseCommand = StopHouse | StartHouse
