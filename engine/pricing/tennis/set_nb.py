"""Compute the chances of games, tie-breaks and sets of tennis from two serves: the kernels.

Points are independent, with one probability on each side's serve (Barnett and Clarke 2005, Newton
and Keller 2005). Owns the chances from any score of a game, a tie-break or a set, and the kinds of
set that a match still has; never adds up a match and never knows a market.
"""

from typing import Any, Final

from engine.common.jit import kernel
from engine.pricing.tennis.layout import (
    ADVANTAGE,
    BEST_OF,
    CURRENT,
    ENDS,
    FINAL,
    FINAL_SET,
    FINISHED,
    GAMES,
    LONG,
    POINTS,
    POINTS_SIZE,
    SCORES,
    SHORT_ENDS,
    TIEBREAK_7,
    TIEBREAK_10,
)

_MASS_MIN: Final = 1e-18
"""Below this probability an advantage set's remaining scores are not computed one by one."""


@kernel()
def game_nb(table: Any, serve: float, own: int, other: int) -> float:
    """Return the chance that the server wins a game from a score (4 against 3 is the advantage).

    From deuce it is ``p^2 / (p^2 + q^2)``: two points in a row before the receiver wins two in a
    row. `own` and `other` are the points of server and receiver.
    """
    lost = 1.0 - serve
    deuce = serve * serve / (serve * serve + lost * lost)
    if own >= 3 and other >= 3:
        if own == other:
            return deuce
        return serve + lost * deuce if own > other else serve * deuce
    for i in range(3, own - 1, -1):
        for j in range(3, other - 1, -1):
            if i == 3 and j == 3:
                table[i, j] = deuce
                continue
            after_win = 1.0 if i == 3 else table[i + 1, j]
            after_loss = 0.0 if j == 3 else table[i, j + 1]
            table[i, j] = serve * after_win + lost * after_loss
    return float(table[own, other])


@kernel()
def point_nb(first: int, played: int, home_serve: float, away_serve: float) -> float:
    """Return the chance that home wins a tie-break's next point.

    `first` serves one point, then the sides serve two points each in turn.
    """
    turn = played % 4
    server = first if turn == 0 or turn == 3 else 1 - first
    return home_serve if server == 0 else 1.0 - away_serve


@kernel()
def tiebreak_nb(
    table: Any, to: int, first: int, home: int, away: int, home_serve: float, away_serve: float
) -> float:
    """Return the chance that home wins a tie-break to `to` points from a score.

    From a level score of at least ``to - 1`` each side serves one of the next two points, so the
    chance is ``w / (w + l)`` with the chances w and l to win and to lose both.
    """
    both = home_serve * (1.0 - away_serve)
    none = (1.0 - home_serve) * away_serve
    level = both / (both + none)
    last = to - 1
    if home >= last and away >= last:
        if home == away:
            return level
        chance = point_nb(first, home + away, home_serve, away_serve)
        return chance + (1.0 - chance) * level if home > away else chance * level
    for i in range(last, home - 1, -1):
        for j in range(last, away - 1, -1):
            if i == last and j == last:
                table[i, j] = level
                continue
            after_win = 1.0 if i == last else table[i + 1, j]
            after_loss = 0.0 if j == last else table[i, j + 1]
            chance = point_nb(first, i + j, home_serve, away_serve)
            table[i, j] = chance * after_win + (1.0 - chance) * after_loss
    return float(table[home, away])


@kernel()
def end_nb(home: int, away: int) -> int:
    """Return the row of a set's final score; scores beyond the layout share the last rows."""
    lost = min(home, away)
    if lost > 6 or max(home, away) > 7:
        row = SHORT_ENDS + 2 * min(lost - 6, LONG - 1)
        return row if home > away else row + 1
    return lost if home > away else lost + 7


@kernel()
def won_nb(row: int) -> int:
    """Return the winner's games in the final score of a row."""
    if row >= SHORT_ENDS:
        return 8 + (row - SHORT_ENDS) // 2
    lost = row % 7
    return 6 if lost < 5 else 7


@kernel()
def lost_nb(row: int) -> int:
    """Return the loser's games in the final score of a row."""
    if row >= SHORT_ENDS:
        return 6 + (row - SHORT_ENDS) // 2
    return row % 7


@kernel()
def home_won_nb(row: int) -> bool:
    """Return whether home won the set in the final score of a row."""
    return row % 2 == 0 if row >= SHORT_ENDS else row < 7


@kernel()
def advantage_nb(
    ends: Any, games: Any, mass: float, home: int, away: int, first: int,
    now: float, home_game: float, away_game: float,
) -> None:  # fmt: skip
    """Add the ends of an advantage set from six games all on, until a side is two games ahead.

    `mass` is the chance of the score ``home:away``, `now` the chance that home wins the game being
    played; `home_game` and `away_game` are home's chances in a game that begins on either serve.
    """
    level = min(home, away)
    chance = now
    if home != away:
        won = chance if home > away else 1.0 - chance
        score = end_nb(level + 2, level) if home > away else end_nb(level, level + 2)
        ends[score] += mass * won
        mass *= 1.0 - won
        level += 1
        chance = home_game if first == 0 else away_game
    other = away_game if first == 0 else home_game
    while mass > 0.0:
        if level == 6:
            games[GAMES - 1, 0] += mass * chance
            games[GAMES - 1, 1] += mass * (1.0 - chance)
        both = chance * other
        none = (1.0 - chance) * (1.0 - other)
        scale = 1.0 / (both + none) if level - 6 >= LONG - 1 or mass < _MASS_MIN else 1.0
        ends[end_nb(level + 2, level)] += mass * both * scale
        ends[end_nb(level, level + 2)] += mass * none * scale
        mass = mass * (1.0 - both - none) if scale == 1.0 else 0.0
        level += 1
        chance = home_game if first == 0 else away_game


@kernel()
def set_nb(
    ends: Any, games: Any, reach: Any, how: int, home: int, away: int, first: int,
    now: float, home_game: float, away_game: float, tiebreak: float,
) -> None:  # fmt: skip
    """Fill the chances of a set's final scores and of who wins each game, from a score in games.

    Parameters
    ----------
    ends : float64[ENDS]
        Out: the chance of each final score, by row.
    games : float64[GAMES, 2]
        Out: the chances that a game is played and won by home, and by away.
    reach : float64[7, 7]
        Scratch.
    how : int
        What decides the set at six games all: TIEBREAK_7, TIEBREAK_10 or ADVANTAGE.
    home, away : int
        Games so far.
    first : int
        The side that served first in the set.
    now : float
        The chance that home wins the game (or tie-break) being played.
    home_game, away_game : float
        The chance that home wins a game that begins on home's serve, and on away's.
    tiebreak : float
        The chance that home wins a tie-break from its start.
    """
    ends[:] = 0.0
    games[:, :] = 0.0
    if home >= 6 and away >= 6 and how == ADVANTAGE:
        advantage_nb(ends, games, 1.0, home, away, first, now, home_game, away_game)
        return
    reach[:, :] = 0.0
    reach[home, away] = 1.0
    for played in range(home + away, 12):
        fresh = home_game if (played + first) % 2 == 0 else away_game
        for i in range(max(home, played - 6), min(played - away, 6) + 1):
            j = played - i
            mass = reach[i, j]
            if mass == 0.0:
                continue
            chance = now if i == home and j == away else fresh
            games[played, 0] += mass * chance
            games[played, 1] += mass * (1.0 - chance)
            if (i == 5 and j <= 4) or (i == 6 and j == 5):
                ends[end_nb(i + 1, j)] += mass * chance
            else:
                reach[i + 1, j] += mass * chance
            if (j == 5 and i <= 4) or (j == 6 and i == 5):
                ends[end_nb(i, j + 1)] += mass * (1.0 - chance)
            else:
                reach[i, j + 1] += mass * (1.0 - chance)
    mass = reach[6, 6]
    begun = home == 6 and away == 6
    if how == ADVANTAGE:
        chance = home_game if first == 0 else away_game
        advantage_nb(ends, games, mass, 6, 6, first, chance, home_game, away_game)
        return
    chance = now if begun else tiebreak
    games[GAMES - 1, 0] += mass * chance
    games[GAMES - 1, 1] += mass * (1.0 - chance)
    ends[end_nb(7, 6)] += mass * chance
    ends[end_nb(6, 7)] += mass * (1.0 - chance)


@kernel()
def kinds_nb(
    home_serve: float, away_serve: float, state: Any, table: Any, reach: Any, ends: Any,
    games: Any,
) -> None:  # fmt: skip
    """Fill final scores and game winners of each kind of set, by first server."""
    number = state[FINISHED]
    home = state[SCORES + 2 * number]
    away = state[SCORES + 2 * number + 1]
    home_points, away_points = state[POINTS], state[POINTS + 1]
    home_game = game_nb(table, home_serve, 0, 0)
    away_game = 1.0 - game_nb(table, away_serve, 0, 0)
    final = state[BEST_OF] - 1
    for first in range(2):
        for kind in range(3):
            at_last = kind == FINAL or (kind == CURRENT and number == final)
            how = state[FINAL_SET] if at_last else TIEBREAK_7
            to = 10 if how == TIEBREAK_10 else 7
            tiebreak = tiebreak_nb(table, to, first, 0, 0, home_serve, away_serve)
            if kind != CURRENT:
                set_nb(
                    ends[kind, first], games[kind, first], reach, how, 0, 0, first,
                    home_game if first == 0 else away_game, home_game, away_game, tiebreak,
                )  # fmt: skip
                continue
            if home == 6 and away == 6 and how != ADVANTAGE:
                now = tiebreak_nb(
                    table, to, first, home_points, away_points, home_serve, away_serve
                )
            elif (home + away + first) % 2 == 0:
                now = game_nb(table, home_serve, home_points, away_points)
            else:
                now = 1.0 - game_nb(table, away_serve, away_points, home_points)
            set_nb(
                ends[kind, first], games[kind, first], reach, how, home, away, first,
                now, home_game, away_game, tiebreak,
            )  # fmt: skip


assert POINTS_SIZE >= 10, "the table must hold a tie-break to ten"
assert ENDS == SHORT_ENDS + 2 * LONG, "rows of final scores must be contiguous"
