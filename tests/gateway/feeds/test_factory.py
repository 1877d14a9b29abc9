"""The pipeline and the adapter that a feed's section of the settings makes."""

import pytest

from engine.common.units import NS_PER_MS
from engine.pricing.football.model import MEASURED_PROCESS, MatchState, Period
from engine.pricing.margin import Method
from engine.pricing.skew import LogOddsSkew
from gateway.configuration.config import ConfigError, load_config
from gateway.configuration.system import feed_parts
from gateway.feeds.core.adapter import PriceFixture
from gateway.feeds.core.pipeline import FeedPipeline, PipelineSettings
from gateway.feeds.core.settings import (
    FEEDS,
    ExchangeFeedSettings,
    LsportsFeedSettings,
    UofFeedSettings,
)
from gateway.feeds.exchange.adapter import ExchangeAdapter
from gateway.feeds.factory import feed_part, pipeline_settings
from gateway.feeds.lsports.adapter import LsportsAdapter
from gateway.feeds.uof.adapter import UofAdapter
from gateway.market_limits import LimitsSettings
from gateway.replay.run import Recording, recorded_feed
from tests.gateway.feeds.exchange.builders import definition, mcm, runner
from tests.gateway.feeds.uof.builders import NOW_MS, odds_change
from tests.gateway.feeds.uof.test_model_prices import event_status, priced


def test_a_feed_has_a_pipeline_only_when_it_is_enabled() -> None:
    assert feed_parts(load_config(env={})) == []
    parts = feed_parts(
        load_config(env={f"OVERROUND_FEED_{n.upper()}__ENABLED": "true" for n in FEEDS})
    )
    assert [part.feed for part in parts] == list(FEEDS)
    assert {part.factory for part in parts} == {FeedPipeline}


def test_each_section_makes_its_own_adapter() -> None:
    made = [
        feed_part(feed, settings, limits=LimitsSettings()).arguments["make_adapter"]()
        for feed, settings in (
            ("uof", UofFeedSettings(own_prices=True, watch=False)),
            ("exchange", ExchangeFeedSettings(every_ms=5)),
            ("lsports", LsportsFeedSettings(silence_s=9)),
        )
    ]
    assert [type(adapter) for adapter in made] == [UofAdapter, ExchangeAdapter, LsportsAdapter]
    keys = ("sr:match:7/1x2", "exchange.7/win?market=1.5", "lsports.7/lsports_1")
    assert [[adapter.owns(key) for key in keys] for adapter in made] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]


def test_the_margin_of_a_market_type_has_the_method_of_the_settings() -> None:
    settings = UofFeedSettings(methods=("total=additive", "correct_score=odds_ratio"))
    margin = pipeline_settings(settings, LimitsSettings()).margin
    assert margin.method is Method.ODDS_RATIO
    assert margin.method_by_type == {"total": Method.ADDITIVE, "correct_score": Method.ODDS_RATIO}


@pytest.mark.parametrize("text", ["total", "=power", "total=multiplicative", "total=Power", "a=b"])
def test_a_method_that_is_none_is_refused(text: str) -> None:
    env = {"OVERROUND_FEED_UOF__METHODS": f'["{text}"]'}
    with pytest.raises(ConfigError, match="methods"):
        load_config(env=env)


@pytest.mark.parametrize("goal_process", ["never", "in_play", "always"])
@pytest.mark.parametrize("recorded", [False, True])
def test_models_follow_the_goal_process_of_the_settings(goal_process: str, recorded: bool) -> None:
    env = {
        "OVERROUND_FEED_UOF__ENABLED": "true",
        "OVERROUND_FEED_UOF__OWN_PRICES": "true",
        "OVERROUND_FEED_UOF__WATCH": "false",
        "OVERROUND_FEED_UOF__GOAL_PROCESS": goal_process,
    }
    config = load_config(env=env)
    recording = Recording(kind="uof", messages=1, first_ms=NOW_MS, last_ms=NOW_MS)
    part = recorded_feed(recording, config) if recorded else feed_parts(config)[0]
    adapter = part.arguments["make_adapter"]()
    level_factors = []
    for at, (state, status) in enumerate(
        (
            (MatchState(), ""),
            (MatchState(period=Period.FIRST_HALF, clock_s=600), event_status(clock="10:00")),
        ),
        start=1,
    ):
        body = odds_change(*priced(state), at=at, status=status)
        actions = adapter.receive(body, at_ns=(NOW_MS + at) * NS_PER_MS).actions
        level_factors += [
            action.model.level_factor for action in actions if isinstance(action, PriceFixture)
        ]

    measured = MEASURED_PROCESS["level_factor"]
    assert (
        level_factors
        == {
            "never": [1.0, 1.0],
            "in_play": [1.0, measured],
            "always": [measured, measured],
        }[goal_process]
    )


def test_the_price_that_odds_never_exceed_is_the_settings() -> None:
    env = {
        "OVERROUND_FEED_EXCHANGE__ENABLED": "true",
        "OVERROUND_FEED_EXCHANGE__ODDS_AT_MOST": "lay",
    }
    (part,) = feed_parts(load_config(env=env))
    adapter = part.arguments["make_adapter"]()
    names = [runner(number, name=f"Runner {number}") for number in (1, 2)]
    prices = [
        {"id": number, "batb": [[0, 1.98, 5.0]], "batl": [[0, 2.04, 5.0]]} for number in (1, 2)
    ]
    change = {"id": "1.5", "marketDefinition": definition(*names), "rc": prices}
    (update,) = adapter.receive(mcm(change, pt=1), at_ns=2_000_000).actions
    assert update.fair.odds_milli_max == (2_040, 2_040)


def test_margin_skew_and_bounds_are_those_of_the_section() -> None:
    assert pipeline_settings(UofFeedSettings(), LimitsSettings()) == PipelineSettings()
    settings = pipeline_settings(
        UofFeedSettings(
            book_milli=1_080, skew_scale_minor=5_000, skew_milli_max=90, messages_max=7
        ),
        LimitsSettings(stake_minor_max=9),
    )
    assert settings.limits.stake_minor_max == 9
    assert settings.margin.book_milli == 1_080
    assert settings.skew == LogOddsSkew(scale_minor=5_000, log_odds_milli_max=90)
    assert settings.messages_max == 7


def test_an_adapter_that_is_given_replaces_the_one_of_the_section() -> None:
    part = feed_part(
        "uof", UofFeedSettings(), limits=LimitsSettings(), make_adapter=ExchangeAdapter
    )
    assert part.arguments["make_adapter"] is ExchangeAdapter
