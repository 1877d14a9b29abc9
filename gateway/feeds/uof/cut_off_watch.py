"""Suspend markets when their time has come, and open them again when a start has moved.

Owns the updates that time alone causes: of an event's pre-match markets at its start, and of a
market at its `next_betstop`. `CutOffs` keeps the times.
"""

from typing import TYPE_CHECKING, Final

from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import Action
from gateway.feeds.uof.cut_offs import CutOffs
from gateway.feeds.uof.market_registry import MarketRegistry
from gateway.feeds.uof.market_updates import status_update
from gateway.feeds.uof.messages import FixtureChange
from gateway.feeds.uof.opening import BETSTOP_DUE, STARTED, Opening

if TYPE_CHECKING:
    from gateway.feeds.uof.model_prices import ModelPrices


class CutOffWatch:
    """The watch over one feed's cut-offs.

    Parameters
    ----------
    registry : MarketRegistry
        The feed's markets.
    cut_offs : CutOffs
        The times.
    opening : Opening
        Says what else keeps markets closed.
    model_prices : ModelPrices | None
        Suspends and resumes the markets that our model prices, where it is used.
    """

    def __init__(
        self,
        registry: MarketRegistry,
        *,
        cut_offs: CutOffs,
        opening: Opening,
        model_prices: "ModelPrices | None",
    ) -> None:
        self._registry: Final = registry
        self._cut_offs: Final = cut_offs
        self._opening: Final = opening
        self._model_prices: Final = model_prices

    def on_time(self, now_ms: int) -> list[Action]:
        """Return the suspensions of the markets whose time has come."""
        due = self._cut_offs.advance(now_ms)
        actions: list[Action] = []
        for event_id in due.event_ids:
            actions += self._at_start(event_id, Status.SUSPENDED, STARTED)
        actions += [
            status_update(listed, None, Status.SUSPENDED, BETSTOP_DUE)
            for listed in due.markets
            if listed.open_when_trusted
        ]
        return actions

    def on_start(self, message: FixtureChange) -> list[Action]:
        """Return what follows from a start that a fixture_change gives; nothing if it gives none.

        A start that has passed suspends the event's pre-match markets. One that has moved into the
        future opens those again that the one before had suspended.
        """
        if not message.start_time:
            return []
        event_id = message.event_id
        had_started = self._cut_offs.has_started(event_id)
        self._cut_offs.set_start(event_id, message.start_time, given_ms=message.timestamp)
        actions = self.on_time(0)
        if had_started and not self._cut_offs.has_started(event_id):
            actions += self._at_start(event_id, Status.ACTIVE, "the start has moved")
        return actions

    def _at_start(self, event_id: str, status: Status, why: str) -> list[Action]:
        """Return the updates of the pre-match markets of an event that are or may be open."""
        opens = status is Status.ACTIVE
        listed_markets = [
            listed
            for listed in self._registry.event_markets(event_id)
            if not self._registry.rank(listed.owner)
            and listed.open_when_trusted
            and not (opens and self._opening.market_closed(listed))
        ]
        actions: list[Action] = [
            status_update(listed, None, status, why) for listed in listed_markets
        ]
        if self._model_prices is not None and listed_markets:
            owner = listed_markets[0].owner
            actions += self._model_prices.on_time(event_id, owner, "" if opens else why)
        return actions
