"""A fixed number of seeds: whatever happens in them, every promise is kept."""

import pytest

from tests.simulator.clients import Record
from tests.simulator.event_loop import run_simulated
from tests.simulator.generator import make_story
from tests.simulator.runner import run_story
from tests.simulator.story import Story
from tests.simulator.world import World

SEEDS = 48
SEEDS_IN_TEST = 8
OPERATIONS = 250


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_IN_TEST))
def test_no_seed_loses_a_bet_or_a_cent(first: int) -> None:
    for seed in range(first, first + SEEDS_IN_TEST):
        faults = run_story(make_story(seed, operations=OPERATIONS)).faults
        again = f"python -m tests.simulator --first {seed} --seeds 1 --operations {OPERATIONS}"
        assert not faults, f"seed {seed} ({again}): {faults[:5]}"


def test_a_seed_always_gives_the_same_story_and_the_same_answers() -> None:
    story = make_story(5, operations=120)
    assert story == make_story(5, operations=120)
    assert _record(story).received == _record(story).received


def test_a_story_is_not_idle() -> None:
    each = [make_story(seed, operations=OPERATIONS) for seed in range(SEEDS_IN_TEST)]
    outcomes = [run_story(story) for story in each]
    assert sum(outcome.accepted for outcome in outcomes) > OPERATIONS / 2
    assert sum(outcome.injected for outcome in outcomes) > 10
    first_starts = sum(story.layout.shards + story.layout.shells for story in each)
    assert sum(outcome.starts for outcome in outcomes) > first_starts + 2, "shells came back"


def _record(story: Story) -> Record:
    async def play(loop) -> Record:
        world = World(loop, story)
        await world.play()
        return world.clients.record

    return run_simulated(play)
