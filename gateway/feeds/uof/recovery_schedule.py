"""When a provider's recovery interface may be asked again after it has answered with a failure.

Owns the attempts that count against the provider's published limits, and the pauses that use these
limits evenly. Sans-I/O: times are arguments. It never makes a request.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from engine.common.units import NS_PER_MS, Nanos
from gateway.feeds.uof.producers import take_rate
from gateway.feeds.uof.settings import PROVIDER_EVENT_RATE, PROVIDER_RATES, RecoveryRate

_SOON_SHARE: Final = 3
"""The first attempts come after a third of an even share: half of those that a limit allows."""


class RecoveryLimit:
    """One of the provider's limits and the attempts that count against it.

    Parameters
    ----------
    rate : RecoveryRate
        The limit.
    """

    def __init__(self, rate: RecoveryRate) -> None:
        self.rate: Final = rate
        self.soon_s: Final = rate.within_ms / rate.requests_max / _SOON_SHARE / 1_000
        """The pause after one of the first failures, in seconds."""
        self.waiting = 0
        """Requests that are tried under this limit now; they share it."""
        self._answered_ns: deque[int] = deque()

    def take(self, at_ns: Nanos) -> bool:
        """Count an attempt and return True, or return False when the limit forbids it."""
        return take_rate(self.rate, self._answered_ns, at_ns=at_ns)

    def give_back(self, at_ns: Nanos) -> None:
        """Count an attempt no more: it has reached nobody."""
        if at_ns in self._answered_ns:  # else it is old, and was dropped meanwhile
            self._answered_ns.remove(at_ns)

    def pause_s(self, at_ns: Nanos) -> float:
        """Return the seconds until the attempt after one that has failed now.

        The first attempts come soon. The others are even shares of the longer time, so that the
        limit is not used up long before its time is over, and an interface that is back waits.
        """
        rate = self.rate
        soon_max = max(1, rate.requests_max // 2)
        long_ns = rate.long_within_ms * NS_PER_MS
        if sum(at_ns - made_ns <= long_ns for made_ns in self._answered_ns) <= soon_max:
            return self.soon_s
        left = max(1, rate.long_requests_max - soon_max)
        share_ms = max(rate.within_ms / rate.requests_max, rate.long_within_ms / left)
        return share_ms * max(1, self.waiting) / 1_000


class RecoverySchedule:
    """All limits of one provider's interface.

    Parameters
    ----------
    rates : Sequence[RecoveryRate]
        The limits by how far back a recovery reaches.
    event_rate : RecoveryRate
        The limit of recoveries of single events, each of which is two requests.
    """

    def __init__(
        self,
        rates: Sequence[RecoveryRate] = PROVIDER_RATES,
        event_rate: RecoveryRate = PROVIDER_EVENT_RATE,
    ) -> None:
        ordered = sorted(rates, key=lambda rate: rate.age_ms)
        self._limits: Final = [RecoveryLimit(rate) for rate in ordered]
        self._event_limit: Final = RecoveryLimit(
            replace(
                event_rate,
                requests_max=2 * event_rate.requests_max,
                long_requests_max=2 * event_rate.long_requests_max,
            )
        )

    def limit_of(self, *, age_ms: float, single_event: bool) -> RecoveryLimit:
        """Return the limit of a request that reaches back so far, or is for one event."""
        if single_event:
            return self._event_limit
        found = (limit for limit in self._limits if age_ms < limit.rate.age_ms)
        return next(found, self._limits[-1])
