"""Sums of what a resumption left stopped: how many markets, and whose stops stand there.

Owns the bound of the names that an answer has.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from engine.common.events import MarketEvent, MarketKeptStopped, StatusSet

OTHERS_SHOWN_MAX: Final = 100
"""People whose stops an answer names; of more, the first by name."""


class Standing(NamedTuple):
    """Markets that were released without opening, those that others' stops keep, and whose."""

    released: int
    kept: int
    others: tuple[str, ...]


def standing(events: Sequence[MarketEvent]) -> Standing:
    """Return what a resumption's events leave stopped."""
    kept = [each for each in events if isinstance(each, MarketKeptStopped)]
    others = sorted({name for each in kept for name in each.others})
    released = sum(isinstance(each, StatusSet) for each in events)
    return Standing(
        released=released + sum(each.lifted and not each.others for each in kept),
        kept=sum(bool(each.others) for each in kept),
        others=tuple(others[:OTHERS_SHOWN_MAX]),
    )
