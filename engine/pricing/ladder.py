"""Define the ladders of odds that may be quoted, and round probabilities to them.

Owns the ladders, which are data, and the step from float to integer: after this step odds are
`odds_milli`. Never adds a margin and never decides whether an outcome is offered. The odds on a
ladder are called its prices.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, OddsMilli
from engine.pricing.ladder_nb import ABOVE, BELOW, NEAREST, NO_PRICE, ON_LADDER, SHORTER, round_nb

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RUNGS_MAX: Final = 100_000


class Rounding(IntEnum):
    """To which neighbouring price odds between two prices are rounded."""

    NEAREST = NEAREST
    SHORTER = SHORTER


class Place(IntEnum):
    """Where the unrounded odds lie relative to the ladder."""

    ON_LADDER = ON_LADDER
    BELOW = BELOW
    """Shorter than the shortest price, which is returned."""
    ABOVE = ABOVE
    """Longer than the longest price, which is returned."""
    NO_PRICE = NO_PRICE
    """The probability is not above 0 and below 1."""


class Band(NamedTuple):
    """Prices up to and including `to_milli` rise in steps of `step_milli`."""

    to_milli: int
    step_milli: int


class Ladder:
    """Odds that may be quoted, shortest first.

    Parameters
    ----------
    first_milli : int
        The shortest price.
    bands : Sequence[Band]
        Steps from there on; each band ends on one of its own steps.

    Raises
    ------
    ValueError
        When the bands do not rise or do not end on a step, or when prices leave the engine's bounds
        of odds or are more than `RUNGS_MAX`.
    """

    def __init__(self, *, first_milli: int, bands: Sequence[Band]) -> None:
        rungs = [first_milli]
        for band in bands:
            if band.step_milli < 1 or band.to_milli <= rungs[-1]:
                raise ValueError(f"ladder: {band} does not rise")
            if (band.to_milli - rungs[-1]) % band.step_milli != 0:
                raise ValueError(f"ladder: {band} does not end on a step")
            rungs.extend(range(rungs[-1] + band.step_milli, band.to_milli + 1, band.step_milli))
        if rungs[0] < ODDS_MILLI_MIN or rungs[-1] > ODDS_MILLI_MAX or len(rungs) > RUNGS_MAX:
            raise ValueError(
                f"ladder: at most {RUNGS_MAX} prices from {ODDS_MILLI_MIN} to {ODDS_MILLI_MAX}"
            )
        self.prices_milli: Ints = np.array(rungs, np.int64)

    @property
    def shortest_milli(self) -> OddsMilli:
        """The shortest price."""
        return OddsMilli(int(self.prices_milli[0]))

    @property
    def longest_milli(self) -> OddsMilli:
        """The longest price."""
        return OddsMilli(int(self.prices_milli[-1]))

    def __len__(self) -> int:
        return len(self.prices_milli)

    def odds_milli(self, quoted: float, *, rounding: Rounding = Rounding.NEAREST) -> OddsMilli:
        """Return the price for a quoted probability; beyond the ladder, the nearer end of it.

        Parameters
        ----------
        quoted : float
            A probability with the margin in it: one over the odds.
        rounding : Rounding
            To which neighbour odds between two prices are rounded.
        """
        odds_milli = np.zeros(1, np.int64)
        round_nb(
            np.array((quoted,), np.float64),
            self.prices_milli,
            int(rounding),
            odds_milli,
            np.zeros(1, np.int64),
        )
        return OddsMilli(int(odds_milli[0]))

    def at_most(self, odds_milli: Ints) -> Ints:
        """Return for each odds the longest price that is not above them; 0 where there is none."""
        below = np.searchsorted(self.prices_milli, odds_milli, side="right")
        return np.where(below > 0, self.prices_milli[below - 1], 0)

    def round_all(
        self,
        quoted: Floats,
        odds_milli: Ints,
        places: Ints,
        *,
        rounding: Rounding = Rounding.NEAREST,
    ) -> None:
        """Fill `odds_milli` and `places` (of `Place`) for many quoted probabilities at once."""
        round_nb(quoted, self.prices_milli, int(rounding), odds_milli, places)


EXCHANGE: Final = Ladder(
    first_milli=1_010,
    bands=(
        Band(2_000, 10),
        Band(3_000, 20),
        Band(4_000, 50),
        Band(6_000, 100),
        Band(10_000, 200),
        Band(20_000, 500),
        Band(30_000, 1_000),
        Band(50_000, 2_000),
        Band(100_000, 5_000),
        Band(1_000_000, 10_000),
    ),
)
"""The 350 prices of the betting exchanges."""

CENTS: Final = Ladder(
    first_milli=1_010,
    bands=(Band(10_000, 10), Band(100_000, 100), Band(1_000_000, 1_000)),
)
"""Hundredths to 10, tenths to 100, whole numbers to 1000."""

FINE: Final = Ladder(
    first_milli=1_001,
    bands=(Band(5_000, 1), Band(20_000, 10), Band(100_000, 100), Band(10_000_000, 1_000)),
)
"""Thousandths to 5, hundredths to 20, tenths to 100, whole numbers to 10,000."""

LADDERS: Final[dict[str, Ladder]] = {"exchange": EXCHANGE, "cents": CENTS, "fine": FINE}
