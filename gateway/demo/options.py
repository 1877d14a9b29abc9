"""What a demo run is asked for, as `overround demo` reads it from its arguments.

Owns the typed options; gateway.cli.demo owns their names, bounds and defaults on the command line.
"""

from pathlib import Path
from typing import Final

from msgspec import Struct

PROCESSES: Final = 15
"""Market processes unless asked otherwise: what a small machine can bear."""
SLIPS: Final = 0.6
"""Share of the bettors that place slips unless asked otherwise: that of simulations.crowd."""
NEVER: Final = 0
"""A minute that does not come."""


class DemoOptions(Struct, frozen=True, kw_only=True):
    """What the command line asked for; `kill_minute` and `until_minute` are 0 for never.

    `beside` is how many matches are played beside the main one, `slips` the share of the bettors
    that place slips of several legs. `markets_per_actor` is 0 for as many as make `PROCESSES` at
    most. With `console` the traders' console is served, where its package is installed. With
    `settle_by_hand` the main match's results are left to whoever sits at it.
    """

    match: str
    speed: float
    bettors: int
    markets: int
    beside: int
    slips: float
    markets_per_actor: int
    seed: int
    kill_minute: int
    until_minute: int
    base_port: int
    data_dir: Path
    resume: bool
    plain: bool
    console: bool
    settle_by_hand: bool
