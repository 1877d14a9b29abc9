"""Kernels from points to games, tie-breaks and sets of tennis.

Points are independent and have one chance on each side's serve (Barnett and Clarke 2005, Newton
and Keller 2005). Owns what a game, a tie-break and a set come to from any score; never knows a
match or a market.
"""

from typing import Any, Final

from engine.common.jit import kernel
from engine.pricing.tennis.layout import (
    ADVANTAGE,
    ENDS,
    GAMES,
    LONG,
    POINTS_SIZE,
    SHORT_ENDS,
)

_NOTHING: Final = 1e-18


@kernel()
def game_nb(table: Any, serve: float, own: int, other: int) -> float:
    """Return the chance that the server wins a game from some points (4 is the advantage).

    From deuce it is ``p^2 / (p^2 + q^2)``: two points in a row, before the other has two.
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
            won = 1.0 if i == 3 else table[i + 1, j]
            gone = 0.0 if j == 3 else table[i, j + 1]
            table[i, j] = serve * won + lost * gone
    return float(table[own, other])


@kernel()
def point_nb(first: int, played: int, home_serve: float, away_serve: float) -> float:
    """Return the chance that home wins a tie-break's next point: one serve, then two each."""
    turn = played % 4
    server = first if turn == 0 or turn == 3 else 1 - first
    return home_serve if server == 0 else 1.0 - away_serve


@kernel()
def tiebreak_nb(
    table: Any, to: int, first: int, home: int, away: int, home_serve: float, away_serve: float
) -> float:
    """Return the chance that home wins a tie-break to so many points from some score.

    From any level score near the end each side serves once in the next two points, so it is
    ``w / (w + l)`` with the chances to win and to lose both.
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
            won = 1.0 if i == last else table[i + 1, j]
            gone = 0.0 if j == last else table[i, j + 1]
            chance = point_nb(first, i + j, home_serve, away_serve)
            table[i, j] = chance * won + (1.0 - chance) * gone
    return float(table[home, away])


@kernel()
def end_nb(home: int, away: int) -> int:
    """Return the row of a set that ended at a score; scores too long share the last ones."""
    lost = min(home, away)
    if lost > 6 or max(home, away) > 7:
        row = SHORT_ENDS + 2 * min(lost - 6, LONG - 1)
        return row if home > away else row + 1
    return lost if home > away else lost + 7


@kernel()
def won_nb(row: int) -> int:
    """Return the games of the side that won a set of a row."""
    if row >= SHORT_ENDS:
        return 8 + (row - SHORT_ENDS) // 2
    lost = row % 7
    return 6 if lost < 5 else 7


@kernel()
def lost_nb(row: int) -> int:
    """Return the games of the side that lost a set of a row."""
    if row >= SHORT_ENDS:
        return 6 + (row - SHORT_ENDS) // 2
    return row % 7


@kernel()
def home_won_nb(row: int) -> bool:
    """Say whether home won a set of a row."""
    return row % 2 == 0 if row >= SHORT_ENDS else row < 7


@kernel()
def advantage_nb(
    ends: Any, games: Any, mass: float, home: int, away: int, first: int,
    now: float, home_game: float, away_game: float,
) -> None:  # fmt: skip
    """Fill how a set goes on past six games all until a side is two ahead.

    `now` is the chance that home wins the game being played, `home_game` and `away_game` those of
    a fresh one on either serve.
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
        scale = 1.0 / (both + none) if level - 6 >= LONG - 1 or mass < _NOTHING else 1.0
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
    """Fill how a set ends and who wins each of its games, from a score in games.

    Parameters
    ----------
    ends : float64[ENDS]
        Out: the chance of each end.
    games : float64[GAMES, 2]
        Out: the chances that a game is played and won by home, and by away.
    reach : float64[7, 7]
        Scratch.
    how : int
        What happens at six games all.
    home, away : int
        Games so far.
    first : int
        Who served first in the set.
    now : float
        The chance that home wins the game (or tie-break) being played.
    home_game, away_game : float
        The chance that home wins a fresh game on home's serve, and on away's.
    tiebreak : float
        The chance that home wins a fresh tie-break.
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


assert POINTS_SIZE >= 10, "a tie-break to ten fits the table"
assert ENDS == SHORT_ENDS + 2 * LONG, "ends lie end to end"
