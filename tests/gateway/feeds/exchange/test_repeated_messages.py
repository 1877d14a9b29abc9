"""An exchange's messages given twice: the same books, and no market led astray by what was."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from gateway.feeds.exchange.adapter import ExchangeAdapter, ExchangeSettings
from gateway.feeds.exchange.order_book import StreamOrderBooks
from tests.gateway.feeds.exchange.builders import Exchange, definition, line, mcm, quoted, runner
from tests.gateway.feeds.feed_system import FeedSystem, open_feed_system
from tests.gateway.price_gateway import until


@settings(max_examples=40)
@given(st.integers(0, 1_000), st.integers(0, 59), st.integers(1, 60), st.booleans())
def test_a_window_of_messages_that_comes_again_in_order_leaves_the_same_books(
    seed: int, first: int, length: int, imaged: bool
) -> None:
    market = Exchange(seed)
    said = [market.image(), *(market.move() for _ in range(30))]
    if imaged:  # an image in the middle, as a resumed stream has one
        words = json.loads(market.image()) | {"ct": "SUB_IMAGE"}
        said.append(line(**words))
    said += [market.move() for _ in range(29)]
    once, twice = StreamOrderBooks(), StreamOrderBooks()
    for body in said:
        once.receive(body)
        twice.receive(body)
    upto = min(first + length, len(said))
    for body in said[first:upto]:
        twice.receive(body)
    for body in said[upto:]:  # what was unanswered is always all of the newest
        twice.receive(body)
    assert twice.markets[market.market_id].picture() == once.markets[market.market_id].picture()


def system_of_feeds(folder: Path) -> Any:
    adapter = partial(ExchangeAdapter, feed="tiny", settings=ExchangeSettings(every_ms=0))
    return open_feed_system(folder, make_adapter=adapter, markets_per_actor=8)


def greeting(number: int) -> bytes:
    return line(op="connection", connectionId=f"c{number}")


def image(pt: int, at: float, *markets: str) -> bytes:
    names = [runner(number, name=f"Runner {number}") for number in (1, 2)]
    prices = [quoted(1, at), quoted(2, 1.0 - at)]
    changes = [
        {"id": market, "marketDefinition": definition(*names), "img": True, "rc": prices}
        for market in markets
    ]
    return mcm(*changes, pt=pt, ct="SUB_IMAGE", initialClk="i", clk=str(pt))


def move(pt: int, at: float, market: str = "1.5") -> bytes:
    return mcm({"id": market, "rc": [quoted(1, at), quoted(2, 1.0 - at)]}, pt=pt, clk=str(pt))


WINDOW = (greeting(1), image(1_000, 0.5, "1.5", "1.6"), *(
    move(1_000 + 10 * n, 0.5 + n / 40) for n in range(1, 11)
))  # fmt: skip


async def board(feed_system: FeedSystem) -> dict[str, Any]:
    return {
        key: (image.status, image.odds_milli) for key, image in (await feed_system.images()).items()
    }


async def test_a_gateway_s_loss_that_has_all_sent_again_moves_no_market(tmp_path: Path) -> None:
    async with system_of_feeds(tmp_path) as feed_system:
        await feed_system.push(*WINDOW)
        before = await board(feed_system)
        assert {status for status, _ in before.values()} == {Status.ACTIVE}
        await feed_system.push(*WINDOW[2:])
        assert await board(feed_system) == before
        await feed_system.push(move(2_000, 0.6))
        after = await board(feed_system)
        assert after.keys() == before.keys()
        assert after != before


async def test_no_old_price_is_believed_while_a_connection_s_beginning_comes_again(
    tmp_path: Path,
) -> None:
    async with system_of_feeds(tmp_path) as feed_system:
        await feed_system.push(*WINDOW)
        before = await board(feed_system)
        for body in WINDOW:
            await feed_system.push(body)
            assert await board(feed_system) == before
        await feed_system.push(greeting(2))
        assert {status for status, _ in (await board(feed_system)).values()} == {Status.SUSPENDED}
        await feed_system.push(*WINDOW)
        assert {status for status, _ in (await board(feed_system)).values()} == {Status.SUSPENDED}
        await feed_system.push(image(3_000, 0.75, "1.5", "1.6"))
        after = await board(feed_system)
        assert {status for status, _ in after.values()} == {Status.ACTIVE}
        assert after["tiny.77/win?market=1.5"] == before["tiny.77/win?market=1.5"]


async def test_a_new_desk_that_hears_the_old_first_still_opens_the_market_at_the_new(
    tmp_path: Path,
) -> None:
    async with system_of_feeds(tmp_path) as feed_system:
        await feed_system.push(*WINDOW)
        before = await board(feed_system)
    async with system_of_feeds(tmp_path) as feed_system:
        await feed_system.push(*WINDOW[2:], *WINDOW)

        async def all_suspended() -> bool:
            now = await board(feed_system)
            return {status for status, _ in now.values()} == {Status.SUSPENDED}

        await until(all_suspended)  # the adapter's own word, which nobody was to answer
        await feed_system.push(image(3_000, 0.75, "1.5", "1.6"))
        after = await board(feed_system)
        assert {status for status, _ in after.values()} == {Status.ACTIVE}
        assert after["tiny.77/win?market=1.5"] == before["tiny.77/win?market=1.5"]
