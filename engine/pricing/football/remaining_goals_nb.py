"""Kernels of the match clock: which share of a match's goals is still to come.

Owns the shape of the goal intensity over time; never knows a rate or a score.
"""

from typing import Any, Final

from engine.common.jit import kernel
from engine.pricing.football.layout import OPENING_FACTOR, RESTART_FACTOR

_HALF_S: Final = 2700.0
_EXTRA_HALF_S: Final = 900.0
_REGULAR_S: Final = 5400.0
_OPENING_S: Final = 900.0
"""The opening of a half, whose intensity has a factor of its own."""


@kernel()
def played_part_nb(clock_s: float, start_s: float, length_s: float) -> float:
    """Return the part of a period that has been played, 0 to 1."""
    part = (clock_s - start_s) / length_s
    return min(max(part, 0.0), 1.0)


@kernel()
def opened_part_nb(
    played: float, opening: float, whole: float, factor: float
) -> float:  # fmt: skip
    """Return the part of a half's goals that was to be expected so far.

    `played`, `opening` and `whole` are the integrals of the straight line so far, over the opening
    and over the half; `factor` multiplies the intensity of the opening.
    """
    return (played - (1.0 - factor) * min(played, opening)) / (whole - (1.0 - factor) * opening)


@kernel()
def first_half_share_nb(
    period: int, clock_s: float, share: float, stoppage_s: float, opening_factor: float
) -> float:
    """Return the share of a match's goals still to come before half-time.

    The intensity is linear over the ninety minutes, from ``4 * share - 1`` to ``3 - 4 * share``
    times its mean, which puts exactly `share` of the goals in the first half.
    """
    if period == 0:
        return share
    if period != 1:
        return 0.0
    part = played_part_nb(clock_s, 0.0, _HALF_S + stoppage_s)
    if part >= 1.0:
        return 0.0
    slope = 4.0 - 8.0 * share
    start = 1.0 - 0.5 * slope
    if opening_factor == 1.0:
        return share - start * part * 0.5 - slope * part * part * 0.125
    played = start * part * 0.5 + slope * part * part * 0.125
    part = _OPENING_S / (_HALF_S + stoppage_s)
    opening = start * part * 0.5 + slope * part * part * 0.125
    return share * (1.0 - opened_part_nb(played, opening, share, opening_factor))


@kernel()
def second_half_share_nb(
    period: int, clock_s: float, share: float, stoppage_s: float, restart_factor: float
) -> float:
    """Return the share of a match's goals still to come after half-time."""
    if period <= 2:
        return 1.0 - share
    if period != 3:
        return 0.0
    part = played_part_nb(clock_s, _HALF_S, _HALF_S + stoppage_s)
    if part >= 1.0:
        return 0.0
    slope = 4.0 - 8.0 * share
    if restart_factor == 1.0:
        return (1.0 - share) - part * 0.5 - slope * part * part * 0.125
    played = part * 0.5 + slope * part * part * 0.125
    part = _OPENING_S / (_HALF_S + stoppage_s)
    opening = part * 0.5 + slope * part * part * 0.125
    return (1.0 - share) * (1.0 - opened_part_nb(played, opening, 1.0 - share, restart_factor))


@kernel()
def extra_time_share_nb(period: int, clock_s: float, share: float) -> float:
    """Return the goals of extra time still to come, as a share of a match's goals.

    The intensity of extra time is constant.
    """
    if period <= 4:
        return share
    if period == 5:
        return share * (1.0 - 0.5 * played_part_nb(clock_s, _REGULAR_S, _EXTRA_HALF_S))
    if period == 6:
        return share * 0.5
    if period == 7:
        played = played_part_nb(clock_s, _REGULAR_S + _EXTRA_HALF_S, _EXTRA_HALF_S)
        return share * 0.5 * (1.0 - played)
    return 0.0


@kernel()
def remaining_goals_nb(model: Any, state: Any) -> tuple[float, float, float]:
    """Return the goals to come in the first half, the second half and extra time.

    Each is a share of the goals expected in ninety minutes; the parameters are those of
    `price_board_nb`.
    """
    clock_s = float(state[1])
    return (
        first_half_share_nb(state[0], clock_s, model[3], model[4], model[OPENING_FACTOR]),
        second_half_share_nb(state[0], clock_s, model[3], model[5], model[RESTART_FACTOR]),
        extra_time_share_nb(state[0], clock_s, model[6]),
    )
