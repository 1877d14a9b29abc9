"""The recoveries of single events: which are wanted, and when they may be requested.

Owns the events that wait for their recovery. Sans-I/O. It never suspends a market.
"""

from collections import OrderedDict, deque
from typing import Final

from engine.common.units import NS_PER_MS, Nanos
from gateway.feeds.core.adapter import RecoveryRequest
from gateway.feeds.uof.producers import (
    FULL_RECOVERY,
    Producers,
    TrustChange,
    WatchUpdate,
    take_rate,
)
from gateway.feeds.uof.settings import RecoveryRate

WANTED_MAX: Final = 1_024
"""Events that wait; past it their producers lose their trust and are recovered as a whole."""
AGAIN_NS: Final = 60 * 1_000 * NS_PER_MS
"""Shortest time between two recoveries of one event by one producer."""

_Name = tuple[int, str]
"""A producer and an event."""


class EventRecoveries:
    """The recoveries of single events of one feed.

    Parameters
    ----------
    producers : Producers
        Says whether a producer is recovered, and gives the ids of requests.
    rate : RecoveryRate
        How many events may be recovered in a time.
    """

    def __init__(self, producers: Producers, rate: RecoveryRate) -> None:
        self._producers: Final = producers
        self._rate: Final = rate
        self._taken_ns: Final[deque[int]] = deque()
        self._wanted: dict[_Name, None] = {}
        self._asked_ns: OrderedDict[_Name, int] = OrderedDict()

    def want(self, producer: int, event_id: str) -> WatchUpdate:
        """Have an event recovered, at once or at a later `requests`."""
        if not self._producers.watched:
            return WatchUpdate()
        self._wanted[producer, event_id] = None
        if len(self._wanted) <= WANTED_MAX:
            return WatchUpdate()
        numbers = dict.fromkeys(number for number, _ in self._wanted)
        self._wanted.clear()
        changes: list[TrustChange] = []
        for number in numbers:
            changes += self._producers.distrust(number, "feed damaged").trust_changes
        return WatchUpdate(tuple(changes))

    def requests(self, *, at_ns: Nanos) -> tuple[RecoveryRequest, ...]:
        """Return the requests that can be made now.

        An event waits while its producer is not recovered, or is not known to be alive.
        """
        requests: list[RecoveryRequest] = []
        for name in list(self._wanted):
            asked_ns = self._asked_ns.get(name)
            too_soon = asked_ns is not None and at_ns - asked_ns < AGAIN_NS
            if too_soon or not self._producers.is_complete(name[0]):
                continue
            if not take_rate(self._rate, self._taken_ns, at_ns=at_ns):
                break
            del self._wanted[name]
            self._asked_ns[name] = at_ns
            self._asked_ns.move_to_end(name)
            while len(self._asked_ns) > WANTED_MAX:
                self._asked_ns.popitem(last=False)
            requests.append(self._request(name, at_ns))
        return tuple(requests)

    def _request(self, name: _Name, at_ns: Nanos) -> RecoveryRequest:
        producer, event_id = name
        return RecoveryRequest(
            producer=producer,
            after_ms=FULL_RECOVERY,
            request_id=self._producers.next_request_id(at_ns=at_ns),
            event_id=event_id,
        )
