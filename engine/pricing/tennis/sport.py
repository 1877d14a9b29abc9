"""Define tennis's model and state, and price and settle its markets.

Owns the value objects, their bounds, the legal scores and the packing for the kernel. The
arithmetic is in model_nb.py; this module never reads a clock.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from math import isfinite
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta, Struct
from msgspec.structs import replace

from engine.common.commands import OutcomeResult
from engine.pricing.chances import CERTAINTY_SLACK, CHANCES, PUSH, TERM_COLUMNS
from engine.pricing.ladder import Floats, Ints
from engine.pricing.lines import line_terms
from engine.pricing.sport import Names, Pricer, Results, Specifiers, SportMarket
from engine.pricing.tennis import layout
from engine.pricing.tennis.market_types import TENNIS_TYPES, TennisRules, idle_line, tennis_rules
from engine.pricing.tennis.model_nb import price_tennis_nb

SERVE_MIN: Final = layout.SERVE_MIN
SERVE_MAX: Final = layout.SERVE_MAX
FORM_SD: Final = 0.04
"""The standard deviation of the form of the day that matches show."""
FORM_SD_MAX: Final = 0.08
"""Above it the days that stand for all are too few to be normal."""
SERVE_POINTS_MAX: Final = 2_000
"""The most points of one kind on one side's serve: twice all points of the longest match played."""
TIEBREAK_POINTS_MAX: Final = 99
_ORDER_CHARS_MAX: Final = 4 * 13 + 2 * layout.GAMES_MAX

Side = Literal["home", "away"]
Games = Annotated[int, Meta(ge=0, le=layout.GAMES_MAX + 1)]
Points = Annotated[int, Meta(ge=0, le=TIEBREAK_POINTS_MAX)]
Serve = Annotated[float, Meta(ge=SERVE_MIN, le=SERVE_MAX)]
FormSd = Annotated[float, Meta(ge=0.0, le=FORM_SD_MAX)]
Counted = Annotated[int, Meta(ge=0, le=SERVE_POINTS_MAX)]


class FinalSet(IntEnum):
    """What decides the last set at six games all; other sets have a tie-break to seven."""

    TIEBREAK_7 = layout.TIEBREAK_7
    TIEBREAK_10 = layout.TIEBREAK_10
    ADVANTAGE = layout.ADVANTAGE
    """The set continues until a side is two games ahead."""


class SetScore(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Games of each side in a set."""

    home: Games = 0
    away: Games = 0


class PointScore(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Points of each side in a game or a tie-break.

    In a game 0 to 3 are love, 15, 30 and 40; 4 against 3 is the advantage, and deuce is 3:3 however
    often it occurs. In a tie-break points are counted as played.
    """

    home: Points = 0
    away: Points = 0


class ServePoints(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Points of the match by server: those that each side won and lost on its own serve."""

    home_won: Counted = 0
    home_lost: Counted = 0
    away_won: Counted = 0
    away_lost: Counted = 0

    def point(self, *, server: Side, to: Side) -> "ServePoints":
        """Return the counts after one more point."""
        field = f"{server}_{'won' if server == to else 'lost'}"
        return replace(self, **{field: getattr(self, field) + 1})


class TennisModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The chance of each side to win a point on its own serve, and the form of the day.

    The form of the day is drawn once a match, normal about 0: it is added to home's serve and
    taken from away's. `form_sd` is its standard deviation; with 0 the serves are certain.
    """

    home_serve: Serve
    away_serve: Serve
    form_sd: FormSd = FORM_SD

    def __post_init__(self) -> None:
        """Refuse a chance out of bounds."""
        for field in ("home_serve", "away_serve"):
            value = getattr(self, field)
            if not (isfinite(value) and SERVE_MIN <= value <= SERVE_MAX):
                raise ValueError(f"{field}: must be from {SERVE_MIN:g} to {SERVE_MAX:g}: {value!r}")
        if not (isfinite(self.form_sd) and 0.0 <= self.form_sd <= FORM_SD_MAX):
            raise ValueError(f"form_sd: must be from 0 to {FORM_SD_MAX:g}: {self.form_sd!r}")


class TennisState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Finished sets, games and points of the set being played, the server, and a retirement.

    `serving` is the side that serves the next point; None where it is not known, and then each side
    has a chance of one half. `order` holds the winner of each game of the match, ``h`` or ``a``,
    oldest first. It may be empty: then markets on single games already played are neither offered
    nor settled, unless one side has won all games of the set. `serve_points` counts the match's
    points by server and tells most about the form of the day; None where they are not known, and
    then the score stands for them. `retired` ends the match: markets
    that play has decided are settled by it, the match winner is settled if at least
    `winner_stands_after_sets` sets are finished, and all other markets are refunded.
    """

    best_of: Literal[3, 5] = 3
    final_set: FinalSet = FinalSet.TIEBREAK_7
    sets: Annotated[tuple[SetScore, ...], Meta(max_length=layout.SETS)] = ()
    games: SetScore = SetScore()
    points: PointScore = PointScore()
    serving: Side | None = None
    order: Annotated[str, Meta(max_length=_ORDER_CHARS_MAX, pattern=r"^[ah]*\Z")] = ""
    serve_points: ServePoints | None = None
    retired: Side | None = None
    """The side that retired, before or during the match."""
    winner_stands_after_sets: Annotated[int, Meta(ge=0, le=layout.SETS)] = layout.SETS
    """House rule: the finished sets from which the other side wins by a retirement; 5: never."""

    def __post_init__(self) -> None:
        """Refuse an impossible score."""
        if self.best_of not in (3, 5):
            raise ValueError("best_of: must be 3 or 5")
        to_win = self.best_of // 2 + 1
        won = {"home": 0, "away": 0}
        for number, score in enumerate(self.sets):
            if max(won.values()) == to_win:
                raise ValueError(f"sets: set {number + 1} after the match was over")
            if not set_over(score, self.how(number)):
                raise ValueError(f"sets: set {number + 1} cannot end {score.home}:{score.away}")
            won["home" if score.home > score.away else "away"] += 1
        self._check_current(over=max(won.values()) == to_win)
        if self.order and not self._order_fits():
            raise ValueError("order: must be an h or an a for each game, set by set")
        if self.serve_points is not None:
            self._check_serve_points(self.serve_points)
        _within("winner_stands_after_sets", self.winner_stands_after_sets, 0, layout.SETS)

    def how(self, number: int) -> FinalSet:
        """Return what decides a set (counted from 0) at six games all."""
        return self.final_set if number == self.best_of - 1 else FinalSet.TIEBREAK_7

    @property
    def over(self) -> bool:
        """Whether a side has won the match."""
        to_win = self.best_of // 2 + 1
        home = sum(score.home > score.away for score in self.sets)
        return max(home, len(self.sets) - home) == to_win

    @property
    def tiebreak(self) -> bool:
        """Whether the game being played is a tie-break."""
        games, how = self.games, self.how(len(self.sets))
        return games.home == 6 and games.away == 6 and how is not FinalSet.ADVANTAGE

    def first_server(self) -> int:
        """Return the side that served first in the set being played: HOME, AWAY or UNKNOWN."""
        if self.serving is None:
            return layout.UNKNOWN
        server = layout.HOME if self.serving == "home" else layout.AWAY
        played = self.games.home + self.games.away
        if self.tiebreak:
            turn = (self.points.home + self.points.away) % 4
            played += 0 if turn in (0, 3) else 1
        return server if played % 2 == 0 else 1 - server

    def point(self, *, to: Side) -> "TennisState":
        """Return the state after the next point.

        Raises
        ------
        ValueError
            When the match is over.
        """
        if self.over:
            raise ValueError("point: the match is over")
        mine, other = (
            (self.points.home, self.points.away)
            if to == "home"
            else (self.points.away, self.points.home)
        )
        mine += 1
        counted = self._counted(to)
        how = self.how(len(self.sets))
        game_to = 4 if not self.tiebreak else 10 if how is FinalSet.TIEBREAK_10 else 7
        if mine >= game_to and mine - other >= 2:
            return self._game(to, counted)
        if not self.tiebreak and mine == other == game_to:
            mine = other = 3
        points = (
            PointScore(home=mine, away=other) if to == "home" else PointScore(home=other, away=mine)
        )
        serving = self.serving
        if self.tiebreak and (mine + other) % 2 == 1:
            serving = _OTHER[serving]
        return replace(self, points=points, serving=serving, serve_points=counted)

    def _counted(self, to: Side) -> ServePoints | None:
        """Return the points by server after the next point; None where they are not known."""
        at_start = (self.sets, self.games, self.points) == ((), _NO_GAMES, _NO_POINTS)
        counted = self.serve_points or (ServePoints() if at_start else None)
        if counted is None or self.serving is None:
            return None
        return counted.point(server=self.serving, to=to)

    def _game(self, to: Side, counted: ServePoints | None) -> "TennisState":
        """Return the state after a side has won the game being played."""
        games = SetScore(
            home=self.games.home + (to == "home"), away=self.games.away + (to == "away")
        )
        first: Side | None = _SIDES[self.first_server()]
        serving = first if (games.home + games.away) % 2 == 0 else _OTHER[first]
        ordered = bool(self.order) or (self.sets == () and self.games == _NO_GAMES)
        order = self.order + to[0] if ordered else ""
        if set_open(games, self.how(len(self.sets))):
            return replace(
                self,
                games=games,
                points=_NO_POINTS,
                serving=serving,
                order=order,
                serve_points=counted,
            )
        return replace(
            self,
            sets=(*self.sets, games),
            games=_NO_GAMES,
            points=_NO_POINTS,
            serving=serving,
            order=order,
            serve_points=counted,
        )

    def _check_serve_points(self, counted: ServePoints) -> None:
        """Refuse counts with fewer points of a side than its games and points take."""
        for side, won in (
            ("home", counted.home_won + counted.away_lost),
            ("away", counted.away_won + counted.home_lost),
        ):
            games = sum(getattr(score, side) for score in (*self.sets, self.games))
            least = 4 * games + getattr(self.points, side)
            if won < least:
                raise ValueError(f"serve_points: {side} won {won}, the score takes {least}")

    def _check_current(self, *, over: bool) -> None:
        games, points, how = self.games, self.points, self.how(len(self.sets))
        if over:
            if games != _NO_GAMES or points != _NO_POINTS:
                raise ValueError("games: the match is over")
            return
        _within("games.home", games.home, 0, layout.GAMES_MAX)
        _within("games.away", games.away, 0, layout.GAMES_MAX)
        if not set_open(games, how):
            raise ValueError(f"games: an unfinished set cannot be {games.home}:{games.away}")
        if min(points.home, points.away) < 0:
            raise ValueError("points: cannot be negative")
        low, high = sorted((points.home, points.away))
        if self.tiebreak:
            to = 10 if how is FinalSet.TIEBREAK_10 else 7
            if high > TIEBREAK_POINTS_MAX or (high >= to and high - low >= 2):
                raise ValueError(
                    f"points: an unfinished tie-break to {to} cannot be {points.home}:{points.away}"
                )
        elif high > 4 or (high == 4 and low != 3):
            raise ValueError(f"points: an unfinished game cannot be {points.home}:{points.away}")

    def _order_fits(self) -> bool:
        """Return whether each set's part of the order gives its score and no earlier end."""
        start = 0
        for number, score in enumerate((*self.sets, self.games)):
            part = self.order[start : start + score.home + score.away]
            start += score.home + score.away
            if (part.count("h"), part.count("a")) != (score.home, score.away):
                return False
            prefixes = (part[:end] for end in range(len(part)))
            if not all(
                set_open(SetScore(home=p.count("h"), away=p.count("a")), self.how(number))
                for p in prefixes
            ):
                return False
        return start == len(self.order)


_NO_GAMES: Final = SetScore()
_NO_POINTS: Final = PointScore()
_OTHER: Final[dict[Side | None, Side | None]] = {"home": "away", "away": "home", None: None}
_SIDES: Final[tuple[Side | None, ...]] = ("home", "away", None)
"""Indexed by HOME, AWAY and UNKNOWN."""


def set_over(score: SetScore, how: FinalSet) -> bool:
    """Return whether a set can end with a score."""
    high, low = max(score.home, score.away), min(score.home, score.away)
    if low < 0 or high > layout.GAMES_MAX + 1:
        return False
    if how is FinalSet.ADVANTAGE and high > 6:
        return high - low == 2
    return (high == 6 and low <= 4) or (high == 7 and low in (5, 6))


def set_open(score: SetScore, how: FinalSet) -> bool:
    """Return whether a score is possible in a set that is not over."""
    high, low = max(score.home, score.away), min(score.home, score.away)
    if low < 0:
        return False
    if how is FinalSet.ADVANTAGE:
        return high <= 5 or high - low <= 1
    return high <= 5 or (high == 6 and low >= 5)


def _within(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{field}: must be from {low} to {high}, not {value!r}")


def pack_model(model: TennisModel) -> Floats:
    """Return the model as the kernel's array."""
    return np.array((model.home_serve, model.away_serve, model.form_sd), np.float64)


def pack_state(state: TennisState) -> Ints:
    """Return the state as the kernel's array (`STATE_COLUMNS`)."""
    packed = np.zeros(layout.STATE_COLUMNS, np.int64)
    packed[layout.BEST_OF] = state.best_of
    packed[layout.FINAL_SET] = state.final_set
    packed[layout.FINISHED] = len(state.sets)
    packed[layout.FIRST_SERVER] = state.first_server()
    packed[layout.POINTS : layout.POINTS + 2] = state.points.home, state.points.away
    start = 0
    scores = (*state.sets, state.games)[: layout.SETS]
    for number, score in enumerate(scores):
        first = layout.SCORES + 2 * number
        packed[first : first + 2] = score.home, score.away
        games = score.home + score.away
        part = state.order[start : start + games]
        start += games
        if not part and score.home and score.away:
            packed[layout.WINNERS + number] = -1
            continue
        winners = part or "h" * score.home + "a" * score.away
        bits = (1 << game for game, side in enumerate(winners[: layout.GAMES]) if side == "h")
        packed[layout.WINNERS + number] = sum(bits)
    counted = state.serve_points
    packed[layout.SERVE_POINTS : layout.SERVE_POINTS + 4] = (
        (-1, -1, -1, -1)
        if counted is None
        else (counted.home_won, counted.home_lost, counted.away_won, counted.away_lost)
    )
    return packed


def form_nodes() -> Floats:
    """Return the days that stand for all: form in standard deviations, and log of the chance."""
    forms, weights = np.polynomial.hermite_e.hermegauss(layout.FORM_NODES)
    return np.ascontiguousarray(np.stack((forms, np.log(weights / weights.sum())), axis=1))


_NODES: Final = form_nodes()


class _Compiled:
    """Markets compiled to terms, with the kernel's scratch."""

    def __init__(self, rules: Sequence[TennisRules]) -> None:
        terms: list[tuple[int, int, int]] = []
        self._slices: list[tuple[TennisRules, int, int]] = []
        outcome = 0
        for market in rules:
            first = outcome
            for line in market.lines:
                terms += line_terms(line, outcome, market.span.place)
                idle = idle_line(market.span)
                if market.span.idle:
                    terms.append((idle.low, idle.high, CHANCES * outcome + PUSH))
                outcome += 1
            self._slices.append((market, first, outcome))
        self._terms: Ints = np.array(terms, np.int64).reshape(-1, TERM_COLUMNS)
        self._scratch: Final = (
            np.zeros((layout.FORM_NODES, 2)),
            np.zeros((layout.POINTS_SIZE, layout.POINTS_SIZE)),
            np.zeros((7, 7)),
            np.zeros((layout.KINDS, 2, layout.ENDS)),
            np.zeros((layout.KINDS, 2, layout.GAMES, 2)),
            np.zeros((layout.STATES + 1, layout.SUMS)),
            np.zeros(layout.STATES + 1),
            np.zeros(layout.FEATURES),
        )
        self._fair: Floats = np.zeros(outcome)

    def price(self, model: TennisModel, state: TennisState, chances: Floats) -> None:
        """Fill the chances of every outcome; markets of another match format get zeros."""
        price_tennis_nb(
            pack_model(model),
            pack_state(state),
            self._terms,
            _NODES,
            *self._scratch,
            chances.reshape(-1),
            self._fair,
        )
        for market, first, last in self._slices:
            if market.best_of not in (0, state.best_of):
                chances[first:last] = 0.0


_EVEN: Final = TennisModel(home_serve=0.5, away_serve=0.5, form_sd=0.0)
"""Under this model every score that can still occur has a chance above `CERTAINTY_SLACK`."""
_REFUND: Final = OutcomeResult(won=False, void_halves=2)
_WON: Final = OutcomeResult(won=True)
_LOST: Final = OutcomeResult(won=False)
_RESULTS: Final = (
    _WON,
    OutcomeResult(won=True, void_halves=1),
    _REFUND,
    OutcomeResult(won=False, void_halves=1),
)
"""The result of an outcome when one of its chances is certain, by column of the chances."""


class Tennis:
    """Tennis, best of three or five sets."""

    name: Final = "tennis"
    model_type: Final = TennisModel
    state_type: Final = TennisState
    market_types: Final[Mapping[str, int | None]] = {
        name: row.uof_id for name, row in TENNIS_TYPES.items()
    }

    def market(
        self, market_type: str, specifiers: Specifiers, names: Names | None = None
    ) -> SportMarket:
        """Return a market's definition; its type fixes the outcomes."""
        del names
        rules = tennis_rules(market_type, specifiers)
        return SportMarket(rules.names, 1, rules)

    def pricer(self, markets: Sequence[SportMarket]) -> Pricer:
        """Compile markets for the tennis kernel."""
        return _Compiled([market.rules for market in markets]).price

    def results(self, market: SportMarket, state: TennisState) -> Results | None:
        """Settle a market that no further point can change, or that a retirement has ended.

        Markets on a set or a game that will not be played are refunded. A retirement refunds the
        undecided markets, except the match winner where the house rule lets it stand.
        """
        rules: TennisRules = market.rules
        if rules.best_of not in (0, state.best_of):
            return None
        chances = np.zeros((len(market.outcomes), CHANCES))
        _Compiled([rules]).price(_EVEN, state, chances)
        results = tuple(_certain_result(row) for row in chances.tolist())
        if rules.game_no and not chances.any():
            return None
        if None not in results:
            return tuple(result for result in results if result is not None)
        if state.retired is None:
            return None
        if rules == _WINNER and len(state.sets) >= state.winner_stands_after_sets < layout.SETS:
            return (_LOST, _WON) if state.retired == "home" else (_WON, _LOST)
        return (_REFUND,) * len(results)


def _certain_result(chances: Sequence[float]) -> OutcomeResult | None:
    """Return an outcome's result if its chances leave only one, else None."""
    for chance, result in zip(chances, _RESULTS, strict=True):
        if chance >= 1.0 - CERTAINTY_SLACK:
            return result
    return _LOST if sum(chances) <= CERTAINTY_SLACK else None


_WINNER: Final = tennis_rules("winner", ())
SPORT: Final = Tennis()
