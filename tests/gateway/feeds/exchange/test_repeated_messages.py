"""Messages delivered twice leave the same order books and move no market."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from gateway.feeds.exchange.adapter import ExchangeAdapter
from gateway.feeds.exchange.order_book import StreamOrderBooks
from gateway.feeds.exchange.settings import ExchangeSettings
from tests.gateway.feeds.exchange.builders import Exchange, definition, line, mcm, quoted, runner
from tests.gateway.feeds.feed_system import FeedSystem, open_feed_system
from tests.gateway.price_gateway import until


@settings(max_examples=40)
@given(st.integers(0, 1_000), st.integers(0, 59), st.integers(1, 60), st.booleans())
def test_replaying_the_newest_messages_in_order_leaves_the_same_books(
    seed: int, first: int, length: int, imaged: bool
) -> None:
    market = Exchange(seed)
    sent = [market.image(), *(market.move() for _ in range(30))]
    if imaged:  # an image in the middle, as a resumed stream has one
        message = json.loads(market.image()) | {"ct": "SUB_IMAGE"}
        sent.append(line(**message))
    sent += [market.move() for _ in range(29)]
    once, twice = StreamOrderBooks(), StreamOrderBooks()
    for body in sent:
        once.receive(body)
        twice.receive(body)
    end = min(first + length, len(sent))
    for body in sent[first:end]:
        twice.receive(body)
    for body in sent[end:]:  # unanswered messages are always the newest ones, without a gap
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


async def statuses_and_odds(feed_system: FeedSystem) -> dict[str, Any]:
    return {
        key: (image.status, image.odds_milli) for key, image in (await feed_system.images()).items()
    }


async def test_messages_sent_again_after_a_loss_move_no_market(tmp_path: Path) -> None:
    async with system_of_feeds(tmp_path) as feed_system:
        await feed_system.push(*WINDOW)
        before = await statuses_and_odds(feed_system)
        assert {status for status, _ in before.values()} == {Status.ACTIVE}
        await feed_system.push(*WINDOW[2:])
        assert await statuses_and_odds(feed_system) == before
        await feed_system.push(move(2_000, 0.6))
        after = await statuses_and_odds(feed_system)
        assert after.keys() == before.keys()
        assert after != before


async def test_replayed_start_of_a_connection_opens_no_market_at_old_prices(
    tmp_path: Path,
) -> None:
    async with system_of_feeds(tmp_path) as feed_system:
        await feed_system.push(*WINDOW)
        before = await statuses_and_odds(feed_system)
        for body in WINDOW:
            await feed_system.push(body)
            assert await statuses_and_odds(feed_system) == before
        await feed_system.push(greeting(2))
        assert {status for status, _ in (await statuses_and_odds(feed_system)).values()} == {
            Status.SUSPENDED
        }
        await feed_system.push(*WINDOW)
        assert {status for status, _ in (await statuses_and_odds(feed_system)).values()} == {
            Status.SUSPENDED
        }
        await feed_system.push(image(3_000, 0.75, "1.5", "1.6"))
        after = await statuses_and_odds(feed_system)
        assert {status for status, _ in after.values()} == {Status.ACTIVE}
        assert (
            after["tiny.77.202311142200/win?market=1.5"]
            == before["tiny.77.202311142200/win?market=1.5"]
        )


async def test_restarted_pipeline_opens_the_market_only_at_prices_newer_than_the_replay(
    tmp_path: Path,
) -> None:
    async with system_of_feeds(tmp_path) as feed_system:
        await feed_system.push(*WINDOW)
        before = await statuses_and_odds(feed_system)
    async with system_of_feeds(tmp_path) as feed_system:
        await feed_system.push(*WINDOW[2:], *WINDOW)

        async def all_suspended() -> bool:
            now = await statuses_and_odds(feed_system)
            return {status for status, _ in now.values()} == {Status.SUSPENDED}

        await until(all_suspended)  # the suspension at the restart, which answers no message
        await feed_system.push(image(3_000, 0.75, "1.5", "1.6"))
        after = await statuses_and_odds(feed_system)
        assert {status for status, _ in after.values()} == {Status.ACTIVE}
        assert (
            after["tiny.77.202311142200/win?market=1.5"]
            == before["tiny.77.202311142200/win?market=1.5"]
        )
