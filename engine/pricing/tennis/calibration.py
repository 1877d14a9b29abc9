"""Find the model whose prices match the odds of a tennis match.

Owns two nested bracketed searches over the pricing kernel. The inner one finds the difference of
the two serves from the odds of the winner; the outer one finds their mean from a total of games.
The total rises with the mean of the serves and falls with the form of the day: the form is held
while a mean within bounds has the total, and moves where none has. Never guesses: odds without an
answer get a refusal with its reason, and books outside stated bounds are no odds.
"""

from collections.abc import Sequence
from enum import IntEnum
from math import log
from typing import Final

import numpy as np
from msgspec import Struct

from engine.pricing.book_bounds import BOOK_MAX, BOOK_MIN, ODDS_MAX, book_of
from engine.pricing.bracketed_root import ROOT_TOLERANCE, root_within
from engine.pricing.ladder import Floats
from engine.pricing.margin import MarginRefused, Method, Removal, removal_of, remove_by_type
from engine.pricing.sport import SportBoard
from engine.pricing.tennis.sport import (
    FORM_SD,
    FORM_SD_MAX,
    SERVE_MAX,
    SERVE_MIN,
    TennisModel,
    TennisState,
)

TOLERANCE: Final = 1e-10
"""A model's probabilities are each within this of the odds' fair probabilities."""
SERVE_MEAN: Final = 0.62
"""The mean of both serves where no total is given: between women's and men's tours."""

MEAN_MIN: Final = 0.5
MEAN_MAX: Final = 0.8
"""The bounds of a mean that is given."""
LINE_MEAN_MIN: Final = 0.54
"""The lowest mean that a total tells. Near .5 games are as often lost as won on serve and the total
no longer moves with the mean; a shorter total tells a larger form of the day instead."""
_DIRECT_ROUNDS_MAX: Final = 24
_START: Final = 1.3
_START_SLOPE: Final = 0.06
"""Where the direct search starts: near ``SERVE_MEAN``, and a difference by the winner's odds."""
_PROBE: Final = 1e-4
_STEP_MAX: Final = np.array((0.5, 0.1))
_LOWEST: Final = np.array((0.0, -0.5))
_HIGHEST: Final = np.array((3.0, 0.5))
_SLOPE_MIN: Final = 1e-9
_CHANCE_MIN: Final = 1e-12


class TennisFit(IntEnum):
    """Whether two serves were found, or why not."""

    CONVERGED = 0
    NOT_ODDS = 1
    OUT_OF_BOUNDS = 2
    """No model within bounds has these prices."""
    BOOK = 3
    """The odds of a market add up to no book that anyone offers, as odds in thousandths do."""


class TennisCalibrated(Struct, frozen=True, kw_only=True):
    """A model, and its largest absolute difference from the odds' fair probabilities.

    `books` are the sums of one over the odds of the winner and of the total, before the margin was
    removed: 1.05 for a margin of five per cent.
    """

    model: TennisModel
    error: float
    books: tuple[float, ...]


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
    form_sd: float = FORM_SD,
    method: Method | Removal | None = None,
) -> TennisCalibrated | TennisRefused:
    """Find the model whose prices match the odds of a match.

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
    form_sd : float
        The form of the day, held where a mean from ``LINE_MEAN_MIN`` to ``MEAN_MAX`` has the
        total. A shorter total makes it larger, up to ``FORM_SD_MAX``; a longer one smaller.
    method : Method | Removal | None
        How margins are removed: one way, or by market type; None: the measured defaults.

    Returns
    -------
    TennisCalibrated | TennisRefused
        A model whose prices are within ``TOLERANCE``, or why there is none.

    Raises
    ------
    MarketTypeError
        When the line is not a line of ``total_games``.
    ValueError
        When the mean or the form is out of its bounds.
    """
    keys = ["fixture/winner", *([f"fixture/total_games?total={total[0]}"] if total else [])]
    targets: list[float] = []
    books: list[float] = []
    removal = removal_of(method)
    markets = {"winner": winner} | ({"total_games": total[1]} if total else {})
    for market_type, odds in markets.items():
        first = _first_fair(market_type, odds, removal)
        if isinstance(first, TennisRefused):
            return first
        targets.append(first[0])
        books.append(first[1])
    if not MEAN_MIN <= mean <= MEAN_MAX:
        raise ValueError(f"mean: must be from {MEAN_MIN:g} to {MEAN_MAX:g}: {mean!r}")
    if not 0.0 <= form_sd <= FORM_SD_MAX:
        raise ValueError(f"form_sd: must be from 0 to {FORM_SD_MAX:g}: {form_sd!r}")
    search = _Search(SportBoard("tennis", keys), targets, state or TennisState())
    model = search.by_total(form_sd) if total is not None else search.at_mean(mean, form_sd)
    error = max(abs(gap) for gap in search.gaps(model))
    if error <= TOLERANCE:
        return TennisCalibrated(model=model, error=error, books=tuple(books))
    return TennisRefused(
        status=TennisFit.OUT_OF_BOUNDS, message="no model within bounds prices these odds"
    )


def _first_fair(
    market_type: str, odds: Sequence[float], removal: Removal
) -> tuple[float, float] | TennisRefused:
    """Return the first outcome's fair probability and the book that came off, or a refusal."""
    book = book_of(odds)
    if len(odds) != 2 or book is None:
        return TennisRefused(
            status=TennisFit.NOT_ODDS,
            message=f"{market_type}: odds must be two, each above 1 and at most {ODDS_MAX:g}",
        )
    if not BOOK_MIN <= book <= BOOK_MAX:
        return TennisRefused(
            status=TennisFit.BOOK,
            message=f"{market_type}: a book from {BOOK_MIN:g} to {BOOK_MAX:g}, "
            f"not {book:.6g}: {odds!r}",
        )
    fair = remove_by_type(odds, market_type=market_type, removal=removal)
    if isinstance(fair, MarginRefused):
        return TennisRefused(
            status=TennisFit.NOT_ODDS, message=f"{market_type}: {fair.message}: {odds!r}"
        )
    return fair.values[0], book


class _Search:
    """The search for two serves, by the differences of a board's prices from their targets."""

    def __init__(self, board: SportBoard, targets: Sequence[float], state: TennisState) -> None:
        self._board, self._targets, self._state = board, targets, state

    def gaps(self, model: TennisModel) -> list[float]:
        """Return for each market the first outcome's fair probability less its target."""
        fair: Floats = self._board.fair(model, self._state)[::2]
        return [float(found) - target for found, target in zip(fair, self._targets, strict=True)]

    def at(self, mean: float, form_sd: float, difference: float) -> TennisModel:
        """Return the model of a mean and a difference of the serves, each within its bounds."""
        half = difference / 2.0
        return TennisModel(
            home_serve=min(max(mean + half, SERVE_MIN), SERVE_MAX),
            away_serve=min(max(mean - half, SERVE_MIN), SERVE_MAX),
            form_sd=form_sd,
        )

    def at_mean(self, mean: float, form_sd: float) -> TennisModel:
        """Return the model of this mean and form whose winner is priced nearest its target."""
        most = 2.0 * min(SERVE_MAX - mean, mean - SERVE_MIN)
        difference = root_within(lambda gap: self.gaps(self.at(mean, form_sd, gap))[0], -most, most)
        return self.at(mean, form_sd, difference)

    def by_total(self, form_sd: float) -> TennisModel:
        """Return the model whose prices of winner and total are nearest their targets."""
        return self._directly(form_sd) or self._nested(form_sd)

    def _nested(self, form_sd: float) -> TennisModel:
        """Search the path of totals, and at each point of it the difference of the serves."""

        def on_path(at: float) -> TennisModel:
            return self.at_mean(*_on_path(at, form_sd))

        def gap(at: float) -> float:
            return self.gaps(on_path(at))[1]

        low, high = 1.0, 2.0
        if gap(low) > 0.0:
            low, high = 0.0, 1.0
        elif gap(high) < 0.0:
            low, high = 2.0, 3.0
        return on_path(root_within(gap, low, high))

    def _directly(self, form_sd: float) -> TennisModel | None:
        """Search path and difference at once by Broyden's method; None where that fails.

        It works on log-odds, along which both prices are nearly straight.
        """
        goals = [_log_odds(target) for target in self._targets]

        def model(at: Floats) -> TennisModel:
            return self.at(*_on_path(float(at[0]), form_sd), float(at[1]))

        def missed(at: Floats) -> tuple[Floats, float]:
            gaps = self.gaps(model(at))
            found = [gap + target for gap, target in zip(gaps, self._targets, strict=True)]
            off = [_log_odds(each) - goal for each, goal in zip(found, goals, strict=True)]
            return np.array(off), max(abs(gap) for gap in gaps)

        x = np.array((_START, _START_SLOPE * goals[0]))
        gaps, worst = missed(x)
        slopes = np.empty((2, 2))
        for column in range(2):
            ahead = x.copy()
            ahead[column] += _PROBE
            slopes[:, column] = (missed(ahead)[0] - gaps) / _PROBE
        for _ in range(_DIRECT_ROUNDS_MAX):
            if worst <= ROOT_TOLERANCE:
                return model(x)
            if abs(slopes[0, 0] * slopes[1, 1] - slopes[0, 1] * slopes[1, 0]) < _SLOPE_MIN:
                return None
            after = np.clip(x - np.linalg.solve(slopes, gaps), x - _STEP_MAX, x + _STEP_MAX)
            after = np.clip(after, _LOWEST, _HIGHEST)
            move = after - x
            length = float(move @ move)
            if length == 0.0:
                return None
            found, worst = missed(after)
            slopes += np.outer(found - gaps - slopes @ move, move) / length
            x, gaps = after, found
        return None


def _log_odds(chance: float) -> float:
    kept = min(max(chance, _CHANCE_MIN), 1.0 - _CHANCE_MIN)
    return log(kept / (1.0 - kept))


def _on_path(at: float, form_sd: float) -> tuple[float, float]:
    """Return mean and form at a point of the path along which totals rise.

    From 0 to 1 the form falls to `form_sd` at the lowest mean, to 2 the mean rises, and to 3 the
    form falls to 0 at the highest mean.
    """
    if at < 1.0:
        return LINE_MEAN_MIN, FORM_SD_MAX + at * (form_sd - FORM_SD_MAX)
    if at < 2.0:
        return LINE_MEAN_MIN + (at - 1.0) * (MEAN_MAX - LINE_MEAN_MIN), form_sd
    return MEAN_MAX, (3.0 - at) * form_sd
