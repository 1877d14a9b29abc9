"""Files of matches: what is read, which rows are passed over, and what no file may be."""

import pytest

from engine.pricing.football.model import MatchState, Period, Score
from simulations.score.seasons import SeasonError, read_minutes, read_season

SEASON = "HomeTeam,AwayTeam,FTHG,FTAG,HTHG,HTAG,PSCH,PSCD,PSCA,BbAv>2.5,BbAv<2.5\n"
MINUTES = (
    "home,away,home_goals,away_goals,half_time_home,half_time_away,home_minutes,away_minutes,"
    "odds_home,odds_draw,odds_away\n"
)


def test_a_season_gives_odds_and_both_halves(tmp_path):
    path = tmp_path / "season.csv"
    path.write_text(SEASON + "A,B,3,1,1,1,2.0,3.5,4.0,1.9,1.95\nC,D,0,0,0,0,2.1,3.4,3.9,,\n")
    season = read_season(path)
    first, second = season.matches
    assert first.odds == {"1x2": (2.0, 3.5, 4.0), "total?total=2.5": (1.9, 1.95)}
    assert (first.first_half, first.second_half) == (Score(home=1, away=1), Score(home=2, away=0))
    assert second.odds == {"1x2": (2.1, 3.4, 3.9)}
    assert season.passed_over == []
    assert first.final_state().period is Period.FULL_TIME


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("A,B,1,0,2,0,2.0,3.5,4.0,,", "more goals at half-time"),
        ("A,B,1,0,0,0,2.0,,4.0,,", "no odds"),
        ("A,B,1,0,0,0,2.0,1.0,4.0,,", "no odds"),
        ("A,B,x,0,0,0,2.0,3.5,4.0,,", "invalid literal"),
        ("A,B,1", "no odds"),
        ("A,B,99,0,0,0,2.0,3.5,4.0,,", "second_half.home"),
    ],
)
def test_a_row_that_is_no_match_is_named_and_passed_over(tmp_path, row, why):
    path = tmp_path / "season.csv"
    path.write_text(f"{SEASON}{row}\nC,D,0,0,0,0,2.1,3.4,3.9,,\n")
    season = read_season(path)
    assert len(season.matches) == 1
    assert season.passed_over[0].startswith("season.csv: line 2: ")
    assert why in season.passed_over[0]


def test_minutes_give_the_state_at_each_minute(tmp_path):
    path = tmp_path / "minutes.csv"
    path.write_text(MINUTES + "A,B,2,2,1,1,45+2 61,12 90+4,2.0,3.5,4.0\n")
    (match,) = read_minutes(path).matches
    assert match.state_at(11) == MatchState(period=Period.FIRST_HALF, clock_s=660)
    assert match.state_at(12).first_half == Score(away=1)
    assert match.state_at(44).first_half == Score(away=1)
    assert match.state_at(45).period is Period.HALF_TIME
    assert match.state_at(45).first_half == Score(home=1, away=1)
    assert match.state_at(60).second_half == Score()
    assert match.state_at(61).second_half == Score(home=1)
    assert match.state_at(90).order == "ahh"
    assert match.final_state().order == "ahha"


def test_who_scored_first_within_a_minute_is_not_known(tmp_path):
    path = tmp_path / "minutes.csv"
    path.write_text(MINUTES + "A,B,1,1,1,1,12,12,2.0,3.5,4.0\nA,B,2,0,2,0,12 12,,2.0,3.5,4.0\n")
    both, one = read_minutes(path).matches
    assert not both.order_known
    assert one.order_known


def test_minutes_that_do_not_add_up_to_the_score_are_passed_over(tmp_path):
    path = tmp_path / "minutes.csv"
    path.write_text(MINUTES + "A,B,1,0,0,0,12,,2.0,3.5,4.0\n")
    season = read_minutes(path)
    assert season.matches == []
    assert "home_minutes: 1 goals in half 1, not 0" in season.passed_over[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"a,b\n", "column HomeTeam is missing"), (b"\xff\xfe", "decode"), (b"", "HomeTeam")],
)
def test_a_file_of_something_else_is_refused_by_name(tmp_path, content, why):
    path = tmp_path / "season.csv"
    path.write_bytes(content)
    with pytest.raises(SeasonError, match=f"season.csv: .*{why}"):
        read_season(path)
    with pytest.raises(SeasonError, match=r"none\.csv: "):
        read_season(tmp_path / "none.csv")
