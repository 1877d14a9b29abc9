"""Every planted defect is found, within a stated number of seeds, for what it does."""

import re

import pytest

from tests.simulator.account_plants import ACCOUNT_PLANTS
from tests.simulator.offer_plants import OFFER_PLANTS
from tests.simulator.plant import Plant
from tests.simulator.plants import PLANTS
from tests.simulator.runner import run_story
from tests.simulator.slip_plants import SLIP_PLANTS
from tests.simulator.stop_plants import STOP_PLANTS
from tests.simulator.wait_plants import WAIT_PLANTS

HUNTS = PLANTS | SLIP_PLANTS | OFFER_PLANTS | ACCOUNT_PLANTS | WAIT_PLANTS | STOP_PLANTS


@pytest.mark.parametrize("plant", HUNTS, ids=lambda plant: plant.__name__)
def test_a_planted_defect_is_found(plant: type[Plant]) -> None:
    hunt = HUNTS[plant]
    for seed in range(1, hunt.seeds_max + 1):
        faults = run_story(hunt.story(seed), plant()).faults
        if any(re.search(hunt.says, fault) for fault in faults):
            return
    pytest.fail(f"{plant.__name__}: not found in {hunt.seeds_max} seeds")


@pytest.mark.parametrize("plant", HUNTS, ids=lambda plant: plant.__name__)
def test_a_story_of_a_hunt_passes_without_the_defect(plant: type[Plant]) -> None:
    assert run_story(HUNTS[plant].story(1)).faults == []
