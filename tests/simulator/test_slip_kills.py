"""A slip whose parts are killed at each of its steps: held legs are confirmed or released.

A first run without a kill tells the steps: every call of the slip that reaches a shell. Then each
part that takes part in the slip is killed before and after each step, alone and in pairs, and each
shell in each of its writes.
"""

import asyncio
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import pytest

from engine.common.commands import OutcomeResult, SettleMarket, SuspendMarket
from engine.common.rows import SlipKind, SlipState
from tests.simulator.auditor import Audit
from tests.simulator.event_loop import SimulatedLoop, run_simulated
from tests.simulator.hunt import Wrapped
from tests.simulator.plant import Plant
from tests.simulator.runner import quiet
from tests.simulator.slip_plants import ReleaseForgotten
from tests.simulator.story import (
    AnyStep,
    Command,
    Kill,
    KillInWrite,
    Layout,
    PlaceSlip,
    SlipLeg,
    SlipStake,
    Story,
)
from tests.simulator.world import World

LAYOUT = Layout(markets=3, markets_per_shell=1, shards=1, accounts=1, jitter=False)
PARTS = ("gateway-0", "account-000", "market-00000", "market-00001", "market-00002", "reconciler")
STEPS = ("exchange", "place", "resolve", "charge", "charged")
"""The calls of a slip; `pending` and `charges`, which only read, are no steps."""
SLIP_MS = 100.0
HALF_WAY_MS = 0.5
"""Half of the time that a call or an answer takes, in a world without jitter."""
WON = (OutcomeResult(won=True), OutcomeResult(won=False), OutcomeResult(won=False))

SLIP = PlaceSlip(
    at_ms=SLIP_MS,
    account=1,
    ref="s1",
    legs=tuple(SlipLeg(market, 0, 2_000, market - 1) for market in (1, 2, 3)),
    bets=(SlipStake(100, (0, 1, 2), (2, 3)),),
)
SETTLED = tuple(
    Command(at_ms=9_000.0, command=SettleMarket(market_no=market, results=WON))
    for market in (1, 2, 3)
)
HELD = (SLIP, *SETTLED)
REFUSED = (
    Command(at_ms=1.0, command=SuspendMarket(market_no=3, why="no more")),
    SLIP,
    *SETTLED,
)


class Seen(NamedTuple):
    """What became of the slip: its head's state and payout, and what the auditor says."""

    state: int
    payout: int
    faults: list[str]


class _Noted(Wrapped):
    def __init__(self, shell: Any, name: str, calls: list[tuple[float, str]]) -> None:
        super().__init__(shell)
        self._name, self._calls = name, calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.shell, name)
        if name not in STEPS:
            return method

        def noted(*args: Any) -> Any:
            if any(args):  # a call that carries nothing is no step
                self._calls.append((asyncio.get_running_loop().time(), f"{self._name}.{name}"))
            return method(*args)

        return noted


class Steps(Plant):
    """Note when which call reaches a shell."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, str]] = []

    def wrap(self, name: str, part: Any) -> Any:
        return _Noted(part, name, self.calls)


def played(steps: tuple[AnyStep, ...], plant: Plant | None = None) -> tuple[World, Seen]:
    story = Story(layout=LAYOUT, steps=tuple(sorted(steps, key=lambda step: step.at_ms)))

    async def play(loop: SimulatedLoop) -> tuple[World, Seen]:
        world = World(loop, story, plant)
        await world.play()
        audit = Audit(world)
        faults = audit.run()
        heads = [row for row in audit.rows.values() if row["kind"] == SlipKind.HEAD]
        state, payout = (heads[0]["state"], heads[0]["payout_minor"]) if heads else (0, 0)
        return world, Seen(state, payout, faults)

    with quiet():
        return run_simulated(play)


def moments_of(steps: tuple[AnyStep, ...]) -> list[float]:
    """Return the times, in milliseconds of the story, half-way to and from each step."""
    plant = Steps()
    world, seen = played(steps, plant)
    assert seen.faults == []
    moments = set()
    for at_s, _ in plant.calls:
        at_ms = (at_s - world.begun_s) * 1_000
        if SLIP_MS <= at_ms < 8_000.0:
            moments |= {round(at_ms - HALF_WAY_MS, 1), round(at_ms + HALF_WAY_MS, 1)}
    return sorted(moments)


@pytest.fixture(scope="module", params=["held", "refused"])
def observed(request: pytest.FixtureRequest) -> tuple[tuple[AnyStep, ...], list[float], int]:
    steps, state = {
        "held": (HELD, SlipState.SETTLED),
        "refused": (REFUSED, SlipState.REFUSED),
    }[request.param]
    return steps, moments_of(steps), state


def test_the_first_run_has_every_step(observed) -> None:
    steps, moments, state = observed
    plant = Steps()
    _, seen = played(steps, plant)
    assert seen == Seen(state, 2_000 if state == SlipState.SETTLED else 0, [])
    names = {name for _, name in plant.calls}
    assert {f"market-{no:05d}.place" for no in range(3)} | {"account-000.exchange"} <= names
    if state == SlipState.REFUSED:
        assert {"market-00000.charge", "market-00001.charge", "account-000.charged"} <= names
    assert len(moments) >= 6


def test_a_leg_that_stays_held_is_seen() -> None:
    _, seen = played(REFUSED, ReleaseForgotten())
    assert any("instead of 0" in fault for fault in seen.faults)


def kills(moments: list[float], parts: tuple[str, ...]) -> Iterator[tuple[Kill, ...]]:
    for at_ms in moments:
        yield tuple(Kill(at_ms=at_ms, part=part) for part in parts)


@pytest.mark.parametrize("part", PARTS)
def test_one_part_is_killed_at_each_step(observed, part: str) -> None:
    steps, moments, state = observed
    states = set()
    for killed in kills(moments, (part,)):
        _, seen = played((*steps, *killed))
        assert seen.faults == [], killed
        states.add(seen.state)
    assert states <= {0, SlipState.REFUSED, state}
    assert state in states, "no kill is late enough to change nothing"


@pytest.mark.parametrize("parts", list(combinations(PARTS[:4], 2)), ids=" and ".join)
def test_two_parts_are_killed_at_each_step(observed, parts: tuple[str, ...]) -> None:
    steps, moments, state = observed
    for killed in kills(moments, parts):
        _, seen = played((*steps, *killed))
        assert seen.faults == [], killed
        assert seen.state in (0, SlipState.REFUSED, state)


def test_everything_is_killed_at_each_step(observed) -> None:
    steps, moments, _ = observed
    for killed in kills(moments, PARTS):
        _, seen = played((*steps, *killed))
        assert seen.faults == [], killed


@pytest.mark.parametrize("part", PARTS[1:5])
@pytest.mark.parametrize("torn", [0, 40, 300])
def test_a_shell_is_killed_in_each_of_its_writes(observed, part: str, torn: int) -> None:
    steps, _, _ = observed
    for write in range(1, 7):
        in_write = KillInWrite(at_ms=SLIP_MS, part=part, write=write, torn=torn)
        _, seen = played((*steps, in_write))
        assert seen.faults == [], in_write
