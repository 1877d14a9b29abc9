"""The football model and the match state: the two inputs of every football price.

Owns the model that a quant sets, the state that a feed updates, their bounds, and how both are
packed for the kernels. Never prices a market (fixture_board.py) and never reads a clock.
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from math import isfinite
from typing import Annotated, Final, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct
from msgspec.structs import replace

from engine.pricing.football.axes import Play, Scope
from engine.pricing.football.layout import MODEL_COLUMNS, STATE_COLUMNS
from engine.pricing.football.market_types import PERIOD_GOALS_MAX

RATE_MAX: Final = 8.0
"""Largest expected number of goals of one side in ninety minutes."""
DEPENDENCE_MAX: Final = 0.3
STOPPAGE_S_MAX: Final = 1800
FIRST_HALF_STOPPAGE_S: Final = 120
"""Time added to a first half where nobody says otherwise."""
SECOND_HALF_STOPPAGE_S: Final = 300
CLOCK_S_MAX: Final = 10_800
RED_CARDS_MAX: Final = 4
DRAW_FACTORS: Final = (0.5, 2.0)
STATE_FACTORS: Final = (0.5, 2.0)
STATE_FACTOR_FIELDS: Final = (
    "two_behind_factor",
    "one_behind_factor",
    "level_factor",
    "one_ahead_factor",
    "two_ahead_factor",
)
DEAD_TIME_S_MAX: Final = 600
_LEAST_MASS: Final = 1e-11
ORDER_CHARS_MAX: Final = 8 * PERIOD_GOALS_MAX
"""Most goals of both sides in four periods."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Side = Literal["home", "away"]


class Period(IntEnum):
    """The phase of a match; the clock matters only inside a period of play."""

    PRE_MATCH = 0
    FIRST_HALF = 1
    HALF_TIME = 2
    SECOND_HALF = 3
    FULL_TIME = 4
    """Ninety minutes are over: regular-time markets are decided; extra time may follow."""
    EXTRA_FIRST = 5
    EXTRA_HALF_TIME = 6
    EXTRA_SECOND = 7
    AFTER_EXTRA_TIME = 8


PeriodGoals = Annotated[int, Meta(ge=0, le=PERIOD_GOALS_MAX)]


class Score(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Goals of each side in one period."""

    home: PeriodGoals = 0
    away: PeriodGoals = 0


_NO_GOALS: Final = Score()
_FIELD_OF: Final = {
    Period.FIRST_HALF: "first_half",
    Period.SECOND_HALF: "second_half",
    Period.EXTRA_FIRST: "extra_first",
    Period.EXTRA_SECOND: "extra_second",
}
_PERIODS_OF: Final = {
    Scope.REGULAR: (Period.FIRST_HALF, Period.SECOND_HALF),
    Scope.FIRST_HALF: (Period.FIRST_HALF,),
    Scope.SECOND_HALF: (Period.SECOND_HALF,),
    Scope.EXTRA_TIME: (Period.EXTRA_FIRST, Period.EXTRA_SECOND),
    Scope.HALVES: (Period.FIRST_HALF, Period.SECOND_HALF),
}
_UNKNOWN: Final = -1


class MatchState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has happened: the period, the match clock, and the goals of each period.

    `clock_s` counts seconds from kick-off as broadcasters do: the second half starts at 2700, extra
    time at 5400, and stoppage time runs past a period's end. `order` says who scored which goal: an
    ``h`` or an ``a`` for each, oldest first, over the whole match. It may be empty; the order of a
    period is then known only if at most one side has scored in it. A market that needs an unknown
    order is neither offered nor settled.
    """

    period: Period = Period.PRE_MATCH
    clock_s: Annotated[int, Meta(ge=0, le=CLOCK_S_MAX)] = 0
    first_half: Score = _NO_GOALS
    second_half: Score = _NO_GOALS
    extra_first: Score = _NO_GOALS
    extra_second: Score = _NO_GOALS
    home_red_cards: Annotated[int, Meta(ge=0, le=RED_CARDS_MAX)] = 0
    away_red_cards: Annotated[int, Meta(ge=0, le=RED_CARDS_MAX)] = 0
    order: Annotated[str, Meta(max_length=ORDER_CHARS_MAX, pattern=r"^[ah]*\Z")] = ""

    def __post_init__(self) -> None:
        """Raise ValueError for a state that no match can be in."""
        _check_range("clock_s", self.clock_s, 0, CLOCK_S_MAX)
        _check_range("home_red_cards", self.home_red_cards, 0, RED_CARDS_MAX)
        _check_range("away_red_cards", self.away_red_cards, 0, RED_CARDS_MAX)
        for period, field in _FIELD_OF.items():
            score: Score = getattr(self, field)
            _check_range(f"{field}.home", score.home, 0, PERIOD_GOALS_MAX)
            _check_range(f"{field}.away", score.away, 0, PERIOD_GOALS_MAX)
            if self.period < period and score != _NO_GOALS:
                raise ValueError(f"{field}: goals before that period was reached")
        if self.order and any(
            (part.count("h"), part.count("a"), len(part)) != (score.home, score.away, goals)
            for part, score, goals in self._parts()
        ):
            raise ValueError("order: must be an h or an a for each goal, period by period")

    def at(self, *, period: Period, clock_s: int) -> "MatchState":
        """Return the state at another period and clock."""
        return replace(self, period=period, clock_s=clock_s)

    def scored(self, *, side: Side) -> "MatchState":
        """Return the state with one more goal in the period being played.

        Raises
        ------
        ValueError
            When the period is not a period of play, or already has the most goals.
        """
        field = _FIELD_OF.get(self.period)
        if field is None:
            raise ValueError(f"goal: none can be scored in {self.period.name}")
        score: Score = getattr(self, field)
        score_after = Score(
            home=score.home + (side == "home"),
            away=score.away + (side == "away"),
        )
        before = self._order_in(tuple(_FIELD_OF))
        return replace(
            self, **{field: score_after}, order="" if before is None else before + side[0]
        )

    def without_goal(self, *, side: Side) -> "MatchState":
        """Return the state without a side's last goal of this period, or of the one just ended.

        Raises
        ------
        ValueError
            When the side has no goal in it.
        """
        field = _FIELD_OF.get(self.period) or _FIELD_OF.get(Period(max(0, self.period - 1)))
        score = _NO_GOALS if field is None else getattr(self, field)
        if field is None or not getattr(score, side):
            raise ValueError(f"goal: {side} has none in {self.period.name} to be cancelled")
        parts = []
        for (part, _, _), name in zip(self._parts(), _FIELD_OF.values(), strict=True):
            at = part.rfind(side[0]) if name == field else -1
            parts.append(part if at < 0 else part[:at] + part[at + 1 :])
        after = replace(score, **{side: getattr(score, side) - 1})
        return replace(self, **{field: after}, order="".join(parts) if self.order else "")

    def score(self, scope: Scope) -> tuple[int, int]:
        """Return the home and away goals of a scope so far."""
        first, second = self.first_half, self.second_half
        if scope is Scope.FIRST_HALF:
            return first.home, first.away
        if scope is Scope.SECOND_HALF:
            return second.home, second.away
        if scope is Scope.EXTRA_TIME:
            first, second = self.extra_first, self.extra_second
        return first.home + second.home, first.away + second.away

    def order_of(self, scope: Scope) -> str | None:
        """Return an ``h`` or ``a`` for each goal of a scope, oldest first; None if not known."""
        return self._order_in(_PERIODS_OF[scope])

    def play(self, scope: Scope) -> Play:
        """Return the play that settles a market of a scope."""
        home, away = self.score(scope)
        first = self.first_half
        return Play(home, away, first.home, first.away, self.order_of(scope))

    def _order_in(self, periods: tuple[Period, ...]) -> str | None:
        """Return the joined order of some periods; None if the order of any is not known."""
        known = ""
        for period, (part, score, goals) in zip(_FIELD_OF, self._parts(), strict=True):
            if period not in periods:
                continue
            if not self.order and score.home and score.away:
                return None
            known += part if self.order else ("h" if score.home else "a") * goals
        return known

    def _parts(self) -> Iterator[tuple[str, Score, int]]:
        """Yield for each period its part of the order, its score and its number of goals."""
        at = 0
        last = Period.EXTRA_SECOND
        for period, field in _FIELD_OF.items():
            score: Score = getattr(self, field)
            goals = score.home + score.away
            end = ORDER_CHARS_MAX if period is last else at + goals
            yield self.order[at:end], score, goals
            at += goals

    def over(self, scope: Scope) -> bool:
        """Say whether a scope's score is final."""
        ends = {
            Scope.FIRST_HALF: Period.HALF_TIME,
            Scope.SECOND_HALF: Period.FULL_TIME,
            Scope.REGULAR: Period.FULL_TIME,
            Scope.EXTRA_TIME: Period.AFTER_EXTRA_TIME,
            Scope.HALVES: Period.FULL_TIME,
        }
        return self.period >= ends[scope]


class MatchModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The goals that each side is expected to score in ninety minutes, and when they fall.

    Red-card factors multiply a side's remaining rate, once for each card of its own and of its
    opponents; docs/pricing.md says what the defaults were measured on.
    """

    home_rate: float
    away_rate: float
    dependence: float = 0.0
    """Dixon and Coles' rho: below zero, low draws are likelier than under independence."""
    first_half_share: float = 0.447
    first_half_stoppage_s: int = FIRST_HALF_STOPPAGE_S
    """Expected stoppage time; a half's goals are spread over its 45 minutes and this."""
    second_half_stoppage_s: int = SECOND_HALF_STOPPAGE_S
    extra_time_share: float = 1.0 / 3.0
    """Expected goals of extra time as a share of those of ninety minutes."""
    red_card_own_factor: float = 0.56
    red_card_opponent_factor: float = 1.65
    draw_factor: float = 1.0
    """Factor on the chance of every draw after ninety minutes, before all are scaled to 1."""
    two_behind_factor: float = 1.0
    """Factor on a side's rate while it is two goals or more behind; likewise the next four."""
    one_behind_factor: float = 1.0
    level_factor: float = 1.0
    one_ahead_factor: float = 1.0
    two_ahead_factor: float = 1.0
    opening_factor: float = 1.0
    """Factor on the intensity of the first quarter of an hour; the half's share stays."""
    restart_factor: float = 1.0
    """The same after half-time."""
    dead_time_s: int = 0
    """Time after a goal in which none falls, at the mean intensity of its half."""

    def __post_init__(self) -> None:
        """Raise ValueError for a parameter out of bounds or a negative chance of a score."""
        _check_range("home_rate", self.home_rate, 0.0, RATE_MAX)
        _check_range("away_rate", self.away_rate, 0.0, RATE_MAX)
        _check_range("dependence", self.dependence, -DEPENDENCE_MAX, DEPENDENCE_MAX)
        _check_range("first_half_share", self.first_half_share, 0.3, 0.6)
        _check_range("first_half_stoppage_s", self.first_half_stoppage_s, 0, STOPPAGE_S_MAX)
        _check_range("second_half_stoppage_s", self.second_half_stoppage_s, 0, STOPPAGE_S_MAX)
        _check_range("extra_time_share", self.extra_time_share, 0.0, 1.0)
        _check_range("red_card_own_factor", self.red_card_own_factor, 0.1, 1.0)
        _check_range("red_card_opponent_factor", self.red_card_opponent_factor, 1.0, 3.0)
        _check_range("draw_factor", self.draw_factor, *DRAW_FACTORS)
        for field in STATE_FACTOR_FIELDS:
            _check_range(field, getattr(self, field), *STATE_FACTORS)
        _check_range("opening_factor", self.opening_factor, *STATE_FACTORS)
        _check_range("restart_factor", self.restart_factor, *STATE_FACTORS)
        _check_range("dead_time_s", self.dead_time_s, 0, DEAD_TIME_S_MAX)
        if not dependence_fits(
            home_rate=self.home_rate, away_rate=self.away_rate, dependence=self.dependence
        ):
            raise ValueError("dependence: too strong for these rates: a score's chance is negative")


MEASURED_PROCESS: Final[Mapping[str, float]] = {
    "two_behind_factor": 1.07,
    "one_behind_factor": 1.055,
    "level_factor": 0.994,
    "one_ahead_factor": 0.943,
    "two_ahead_factor": 0.912,
    "opening_factor": 0.92,
    "restart_factor": 1.04,
}
"""The goal process as measured (docs/pricing.md); the defaults are two independent sides."""


def dependence_fits(*, home_rate: float, away_rate: float, dependence: float) -> bool:
    """Say whether every Dixon-Coles factor is at least zero at these rates."""
    return (
        home_rate * away_rate * dependence <= 1.0
        and home_rate * dependence >= -1.0
        and away_rate * dependence >= -1.0
    )


def _check_range(field: str, value: float, low: float, high: float) -> None:
    if not (isfinite(value) and low <= value <= high):
        raise ValueError(f"{field}: must be from {low:g} to {high:g}, not {value!r}")


def pack_model(model: MatchModel) -> Floats:
    """Return the model as the kernels take it: float64[MODEL_COLUMNS]."""
    packed = np.array(
        (
            model.home_rate,
            model.away_rate,
            model.dependence,
            model.first_half_share,
            model.first_half_stoppage_s,
            model.second_half_stoppage_s,
            model.extra_time_share,
            model.red_card_own_factor,
            model.red_card_opponent_factor,
            model.draw_factor,
            model.two_behind_factor,
            model.one_behind_factor,
            model.level_factor,
            model.one_ahead_factor,
            model.two_ahead_factor,
            model.opening_factor,
            model.restart_factor,
            model.dead_time_s,
            _LEAST_MASS,
        ),
        np.float64,
    )
    assert len(packed) == MODEL_COLUMNS
    return packed


def _order_bits(state: MatchState) -> tuple[int, int, int, int]:
    """Return for each scope with a score a number: bit n is set when home scored goal n + 1."""
    if not (
        state.order
        or state.first_half != _NO_GOALS
        or state.second_half != _NO_GOALS
        or state.extra_first != _NO_GOALS
        or state.extra_second != _NO_GOALS
    ):
        return 0, 0, 0, 0
    bits: list[int] = []
    counts: list[int] = []
    at = 0
    for score in (state.first_half, state.second_half, state.extra_first, state.extra_second):
        home, goals = score.home, score.home + score.away
        if state.order and goals:
            part = state.order[at + goals - 1 : at - 1 if at else None : -1]
            bits.append(int(part.replace("h", "1").replace("a", "0"), 2))
        else:
            bits.append((1 << home) - 1 if home in (0, goals) else _UNKNOWN)
        counts.append(goals)
        at += goals
    first, second, extra_first, extra_second = bits
    return (
        _UNKNOWN if min(first, second) < 0 else first | second << counts[0],
        first,
        second,
        _UNKNOWN if min(extra_first, extra_second) < 0 else extra_first | extra_second << counts[2],
    )


def pack_state(state: MatchState) -> Ints:
    """Return the state as the kernels take it: int64[STATE_COLUMNS]."""
    packed = np.array(
        (
            state.period,
            state.clock_s,
            state.first_half.home,
            state.first_half.away,
            state.second_half.home,
            state.second_half.away,
            *state.score(Scope.EXTRA_TIME),
            state.home_red_cards,
            state.away_red_cards,
            *_order_bits(state),
        ),
        np.int64,
    )
    assert len(packed) == STATE_COLUMNS
    return packed
