"""Price every outcome of a tennis board from a model and a score: the kernels.

Owns the computation in order: for each form of the day the match set by set with the games won so
far, then the outcomes from the sum over all forms. form_nb.py weighs the forms by what has been
played. Never allocates, never validates (tennis/sport.py does), and never knows
a market by name.
"""

from typing import Any

import numpy as np
from numba import float64, int64, void

from engine.common.jit import kernel
from engine.pricing.fair_probabilities_nb import gather_nb
from engine.pricing.tennis.form_nb import nodes_nb, serves_nb, weigh_nb
from engine.pricing.tennis.layout import (
    ADVANTAGE,
    AWAY_AT,
    BEST_OF,
    CELLS,
    CURRENT,
    ENDS,
    FINAL,
    FINAL_SET,
    FINISHED,
    FRESH,
    GAMES,
    HOME_AT,
    IN_SET_CELL,
    IN_SET_GAMES,
    IN_SET_MARGIN,
    IN_SET_PARITY,
    IN_SET_TIEBREAK,
    IN_SET_TOTAL,
    IN_SET_WINNER,
    MARGIN_AT,
    MARGIN_FIRST,
    MARGIN_SIZE,
    MATCH_BLOCK,
    OVER,
    PARITY_AT,
    REACH_GAMES,
    SCORES,
    SET_BLOCK,
    SET_CELLS,
    SET_MARGIN_AT,
    SET_TOTAL_AT,
    SETS,
    SETS_AT,
    SHORT_ENDS,
    SIDE_SIZE,
    SUM_AWAY,
    SUM_HOME,
    SUM_MARGIN,
    TOTAL_AT,
    TOTAL_SIZE,
    WINNERS,
)
from engine.pricing.tennis.set_nb import home_won_nb, kinds_nb, lost_nb, won_nb


@kernel()
def cumulate_nb(features: Any, at: int, size: int) -> None:
    """Make an axis cumulative; the chance of value k is at ``at + 1 + k`` before the call."""
    features[at] = 0.0
    for k in range(at + 1, at + size + 1):
        features[k] += features[k - 1]


@kernel()
def put_end_nb(features: Any, at: int, home: int, away: int, mass: float) -> None:
    """Add the chance `mass` that a set ends at a score to the set's axes."""
    long = max(home, away) >= CELLS
    features[at + IN_SET_WINNER + 1 + (0 if home > away else 1)] += mass
    features[at + IN_SET_TOTAL + 1 + home + away] += mass
    features[at + IN_SET_MARGIN + 1 + home - away - MARGIN_FIRST] += mass
    features[at + IN_SET_CELL + 1 + (CELLS * CELLS if long else CELLS * home + away)] += mass
    features[at + IN_SET_PARITY + 1 + (home + away) % 2] += mass
    features[at + IN_SET_TIEBREAK + 1 + (1 if home + away == 13 else 0)] += mass


@kernel()
def close_set_nb(features: Any, at: int, idle: float) -> None:
    """Make a set's axes cumulative, with the chance `idle` that it is not played as last value."""
    for k in range(6):
        if k == 0:
            axis, size = IN_SET_WINNER, 2
        elif k == 1:
            axis, size = IN_SET_TOTAL, TOTAL_SIZE
        elif k == 2:
            axis, size = IN_SET_MARGIN, MARGIN_SIZE
        elif k == 3:
            axis, size = IN_SET_CELL, CELLS * CELLS + 1
        elif k == 4:
            axis, size = IN_SET_PARITY, 2
        else:
            axis, size = IN_SET_TIEBREAK, 2
        cumulate_nb(features, at + axis, size)
        features[at + axis + size + 1] = features[at + axis + size] + idle
    for game in range(GAMES):
        axis = at + IN_SET_GAMES + 4 * game
        cumulate_nb(features, axis, 2)
        features[axis + 3] += features[axis + 2]


@kernel()
def past_set_nb(features: Any, state: Any, number: int) -> None:
    """Fill the block of a finished set; a game whose winner is not known keeps chances of 0."""
    at = MATCH_BLOCK + SET_BLOCK * number
    home = state[SCORES + 2 * number]
    away = state[SCORES + 2 * number + 1]
    put_end_nb(features, at, home, away, 1.0)
    past_games_nb(features, state, number)
    for game in range(min(home + away, GAMES), GAMES):
        features[at + IN_SET_GAMES + 4 * game + 3] = 1.0
    close_set_nb(features, at, 0.0)


@kernel()
def past_games_nb(features: Any, state: Any, number: int) -> None:
    """Fill the winners of a set's finished games, where they are known."""
    at = MATCH_BLOCK + SET_BLOCK * number + IN_SET_GAMES
    winners = state[WINNERS + number]
    played = state[SCORES + 2 * number] + state[SCORES + 2 * number + 1]
    for game in range(min(played, GAMES)):
        if winners >= 0:
            home = (winners >> game) & 1
            features[at + 4 * game + 2 - home] = 1.0


@kernel()
def coming_set_nb(
    features: Any, state: Any, number: int, ends: Any, games: Any, home_first: float,
    away_first: float,
) -> None:  # fmt: skip
    """Add to the block of an unfinished set, from the chances that home or away serves first."""
    at = MATCH_BLOCK + SET_BLOCK * number
    for row in range(rows_nb(state)):
        mass = home_first * ends[0, row] + away_first * ends[1, row]
        if mass > 0.0:
            won, lost = won_nb(row), lost_nb(row)
            if home_won_nb(row):
                put_end_nb(features, at, won, lost, mass)
            else:
                put_end_nb(features, at, lost, won, mass)
    for game in range(begun_nb(state, number), GAMES):
        axis = at + IN_SET_GAMES + 4 * game
        features[axis + 1] += home_first * games[0, game, 0] + away_first * games[1, game, 0]
        features[axis + 2] += home_first * games[0, game, 1] + away_first * games[1, game, 1]


@kernel()
def rows_nb(state: Any) -> int:
    """Return how many rows of final scores the sets of a match can end with."""
    return ENDS if state[FINAL_SET] == ADVANTAGE else SHORT_ENDS


@kernel()
def begun_nb(state: Any, number: int) -> int:
    """Return how many of a set's games that markets can refer to are finished."""
    if number != state[FINISHED]:
        return 0
    return min(int(state[SCORES + 2 * number] + state[SCORES + 2 * number + 1]), GAMES)


@kernel()
def close_coming_set_nb(features: Any, state: Any, number: int) -> None:
    """Close the block of an unfinished set, whose chances have been added for all days."""
    at = MATCH_BLOCK + SET_BLOCK * number
    played = features[at + IN_SET_WINNER + 1] + features[at + IN_SET_WINNER + 2]
    for game in range(begun_nb(state, number), GAMES):
        axis = at + IN_SET_GAMES + 4 * game
        features[axis + 3] = max(1.0 - features[axis + 1] - features[axis + 2], 0.0)
    if number == state[FINISHED]:
        past_games_nb(features, state, number)
    close_set_nb(features, at, max(1.0 - played, 0.0))


@kernel()
def add_nb(
    sums: Any, into: int, first: int, source: int, start: int, count: int, mass: float
) -> None:
    """Add `mass` times values of the row `source` to those of the row `into`.

    Indices without a sign need no check for negative ones, and the loop becomes vector code.
    """
    to_row, to_first = np.uint64(into), np.uint64(first)
    from_row, from_first = np.uint64(source), np.uint64(start)
    for k in range(np.uint64(count)):
        sums[to_row, to_first + k] += mass * sums[from_row, from_first + k]


@kernel()
def carry_nb(
    sums: Any, into: int, source: int, sets: int, home: int, away: int, mass: float
) -> None:  # fmt: skip
    """Add a set's games to the distributions of games so far, from one row of `sums` to another.

    `mass` is the chance of the set's score ``home:away``; `sets` have been added to `source`, none
    of them an advantage set: at most 13 games each, 7 of a side, 6 between the sides.
    """
    add_nb(sums, into, home + away, source, 0, GAMES * sets + 1, mass)
    add_nb(sums, into, SUM_HOME + home, source, SUM_HOME, 7 * sets + 1, mass)
    add_nb(sums, into, SUM_AWAY + away, source, SUM_AWAY, 7 * sets + 1, mass)
    first = SUM_MARGIN - MARGIN_FIRST - 6 * sets
    add_nb(sums, into, first + home - away, source, first, 12 * sets + 1, mass)


@kernel()
def finish_match_nb(features: Any, sums: Any, base_home: int, base_away: int) -> None:
    """Fill the match's cumulative axes from the distributions of games in unfinished sets.

    `base_home` and `base_away` are the games of the finished sets.
    """
    for k in range(TOTAL_SIZE - base_home - base_away):
        mass = sums[k]
        features[TOTAL_AT + 1 + k + base_home + base_away] += mass
        features[PARITY_AT + 1 + (k + base_home + base_away) % 2] += mass
    for k in range(SIDE_SIZE):
        if sums[SUM_HOME + k] > 0.0:
            features[HOME_AT + 1 + min(k + base_home, SIDE_SIZE - 1)] += sums[SUM_HOME + k]
        if sums[SUM_AWAY + k] > 0.0:
            features[AWAY_AT + 1 + min(k + base_away, SIDE_SIZE - 1)] += sums[SUM_AWAY + k]
    shift = base_home - base_away
    for k in range(MARGIN_SIZE):
        mass = sums[SUM_MARGIN + k]
        if mass > 0.0:
            features[MARGIN_AT + 1 + k + shift] += mass
    cumulate_nb(features, TOTAL_AT, TOTAL_SIZE)
    cumulate_nb(features, MARGIN_AT, MARGIN_SIZE)
    cumulate_nb(features, HOME_AT, SIDE_SIZE)
    cumulate_nb(features, AWAY_AT, SIDE_SIZE)
    cumulate_nb(features, PARITY_AT, 2)
    cumulate_nb(features, SETS_AT, SET_CELLS * SET_CELLS)
    cumulate_nb(features, SET_MARGIN_AT, 7)
    cumulate_nb(features, SET_TOTAL_AT, SETS + 1)


@kernel()
def put_sets_nb(features: Any, home: int, away: int, mass: float) -> None:
    """Add the chance `mass` that the match ends at a score in sets."""
    features[SETS_AT + 1 + SET_CELLS * home + away] += mass
    features[SET_MARGIN_AT + 1 + home - away + 3] += mass
    features[SET_TOTAL_AT + 1 + home + away] += mass


@kernel()
def features_nb(
    model: Any, state: Any, nodes: Any, weights: Any, table: Any, reach: Any, ends: Any,
    games: Any, sums: Any, masses: Any, features: Any,
) -> None:  # fmt: skip
    """Fill all features; the parameters are those of `price_tennis_nb`."""
    features[:] = 0.0
    to_win = state[BEST_OF] // 2 + 1
    finished = state[FINISHED]
    home_sets, away_sets, base_home, base_away = 0, 0, 0, 0
    for number in range(finished):
        home, away = state[SCORES + 2 * number], state[SCORES + 2 * number + 1]
        home_sets += home > away
        away_sets += away > home
        base_home += home
        base_away += away
        past_set_nb(features, state, number)
    sums[OVER, :] = 0.0
    if max(home_sets, away_sets) == to_win:
        put_sets_nb(features, home_sets, away_sets, 1.0)
        masses[OVER] = 1.0
        start_nb(sums, OVER, 1.0)
    else:
        weigh_nb(model, state, nodes, weights, table, reach, ends, games)
        start = 2 * (3 * home_sets + away_sets)
        for node in range(nodes_nb(model)):
            home_serve, away_serve = serves_nb(model, nodes, node)
            kinds_nb(home_serve, away_serve, state, table, reach, ends, games)
            clear_nb(sums, masses, to_win)
            for first in range(2):
                masses[start + first] = weights[node, first]
                start_nb(sums, start + first, weights[node, first])
            play_match_nb(features, state, ends, games, sums, masses, to_win)
    for number in range(finished, SETS):
        close_coming_set_nb(features, state, number)
    finish_match_nb(features, sums[OVER], base_home, base_away)


@kernel()
def clear_nb(sums: Any, masses: Any, to_win: int) -> None:
    """Clear the distributions and chances of all scores in sets before the end of the match."""
    masses[:] = 0.0
    for home in range(to_win):
        for away in range(to_win):
            for at in range(2 * (3 * home + away), 2 * (3 * home + away) + 2):
                sums[at, :REACH_GAMES] = 0.0
                sums[at, SUM_MARGIN:SUM_HOME] = 0.0
                sums[at, SUM_HOME : SUM_HOME + REACH_GAMES] = 0.0
                sums[at, SUM_AWAY : SUM_AWAY + REACH_GAMES] = 0.0


@kernel()
def start_nb(sums: Any, at: int, mass: float) -> None:
    """Put a chance on a row's distributions of games: none has been played."""
    sums[at, 0] = mass
    sums[at, SUM_MARGIN - MARGIN_FIRST] = mass
    sums[at, SUM_HOME] = mass
    sums[at, SUM_AWAY] = mass


@kernel()
def play_match_nb(
    features: Any, state: Any, ends: Any, games: Any, sums: Any, masses: Any, to_win: int
) -> None:
    """Add one day's chances to the features and to the end of the match, set by set."""
    finished = state[FINISHED]
    for number in range(finished, 2 * to_win - 1):
        kind = CURRENT if number == finished else FINAL if number == to_win * 2 - 2 else FRESH
        home_first, away_first = 0.0, 0.0
        for home in range(max(number - to_win + 1, 0), min(number, to_win - 1) + 1):
            at = 2 * (3 * home + number - home)
            home_first += masses[at]
            away_first += masses[at + 1]
        if home_first + away_first == 0.0:
            continue
        coming_set_nb(features, state, number, ends[kind], games[kind], home_first, away_first)
        for home in range(max(number - to_win + 1, 0), min(number, to_win - 1) + 1):
            for first in range(2):
                at = 2 * (3 * home + number - home) + first
                if masses[at] > 0.0:
                    play_set_nb(
                        features, sums, masses, at, ends[kind, first], rows_nb(state), home,
                        number - home, to_win, number - finished,
                    )  # fmt: skip


@kernel()
def play_set_nb(
    features: Any, sums: Any, masses: Any, at: int, ends: Any, rows: int, home: int, away: int,
    to_win: int, played: int,
) -> None:  # fmt: skip
    """Add the states that one score in sets and first server leads to after the next set."""
    first = at % 2
    for row in range(rows):
        chance = ends[row]
        if chance <= 0.0:
            continue
        won, lost = won_nb(row), lost_nb(row)
        home_won = home_won_nb(row)
        sets_home = home + 1 if home_won else home
        sets_away = away if home_won else away + 1
        mass = masses[at] * chance
        if max(sets_home, sets_away) == to_win:
            put_sets_nb(features, sets_home, sets_away, mass)
            into = OVER
        else:
            server = first if (won + lost) % 2 == 0 else 1 - first
            into = 2 * (3 * sets_home + sets_away) + server
        masses[into] += mass
        if home_won:
            carry_nb(sums, into, at, played, won, lost, chance)
        else:
            carry_nb(sums, into, at, played, lost, won, chance)


@kernel(
    void(
        float64[::1],
        int64[::1],
        int64[:, ::1],
        float64[:, ::1],
        float64[:, ::1],
        float64[:, ::1],
        float64[:, ::1],
        float64[:, :, ::1],
        float64[:, :, :, ::1],
        float64[:, ::1],
        float64[::1],
        float64[::1],
        float64[::1],
        float64[::1],
    )
)
def price_tennis_nb(
    model: Any,
    state: Any,
    terms: Any,
    nodes: Any,
    weights: Any,
    table: Any,
    reach: Any,
    ends: Any,
    games: Any,
    sums: Any,
    masses: Any,
    features: Any,
    chances: Any,
    fair: Any,
) -> None:
    """Price every outcome of a board for one model and one score.

    Parameters
    ----------
    model : float64[MODEL_COLUMNS]
        The chances that home wins a point on home's serve, and that away does on away's, on a day
        like any other; the standard deviation of the form of the day.
    state : int64[STATE_COLUMNS]
        The format and the score, as `pack_state` of tennis/sport.py fills them.
    terms : int64[terms, TERM_COLUMNS]
        Intervals: index of the low and high feature, and of the chance they add to.
    nodes : float64[FORM_NODES, 2]
        The days that stand for all: form in standard deviations, and log of the chance.
    weights : float64[FORM_NODES, 2]
        Scratch: the chance of each day and of the side that served first in the set, given play.
    table, reach, ends, games, sums, masses : float64
        Scratch: chances by points; chances by games in a set; final scores and game winners of each
        kind of set by first server; distributions of games, and the chance, of each score in sets
        and first server, with the end of the match last.
    features : float64[FEATURES]
        Scratch.
    chances : float64[CHANCES * outcomes]
        Out: for each outcome the chances to win, half win, push and half lose.
    fair : float64[outcomes]
        Out: the fair probability.
    """
    features_nb(
        model, state, nodes, weights, table, reach, ends, games, sums, masses, features
    )  # fmt: skip
    gather_nb(features, terms, chances, fair)
