"""Find the two serve probabilities whose prices match the odds of a tennis match.

Owns two nested bracketed searches over the pricing kernel. The inner one finds the difference of
the two serves from the odds of the winner; the outer one finds their mean from a total of games,
which rises with the mean. Never guesses: odds without an answer get a refusal with its reason.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct

from engine.pricing.ladder import Floats
from engine.pricing.margin import MarginRefused, Method, remove_margin
from engine.pricing.sport import SportBoard
from engine.pricing.tennis.sport import SERVE_MAX, SERVE_MIN, TennisModel, TennisState

TOLERANCE: Final = 1e-10
"""A model's probabilities are each within this of the odds' fair probabilities."""
SERVE_MEAN: Final = 0.62
"""The mean of both serves where no total is given: between women's and men's tours."""

MEAN_MIN: Final = 0.5
"""The lowest mean. Below it most games are breaks of serve and totals of games rise as the mean
falls, so a total does not determine the mean."""
MEAN_MAX: Final = 0.8
_ROUNDS_MAX: Final = 80
_ROOT_TOLERANCE: Final = 1e-14


class TennisFit(IntEnum):
    """Whether two serves were found, or why not."""

    CONVERGED = 0
    NOT_ODDS = 1
    OUT_OF_BOUNDS = 2
    """No two serves within bounds have these prices."""


class TennisCalibrated(Struct, frozen=True, kw_only=True):
    """A model, and its largest absolute difference from the odds' fair probabilities."""

    model: TennisModel
    error: float


class TennisRefused(Struct, frozen=True, kw_only=True):
    """The reason why no model was found."""

    status: TennisFit
    message: str


def calibrate_tennis(
    winner: Sequence[float],
    *,
    total: tuple[str, Sequence[float]] | None = None,
    state: TennisState | None = None,
    mean: float = SERVE_MEAN,
    method: Method = Method.ODDS_RATIO,
) -> TennisCalibrated | TennisRefused:
    """Find the two serves whose prices match the odds of a match.

    Parameters
    ----------
    winner : Sequence[float]
        Decimal odds of home and away.
    total : tuple[str, Sequence[float]] | None
        A line of ``total_games`` and the decimal odds of over and under; None: `mean` is used.
    state : TennisState | None
        The format and the score to which the odds belong; None: best of three, before the start.
    mean : float
        The mean of both serves where no total is given.
    method : Method
        How the margin is removed.

    Returns
    -------
    TennisCalibrated | TennisRefused
        Serves whose mean is within its bounds and whose prices are within ``TOLERANCE``, or why
        there are none.

    Raises
    ------
    MarketTypeError
        When the line is not a line of ``total_games``.
    ValueError
        When the mean is out of its bounds.
    """
    keys = ["fixture/winner", *([f"fixture/total_games?total={total[0]}"] if total else [])]
    targets: list[float] = []
    for odds in (winner, *([total[1]] if total else [])):
        fair = remove_margin(odds, method=method)
        if len(odds) != 2 or isinstance(fair, MarginRefused):
            return TennisRefused(
                status=TennisFit.NOT_ODDS,
                message=f"odds: must be two, each above 1, with a margin to remove: {odds!r}",
            )
        targets.append(fair.values[0])
    if not MEAN_MIN <= mean <= MEAN_MAX:
        raise ValueError(f"mean: must be from {MEAN_MIN:g} to {MEAN_MAX:g}: {mean!r}")
    search = _Search(SportBoard("tennis", keys), targets, state or TennisState())
    return search.run(mean, has_total=total is not None)


class _Search:
    """The search for two serves, by the differences of a board's prices from their targets."""

    def __init__(self, board: SportBoard, targets: Sequence[float], state: TennisState) -> None:
        self._board, self._targets, self._state = board, targets, state

    def gaps(self, model: TennisModel) -> list[float]:
        """Return for each market the first outcome's fair probability less its target."""
        fair: Floats = self._board.fair(model, self._state)[::2]
        return [float(found) - target for found, target in zip(fair, self._targets, strict=True)]

    def at_mean(self, mean: float) -> TennisModel:
        """Return the serves of this mean whose price of the winner is nearest its target."""
        most = 2.0 * min(SERVE_MAX - mean, mean - SERVE_MIN)

        def serves(difference: float) -> TennisModel:
            half = difference / 2.0
            return TennisModel(
                home_serve=min(max(mean + half, SERVE_MIN), SERVE_MAX),
                away_serve=min(max(mean - half, SERVE_MIN), SERVE_MAX),
            )

        return serves(_root(lambda gap: self.gaps(serves(gap))[0], -most, most))

    def run(self, mean: float, *, has_total: bool) -> TennisCalibrated | TennisRefused:
        """Return the calibrated serves, or a refusal."""
        if has_total:
            mean = _root(lambda at: self.gaps(self.at_mean(at))[1], MEAN_MIN, MEAN_MAX)
        model = self.at_mean(mean)
        error = max(abs(gap) for gap in self.gaps(model))
        if error <= TOLERANCE:
            return TennisCalibrated(model=model, error=error)
        return TennisRefused(
            status=TennisFit.OUT_OF_BOUNDS, message="no two serves within bounds price these odds"
        )


def _root(gap: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of a rising function, or the end of the bracket nearest to it.

    Regula falsi with the Illinois rule: the value at an end kept twice is halved. Every eighth step
    is a bisection, so that the bracket shrinks.
    """
    at_low, at_high = gap(low), gap(high)
    if at_low >= 0.0:
        return low
    if at_high <= 0.0:
        return high
    side, middle = 0, low
    for count in range(_ROUNDS_MAX):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        if count % 8 == 7 or not low < middle < high:
            middle = (low + high) / 2.0
        found = gap(middle)
        if abs(found) <= _ROOT_TOLERANCE or high - low <= _ROOT_TOLERANCE:
            break
        if found < 0.0:
            low, at_low = middle, found
            at_high = at_high / 2.0 if side < 0 else at_high
            side = -1
        else:
            high, at_high = middle, found
            at_low = at_low / 2.0 if side > 0 else at_low
            side = 1
    return middle
