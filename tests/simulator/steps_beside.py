"""Steps of a story beside its bets: of accounts and the house, corrections, marks, waits.

Owns nothing but their order. Each kind has random numbers of its own, so that the other steps of a
story are the same without it.
"""

from collections.abc import Iterator
from typing import Any

from tests.simulator.account_steps import AccountSteps, HouseSteps
from tests.simulator.correction_steps import CorrectionSteps
from tests.simulator.mark_steps import MarkSteps
from tests.simulator.stop_steps import StopSteps
from tests.simulator.story import AnyStep, Layout
from tests.simulator.wait_steps import WaitSteps


class StepsBeside:
    """Draws steps of every kind."""

    def __init__(self, seed: int, layout: Layout, *, waits: bool | None) -> None:
        makers = (AccountSteps, CorrectionSteps, HouseSteps, MarkSteps, StopSteps)
        self._kinds: list[Any] = [make(seed, layout) for make in makers]
        self._kinds.append(WaitSteps(seed, layout, waits=waits))

    def draw(self, at_ms: float) -> Iterator[AnyStep]:
        """Yield what follows an operation, most often nothing."""
        for kind in self._kinds:
            yield from kind.draw(at_ms)
