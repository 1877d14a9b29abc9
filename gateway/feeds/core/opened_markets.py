"""Which markets of a feed were opened, and why the others were not.

Owns this record since the pipeline began, for statistics and the verdict on a recording. It decides
nothing: it reads the status steps that markets are sent.
"""

from engine.common.commands import SetStatus
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import MarketUpdate


class OpenedMarkets:
    """The markets of one feed that were sent ACTIVE at least once, and the last word to others."""

    def __init__(self) -> None:
        self._opened: set[MarketNo] = set()
        self._unopened: dict[MarketNo, tuple[str, str]] = {}

    def __len__(self) -> int:
        """Count of opened markets."""
        return len(self._opened)

    def note(self, number: MarketNo, update: MarketUpdate) -> None:
        """Note the status that an update gives a market."""
        if number in self._opened:
            return
        for step in update.steps:
            if not isinstance(step, SetStatus):
                continue
            if step.status is Status.ACTIVE:
                self._opened.add(number)
                self._unopened.pop(number, None)
                return
            self._unopened[number] = update.key, step.why or step.status.name.lower()

    def unopened(self, count_max: int) -> dict[str, str]:
        """Return the first markets that were never opened, by key, and why."""
        return dict(list(self._unopened.values())[:count_max])
