"""Calibration: from the odds of some markets to the model that prices them so.

Owns the typed door to the solver: margins come off first, then rates and dependence are fitted to
what is left. Never keeps a model and never guesses: odds without an answer get a refusal that says
why, and an answer says how far it is from the odds.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from engine.pricing.football import calibration_nb as kernels
from engine.pricing.football.compiled_markets import CompiledMarkets
from engine.pricing.football.model import (
    DEPENDENCE_MAX,
    RATE_MAX,
    Floats,
    Ints,
    MatchModel,
    MatchState,
    pack_model,
    pack_state,
)
from engine.pricing.margin import MESSAGES, MarginStatus, Method
from engine.pricing.margin_nb import REMOVE, margins_nb

ODDS_MAX: Final = 1e6
_FIXTURE: Final = "fixture/"
_STARTS: Final = np.array(
    ((1.4, 1.1), (2.4, 0.7), (0.7, 2.4), (0.5, 0.5), (4.0, 4.0), (6.0, 0.4), (0.4, 6.0))
)
"""Where to search from, one after the other until one leads to an answer."""
_TYPICAL: Final = MatchModel(home_rate=1.4, away_rate=1.1)


class Dependence(IntEnum):
    """How an answer's dependence came about."""

    HELD = kernels.HELD
    """It is the one that was given: the markets do not tell it, or it was not to be fitted."""
    FITTED = kernels.FITTED
    LOWEST = kernels.AT_LOWEST
    """The markets ask for less than a model may have; rates were fitted to the nearest."""
    HIGHEST = kernels.AT_HIGHEST
    NO_LESS_FOR_HOME_RATE = kernels.AT_HOME
    """At an end of what the rates allow: the chance of 0:1 (1:0, 0:0) is down to nothing."""
    NO_LESS_FOR_AWAY_RATE = kernels.AT_AWAY
    NO_MORE_FOR_RATES = kernels.AT_BOTH


class CalibrationStatus(IntEnum):
    """Whether a model was found, and why not."""

    CONVERGED = kernels.CONVERGED
    UNDERDETERMINED = kernels.UNDERDETERMINED
    RATE_OUT_OF_BOUNDS = kernels.RATE_OUT_OF_BOUNDS
    DEPENDENCE_TOO_STRONG = kernels.DEPENDENCE_TOO_STRONG
    NOT_CONVERGED = kernels.NOT_CONVERGED
    NOT_ODDS = 5
    MARGIN = 6
    CONTRADICTION = 7


_WHY: Final[dict[CalibrationStatus, str]] = {
    CalibrationStatus.UNDERDETERMINED: "the markets do not tell the two rates apart",
    CalibrationStatus.RATE_OUT_OF_BOUNDS: f"a rate would have to be 0 or above {RATE_MAX:g}",
    CalibrationStatus.DEPENDENCE_TOO_STRONG: "the dependence makes a score's chance negative",
    CalibrationStatus.NOT_CONVERGED: "the solver did not reach its tolerance",
}


class Calibrated(Struct, frozen=True, kw_only=True):
    """A model, and how it stands to the odds it was fitted to."""

    model: MatchModel
    dependence: Dependence
    error: float
    """The widest gap between a fair probability of the model and of the market."""


class CalibrationRefused(Struct, frozen=True, kw_only=True):
    """No model, and why."""

    status: CalibrationStatus
    message: str


def _refused(status: CalibrationStatus, message: str = "") -> CalibrationRefused:
    return CalibrationRefused(status=status, message=message or _WHY[status])


class Calibrator:
    """Some markets compiled once, fitted as often as their odds move.

    Not to be shared between threads: scratch arrays are its own.

    Parameters
    ----------
    markets : Sequence[str]
        Markets as in a key but without the fixture: ``1x2``, ``total?total=2.5``. Any of the
        table will do, as long as together they tell home from away and many goals from few.

    Raises
    ------
    MalformedIdError, MarketTypeError, ValueError
        As of a `FixtureBoard` of these markets.
    """

    def __init__(self, markets: Sequence[str]) -> None:
        self._compiled: Final = CompiledMarkets([_FIXTURE + market for market in markets])
        outcomes = self._compiled.outcomes
        self.markets: Final = tuple(markets)
        self._winners: Final[Floats] = np.array(
            [market.rules.winners for market in self._compiled.markets], np.float64
        )
        self._quoted: Floats = np.zeros(outcomes)
        self._asked: Floats = np.zeros(outcomes)
        self._parameters: Floats = np.zeros(len(markets))
        self._statuses: Ints = np.zeros(len(markets), np.int64)
        self._methods: Ints = np.zeros(len(markets), np.int64)
        self._slopes: Floats = np.zeros((kernels.PARAMETERS, outcomes))
        self._gaps: Floats = np.zeros(outcomes)
        self._scratch: Floats = np.zeros(kernels.SCRATCH)
        self._found: Floats = np.zeros(kernels.FOUND_COLUMNS)

    def fit(
        self,
        odds: Sequence[Sequence[float]],
        *,
        base: MatchModel = _TYPICAL,
        state: MatchState | None = None,
        method: Method = Method.ODDS_RATIO,
        fit_dependence: bool = True,
        error_max: float = 0.05,
    ) -> Calibrated | CalibrationRefused:
        """Find the model behind decimal odds.

        Parameters
        ----------
        odds : Sequence[Sequence[float]]
            For each market, the decimal odds of its outcomes in the type's order, each above 1.
        base : MatchModel
            Everything of the model that is not fitted: shares, stoppage, red-card factors, and
            the dependence where it is held.
        state : MatchState | None
            What has happened in the match by the time of the odds; None before kick-off. The
            rates found are of ninety minutes, whatever is left of them.
        method : Method
            How the margin comes off. Where two outcomes win, Shin's method leaves it to the odds
            ratio.
        fit_dependence : bool
            Fit the dependence too, if these markets determine it; else hold the base's.
        error_max : float
            An answer further than this from any of the market's probabilities is refused.

        Returns
        -------
        Calibrated | CalibrationRefused
            With as many independent odds as parameters, probabilities are met to
            ``calibrate_nb.TOLERANCE``; with more, the sum of squared gaps is least.
        """
        refused = self._take_margins_off(odds, method)
        if refused is not None:
            return refused
        compiled = self._compiled
        status = CalibrationStatus(
            kernels.calibrate_nb(
                pack_model(base),
                pack_state(state or _PRE_MATCH),
                compiled.wanted,
                compiled.terms,
                compiled.pmf,
                compiled.features,
                compiled.chances,
                compiled.fair,
                self._asked,
                int(fit_dependence),
                RATE_MAX,
                DEPENDENCE_MAX,
                _STARTS,
                self._slopes,
                self._gaps,
                self._scratch,
                self._found,
            )
        )
        if status is not CalibrationStatus.CONVERGED:
            return _refused(status)
        home, away, dependence, error, how = self._found.tolist()
        if not error <= error_max:
            return _refused(
                CalibrationStatus.CONTRADICTION,
                f"no model comes nearer to these odds than {error:.3f} in probability",
            )
        return Calibrated(
            model=replace(base, home_rate=home, away_rate=away, dependence=dependence),
            dependence=Dependence(int(how)),
            error=error,
        )

    def _take_margins_off(
        self, odds: Sequence[Sequence[float]], method: Method
    ) -> CalibrationRefused | None:
        """Fill the fair probabilities asked for, or say which market has none."""
        markets = self._compiled.markets
        if len(odds) != len(markets):
            return _refused(CalibrationStatus.NOT_ODDS, f"odds of {len(markets)} markets, please")
        for market, row in zip(markets, odds, strict=True):
            name = market.key.removeprefix(_FIXTURE)
            if len(row) != market.last - market.first:
                return _refused(
                    CalibrationStatus.NOT_ODDS, f"{name}: {market.last - market.first} odds, please"
                )
            if not all(1.0 < price <= ODDS_MAX for price in row):
                return _refused(
                    CalibrationStatus.NOT_ODDS, f"{name}: odds are from 1 to {ODDS_MAX:g}"
                )
            self._quoted[market.first : market.last] = [1.0 / price for price in row]
        for number, market in enumerate(markets):
            single = market.rules.winners == 1 or method is not Method.SHIN
            self._methods[number] = method if single else Method.ODDS_RATIO
        margins_nb(
            REMOVE,
            self._methods,
            self._quoted,
            self._compiled.offsets,
            self._winners,
            self._asked,
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
    base: MatchModel = _TYPICAL,
    state: MatchState | None = None,
    method: Method = Method.ODDS_RATIO,
    fit_dependence: bool = True,
    error_max: float = 0.05,
) -> Calibrated | CalibrationRefused:
    """Find the model behind the odds of some markets: `Calibrator` for a single use.

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


_PRE_MATCH: Final = MatchState()
