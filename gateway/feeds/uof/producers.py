"""The producers of one feed: which of them can be trusted now, and what must be asked again.

Owns the watchdog: heartbeats, silence, recoveries and how often they may be asked for. Sans-I/O:
time comes as an argument, and what to do comes back as data. Never names a market; that a producer
is down concerns its own markets only, and whoever keeps those is told.

A producer is unknown, and not trusted, until its first recovery is complete. Heartbeats are judged
by when they came and by what time they carry: messages may be missing when either leaves a gap.
Recovery is asked for when the heartbeat is back, not while it is silent, as the provider would
refuse it.
"""

from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct, field

from engine.common.units import NS_PER_MS
from gateway.feeds.core.adapter import RecoveryRequest

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
PRODUCERS_MAX: Final = 64
"""Producers kept; messages of others are as those of one that is down."""
ASKED_MAX: Final = 16
"""Recoveries of one producer under way; past it the oldest is waited for no more."""
RATES_MAX: Final = 8
ALL: Final = 0
"""Every producer: no real one has this number."""
FULL: Final = 0
"""A recovery of everything that is current, rather than of what was said after a time."""

_Ms = Annotated[int, Meta(ge=1, le=30 * _DAY_MS)]


class Rate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many recoveries the provider takes, of those that reach back less than `age_ms`."""

    age_ms: _Ms
    requests_max: Annotated[int, Meta(ge=1, le=10_000)]
    within_ms: _Ms
    more_max: Annotated[int, Meta(ge=1, le=10_000)]
    more_within_ms: _Ms


PROVIDER_RATES: Final = (
    Rate(
        age_ms=30 * _MINUTE_MS,
        requests_max=20,
        within_ms=10 * _MINUTE_MS,
        more_max=60,
        more_within_ms=_HOUR_MS,
    ),
    Rate(
        age_ms=_DAY_MS,
        requests_max=4,
        within_ms=10 * _MINUTE_MS,
        more_max=10,
        more_within_ms=_HOUR_MS,
    ),
    Rate(
        age_ms=30 * _DAY_MS,
        requests_max=2,
        within_ms=30 * _MINUTE_MS,
        more_max=4,
        more_within_ms=2 * _HOUR_MS,
    ),
)
"""As the provider publishes them ("Access restrictions for odds recovery"); a full recovery counts
with the longest, and all producers share one account's allowance."""

PROVIDER_WINDOWS_MS: Final[Mapping[int, int]] = {1: 10 * _HOUR_MS, 5: 7 * _DAY_MS}
"""How far back a producer can recover, where it is not the common window ("Recovery using API")."""


class WatchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a producer is down, and how it comes back."""

    silence_ms: _Ms = 20_000
    """Without a heartbeat for so long, or with so much missing between two, it is down."""
    late_ms: Annotated[int, Meta(ge=0, le=_DAY_MS)] = 20_000
    """A heartbeat older than this when it comes means that odds are as old; 0: not judged."""
    recovery_timeout_ms: _Ms = 10 * _MINUTE_MS
    """A recovery that is not complete by then is asked for again."""
    window_ms: _Ms = 3 * _DAY_MS
    windows_ms: dict[int, _Ms] = field(default_factory=lambda: dict(PROVIDER_WINDOWS_MS))
    resume_back_ms: Annotated[int, Meta(ge=0, le=30 * _DAY_MS)] = 0
    """After a restart, how far before the newest message recovery begins; 0: at the window's end,
    since a recovery that was under way when the last process ended is known to nobody."""
    rates: Annotated[tuple[Rate, ...], Meta(min_length=1, max_length=RATES_MAX)] = PROVIDER_RATES


class State(Enum):
    """Whether a producer's markets may be open."""

    DOWN = "down"
    """Silent, or not yet recovered."""
    RECOVERING = "recovering"
    """A recovery was asked for and is not complete."""
    LATE = "late"
    """All was heard, but what is heard now is old."""
    UP = "up"


class Turn(NamedTuple):
    """A producer came up, or went down for a reason."""

    producer: int
    up: bool
    why: str = ""


class ProducerUpdate(NamedTuple):
    """What follows from a heartbeat or from time: turns in their order, and what to ask for."""

    turns: tuple[Turn, ...] = ()
    recovers: tuple[RecoveryRequest, ...] = ()


_NOTHING: Final = ProducerUpdate()


class _Producer:
    """One producer's heartbeats and recoveries."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.state = State.DOWN
        self.received_ns: int | None = None
        self.feed_ms = 0
        self.good_ms: int | None = None
        """Up to here nothing is missing."""
        self.newest_ms: int | None = None
        """The newest message that markets remember from an earlier process."""
        self.asked: dict[int, int] = {}
        """Recoveries under way: when each was asked for, by its number."""
        self.late = False


class Producers:
    """All producers of a feed.

    Parameters
    ----------
    settings : WatchSettings
        Limits and windows.
    """

    def __init__(self, settings: WatchSettings) -> None:
        self._settings: Final = settings
        self._producers: dict[int, _Producer] = {}
        self._rates: Final = tuple(sorted(settings.rates, key=lambda rate: rate.age_ms))
        self._requests: Final[tuple[deque[int], ...]] = tuple(deque() for _ in self._rates)
        self._request_id = 0

    def state(self, producer: int) -> State:
        """Return how a producer stands; one never heard of is down."""
        known = self._producers.get(producer)
        return State.DOWN if known is None else known.state

    def is_up(self, producer: int) -> bool:
        """Say whether a producer's markets may be open."""
        return self.state(producer) is State.UP

    def states(self) -> dict[int, State]:
        """Return every producer's state."""
        return {number: producer.state for number, producer in self._producers.items()}

    def resume(self, producer: int, *, newest_ms: int) -> None:
        """Learn how far markets have heard a producer before this process began."""
        known = self._producer(producer)
        if known is not None:
            known.newest_ms = max(newest_ms, known.newest_ms or 0)

    def alive(
        self, producer: int, *, timestamp_ms: int, subscribed: bool, late_ms: int, at_ns: int
    ) -> ProducerUpdate:
        """Take a heartbeat.

        Parameters
        ----------
        timestamp_ms : int
            The time it carries.
        subscribed : bool
            Whether the producer sends us more than heartbeats.
        late_ms : int
            How old it is, by the feed's clock.
        """
        known = self._producer(producer)
        if known is None:
            return _NOTHING
        silence_ms = self._settings.silence_ms
        silent = known.received_ns is None or at_ns - known.received_ns > silence_ms * NS_PER_MS
        if timestamp_ms <= known.feed_ms and not silent:
            return _NOTHING  # repeated, or overtaken
        turns: list[Turn] = []
        if silent:
            self._turn_down(known, "feed silent", turns)
        elif timestamp_ms - known.feed_ms > silence_ms:
            self._turn_down(known, "feed gap", turns)
        elif not subscribed and known.state is not State.RECOVERING:
            self._turn_down(known, "feed not subscribed", turns)
        known.received_ns, known.feed_ms = at_ns, timestamp_ms
        known.late = 0 < self._settings.late_ms < late_ms
        if known.state in (State.UP, State.LATE):
            known.good_ms = timestamp_ms
            self._settle(known, turns)
        return ProducerUpdate(tuple(turns), self._ask(known, at_ns))

    def product_down(self, producer: int) -> ProducerUpdate:
        """Take a producer's own word that it does not work, or for `ALL` that words are missing."""
        turns: list[Turn] = []
        if producer == ALL:
            every, why = list(self._producers.values()), "feed interrupted"
        else:
            one, why = self._producer(producer), "producer down"
            every = [] if one is None else [one]
        for known in every:
            self._turn_down(known, why, turns)
            known.received_ns = None
        return ProducerUpdate(tuple(turns))

    def complete(self, producer: int, request_id: int | None) -> ProducerUpdate:
        """Take the end of a recovery; of one that nobody waits for, nothing follows."""
        known = self._producers.get(producer)
        if known is None or known.state is not State.RECOVERING or request_id not in known.asked:
            return _NOTHING
        known.asked.clear()
        known.good_ms = known.feed_ms
        known.state = State.LATE
        turns: list[Turn] = []
        self._settle(known, turns)
        return ProducerUpdate(tuple(turns))

    def tick(self, *, at_ns: int) -> ProducerUpdate:
        """Take the time: silence begins, recoveries are asked for again."""
        turns: list[Turn] = []
        recovers: list[RecoveryRequest] = []
        for known in self._producers.values():
            if self._is_silent(known, at_ns):
                self._turn_down(known, "feed silent", turns)
            else:
                recovers += self._ask(known, at_ns)
        return ProducerUpdate(tuple(turns), tuple(recovers))

    # --- inside ----------------------------------------------------------------------------------

    def _producer(self, number: int) -> _Producer | None:
        known = self._producers.get(number)
        if known is None and len(self._producers) < PRODUCERS_MAX:
            known = self._producers[number] = _Producer(number)
        return known

    def _is_silent(self, known: _Producer, at_ns: int) -> bool:
        received_ns = known.received_ns
        return received_ns is None or at_ns - received_ns > self._settings.silence_ms * NS_PER_MS

    def _turn_down(self, known: _Producer, why: str, turns: list[Turn]) -> None:
        """Lose trust; what was asked for may have been lost with the rest."""
        if known.state is State.UP:
            turns.append(Turn(known.number, up=False, why=why))
        known.state = State.DOWN
        known.asked.clear()

    def _settle(self, known: _Producer, turns: list[Turn]) -> None:
        """Tell up from late, of a producer that has missed nothing."""
        if known.late and known.state is State.UP:
            turns.append(Turn(known.number, up=False, why="feed late"))
            known.state = State.LATE
        elif not known.late and known.state is State.LATE:
            turns.append(Turn(known.number, up=True))
            known.state = State.UP

    def _ask(self, known: _Producer, at_ns: int) -> tuple[RecoveryRequest, ...]:
        """Ask for what was missed, unless it is under way or has been asked too often."""
        if known.state in (State.UP, State.LATE):
            return ()
        timeout_ns = self._settings.recovery_timeout_ms * NS_PER_MS
        if any(at_ns - asked_ns < timeout_ns for asked_ns in known.asked.values()):
            return ()
        after_ms = self._after_ms(known)
        if not self._allowed(known.feed_ms, after_ms, at_ns):
            return ()
        # Numbers of an earlier process must not come again: they may still be under way.
        self._request_id = max(self._request_id + 1, at_ns // (1_000 * NS_PER_MS))
        known.asked[self._request_id] = at_ns
        while len(known.asked) > ASKED_MAX:
            del known.asked[next(iter(known.asked))]
        known.state = State.RECOVERING
        return (
            RecoveryRequest(producer=known.number, after_ms=after_ms, request_id=self._request_id),
        )

    def _after_ms(self, known: _Producer) -> int:
        """Return from when on to recover: all that is current where the window does not reach."""
        window_ms = self._settings.windows_ms.get(known.number, self._settings.window_ms)
        oldest_ms = known.feed_ms - window_ms + _MINUTE_MS
        if known.good_ms is not None:
            return known.good_ms if oldest_ms < known.good_ms <= known.feed_ms else FULL
        if known.newest_ms is None or not oldest_ms < known.newest_ms:
            return FULL
        back_ms = self._settings.resume_back_ms
        return max(oldest_ms, known.newest_ms - back_ms) if back_ms else max(oldest_ms, 1)

    def _allowed(self, feed_ms: int, after_ms: int, at_ns: int) -> bool:
        """Count a request against the provider's limits, if it keeps them."""
        # The provider looks at its clock a little later than we do.
        age_ms = self._rates[-1].age_ms if after_ms == FULL else feed_ms - after_ms + _MINUTE_MS
        last = len(self._rates) - 1
        place = next((n for n, rate in enumerate(self._rates) if age_ms < rate.age_ms), last)
        rate, times = self._rates[place], self._requests[place]
        longest_ns = max(rate.within_ms, rate.more_within_ms) * NS_PER_MS
        while times and at_ns - times[0] > longest_ns:
            times.popleft()
        for count, within_ms in (
            (rate.requests_max, rate.within_ms),
            (rate.more_max, rate.more_within_ms),
        ):
            if sum(at_ns - time_ns <= within_ms * NS_PER_MS for time_ns in times) >= count:
                return False
        times.append(at_ns)
        return True
