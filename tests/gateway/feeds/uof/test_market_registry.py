"""The bounds of the market registry, and what it keeps of bet_stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from engine.common.views import PriceImage
from gateway.feeds.core.adapter import KnownMarket
from gateway.feeds.uof.early_results import EarlyResults
from gateway.feeds.uof.grammar import canonical_specifiers
from gateway.feeds.uof.market_registry import STOPS_MAX, ListedMarket, MarketRegistry
from gateway.feeds.uof.messages import MarketName
from gateway.feeds.uof.settings import UofSettings
from gateway.feeds.uof.types import UofTypes
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    MATCH_WINNER,
    bet_settlement,
    correction,
    feed_markets,
    market,
    odds_change,
    settled,
    total,
)


def known(key, *outcomes):
    image = PriceImage(
        market_no=4, key=key, status=Status.ACTIVE, version=1, outcomes=outcomes,
        odds_milli=(2_000,) * len(outcomes), active=(True,) * len(outcomes),
    )  # fmt: skip
    return KnownMarket(image=image)


def test_a_full_registry_refuses_a_new_market_until_one_is_settled():
    feed = feed_markets(UofSettings(watch=False, markets_max=2))
    feed.receive(odds_change(market(1, MATCH_WINNER), total(), market(40, (("a", "2"),)), at=1))
    assert feed.adapter.passed_over() == {"market refused": 1}
    feed.receive(bet_settlement(settled(1, HOME_WON), at=2))

    feed.receive(odds_change(market(40, (("a", "2"),)), at=3))

    assert feed.status("uof_40") is Status.ACTIVE


def test_a_cancelled_market_is_dropped_unless_its_cancellation_was_rolled_back():
    dropping, keeping = (feed_markets(UofSettings(watch=False, markets_max=1)) for _ in range(2))
    for feed in (dropping, keeping):
        feed.receive(odds_change(market(1, MATCH_WINNER), at=1))
        feed.receive(odds_change(market(1, status=-4), at=2))
    keeping.receive(correction("rollback_bet_cancel", 1, at=3))

    for feed in (dropping, keeping):
        feed.receive(odds_change(total(), at=4))

    assert dropping.adapter.passed_over() == {}
    assert keeping.adapter.passed_over() == {"market refused": 1}


def test_a_market_is_found_by_its_specifiers_in_any_order_until_it_is_dropped():
    registry = MarketRegistry(UofTypes(()), prematch=(3,), markets_max=1)
    names = [MarketName(id=900, specifiers=text) for text in ("a=1|b=2", "b=2|a=1")]
    listed = registry.add(EVENT, names[0], ["x", "y"])
    assert isinstance(listed, ListedMarket)
    assert [registry.find(EVENT, name) for name in (*names, *names)] == [listed] * 4

    listed.settled = True
    registry.add(EVENT, MarketName(id=901), ["x", "y"])

    assert [registry.find(EVENT, name) for name in names] == [None, None]


SPELLINGS = (
    "total=2.5", "total=2.50", "total=+2.5", "total=02.500", " total = 2.5", "total=2.5|",
    "|total=2.5||",
)  # fmt: skip


@given(st.lists(st.sampled_from(SPELLINGS), min_size=1, max_size=8), st.booleans())
def test_every_spelling_of_specifiers_names_the_one_market(spellings, restarted):
    registry = MarketRegistry(UofTypes(("football",)), prematch=(3,))
    added = registry.add(EVENT, MarketName(id=18, specifiers=spellings[0]), ["12", "13"])
    assert isinstance(added, ListedMarket)
    assert added.market.key == f"{EVENT}/total?total=2.5"
    if restarted:
        registry = MarketRegistry(UofTypes(("football",)), prematch=(3,))
        written = known(f"{EVENT}/total?total=2.50", "over", "under")
        added, _ = registry.restore(written, feed="uof")
        assert added.market.key == f"{EVENT}/total?total=2.50", "an existing market keeps its key"
        assert (
            registry.restore(known(f"{EVENT}/total?total=2.5", "over", "under"), feed="uof") is None
        )
    for spelling in spellings:
        assert registry.find(EVENT, MarketName(id=18, specifiers=spelling)) is added
    assert registry.find(EVENT, MarketName(id=18, specifiers="total=2.05")) is None


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("", ""), ("|", ""), ("total=2.5|", "total=2.5"), ("total=2.50", "total=2.5"),
        ("total=2.0", "total=2"), ("total=2.", "total=2"), ("hcp=-0.50", "hcp=-0.5"),
        ("hcp=-0.0", "hcp=0"), ("hcp=+1", "hcp=1"), ("hcp=0:1", "hcp=0:1"),
        ("setnr=01|gamenr=2", "setnr=1|gamenr=2"), ("total=100", "total=100"),
        ("version=1.10", "version=1.10"), ("id=007", "id=007"),
        ("variant=sr:exact_goals:6+|score=1:0", "variant=sr:exact_goals:6+|score=1:0"),
        ("total=2.5.0", "total=2.5.0"), ("total=1e3", "total=1e3"), ("total=", "total="),
        ("total", "total"), ("player=sr:player:10", "player=sr:player:10"),
    ],
)  # fmt: skip
def test_specifiers_have_one_spelling(written, canonical):
    assert canonical_specifiers(written) == canonical


@given(st.text("0123456789.+-:=|ab ", max_size=24))
def test_canonical_specifiers_stay_as_they_are(written):
    canonical = canonical_specifiers(written)
    assert canonical_specifiers(canonical) == canonical


def _only(producer):
    return lambda stopping: stopping == producer


def test_bet_stops_of_the_same_groups_need_one_place():
    registry = MarketRegistry(UofTypes(("football",)), prematch=(3,))
    registry.record_bet_stop(EVENT, 1, ("score",), 10)

    for at_ms in range(20, 20 + 2 * STOPS_MAX):
        registry.record_bet_stop(EVENT, 1, ("1st_half",), at_ms)

    assert registry.bet_stopped_since(EVENT, _only(1), 1, 9)
    assert not registry.bet_stopped_since(EVENT, _only(1), 1, 10)
    assert registry.bet_stopped_since(EVENT, _only(1), 60, 18 + 2 * STOPS_MAX)


def test_more_groups_than_are_kept_become_one_stop_of_everything_and_never_none():
    registry = MarketRegistry(UofTypes(("football",)), prematch=(3,))
    for at_ms in range(10, 10 + STOPS_MAX):
        registry.record_bet_stop(EVENT, 1, (f"group {at_ms}", "score"), at_ms)
    assert not registry.bet_stopped_since(EVENT, _only(1), 60, 9 + STOPS_MAX)

    registry.record_bet_stop(EVENT, 1, ("1st_half",), 9)

    assert registry.bet_stopped_since(EVENT, _only(1), 60, 8 + STOPS_MAX)
    assert not registry.bet_stopped_since(EVENT, _only(1), 60, 9 + STOPS_MAX)
    assert not registry.bet_stopped_since(EVENT, _only(3), 60, 9)


def test_a_bet_stop_concerns_older_messages_where_its_producer_is_obeyed():
    registry = MarketRegistry(UofTypes(("football",)), prematch=(3,))

    registry.record_bet_stop(EVENT, 1, ("all",), 10)

    assert registry.bet_stopped_since(EVENT, _only(1), 1, 9)
    assert not registry.bet_stopped_since(EVENT, _only(1), 1, 10)
    assert not registry.bet_stopped_since(EVENT, _only(3), 1, 9)
    assert not registry.bet_stopped_since("sr:match:2", _only(1), 1, 9)


def test_the_bet_stops_of_the_event_stopped_longest_ago_are_dropped():
    early = EarlyResults()
    registry = MarketRegistry(
        UofTypes(("football",)), prematch=(3,), stopped_events_max=2, early=early
    )
    for event, at_ms in ((EVENT, 10), ("sr:match:2", 11), (EVENT, 12), ("sr:match:3", 13)):
        registry.record_bet_stop(event, 1, ("all",), at_ms)

    assert registry.bet_stopped_since(EVENT, _only(1), 1, 9)
    assert not registry.bet_stopped_since("sr:match:2", _only(1), 1, 9)
    assert registry.bet_stopped_since("sr:match:3", _only(1), 1, 9)
    assert early.forgotten_ms == 11
