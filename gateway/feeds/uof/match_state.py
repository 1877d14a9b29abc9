"""Turn a sport_event_status of the Unified Odds Feed into a football match state of our model.

Owns the translation of match status codes and period scores. It returns nothing for a status from
which the state cannot be told, and keeps nothing between messages.
"""

from collections.abc import Mapping
from typing import Final

from engine.pricing.football.model import CLOCK_S_MAX, MatchState, Period, Score
from gateway.feeds.uof.messages import SportEventStatus

_PERIODS: Final[Mapping[int, Period]] = {
    0: Period.PRE_MATCH,
    6: Period.FIRST_HALF,
    31: Period.HALF_TIME,
    7: Period.SECOND_HALF,
    100: Period.FULL_TIME,
    32: Period.FULL_TIME,
    41: Period.EXTRA_FIRST,
    33: Period.EXTRA_HALF_TIME,
    42: Period.EXTRA_SECOND,
    34: Period.AFTER_EXTRA_TIME,
    50: Period.AFTER_EXTRA_TIME,
    110: Period.AFTER_EXTRA_TIME,
    120: Period.AFTER_EXTRA_TIME,
}
"""Period by match status code. Interrupted (80) and abandoned (90) do not tell the period."""
_SCORE_FIELDS: Final = {6: "first_half", 7: "second_half", 41: "extra_first", 42: "extra_second"}
"""Field of `MatchState` by the match status code of a period score."""
_SHOOT_OUT_CODES: Final = (50, 120)
_NO_GOALS: Final = Score()
_PERIOD_START_S: Final = {
    Period.PRE_MATCH: 0,
    Period.FIRST_HALF: 0,
    Period.HALF_TIME: 2_700,
    Period.SECOND_HALF: 2_700,
    Period.FULL_TIME: 5_400,
    Period.EXTRA_FIRST: 5_400,
    Period.EXTRA_HALF_TIME: 6_300,
    Period.EXTRA_SECOND: 6_300,
    Period.AFTER_EXTRA_TIME: 7_200,
}
"""Match clock in seconds for a status that gives no clock."""


def match_state(status: SportEventStatus) -> MatchState | None:
    """Return the state of a football match; None when the status does not tell it.

    Goals per period come from the period scores, which must add up to the score. A match in its
    first half, or at half time, needs no period scores. Penalties of a shoot-out are not goals.
    """
    code = status.match_status
    if code is None:
        code = 0 if status.status == 0 else None
    period = None if code is None else _PERIODS.get(code)
    if period is None:
        return None
    goals = _goals_by_period(status, period)
    if goals is None:
        return None
    clock_s = _PERIOD_START_S[period] if status.clock_s is None else status.clock_s
    try:
        return MatchState(
            period=period,
            clock_s=min(clock_s, CLOCK_S_MAX),
            home_red_cards=status.home_red_cards,
            away_red_cards=status.away_red_cards,
            first_half=goals.get("first_half", _NO_GOALS),
            second_half=goals.get("second_half", _NO_GOALS),
            extra_first=goals.get("extra_first", _NO_GOALS),
            extra_second=goals.get("extra_second", _NO_GOALS),
        )
    except ValueError:
        return None


def _goals_by_period(status: SportEventStatus, period: Period) -> dict[str, Score] | None:
    """Return the goals by field of `MatchState`; None when they do not add up to the score."""
    home, away = status.home_score or 0, status.away_score or 0
    if period is Period.PRE_MATCH:
        return {}
    goals: dict[str, Score] = {}
    try:
        for period_score in status.periods:
            field = _SCORE_FIELDS.get(period_score.code)
            if field is not None:
                goals[field] = Score(home=period_score.home, away=period_score.away)
        if not goals and period in (Period.FIRST_HALF, Period.HALF_TIME):
            goals["first_half"] = Score(home=home, away=away)
    except ValueError:
        return None
    total = (
        sum(score.home for score in goals.values()),
        sum(score.away for score in goals.values()),
    )
    if status.match_status not in _SHOOT_OUT_CODES and total != (home, away):
        return None
    return goals
