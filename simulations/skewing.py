"""Measure the value of skewing odds: the same crowd and margin without a skew and with three skews.

Owns the demand model of the crowd, the rounds of quoting and betting, and the figures of the final
books. Markets are run by the engine's own machine; a seed gives the same crowd to every skew. Never
draws a result: each final book is weighted over its outcomes by their true probabilities, so the
luck of results widens the spread but does not distort the comparison.
"""

import sys
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from engine.common.commands import CreateMarket, Limits, MarketCommand, OpenMarket, Quote, SetOdds
from engine.common.events import Refused
from engine.common.ids import MarketNo, ShardNo, bet_id
from engine.common.rows import BET
from engine.common.units import (
    LIMIT_MINOR_MAX,
    RATE_MICRO_ONE,
    STAKE_MINOR_MAX,
    Minor,
    Nanos,
    OddsMilli,
)
from engine.market.market import MarketMachine
from engine.pricing.ladder import CENTS
from engine.pricing.quoting import BookFigures, Margin, Quoted, Quoter, Shortfall
from engine.pricing.skew import LinearSkew, LogOddsSkew, OptimalSkew, Skew

Floats = npt.NDArray[np.float64]
Random = np.random.Generator

OUTCOMES: Final = ("home", "draw", "away")
MARKET_TYPE: Final = "1x2"
_UNBOUND: Final = Limits(
    stake_minor_max=Minor(STAKE_MINOR_MAX),
    payout_minor_max=Minor(LIMIT_MINOR_MAX),
    outcome_liability_minor_max=Minor(LIMIT_MINOR_MAX),
    market_liability_minor_max=Minor(LIMIT_MINOR_MAX),
)
_STRENGTHS: Final = (6.0, 4.0, 5.0)
"""Concentrations of the true probabilities' Dirichlet distribution."""
_PROBABILITY_MIN: Final = 0.08


class Demand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a crowd bets on an outcome of true probability p quoted at probability u.

    The rate of bets is proportional to ``p ** tilt * popularity * ratio ** elasticity``, where
    ``ratio = p (1 - u) / ((1 - p) u)``. The popularity is drawn once for each outcome and is
    unknown to the trader; `popularity_spread` is the standard deviation of its logarithm. The
    bets' payouts are log-normal with median `bet_payout_minor` and spread `payout_spread`.
    `bets_per_round` is the mean number of bets on a market in a round at fair odds.
    """

    bets_per_round: Annotated[float, Meta(gt=0.0, le=1_000.0)] = 1.5
    elasticity: Annotated[float, Meta(ge=0.1, le=100.0)] = 8.0
    tilt: Annotated[float, Meta(ge=-4.0, le=4.0)] = 1.0
    popularity_spread: Annotated[float, Meta(ge=0.0, le=3.0)] = 0.5
    bet_payout_minor: Annotated[int, Meta(ge=100, le=10_000_000)] = 10_000
    payout_spread: Annotated[float, Meta(ge=0.0, le=3.0)] = 0.6


class Trial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One experiment: its seeds, markets for each seed, and rounds; odds are set once a round.

    `risk_minor` is the scale of the skews and the risk tolerance of the certainty equivalent.
    """

    seeds: Annotated[int, Meta(ge=1, le=10_000)] = 100
    markets: Annotated[int, Meta(ge=1, le=1_000)] = 10
    rounds: Annotated[int, Meta(ge=1, le=10_000)] = 40
    risk_minor: Annotated[int, Meta(ge=10_000, le=10**12)] = 400_000
    margin: Margin = Margin(book_milli=1_050, book_within_milli=4)
    demand: Demand = Demand()


class SkewResult(Struct, frozen=True, kw_only=True):
    """The figures of one skew: means over all final books, in minor units per market.

    `spread_minor` is the standard deviation of the profit, `low_minor` its 5% quantile.
    `worst_minor` is the mean of the profit on each book's worst outcome, `imbalance` the mean of
    the profit's standard deviation over a book's outcomes, as a share of turnover. `certain_minor`
    is the certainty equivalent of the profit at the trial's risk tolerance (exponential utility),
    `certain_error_minor` its standard error. `unskewed` counts quotes to which the skew could not
    be applied.
    """

    skew: str
    books: int
    turnover_minor: float
    profit_minor: float
    spread_minor: float
    low_minor: float
    worst_minor: float
    imbalance: float
    certain_minor: float
    certain_error_minor: float
    unskewed: int


class Crowd:
    """One seed's markets: their true probabilities and the bets placed on them.

    Parameters
    ----------
    trial : Trial
        The experiment.
    seed : int
        Seed of everything that is drawn.
    """

    def __init__(self, trial: Trial, *, seed: int) -> None:
        truth, self._rng = np.random.default_rng(seed).spawn(2)
        self._demand: Final = trial.demand
        drawn = truth.dirichlet(_STRENGTHS, trial.markets).clip(_PROBABILITY_MIN)
        self.fair: Final[Floats] = np.ascontiguousarray(
            (drawn / drawn.sum(axis=1, keepdims=True)).ravel()
        )
        popularity = np.exp(self._demand.popularity_spread * truth.standard_normal(len(self.fair)))
        appeal = (self.fair**self._demand.tilt * popularity).reshape(-1, len(OUTCOMES))
        self._appeal: Final[Floats] = (appeal / appeal.sum(axis=1, keepdims=True)).ravel()

    def bets(self, quoted: Quoted) -> npt.NDArray[np.void]:
        """Draw one round's bets, as BET rows without ids."""
        price = 1000.0 / quoted.odds_milli
        ratio = self.fair * (1.0 - price) / ((1.0 - self.fair) * price)
        rate = self._demand.bets_per_round * self._appeal * ratio**self._demand.elasticity
        outcome = np.repeat(np.arange(len(rate)), self._rng.poisson(rate * quoted.offered))
        size = np.exp(self._demand.payout_spread * self._rng.standard_normal(len(outcome)))
        stake = self._demand.bet_payout_minor * size * price[outcome]
        rows = np.zeros(len(outcome), BET)
        rows["stake_minor"] = np.maximum(np.rint(stake), 1.0).astype(np.int64)
        rows["market_no"] = outcome // len(OUTCOMES) + 1
        rows["outcome"] = outcome % len(OUTCOMES)
        rows["odds_milli"] = quoted.odds_milli[outcome]
        rows["account_no"] = 1
        rows["rate_micro"] = RATE_MICRO_ONE
        return rows[self._rng.permutation(len(rows))]


class _QuotedMarkets:
    """Markets that are quoted with one skew and bet on, round after round."""

    def __init__(self, trial: Trial, crowd: Crowd, skew: Skew | None) -> None:
        self._trial, self._crowd, self._skew = trial, crowd, skew
        self._markets = MarketMachine()
        offsets = np.arange(0, len(crowd.fair) + 1, len(OUTCOMES))
        types = (MARKET_TYPE,) * trial.markets
        self._quoter = Quoter(offsets, np.ones(trial.markets), types, ladder=CENTS)
        self._odds: list[tuple[OddsMilli, ...]] = []
        self._serial = 1
        self.unskewed = 0

    def run(self) -> tuple[Floats, Floats]:
        """Return each market's turnover, and the profit on each of its outcomes."""
        for round_no in range(self._trial.rounds):
            quoted = self._quote(round_no)
            rows = self._crowd.bets(quoted)
            first = bet_id(shard=ShardNo(0), serial=self._serial)
            rows["bet_id"] = np.arange(first, first + len(rows))
            self._serial += len(rows)
            decisions = self._markets.place(rows, Nanos(round_no))
            assert not decisions["reason"].any(), "a bet was refused"
        books = [self._markets.book_image(no) for no in self._markets.market_nos()]
        turnover = np.array([book.stake_taken_minor for book in books], np.float64)
        return turnover, -np.array([book.liability_minor for book in books], np.float64)

    def _quote(self, round_no: int) -> Quoted:
        figures = None
        if round_no:
            books = [self._markets.book_image(no) for no in self._markets.market_nos()]
            figures = BookFigures(
                stake_minor=np.concatenate([book.stake_minor for book in books]),
                payout_minor=np.concatenate([book.payout_minor for book in books]),
            )
        quoted = self._quoter.quote(
            self._crowd.fair, margin=self._trial.margin, skew=self._skew, figures=figures
        )
        self.unskewed += int((quoted.shortfalls & Shortfall.SKEW != 0).sum())
        odds = [
            tuple(map(OddsMilli, row))
            for row in quoted.odds_milli.reshape(-1, len(OUTCOMES)).tolist()
        ]
        for number, row in enumerate(odds):
            self._set(number, row)
        self._odds = odds
        return quoted

    def _set(self, number: int, odds_milli: tuple[OddsMilli, ...]) -> None:
        no = MarketNo(number + 1)
        commands: list[MarketCommand] = []
        if not self._odds:
            key = f"skewing-{no}/{MARKET_TYPE}"
            commands = [
                CreateMarket(
                    market_no=no, key=key, outcomes=OUTCOMES, odds_milli=odds_milli, limits=_UNBOUND
                ),
                OpenMarket(market_no=no),
            ]
        elif self._odds[number] != odds_milli:
            quotes = tuple(Quote(outcome=k, odds_milli=each) for k, each in enumerate(odds_milli))
            commands = [SetOdds(market_no=no, quotes=quotes)]
        for command in commands:
            event = self._markets.apply(command, Nanos(0))
            assert not isinstance(event, Refused), event


def skews(trial: Trial) -> dict[str, Skew | None]:
    """Return the skews compared, by name; all have the trial's risk tolerance as their scale."""
    return {
        "none": None,
        "linear": LinearSkew(scale_minor=trial.risk_minor, shift_milli_max=60),
        "log-odds": LogOddsSkew(scale_minor=trial.risk_minor, log_odds_milli_max=250),
        "optimal": OptimalSkew(
            risk_minor=Minor(trial.risk_minor),
            bet_payout_minor=trial.demand.bet_payout_minor,
            elasticity=trial.demand.elasticity,
            tilt=trial.demand.tilt,
            log_odds_milli_max=250,
        ),
    }


def run_skew(name: str, skew: Skew | None, trial: Trial) -> SkewResult:
    """Let every seed's crowd bet against one skew and return the figures of the final books.

    Parameters
    ----------
    name : str
        The skew's name in the result.
    skew : Skew or None
        The skew; None quotes without one.
    trial : Trial
        The experiment.
    """
    turnovers, profits, probabilities = [], [], []
    unskewed = 0
    for seed in range(trial.seeds):
        crowd = Crowd(trial, seed=seed)
        markets = _QuotedMarkets(trial, crowd, skew)
        turnover, profit = markets.run()
        turnovers.append(turnover)
        profits.append(profit)
        probabilities.append(crowd.fair.reshape(profit.shape))
        unskewed += markets.unskewed
    books = _Books(
        np.concatenate(turnovers), np.concatenate(profits), np.concatenate(probabilities)
    )
    return _figures(name, books, risk_minor=Minor(trial.risk_minor), unskewed=unskewed)


class _Books(NamedTuple):
    """Final books, one a row: turnover, and the profit and true probability of each outcome."""

    turnover: Floats
    profit: Floats
    probabilities: Floats


def _figures(name: str, final: _Books, *, risk_minor: Minor, unskewed: int) -> SkewResult:
    turnover, profit, probabilities = final
    books = len(profit)
    means = (probabilities * profit).sum(axis=1)
    mean = float(means.mean())
    within = np.sqrt((probabilities * (profit - means[:, np.newaxis]) ** 2).sum(axis=1))
    spread = float(np.sqrt((probabilities * (profit - mean) ** 2).sum() / books))
    order = np.argsort(profit, axis=None)
    cumulative = np.cumsum(probabilities.ravel()[order]) / books
    low = float(profit.ravel()[order][int(np.searchsorted(cumulative, 0.05))])
    utility = (probabilities * np.exp(-profit / risk_minor)).sum(axis=1)
    average = float(utility.mean())
    return SkewResult(
        skew=name,
        books=books,
        turnover_minor=float(turnover.mean()),
        profit_minor=mean,
        spread_minor=spread,
        low_minor=low,
        worst_minor=float(profit.min(axis=1).mean()),
        imbalance=float((within / np.maximum(turnover, 1.0)).mean()),
        certain_minor=-risk_minor * float(np.log(average)),
        certain_error_minor=risk_minor * float(utility.std(ddof=1) / np.sqrt(books)) / average,
        unskewed=unskewed,
    )


def compare(trial: Trial) -> list[SkewResult]:
    """Run a trial without a skew and with each skew."""
    return [run_skew(name, skew, trial) for name, skew in skews(trial).items()]


def table(rows: Sequence[SkewResult]) -> str:
    """Return results as a Markdown table, money in major units."""
    head = (
        "skew", "turnover", "profit", "of turnover", "sd", "5%", "worst outcome", "imbalance",
        "certain",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = (
            row.skew,
            f"{row.turnover_minor / 100:,.0f}",
            f"{row.profit_minor / 100:,.1f}",
            f"{row.profit_minor / row.turnover_minor:.2%}",
            f"{row.spread_minor / 100:,.0f}",
            f"{row.low_minor / 100:,.0f}",
            f"{row.worst_minor / 100:,.0f}",
            f"{row.imbalance:.1%}",
            f"{row.certain_minor / 100:,.1f} +- {row.certain_error_minor / 100:,.1f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


TRIALS: Final = (
    Trial(),
    Trial(rounds=160),
    Trial(margin=Margin(book_milli=1_050, book_within_milli=4, capped=False)),
    Trial(rounds=160, margin=Margin(book_milli=1_050, book_within_milli=4, capped=False)),
)
"""The default trial; one of four times as many rounds, in which books have time to return to
balance by themselves; and both with skews that may raise odds above fair."""


def conditions(trial: Trial) -> str:
    """Return a trial's parameters in one line."""
    demand = trial.demand
    return (
        f"{trial.seeds} seeds of {trial.markets} markets, {trial.rounds} rounds of "
        f"{demand.bets_per_round:g} bets a market at fair odds, paying "
        f"{demand.bet_payout_minor / 100:,.0f}; book {trial.margin.book_milli}, odds above fair "
        f"{'never' if trial.margin.capped else 'allowed'}; risk tolerance "
        f"{trial.risk_minor / 100:,.0f}, elasticity {demand.elasticity:g}, tilt {demand.tilt:g}, "
        f"popularity {demand.popularity_spread:g}"
    )


def main() -> None:
    """Run every trial of `TRIALS` and print its parameters and its table."""
    for trial in TRIALS:
        sys.stdout.write(f"{conditions(trial)}\n\n{table(compare(trial))}\n\n")


if __name__ == "__main__":
    main()
