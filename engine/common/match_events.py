"""What happens in a football match and changes its prices.

Owns the names alone; engine.desk.kept_inputs says what each does to the match's state.
"""

from enum import StrEnum


class MatchEvent(StrEnum):
    """One thing that happens: a period begins, or a goal or red card falls or is cancelled."""

    KICK_OFF = "kick_off"
    HALF_TIME = "half_time"
    SECOND_HALF = "second_half"
    FULL_TIME = "full_time"
    EXTRA_FIRST = "extra_first"
    EXTRA_HALF_TIME = "extra_half_time"
    EXTRA_SECOND = "extra_second"
    AFTER_EXTRA_TIME = "after_extra_time"
    GOAL = "goal"
    GOAL_CANCELLED = "goal_cancelled"
    RED_CARD = "red_card"
    RED_CARD_CANCELLED = "red_card_cancelled"
