"""The match state of our football model that a sport_event_status gives."""

import pytest

from engine.pricing.football.model import CLOCK_S_MAX, MatchState, Period, Score
from gateway.feeds.uof.match_state import match_state
from gateway.feeds.uof.messages import PeriodScore, SportEventStatus


@pytest.mark.parametrize(
    ("code", "period", "clock_s"),
    [
        (0, Period.PRE_MATCH, 0),
        (6, Period.FIRST_HALF, 0),
        (31, Period.HALF_TIME, 2_700),
        (7, Period.SECOND_HALF, 2_700),
        (100, Period.FULL_TIME, 5_400),
        (32, Period.FULL_TIME, 5_400),
        (41, Period.EXTRA_FIRST, 5_400),
        (33, Period.EXTRA_HALF_TIME, 6_300),
        (42, Period.EXTRA_SECOND, 6_300),
        (110, Period.AFTER_EXTRA_TIME, 7_200),
        (120, Period.AFTER_EXTRA_TIME, 7_200),
    ],
)
def test_a_match_status_code_gives_the_period_and_its_clock(code, period, clock_s):
    state = match_state(SportEventStatus(status=1, match_status=code, home_score=0, away_score=0))

    assert state is not None
    assert (state.period, state.clock_s) == (period, clock_s)


@pytest.mark.parametrize("code", [80, 90, 20, 301, None])
def test_a_match_status_code_that_tells_no_period_gives_no_state(code):
    assert match_state(SportEventStatus(status=1, match_status=code)) is None


def test_period_scores_and_red_cards_are_in_the_state():
    status = SportEventStatus(
        status=1, match_status=41, home_score=3, away_score=2, clock_s=5_500,
        periods=(
            PeriodScore(code=6, home=1, away=0), PeriodScore(code=7, home=1, away=2),
            PeriodScore(code=41, home=1, away=0),
        ),
        home_red_cards=1,
    )  # fmt: skip

    assert match_state(status) == MatchState(
        period=Period.EXTRA_FIRST, clock_s=5_500, first_half=Score(home=1),
        second_half=Score(home=1, away=2), extra_first=Score(home=1), home_red_cards=1,
    )  # fmt: skip


def test_period_scores_that_do_not_add_up_to_the_score_give_no_state():
    parts = (PeriodScore(code=6, home=1, away=0),)

    for home, away in ((2, 0), (1, 1)):
        assert match_state(SportEventStatus(
            status=1, match_status=7, home_score=home, away_score=away, periods=parts,
        )) is None  # fmt: skip
    assert match_state(SportEventStatus(status=1, match_status=7, home_score=1)) is None


def test_penalties_of_a_shoot_out_are_not_goals():
    parts = (PeriodScore(code=6, home=1, away=1),)
    status = SportEventStatus(status=1, match_status=120, home_score=5, away_score=4, periods=parts)

    state = match_state(status)

    assert state is not None
    assert state.first_half == Score(home=1, away=1)


def test_a_match_not_started_needs_no_match_status_code():
    assert match_state(SportEventStatus(status=0)) == MatchState()
    assert match_state(SportEventStatus(status=1)) is None


def test_a_clock_past_the_models_bound_is_the_bound():
    state = match_state(SportEventStatus(status=1, match_status=7, clock_s=CLOCK_S_MAX + 1))

    assert state is not None
    assert state.clock_s == CLOCK_S_MAX
