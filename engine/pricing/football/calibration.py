"""Calibration: find the model that prices some markets at given odds.

Owns the typed interface of the solver: it removes the margins, then fits rates and dependence to
the fair probabilities. Never keeps a model and never guesses: odds without an answer get a refusal
with its reason, and an answer states its distance from the odds.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from engine.pricing.book_bounds import BOOK_MAX, BOOK_MIN, ODDS_MAX
from engine.pricing.football import calibration_nb as kernels
from engine.pricing.football.compiled_markets import CompiledMarkets
from engine.pricing.football.layout import LEAST_MASS
from engine.pricing.football.model import (
    DEPENDENCE_MAX,
    MEASURED_PROCESS,
    RATE_MAX,
    Floats,
    Ints,
    MatchModel,
    MatchState,
    pack_model,
    pack_state,
)
from engine.pricing.football.model_nb import price_board_nb
from engine.pricing.football.scratch import give_back_scratch, take_scratch
from engine.pricing.lines import WINNERS_VARY, MarketTypeError
from engine.pricing.margin import MESSAGES, MarginStatus, Method, Removal, removal_of
from engine.pricing.margin_nb import REMOVE, margins_nb

_LEAST_MASS: Final = 1e-15
"""What a fit leaves out of the goal process: less than its tolerance, so prices stay smooth."""
_FIXTURE: Final = "fixture/"
_STARTS: Final = np.array(
    ((1.4, 1.1), (2.4, 0.7), (0.7, 2.4), (0.5, 0.5), (4.0, 4.0), (6.0, 0.4), (0.4, 6.0))
)
"""Home and away rates to search from, in this order, until one leads to an answer."""
TYPICAL: Final = MatchModel(home_rate=1.4, away_rate=1.1, dependence=-0.08)
"""A common match: what is held where the markets do not tell it. Bookmakers' 1x2 and totals hold a
dependence of -0.08 (see docs/pricing.md), so that 1x2 alone is read with it too."""
MEASURED: Final = replace(TYPICAL, dependence=-0.02, **MEASURED_PROCESS)
"""The same where scoring depends on the score. Much of the excess of draws is then the process's:
with -0.08 beside it, 1x2 alone would mean too many goals."""
_PRE_MATCH: Final = MatchState()


class Dependence(IntEnum):
    """How an answer's dependence was set."""

    HELD = kernels.HELD
    """The base's: the markets do not determine it, or it was not to be fitted."""
    FITTED = kernels.FITTED
    LOWEST = kernels.LOWEST
    """The markets imply less than -DEPENDENCE_MAX; the rates were fitted with that."""
    HIGHEST = kernels.HIGHEST
    """The markets imply more than DEPENDENCE_MAX; the rates were fitted with that."""
    HOME_RATE_LIMIT = kernels.HOME_RATE_LIMIT
    """The least that the home rate allows: the chance of 0:1 is 0."""
    AWAY_RATE_LIMIT = kernels.AWAY_RATE_LIMIT
    """The least that the away rate allows: the chance of 1:0 is 0."""
    BOTH_RATES_LIMIT = kernels.BOTH_RATES_LIMIT
    """The most that both rates allow: the chance of 0:0 is 0."""


class CalibrationStatus(IntEnum):
    """Whether a model was found, or why not."""

    CONVERGED = kernels.CONVERGED
    UNDERDETERMINED = kernels.UNDERDETERMINED
    RATE_OUT_OF_BOUNDS = kernels.RATE_OUT_OF_BOUNDS
    DEPENDENCE_TOO_STRONG = kernels.DEPENDENCE_TOO_STRONG
    NOT_CONVERGED = kernels.NOT_CONVERGED
    NOT_ODDS = 5
    """Too few or too many odds, or odds not above 1 and at most ODDS_MAX."""
    MARGIN = 6
    """A margin cannot be removed by the method."""
    CONTRADICTION = 7
    """The best model is further from the odds than allowed."""
    BOOK = 8
    """A market's odds add up to no book that anyone offers, as odds in thousandths do."""


_MESSAGES: Final[dict[CalibrationStatus, str]] = {
    CalibrationStatus.UNDERDETERMINED: "the markets do not determine the two rates",
    CalibrationStatus.RATE_OUT_OF_BOUNDS: f"a rate would have to be 0 or above {RATE_MAX:g}",
    CalibrationStatus.DEPENDENCE_TOO_STRONG: "the dependence makes a score's chance negative",
    CalibrationStatus.NOT_CONVERGED: "the solver did not reach its tolerance",
}


class Calibrated(Struct, frozen=True, kw_only=True):
    """A model and its distance from the odds that it was fitted to."""

    model: MatchModel
    dependence: Dependence
    error: float
    """The largest gap between a fair probability of the model and of the market."""
    books: tuple[float, ...]
    """For each market the book that came off: the sum of one over its odds, by its winners."""


class CalibrationRefused(Struct, frozen=True, kw_only=True):
    """Why there is no model."""

    status: CalibrationStatus
    message: str


def _refused(status: CalibrationStatus, message: str = "") -> CalibrationRefused:
    return CalibrationRefused(status=status, message=message or _MESSAGES[status])


class Calibrator:
    """Fit models to some markets: compile the markets once, fit them whenever their odds change.

    A calibrator holds scratch arrays: threads must not share it.

    Parameters
    ----------
    markets : Sequence[str]
        Market keys without the fixture: ``1x2``, ``total?total=2.5``. Any types of the table, as
        long as together they determine both rates.

    Raises
    ------
    MalformedIdError, MarketTypeError, ValueError
        As `FixtureBoard` raises them for these markets.
    """

    def __init__(self, markets: Sequence[str]) -> None:
        self._compiled: Final = CompiledMarkets([_FIXTURE + market for market in markets])
        for market in self._compiled.markets:
            if market.rules.winners == WINNERS_VARY:
                raise MarketTypeError(
                    f"{market.parsed.type}: cannot be fitted: its number of winners varies"
                )
        outcomes = self._compiled.outcomes
        self.markets: Final = tuple(markets)
        self._winners: Final[Floats] = np.array(
            [market.rules.winners for market in self._compiled.markets], np.float64
        )
        self._quoted: Floats = np.zeros(outcomes)
        self._target: Floats = np.zeros(outcomes)
        self._parameters: Floats = np.zeros(len(markets))
        self._statuses: Ints = np.zeros(len(markets), np.int64)
        self._methods: Ints = np.zeros(len(markets), np.int64)
        self._jacobian: Floats = np.zeros((kernels.PARAMETERS, outcomes))
        self._residuals: Floats = np.zeros(outcomes)
        self._scratch: Floats = np.zeros(kernels.SCRATCH)
        self._answer: Floats = np.zeros(kernels.ANSWER_COLUMNS)

    def fit(
        self,
        odds: Sequence[Sequence[float]],
        *,
        base: MatchModel = TYPICAL,
        state: MatchState | None = None,
        method: Method | Removal | None = None,
        fit_dependence: bool = True,
        error_max: float = 0.05,
    ) -> Calibrated | CalibrationRefused:
        """Find the model that gives these decimal odds.

        Parameters
        ----------
        odds : Sequence[Sequence[float]]
            For each market, the decimal odds of its outcomes in the type's order, each above 1.
            Their book, per winner, must be from `BOOK_MIN` to `BOOK_MAX`.
        base : MatchModel
            The parameters that are not fitted: shares, stoppage, red-card factors, and the
            dependence where it is held.
        state : MatchState | None
            The match state at the time of the odds; None before kick-off. The fitted rates are
            always those of ninety minutes.
        method : Method | Removal | None
            How margins are removed: one way, or by market type; None: the measured defaults.
            Shin's method is replaced by the odds ratio in markets with two winning outcomes.
        fit_dependence : bool
            Fit the dependence too if the markets determine it; else hold the base's.
        error_max : float
            The largest allowed gap between a probability of the model and of the market.

        Returns
        -------
        Calibrated | CalibrationRefused
            With as many independent odds as parameters, the model meets the probabilities to
            ``calibration_nb.TOLERANCE``; with more, it has the least sum of squared gaps.
        """
        refused = self._remove_margins(odds, removal_of(method))
        if refused is not None:
            return refused
        status = self._solve(
            pack_model(base), pack_state(state or _PRE_MATCH), fit_dependence=fit_dependence
        )
        if status is not CalibrationStatus.CONVERGED:
            return _refused(status)
        home, away, dependence, error, mode = self._answer.tolist()
        if not error <= error_max:
            return _refused(
                CalibrationStatus.CONTRADICTION,
                f"the nearest model is {error:.3f} in probability away from the odds",
            )
        return Calibrated(
            model=replace(base, home_rate=home, away_rate=away, dependence=dependence),
            dependence=Dependence(int(mode)),
            error=error,
            books=self._books(),
        )

    def _books(self) -> tuple[float, ...]:
        """Return the sum of the quoted probabilities of each market, by its winners."""
        return tuple(
            float(self._quoted[market.first : market.last].sum()) / market.rules.winners
            for market in self._compiled.markets
        )

    def _solve(self, model: Floats, state: Ints, *, fit_dependence: bool) -> CalibrationStatus:
        """Fit the target probabilities; `_answer` then holds the answer."""
        compiled = self._compiled
        model[LEAST_MASS] = _LEAST_MASS
        scratch = take_scratch()
        code = kernels.calibrate_nb(
            price_board_nb,
            model,
            state,
            compiled.wanted,
            compiled.terms,
            scratch,
            compiled.features,
            compiled.chances,
            compiled.fair,
            self._target,
            int(fit_dependence),
            RATE_MAX,
            DEPENDENCE_MAX,
            _STARTS,
            self._jacobian,
            self._residuals,
            self._scratch,
            self._answer,
        )
        give_back_scratch(scratch)
        return CalibrationStatus(code)

    def _remove_margins(
        self, odds: Sequence[Sequence[float]], removal: Removal
    ) -> CalibrationRefused | None:
        """Fill the target probabilities; return a refusal if a market's odds have none."""
        markets = self._compiled.markets
        if len(odds) != len(markets):
            return _refused(CalibrationStatus.NOT_ODDS, f"must be odds of {len(markets)} markets")
        for market, row in zip(markets, odds, strict=True):
            name = market.key.removeprefix(_FIXTURE)
            if len(row) != market.last - market.first:
                return _refused(
                    CalibrationStatus.NOT_ODDS, f"{name}: must be {market.last - market.first} odds"
                )
            if not all(1.0 < decimal <= ODDS_MAX for decimal in row):
                return _refused(
                    CalibrationStatus.NOT_ODDS,
                    f"{name}: odds must be above 1 and at most {ODDS_MAX:g}",
                )
            self._quoted[market.first : market.last] = [1.0 / decimal for decimal in row]
        for market, book in zip(markets, self._books(), strict=True):
            if not BOOK_MIN <= book <= BOOK_MAX:
                return _refused(
                    CalibrationStatus.BOOK,
                    f"{market.key.removeprefix(_FIXTURE)}: the book must be from {BOOK_MIN:g} "
                    f"to {BOOK_MAX:g}, not {book:.4g}",
                )
        for number, (market, row) in enumerate(zip(markets, odds, strict=True)):
            self._methods[number] = removal.method_of(
                market.parsed.type, row, winners=market.rules.winners
            )
        margins_nb(
            REMOVE,
            self._methods,
            self._quoted,
            self._compiled.offsets,
            self._winners,
            self._target,
            self._parameters,
            self._statuses,
        )
        for market, status in zip(markets, self._statuses.tolist(), strict=True):
            if status != MarginStatus.SOLVED:
                name = market.key.removeprefix(_FIXTURE)
                return _refused(
                    CalibrationStatus.MARGIN, f"{name}: {MESSAGES[MarginStatus(status)]}"
                )
        return None


def calibrate(
    odds: Mapping[str, Sequence[float]],
    *,
    base: MatchModel = TYPICAL,
    state: MatchState | None = None,
    method: Method | Removal | None = None,
    fit_dependence: bool = True,
    error_max: float = 0.05,
) -> Calibrated | CalibrationRefused:
    """Find the model that gives the odds of some markets: a `Calibrator` used once.

    Parameters
    ----------
    odds : Mapping[str, Sequence[float]]
        Decimal odds by market: ``{"1x2": (2.1, 3.5, 3.8), "total?total=2.5": (1.9, 2.0)}``.
    base, state, method, fit_dependence, error_max
        As `Calibrator.fit` takes them.
    """
    return Calibrator(tuple(odds)).fit(
        tuple(odds.values()),
        base=base,
        state=state,
        method=method,
        fit_dependence=fit_dependence,
        error_max=error_max,
    )
