"""A match told in the feed's words: every word is the feed's, and the story ends with the score."""

import pytest

from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.pricing.football.fixture_board import FixtureBoard
from gateway.feeds.uof.adapter import UofAdapter
from gateway.feeds.uof.generator import KEYS, LIVE, PREMATCH, Rehearsal, RehearsalError, named
from gateway.feeds.uof.messages import BetSettlement, BetStop, OddsChange
from gateway.feeds.uof.types import UofTypes
from gateway.feeds.uof.xml import read
from simulations.timeline import match_by_id
from tests.gateway.feeds.uof.builders import EVENT, UNWATCHED, Trader

FINAL = match_by_id("wc22-64")


def test_every_message_is_one_of_the_feeds_and_stands_in_its_order() -> None:
    told = [read(body) for body in Rehearsal(FINAL).messages()]
    times = [message.timestamp for message in told]
    assert times == sorted(times)
    assert sum(isinstance(message, BetStop) for message in told) == 1 + len(FINAL.regular_goals)


@pytest.mark.parametrize("key", KEYS)
def test_every_market_comes_back_as_the_one_that_was_meant(key: str) -> None:
    board = FixtureBoard([f"sr:match:1/{key}"])
    market = named(parse_market_key(board.keys[0]), board.outcomes(board.keys[0]))
    told = Rehearsal(FINAL, event="sr:match:1", keys=[key], alive=False)
    first = read(next(told.messages()))
    assert isinstance(first, OddsChange)
    (given,) = first.markets
    found = UofTypes(["football"]).market("sr:match:1", given.name, market.ids)
    assert not isinstance(found, str)
    assert (found.key, found.outcomes) == (board.keys[0], board.outcomes(board.keys[0]))


def test_play_is_handed_from_one_producer_to_the_other() -> None:
    told = [read(body) for body in Rehearsal(FINAL, alive=False).messages()]
    producers = [message.product for message in told if isinstance(message, OddsChange)]
    assert producers == sorted(producers, reverse=True)
    assert {PREMATCH, LIVE} == set(producers)


def test_the_confirmed_results_are_the_scores() -> None:
    told = [read(body) for body in Rehearsal(FINAL, alive=False).messages()]
    scouted, confirmed = (message for message in told if isinstance(message, BetSettlement))
    assert (scouted.certainty, confirmed.certainty) == (1, 2)
    by_number = {market.name.id: market for market in confirmed.markets}
    assert FINAL.full_time.home == FINAL.full_time.away == 2
    assert [outcome.id for outcome in by_number[1].outcomes if outcome.result] == ["2"]
    assert [outcome.id for outcome in by_number[26].outcomes if outcome.result] == ["72"]


def test_markets_that_obey_it_end_settled_by_the_score() -> None:
    told = Rehearsal(FINAL, event=EVENT, alive=False)
    floor = Trader(UofAdapter("uof", UNWATCHED))
    for number, body in enumerate(told.messages()):
        assert not floor.hear(body, at=number).refused
    for key in KEYS:
        assert floor.status(key) is Status.SETTLED


def test_a_market_without_a_number_in_the_feed_is_refused_by_name() -> None:
    with pytest.raises(RehearsalError, match="nothing_such"):
        named(parse_market_key("f/nothing_such"), ("a",))
    with pytest.raises(RehearsalError, match="without an id"):
        named(parse_market_key("f/1x2"), ("home", "draw", "nobody"))
