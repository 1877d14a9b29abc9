"""One gateway process: it fetches missing images from the shells, and retries those that fail."""

import asyncio
from collections.abc import Sequence
from typing import Any

from actors.messages import MarketRoute, PartsStatus, ShellRoute, ShellState, encode
from actors.peer import PeerDiedError
from engine.common.views import PriceImage
from gateway.app import Gateway
from gateway.settings import GatewaySettings
from tests.gateway.price_gateway import SECRET, PriceGateway, image, open_price_gateway, until


class ShellStub:
    """A market shell's peer that answers with images, or fails."""

    def __init__(self, name: str, images: Sequence[PriceImage], *, error: Exception | None) -> None:
        self.name = name
        self.images = {image.market_no: image for image in images}
        self.error = error
        self.requests: list[list[int]] = []
        self.requested_s: list[float] = []

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        assert method == "price_images"
        (numbers,) = args
        self.requests.append(list(numbers))
        self.requested_s.append(asyncio.get_running_loop().time())
        if self.error is not None:
            raise self.error
        return encode([self.images[number] for number in numbers])

    def notify(self, method: str, /, *args: Any) -> None:
        raise NotImplementedError


def shell(name: str, *numbers: int, error: Exception | None = None) -> ShellStub:
    return ShellStub(name, [image(number) for number in numbers], error=error)


def add(system: PriceGateway, stub: ShellStub) -> None:
    """Give the gateway the routes of a shell and of its markets."""
    markets = list(stub.images.values())
    system.route(version=1, shell=stub.name, peer=stub, kind="market", markets=markets)


async def test_images_are_fetched_again_from_a_shell_that_did_not_answer() -> None:
    async with open_price_gateway() as system:
        stub = shell("market-a", 1, 2, error=PeerDiedError("market-a"))
        add(system, stub)
        await until(lambda: len(stub.requests) == 2)
        assert system.gateway.fanout.missing() == [1, 2]
        stub.error = None
        await until(lambda: not system.gateway.fanout.missing())
        assert stub.requests == [[1, 2]] * 3
        assert stub.requested_s[1] - stub.requested_s[0] >= 0.2, (
            "a failed call is not repeated at once"
        )


async def test_shell_without_images_delays_no_other_and_is_not_called_again() -> None:
    async with open_price_gateway() as system:
        broken = shell("market-a", 1, error=RuntimeError("nothing was recovered"))
        sound = shell("market-b", 2)
        add(system, broken)
        add(system, sound)
        await until(lambda: system.gateway.fanout.missing() == [1])
        add(system, shell("market-c", 3))
        await until(lambda: system.gateway.fanout.missing() == [1])
        assert broken.requests == [[1]]


async def test_images_of_routes_that_came_before_the_start_are_fetched_at_the_start() -> None:
    settings = GatewaySettings(bets_host="127.0.0.1", bets_port=0, control_port=0, feed_port=0)
    gateway = Gateway(name="gateway-0", shards=2, secret=SECRET, settings=settings)
    stub = shell("market-a", 1)
    gateway.on_routes(
        1,
        [ShellRoute(name=stub.name, kind="market", generation=1, state=ShellState.SERVING)],
        [MarketRoute(market_no=1, key=stub.images[1].key, shell=stub.name)],
        {stub.name: stub},
    )
    assert stub.requests == []
    await gateway.start()
    try:
        await until(lambda: not gateway.fanout.missing())
    finally:
        await gateway.stop()
    assert stub.requests == [[1]]


async def test_images_are_fetched_again_from_a_shell_with_a_new_process() -> None:
    async with open_price_gateway() as system:
        stub = shell("market-a", 1)
        add(system, stub)
        await until(lambda: len(stub.requests) == 1)
        stub.images[1] = image(1, version=9)
        system.route(version=2, shell=stub.name, peer=stub, kind="market", generation=2)
        await until(lambda: system.gateway.fanout.topics[1].version == 9)
        assert len(stub.requests) == 2


async def test_parts_that_are_down_are_shown_until_a_later_word_says_otherwise() -> None:
    async with open_price_gateway() as system:
        gateway = system.gateway
        frozen = encode(PartsStatus(down={"reconciler": "frozen"}))
        gateway.on_parts(2, frozen)
        assert gateway._readiness().parts_down == ("reconciler",)
        gateway.on_parts(3, encode(PartsStatus(ports={"gateway-0": {"bets": 8480}})))
        gateway.on_parts(2, frozen)
        assert gateway._readiness().parts_down == ()
        assert gateway._readiness().ports == {"gateway-0": {"bets": 8480}}


async def test_shells_that_do_not_answer_are_counted() -> None:
    async with open_price_gateway() as system:
        stub = shell("market-a", 1)
        states = (ShellState.STARTING, ShellState.DOWN, ShellState.QUARANTINED, ShellState.SERVING)
        down = []
        for version, state in enumerate(states, start=2):
            system.route(version=version, shell=stub.name, peer=stub, kind="market", state=state)
            down.append(system.gateway.stats()["shells_down"])
        assert down == [1, 1, 0, 0]
