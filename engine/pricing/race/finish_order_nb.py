"""Kernels of races: the chances of orders of finish, from weights for each place.

Owns the sums over orders; never allocates, never knows a market or where weights come from. In all
of them row m of `weights` says how the (m + 1)-th place is drawn: among the runners that are left,
in proportion to it. All weights are above 0.
"""

from typing import Any

from numba import float64, int64, void

from engine.common.jit import kernel


@kernel(void(float64[:, ::1], float64[:, ::1]))
def forecast_nb(weights: Any, chances: Any) -> None:
    """Fill chances[i, j] that i is first and j second.

    Parameters
    ----------
    weights : float64[>=2, n]
        Weights of the places.
    chances : float64[n, n]
        Out; 0 on the diagonal.
    """
    runners = weights.shape[1]
    firsts = 0.0
    for i in range(runners):
        firsts += weights[0, i]
    for i in range(runners):
        seconds = 0.0
        for j in range(runners):
            if j != i:
                seconds += weights[1, j]
        first = weights[0, i] / firsts
        for j in range(runners):
            chances[i, j] = first * weights[1, j] / seconds if j != i else 0.0


@kernel(void(float64[:, ::1], float64[:, :, ::1]))
def tricast_nb(weights: Any, chances: Any) -> None:
    """Fill chances[i, j, k] that i is first, j second and k third, in O(n^3).

    Parameters
    ----------
    weights : float64[>=3, n]
        Weights of the places.
    chances : float64[n, n, n]
        Out; 0 where a runner is named twice.
    """
    runners = weights.shape[1]
    firsts = 0.0
    thirds = 0.0
    for i in range(runners):
        firsts += weights[0, i]
        thirds += weights[2, i]
    for i in range(runners):
        seconds = 0.0
        for j in range(runners):
            if j != i:
                seconds += weights[1, j]
        first = weights[0, i] / firsts
        for j in range(runners):
            if j == i:
                for k in range(runners):
                    chances[i, j, k] = 0.0
                continue
            pair = first * weights[1, j] / seconds
            left = 0.0
            for k in range(runners):
                if k != i and k != j:
                    left += weights[2, k]
            for k in range(runners):
                chances[i, j, k] = pair * weights[2, k] / left if k != i and k != j else 0.0


@kernel(
    void(
        float64[:, ::1],
        int64[:, ::1],
        int64[::1],
        float64[::1],
        float64[::1],
        float64[:, ::1],
    )
)
def places_nb(
    weights: Any, binomials: Any, chosen: Any, sets: Any, next_sets: Any, chances: Any
) -> None:
    """Fill chances[m, i] that runner i takes the (m + 1)-th place.

    Who comes next depends on which runners are in, and not on their order: so a place is drawn for
    every *set* of runners that may have filled the places before it, of which there are C(n, m),
    and not for every order, of which there are m! times as many. Sets stand in the arrays by their
    rank among the sets of their size (the sum of C(a_k, k + 1) over its members a_0 < a_1 < ...),
    which is also the order in which they are walked.

    Parameters
    ----------
    weights : float64[places, n]
        Weights of the places; at most n of them.
    binomials : int64[n + 1, places + 1]
        C(a, k).
    chosen : int64[places + 1]
        Scratch: the members of a set, rising.
    sets, next_sets : float64[C(n, places - 1) or more]
        Scratch: the chance of each set, for as many places as are filled.
    chances : float64[places, n]
        Out.
    """
    places = weights.shape[0]
    runners = weights.shape[1]
    for m in range(places):
        for i in range(runners):
            chances[m, i] = 0.0
    sets[0] = 1.0
    for m in range(places):
        more = m + 1 < places
        if more:
            for rank in range(binomials[runners, m + 1]):
                next_sets[rank] = 0.0
        for k in range(m):
            chosen[k] = k
        for rank in range(binomials[runners, m]):
            left = 0.0
            at = 0
            for i in range(runners):
                if at < m and chosen[at] == i:
                    at += 1
                else:
                    left += weights[m, i]
            share = sets[rank] / left
            # The rank of the set with i in it: members above i move up one place.
            below = 0
            above = 0
            for k in range(m):
                above += binomials[chosen[k], k + 2] if more else 0
            at = 0
            for i in range(runners):
                if at < m and chosen[at] == i:
                    if more:
                        below += binomials[i, at + 1]
                        above -= binomials[i, at + 2]
                    at += 1
                    continue
                chance = share * weights[m, i]
                chances[m, i] += chance
                if more:
                    next_sets[below + binomials[i, at + 1] + above] += chance
            # The next set of this size, in the order of ranks.
            k = 0
            while k < m and chosen[k] + 1 == (chosen[k + 1] if k + 1 < m else runners):
                chosen[k] = k
                k += 1
            if k < m:
                chosen[k] += 1
        if more:
            for rank in range(binomials[runners, m + 1]):
                sets[rank] = next_sets[rank]
