"""Make the pipeline and the adapter of a feed from its settings.

Owns this translation and nothing else.
"""

from collections.abc import Callable
from functools import cache, partial

from actors.system_parts import FeedPart
from engine.pricing.margin import methods_by_type
from engine.pricing.quoting import Margin
from engine.pricing.skew import LogOddsSkew
from gateway.feeds.core.adapter import Adapter
from gateway.feeds.core.pipeline import FeedPipeline, PipelineSettings
from gateway.feeds.core.settings import (
    ExchangeFeedSettings,
    FeedSettings,
    LsportsFeedSettings,
    UofFeedSettings,
)
from gateway.feeds.exchange.adapter import ExchangeAdapter
from gateway.feeds.exchange.fair_price import FairRules
from gateway.feeds.exchange.settings import ExchangeSettings
from gateway.feeds.lsports.adapter import LsportsAdapter, LsportsSettings
from gateway.feeds.lsports.trust import TrustSettings
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.outcome_names import OutcomeNames, read_outcome_names
from gateway.feeds.uof.settings import UofSettings, WatchSettings
from gateway.market_limits import LimitsSettings


def feed_part(
    feed: str,
    settings: FeedSettings,
    *,
    limits: LimitsSettings,
    make_adapter: Callable[[], Adapter] | None = None,
) -> FeedPart:
    """Return the part of a system that runs a feed's pipeline.

    Parameters
    ----------
    feed : str
        The feed's name.
    settings : FeedSettings
        The feed's section of the settings.
    limits : LimitsSettings
        The section of the limits of new markets.
    make_adapter : callable, optional
        Makes the adapter instead of the section's own, for example for a recording.
    """
    return FeedPart(
        feed=feed,
        factory=FeedPipeline,
        arguments={
            "make_adapter": make_adapter or adapter_of(feed, settings),
            "settings": pipeline_settings(settings, limits),
        },
    )


def pipeline_settings(settings: FeedSettings, limits: LimitsSettings) -> PipelineSettings:
    """Return the pipeline's settings from a feed's section and that of the limits."""
    skew = None
    if settings.skew_scale_minor:
        skew = LogOddsSkew(
            scale_minor=settings.skew_scale_minor, log_odds_milli_max=settings.skew_milli_max
        )
    return PipelineSettings(
        messages_max=settings.messages_max,
        updates_in_call_max=settings.updates_in_call_max,
        pace_ms=settings.pace_ms,
        call_timeout_ms=settings.call_timeout_ms,
        limits=limits,
        margin=Margin(
            book_milli=settings.book_milli, method_by_type=methods_by_type(settings.methods)
        ),
        skew=skew,
    )


def adapter_of(feed: str, settings: FeedSettings) -> Callable[[], Adapter]:
    """Return a function that makes the adapter of a section."""
    if isinstance(settings, UofFeedSettings):
        return partial(_uof_adapter, feed, uof_settings(settings), settings.names)
    if isinstance(settings, LsportsFeedSettings):
        lsports = LsportsSettings(
            watch=settings.watch,
            sequences=settings.sequences,
            ahead_ms_max=settings.ahead_ms_max,
            trust=TrustSettings(
                silence_ms=settings.silence_s * 1_000, every_ms=settings.snapshot_every_s * 1_000
            ),
        )
        return partial(LsportsAdapter, feed=feed, settings=lsports)
    assert isinstance(settings, ExchangeFeedSettings), "a section of an unknown feed"
    exchange = ExchangeSettings(
        fair=FairRules(odds_at_most=settings.odds_at_most),
        every_ms=settings.every_ms,
        silence_heartbeats=settings.silence_heartbeats,
        ahead_ms_max=settings.ahead_ms_max,
    )
    return partial(ExchangeAdapter, feed=feed, settings=exchange)


def uof_settings(settings: UofFeedSettings) -> UofSettings:
    """Return the adapter's settings from a section."""
    return UofSettings(
        sports=settings.sports,
        price_from="probabilities" if settings.from_probabilities else "odds",
        margins=settings.margins,
        methods=settings.methods,
        own_prices=settings.own_prices,
        goal_process=settings.goal_process,
        watch=settings.watch,
        ahead_ms_max=settings.ahead_ms_max,
        before_start_ms=settings.before_start_s * 1_000,
        producers=WatchSettings(silence_ms=settings.silence_s * 1_000),
    )


def _uof_adapter(feed: str, settings: UofSettings, names: tuple[str, ...]) -> UofAdapter:
    return UofAdapter(feed, settings, names=_outcome_names(names))


@cache
def _outcome_names(paths: tuple[str, ...]) -> OutcomeNames:
    """Read the names once a process: each resumption makes a new adapter."""
    return read_outcome_names(paths)
