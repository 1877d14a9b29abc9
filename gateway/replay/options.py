"""What a replay is asked for, as `overround replay` reads it from its arguments.

Owns the typed options; gateway.cli.replay owns their arguments, bounds and defaults.
"""

from pathlib import Path
from typing import Final

from msgspec import Struct

AS_FAST_AS_IT_GOES: Final = 0.0
"""A speed that waits for nothing."""


class ReplayOptions(Struct, frozen=True, kw_only=True):
    """What the command line asked for; `kind` is empty where the recording is to tell."""

    path: Path
    kind: str
    speed: float
    bettors: int
    visits: float
    slips: float
    markets_per_actor: int
    seed: int
    base_port: int
    data_dir: Path
    plain: bool
