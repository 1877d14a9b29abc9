"""What the system tells the console's process, as lines of JSON on its standard input.

Owns the message and its encoding. Tokens travel here and not in arguments or variables, which other
processes of the machine may read.
"""

import msgspec
from msgspec import Struct

from gateway.settings import ConsoleSettings

LINE_BYTES_MAX = 65_536


class Briefing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the gateways listen now, and a fresh token of the console's own.

    `control` are the addresses of the gateways' control listeners, `token` reads markets and books
    and commands nothing. `folder` keeps the users' layouts. The first briefing starts the console,
    each later one replaces addresses and token; the end of the input ends it.
    """

    control: tuple[str, ...]
    token: str
    folder: str
    settings: ConsoleSettings


def encode(briefing: Briefing) -> bytes:
    """Return a briefing as a line."""
    return msgspec.json.encode(briefing) + b"\n"


def decode(line: bytes) -> Briefing:
    """Return the briefing of a line.

    Raises
    ------
    msgspec.ValidationError, msgspec.DecodeError
        It is none.
    """
    return msgspec.json.decode(line, type=Briefing)
