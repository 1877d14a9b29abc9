"""Define a race's model and state, and compute the chances of its finishing orders.

Owns the value objects, their bounds, and the chances of orders and places. Never prices a market
(race/sport.py does) and never knows a bet.
"""

from enum import StrEnum
from math import comb, isfinite
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct
from msgspec.structs import replace

from engine.pricing.race.field import RUNNERS_MAX
from engine.pricing.race.finish_order_nb import forecast_nb, places_nb, tricast_nb

Floats = npt.NDArray[np.float64]

WIN_MIN: Final = 1e-9
"""The lowest chance to win. It is above 0, since the other places are drawn by powers of it."""
SUM_TOLERANCE: Final = 1e-6
"""How far the chances to win may be from adding up to 1."""
POWERS_MAX: Final = 8
PLACE_CAP_MIN: Final = 0.01
SETS_MAX: Final = 1 << 17
"""The most sets of runners, of all sizes, that may fill the places before the last one priced."""


class Order(StrEnum):
    """The model by which the places behind the winner are drawn."""

    MEASURED = "measured"
    """Powers and a cap of favourites measured in 8,231 races."""
    HARVILLE = "harville"
    """In proportion to the chances to win (Harville, JASA 68, 1973): times are exponential."""
    STERN = "stern"
    """Approximates gamma times of shape 4 (Stern, JASA 85, 1990) by discounting."""
    HENERY = "henery"
    """Approximates normal times (Henery, JRSS B 43, 1981) by discounting."""


POWERS: Final[dict[Order, tuple[float, ...]]] = {
    Order.MEASURED: (1.0, 0.864, 0.749, 0.642),
    Order.HARVILLE: (1.0,),
    Order.STERN: (1.0, 0.88, 0.81, 0.76, 0.71, 0.67),
    Order.HENERY: (1.0, 0.76, 0.62, 0.56, 0.49, 0.44),
}
"""Discounts: each place is drawn in proportion to a power of the chances to win; the last power
applies to all further places. MEASURED: 8,231 races, measured, for the places two to four. STERN
and HENERY: the second and third place have the powers of Lo and Bacon-Shone (The Statistician 43,
1994); the others are fitted here to simulated races of 8 to 12 runners."""

PLACE_CAPS: Final[dict[Order, float]] = {
    Order.MEASURED: 0.30,
    Order.HARVILLE: 1.0,
    Order.STERN: 1.0,
    Order.HENERY: 1.0,
}
"""The chance to win above which a runner counts for no more in the places behind the winner.

A favourite that does not win has often run below its form, and the more certain its win was, the
less its chance to win says of such a race. In the 8,231 races favourites above 35% were placed
.760 where STERN said .815. The cap is set on simulated fields of 8 to 14 runners: there powers and
cap take .048 off what STERN says of the first three places, and the powers alone .011."""

Chance = Annotated[float, Meta(gt=0.0, le=1.0)]
Power = Annotated[float, Meta(gt=0.0, le=4.0)]
Runner = Annotated[int, Meta(ge=1, le=RUNNERS_MAX)]


class RaceModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The chances of a race before any runner is withdrawn.

    `win` holds each runner's chance to win; they add up to 1. `powers` replaces the powers of
    `order`, from the first place on; the first power is 1, so that `win` is the chance to win.
    `place_cap` is the chance above which a runner counts for no more in the further places; None is
    that of `order`, or no cap where `powers` are given.
    """

    win: Annotated[tuple[Chance, ...], Meta(min_length=1, max_length=RUNNERS_MAX)]
    order: Order = Order.MEASURED
    powers: Annotated[tuple[Power, ...], Meta(max_length=POWERS_MAX)] = ()
    place_cap: Annotated[float, Meta(ge=PLACE_CAP_MIN, le=1.0)] | None = None

    def __post_init__(self) -> None:
        """Refuse impossible chances, and powers out of bounds."""
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
        if self.place_cap is not None and not PLACE_CAP_MIN <= self.place_cap <= 1.0:
            raise ValueError(f"place_cap: from {PLACE_CAP_MIN} to 1")


class RaceState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The withdrawn runners and, once the result is known, each runner's position.

    Runners have numbers from 1. `positions` holds each runner's finishing position: runners in a
    dead heat have the same (1, 1, 3, ...), and 0 stands for a runner that was withdrawn or did not
    finish. It is empty until the result is known.
    """

    withdrawn: Annotated[tuple[Runner, ...], Meta(max_length=RUNNERS_MAX)] = ()
    positions: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=RUNNERS_MAX)], ...], Meta(max_length=RUNNERS_MAX)
    ] = ()

    def __post_init__(self) -> None:
        """Refuse an impossible state."""
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
        """Return the state after a runner is withdrawn."""
        return replace(self, withdrawn=tuple(sorted((*self.withdrawn, runner))))

    def finished(self, positions: tuple[int, ...]) -> "RaceState":
        """Return the state with the result."""
        return replace(self, positions=positions)


def place_weights(win: Floats, model: RaceModel, places: int) -> Floats:
    """Return weights[place, runner] with which each runner is drawn for each place.

    Parameters
    ----------
    win : Floats
        Chances to win of the runners that are not withdrawn, or multiples of them. A withdrawn
        runner's chance so goes to the others in proportion to theirs.
    model : RaceModel
        The model by which places are drawn.
    places : int
        Number of places.
    """
    powers = model.powers or POWERS[model.order]
    cap = model.place_cap
    if cap is None:
        cap = 1.0 if model.powers else PLACE_CAPS[model.order]
    share = win / win.sum()
    beaten = np.minimum(share, cap)
    return np.array(
        [
            (beaten if place else share) ** powers[min(place, len(powers) - 1)]
            for place in range(places)
        ],
        np.float64,
    ).reshape(places, len(win))


def order_chance(model: RaceModel, order: tuple[int, ...]) -> float:
    """Return the chance that runners (numbers from 1) finish first, second, ... in this order.

    Raises
    ------
    ValueError
        When a runner occurs twice or is not in the race.
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
    """Return how many places of a field can be priced within `SETS_MAX`: 17 of 17, 5 of 40."""
    places, sets = 0, 0
    while places < runners and sets + comb(runners, places) <= SETS_MAX:
        sets += comb(runners, places)
        places += 1
    return places


class Places:
    """Computes chances of places in scratch arrays of its own; not to be shared between threads.

    Parameters
    ----------
    runners : int
        The size of the field.
    places : int
        The number of places to compute, at most `places_max`.

    Raises
    ------
    ValueError
        When there are more places than `places_max`, or none.
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
        """Return chances[m, i] that runner i (from 0) of those in `win` takes place m + 1."""
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
