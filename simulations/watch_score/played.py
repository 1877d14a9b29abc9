"""One match as a watching process sees it: odds through time, suspensions, goals, a second source.

Owns when the house learns of a goal and suspends, and how its odds drift before kick-off. Times are
seconds of play; below 0 is before kick-off. Never draws a bet.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from math import exp
from typing import Final, NamedTuple

import msgspec
import numpy as np

from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.units import Nanos, OddsMilli
from engine.common.views import PriceImage
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.model import MatchModel
from engine.watch.facts import Fact, KickOffSeen, OddsSeen, ScoreSeen, SourceSeen, StatusSeen
from simulations.crowd import Board
from simulations.timeline import MatchTimeline
from simulations.trader import CATALOGUE, MARGIN, market_keys, match_model

Random = np.random.Generator

BEFORE_S: Final = 3_600
"""Seconds before kick-off from which bets are taken."""
_BEFORE_STEP_S: Final = 300
_STEP_S: Final = 60
DRIFT: Final = 0.15
"""Standard deviation of the logarithm of each side's rate, as first believed by the house."""
_SOURCE_NOISE: Final = 0.03
_SOURCE_LATE_S: Final = 4.0
_ALARMS: Final = 6
"""Suspensions of a match for nothing, on average."""
_ALARM_S: Final = (15.0, 40.0)
_SUSPENDS_AFTER_S: Final = (2.0, 8.0)
"""How long after a goal the house suspends."""
_SCORE_AFTER_S: Final = (4.0, 20.0)
_RESUMES_AFTER_S: Final = (40.0, 90.0)
MISSED_SHARE: Final = 0.06
"""Share of goals whose suspension comes after the score: a bet-stop is missing."""


class GoalTimes(NamedTuple):
    """When a goal fell, and when the house suspended, knew the score, and resumed."""

    goal_s: float
    suspended_s: float
    scored_s: float
    resumed_s: float
    missed: bool


class Prices(NamedTuple):
    """All odds and fair probabilities from a time on, by market number."""

    at_s: float
    board: Board
    odds: dict[MarketNo, OddsSeen]
    source: dict[MarketNo, tuple[float, ...]]


class PlayedMatch:
    """The course of one match, drawn once.

    Parameters
    ----------
    match : MatchTimeline
        The goals and their times.
    first_no : int
        Number of its first market.
    rng : Generator
        Draws drift, suspensions and the second source's noise.
    """

    def __init__(self, match: MatchTimeline, *, first_no: int, rng: Random) -> None:
        self.match: Final = match
        self.fixture: Final = match.match
        self._keys: Final = market_keys(match)
        self._first_no: Final = first_no
        self._kick_off_ns: Final = int(match.kick_off.timestamp()) * 1_000_000_000
        self._rng: Final = rng
        self.end_s: Final = float(match.regular_s - 1)
        self.goals: Final = tuple(self._goal_times())
        self.closed: Final = self._closed()
        self.prices: Final = tuple(self._prices())
        self._price_times: Final = [prices.at_s for prices in self.prices]

    @property
    def markets(self) -> range:
        """The numbers of its markets."""
        return range(self._first_no, self._first_no + len(CATALOGUE))

    def at_ns(self, at_s: float) -> Nanos:
        """Return the time of a second of play."""
        return Nanos(self._kick_off_ns + int(at_s * 1e9))

    def prices_at(self, at_s: float) -> Prices:
        """Return the prices in force at a second of play."""
        return self.prices[max(bisect_right(self._price_times, at_s) - 1, 0)]

    def is_open(self, at_s: float) -> bool:
        """Say whether the match's markets take bets at a second of play."""
        return not any(begin_s <= at_s < end_s for begin_s, end_s in self.closed)

    def facts(self) -> Iterator[Fact]:
        """Yield everything but bets, in no order."""
        yield KickOffSeen(self.at_ns(0.0), self.fixture)
        statuses = [(-float(BEFORE_S), True)]
        for begin_s, end_s in self.closed:
            statuses += [(begin_s, False), (end_s, True)]
        for at_s, active in statuses:
            for market_no in self.markets:
                yield StatusSeen(self.at_ns(at_s), self.fixture, MarketNo(market_no), active)
        for goal in self.goals:
            score = self.match.score_at(goal.goal_s)
            yield ScoreSeen(self.at_ns(goal.scored_s), self.fixture, score.home, score.away)
        for prices in self.prices:
            late_s = self._rng.random() * _SOURCE_LATE_S
            source_ns = self.at_ns(prices.at_s + late_s)
            for market_no, odds in prices.odds.items():
                yield odds
                probabilities = prices.source[market_no]
                yield SourceSeen(source_ns, self.fixture, market_no, "second", probabilities)

    # --- the course ------------------------------------------------------------------------------

    def _goal_times(self) -> Iterator[GoalTimes]:
        """Yield the goals. One that falls before the match has resumed is part of the last one."""
        resumed_s = 0.0
        for goal in self.match.regular_goals:
            goal_s = float(goal.played_s)
            if goal_s < resumed_s:
                continue
            missed = bool(self._rng.random() < MISSED_SHARE)
            suspended_s = goal_s + self._rng.uniform(*_SUSPENDS_AFTER_S)
            scored_s = suspended_s + self._rng.uniform(*_SCORE_AFTER_S)
            if missed:
                suspended_s, scored_s = scored_s, suspended_s
            resumed_s = max(suspended_s, scored_s) + self._rng.uniform(*_RESUMES_AFTER_S)
            yield GoalTimes(goal_s, suspended_s, scored_s, resumed_s, missed)

    def _closed(self) -> list[tuple[float, float]]:
        """Return the times without bets: at goals, and when a danger came to nothing."""
        closed = [(goal.suspended_s, goal.resumed_s) for goal in self.goals]
        busy = [(goal.goal_s - 60.0, goal.resumed_s + 5.0) for goal in self.goals]
        for _ in range(self._rng.poisson(_ALARMS)):
            begin_s = self._rng.uniform(30.0, self.end_s)
            end_s = begin_s + self._rng.uniform(*_ALARM_S)
            if all(end_s < other[0] or begin_s > other[1] for other in busy):
                closed.append((begin_s, end_s))
                busy.append((begin_s, end_s + 5.0))
        return sorted(closed)

    def _prices(self) -> Iterator[Prices]:
        """Yield the prices of each repricing; there is none between a goal and the resumption.

        Before kick-off the house's model drifts from what it first believed to the true one.
        """
        board = FixtureBoard(self._keys)
        true = match_model(self.match)
        off = DRIFT * self._rng.standard_normal(2)
        second = _moved(true, *(_SOURCE_NOISE * self._rng.standard_normal(2)))
        blind = [(goal.goal_s, goal.resumed_s) for goal in self.goals]
        times = {float(s) for s in range(-BEFORE_S, 0, _BEFORE_STEP_S)}
        times |= {float(s) for s in range(0, int(self.end_s), _STEP_S)}
        times = {at_s for at_s in times if not any(a <= at_s < b for a, b in blind)}
        times |= {goal.resumed_s for goal in self.goals}
        for at_s in sorted(times):
            left = max(-at_s / BEFORE_S, 0.0)
            wobble = 0.2 * DRIFT * left**0.5 * self._rng.standard_normal(2)
            model = _moved(true, *(off * left + wobble)) if left else true
            state = self.match.regular_state_at(min(at_s, self.end_s) if at_s >= 0 else -1.0)
            quotes = board.quotes(model, state, MARGIN)
            fair = board.probabilities(second if not left else model, state)
            images, odds, source = [], {}, {}
            for number, key in enumerate(self._keys, start=self._first_no):
                market_no = MarketNo(number)
                offered = tuple(quote.active for quote in quotes[key])
                odds_milli = tuple(OddsMilli(quote.odds_milli) for quote in quotes[key])
                images.append(
                    PriceImage(
                        market_no=market_no,
                        key=key,
                        status=Status.ACTIVE,
                        version=1,
                        outcomes=board.outcomes(key),
                        odds_milli=odds_milli,
                        active=offered,
                    )
                )
                odds[market_no] = OddsSeen(
                    self.at_ns(at_s), self.fixture, market_no, odds_milli, offered
                )
                source[market_no] = fair[key]
            yield Prices(at_s, Board(images), odds, source)

    def spans(self) -> Iterator[tuple[Prices, float, float]]:
        """Yield each prices with the seconds from which and until which they are in force."""
        for prices, until_s in pairwise([*self._price_times, self.end_s]):
            if until_s > prices:
                yield self.prices_at(prices), prices, until_s


def _moved(model: MatchModel, home: float, away: float) -> MatchModel:
    """Return a model with both rates moved by a logarithm."""
    return msgspec.structs.replace(
        model, home_rate=model.home_rate * exp(home), away_rate=model.away_rate * exp(away)
    )
