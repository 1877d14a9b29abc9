"""The producers of one feed: whether each is trusted, and which recoveries to request.

Owns heartbeats (alive messages), silence, recoveries, and the rate at which recoveries may be
requested. Sans-I/O: time is an argument, and what to do is returned as data. It never names a
market; `ProducerWatch` applies a trust change to the producer's markets.

A producer is not trusted until its first recovery is complete. A heartbeat is judged by its arrival
and by its timestamp: a gap in either means that messages may be missing. A recovery is requested
when the heartbeat is back, not during the silence, because the provider would refuse it.
"""

from collections import deque
from enum import Enum
from typing import Final, NamedTuple

from engine.common.units import NS_PER_MS, Nanos
from gateway.feeds.core.adapter import RecoveryRequest
from gateway.feeds.uof.settings import RecoveryRate, WatchSettings

_MINUTE_MS: Final = 60_000
_NS_PER_S: Final = 1_000 * NS_PER_MS
PRODUCERS_MAX: Final = 64
"""Producers kept; any further producer counts as down."""
PENDING_RECOVERIES_MAX: Final = 16
"""Pending recoveries of one producer; past it the oldest is no longer waited for."""
FULL_RECOVERY: Final = 0
"""`after_ms` of a recovery of all current odds, instead of the messages after a time."""


class State(Enum):
    """A producer's state; its markets may be open only in `UP`."""

    DOWN = "down"
    """Silent, or not yet recovered."""
    RECOVERING = "recovering"
    """A recovery is requested and not complete."""
    LATE = "late"
    """No message is missing, but the heartbeats arrive too late."""
    UP = "up"


class TrustChange(NamedTuple):
    """A producer gained or lost trust; `why` says why it lost trust."""

    producer: int
    trusted: bool
    why: str = ""


class WatchUpdate(NamedTuple):
    """What follows from a message or from time: trust changes in order, recoveries to request."""

    trust_changes: tuple[TrustChange, ...] = ()
    requests: tuple[RecoveryRequest, ...] = ()


_NO_UPDATE: Final = WatchUpdate()


class _Producer:
    """One producer's heartbeats and recoveries."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.state = State.DOWN
        self.heartbeat_ns: Nanos | None = None
        """When the last heartbeat arrived; None: never, or not since messages were lost."""
        self.heartbeat_ms = 0
        """Provider timestamp of the last heartbeat."""
        self.complete_to_ms: int | None = None
        """No message up to this provider timestamp is missing; None: not known."""
        self.resumed_from_ms: int | None = None
        """Newest message that markets remember from an earlier process; None: none."""
        self.pending_ns: dict[int, int] = {}
        """When each pending recovery was requested, by its request id."""
        self.late = False


class Producers:
    """All producers of a feed.

    Parameters
    ----------
    settings : WatchSettings
        Limits and windows.
    watched : bool
        False: trust every producer, ignore heartbeats, and never request a recovery.
    """

    def __init__(self, settings: WatchSettings, *, watched: bool = True) -> None:
        self._settings: Final = settings
        self.watched: Final = watched
        self._producers: dict[int, _Producer] = {}
        self._rates: Final = tuple(sorted(settings.rates, key=lambda rate: rate.age_ms))
        self._requests_ns: Final[tuple[deque[int], ...]] = tuple(deque() for _ in self._rates)
        self._request_id = 0

    def state(self, producer: int) -> State:
        """Return a producer's state; an unknown producer is down."""
        known = self._producers.get(producer)
        return State.DOWN if known is None else known.state

    def states(self) -> dict[int, State]:
        """Return the state of every known producer."""
        return {number: producer.state for number, producer in self._producers.items()}

    def is_trusted(self, producer: int) -> bool:
        """Say whether a producer's markets may be open."""
        return not self.watched or self.state(producer) is State.UP

    def is_complete(self, producer: int) -> bool:
        """Say whether no message of a producer is missing, so that its results arrive in order."""
        return not self.watched or self.state(producer) in (State.UP, State.LATE)

    def resume(self, producer: int, *, newest_ms: int) -> None:
        """Note the newest message of a producer that markets remember from an earlier process."""
        known = self._producer(producer)
        if known is not None:
            known.resumed_from_ms = max(newest_ms, known.resumed_from_ms or 0)

    def alive(
        self, producer: int, *, timestamp_ms: int, subscribed: bool, late_ms: int, at_ns: Nanos
    ) -> WatchUpdate:
        """Update a producer from an alive message.

        Parameters
        ----------
        timestamp_ms : int
            The message's timestamp.
        subscribed : bool
            Whether the producer sends more than alive messages.
        late_ms : int
            Age of the message on arrival, by the feed's clock.
        at_ns : int
            When the message arrived.
        """
        known = self._producer(producer) if self.watched else None
        if known is None:
            return _NO_UPDATE
        silent = self._is_silent(known, at_ns)
        if timestamp_ms <= known.heartbeat_ms and not silent:
            return _NO_UPDATE  # repeated, or overtaken by a newer one
        changes: list[TrustChange] = []
        if silent:
            self._mark_down(known, "feed silent", changes)
        elif timestamp_ms - known.heartbeat_ms > self._settings.silence_ms:
            self._mark_down(known, "feed gap", changes)
        elif not subscribed and known.state is not State.RECOVERING:
            self._mark_down(known, "feed not subscribed", changes)
        known.heartbeat_ns, known.heartbeat_ms = at_ns, timestamp_ms
        known.late = 0 < self._settings.late_ms < late_ms
        if known.state in (State.UP, State.LATE):
            known.complete_to_ms = timestamp_ms
            self._apply_lateness(known, changes)
        return WatchUpdate(tuple(changes), self._request_recovery(known, at_ns))

    def product_down(self, producer: int) -> WatchUpdate:
        """Mark a producer down, which reported so itself."""
        known = self._producer(producer) if self.watched else None
        return _NO_UPDATE if known is None else self._lose([known], "producer down")

    def subscription_started(self) -> WatchUpdate:
        """Mark every producer down: messages of any of them may have been lost."""
        known = list(self._producers.values()) if self.watched else []
        return self._lose(known, "feed interrupted")

    def snapshot_complete(self, producer: int, request_id: int | None) -> WatchUpdate:
        """Complete a recovery; one that is not pending changes nothing."""
        known = self._producers.get(producer)
        if (
            known is None
            or known.state is not State.RECOVERING
            or request_id not in known.pending_ns
        ):
            return _NO_UPDATE
        known.pending_ns.clear()
        known.complete_to_ms = known.heartbeat_ms
        known.state = State.LATE
        changes: list[TrustChange] = []
        self._apply_lateness(known, changes)
        return WatchUpdate(tuple(changes))

    def distrust(self, producer: int, why: str) -> WatchUpdate:
        """Mark a producer down of which some messages could not be read; recover it in full."""
        known = self._producer(producer) if self.watched else None
        if known is None:
            return _NO_UPDATE
        known.complete_to_ms = known.resumed_from_ms = None
        changes: list[TrustChange] = []
        self._mark_down(known, why, changes)
        return WatchUpdate(tuple(changes))

    def tick(self, *, at_ns: Nanos) -> WatchUpdate:
        """Mark silent producers down, and request recoveries that timed out again."""
        if not self.watched:
            return _NO_UPDATE
        changes: list[TrustChange] = []
        requests: list[RecoveryRequest] = []
        for known in self._producers.values():
            if self._is_silent(known, at_ns):
                self._mark_down(known, "feed silent", changes)
            else:
                requests += self._request_recovery(known, at_ns)
        return WatchUpdate(tuple(changes), tuple(requests))

    def next_request_id(self, *, at_ns: Nanos) -> int:
        """Return the id of a new request."""
        # An id of an earlier process may still be pending at the provider: ids follow the clock.
        self._request_id = max(self._request_id + 1, at_ns // _NS_PER_S)
        return self._request_id

    # --- inside ----------------------------------------------------------------------------------

    def _producer(self, number: int) -> _Producer | None:
        known = self._producers.get(number)
        if known is None and len(self._producers) < PRODUCERS_MAX:
            known = self._producers[number] = _Producer(number)
        return known

    def _is_silent(self, known: _Producer, at_ns: Nanos) -> bool:
        silence_ns = self._settings.silence_ms * NS_PER_MS
        return known.heartbeat_ns is None or at_ns - known.heartbeat_ns > silence_ns

    def _lose(self, producers: list[_Producer], why: str) -> WatchUpdate:
        changes: list[TrustChange] = []
        for known in producers:
            self._mark_down(known, why, changes)
            known.heartbeat_ns = None
        return WatchUpdate(tuple(changes))

    def _mark_down(self, known: _Producer, why: str, changes: list[TrustChange]) -> None:
        if known.state is State.UP:
            changes.append(TrustChange(known.number, trusted=False, why=why))
        known.state = State.DOWN
        # The messages of a pending recovery may have been lost as well.
        known.pending_ns.clear()

    def _apply_lateness(self, known: _Producer, changes: list[TrustChange]) -> None:
        """Set `UP` or `LATE` for a producer of which no message is missing."""
        if known.late and known.state is State.UP:
            changes.append(TrustChange(known.number, trusted=False, why="feed late"))
            known.state = State.LATE
        elif not known.late and known.state is State.LATE:
            changes.append(TrustChange(known.number, trusted=True))
            known.state = State.UP

    def _request_recovery(self, known: _Producer, at_ns: Nanos) -> tuple[RecoveryRequest, ...]:
        """Return a request for the missing messages, unless one is pending or rates forbid it."""
        if known.state in (State.UP, State.LATE):
            return ()
        timeout_ns = self._settings.recovery_timeout_ms * NS_PER_MS
        if any(at_ns - requested_ns < timeout_ns for requested_ns in known.pending_ns.values()):
            return ()
        after_ms = self._after_ms(known)
        if not self._take_rate(known.heartbeat_ms, after_ms, at_ns):
            return ()
        request_id = self.next_request_id(at_ns=at_ns)
        known.pending_ns[request_id] = at_ns
        while len(known.pending_ns) > PENDING_RECOVERIES_MAX:
            del known.pending_ns[next(iter(known.pending_ns))]
        known.state = State.RECOVERING
        return (RecoveryRequest(producer=known.number, after_ms=after_ms, request_id=request_id),)

    def _after_ms(self, known: _Producer) -> int:
        """Return the time to recover from; `FULL_RECOVERY` when the window does not reach it."""
        window_ms = self._settings.windows_ms.get(known.number, self._settings.window_ms)
        oldest_ms = known.heartbeat_ms - window_ms + _MINUTE_MS
        complete_to_ms = known.complete_to_ms
        if complete_to_ms is not None:
            within = oldest_ms < complete_to_ms <= known.heartbeat_ms
            return complete_to_ms if within else FULL_RECOVERY
        if known.resumed_from_ms is None or not oldest_ms < known.resumed_from_ms:
            return FULL_RECOVERY
        back_ms = self._settings.resume_back_ms
        return max(oldest_ms, known.resumed_from_ms - back_ms) if back_ms else max(oldest_ms, 1)

    def _take_rate(self, heartbeat_ms: int, after_ms: int, at_ns: Nanos) -> bool:
        """Count a request against the provider's rates and return True, or return False."""
        # The provider receives the request a little later, when the start is further back.
        age_ms = (
            self._rates[-1].age_ms
            if after_ms == FULL_RECOVERY
            else heartbeat_ms - after_ms + _MINUTE_MS
        )
        last = len(self._rates) - 1
        index = next((n for n, rate in enumerate(self._rates) if age_ms < rate.age_ms), last)
        rate, requests_ns = self._rates[index], self._requests_ns[index]
        return take_rate(rate, requests_ns, at_ns=at_ns)


def take_rate(rate: RecoveryRate, requests_ns: deque[int], *, at_ns: Nanos) -> bool:
    """Count a request against a rate and return True, or return False when the rate forbids it.

    `requests_ns` holds the times of earlier requests, the oldest first; it is updated.
    """
    longest_ns = max(rate.within_ms, rate.long_within_ms) * NS_PER_MS
    while requests_ns and at_ns - requests_ns[0] > longest_ns:
        requests_ns.popleft()
    for requests_max, within_ms in (
        (rate.requests_max, rate.within_ms),
        (rate.long_requests_max, rate.long_within_ms),
    ):
        within_ns = within_ms * NS_PER_MS
        if sum(at_ns - time_ns <= within_ns for time_ns in requests_ns) >= requests_max:
            return False
    requests_ns.append(at_ns)
    return True
