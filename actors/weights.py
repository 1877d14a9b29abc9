"""How much money a person's commands move: what shells are asked, and what they enforce.

Owns schemas only; trial.py works the figures out, and allowances.py refuses what passes them.
"""

from typing import Final

import msgspec
from msgspec import Struct

from engine.common.commands import MarketCommand
from engine.common.events import Refused
from engine.common.previews import ExpectedMarket
from engine.common.row_layout import row_dtype
from engine.common.units import Minor, Nanos

SLIPS_WEIGHED_IN_CALL_MAX: Final = 1_024
"""Legs of one call of an account shard: some milliseconds of it."""
LEGS_WEIGHED_MAX: Final = 65_536
"""Legs of one message whose slips are looked up; with more, it needs a second person."""
SLIP_MOST: Final = row_dtype(16, ("bet_id", "<u8"), ("most_minor", "<i8"))
"""A leg, and what its slip can be paid at most, in base currency."""


class Allowance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far commands may go that decide money; the shell works out how far they do.

    They move `message_minor` at most together, with the markets that follow theirs; None stands for
    any. `slips` are SLIP_MOST rows of the legs that count by their slips. With a `window_ns`, a
    person moves `most_minor` of one market at most within it. Commands that are `approved` are two
    people's: they count in no sum, and what moves more is stale.
    """

    message_minor: Minor | None = None
    most_minor: Minor = Minor(0)
    window_ns: Nanos = Nanos(0)
    approved: bool = False
    expected: tuple[ExpectedMarket, ...] = ()
    slips: bytes = b""


class WeighCommands(Struct, frozen=True, kw_only=True):
    """Ask how much money some commands of a shell's markets would move, given together."""

    commands: tuple[MarketCommand, ...]


class Weight(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one command moves of its market, which has that settlement, or why it is refused.

    To `moved_minor` comes what its legs count by their slips: `legs` are LEG_TIMES rows.
    """

    refused: Refused | None = None
    settlement_no: int = 0
    moved_minor: Minor = Minor(0)
    legs: bytes = b""


class Weighed(Struct, frozen=True, kw_only=True):
    """A weight for each command, and what moves of the markets that follow theirs."""

    weights: tuple[Weight, ...]
    following_minor: Minor = Minor(0)
    following_legs: bytes = b""


encode: Final = msgspec.msgpack.Encoder().encode
decode_weigh: Final = msgspec.msgpack.Decoder(WeighCommands).decode
decode_weighed: Final = msgspec.msgpack.Decoder(Weighed).decode
