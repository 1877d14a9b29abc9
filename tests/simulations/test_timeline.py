"""The World Cup's goals and scores are consistent; an invalid file is refused by its line."""

from dataclasses import replace
from itertools import pairwise

import pytest

from engine.pricing.football.axes import Scope
from engine.pricing.football.model import Period
from simulations.timeline import (
    COLUMNS,
    EventKind,
    GoalKind,
    MatchTimeline,
    Score,
    Side,
    TimelineError,
    UnknownMatchError,
    load_matches,
    match_by_id,
    world_cup_2022,
)

MATCHES = list(world_cup_2022().values())
HEADER = ",".join(COLUMNS)
FINAL = (
    "wc22-64,2022-12-18T18:00+03:00,Final,Argentina,France,"
    "23hp 36h 80ap 81a 108h 118ap,2-0,2-2,3-3,4-2"
)


def test_the_world_cup_has_64_matches_and_172_goals():
    assert [match.match for match in MATCHES] == [f"wc22-{n:02d}" for n in range(1, 65)]
    assert sum(len(match.goals) for match in MATCHES) == 172
    assert len({match.home for match in MATCHES} | {match.away for match in MATCHES}) == 32
    assert sum(match.shoot_out is not None for match in MATCHES) == 5


def test_the_final_was_2_2_then_3_3_then_4_2_on_penalties():
    final = match_by_id("wc22-64")
    assert (final.home, final.away, final.stage) == ("Argentina", "France", "Final")
    assert final.full_time == (2, 2)
    assert final.extra_time == (3, 3)
    assert final.shoot_out == (4, 2)
    assert [goal.kind for goal in final.goals].count(GoalKind.PENALTY) == 3


@pytest.mark.parametrize("match", MATCHES, ids=lambda match: match.match)
def test_goals_add_up_to_the_scores(match: MatchTimeline):
    regular = [goal.side for goal in match.regular_goals]
    assert (regular.count(Side.HOME), regular.count(Side.AWAY)) == match.full_time
    assert match.score_at(match.ends_s[0]) == match.half_time
    assert match.score_at(match.regular_s) == match.full_time
    assert match.score_at(0) == (0, 0)
    if match.extra_time is not None:
        assert match.score_at(match.ends_s[-1]) == match.extra_time
        assert match.full_time.home == match.full_time.away


@pytest.mark.parametrize("match", MATCHES, ids=lambda match: match.match)
def test_the_clock_shows_each_goal_in_the_minute_it_was_scored(match: MatchTimeline):
    for goal in match.goals:
        clock = match.clock_at(goal.played_s)
        shown = clock.minute + (0 if clock.stoppage_s else 1)
        assert shown == goal.at.minute
        assert clock.stoppage_s // 60 + 1 == goal.at.stoppage or not goal.at.stoppage


@pytest.mark.parametrize("match", MATCHES, ids=lambda match: match.match)
def test_events_stand_in_order_and_end_with_the_score(match: MatchTimeline):
    events = match.events()
    assert events[0].kind is EventKind.KICK_OFF
    assert all(a.played_s <= b.played_s for a, b in pairwise(events))
    assert sum(event.kind is EventKind.GOAL for event in events) == len(match.goals)
    full_time = next(event for event in events if event.kind is EventKind.FULL_TIME)
    assert (full_time.played_s, full_time.score) == (match.regular_s, match.full_time)
    assert events[-1].score == (match.extra_time or match.full_time)


def test_the_state_has_the_period_the_clock_and_the_goals_so_far():
    final = match_by_id("wc22-64")
    assert final.state_at(-1).period is Period.PRE_MATCH
    assert final.state_at(0).period is Period.FIRST_HALF
    assert final.state_at(final.ends_s[0] - 1).clock_s == 47 * 60 - 1
    resumed = final.state_at(final.ends_s[0])
    assert (resumed.period, resumed.clock_s) == (Period.SECOND_HALF, 2700)
    assert (resumed.first_half.home, resumed.second_half.away) == (2, 0)
    assert final.state_at(final.regular_s).period is Period.EXTRA_FIRST
    assert final.state_at(final.ends_s[-1]).period is Period.AFTER_EXTRA_TIME
    assert match_by_id("wc22-01").state_at(10_000).period is Period.FULL_TIME


def test_the_ninety_minutes_end_at_the_whistle_with_the_settled_score():
    for match in MATCHES:
        state = match.regular_state_at(match.regular_s + 1)
        assert state.period is Period.FULL_TIME
        assert state.score(Scope.REGULAR) == match.full_time
        assert state.score(Scope.FIRST_HALF) == match.half_time
        assert match.regular_state_at(match.regular_s - 1).period is Period.SECOND_HALF


def test_the_clock_stops_at_the_end_of_each_half_while_stoppage_runs():
    final = match_by_id("wc22-64")
    assert str(final.clock_at(22 * 60 + 30)) == "22:30"
    assert str(final.clock_at(46 * 60)) == "45:00 +1:00"
    assert str(final.clock_at(final.ends_s[0] + 60)) == "46:00"
    assert str(final.clock_at(-5)) == "00:00"
    assert final.clock_at(final.played_at_minute(60))[:3] == (1, 60, 0)
    assert final.played_at_minute(300) == final.regular_s


def test_two_goals_of_one_minute_keep_their_order():
    row = "m,2022-12-18T18:00+00:00,Cup,A,B,5h 5a,1-1,1-1,,"
    (match,) = load_matches(f"{HEADER}\n{row}\n").values()
    assert [goal.played_s for goal in match.goals] == [260, 280]
    assert [goal.side for goal in match.goals] == [Side.HOME, Side.AWAY]


def test_comments_and_blank_lines_are_skipped():
    assert load_matches(f"# source\n\n{HEADER}\n# more\n{FINAL}\n").keys() == {"wc22-64"}


def test_an_unknown_match_is_named_with_the_first_and_last_id():
    with pytest.raises(UnknownMatchError, match=r"wc22-99.*wc22-01 to wc22-64"):
        match_by_id("wc22-99")


BAD_ROWS = [
    ("23hp 36h", "23x 36h", "goals", "a goal is like"),
    ("23hp 36h", "36h 23hp", "goals", "oldest first"),
    ("23hp", "0hp", "goals", "minute 1 to 120"),
    ("23hp", "23+2h", "goals", "stoppage follows"),
    ("23hp 36h", "23hp", "half_time", "1-0, not 2-0"),
    ("80ap 81a", "80ap", "full_time", "2-1, not 2-2"),
    ("118ap", "118hp", "extra_time", "4-2, not 3-3"),
    ("2-2,3-3", "2-2,", "goals", "after minute 90"),
    ("2-0,2-2", "2-0,", "full_time", "required"),
    ("2-0,2-2", ",2-2", "half_time", "required"),
    ("4-2", "4:2", "shoot_out", "a score is like"),
    ("2022-12-18T18:00+03:00", "2022-12-18T18:00", "kick_off", "offset"),
    ("2022-12-18T18:00+03:00", "yesterday", "kick_off", "ISO 8601"),
    ("Argentina", "", "home", "1 to 40"),
    ("Argentina", "A\x07", "home", "printable"),
    (",4-2", "", "match", "10 fields, not 9"),
    ("36h", " ".join(["36h"] * 41), "goals", "at most 40"),
]


@pytest.mark.parametrize(("good", "bad", "column", "text"), BAD_ROWS)
def test_a_bad_row_is_refused_with_its_line_and_column(good, bad, column, text):
    assert good in FINAL
    with pytest.raises(TimelineError, match=text) as caught:
        load_matches(f"{HEADER}\n{FINAL.replace('wc22-64', 'x')}\n{FINAL.replace(good, bad, 1)}")
    assert (caught.value.line, caught.value.column) == (3, column)


def test_a_shoot_out_without_extra_time_is_refused():
    with pytest.raises(TimelineError, match="follows extra time"):
        load_matches(f"{HEADER}\nm,2022-12-18T18:00+00:00,Cup,A,B,,0-0,0-0,,4-2")


def test_a_match_given_twice_is_refused():
    with pytest.raises(TimelineError, match="given twice"):
        load_matches(f"{HEADER}\n{FINAL}\n{FINAL}")


@pytest.mark.parametrize("text", ["", "# only a comment", "match,home\n"])
def test_a_file_without_the_header_is_refused(text):
    with pytest.raises(TimelineError, match="header"):
        load_matches(text)


def test_timelines_are_equal_by_value():
    final = match_by_id("wc22-64")
    assert replace(final, full_time=Score(2, 2)) == final
    assert replace(final, full_time=Score(2, 1)) != final


def test_the_state_has_the_order_of_the_goals():
    match = match_by_id("wc22-64")
    order = match.state_at(match.ends_s[-1]).order
    assert order == "".join(goal.side.value for goal in match.goals)
    assert match.state_at(match.goals[2].played_s).order == order[:3]
    assert match.state_at(match.goals[0].played_s - 1).order == ""
