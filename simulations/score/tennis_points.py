"""Read tennis matches point by point, and give each the odds that the matches before it say.

Owns the layout of the public files (``points`` of a match: S and A won by the server, R and D lost,
``;`` ends a game, ``.`` a set) and names every row that it passes over. Such files hold no odds, so
every match gets those of serve and return strengths that earlier matches taught. Never prices a
board.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from engine.pricing.sport import SportBoard
from engine.pricing.tennis.calibration import MEAN_MAX, MEAN_MIN, SERVE_MEAN
from engine.pricing.tennis.sport import Side, TennisModel, TennisState
from simulations.score.tennis import TennisMatch

ROWS_MAX: Final = 1_000_000
"""Most rows read from one file."""
WARM_UP: Final = 500
"""Matches from which strengths are learnt before any is scored."""
_COLUMNS: Final = ("date", "server1", "server2", "winner", "points")
_DATE: Final = "%d %b %y"
_STEP_FIRST: Final = 0.15
_STEP_LEAST: Final = 0.06
"""How much of a match's surprise goes to each strength: falling with the matches known."""
_SPREAD: Final = 0.6
"""Differences of learnt strengths are this much too wide."""
_DIFFERENCE_MAX: Final = 0.25
_MEAN_WEIGHT: Final = 50.0
"""Matches that the first mean of the serves counts for."""


class PointsError(ValueError):
    """A file is not in the layout of matches point by point."""


class PlayedMatch(NamedTuple):
    """A match as it was played: the players, home first, and the states after each set."""

    name: str
    at: datetime
    players: tuple[str, str]
    after_sets: tuple[TennisState, ...]


class PlayedMatches(NamedTuple):
    """The matches of a file, and why rows were passed over."""

    matches: tuple[PlayedMatch, ...]
    passed_over: tuple[str, ...]


def read_points(path: Path) -> PlayedMatches:
    """Read a file of matches point by point.

    Home is the first of the two players by name, so that either side serves first as often.

    Raises
    ------
    PointsError
        When a column is missing or the file has more than ``ROWS_MAX`` rows.
    """
    matches: list[PlayedMatch] = []
    passed_over: list[str] = []
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise PointsError(f"{path.name}: no column {', '.join(missing)}")
        for number, row in enumerate(rows, start=2):
            if number > ROWS_MAX + 1:
                raise PointsError(f"{path.name}: more than {ROWS_MAX} rows")
            try:
                matches.append(_match(row, f"{path.name}:{number}"))
            except ValueError as error:
                passed_over.append(f"{path.name}:{number}: {error}")
    return PlayedMatches(tuple(matches), tuple(passed_over))


def _match(row: dict[str, str], name: str) -> PlayedMatch:
    """Return a row's match, or raise ValueError naming what does not fit."""
    at = datetime.strptime(row["date"] or "", _DATE).replace(tzinfo=UTC)
    players = (row["server1"] or "", row["server2"] or "")
    first: Side = "home" if players[0] <= players[1] else "away"
    formats = (TennisState(best_of=3, serving=first), TennisState(best_of=5, serving=first))
    played = (_played(row["points"] or "", start) for start in formats)
    after_sets = next((states for states in played if states is not None), None)
    if after_sets is None:
        raise ValueError("points: no whole match of three or five sets")
    home_sets = sum(score.home > score.away for score in after_sets[-1].sets)
    first_won = (2 * home_sets > len(after_sets)) == (first == "home")
    if row["winner"] != ("1" if first_won else "2"):
        raise ValueError("winner: not who won the last point")
    home, away = sorted(players)
    return PlayedMatch(name, at, (home, away), after_sets)


def _played(points: str, state: TennisState) -> tuple[TennisState, ...] | None:
    """Return the states after each set, or None where the points are no whole match."""
    after_sets: list[TennisState] = []
    for letter in points:
        if letter in ";./":
            continue
        server = state.serving
        if state.over or server is None or letter not in "SARD":
            return None
        other: Side = "away" if server == "home" else "home"
        state = state.point(to=server if letter in "SA" else other)
        if len(state.sets) > len(after_sets):
            after_sets.append(state)
    return tuple(after_sets) if state.over else None


class _Player:
    __slots__ = ("matches", "receive", "serve")

    def __init__(self) -> None:
        self.matches, self.serve, self.receive = 0, 0.0, 0.0


def with_odds(matches: Iterable[PlayedMatch], *, warm_up: int = WARM_UP) -> Iterator[TennisMatch]:
    """Yield matches in the order of time with fair odds of the winner from those before.

    The first `warm_up` matches teach and are not yielded. A point on serve is won with the mean of
    all serves, plus the server's strength, less the receiver's.
    """
    board = SportBoard("tennis", ["m/winner"])
    players: dict[str, _Player] = {}
    mean, known = SERVE_MEAN, _MEAN_WEIGHT
    for number, match in enumerate(sorted(matches, key=lambda match: match.at)):
        home, away = (players.setdefault(name, _Player()) for name in match.players)
        said = (mean + home.serve - away.receive, mean + away.serve - home.receive)
        if number >= warm_up:
            yield _offered(match, board, said, mean)
        shares = _serve_shares(match.after_sets[-1])
        step = max(_STEP_LEAST, _STEP_FIRST / (1.0 + min(home.matches, away.matches) / 2.0))
        for server, receiver, share, expected in zip(
            (home, away), (away, home), shares, said, strict=True
        ):
            server.serve += step * (share - expected)
            receiver.receive -= step * (share - expected)
            server.matches += 1
        known += 1.0
        mean += (sum(shares) / 2.0 - mean) / known


def _offered(
    match: PlayedMatch, board: SportBoard, said: Sequence[float], mean: float
) -> TennisMatch:
    """Return a match at the fair odds of its winner, with the mean of all serves."""
    half = _SPREAD * min(max(said[0] - said[1], -_DIFFERENCE_MAX), _DIFFERENCE_MAX) / 2.0
    kept = min(max(mean, MEAN_MIN), MEAN_MAX)
    start = TennisState(best_of=match.after_sets[0].best_of)
    model = TennisModel(home_serve=kept + half, away_serve=kept - half, form_sd=0.0)
    home, away = (float(chance) for chance in board.fair(model, start))
    return TennisMatch(match.name, (1.0 / home, 1.0 / away), None, kept, start, match.after_sets)


def _serve_shares(state: TennisState) -> tuple[float, float]:
    """Return the shares of points that home and away won on their own serves."""
    counted = state.serve_points
    assert counted is not None, "points are counted from the start"
    return (
        counted.home_won / (counted.home_won + counted.home_lost),
        counted.away_won / (counted.away_won + counted.away_lost),
    )
