"""Who stops each market of a shell, as its journal tells it: sets of names in plain Python.

Owns the promise of stops: a market is not open while anybody's stop stands. Shares no code with
the engine; whose a command is it takes from the record.
"""

from collections.abc import Callable
from typing import Any

from engine.common.commands import (
    HandOverMarket,
    OpenMarket,
    ResumeMarket,
    ResumeWithAll,
    SuspendWithAll,
)
from engine.common.events import MarketKeptStopped, MarketSuspended, Refused
from tests.simulator.one_market import ACTIVE, MarketModel


class StopsModel:
    """The names of those whose stops stand, by market; what cannot be goes to `fault`."""

    def __init__(self, fault: Callable[[str], None]) -> None:
        self._names: dict[int, set[str]] = {}
        self._fault = fault

    def read(self, by: str, command: Any, event: Any, market: MarketModel | None) -> None:
        """Take a command and its event, and judge the market as it is then."""
        if market is None:
            return
        names, person = self._names.setdefault(market.number, set()), by.partition(":")[2]
        if isinstance(command, SuspendWithAll):
            if isinstance(event, MarketSuspended):
                names.add(person)
        elif isinstance(event, Refused):
            pass
        elif isinstance(command, ResumeWithAll) and command.force is True:
            names.clear()
        elif isinstance(command, ResumeWithAll | ResumeMarket | OpenMarket | HandOverMarket):
            names.discard(person)
        what = f"market {market.number}"
        if names and market.status == ACTIVE:
            self._fault(f"{what} is open while {', '.join(sorted(names))} stop it")
        if isinstance(event, MarketKeptStopped):
            others = {name.partition(":")[2] for name in event.others}
            if others != names:
                self._fault(f"{what} is said to be stopped by {others}, and is by {names}")
