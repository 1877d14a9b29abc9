"""The scratch arrays of the football kernels: one for each call that runs, reused by the next.

Owns the free arrays and nothing else. Taking and giving back are single operations of a list, so
that boards in different threads never share an array; there are as many arrays as calls have ever
run at once.
"""

from typing import Final

import numpy as np

from engine.pricing.football.layout import GOALS, SCRATCH_ROWS
from engine.pricing.football.model import Floats

_free: Final[list[Floats]] = []


def take_scratch() -> Floats:
    """Return an array that no other call uses: float64[SCRATCH_ROWS, GOALS]."""
    try:
        return _free.pop()
    except IndexError:
        return np.zeros((SCRATCH_ROWS, GOALS))


def give_back_scratch(rows: Floats) -> None:
    """Let the next call use an array."""
    _free.append(rows)
