"""What leaning on the book is worth: one crowd, one margin, four ways to follow what was taken.

Owns the demand model of the crowd, the rounds of quoting and betting, and the figures of the final
books. The markets are the very ones that trade; a seed gives the same crowd to every lean. Never
draws a result: each final book is weighed over all its outcomes by their true chances, so that the
luck of results is in the spread and not in the comparison.
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
_CHANCE_MIN: Final = 0.08


class Demand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a crowd bets on an outcome of true probability p quoted at probability u.

    Bets come at a rate proportional to `p ** tilt * fans * (odds ratio of u under p) ** elasticity`
    where `fans` is drawn once for each outcome, with `fans_spread` the standard deviation of its
    logarithm: what the desk cannot know beforehand. Payouts are log-normal round
    `bet_payout_minor`.
    """

    bets_per_round: Annotated[float, Meta(gt=0.0, le=1_000.0)] = 1.5
    elasticity: Annotated[float, Meta(ge=0.1, le=100.0)] = 8.0
    tilt: Annotated[float, Meta(ge=-4.0, le=4.0)] = 1.0
    fans_spread: Annotated[float, Meta(ge=0.0, le=3.0)] = 0.5
    bet_payout_minor: Annotated[int, Meta(ge=100, le=10_000_000)] = 10_000
    payout_spread: Annotated[float, Meta(ge=0.0, le=3.0)] = 0.6


class Trial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One experiment: so many seeds of so many markets, prices moving once a round."""

    seeds: Annotated[int, Meta(ge=1, le=10_000)] = 100
    markets: Annotated[int, Meta(ge=1, le=1_000)] = 10
    rounds: Annotated[int, Meta(ge=1, le=10_000)] = 40
    risk_minor: Annotated[int, Meta(ge=10_000, le=10**12)] = 400_000
    margin: Margin = Margin(book_milli=1_050, book_within_milli=4)
    demand: Demand = Demand()


class Shaded(Struct, frozen=True, kw_only=True):
    """What one lean made of the crowds, per market, in minor units.

    `certain_minor` is what a house of the trial's risk tolerance would take for sure instead;
    `certain_error_minor` its standard error. `worst_minor` is the mean over books of the profit on
    the outcome that hurts most, `imbalance` the mean over books of the profit's deviation over
    outcomes, as a share of turnover. `unleant` counts the quotes that held no lean after all.
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
    unleant: int


class Crowd:
    """One seed's markets: what is true of them, and who bets on them.

    Parameters
    ----------
    trial : Trial
        The experiment.
    seed : int
        Of everything drawn.
    """

    def __init__(self, trial: Trial, *, seed: int) -> None:
        truth, self._rng = np.random.default_rng(seed).spawn(2)
        self._demand: Final = trial.demand
        chances = truth.dirichlet(_STRENGTHS, trial.markets).clip(_CHANCE_MIN)
        self.fair: Final[Floats] = np.ascontiguousarray(
            (chances / chances.sum(axis=1, keepdims=True)).ravel()
        )
        fans = np.exp(self._demand.fans_spread * truth.standard_normal(len(self.fair)))
        appeal = (self.fair**self._demand.tilt * fans).reshape(-1, len(OUTCOMES))
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


class _House:
    """Markets that are quoted and bet on, round after round."""

    def __init__(self, trial: Trial, crowd: Crowd, skew: Skew | None) -> None:
        self._trial, self._crowd, self._skew = trial, crowd, skew
        self._markets = MarketMachine()
        offsets = np.arange(0, len(crowd.fair) + 1, len(OUTCOMES))
        types = (MARKET_TYPE,) * trial.markets
        self._quoter = Quoter(offsets, np.ones(trial.markets), types, ladder=CENTS)
        self._odds: list[tuple[OddsMilli, ...]] = []
        self._serial = 1
        self.unleant = 0

    def run(self) -> tuple[Floats, Floats]:
        """Return each market's turnover, and the profit on each of its outcomes."""
        for round_no in range(self._trial.rounds):
            quoted = self._quote(round_no)
            rows = self._crowd.bets(quoted)
            first = bet_id(shard=ShardNo(0), serial=self._serial)
            rows["bet_id"] = np.arange(first, first + len(rows))
            self._serial += len(rows)
            decisions = self._markets.place(rows, Nanos(round_no))
            assert not decisions["reason"].any(), "no limit is in the way"
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
        self.unleant += int((quoted.shortfalls & Shortfall.SKEW != 0).sum())
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
            key = f"shading-{no}/{MARKET_TYPE}"
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
    """Return the leans compared: each follows the book at the trial's risk tolerance."""
    return {
        "none": None,
        "linear": LinearSkew(scale_minor=trial.risk_minor, shift_milli_max=60),
        "log-odds": LogOddsSkew(scale_minor=trial.risk_minor, log_odds_milli_max=250),
        "optimal": OptimalSkew(
            risk_minor=trial.risk_minor,
            bet_payout_minor=trial.demand.bet_payout_minor,
            elasticity=trial.demand.elasticity,
            tilt=trial.demand.tilt,
            log_odds_milli_max=250,
        ),
    }


def shade(name: str, skew: Skew | None, trial: Trial) -> Shaded:
    """Let every seed's crowd bet against one lean, and weigh the final books."""
    turnovers, profits, chances = [], [], []
    unleant = 0
    for seed in range(trial.seeds):
        crowd = Crowd(trial, seed=seed)
        house = _House(trial, crowd, skew)
        turnover, profit = house.run()
        turnovers.append(turnover)
        profits.append(profit)
        chances.append(crowd.fair.reshape(profit.shape))
        unleant += house.unleant
    books = _Books(np.concatenate(turnovers), np.concatenate(profits), np.concatenate(chances))
    return _weigh(name, books, risk_minor=trial.risk_minor, unleant=unleant)


class _Books(NamedTuple):
    """Final books, one a row: turnover, the profit on each outcome, and its true chance."""

    turnover: Floats
    profit: Floats
    chances: Floats


def _weigh(name: str, final: _Books, *, risk_minor: int, unleant: int) -> Shaded:
    turnover, profit, chances = final
    books = len(profit)
    means = (chances * profit).sum(axis=1)
    mean = float(means.mean())
    within = np.sqrt((chances * (profit - means[:, np.newaxis]) ** 2).sum(axis=1))
    spread = float(np.sqrt((chances * (profit - mean) ** 2).sum() / books))
    order = np.argsort(profit, axis=None)
    reached = np.cumsum(chances.ravel()[order]) / books
    low = float(profit.ravel()[order][int(np.searchsorted(reached, 0.05))])
    utility = (chances * np.exp(-profit / risk_minor)).sum(axis=1)
    average = float(utility.mean())
    return Shaded(
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
        unleant=unleant,
    )


def compare(trial: Trial) -> list[Shaded]:
    """Run a trial with no lean and with each form of it."""
    return [shade(name, skew, trial) for name, skew in skews(trial).items()]


def table(rows: Sequence[Shaded]) -> str:
    """Lay results out as a table in Markdown, money in major units."""
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
"""The default, four times its bets (time for a book to come back into balance by itself), and both
where a lean may take odds above fair."""


def conditions(trial: Trial) -> str:
    """Say in one line what a trial is."""
    demand = trial.demand
    return (
        f"{trial.seeds} seeds of {trial.markets} markets, {trial.rounds} rounds of "
        f"{demand.bets_per_round:g} bets a market at fair odds, paying "
        f"{demand.bet_payout_minor / 100:,.0f}; book {trial.margin.book_milli}, odds above fair "
        f"{'never' if trial.margin.capped else 'allowed'}; risk tolerance "
        f"{trial.risk_minor / 100:,.0f}, elasticity {demand.elasticity:g}, tilt {demand.tilt:g}, "
        f"fans {demand.fans_spread:g}"
    )


def main() -> None:
    """Print the trials: conditions, then the table."""
    for trial in TRIALS:
        sys.stdout.write(f"{conditions(trial)}\n\n{table(compare(trial))}\n\n")


if __name__ == "__main__":
    main()
