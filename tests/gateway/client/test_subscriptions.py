"""Requests that subscribe everything again: complete, and within what a gateway accepts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.client import BoundReachedError
from gateway.client.subscriptions import SUBSCRIPTIONS_KEPT_MAX, Request, Subscriptions
from gateway.messages.market import NAMES_MAX, Market, Subscribe
from gateway.net.codec import JSON, MSGPACK

LARGEST = 2**63 - 1
NUMBERS = st.integers(0, 2**32 - 1)
FIXTURES = st.integers(0, 5).map(lambda number: f"cup-{number}")


def key_of(number: int) -> str:
    return f"cup-{number % 7}/total?total={number}"


def image(number: int, version: int = LARGEST) -> Market:
    return Market(
        market=number,
        key=key_of(number),
        status="active",
        version=version,
        outcomes=("over", "under"),
        odds_milli=(1_900, 2_000),
        active=(True, True),
    )


def message(request: Request) -> Subscribe:
    fields = request._asdict()
    return Subscribe(id=2**32 - 1, all=fields.pop("all_markets"), **fields)


@given(
    markets=st.lists(NUMBERS, max_size=60, unique=True),
    keys=st.lists(NUMBERS, max_size=60, unique=True),
    fixtures=st.lists(FIXTURES, unique=True),
    held=st.lists(NUMBERS, max_size=200),
    frame_bytes_max=st.integers(1_024, 16_384),
)
def test_every_name_is_in_one_request_and_every_request_fits(
    markets: list[int],
    keys: list[int],
    fixtures: list[str],
    held: list[int],
    frame_bytes_max: int,
) -> None:
    subscriptions = Subscriptions()
    key_names = tuple(key_of(number) for number in keys)
    subscriptions.add(Request(tuple(markets), key_names, tuple(fixtures)))
    prices = {number: image(number) for number in (*held, *markets[::2], *keys[::2])}
    requests = subscriptions.requests(prices, frame_bytes_max=frame_bytes_max)
    assert sorted(name for request in requests for name in request.markets) == sorted(markets)
    assert sorted(name for request in requests for name in request.keys) == sorted(key_names)
    assert sorted(name for request in requests for name in request.fixtures) == sorted(fixtures)
    for request in requests:
        for codec in (MSGPACK, JSON):
            encoded = codec.encode(message(request))
            assert len(encoded) <= frame_bytes_max
            codec.decode(encoded)  # within the schema's bounds
        assert all(prices[line.market].version == line.version for line in request.seen)
        wanted = {*request.keys, *(key_of(number) for number in request.markets)}
        assert all(
            prices[line.market].key in wanted
            or prices[line.market].key.partition("/")[0] in request.fixtures
            for line in request.seen
        )


@pytest.mark.parametrize("names", [{"all_markets": True}, {"fixtures": ("cup-0",)}], ids=str)
def test_more_images_than_fit_are_seen_as_far_as_they_fit(names: dict[str, Any]) -> None:
    subscriptions = Subscriptions()
    subscriptions.add(Request(**names))
    prices = {number: image(number) for number in range(0, 7 * 5_000, 7)}
    for frame_bytes_max, least in ((16_384, 250), (1 << 20, NAMES_MAX)):
        (request,) = subscriptions.requests(prices, frame_bytes_max=frame_bytes_max)
        assert least <= len(request.seen) <= NAMES_MAX
        assert len(JSON.encode(message(request))) <= frame_bytes_max


def test_all_covers_every_other_name_until_everything_is_unsubscribed() -> None:
    subscriptions = Subscriptions()
    subscriptions.add(Request(markets=(1,)))
    subscriptions.add(Request(all_markets=True))
    subscriptions.add(Request(markets=(2,)))
    assert subscriptions.requests({}, frame_bytes_max=16_384) == [Request(all_markets=True)]
    subscriptions.remove(markets=(), fixtures=(), everything=True, prices={})
    assert subscriptions.requests({}, frame_bytes_max=16_384) == []


def test_a_key_in_another_order_is_the_same_name() -> None:
    subscriptions = Subscriptions()
    subscriptions.add(Request(keys=("cup-0/total?b=2|a=1", "cup-0/total?a=1|b=2")))
    assert len(subscriptions) == 1


def test_a_fixture_takes_its_markets_with_it() -> None:
    subscriptions = Subscriptions()
    prices = {number: image(number) for number in (7, 8)}
    subscriptions.add(Request(markets=(7, 8), keys=(key_of(14), key_of(15)), fixtures=("cup-0",)))
    subscriptions.remove(markets=(), fixtures=("cup-0",), everything=False, prices=prices)
    (request,) = subscriptions.requests({}, frame_bytes_max=16_384)
    assert request == Request(markets=(8,), keys=(key_of(15),))


def test_unknown_names_are_not_kept_and_names_have_a_bound() -> None:
    subscriptions = Subscriptions()
    subscriptions.add(Request(markets=(1, 2), keys=("cup-0/1x2",)), unknown=("1", "cup-0/1x2"))
    assert list(subscriptions.markets) == [2]
    assert len(subscriptions) == 1
    subscriptions.check_room(SUBSCRIPTIONS_KEPT_MAX - 1)
    with pytest.raises(BoundReachedError, match="subscribed names: at most"):
        subscriptions.check_room(SUBSCRIPTIONS_KEPT_MAX)
