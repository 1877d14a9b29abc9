"""Price every outcome of a tennis board from two serves and a score: the kernels.

Owns the computation in order: games, sets by first server, the match set by set with the games won
so far, then the outcomes. Never allocates, never validates (tennis/sport.py does), and never knows
a market by name.
"""

from typing import Any

from numba import float64, int64, void

from engine.common.jit import kernel
from engine.pricing.fair_probabilities_nb import gather_nb
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
    FIRST_SERVER,
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
    PARITY_AT,
    POINTS,
    SCORES,
    SET_BLOCK,
    SET_CELLS,
    SET_MARGIN_AT,
    SET_TOTAL_AT,
    SETS,
    SETS_AT,
    SIDE_SIZE,
    SUM_AWAY,
    SUM_HOME,
    SUM_MARGIN,
    TIEBREAK_7,
    TIEBREAK_10,
    TOTAL_AT,
    TOTAL_SIZE,
    WINNERS,
)
from engine.pricing.tennis.set_nb import (
    game_nb,
    home_won_nb,
    lost_nb,
    set_nb,
    tiebreak_nb,
    won_nb,
)


@kernel()
def cumulate_nb(features: Any, at: int, size: int) -> None:
    """Make an axis cumulative; the chance of value k is at ``at + 1 + k`` before the call."""
    features[at] = 0.0
    for k in range(at + 1, at + size + 1):
        features[k] += features[k - 1]


@kernel()
def kinds_nb(model: Any, state: Any, table: Any, reach: Any, ends: Any, games: Any) -> None:
    """Fill final scores and game winners of each kind of set, by first server."""
    number = state[FINISHED]
    home = state[SCORES + 2 * number]
    away = state[SCORES + 2 * number + 1]
    home_points, away_points = state[POINTS], state[POINTS + 1]
    home_game = game_nb(table, model[0], 0, 0)
    away_game = 1.0 - game_nb(table, model[1], 0, 0)
    final = state[BEST_OF] - 1
    for first in range(2):
        for kind in range(3):
            at_last = kind == FINAL or (kind == CURRENT and number == final)
            how = state[FINAL_SET] if at_last else TIEBREAK_7
            to = 10 if how == TIEBREAK_10 else 7
            tiebreak = tiebreak_nb(table, to, first, 0, 0, model[0], model[1])
            if kind != CURRENT:
                set_nb(
                    ends[kind, first], games[kind, first], reach, how, 0, 0, first,
                    home_game if first == 0 else away_game, home_game, away_game, tiebreak,
                )  # fmt: skip
                continue
            if home == 6 and away == 6 and how != ADVANTAGE:
                now = tiebreak_nb(table, to, first, home_points, away_points, model[0], model[1])
            elif (home + away + first) % 2 == 0:
                now = game_nb(table, model[0], home_points, away_points)
            else:
                now = 1.0 - game_nb(table, model[1], away_points, home_points)
            set_nb(
                ends[kind, first], games[kind, first], reach, how, home, away, first,
                now, home_game, away_game, tiebreak,
            )  # fmt: skip


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
    """Fill the block of an unfinished set, from the chances that home or away serves first."""
    at = MATCH_BLOCK + SET_BLOCK * number
    idle = max(1.0 - home_first - away_first, 0.0)
    for row in range(ENDS):
        mass = home_first * ends[0, row] + away_first * ends[1, row]
        if mass > 0.0:
            won, lost = won_nb(row), lost_nb(row)
            if home_won_nb(row):
                put_end_nb(features, at, won, lost, mass)
            else:
                put_end_nb(features, at, lost, won, mass)
    begun = 0
    if number == state[FINISHED]:
        begun = state[SCORES + 2 * number] + state[SCORES + 2 * number + 1]
        past_games_nb(features, state, number)
    for game in range(min(begun, GAMES), GAMES):
        axis = at + IN_SET_GAMES + 4 * game
        home = home_first * games[0, game, 0] + away_first * games[1, game, 0]
        away = home_first * games[0, game, 1] + away_first * games[1, game, 1]
        features[axis + 1] = home
        features[axis + 2] = away
        features[axis + 3] = max(1.0 - home - away, 0.0)
    close_set_nb(features, at, idle)


@kernel()
def carry_nb(into: Any, source: Any, top: int, home: int, away: int, mass: float) -> None:
    """Add a set's games to the distributions of games so far.

    `mass` is the chance of the set's score ``home:away``; `top` is above every total so far.
    """
    for k in range(top):
        value = source[k]
        if value > 0.0:
            into[k + home + away] += mass * value
    side = min(top, SIDE_SIZE - max(home, away))
    for k in range(side):
        value = source[SUM_HOME + k]
        if value > 0.0:
            into[SUM_HOME + k + home] += mass * value
        value = source[SUM_AWAY + k]
        if value > 0.0:
            into[SUM_AWAY + k + away] += mass * value
    reach = min(top, -MARGIN_FIRST - 7)
    for k in range(SUM_MARGIN - MARGIN_FIRST - reach, SUM_MARGIN - MARGIN_FIRST + reach + 1):
        value = source[k]
        if value > 0.0:
            into[k + home - away] += mass * value


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
    model: Any, state: Any, table: Any, reach: Any, ends: Any, games: Any, sums: Any, masses: Any,
    features: Any,
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
    sums[:, :] = 0.0
    masses[:] = 0.0
    over = masses.shape[0] - 1
    start = over if max(home_sets, away_sets) == to_win else 2 * (3 * home_sets + away_sets)
    for first in range(2):
        server = state[FIRST_SERVER]
        mass = 0.5 if server == 2 else 1.0 if server == first else 0.0
        if start == over:
            mass = 0.5
        at = start if start == over else start + first
        masses[at] += mass
        sums[at, 0] += mass
        sums[at, SUM_MARGIN - MARGIN_FIRST] += mass
        sums[at, SUM_HOME] += mass
        sums[at, SUM_AWAY] += mass
    if start == over:
        put_sets_nb(features, home_sets, away_sets, 1.0)
    else:
        kinds_nb(model, state, table, reach, ends, games)
    for number in range(finished, SETS):
        kind = CURRENT if number == finished else FINAL if number == to_win * 2 - 2 else FRESH
        home_first, away_first = 0.0, 0.0
        for home in range(max(number - to_win + 1, 0), min(number, to_win - 1) + 1):
            at = 2 * (3 * home + number - home)
            home_first += masses[at]
            away_first += masses[at + 1]
        coming_set_nb(features, state, number, ends[kind], games[kind], home_first, away_first)
        if home_first + away_first == 0.0:
            continue
        for home in range(max(number - to_win + 1, 0), min(number, to_win - 1) + 1):
            for first in range(2):
                at = 2 * (3 * home + number - home) + first
                if masses[at] > 0.0:
                    play_set_nb(
                        features, sums, masses, at, ends[kind, first], home, number - home,
                        to_win, 1 + GAMES * (number - finished),
                    )  # fmt: skip
    finish_match_nb(features, sums[over], base_home, base_away)


@kernel()
def play_set_nb(
    features: Any, sums: Any, masses: Any, at: int, ends: Any, home: int, away: int, to_win: int,
    top: int,
) -> None:  # fmt: skip
    """Add the states that one score in sets and first server leads to after the next set."""
    over = masses.shape[0] - 1
    first = at % 2
    for row in range(ENDS):
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
            into = over
        else:
            server = first if (won + lost) % 2 == 0 else 1 - first
            into = 2 * (3 * sets_home + sets_away) + server
        masses[into] += mass
        if home_won:
            carry_nb(sums[into], sums[at], top, won, lost, chance)
        else:
            carry_nb(sums[into], sums[at], top, lost, won, chance)


@kernel(
    void(
        float64[::1],
        int64[::1],
        int64[:, ::1],
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
    model : float64[2]
        The chances that home wins a point on home's serve, and that away does on away's.
    state : int64[STATE_COLUMNS]
        The format and the score, as `pack_state` of tennis/sport.py fills them.
    terms : int64[terms, TERM_COLUMNS]
        Intervals: index of the low and high feature, and of the chance they add to.
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
    features_nb(model, state, table, reach, ends, games, sums, masses, features)
    gather_nb(features, terms, chances, fair)
