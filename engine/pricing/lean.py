"""Leaning on the book: how far odds follow what a market's book has taken.

Owns the leans as data, each with its bounds and its cap. Never reads a book and never rounds.
"""

from typing import Annotated

from msgspec import Meta, Struct

ScaleField = Annotated[int, Meta(ge=100, le=10**15)]


class LinearLean(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="linear"):
    """Move probabilities in proportion to themselves and to their excess liability.

    An outcome that would pay `scale_minor` more than the market's expected payout is taken for
    twice as likely, but for the cap: no probability moves by more than `shift_milli_max`
    thousandths, nor by more than half of what is left to 0 or to 1.
    """

    scale_minor: ScaleField
    shift_milli_max: Annotated[int, Meta(ge=0, le=500)] = 30


class LogOddsLean(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="log_odds"):
    """Move log-odds in proportion to excess liability.

    An excess of `scale_minor` moves the log-odds by 1, but for the cap: no log-odds move by more
    than `log_odds_milli_max` thousandths.
    """

    scale_minor: ScaleField
    log_odds_milli_max: Annotated[int, Meta(ge=0, le=2_000)] = 150


class OptimalLean(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="optimal"):
    """Quote what earns most for its risk, under a model of demand.

    Parameters
    ----------
    risk_minor : int
        Risk tolerance: one over the coefficient of absolute risk aversion.
    bet_payout_minor : int
        What the bet that comes next would pay.
    elasticity : float
        Power of the ratio of odds (quoted over fair) in the rate at which bets come.
    tilt : float
        Power of the fair probability in that rate: above 0 the favourites draw.
    log_odds_milli_max : int
        The cap: how far a quoted price's log-odds may be from where the margin alone puts them, in
        thousandths.
    """

    risk_minor: ScaleField
    bet_payout_minor: Annotated[int, Meta(ge=1, le=10**12)] = 10_000
    elasticity: Annotated[float, Meta(ge=0.1, le=100.0)] = 8.0
    tilt: Annotated[float, Meta(ge=-4.0, le=4.0)] = 0.0
    log_odds_milli_max: Annotated[int, Meta(ge=0, le=2_000)] = 250

    def __post_init__(self) -> None:
        """Refuse a bet larger than the risk tolerance: utility would forbid all but certainties."""
        if self.bet_payout_minor > self.risk_minor:
            raise ValueError(f"bet_payout_minor: at most risk_minor, {self.risk_minor}")


Lean = LinearLean | LogOddsLean | OptimalLean
"""Which way odds follow the book."""
