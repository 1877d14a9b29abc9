"""Define the skews: how far odds follow the liability in a market's book.

Owns the three forms as data, each with its bounds and its cap. Never reads a book, never rounds.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

SCALE_MINOR_MIN: Final = 100
SCALE_MINOR_MAX: Final = 10**15
SHIFT_MILLI_MAX: Final = 500
LOG_ODDS_MILLI_MAX: Final = 2_000
BET_PAYOUT_MINOR_MAX: Final = 10**12
ELASTICITY_MIN: Final = 0.1
ELASTICITY_MAX: Final = 100.0
TILT_MAX: Final = 4.0

ScaleField = Annotated[int, Meta(ge=SCALE_MINOR_MIN, le=SCALE_MINOR_MAX)]
LogOddsField = Annotated[int, Meta(ge=0, le=LOG_ODDS_MILLI_MAX)]


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: must be from {low} to {high}")


class LinearSkew(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="linear"):
    """Move probabilities in proportion to themselves and to their excess payout.

    The probability of an outcome that would pay `scale_minor` more than the market's expected
    payout doubles, within the cap: no probability moves by more than `shift_milli_max` thousandths,
    nor by more than half of its distance to 0 or to 1.
    """

    scale_minor: ScaleField
    shift_milli_max: Annotated[int, Meta(ge=0, le=SHIFT_MILLI_MAX)] = 30

    def __post_init__(self) -> None:
        """Refuse a scale or a cap out of bounds."""
        _check("scale_minor", self.scale_minor, SCALE_MINOR_MIN, SCALE_MINOR_MAX)
        _check("shift_milli_max", self.shift_milli_max, 0, SHIFT_MILLI_MAX)


class LogOddsSkew(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="log_odds"):
    """Move log-odds in proportion to the excess payout.

    An excess of `scale_minor` over the market's expected payout moves the log-odds by 1, within the
    cap: no log-odds move by more than `log_odds_milli_max` thousandths.
    """

    scale_minor: ScaleField
    log_odds_milli_max: LogOddsField = 150

    def __post_init__(self) -> None:
        """Refuse a scale or a cap out of bounds."""
        _check("scale_minor", self.scale_minor, SCALE_MINOR_MIN, SCALE_MINOR_MAX)
        _check("log_odds_milli_max", self.log_odds_milli_max, 0, LOG_ODDS_MILLI_MAX)


class OptimalSkew(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="optimal"):
    """Quote the probabilities that gain most for their risk, under a model of demand.

    Parameters
    ----------
    risk_minor : int
        Risk tolerance: one over the coefficient of absolute risk aversion.
    bet_payout_minor : int
        What the next bet would pay.
    elasticity : float
        Power of the ratio of odds (quoted over fair) in the rate at which bets arrive.
    tilt : float
        Power of the fair probability in that rate: above 0 favourites attract more bets.
    log_odds_milli_max : int
        The cap: how far a quoted probability's log-odds may be from those that the margin alone
        gives, in thousandths.
    """

    risk_minor: ScaleField
    bet_payout_minor: Annotated[int, Meta(ge=1, le=BET_PAYOUT_MINOR_MAX)] = 10_000
    elasticity: Annotated[float, Meta(ge=ELASTICITY_MIN, le=ELASTICITY_MAX)] = 8.0
    tilt: Annotated[float, Meta(ge=-TILT_MAX, le=TILT_MAX)] = 0.0
    log_odds_milli_max: LogOddsField = 250

    def __post_init__(self) -> None:
        """Refuse a field out of bounds, and a bet larger than the risk tolerance.

        Expected utility would refuse such a bet at any odds but those of a certain outcome.
        """
        _check("risk_minor", self.risk_minor, SCALE_MINOR_MIN, SCALE_MINOR_MAX)
        most = min(BET_PAYOUT_MINOR_MAX, self.risk_minor)
        _check("bet_payout_minor", self.bet_payout_minor, 1, most)
        _check("elasticity", self.elasticity, ELASTICITY_MIN, ELASTICITY_MAX)
        _check("tilt", self.tilt, -TILT_MAX, TILT_MAX)
        _check("log_odds_milli_max", self.log_odds_milli_max, 0, LOG_ODDS_MILLI_MAX)


Skew = LinearSkew | LogOddsSkew | OptimalSkew
"""The form in which odds follow the book."""
