"""Shrink a failing story to a short one that fails in the same way.

Owns delta debugging over the steps (Zeller and Hildebrandt, 2002), then attempts to make what is
left plainer. It never changes a time before the end: what is left out must leave the rest alone.
"""

import re
import time
from collections.abc import Callable

from msgspec.structs import replace

from tests.simulator.plant import Plant
from tests.simulator.runner import run_story
from tests.simulator.story import OPERATIONS, AnyStep, Layout, PlaceBet, PlaceSlip, Story

Fails = Callable[[Story], bool]


def kind_of(fault: str) -> str:
    """Return a fault's kind: its text without numbers and names."""
    return re.sub(r"\b[bms]?\d+\b|-\d+", "#", fault)


def shrink(story: Story, *, plant: Plant | None = None, within_s: float = 60.0) -> Story:
    """Return a short story in which the first fault of `story` happens again.

    Parameters
    ----------
    story : Story
        A story that fails.
    plant : Plant, optional
        The defect with which it fails.
    within_s : float
        Processor time after which the shortest story so far is returned.
    """
    faults = run_story(story, plant).faults
    assert faults, "the story does not fail"
    wanted = kind_of(faults[0])

    def fails(candidate: Story) -> bool:
        found = run_story(candidate, plant).faults
        return any(kind_of(fault) == wanted for fault in found)

    return shrink_by(story, fails, within_s=within_s)


def shrink_by(story: Story, fails: Fails, *, within_s: float) -> Story:
    """Return a short story for which `fails` holds, as it does for `story`."""
    deadline_s = time.process_time() + within_s
    story = _shorter(story, fails, deadline_s)
    for still in ("road", "jitter"):
        plain = replace(story, layout=replace(story.layout, **{still: False}))
        if fails(plain):
            story = plain
    story = _fewer_parts(story, fails)
    story = _plainer(story, fails, deadline_s)
    return _shorter(story, fails, deadline_s)


def _shorter(story: Story, fails: Fails, deadline_s: float) -> Story:
    """Leave out ever smaller portions of the steps for as long as the story still fails."""
    steps = list(story.steps)
    portion = max(1, len(steps) // 2)
    while True:
        start, removed = 0, False
        while start < len(steps) and time.process_time() < deadline_s:
            rest = steps[:start] + steps[start + portion :]
            if fails(story.with_steps(rest)):
                steps, removed = rest, True
            else:
                start += portion
        if time.process_time() >= deadline_s or (portion == 1 and not removed):
            return story.with_steps(steps)
        portion = max(1, portion // 2)


def _fewer_parts(story: Story, fails: Fails) -> Story:
    """Take away gateways, markets, accounts and shards that the story does not need."""
    for field, smallest in (("markets", 1), ("gateways", 1), ("shards", 1)):
        for count in range(smallest, getattr(story.layout, field)):
            layout: Layout = replace(story.layout, **{field: count})
            smaller = replace(story, layout=layout)
            if _fits(smaller) and fails(smaller):
                story = smaller
                break
    return story


def _fits(story: Story) -> bool:
    """Return whether every step names a part, a market and a gateway that the layout has."""
    layout = story.layout
    shells = layout.shells
    for step in story.steps:
        if getattr(step, "gateway", 0) >= layout.gateways:
            return False
        command = getattr(step, "command", None) or getattr(step, "update", None)
        market = getattr(step, "market", getattr(command, "market_no", 1))
        markets = [market, *(leg.market for leg in getattr(step, "legs", ()))]
        if max(markets) > layout.markets:
            return False
        kind, _, number = getattr(step, "part", "none-0").partition("-")
        bound = {"market": shells, "account": layout.shards, "gateway": layout.gateways}
        if kind in bound and int(number) >= bound[kind]:
            return False
    return True


def _plainer(story: Story, fails: Fails, deadline_s: float) -> Story:
    """Begin the story at once, and give its bets a round stake."""
    steps = list(story.steps)
    if steps:
        early_ms = round(steps[0].at_ms - 1.0, 1)
        moved = [replace(step, at_ms=round(step.at_ms - early_ms, 1)) for step in steps]
        if fails(story.with_steps(moved)):
            steps = moved
    for index, step in enumerate(steps):
        if time.process_time() >= deadline_s:
            break
        for plain in _plainer_steps(step):
            candidate = [*steps[:index], plain, *steps[index + 1 :]]
            if fails(story.with_steps(candidate)):
                steps = candidate
                break
    return story.with_steps(steps)


def _plainer_steps(step: AnyStep) -> list[AnyStep]:
    if isinstance(step, PlaceBet) and step.stake != 100:
        return [replace(step, stake=100)]
    if isinstance(step, PlaceSlip):
        round_bets = tuple(replace(bet, stake=100) for bet in step.bets)
        plainer = (replace(step, bets=round_bets), replace(step, bets=step.bets[:1]))
        return [plain for plain in plainer if plain != step]
    if not isinstance(step, OPERATIONS) and getattr(step, "count", 1) > 1:
        return [replace(step, count=1)]
    return []
