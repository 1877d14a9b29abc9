"""Whether what is known of LSports' markets can be trusted, and when a snapshot is due.

Owns doubts: of the whole feed, when a connection began or the provider was silent, and of single
fixtures, when a message about them was missed or could not be read. A doubt ends with a snapshot
that was requested after it arose. It never reads a message and sends nothing.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.units import NS_PER_MS, Nanos
from gateway.feeds.core.adapter import RecoveryRequest

DOUBTS_MAX: Final = 4_096

_Ms = Annotated[int, Meta(ge=1, le=3_600_000)]


class TrustSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the feed is doubted, and how often the provider is asked.

    The provider sends a heartbeat every five seconds, and allows a request for everything every 15
    seconds.
    """

    silence_ms: _Ms = 20_000
    """The feed is doubted after so long without a message, or when messages are so late."""
    every_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 15_000
    """Shortest time between two requests for a snapshot."""
    timeout_ms: _Ms = 90_000
    """A snapshot that is not complete after so long is requested again."""
    overlap_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 60_000
    """How much further back a snapshot reaches than the last message before the doubt."""


class Trust:
    """The doubts of one feed.

    Parameters
    ----------
    settings : TrustSettings
        Times.
    """

    def __init__(self, settings: TrustSettings) -> None:
        self.why = "no snapshot yet"
        """Why the whole feed is doubted; empty when it is not."""
        self.requested_ms = 0
        """The newest provider time when the snapshot was requested."""
        self._settings: Final = settings
        self._since_ms = 0
        self._doubts: dict[int, int] = {}
        """By fixture: the provider time from which messages may be missing."""
        self._alive_ns: Nanos | None = None
        self._request_id = 0
        self._outstanding = False
        self._covers_all = False
        self._covered: tuple[int, ...] = ()
        self._requested_ns: Nanos | None = None
        self._pieces = 0

    def doubted(self, fixture_id: int) -> str:
        """Return why a fixture is doubted; empty when it is trusted."""
        return self.why or (
            "a message about it is missing or cannot be read" if fixture_id in self._doubts else ""
        )

    def doubts(self) -> Iterable[int]:
        """Return the fixtures that are doubted beside the whole feed."""
        return self._doubts

    def doubt_all(self, why: str, *, since_ms: int) -> None:
        """Doubt everything: messages since a provider time (0: ever) may be missing."""
        since_ms = max(since_ms - self._settings.overlap_ms, 0)
        self._since_ms = min(self._since_ms, since_ms) if self.why else since_ms
        self.why = why
        self._outstanding = False

    def doubt(self, fixture_id: int, *, since_ms: int) -> None:
        """Doubt one fixture; past `DOUBTS_MAX` of them everything is doubted."""
        if len(self._doubts) >= DOUBTS_MAX and fixture_id not in self._doubts:
            self.doubt_all("too many fixtures miss a message", since_ms=since_ms)
            return
        since_ms = max(since_ms - self._settings.overlap_ms, 0)
        self._doubts[fixture_id] = min(self._doubts.get(fixture_id, since_ms), since_ms)
        self._covered = tuple(each for each in self._covered if each != fixture_id)

    def received(self, ms: int, *, at_ns: Nanos) -> None:
        """Note a message; one that is very late does not show that the feed is alive."""
        if at_ns // NS_PER_MS - ms <= self._settings.silence_ms:
            self._alive_ns = at_ns

    def silent(self, *, at_ns: Nanos) -> bool:
        """Say whether the provider has been silent for too long, or ever since the start."""
        return (
            self._alive_ns is None or at_ns - self._alive_ns > self._settings.silence_ms * NS_PER_MS
        )

    def request(self, newest_ms: int, *, at_ns: Nanos) -> RecoveryRequest | None:
        """Return the request for a snapshot, if one is due."""
        settings = self._settings
        if not (self.why or self._doubts) or self.silent(at_ns=at_ns):
            return None
        if self._requested_ns is not None:
            wait_ms = settings.timeout_ms if self._outstanding else settings.every_ms
            if at_ns - self._requested_ns < wait_ms * NS_PER_MS:
                return None
        self._requested_ns, self._outstanding = at_ns, True
        # A request id must not repeat after a restart: a bridge answers each id once.
        self._request_id = max(self._request_id + 1, at_ns // NS_PER_MS)
        self._covers_all, self._covered = bool(self.why), tuple(self._doubts)
        self._pieces, self.requested_ms = 0, newest_ms
        after = [self._since_ms] if self.why else []
        after_ms = min([*after, *self._doubts.values()])
        return RecoveryRequest(producer=0, after_ms=after_ms, request_id=self._request_id)

    def expects(self, request_id: int) -> bool:
        """Say whether a piece of a snapshot belongs to the one that is awaited, and count it."""
        if not self._outstanding or request_id != self._request_id:
            return False
        self._pieces += 1
        return True

    def complete(self, request_id: int, pieces: int) -> bool:
        """End the doubts that a snapshot covers; return whether it was whole and awaited."""
        if not self._outstanding or request_id != self._request_id:
            return False
        self._outstanding = False
        if pieces != self._pieces:
            return False
        if self._covers_all:
            self.why = ""
        for fixture_id in self._covered:
            self._doubts.pop(fixture_id, None)
        self._covered = ()
        return True
