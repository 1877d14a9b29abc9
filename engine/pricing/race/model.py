"""The race model: what is believed of a field of runners, and what has become of them.

Owns the value objects, their bounds, and the chances of orders of finish; never prices a market
(race.py), and never knows a bet.
"""

from enum import StrEnum
from math import comb, isfinite
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct
from msgspec.structs import replace

from engine.pricing.race.finish_order_nb import forecast_nb, places_nb, tricast_nb

Floats = npt.NDArray[np.float64]

RUNNERS_MAX: Final = 40
WIN_MIN: Final = 1e-9
"""A runner that cannot win is a runner all the same: it may still be second."""
SUM_TOLERANCE: Final = 1e-6
POWERS_MAX: Final = 8
SETS_MAX: Final = 1 << 17
"""Sets of runners, of every size, that may have filled the places before the last."""


class Order(StrEnum):
    """How the places behind the winner are drawn."""

    HARVILLE = "harville"
    """In proportion to the chances to win (Harville, JASA 68, 1973): times are exponential."""
    STERN = "stern"
    """As when times are gamma of shape 4 (Stern, JASA 85, 1990), by discounting."""
    HENERY = "henery"
    """As when times are normal (Henery, JRSS B 43, 1981), by discounting."""


POWERS: Final[dict[Order, tuple[float, ...]]] = {
    Order.HARVILLE: (1.0,),
    Order.STERN: (1.0, 0.88, 0.81, 0.76, 0.71, 0.67),
    Order.HENERY: (1.0, 0.76, 0.62, 0.56, 0.49, 0.44),
}
"""Discounts: each place is drawn in proportion to a power of the chances to win, and the last power
stands for all places behind it. Lo and Bacon-Shone's for the second and third (The Statistician 43,
1994); from the fourth on ours, fitted to simulated races of 8 to 12 runners."""

Chance = Annotated[float, Meta(gt=0.0, le=1.0)]
Power = Annotated[float, Meta(gt=0.0, le=4.0)]
Runner = Annotated[int, Meta(ge=1, le=RUNNERS_MAX)]


class RaceModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is believed of a race before any runner is withdrawn.

    `win` holds each runner's chance to win; they add up to one. `powers` overrides those of
    `order`, from the winner's place on; the first is 1, or `win` would not be what it says.
    """

    win: Annotated[tuple[Chance, ...], Meta(min_length=1, max_length=RUNNERS_MAX)]
    order: Order = Order.STERN
    powers: Annotated[tuple[Power, ...], Meta(max_length=POWERS_MAX)] = ()

    def __post_init__(self) -> None:
        """Refuse chances that are none and powers that are not weights."""
        if not 1 <= len(self.win) <= RUNNERS_MAX:
            raise ValueError(f"win: from 1 to {RUNNERS_MAX} runners")
        if not all(isfinite(chance) and WIN_MIN <= chance <= 1.0 for chance in self.win):
            raise ValueError(f"win: each from {WIN_MIN} to 1")
        if not abs(sum(self.win) - 1.0) <= SUM_TOLERANCE:
            raise ValueError(f"win: must add up to 1 within {SUM_TOLERANCE}")
        if len(self.powers) > POWERS_MAX or not all(0.0 < power <= 4.0 for power in self.powers):
            raise ValueError(f"powers: at most {POWERS_MAX}, each above 0 and up to 4")
        if self.powers and self.powers[0] != 1.0:
            raise ValueError("powers: the first is 1")


class RaceState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has happened: who was withdrawn, and once the race is run who finished where.

    Runners have numbers from 1. `positions` holds for each runner its place, equal for those in a
    dead heat (1, 1, 3, ...), 0 for one that did not finish or was withdrawn; it is empty until the
    result is known.
    """

    withdrawn: Annotated[tuple[Runner, ...], Meta(max_length=RUNNERS_MAX)] = ()
    positions: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=RUNNERS_MAX)], ...], Meta(max_length=RUNNERS_MAX)
    ] = ()

    def __post_init__(self) -> None:
        """Refuse a state that no race can be in."""
        if not all(1 <= runner <= RUNNERS_MAX for runner in self.withdrawn):
            raise ValueError(f"withdrawn: runners from 1 to {RUNNERS_MAX}")
        if list(self.withdrawn) != sorted(dict.fromkeys(self.withdrawn)):
            raise ValueError("withdrawn: each runner once, in the order of their numbers")
        if len(self.positions) > RUNNERS_MAX:
            raise ValueError(f"positions: at most {RUNNERS_MAX} runners")
        placed = sorted(position for position in self.positions if position != 0)
        if any(position != 1 + placed.index(position) for position in placed):
            raise ValueError("positions: one more than the runners ahead, equal in a dead heat")
        for runner in self.withdrawn:
            if runner <= len(self.positions) and self.positions[runner - 1] != 0:
                raise ValueError(f"positions: runner {runner} was withdrawn")

    def without(self, runner: int) -> "RaceState":
        """Return the state once a runner is withdrawn."""
        return replace(self, withdrawn=tuple(sorted((*self.withdrawn, runner))))

    def finished(self, positions: tuple[int, ...]) -> "RaceState":
        """Return the state once the result is known."""
        return replace(self, positions=positions)


def place_weights(win: Floats, model: RaceModel, places: int) -> Floats:
    """Return for each place and runner the weight with which it is drawn.

    Parameters
    ----------
    win : Floats
        Chances of the runners that are left, or multiples of them: a withdrawn runner's chance
        goes to the others in proportion to theirs.
    model : RaceModel
        How the places are drawn.
    places : int
        How many.
    """
    powers = model.powers or POWERS[model.order]
    return np.array(
        [win ** powers[min(place, len(powers) - 1)] for place in range(places)], np.float64
    ).reshape(places, len(win))


def order_chance(model: RaceModel, order: tuple[int, ...]) -> float:
    """Return the chance that runners (numbers from 1) finish first, second, ... in that order.

    Raises
    ------
    ValueError
        When a runner is named twice or is not in the race.
    """
    if len({*order}) != len(order) or not all(1 <= runner <= len(model.win) for runner in order):
        raise ValueError(f"order: different runners from 1 to {len(model.win)}")
    weights = place_weights(np.array(model.win), model, len(order))
    left = np.ones(len(model.win), np.bool_)
    chance = 1.0
    for row, runner in zip(weights, order, strict=True):
        chance *= float(row[runner - 1] / row[left].sum())
        left[runner - 1] = False
    return chance


def forecasts(win: Floats, model: RaceModel) -> Floats:
    """Return chances[i, j] that runner i (from 0) is first and j second."""
    chances = np.zeros((len(win), len(win)))
    forecast_nb(place_weights(win, model, 2), chances)
    return chances


def tricasts(win: Floats, model: RaceModel) -> Floats:
    """Return chances[i, j, k] that runners (from 0) are first, second and third."""
    chances = np.zeros((len(win), len(win), len(win)))
    tricast_nb(place_weights(win, model, 3), chances)
    return chances


def places_max(runners: int) -> int:
    """Return how many places of a field can be priced: all of 17 runners, five of 40."""
    places, sets = 0, 0
    while places < runners and sets + comb(runners, places) <= SETS_MAX:
        sets += comb(runners, places)
        places += 1
    return places


class Places:
    """Chances of places, with the scratch that they take; not to be shared between threads.

    Parameters
    ----------
    runners : int
        The size of the field.
    places : int
        The most places that will be asked for: up to `places_max`.
    """

    def __init__(self, *, runners: int, places: int) -> None:
        if not 1 <= places <= places_max(runners):
            raise ValueError(f"places: from 1 to {places_max(runners)} of {runners} runners")
        self._places: Final = places
        self._binomials: Final = np.array(
            [[comb(a, k) for k in range(places + 2)] for a in range(runners + 1)], np.int64
        )
        sets = max(comb(runners, k) for k in range(places))
        self._chosen: Final = np.zeros(places + 1, np.int64)
        self._sets: Final[Floats] = np.zeros(sets)
        self._next: Final[Floats] = np.zeros(sets)

    def chances(self, win: Floats, model: RaceModel) -> Floats:
        """Return chances[m, i] that runner i of those left (from 0) takes the (m + 1)-th place."""
        places = min(self._places, len(win))
        chances = np.zeros((places, len(win)))
        places_nb(
            place_weights(win, model, places),
            self._binomials,
            self._chosen,
            self._sets,
            self._next,
            chances,
        )
        return chances
