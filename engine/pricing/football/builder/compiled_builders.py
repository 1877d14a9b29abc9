"""Price many builders of one fixture together: once the joint cells of a state, then every set.

Owns the way from legs to the kernels' arrays; never a margin or odds.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from engine.pricing.football.builder.cells import LEG_SETS, pattern_of
from engine.pricing.football.builder.joint_nb import fill_joint_nb
from engine.pricing.football.builder.layout import CELLS, PATTERN, SCRATCH, SPANS
from engine.pricing.football.builder.legs import Leg
from engine.pricing.football.builder.sets_nb import chances_nb
from engine.pricing.football.model import Floats, Ints


class JointCells:
    """The mass of every cell at one model and state, for one pattern of scorers after another."""

    def __init__(self) -> None:
        self.masses: Final[Floats] = np.zeros(CELLS)
        self.span_masses: Final[Floats] = np.zeros(SPANS)
        self._scratch: Final[Floats] = np.zeros(SCRATCH)

    def fill(self, model: Floats, state: Ints, pattern: Ints) -> float:
        """Fill the masses from a packed model and state; return their sum."""
        return fill_joint_nb(model, state, pattern, self.masses, self.span_masses, self._scratch)


_free: Final[list[JointCells]] = []
"""Arrays that no call uses: a call takes one and gives it back, so that boards share them."""


class _Group(NamedTuple):
    """Builders with one pattern of scorers: their places, and their legs' rows in `LEG_SETS`."""

    pattern: Ints
    builders: Ints
    rows: Ints
    offsets: Ints
    chances: Floats


class CompiledBuilders:
    """Builders of one fixture.

    An instance holds arrays that each call fills: threads must not share it.

    Parameters
    ----------
    builders : Sequence[tuple[Leg, ...]]
        The canonical legs of each.
    """

    def __init__(self, builders: Sequence[tuple[Leg, ...]]) -> None:
        by_pattern: dict[bytes, list[int]] = {np.zeros(PATTERN, np.int64).tobytes(): []}
        for number, legs in enumerate(builders):
            pattern = pattern_of([LEG_SETS.where(leg) for leg in legs])
            by_pattern.setdefault(pattern.tobytes(), []).append(number)
        self._groups: Final = [
            _group(np.frombuffer(pattern, np.int64).copy(), numbers, builders)
            for pattern, numbers in by_pattern.items()
        ]

    def price(self, model: Floats, state: Ints, chances: Floats) -> None:
        """Fill the chance of each builder; all are 0 where no reachable score has a chance.

        Parameters
        ----------
        model, state : Floats, Ints
            As ``pack_model`` and ``pack_state`` make them.
        chances : Floats
            Out: one for each builder. A builder that hangs on an order that is not known has 0.
        """
        try:
            joint = _free.pop()
        except IndexError:
            joint = JointCells()
        mass = 0.0
        for number, group in enumerate(self._groups):
            filled = joint.fill(model, state, group.pattern)
            mass = filled if number == 0 else mass
            chances_nb(
                LEG_SETS.sets, group.rows, group.offsets, joint.masses, joint.span_masses, mass,
                group.chances,
            )  # fmt: skip
            chances[group.builders] = group.chances
        _free.append(joint)


def _group(pattern: Ints, numbers: list[int], builders: Sequence[tuple[Leg, ...]]) -> _Group:
    legs = [builders[number] for number in numbers]
    rows = [LEG_SETS.row(leg) for builder in legs for leg in builder]
    offsets = np.cumsum([0, *map(len, legs)])
    return _Group(
        pattern,
        np.array(numbers, np.int64),
        np.array(rows, np.int64),
        offsets.astype(np.int64),
        np.zeros(len(legs)),
    )
