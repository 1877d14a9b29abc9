"""The settings of a system's feeds: one section for each.

Owns names, defaults and bounds. `gateway.feeds.factory` makes pipelines and adapters of them. This
module loads little, so that a command that serves no feed starts fast.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

NAME_FILES_MAX: Final = 64
"""Files with names of outcomes."""
MARGIN_RULES_MAX: Final = 64
MarginRuleText = Annotated[
    str, Meta(pattern=r"^[a-z0-9_*?]{1,64}=(theirs|probabilities|ours|ours [1-9][0-9]?)\Z")
]
"""``PATTERN=POLICY`` of a market type. ``theirs`` takes the provider's odds, ``probabilities``
makes odds of its probabilities where it gives them, ``ours`` of its odds where it gives none. A
number after ``ours`` says how many outcomes of the market win, where our types do not know it."""
METHOD_RULES_MAX: Final = 64
MethodRuleText = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9_]{1,64}=(proportional|additive|power|odds_ratio|shin|standard_error)\Z"
    ),
]
"""``TYPE=METHOD``: how a market type's margin is added to odds and removed from the feed's."""
GoalProcess = Literal["never", "in_play", "always"]
"""When scoring depends on the score in the models fitted to a feed's odds (docs/pricing.md)."""
_Millis = Annotated[int, Meta(ge=1, le=3_600_000)]


class FeedSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of every feed: whether it runs, margin and skew of its odds, bounds and pace."""

    enabled: bool = False
    book_milli: Annotated[int, Meta(ge=1_000, le=2_000)] = 1_050
    methods: Annotated[tuple[MethodRuleText, ...], Meta(max_length=METHOD_RULES_MAX)] = ()
    skew_scale_minor: Annotated[int, Meta(ge=0, le=10**15)] = 0
    skew_milli_max: Annotated[int, Meta(ge=0, le=2_000)] = 150
    messages_max: Annotated[int, Meta(ge=1, le=1 << 20)] = 8_192
    updates_in_call_max: Annotated[int, Meta(ge=1, le=1_024)] = 512
    pace_ms: Annotated[int, Meta(ge=0, le=1_000)] = 10
    call_timeout_ms: _Millis = 10_000
    ahead_ms_max: _Millis = 60_000


class UofFeedSettings(FeedSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the Unified Odds Feed."""

    sports: tuple[str, ...] = ("football",)
    from_probabilities: bool = False
    margins: Annotated[tuple[MarginRuleText, ...], Meta(max_length=MARGIN_RULES_MAX)] = ()
    own_prices: bool = False
    goal_process: GoalProcess = "always"
    names: Annotated[tuple[str, ...], Meta(max_length=NAME_FILES_MAX)] = ()
    watch: bool = True
    silence_s: Annotated[int, Meta(ge=1, le=3_600)] = 20
    before_start_s: Annotated[int, Meta(ge=0, le=86_400)] = 0


class ExchangeFeedSettings(FeedSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of an exchange's stream."""

    every_ms: Annotated[int, Meta(ge=0, le=60_000)] = 100
    silence_heartbeats: Annotated[int, Meta(ge=2, le=100)] = 3
    odds_at_most: Literal["back", "lay", "any"] = "back"


class LsportsFeedSettings(FeedSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of LSports' feed."""

    watch: bool = True
    sequences: bool = True
    silence_s: Annotated[int, Meta(ge=1, le=3_600)] = 20
    snapshot_every_s: Annotated[int, Meta(ge=0, le=3_600)] = 15


FEEDS: Final = ("uof", "exchange", "lsports")
"""Names of the feeds; the settings of each are section ``feed_NAME``."""
