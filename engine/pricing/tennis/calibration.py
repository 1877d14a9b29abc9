"""Tennis calibration: from the odds of a match to the two serves that price it so.

Brackets over the kernel that prices boards, one inside the other: for every mean of the two serves
the winner tells their difference, and a total of games, which rises with the mean, tells that.
Never guesses: odds without an answer get a refusal that says why.
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
"""An answer's probabilities are each this near to those asked for."""
SERVE_MEAN: Final = 0.62
"""The mean of both serves where no total tells it: between women's and men's tours."""

MEAN_MIN: Final = 0.5
"""Below it breaks are the rule and totals of games rise again: no answer is there."""
MEAN_MAX: Final = 0.8
_ROUNDS_MAX: Final = 80
_REST: Final = 1e-14


class TennisFit(IntEnum):
    """Whether two serves were found, and why not."""

    CONVERGED = 0
    NOT_ODDS = 1
    OUT_OF_BOUNDS = 2
    """No two serves of the model price these odds."""


class TennisCalibrated(Struct, frozen=True, kw_only=True):
    """A model, and its widest gap to the fair probabilities of the odds."""

    model: TennisModel
    error: float


class TennisRefused(Struct, frozen=True, kw_only=True):
    """No model, and why."""

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
    """Find the two serves behind the odds of a match.

    Parameters
    ----------
    winner : Sequence[float]
        Decimal odds of home and away.
    total : tuple[str, Sequence[float]] | None
        A line of ``total_games`` and the decimal odds of over and under; None: the mean is held.
    state : TennisState | None
        The format and the score to which the odds belong; None: best of three, not begun.
    mean : float
        The mean of both serves, where no total tells it.
    method : Method
        How the margin is taken off.

    Returns
    -------
    TennisCalibrated | TennisRefused
        Serves whose mean is within its bounds and whose prices are within ``TOLERANCE``.

    Raises
    ------
    MarketTypeError
        When the line is none.
    ValueError
        When the mean is out of its bounds.
    """
    keys = ["fixture/winner", *([f"fixture/total_games?total={total[0]}"] if total else [])]
    asked: list[float] = []
    for odds in (winner, *([total[1]] if total else [])):
        fair = remove_margin(odds, method=method)
        if len(odds) != 2 or isinstance(fair, MarginRefused):
            return TennisRefused(
                status=TennisFit.NOT_ODDS, message=f"two odds that hold a book, please: {odds!r}"
            )
        asked.append(fair.values[0])
    if not MEAN_MIN <= mean <= MEAN_MAX:
        raise ValueError(f"mean: must be from {MEAN_MIN:g} to {MEAN_MAX:g}: {mean!r}")
    search = _Search(SportBoard("tennis", keys), asked, state or TennisState())
    return search.run(mean, has_total=total is not None)


class _Search:
    """The kernel as two functions to be brought to nothing, one inside the other."""

    def __init__(self, board: SportBoard, asked: Sequence[float], state: TennisState) -> None:
        self._board, self._asked, self._state = board, asked, state

    def gaps(self, model: TennisModel) -> list[float]:
        """Return how far the first outcome of each market is from what is asked."""
        fair: Floats = self._board.fair(model, self._state)[::2]
        return [float(found) - asked for found, asked in zip(fair, self._asked, strict=True)]

    def at_mean(self, mean: float) -> TennisModel:
        """Return serves of this mean that come nearest to what is asked of the winner."""
        most = 2.0 * min(SERVE_MAX - mean, mean - SERVE_MIN)

        def serves(difference: float) -> TennisModel:
            half = difference / 2.0
            return TennisModel(
                home_serve=min(max(mean + half, SERVE_MIN), SERVE_MAX),
                away_serve=min(max(mean - half, SERVE_MIN), SERVE_MAX),
            )

        return serves(_root(lambda gap: self.gaps(serves(gap))[0], -most, most))

    def run(self, mean: float, *, has_total: bool) -> TennisCalibrated | TennisRefused:
        """Return the serves, or that there are none."""
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
    """Return where a rising function is nothing, or the end that is nearest to it.

    Regula falsi as the Illinois method has it: an end that stays twice counts half, and a bisection
    follows where the bracket will not shrink.
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
        if abs(found) <= _REST or high - low <= _REST:
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
