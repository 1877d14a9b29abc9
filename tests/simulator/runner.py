"""Run one story in a new world and have it audited.

Owns the surroundings of a run: no garbage collection, no logs, no output of parts that end. Never
judges; the auditor does.
"""

import contextlib
import gc
import io
import logging
import time
from dataclasses import dataclass

from tests.simulator.auditor import Audit
from tests.simulator.event_loop import SimulatedLoop, run_simulated
from tests.simulator.plant import Plant
from tests.simulator.story import Story
from tests.simulator.world import World


@dataclass
class Outcome:
    """What one run did, and what the auditor found."""

    faults: list[str]
    operations: int
    injected: int
    """Faults of the story."""
    accepted: int
    starts: int
    virtual_s: float
    cpu_s: float


def run_story(story: Story, plant: Plant | None = None) -> Outcome:
    """Play a story, audit the world, and return the result."""
    began_s = time.process_time()
    with quiet():
        world, faults, virtual_s = run_simulated(lambda loop: _play(loop, story, plant))
    return Outcome(
        faults=faults,
        operations=story.operations,
        injected=story.faults,
        accepted=sum(answer.state == "accepted" for answer in world.clients.record.received),
        starts=world.launcher.starts,
        virtual_s=virtual_s,
        cpu_s=time.process_time() - began_s,
    )


async def _play(
    loop: SimulatedLoop, story: Story, plant: Plant | None
) -> tuple[World, list[str], float]:
    world = World(loop, story, plant)
    await world.play()
    return world, Audit(world).run(), loop.time()


@contextlib.contextmanager
def quiet():
    """Keep logs, output of ending processes and garbage collection out of a run."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        gc.enable()
        gc.collect()
        logging.disable(before)
