"""Draw what the house changes of accounts in a story: short blocks, factors, stops of all of them.

Owns random numbers of its own, so that the other steps of a story are the same without these.
"""

import random

from engine.common.account_changes import BlockAccount, SetAccountFactor
from engine.common.house import StartHouse, StopHouse
from tests.simulator.story import ChangeAccount, ChangeHouse, Layout

_SHARE = 0.04
"""How many operations one of these changes follows."""
_FACTOR_SHARE = 0.5
_FACTORS_MILLI = (10, 300, 1_000, 2_500)
_BLOCK_MS = (5, 40, 300)
_STOP_SHARE = 0.004
_STOP_MS = (5, 40, 300)


class AccountSteps:
    """Draws changes of the accounts of a world."""

    def __init__(self, seed: int, layout: Layout) -> None:
        self._rng = random.Random(f"accounts of {seed}")
        self._layout = layout

    def draw(self, at_ms: float) -> list[ChangeAccount]:
        """Return a change, or a block and its end, or most often nothing."""
        rng = self._rng
        if rng.random() >= _SHARE:
            return []
        account = rng.randint(1, self._layout.accounts)
        if rng.random() < _FACTOR_SHARE:
            factor_milli = rng.choice(_FACTORS_MILLI)
            factor = SetAccountFactor(account_no=account, factor_milli=factor_milli)
            return [ChangeAccount(at_ms=at_ms, change=factor)]
        ends_ms = round(at_ms + rng.choice(_BLOCK_MS), 1)
        return [
            ChangeAccount(at_ms=at_ms, change=BlockAccount(account_no=account)),
            ChangeAccount(at_ms=ends_ms, change=BlockAccount(account_no=account, blocked=False)),
        ]


class HouseSteps:
    """Draws short stops of the whole house."""

    def __init__(self, seed: int, _: Layout) -> None:
        self._rng = random.Random(f"house of {seed}")

    def draw(self, at_ms: float) -> list[ChangeHouse]:
        """Return a stop and its end, or most often nothing."""
        if self._rng.random() >= _STOP_SHARE:
            return []
        ends_ms = round(at_ms + self._rng.choice(_STOP_MS), 1)
        return [
            ChangeHouse(at_ms=at_ms, change=StopHouse(by="trader:test")),
            ChangeHouse(at_ms=ends_ms, change=StartHouse()),
        ]
