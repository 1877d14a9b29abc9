"""An image that has a market twice: the copy with the higher version is the market."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from gateway.feeds.core.adapter import MarketUpdate, Received
from gateway.feeds.exchange.adapter import ExchangeAdapter
from gateway.feeds.exchange.order_book import RESUB_DELTA, SUB_IMAGE, StreamOrderBooks
from tests.gateway.feeds.exchange.builders import definition, mcm, quoted, runner
from tests.gateway.feeds.exchange.following import (
    EAGER,
    Following,
    M,
    closed,
    known,
    resumed,
    statuses,
    updates,
)

RUNNERS = [runner(number, name=f"Horse {number}") for number in (1, 2, 3)]
OLD = (0.25, 0.35, 0.4)
NEW = (0.5, 0.3, 0.2)


def copy(
    version: int, chances: tuple[float, ...], *, event: str, status: str = "OPEN", img: bool = True
) -> dict[str, Any]:
    """Return one copy of the market: its definition and prices under an event."""
    prices = [quoted(number, chance) for number, chance in enumerate(chances, start=1)]
    defined = definition(*RUNNERS, version=version, eventId=event, status=status)
    return {"id": M, "marketDefinition": defined, "rc": prices, **({"img": True} if img else {})}


BEFORE = copy(5, OLD, event="77")
AFTER = copy(9, NEW, event="88")
ORDERS = pytest.mark.parametrize("copies", [(BEFORE, AFTER), (AFTER, BEFORE)])
IMAGES = pytest.mark.parametrize("ct", [SUB_IMAGE, RESUB_DELTA, None])


def image(*copies: dict[str, Any], ct: str | None, pt: int = 1, **fields: Any) -> bytes:
    return mcm(*copies, pt=pt, **({"ct": ct} if ct else {}), **fields)


def receive(adapter: ExchangeAdapter, body: bytes) -> Received:
    return adapter.receive(body, at_ns=10_000 * NS_PER_MS)


def offered(received: Received) -> list[tuple[str, float]]:
    """Return keys and the first runner's probability, of the markets that got prices."""
    return [(one.key, one.fair.probabilities[0]) for one in updates(received) if one.fair]


@ORDERS
@IMAGES
def test_the_copy_with_the_higher_version_is_followed(
    copies: tuple[dict[str, Any], ...], ct: str | None
) -> None:
    adapter = ExchangeAdapter(settings=EAGER)
    ((key, chance),) = offered(receive(adapter, image(*copies, ct=ct)))
    assert key == "exchange.88.202311142200/win?market=1.5"
    assert chance == pytest.approx(0.5, abs=0.02)
    assert adapter.passed_over()["older copies"] == 1


@ORDERS
def test_copies_in_two_parts_of_an_image_open_no_market_before_its_end(
    copies: tuple[dict[str, Any], ...],
) -> None:
    adapter = ExchangeAdapter(settings=EAGER)
    parts = [
        image(copies[0], ct=SUB_IMAGE, segmentType="SEG_START"),
        mcm(pt=1, ct="HEARTBEAT"),
        image(copies[1], ct=SUB_IMAGE, segmentType="SEG"),
    ]
    assert [receive(adapter, part).actions for part in parts] == [(), (), ()]
    ((_, chance),) = offered(receive(adapter, image(ct=SUB_IMAGE, segmentType="SEG_END")))
    assert chance == pytest.approx(0.5, abs=0.02)


@ORDERS
@pytest.mark.parametrize("segments", [(None,), ("SEG_START", "SEG_END")])
def test_a_later_copy_replaces_the_earlier_one_wholly_even_without_img(
    copies: tuple[dict[str, Any], ...], segments: tuple[str | None, ...]
) -> None:
    books = StreamOrderBooks()
    bare = [{name: value for name, value in one.items() if name != "img"} for one in copies]
    del bare[copies.index(AFTER)]["rc"]
    if len(segments) == 1:
        books.receive(image(*bare, ct=SUB_IMAGE))
    else:
        for one, segment in zip(bare, segments, strict=True):
            books.receive(image(one, ct=SUB_IMAGE, segmentType=segment))
    market = books.markets[M]
    assert market.definition is not None
    assert market.definition.version == 9
    assert [one.backs() for one in market.runners.values()] == [(), (), ()]


@given(st.permutations([(5, "OPEN"), (7, "OPEN"), (9, "SUSPENDED")]))
def test_the_newest_copys_status_counts_in_every_order(
    copies: list[tuple[int, str]],
) -> None:
    adapter = ExchangeAdapter(settings=EAGER)
    receive(adapter, image(copy(3, NEW, event="77"), ct=SUB_IMAGE))
    again = [copy(version, OLD, event=str(version), status=status) for version, status in copies]
    assert statuses(receive(adapter, image(*again, ct=SUB_IMAGE, pt=2))) == [
        (Status.SUSPENDED, "exchange: SUSPENDED")
    ]


def test_an_older_copy_that_cannot_be_read_leaves_the_newer_one_out_too() -> None:
    """Which copy the broken one was is not known, so the market waits for the next image."""
    adapter = ExchangeAdapter(settings=EAGER)
    broken = {**BEFORE, "tv": "much"}
    received = receive(adapter, image(broken, AFTER, ct=SUB_IMAGE))
    assert not [action for action in received.actions if isinstance(action, MarketUpdate)]
    assert received.refused


def test_a_market_that_moved_to_another_event_keeps_its_key_after_a_restart() -> None:
    following = Following(eventId="88")
    (suspended, _) = resumed(following, known("Horse 1", "Horse 2", "Horse 3")).actions
    assert isinstance(suspended, MarketUpdate)
    (opened,) = updates(following.open())
    settled = updates(closed(following, "WINNER", "LOSER", "LOSER"))
    keys = {one.key for one in (suspended, opened, *settled)}
    assert keys == {"exchange.77.202311142200/win?market=1.5"}
