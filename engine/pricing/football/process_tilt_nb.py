"""Kernels of the Dixon-Coles tilt where scoring depends on the score.

Owns what the tilt adds to each scope's masses; never how these came about.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.both_halves_nb import deposit_halves_nb
from engine.pricing.football.goal_results_nb import result_nb
from engine.pricing.football.layout import DRAW_FACTOR
from engine.pricing.football.score_axes_nb import tilt_nb


@kernel()
def add_low_order_nb(goals: Any, home: int, away: int, first_share: float, mass: float) -> float:
    """Add to home's goals by number a mass of a low score; return its part where home is last.

    `home` and `away` are the goals to come, each at most one; `first_share` is the share of 1:1 in
    which home scores first.
    """
    if home == 0:
        return 0.0
    if away == 0:
        goals[0] += mass
        return mass
    goals[0] += mass * first_share
    goals[1] += mass * (1.0 - first_share)
    return mass * (1.0 - first_share)


@kernel()
def share_nb(part: float, whole: float) -> float:
    """Return part over whole; one half of nothing."""
    return part / whole if whole > 0.0 else 0.5


@kernel()
def tilt_low_scores_nb(
    model: Any, state: Any, features: Any, regular: Any, first: Any, second: Any, counts: Any,
    low: Any, last_home: Any, apply: int,
) -> float:  # fmt: skip
    """Add the Dixon-Coles tilt on the nine ways to the four low final scores; return its mass.

    Parameters
    ----------
    regular, first, second : float64[LEVELS, LEVELS]
        The masses of the three scopes.
    counts : float64[COUNTS, LEVELS]
        Rows 3 to 5 are home's goals by number of the three scopes, rows 8 to 10 those of ninety
        minutes for each result.
    low : float64[4, 5]
        Low scores of the first half, and of the second from a difference of -1, 0 and 1 more than
        now (see `low_scores_nb`).
    last_home : float64[3]
        The masses of home scoring last, of the three scopes.
    apply : int
        0 to return the tilt's mass alone, 1 to add it to all these but rows 8 to 10, 2 to those
        as well.
    """
    home_now, away_now = state[2] + state[4], state[3] + state[5]
    added = 0.0
    for way in range(16):
        first_home, first_away = way & 1, (way >> 1) & 1
        second_home, second_away = (way >> 2) & 1, way >> 3
        home, away = first_home + second_home, first_away + second_away
        if home_now + home > 1 or away_now + away > 1:
            continue
        after = low[2 + first_home - first_away]
        chance = low[0, first_home + 2 * first_away] * after[second_home + 2 * second_away]
        mass = chance * tilt_nb(home_now + home, away_now + away, model[0], model[1], model[2])
        if home_now + home == away_now + away:
            mass *= model[DRAW_FACTOR]
        added += mass
        if apply == 0:
            continue
        first_share = share_nb(low[0, 4], low[0, 3])
        second_share = share_nb(low[2, 4], low[2, 3])
        share = first_share if first_home + first_away == 2 else second_share
        if first_home + first_away == 1:
            share = float(first_home)
        regular[home + away, home] += mass
        first[first_home + first_away, first_home] += mass
        second[second_home + second_away, second_home] += mass
        last_home[0] += add_low_order_nb(counts[3], home, away, share, mass)
        if apply == 2:
            result = result_nb(home_now + home - away_now - away)
            add_low_order_nb(counts[8 + result], home, away, share, mass)
        last_home[1] += add_low_order_nb(counts[4], first_home, first_away, first_share, mass)
        last_home[2] += add_low_order_nb(counts[5], second_home, second_away, second_share, mass)
        deposit_halves_nb(
            features, state[2] + first_home, state[3] + first_away, state[4] + second_home,
            state[5] + second_away, mass,
        )  # fmt: skip
    return added
