"""A scene is the same for a seed, holds what is planted, and its score counts what was found."""

import pytest

from engine.common.units import Nanos
from engine.watch.facts import BetSeen, Finding, OddsSeen, ScoreSeen, StatusSeen
from simulations.watch_score.__main__ import main
from simulations.watch_score.planted import Plant, Planting
from simulations.watch_score.scene import Scene, SceneSize, draw_scene
from simulations.watch_score.tally import SCORED, Tally, findings, tally

SMALL = SceneSize(matches=3, bettors=200, bets=300, planting=Planting(occasions=(3, 4)))


@pytest.fixture(scope="module")
def small() -> Scene:
    return draw_scene(SMALL, seed=1)


def test_a_seed_gives_the_same_scene(small: Scene) -> None:
    assert draw_scene(SMALL, seed=1) == small
    assert draw_scene(SMALL, seed=2) != small


def test_facts_come_in_the_order_of_time(small: Scene) -> None:
    times = [fact.at_ns for fact in small.facts]
    assert times == sorted(times)


def test_a_bet_is_refused_exactly_while_its_market_is_suspended(small: Scene) -> None:
    active: dict[int, bool] = {}
    for fact in small.facts:
        if isinstance(fact, StatusSeen):
            active[fact.market_no] = fact.active
        elif isinstance(fact, BetSeen):
            assert fact.accepted == active[fact.market_no]


def test_ordinary_bets_are_at_the_odds_in_force(small: Scene) -> None:
    bare = draw_scene(
        SceneSize(
            matches=2,
            bettors=200,
            bets=300,
            planting=Planting(
                syndicates=0, court_siders=0, sharps=0, identical=0, bursts=0, errors=0
            ),
        ),
        seed=1,
    )
    odds: dict[int, OddsSeen] = {}
    bets = 0
    for fact in bare.facts:
        if isinstance(fact, OddsSeen):
            odds[fact.market_no] = fact
        elif isinstance(fact, BetSeen):
            bets += 1
            assert odds[fact.market_no].odds_milli[fact.outcome] == fact.odds_milli
            assert odds[fact.market_no].active[fact.outcome]
    assert bets > 200
    assert {plant.detector for plant in bare.plants} <= {"no_bet_stop"}


def test_every_kind_is_planted(small: Scene) -> None:
    planted = {plant.detector for plant in small.plants}
    assert planted | {"no_bet_stop"} == set(SCORED)


def test_a_missing_bet_stop_is_planted_where_the_score_comes_first(small: Scene) -> None:
    scene = draw_scene(SceneSize(matches=6, bettors=100, bets=0), seed=4)
    found = findings(scene, SCORED["no_bet_stop"])
    missed = [plant for plant in scene.plants if plant.detector == "no_bet_stop"]
    scores = sum(isinstance(fact, ScoreSeen) for fact in scene.facts)
    assert 0 < len(missed) < scores / 4
    assert tally("no_bet_stop", scene, found) == Tally(len(missed), len(missed), 0, 0)


def test_what_is_found_is_counted_by_what_was_planted() -> None:
    plants = [
        Plant("pace", (7, 0), Nanos(10), Nanos(20)),
        Plant("pace", (8, 1), Nanos(10), Nanos(20)),
        Plant("identical", (9, 0), Nanos(10), Nanos(20)),
    ]
    scene = Scene([], plants, 0)

    def at(at_ns: int, market: int, outcome: int) -> tuple[Nanos, Finding]:
        found = Finding(subject="s", figures={}, market_no=market, outcome=outcome)
        return Nanos(at_ns), found

    found = [at(12, 7, 0), at(13, 7, 0), at(30, 8, 1), at(12, 9, 0), at(12, 7, 1)]
    counted = tally("pace", scene, found)
    assert counted == Tally(planted=2, found=1, other=1, false=2)
    assert (counted.precision, counted.recall) == (0.5, 0.5)


def test_accounts_are_counted_each_by_itself() -> None:
    plants = [Plant("late_bets", (n,)) for n in (1, 2, 3)] + [Plant("syndicate", (4,))]
    found = [
        (Nanos(0), Finding(subject="s", figures={}, accounts=(1,))),
        (Nanos(1), Finding(subject="s", figures={}, accounts=(1,))),
        (Nanos(2), Finding(subject="s", figures={}, accounts=(4,))),
        (Nanos(3), Finding(subject="s", figures={}, accounts=(5,))),
    ]
    assert tally("late_bets", Scene([], plants, 0), found) == Tally(3, 1, 1, 1)


def test_the_command_prints_a_row_for_each_detector(capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--matches", "2", "--bettors", "150", "--bets", "100"]
    assert main(["--seeds", "1", *size]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1 scenes of 2 matches, ")
    assert [line.split(" | ")[0].strip("| ") for line in lines[4:]] == list(SCORED)
