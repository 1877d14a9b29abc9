"""The generated messages of a match: all can be read, and markets end settled by the score."""

import pytest

from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.pricing.football.fixture_board import FixtureBoard
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.generator import (
    KEYS,
    LIVE,
    PREMATCH,
    FeedGenerator,
    NoProviderIdError,
    provider_market,
)
from gateway.feeds.uof.messages import AnyMessage, BetSettlement, BetStop, OddsChange
from gateway.feeds.uof.types import UofTypes
from gateway.feeds.uof.xml import read
from simulations.timeline import match_by_id
from tests.gateway.feeds.uof.builders import EVENT, UNWATCHED, FeedMarkets

FINAL = match_by_id("wc22-64")


def generated(*, alive: bool = False) -> list[AnyMessage]:
    return [read(body) for body in FeedGenerator(FINAL, alive=alive).messages()]


def test_every_message_can_be_read_and_timestamps_rise() -> None:
    messages = generated(alive=True)
    times = [message.timestamp for message in messages]
    assert times == sorted(times)
    stops = sum(isinstance(message, BetStop) for message in messages)
    assert stops == 1 + len(FINAL.regular_goals)


@pytest.mark.parametrize("key", KEYS)
def test_every_market_is_read_back_as_the_same_market(key: str) -> None:
    board = FixtureBoard([f"sr:match:1/{key}"])
    market = provider_market(parse_market_key(board.keys[0]), board.outcomes(board.keys[0]))
    generator = FeedGenerator(FINAL, event="sr:match:1", keys=[key], alive=False)
    first = read(next(generator.messages()))
    assert isinstance(first, OddsChange)
    (given,) = first.markets
    assert tuple(outcome.id for outcome in given.outcomes) == market.outcome_ids
    found = UofTypes(["football"]).market("sr:match:1", given.name, market.outcome_ids)
    assert not isinstance(found, str)
    assert (found.key, found.outcomes) == (board.keys[0], board.outcomes(board.keys[0]))


def test_the_prematch_producers_odds_end_before_the_live_producers_begin() -> None:
    producers = [message.product for message in generated() if isinstance(message, OddsChange)]
    assert producers == sorted(producers, reverse=True)
    assert list(dict.fromkeys(producers)) == [PREMATCH, LIVE]


def test_the_confirmed_results_are_the_scores() -> None:
    settlements = [message for message in generated() if isinstance(message, BetSettlement)]
    first, confirmed = settlements
    assert (first.certainty, confirmed.certainty) == (1, 2)
    by_id = {market.name.id: market for market in confirmed.markets}
    assert FINAL.full_time.home == FINAL.full_time.away == 2
    assert [outcome.id for outcome in by_id[1].outcomes if outcome.result] == ["2"]
    assert [outcome.id for outcome in by_id[26].outcomes if outcome.result] == ["72"]


def test_markets_that_follow_the_messages_end_settled() -> None:
    feed = FeedMarkets(UofAdapter("uof", UNWATCHED))
    generator = FeedGenerator(FINAL, event=EVENT, alive=False)
    for number, body in enumerate(generator.messages()):
        assert not feed.receive(body, at=number).refused
    for key in KEYS:
        assert feed.status(key) is Status.SETTLED


def test_a_market_without_an_id_in_the_feed_is_refused_by_name() -> None:
    with pytest.raises(NoProviderIdError, match="nothing_such"):
        provider_market(parse_market_key("f/nothing_such"), ("a",))
    with pytest.raises(NoProviderIdError, match="has no id"):
        provider_market(parse_market_key("f/1x2"), ("home", "draw", "nobody"))
