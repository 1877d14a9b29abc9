"""What live producers said last of each event: whether it has begun, and whether it is covered.

Owns this memory, which is bounded: past it the event that was heard of longest ago is dropped, and
counts as one that may have begun. It never changes a market.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from gateway.feeds.uof.messages import SportEventStatus

EVENTS_MAX: Final = 1 << 14
PRODUCERS_OF_EVENT_MAX: Final = 8
"""Live producers of one event whose coverage is kept; past it the oldest loss is dropped."""
_NOT_STARTED: Final = 0
_COVERAGE_SUSPENDED: Final = -1


class _Loss(NamedTuple):
    at_ms: int
    reported: bool
    """Whether `reporting` denied the coverage, so that `reporting` alone can confirm it again."""


class _Event:
    __slots__ = ("losses", "not_started", "odds_ms", "status_ms")

    def __init__(self) -> None:
        self.status_ms = -1
        """Newest timestamp of a live producer's status of the match; -1: none."""
        self.odds_ms = -1
        """Newest timestamp of a live producer's odds_change; -1: none."""
        self.not_started = False
        self.losses: dict[int, _Loss] = {}
        """How each live producer lost its coverage; producers that cover it are not in it."""


class EventStates:
    """The events of one feed.

    Parameters
    ----------
    events_max : int
        Events kept.
    """

    def __init__(self, *, events_max: int = EVENTS_MAX) -> None:
        self._events_max: Final = events_max
        self._events: OrderedDict[str, _Event] = OrderedDict()

    def note_odds(
        self, event_id: str, producer: int, match: SportEventStatus | None, at_ms: int
    ) -> bool:
        """Note a live producer's odds_change; return whether its coverage began or ended with it.

        An odds_change says that the producer covers the event, unless its `reporting` denies it.
        One that is older than the loss of coverage does not end it.

        Parameters
        ----------
        match : SportEventStatus | None
            The status of the match in the message.
        at_ms : int
            The message's timestamp.
        """
        event = self._event(event_id)
        event.odds_ms = max(event.odds_ms, at_ms)
        reporting = None
        if match is not None and at_ms >= event.status_ms:
            event.status_ms, event.not_started = at_ms, match.status == _NOT_STARTED
            reporting = match.reporting
        loss = event.losses.get(producer)
        if reporting == _COVERAGE_SUSPENDED:
            self._lose(event, producer, _Loss(at_ms, reported=True))
            return loss is None
        if loss is None or at_ms <= loss.at_ms or (loss.reported and reporting is None):
            return False
        del event.losses[producer]
        return True

    def note_lost(self, event_id: str, producer: int, at_ms: int) -> None:
        """Note that a live producer's coverage of an event changed, for all we know to none."""
        event = self._event(event_id)
        if not 0 < at_ms < event.odds_ms:
            self._lose(event, producer, _Loss(at_ms, reported=False))

    def is_not_started(self, event_id: str) -> bool:
        """Say whether a live producer said last that the match has not begun."""
        event = self._events.get(event_id)
        return event is not None and event.not_started

    def is_covered(self, event_id: str, producer: int) -> bool:
        """Say whether a live producer covers an event, as far as is known."""
        event = self._events.get(event_id)
        return event is None or producer not in event.losses

    def _event(self, event_id: str) -> _Event:
        event = self._events.get(event_id)
        if event is None:
            event = self._events[event_id] = _Event()
            while len(self._events) > self._events_max:
                self._events.popitem(last=False)
        else:
            self._events.move_to_end(event_id)
        return event

    def _lose(self, event: _Event, producer: int, loss: _Loss) -> None:
        event.losses[producer] = max(loss, event.losses.get(producer, loss))
        while len(event.losses) > PRODUCERS_OF_EVENT_MAX:
            del event.losses[min(event.losses, key=event.losses.__getitem__)]
