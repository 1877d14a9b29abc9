"""Compute the chances of finishing orders from weights for each place: the kernels.

Owns the sums over orders; never allocates, never knows a market or the source of the weights. Row m
of `weights` belongs to place m + 1: it is drawn among the remaining runners in proportion to their
weights in that row. All weights are above 0.
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
        Out; 0 where a runner occurs twice.
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


@kernel(inline=True)
def next_set_nb(chosen: Any, size: int, runners: int) -> None:
    """Advance `chosen`, the rising members of a set of runners, to the next set by rank.

    The last set of its size is left with no meaning; no caller uses it.
    """
    k = 0
    while k < size and chosen[k] + 1 == (chosen[k + 1] if k + 1 < size else runners):
        chosen[k] = k
        k += 1
    if k < size:
        chosen[k] += 1


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
    """Fill chances[m, i] that runner i takes place m + 1.

    The chance of the next place depends on which runners fill the earlier places, not on their
    order. So a place is drawn once for every *set* of m runners that may fill the m places before
    it, of which there are C(n, m), and not for every order, of which there are m! times as many.
    Sets are indexed by their rank among the sets of their size, the sum of C(a_k, k + 1) over the
    members a_0 < a_1 < ..., and are visited in the order of ranks.

    Parameters
    ----------
    weights : float64[places, n]
        Weights of the places; at most n places.
    binomials : int64[n + 1, places + 1]
        C(a, k).
    chosen : int64[places + 1]
        Scratch: the members of a set, rising.
    sets, next_sets : float64[C(n, places - 1) or more]
        Scratch: the chance of each set of m, and of m + 1, runners.
    chances : float64[places, n]
        Out.
    """
    places = weights.shape[0]
    runners = weights.shape[1]
    chances[:, :] = 0.0
    sets[0] = 1.0
    for m in range(places):
        more = m + 1 < places
        if more:
            next_sets[: binomials[runners, m + 1]] = 0.0
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
            # The rank of the set with i in it: members above i move up by one index.
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
            next_set_nb(chosen, m, runners)
        if more:
            for rank in range(binomials[runners, m + 1]):
                sets[rank] = next_sets[rank]
