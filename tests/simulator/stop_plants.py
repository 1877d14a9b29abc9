"""Deliberate defects of people's stops, which the auditor must find.

Owns the defects and their hunts; see `plants`.
"""

from tests.simulator.hunt import Hunt, ShellPlant, Wrapped
from tests.simulator.plant import Plant
from tests.simulator.story import Layout
from tests.simulator.written import markets_stopped_by_two


class _ForgetsNames(Wrapped):
    def control(self, payload: bytes) -> bytes:
        if self.serves:
            self.book.stopped_by.clear()
        answer: bytes = self.shell.control(payload)
        return answer


class NamesOfStopsForgotten(ShellPlant):
    """A market shell knows that a market is stopped, and not by whom."""

    kind = "market"
    wrapper = _ForgetsNames


class _KeepsNobodyBeside(Wrapped):
    def control(self, payload: bytes) -> bytes:
        if self.serves:
            by = self.book.stopped_by
            by.update({slot: names[:1] for slot, names in by.items()})
        answer: bytes = self.shell.control(payload)
        return answer


class SecondStopForgotten(ShellPlant):
    """Of two people's stops of a market the first alone is kept."""

    kind = "market"
    wrapper = _KeepsNobodyBeside


_WORLD = Layout(markets=1, shards=1)

STOP_PLANTS: dict[type[Plant], Hunt] = {
    NamesOfStopsForgotten: Hunt(r"is open while", layout=_WORLD, seeds_max=10),
    SecondStopForgotten: Hunt(r"is open while", written=markets_stopped_by_two, seeds_max=3),
}
"""Every defect of people's stops and its hunt."""
