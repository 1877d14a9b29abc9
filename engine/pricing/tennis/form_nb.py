"""Weigh the forms of the day by what has been played: the kernels.

Half the difference of the two serves is normal about that of the model and drawn once a match: the
form of the day. A few days stand for all (Gauss-Hermite nodes). Owns the serves of a day and its
chance given the score; never knows a market, and never adds up a match.

Where the state counts points by server, their chance is exact: each next point multiplies it by
that point's own chance, so that prices are the mean of their own future. Otherwise a day's chance
to reach the score stands for it: each finished set's score, the games of the set being played, and
its points.
"""

from math import exp, log
from typing import Any, Final

from engine.common.jit import kernel
from engine.pricing.tennis.layout import (
    ADVANTAGE,
    AWAY_SERVE,
    BEST_OF,
    FINAL_SET,
    FINISHED,
    FIRST_SERVER,
    FORM_NODES,
    FORM_SD,
    FRESH,
    HOME_SERVE,
    NODE_FORM,
    NODE_LOG_WEIGHT,
    POINTS,
    SCORES,
    SERVE_MAX,
    SERVE_MIN,
    SERVE_POINTS,
    TIEBREAK_7,
    UNKNOWN,
)
from engine.pricing.tennis.set_nb import end_nb, game_nb, set_nb, tiebreak_nb

_CHANCE_MIN: Final = 1e-300
"""A day on which a score cannot be reached counts as one with this chance."""


@kernel()
def nodes_nb(model: Any) -> int:
    """Return how many days stand for all: one where the form does not vary."""
    return FORM_NODES if model[FORM_SD] > 0.0 else 1


@kernel()
def serves_nb(model: Any, nodes: Any, node: int) -> tuple[float, float]:
    """Return both serves of one day, each kept within its bounds."""
    form = model[FORM_SD] * nodes[node, NODE_FORM] if model[FORM_SD] > 0.0 else 0.0
    return (
        min(max(model[HOME_SERVE] + form, SERVE_MIN), SERVE_MAX),
        min(max(model[AWAY_SERVE] - form, SERVE_MIN), SERVE_MAX),
    )


@kernel()
def counted_nb(state: Any, home_serve: float, away_serve: float) -> float:
    """Return the log of the chance of the points played, counted by server."""
    return float(
        state[SERVE_POINTS] * log(home_serve)
        + state[SERVE_POINTS + 1] * log(1.0 - home_serve)
        + state[SERVE_POINTS + 2] * log(away_serve)
        + state[SERVE_POINTS + 3] * log(1.0 - away_serve)
    )


@kernel()
def reach_nb(
    reach: Any, how: int, home: int, away: int, first: int, home_game: float, away_game: float
) -> float:
    """Return the chance that a set comes to a score in games at which it is not over."""
    top_home, top_away = min(home, 6), min(away, 6)
    for i in range(top_home + 1):
        for j in range(top_away + 1):
            mass = 1.0 if i == 0 and j == 0 else 0.0
            if i > 0 and not (j == 6 and i <= 5):
                chance = home_game if (i - 1 + j + first) % 2 == 0 else away_game
                mass += reach[i - 1, j] * chance
            if j > 0 and not (i == 6 and j <= 5):
                chance = home_game if (i + j - 1 + first) % 2 == 0 else away_game
                mass += reach[i, j - 1] * (1.0 - chance)
            if max(i, j) == 6 and min(i, j) <= 4:
                mass = 0.0
            reach[i, j] = mass
    if max(home, away) <= 6 or how != ADVANTAGE:
        return float(reach[top_home, top_away])
    level = min(home, away)
    chance = home_game if first == 0 else away_game
    other = away_game if first == 0 else home_game
    again = chance * (1.0 - other) + (1.0 - chance) * other
    mass = reach[6, 6] * again ** (level - 6)
    if home == away:
        return float(mass)
    return float(mass * (chance if home > away else 1.0 - chance))


@kernel()
def points_nb(
    state: Any, how: int, first: int, home: int, away: int, home_serve: float, away_serve: float
) -> float:
    """Return the log of the chance of the points of the game being played.

    `home` and `away` are the games of the set. A tie-break's points count by their mean chance.
    """
    home_points, away_points = state[POINTS], state[POINTS + 1]
    played = home_points + away_points
    if played == 0:
        return 0.0
    if home == 6 and away == 6 and how != ADVANTAGE:
        own = 0
        for point in range(played):
            turn = point % 4
            own += 1 if (turn == 0 or turn == 3) == (first == 0) else 0
        chance = (own * home_serve + (played - own) * (1.0 - away_serve)) / played
    else:
        chance = home_serve if (home + away + first) % 2 == 0 else 1.0 - away_serve
    return float(home_points * log(chance) + away_points * log(1.0 - chance))


@kernel()
def scored_nb(
    state: Any, first: int, home_serve: float, away_serve: float, table: Any, reach: Any,
    ends: Any, games: Any,
) -> float:  # fmt: skip
    """Return the log of the chance of the score, where points are not counted by server.

    `first` is the side that served first in the set being played. The first servers of the sets
    before follow from it, since a set of an odd number of games changes who serves first.
    """
    finished = state[FINISHED]
    home_game = game_nb(table, home_serve, 0, 0)
    away_game = 1.0 - game_nb(table, away_serve, 0, 0)
    sum_log = 0.0
    begun = first
    if finished > 0:
        for side in range(2):
            set_nb(
                ends[FRESH, side], games[FRESH, side], reach, TIEBREAK_7, 0, 0, side,
                home_game if side == 0 else away_game, home_game, away_game,
                tiebreak_nb(table, 7, side, 0, 0, home_serve, away_serve),
            )  # fmt: skip
    for number in range(finished - 1, -1, -1):
        home, away = state[SCORES + 2 * number], state[SCORES + 2 * number + 1]
        begun = begun if (home + away) % 2 == 0 else 1 - begun
        sum_log += log(max(ends[FRESH, begun, end_nb(home, away)], _CHANCE_MIN))
    home, away = state[SCORES + 2 * finished], state[SCORES + 2 * finished + 1]
    how = state[FINAL_SET] if finished == state[BEST_OF] - 1 else TIEBREAK_7
    chance = reach_nb(reach, how, home, away, first, home_game, away_game)
    sum_log += log(max(chance, _CHANCE_MIN))
    return sum_log + points_nb(state, how, first, home, away, home_serve, away_serve)


@kernel()
def weigh_nb(
    model: Any, state: Any, nodes: Any, weights: Any, table: Any, reach: Any, ends: Any, games: Any
) -> None:
    """Fill the chance of each day and of the side that served first in the set being played.

    A server who is not known is either side with a chance of one half, whatever has been played.
    """
    count = nodes_nb(model)
    counted = state[SERVE_POINTS] >= 0
    for first in range(2):
        server = state[FIRST_SERVER]
        mass = 0.5 if server == UNKNOWN else 1.0 if server == first else 0.0
        if mass == 0.0 or count == 1:
            weights[:count, first] = mass
            continue
        highest = 0.0
        for node in range(count):
            home_serve, away_serve = serves_nb(model, nodes, node)
            played = (
                counted_nb(state, home_serve, away_serve)
                if counted
                else scored_nb(
                    state, first, home_serve, away_serve, table, reach, ends, games
                )
            )  # fmt: skip
            weights[node, first] = played + nodes[node, NODE_LOG_WEIGHT]
            highest = weights[node, first] if node == 0 else max(highest, weights[node, first])
        total = 0.0
        for node in range(count):
            weights[node, first] = exp(weights[node, first] - highest)
            total += weights[node, first]
        for node in range(count):
            weights[node, first] *= mass / total
