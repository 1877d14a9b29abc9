"""The tally: chances beside frequencies, and what every bet at our quotes would have returned.

Owns the sums and their standard errors. Never knows a sport.

Observations that share a match are not independent: a match adds one observation to a claim, and
the mean of its bets to a return, so that the standard errors are those of matches.
"""

from collections.abc import Iterator
from math import log, sqrt
from typing import Final, NamedTuple

CHANCE_MIN: Final = 1e-12
"""A chance below it counts as this in a logarithm: one impossible event must not hide the rest."""


class ClaimRow(NamedTuple):
    """One claim: how often something was expected and how often it came.

    `error` is the standard error of the difference if the chances were right, and `distance` the
    difference in such errors.
    """

    name: str
    matches: int
    expected: float
    came: float
    error: float

    @property
    def distance(self) -> float:
        """How many standard errors lie between what was expected and what came."""
        return (self.came - self.expected) / self.error if self.error > 0.0 else 0.0


class MeanRow(NamedTuple):
    """A mean over matches with its standard error."""

    name: str
    matches: int
    mean: float
    error: float

    @property
    def distance(self) -> float:
        """How many standard errors the mean is above zero."""
        return self.mean / self.error if self.error > 0.0 else 0.0


class Claims:
    """Chances and what came, by name."""

    def __init__(self) -> None:
        self._sums: Final[dict[str, list[float]]] = {}

    def add(self, name: str, chance: float, *, came: bool) -> None:
        """Add one match's chance of something, and whether it came."""
        sums = self._sums.setdefault(name, [0.0, 0.0, 0.0, 0.0])
        sums[0] += 1.0
        sums[1] += chance
        sums[2] += came
        sums[3] += chance * (1.0 - chance)

    def rows(self) -> Iterator[ClaimRow]:
        """Yield the claims in the order of their first match."""
        for name, (count, chances, came, variance) in self._sums.items():
            yield ClaimRow(name, int(count), chances / count, came / count, sqrt(variance) / count)


class Means:
    """Means of a figure of each match, by name."""

    def __init__(self) -> None:
        self._sums: Final[dict[str, list[float]]] = {}

    def add(self, name: str, figure: float) -> None:
        """Add one match's figure."""
        sums = self._sums.setdefault(name, [0.0, 0.0, 0.0])
        sums[0] += 1.0
        sums[1] += figure
        sums[2] += figure * figure

    def rows(self) -> Iterator[MeanRow]:
        """Yield the means in the order of their first match."""
        for name, (count, total, squares) in self._sums.items():
            mean = total / count
            spread = max(squares / count - mean * mean, 0.0)
            error = sqrt(spread / (count - 1.0)) if count > 1.0 else 0.0
            yield MeanRow(name, int(count), mean, error)


class ModelScore(NamedTuple):
    """What a model earned: claims, mean log-losses, returns of bets, and refused fits by reason."""

    claims: Claims
    losses: Means
    returns: Means
    refused: dict[str, int]


def new_score() -> ModelScore:
    """Return a score without a match."""
    return ModelScore(Claims(), Means(), Means(), {})


def log_loss(chance: float) -> float:
    """Return the logarithmic loss of the chance that was given to what came."""
    return -log(max(chance, CHANCE_MIN))
