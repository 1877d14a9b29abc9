"""The stoppage time that a match's model expects: the referee's announcement, or our own default.

Owns the two figures of a base model. It keeps nothing between messages and never fits a rate.
"""

from typing import Final

from msgspec.structs import replace

from engine.pricing.football.model import STOPPAGE_S_MAX, MatchModel, MatchState, Period

ANNOUNCED_OVERRUN_S: Final = 30
"""What is played beyond an announcement, which is the least that a referee adds."""
TO_COME_S_MIN: Final = 60
"""Least time still expected of a half in its stoppage: its end is not known before the whistle."""
_FIRST_HALF_END_S: Final = 2_700
_SECOND_HALF_END_S: Final = 5_400


def with_stoppage(base: MatchModel, state: MatchState, announced_s: int | None) -> MatchModel:
    """Return a model with the stoppage that is expected at a state.

    Parameters
    ----------
    base : MatchModel
        The model with the stoppage expected before anything is known.
    state : MatchState
        The period being played, and its clock.
    announced_s : int | None
        What the referee announced for that period; None: nothing yet.
    """
    clock_s = state.clock_s
    if state.period is Period.FIRST_HALF:
        expected_s = _expected_s(base.first_half_stoppage_s, announced_s)
        least_s = clock_s - _FIRST_HALF_END_S + TO_COME_S_MIN
        return replace(base, first_half_stoppage_s=_bounded(max(expected_s, least_s)))
    if state.period is Period.SECOND_HALF:
        expected_s = _expected_s(base.second_half_stoppage_s, announced_s)
        least_s = clock_s - _SECOND_HALF_END_S + TO_COME_S_MIN
        return replace(base, second_half_stoppage_s=_bounded(max(expected_s, least_s)))
    return base


def _expected_s(default_s: int, announced_s: int | None) -> int:
    return default_s if announced_s is None else announced_s + ANNOUNCED_OVERRUN_S


def _bounded(seconds: int) -> int:
    return min(seconds, STOPPAGE_S_MAX)
