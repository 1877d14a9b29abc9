"""Settings of one Unified Odds Feed, and the limits that the provider publishes.

Owns their names, bounds and defaults. It reads no configuration file.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from engine.common.commands import Limits
from engine.common.early import LEAD_GOALS_MAX
from engine.common.units import MARKETS_MAX
from gateway.feeds.core.settings import (
    MARGIN_RULES_MAX,
    METHOD_RULES_MAX,
    GoalProcess,
    MarginRuleText,
    MethodRuleText,
)

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
RATES_MAX: Final = 8

_Ms = Annotated[int, Meta(ge=1, le=30 * _DAY_MS)]


class RecoveryRate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many recovery requests the provider accepts that reach back less than `age_ms`.

    Both limits hold: `requests_max` within `within_ms`, and `long_requests_max` within the longer
    `long_within_ms`.
    """

    age_ms: _Ms
    requests_max: Annotated[int, Meta(ge=1, le=10_000)]
    within_ms: _Ms
    long_requests_max: Annotated[int, Meta(ge=1, le=10_000)]
    long_within_ms: _Ms


PROVIDER_RATES: Final = (
    RecoveryRate(
        age_ms=30 * _MINUTE_MS,
        requests_max=20,
        within_ms=10 * _MINUTE_MS,
        long_requests_max=60,
        long_within_ms=_HOUR_MS,
    ),
    RecoveryRate(
        age_ms=_DAY_MS,
        requests_max=4,
        within_ms=10 * _MINUTE_MS,
        long_requests_max=10,
        long_within_ms=_HOUR_MS,
    ),
    RecoveryRate(
        age_ms=30 * _DAY_MS,
        requests_max=2,
        within_ms=30 * _MINUTE_MS,
        long_requests_max=4,
        long_within_ms=2 * _HOUR_MS,
    ),
)
"""The provider's published limits ("Access restrictions for odds recovery"). A full recovery counts
with the longest age, and all producers share the limits of one account."""

PROVIDER_EVENT_RATE: Final = RecoveryRate(
    age_ms=30 * _DAY_MS,
    requests_max=50,
    within_ms=10 * _MINUTE_MS,
    long_requests_max=150,
    long_within_ms=_HOUR_MS,
)
"""Half the provider's published limits for single events: the recovery of an event is two requests,
one for its odds and one for its results."""

PROVIDER_WINDOWS_MS: Final[Mapping[int, int]] = {1: 10 * _HOUR_MS, 5: 7 * _DAY_MS}
"""How far back a producer can recover, where it differs from `WatchSettings.window_ms` ("Recovery
using API")."""


class WatchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a producer is down, and how it is recovered."""

    silence_ms: _Ms = 20_000
    """A producer is down after so long without an alive message, by our clock, or with so long
    between the timestamps of two alive messages."""
    late_ms: Annotated[int, Meta(ge=0, le=_DAY_MS)] = 20_000
    """An alive message older than this on arrival means that the odds are as old; 0: not judged."""
    recovery_timeout_ms: _Ms = 10 * _MINUTE_MS
    """A recovery that is not complete after so long is requested again."""
    window_ms: _Ms = 3 * _DAY_MS
    """How far back a producer can recover."""
    windows_ms: dict[int, _Ms] = field(default_factory=lambda: dict(PROVIDER_WINDOWS_MS))
    """The same by producer, where it differs from `window_ms`."""
    resume_back_ms: Annotated[int, Meta(ge=0, le=30 * _DAY_MS)] = 0
    """After a restart, recovery begins so long before the newest message. 0: at the start of the
    producer's window, because a recovery that the previous process had under way is not known."""
    rates: Annotated[tuple[RecoveryRate, ...], Meta(min_length=1, max_length=RATES_MAX)] = (
        PROVIDER_RATES
    )
    event_rate: RecoveryRate = PROVIDER_EVENT_RATE


class UofSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the messages of one feed become odds and statuses."""

    sports: Annotated[tuple[str, ...], Meta(max_length=16)] = ("football",)
    """The sport that the source delivers (see UofTypes); empty for a source of many sports."""
    price_from: Literal["odds", "probabilities"] = "odds"
    """Take the feed's odds, or make odds of its probabilities where it gives them."""
    margins: Annotated[tuple[MarginRuleText, ...], Meta(max_length=MARGIN_RULES_MAX)] = ()
    """What holds for some market types instead of `price_from`: the first rule that matches."""
    methods: Annotated[tuple[MethodRuleText, ...], Meta(max_length=METHOD_RULES_MAX)] = ()
    """How the margin of some market types is removed, also before a model is fitted; of others by
    the measured defaults."""
    own_prices: bool = False
    """Price the football markets that our model knows by the model, which is fitted to the feed's
    odds, instead of by `price_from`."""
    goal_process: GoalProcess = "always"
    """When those models are fitted from the measured goal process."""
    early_betting: bool = True
    """After a bet_stop, open a market as soon as an odds_change makes it active, even while the
    message has a `betting_status`."""
    prematch: Annotated[tuple[int, ...], Meta(max_length=16)] = (3,)
    """Producers that hand their markets over to live producers."""
    before_start_ms: Annotated[int, Meta(ge=0, le=_DAY_MS)] = 0
    """How long before the start that a fixture_change gives the event's pre-match markets stop."""
    early_lead: Annotated[int, Meta(ge=0, le=LEAD_GOALS_MAX)] = 0
    """The lead in goals at which the 1x2 market of a football match is told to pay early (see
    PayEarly); 0: never."""
    watch: bool = True
    """Trust a producer by its alive messages. False: trust every producer, for a recording without
    alive messages."""
    producers: WatchSettings = WatchSettings()
    ahead_ms_max: _Ms = 60_000
    """How far a message's timestamp may be ahead of our clock. A message further ahead is refused,
    and the open markets of its event are suspended until the next message about them."""
    markets_max: Annotated[int, Meta(ge=1, le=MARKETS_MAX)] = MARKETS_MAX
    limits: Limits | None = None
    """Limits of new markets; None: the engine's defaults."""
