"""A failing story shrinks to a short one that a person can read."""

from engine.common.commands import Limits
from tests.simulator import story as names
from tests.simulator.generator import make_story
from tests.simulator.plants import LostOdds
from tests.simulator.runner import run_story
from tests.simulator.shrinker import kind_of, shrink, shrink_by
from tests.simulator.story import Kill, PlaceBet, Story


def bet(number: int) -> PlaceBet:
    return PlaceBet(
        at_ms=float(number), account=1, ref=f"b{number}", market=1, outcome=0, stake=7, odds=2_000
    )


def test_only_the_steps_that_matter_are_left() -> None:
    story = Story(steps=(*(bet(no) for no in range(40)), Kill(at_ms=50.0, part="market-00000")))

    def fails(candidate: Story) -> bool:
        refs = {step.ref for step in candidate.steps if isinstance(step, PlaceBet)}
        return {"b3", "b31"} <= refs and isinstance(candidate.steps[-1], Kill)

    short = shrink_by(story, fails, within_s=10)
    assert [getattr(step, "ref", "killed") for step in short.steps] == ["b3", "b31", "killed"]
    assert all(step.stake == 100 for step in short.steps[:2])
    assert short.layout.markets == short.layout.gateways == 1


def test_a_defect_shrinks_to_one_bet_and_one_change_of_odds() -> None:
    plant = LostOdds()
    short = shrink(make_story(1, operations=150, fault_share=0.0), plant=plant, within_s=30)
    assert len(short.steps) <= 3
    assert "odds_milli" in run_story(short, plant).faults[0]
    assert run_story(short).faults == []


def test_a_story_is_written_as_it_is_read_back() -> None:
    story = make_story(3, operations=400)
    assert "SetStatus" in story.source()
    known = {name: getattr(names, name) for name in dir(names)} | _commands() | {"Limits": Limits}
    assert eval(story.source(), known) == story
    assert len(story.text().splitlines()) == len(story.steps)


def test_faults_are_of_one_kind_whatever_their_numbers() -> None:
    assert kind_of("bet 12 (b7) got 5 instead of 6") == kind_of("bet 3 (b81) got 0 instead of 9")
    assert kind_of("bet 12 (b7) is lost") != kind_of("bet 12 (b7) is refused")


def _commands() -> dict[str, type]:
    from msgspec import UNSET

    from engine.common import acceptance, commands, corrections, early, outcome_marks
    from engine.common.lifecycle import Status

    return {
        **vars(acceptance),
        **vars(outcome_marks),
        **vars(commands),
        **vars(corrections),
        **vars(early),
        "Status": Status,
        "UNSET": UNSET,
    }
