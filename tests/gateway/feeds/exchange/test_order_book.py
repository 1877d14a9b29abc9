"""The stream's order books: images replace, differences change, bad input changes nothing."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.feeds.exchange.ladder import LEVELS_MAX, PLACES_MAX, Ladder, PricePoint, price_points
from gateway.feeds.exchange.messages import MESSAGE_BYTES_MAX, RUNNERS_MAX
from gateway.feeds.exchange.order_book import StreamOrderBooks
from tests.gateway.feeds.exchange.builders import (
    PRICES,
    Exchange,
    definition,
    line,
    mcm,
    recording,
    runner,
)

M = "1.5"


def fed(*lines: bytes, book: StreamOrderBooks | None = None) -> StreamOrderBooks:
    book = book or StreamOrderBooks()
    for body in lines:
        assert book.receive(body).refused == ""
    return book


def change(**fields: Any) -> dict[str, Any]:
    return {"id": M, **fields}


def image(*changes: dict[str, Any]) -> dict[str, Any]:
    return change(img=True, marketDefinition=definition(runner(1), runner(2)), rc=list(changes))


def test_image_then_differences_make_the_book() -> None:
    book = fed(
        mcm(image({"id": 1, "atb": [[2.0, 10], [1.9, 5]], "atl": [[2.1, 7]]}), pt=1),
        mcm(change(rc=[{"id": 1, "atb": [[2.0, 0], [1.95, 3]], "ltp": 2.02, "tv": 9.5}]), pt=2),
    )
    first = book.markets[M].runners[1]
    assert first.backs() == ((1.95, 3.0), (1.9, 5.0))
    assert first.lays() == ((2.1, 7.0),)
    assert (first.last, first.volume) == (2.02, 9.5)
    assert book.markets[M].published_ms == 2


def test_size_zero_of_an_unknown_level_changes_nothing() -> None:
    book = fed(mcm(image({"id": 1, "atb": [[2.0, 0]]}), pt=1))
    assert book.markets[M].runners[1].backs() == ()


def test_img_replaces_the_market_but_keeps_a_definition_that_it_lacks() -> None:
    book = fed(
        mcm(image({"id": 1, "atb": [[2.0, 10]]}), pt=1),
        mcm(change(img=True, rc=[{"id": 2, "atl": [[3.0, 1]]}]), pt=2),
    )
    market = book.markets[M]
    assert 1 not in market.runners
    assert market.runners[2].lays() == ((3.0, 1.0),)
    assert market.definition is not None


def test_best_offers_are_kept_by_level() -> None:
    book = fed(
        mcm(image({"id": 1, "batb": [[1, 1.9, 5], [0, 2.0, 10]], "batl": [[0, 2.1, 7]]}), pt=1),
        mcm(change(rc=[{"id": 1, "batb": [[0, 1.98, 4], [1, 0, 0]]}]), pt=2),
    )
    first = book.markets[M].runners[1]
    assert first.backs() == ((1.98, 4.0),)
    assert first.best_lays(3) == ((2.1, 7.0),)


def test_displayed_offers_precede_raw_ones_and_best_offers_precede_full_depth() -> None:
    sides = {"atb": [[1.9, 1]], "batb": [[0, 1.9, 1]], "bdatb": [[0, 1.95, 2]]}
    first = fed(mcm(image({"id": 1, **sides}), pt=1)).markets[M].runners[1]
    assert first.best_backs(3) == ((1.95, 2.0),)
    assert first.backs() == ((1.9, 1.0),)


def test_empty_traded_volume_clears_it() -> None:
    book = fed(
        mcm(image({"id": 1, "trd": [[2.0, 10]]}), pt=1),
        mcm(change(rc=[{"id": 1, "trd": []}]), pt=2),
    )
    assert book.markets[M].runners[1].trd.ranked() == ()


def test_starting_prices_may_be_text() -> None:
    book = fed(mcm(image({"id": 1, "spn": "NaN", "spf": 3.4}), pt=1))
    first = book.markets[M].runners[1]
    assert (first.near, first.far) == ("NaN", 3.4)


def test_each_handicap_of_a_selection_is_its_own_runner() -> None:
    book = fed(
        mcm(image({"id": 1, "hc": -1.5, "atb": [[2, 1]]}, {"id": 1, "hc": 0, "ltp": 5}), pt=1)
    )
    assert book.markets[M].runners[1, -1.5].backs() == ((2.0, 1.0),)
    assert book.markets[M].runners[1].last == 5.0


def test_every_ladder_price_is_whole_thousandths() -> None:
    assert len(PRICES) == 350
    levels = tuple((json.loads(f"{price:g}"), 1.0) for price in PRICES)
    expected = [int(f"{price:.2f}".replace(".", "")) * 10 for price in PRICES]
    assert [point.odds_milli for point in price_points(levels)] == expected
    assert price_points(((1.01, 2.5),)) == (PricePoint(1010, 2.5),)


# --- the subscription -----------------------------------------------------------------------------


def test_heartbeat_and_clocks_are_kept() -> None:
    book = fed(
        mcm(image(), pt=1, initialClk="start", clk="a", ct="SUB_IMAGE"),
        mcm(pt=2, clk="b", ct="HEARTBEAT"),
    )
    assert (book.initial_clk, book.clk, book.published_ms) == ("start", "b", 2)


def other(market_id: str) -> dict[str, Any]:
    return image() | {"id": market_id}


def test_complete_image_removes_the_markets_that_it_lacks() -> None:
    book = fed(mcm(other("1.1"), other("1.2"), pt=1, ct="SUB_IMAGE"))
    update = book.receive(mcm(other("1.2"), pt=2, ct="SUB_IMAGE"))
    assert update.gone == ("1.1",)
    assert list(book.markets) == ["1.2"]


def test_segmented_image_removes_markets_only_at_its_end() -> None:
    book = fed(mcm(other("1.1"), other("1.2"), other("1.3"), pt=1, ct="SUB_IMAGE"))
    parts = [
        book.receive(mcm(other(name), pt=2, ct="SUB_IMAGE", segmentType=part))
        for name, part in (("1.2", "SEG_START"), ("1.4", "SEG"), ("1.3", "SEG_END"))
    ]
    assert [part.gone for part in parts] == [(), (), ("1.1",)]
    assert [part.touched for part in parts] == [("1.2",), ("1.4",), ("1.3",)]
    assert sorted(book.markets) == ["1.2", "1.3", "1.4"]


def test_complete_image_replaces_a_market_even_without_img() -> None:
    book = fed(mcm(image({"id": 1, "atb": [[2.0, 10]]}), pt=1))
    bare = {key: value for key, value in image({"id": 1, "atl": [[3, 1]]}).items() if key != "img"}
    fed(mcm(bare, pt=2, ct="SUB_IMAGE"), book=book)
    assert book.markets[M].runners[1].backs() == ()


def test_resumed_difference_keeps_the_other_markets() -> None:
    book = fed(mcm(other("1.1"), other("1.2"), pt=1, ct="SUB_IMAGE"))
    update = book.receive(mcm({"id": "1.1", "tv": 5}, pt=2, ct="RESUB_DELTA"))
    assert (update.gone, sorted(book.markets)) == ((), ["1.1", "1.2"])


# --- bounds ---------------------------------------------------------------------------------------


def test_past_markets_max_the_first_closed_is_removed_or_the_new_one_refused() -> None:
    book = StreamOrderBooks(markets_max=2)
    fed(mcm(other("1.1"), other("1.2"), other("1.3"), pt=1), book=book)
    assert (list(book.markets), book.counts.markets_refused) == (["1.1", "1.2"], 1)
    closed = {"id": "1.2", "marketDefinition": definition(runner(1), status="CLOSED")}
    fed(mcm(closed, pt=2), mcm(other("1.3"), pt=3), book=book)
    assert list(book.markets) == ["1.1", "1.3"]


def test_ladder_past_its_bound_is_cleared_and_counted() -> None:
    levels = [[1 + i / 1_000, 1] for i in range(LEVELS_MAX + 1)]
    for first in (LEVELS_MAX + 1, LEVELS_MAX):  # in the image, or by a difference after it
        book = fed(
            mcm(image({"id": 1, "atb": levels[:first]}), pt=1),
            mcm(change(rc=[{"id": 1, "atb": levels[first:]}]), pt=2),
        )
        assert (book.markets[M].runners[1].backs(), book.counts.ladders_forgotten) == ((), 1)
        fed(mcm(change(rc=[{"id": 1, "atb": [[2.0, 1]]}]), pt=3), book=book)
        assert book.markets[M].runners[1].backs() == ((2.0, 1.0),)


def test_places_past_their_bound_are_cleared() -> None:
    places = [[i, 2, 1] for i in range(PLACES_MAX + 1)]
    book = fed(mcm(image({"id": 1, "batb": places}), pt=1))
    assert book.markets[M].runners[1].backs() == ()


def test_runners_past_their_bound_are_refused_and_counted() -> None:
    changes = [{"id": i, "ltp": 2} for i in range(RUNNERS_MAX + 3)]
    book = fed(mcm(change(rc=changes), pt=1))
    assert (len(book.markets[M].runners), book.counts.runners_refused) == (RUNNERS_MAX, 3)


# --- malformed messages ---------------------------------------------------------------------------

UNFIT = {
    "negative size": {"rc": [{"id": 1, "atb": [[2, -1]]}]},
    "level of three": {"rc": [{"id": 1, "atb": [[2, 1, 1]]}]},
    "text for a price": {"rc": [{"id": 1, "atb": [["2", 1]]}]},
    "runner without id": {"rc": [{"atb": [[2, 1]]}]},
    "huge id": {"rc": [{"id": 10**30}]},
    "too many runners": {
        "marketDefinition": definition(*(runner(i) for i in range(RUNNERS_MAX + 1)))
    },
}


@pytest.mark.parametrize("fields", UNFIT.values(), ids=UNFIT)
def test_malformed_market_is_removed_and_the_others_are_served(
    fields: dict[str, Any],
) -> None:
    book = fed(mcm(image({"id": 1, "atb": [[2.0, 10]]}), other("1.6"), pt=1))
    update = book.receive(mcm(change(**fields), {"id": "1.6", "tv": 7}, pt=9, clk="later"))
    assert update.refused
    assert (update.touched, update.gone) == (("1.6",), (M,))
    assert (list(book.markets), book.markets["1.6"].volume) == (["1.6"], 7.0)
    assert (book.clk, book.counts.malformed) == ("later", 1)


def test_market_with_a_malformed_id_affects_no_other_market() -> None:
    book = fed(mcm(image({"id": 1, "atb": [[2.0, 10]]}), pt=1))
    update = book.receive(mcm({"id": "x" * 1_000}, change(tv=7), pt=9))
    assert (bool(update.refused), update.touched, update.gone) == (True, (M,), ())
    assert update.lost, "it may have been any market's change"


MALFORMED = {
    "no JSON": b"{",
    "no text": b"\xff\xfe",
    "no object": b"[]",
    "no op": b"{}",
    "deep": b'{"op":' + b"[" * 5_000,
    "no publish time": line(op="mcm", mc=[]),
    "markets in no list": line(op="mcm", pt=9, mc={"id": M}),
    "NaN": b'{"op":"mcm","pt":9,"mc":[{"id":"1.5","rc":[{"id":1,"atb":[[2,NaN]]}]}]}',
    "negative time": line(op="mcm", pt=-1),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_malformed_message_is_refused_with_a_reason_and_changes_nothing(body: bytes) -> None:
    book = fed(mcm(image({"id": 1, "atb": [[2.0, 10]]}), pt=1))
    before = book.markets[M].picture()
    update = book.receive(body)
    assert update.refused
    assert update.lost
    assert (book.markets[M].picture(), book.counts.malformed) == (before, 1)


def test_message_past_its_bound_is_refused_without_decoding() -> None:
    book = StreamOrderBooks()
    assert "bytes" in book.receive(b" " * (MESSAGE_BYTES_MAX + 1)).refused


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_without_raising(body: bytes) -> None:
    StreamOrderBooks().receive(body)


FIELDS = st.sampled_from(
    ["op", "mcm", "pt", "mc", "id", "rc", "img", "atb", "batb", "marketDefinition", "runners", "hc"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 1 << 70) | st.floats(allow_nan=False) | FIELDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=60)
def test_any_json_is_taken_without_raising(value: object) -> None:
    book = StreamOrderBooks()
    book.receive(json.dumps(value).encode())
    book.receive(json.dumps({"op": "mcm", "pt": 1, "mc": [value]}).encode())
    for market in book.markets.values():
        market.picture()


# --- every partition makes the same order book ----------------------------------------------------


@given(st.integers(0, 1 << 16), st.integers(1, 40), st.data())
@settings(max_examples=40, deadline=None)
def test_image_anywhere_and_differences_after_it_make_the_same_book(
    seed: int, moves: int, data: st.DataObject
) -> None:
    exchange = Exchange(seed)
    early, late = StreamOrderBooks(), StreamOrderBooks()
    joins_at = data.draw(st.integers(0, moves))
    fed(exchange.image(), book=early)
    for number in range(moves + 1):
        if number == joins_at:
            fed(exchange.image(), book=late)
        body = exchange.move()
        fed(body, book=early)
        if number >= joins_at:
            fed(body, book=late)
    for number, sides in exchange.book.items():
        expected = (
            tuple(sorted(sides["atb"].items(), reverse=True)),
            tuple(sorted(sides["atl"].items())),
            tuple(sorted(sides["trd"].items())),
        )
        for book in (early, late):
            found = book.markets[exchange.market_id].runners[number]
            assert (found.backs(), found.lays(), found.trd.ranked()) == expected
            assert found.best_backs(3) == expected[0][:3]


CHANGES = st.lists(st.tuples(st.sampled_from(PRICES[:8]), st.integers(0, 3)), max_size=12)


@given(st.booleans(), st.lists(CHANGES, max_size=8))
def test_ladder_holds_the_last_size_of_every_price_best_first(
    best_is_high: bool, messages: list[list[tuple[float, int]]]
) -> None:
    ladder, expected = Ladder(best_is_high=best_is_high), dict[float, float]()
    for changes in messages:
        assert ladder.take([(price, float(size)) for price, size in changes])
        expected |= dict(changes)
        levels = [(price, size) for price, size in expected.items() if size]
        ranked = tuple(sorted(levels, reverse=best_is_high))
        assert ladder.best(3) == ranked[:3]
        assert ladder.ranked() == ranked


@given(st.lists(st.tuples(st.sampled_from(PRICES), st.integers(1, 99)), max_size=30), st.data())
def test_any_partition_of_an_image_makes_the_same_book(
    levels: list[tuple[float, int]], data: st.DataObject
) -> None:
    once = fed(mcm(image({"id": 1, "atb": [list(level) for level in levels]}), pt=1))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(levels)), max_size=4)))
    edges = [0, *cuts, len(levels)]
    parts = [levels[a:b] for a, b in pairwise(edges)]
    book = fed(mcm(image({"id": 1, "atb": [list(level) for level in parts[0]]}), pt=1))
    for part in parts[1:]:
        fed(mcm(change(rc=[{"id": 1, "atb": [list(level) for level in part]}]), pt=1), book=book)
    assert book.markets[M].picture() == once.markets[M].picture()


def test_pictures_never_change_and_share_unchanged_runners() -> None:
    book = fed(mcm(image({"id": 1, "atb": [[2.0, 10]]}, {"id": 2, "atb": [[3.0, 1]]}), pt=1))
    before = book.markets[M].picture()
    fed(mcm(change(rc=[{"id": 1, "atb": [[2.0, 11]]}]), pt=2), book=book)
    after = book.markets[M].picture()
    assert before.runners[0].backs == ((2.0, 10.0),)
    assert after.runners[0].backs == ((2.0, 11.0),)
    assert after.runners[1] is before.runners[1]


def test_generated_recording_is_the_same_for_the_same_seed() -> None:
    assert recording(seed=3, messages=50) == recording(seed=3, messages=50)
    assert recording(seed=3, messages=50) != recording(seed=4, messages=50)
