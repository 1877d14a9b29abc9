"""A right form of the day has no claim far off; a match without one is found, and who pays for it.

Matches are played by hand, point by point, on days of their own: the engine only keeps the score.
"""

import random

import pytest

from engine.pricing.quoting import Margin
from engine.pricing.sport import SportBoard
from engine.pricing.tennis.sport import TennisModel, TennisState
from simulations.score.__main__ import main
from simulations.score.tally import new_score
from simulations.score.tennis import TennisMatch, match_board, score_tennis
from simulations.score.tennis_points import PointsError, read_points, with_odds

MARGIN = Margin(book_milli=1_060)
SPREAD = 0.05


def played(serves, rng, best_of=3):
    """Return the letters of a match and its states after each set; home serves first."""
    state, letters, after_sets = TennisState(best_of=best_of, serving="home"), "", []
    while not state.over:
        server, games = state.serving, state.games
        other = "away" if server == "home" else "home"
        won = rng.random() < serves[0 if server == "home" else 1]
        state = state.point(to=server if won else other)
        letters += rng.choice("SA" if won else "RD")
        if len(state.sets) > len(after_sets):
            after_sets.append(state)
            letters += "."
        elif state.games != games:
            letters += ";"
        elif state.tiebreak and (state.points.home + state.points.away) % 2:
            letters += "/"
    return letters.rstrip("."), tuple(after_sets)


def drawn_matches(number, seed, best_of=3):
    """Return matches of two serves whose difference is normal by day, offered at fair odds."""
    rng = random.Random(seed)
    board = SportBoard("tennis", ["m/winner", "m/total_games?total=22.5"])
    start = TennisState(best_of=best_of)
    matches = []
    for name in range(number):
        half = rng.uniform(-0.03, 0.03)
        model = TennisModel(home_serve=0.63 + half, away_serve=0.63 - half, form_sd=SPREAD)
        home = float(board.fair(model, start)[0])
        day = rng.gauss(0.0, SPREAD)
        _, after_sets = played((0.63 + half + day, 0.63 - half - day), rng, best_of)
        odds = (1.0 / home, 1.0 / (1.0 - home))
        matches.append(TennisMatch(str(name), odds, None, 0.63, start, after_sets))
    return matches


MATCHES = drawn_matches(700, seed=5)


def scored(matches, form_sd):
    score = new_score()
    score_tennis(matches, margin=MARGIN, score=score, form_sd=form_sd)
    return score


def test_a_right_form_has_no_claim_far_off_and_nobody_earns():
    score = scored(MATCHES, SPREAD)
    claims = list(score.claims.rows())
    assert len(claims) > 80
    # Home serves first in all of these matches, which the odds before them do not know.
    names = ("winner", "total_games", "exact_sets", "correct_score", "after set")
    known = [row for row in claims if row.name.removeprefix("best of 3: ").startswith(names)]
    assert max(abs(row.distance) for row in known) < 3.5
    under = next(row for row in score.returns.rows() if row.name == "best of 3: total_games under")
    assert under.distance < 2.0
    assert score.refused == {}


def test_a_match_without_a_form_of_the_day_is_found_and_pays_under():
    wrong, right = scored(MATCHES, 0.0), scored(MATCHES, SPREAD)
    claims = {row.name: row for row in wrong.claims.rows()}
    assert claims["best of 3: total_games?total=22.5 over"].distance < -4.5
    assert claims["best of 3: after set 1, its winner wins the match"].distance > 3.0
    returns = {row.name: row for row in wrong.returns.rows()}
    assert returns["best of 3: total_games under"].distance > 3.0
    name = "best of 3: after set 1, winner"
    losses = [{row.name: row.mean for row in each.losses.rows()}[name] for each in (wrong, right)]
    assert losses[1] < losses[0]


def test_every_market_of_the_board_is_settled_by_a_match_that_is_over():
    for best_of in (3, 5):
        board = match_board(best_of)
        match = drawn_matches(1, seed=9, best_of=best_of)[0]
        assert set(board.results(match.after_sets[-1])) == set(board.keys)


def test_odds_that_are_no_book_are_counted_by_reason():
    match = MATCHES[0]._replace(winner=(1_500.0, 2_650.0))
    assert scored([match], 0.04).refused == {"book": 1}


def write(path, rows):
    lines = [
        f"{date},cup,{one},{two},{winner},{points},x\n" for date, one, two, winner, points in rows
    ]
    path.write_text("date,tournament,server1,server2,winner,points,score\n" + "".join(lines))
    return path


def rows(number, seed):
    """Return rows of a file in which one player serves better than all others."""
    rng, names = random.Random(seed), ("Ann", "Bea", "Cleo", "Dora")
    found = []
    for day in range(number):
        one, two = rng.sample(names, 2)
        serves = [0.72 if name == "Dora" else 0.6 for name in (one, two)]
        letters, after_sets = played(serves, rng)
        won = sum(score.home > score.away for score in after_sets[-1].sets) == 2
        date = f"{day % 28 + 1:02d} {('Jan', 'Feb', 'Mar', 'Apr', 'May')[day // 28]} 12"
        found.append((date, one, two, "1" if won else "2", letters))
    return found


def test_a_file_is_read_point_by_point_and_home_is_first_by_name(tmp_path):
    given = rows(20, seed=2)
    file = read_points(write(tmp_path / "p.csv", given))
    assert len(file.matches) == 20
    assert file.passed_over == ()
    for row, match in zip(given, file.matches, strict=True):
        assert match.players == tuple(sorted(row[1:3]))
        home = sum(score.home > score.away for score in match.after_sets[-1].sets) == 2
        assert match.players[0 if home else 1] == row[1 if row[3] == "1" else 2]
        points = sum(row[4].count(letter) for letter in "SARD")
        counted = match.after_sets[-1].serve_points
        assert sum(getattr(counted, name) for name in counted.__struct_fields__) == points
        won = sum(row[4].count(letter) for letter in "SA")
        assert counted.home_won + counted.away_won == won


def test_a_row_that_is_no_whole_match_is_passed_over_and_named(tmp_path):
    good = rows(1, seed=3)[0]
    broken = [
        good,
        (*good[:3], "2" if good[3] == "1" else "1", good[4]),
        (*good[:4], good[4][:40]),
        (*good[:4], good[4] + "S"),
        (*good[:4], good[4].replace("S", "X", 1)),
        ("soon", *good[1:]),
    ]
    file = read_points(write(tmp_path / "p.csv", broken))
    assert len(file.matches) == 1
    assert [line.partition(": ")[0] for line in file.passed_over] == [
        f"p.csv:{number}" for number in range(3, 8)
    ]
    missing = tmp_path / "q.csv"
    missing.write_text("date,points\n")
    with pytest.raises(PointsError, match="server1"):
        read_points(missing)


def test_strengths_are_learnt_from_earlier_matches_alone(tmp_path):
    given = rows(140, seed=4)
    matches = read_points(write(tmp_path / "p.csv", given)).matches
    offered = list(with_odds(matches, warm_up=60))
    assert len(offered) == 80
    again = list(with_odds(matches[:100], warm_up=60))
    assert offered[:40] == again
    for match, one in zip(offered, sorted(matches, key=lambda each: each.at)[60:], strict=True):
        assert 1 / match.winner[0] + 1 / match.winner[1] == pytest.approx(1.0)
        if "Dora" in one.players:
            assert match.winner[one.players.index("Dora")] < 1.9


def test_the_command_prints_tables_and_compares_two_forms(tmp_path, capsys):
    path = write(tmp_path / "p.csv", rows(30, seed=6))
    assert main(["tennis", str(path), "--warm-up", "10", "--against", "0"]) == 0
    shown = capsys.readouterr().out
    assert "## Tennis: form_sd=0.04" in shown
    assert "## Tennis: form_sd=0\n" in shown
    assert "| best of 3: winner | 20 |" in shown
    assert "## Log-loss of the second less the first" in shown


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["tennis", "none.csv"], "none.csv"), (["tennis", "--form-sd", "0.5"], "form_sd")],
)
def test_the_command_names_what_it_cannot_use(arguments, why, capsys):
    assert main(arguments) == 2
    assert why in capsys.readouterr().err
